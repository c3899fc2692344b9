//! A membership under test: its clock, the application that carries out steps, and what both were
//! asked to do.

use std::sync::Arc;
use std::time::Duration;

use ringbrook_protocol::ResponseError;
use tokio::time::Instant;

use super::membership::{Action, Membership, Wanted};
use super::messages::{Answer, Call};
use super::settings::GroupSettings;
use super::steps::{Partitions, Step};
use crate::error::{BrokerError, ClientError};
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

/// A group with Kafka's default times, as a member that may be static.
pub(super) fn settings(instance_id: Option<&str>) -> Arc<GroupSettings> {
    Arc::new(GroupSettings {
        group_id: "g".into(),
        instance_id: instance_id.map(Arc::from),
        rack_id: None,
        session_timeout: Duration::from_secs(45),
        heartbeat_interval: Duration::from_secs(3),
        max_poll_interval: Duration::from_secs(300),
        remote_assignor: None,
        retry_backoff: Duration::from_millis(100),
        retry_backoff_max: Duration::from_secs(1),
    })
}

pub(super) fn wanted(topics: &[&str]) -> Option<Wanted> {
    Some(Wanted {
        topics: topics.iter().map(|it| Arc::from(*it)).collect(),
        broker_pattern: None,
    })
}

pub(super) fn partitions(indexes: &[i32]) -> Partitions {
    indexes
        .iter()
        .map(|it| TopicPartition::new("t", *it))
        .collect()
}

pub(super) fn broker_error<T>(error: ResponseError) -> Result<T, ClientError> {
    Err(BrokerError::new(error.code(), "group g").into())
}

pub(super) fn disconnected<T>() -> Result<T, ClientError> {
    Err(ClientError::Disconnected {
        address: "a:1".to_owned(),
        reason: "closed".to_owned(),
    })
}

/// Does with an application's partitions what a step says, which has to fit what it has.
#[track_caller]
pub(super) fn take_note(step: Step, has: &mut Partitions, at: &str) {
    match step {
        Step::Revoke {
            revoked, remaining, ..
        } => {
            assert_eq!(&(&revoked | &remaining), has, "{at}");
            *has = remaining;
        }
        Step::Lose { lost } => {
            assert_eq!(&lost, has, "{at}");
            has.clear();
        }
        Step::Assign { assigned, added } => {
            assert!(added.is_disjoint(has), "{at}");
            assert_eq!(&(&*has & &assigned) | &added, assigned, "{at}");
            *has = assigned;
        }
    }
}

/// A member and its surroundings.
pub(super) struct Harness<M> {
    pub(super) member: M,
    pub(super) now: Instant,
    pub(super) metadata: Metadata,
}

impl<M: Membership> Harness<M> {
    pub(super) fn new(make: impl FnOnce(Instant) -> M) -> Self {
        let now = Instant::now();
        Self {
            member: make(now),
            now,
            metadata: Metadata::unknown(),
        }
    }

    /// Subscribes and polls.
    pub(super) fn subscribe(&mut self, topics: &[&str]) {
        self.member.want(wanted(topics));
        self.poll();
    }

    pub(super) fn poll(&mut self) {
        self.member.on_poll(self.now);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(super) fn next(&mut self) -> Option<Action> {
        self.member.next_action(self.now, &self.metadata)
    }

    /// The next action, which has to be a request.
    #[track_caller]
    pub(super) fn call(&mut self) -> Call {
        match self.next() {
            Some(Action::Call(call)) => call,
            other => panic!("no request but {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn expect_quiet(&mut self) {
        let action = self.next();
        assert!(action.is_none(), "{action:?}");
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        self.member.on_answer(self.now, answer);
    }

    /// Carries out all steps that are due.
    pub(super) fn run_steps(&mut self) -> Vec<Step> {
        let mut done = Vec::new();
        while let Some(step) = self.member.begin_step() {
            done.push(step);
            self.member.finish_step();
        }
        done
    }
}
