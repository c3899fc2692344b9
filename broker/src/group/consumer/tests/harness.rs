//! A group with its timers, clock and topics, and a log of its records from which it can be read
//! back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::group::assignor::{Assignment, TopicsImage};
use crate::group::classic::state::GroupLimits;
use crate::group::consumer::action::Action;
use crate::group::consumer::group::ConsumerGroup;
use crate::group::consumer::member::{Current, JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH};
use crate::group::consumer::record::ConsumerRecord;
use crate::group::consumer::request::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, Refused};
use crate::group::consumer::settings::{ConsumerGroupConfig, Surroundings};
use crate::group::error::GroupError;
use crate::group::testing::TestTopics;
use crate::group::timers::TimerKind;

pub(super) type Answer = Result<ConsumerHeartbeatAnswer, Refused>;

pub(super) struct Harness {
    pub(super) group: ConsumerGroup,
    pub(super) topics: TestTopics,
    pub(super) settings: ConsumerGroupConfig,
    pub(super) now_ms: i64,
    /// Deadline of each timer, ms.
    pub(super) timers: BTreeMap<TimerKind, i64>,
    /// Regular expressions that wait to be resolved.
    pub(super) resolving: Option<BTreeSet<Arc<str>>>,
    /// Everything the group has said.
    pub(super) log: Vec<ConsumerRecord>,
    /// What it said with the last event.
    pub(super) said: Vec<ConsumerRecord>,
}

/// A group that computes targets at once.
pub(super) fn harness() -> Harness {
    Harness {
        group: ConsumerGroup::new(Arc::from("group")),
        topics: TestTopics::default(),
        settings: ConsumerGroupConfig {
            assignment_interval_ms: 0,
            ..ConsumerGroupConfig::default()
        },
        now_ms: 1_700_000_000_000,
        timers: BTreeMap::new(),
        resolving: None,
        log: Vec::new(),
        said: Vec::new(),
    }
}

/// A first heartbeat of a member that subscribes to these topics.
pub(super) fn join(member_id: &str, topics: &[&str]) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group_id: Arc::from("group"),
        member_id: Arc::from(member_id),
        member_epoch: JOIN_EPOCH,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: Some(60_000),
        subscribed_topic_names: Some(topics.iter().map(|name| Arc::from(*name)).collect()),
        subscribed_topic_regex: None,
        server_assignor: None,
        owned: Some(Assignment::new()),
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        generates_member_id: true,
    }
}

/// A heartbeat that says nothing new.
pub(super) fn beat(member_id: &str, member_epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        member_epoch,
        rebalance_timeout_ms: None,
        subscribed_topic_names: None,
        owned: None,
        ..join(member_id, &[])
    }
}

/// A heartbeat that says what the member owns.
pub(super) fn owning(member_id: &str, member_epoch: i32, owned: &Assignment) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        owned: Some(owned.clone()),
        ..beat(member_id, member_epoch)
    }
}

pub(super) fn partitions(of: &[(Uuid, &[i32])]) -> Assignment {
    let topics = of.iter();
    topics
        .map(|(id, partitions)| (*id, partitions.iter().copied().collect()))
        .collect()
}

pub(super) fn error_of(answer: Answer) -> GroupError {
    answer.expect_err("refused").error
}

impl Harness {
    pub(super) fn send(&mut self, request: &ConsumerHeartbeat) -> Answer {
        self.event(|group, surroundings, actions| {
            if request.member_epoch < JOIN_EPOCH {
                group.leave(request, surroundings, actions)
            } else {
                group.heartbeat(request, surroundings, actions)
            }
        })
    }

    pub(super) fn leave(&mut self, member_id: &str) -> Answer {
        self.send(&beat(member_id, LEAVE_EPOCH))
    }

    pub(super) fn leave_for_now(&mut self, member_id: &str, instance_id: &str) -> Answer {
        self.send(&ConsumerHeartbeat {
            instance_id: Some(Arc::from(instance_id)),
            ..beat(member_id, LEAVE_STATIC_EPOCH)
        })
    }

    pub(super) fn event<R>(
        &mut self,
        event: impl FnOnce(&mut ConsumerGroup, &Surroundings<'_>, &mut Vec<Action>) -> R,
    ) -> R {
        let surroundings = Surroundings {
            now_ms: self.now_ms,
            topics: &self.topics,
            settings: &self.settings,
            classic_limits: GroupLimits {
                group_max_size: 100,
                pending_members_max: 100,
                initial_rebalance_delay: Duration::ZERO,
                new_member_join_timeout: Duration::ZERO,
            },
        };
        let mut actions = Vec::new();
        let result = event(&mut self.group, &surroundings, &mut actions);
        self.said.clear();
        for action in actions {
            match action {
                Action::Append(record) => {
                    self.said.push(record.clone());
                    self.log.push(record);
                }
                Action::SetTimer(kind, after) => {
                    let after_ms = i64::try_from(after.as_millis()).unwrap();
                    self.timers.insert(kind, self.now_ms + after_ms);
                }
                Action::SetTimerIfUnset(..) | Action::BecomeClassic(_) => {
                    panic!("there are no members of the classic protocol here")
                }
                Action::CancelTimer(kind) => {
                    self.timers.remove(&kind);
                }
                Action::ResolveRegexes(regexes) => {
                    let twice = self.resolving.replace(regexes);
                    assert_eq!(twice, None, "resolved twice at a time");
                }
            }
        }
        self.group.assert_consistent();
        result
    }

    /// Lets time pass, and the timers that become due fire.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now_ms += i64::try_from(time.as_millis()).unwrap();
        loop {
            let due = self.timers.iter().find(|(_, at)| **at <= self.now_ms);
            let Some(kind) = due.map(|(kind, _)| kind.clone()) else {
                return;
            };
            self.timers.remove(&kind);
            self.event(|group, surroundings, actions| {
                group.timer_fired(&kind, surroundings, actions);
            });
        }
    }

    /// Finds what the regular expressions match, if any wait for it.
    pub(super) fn resolve(&mut self) {
        let Some(regexes) = self.resolving.take() else {
            return;
        };
        let topics = self.topics.clone();
        let found = crate::group::assignor::resolve_topic_regexes(&regexes, &topics);
        let now_ms = self.now_ms;
        self.event(|group, _, actions| {
            group.regexes_resolved(Some(found), &topics, now_ms, actions);
        });
    }

    /// A coordinator that has only the log to go by takes over.
    pub(super) fn restart(&mut self) {
        let mut group = ConsumerGroup::new(Arc::from("group"));
        for record in &self.log {
            group.apply(record.clone());
        }
        assert_eq!(group.members, self.group.members);
        assert_eq!(group.target, self.group.target);
        assert_eq!(group.epoch, self.group.epoch);
        assert_eq!(group.target_epoch, self.group.target_epoch);
        assert_eq!(group.metadata_hash, self.group.metadata_hash);
        assert_eq!(group.resolved_regexes, self.group.resolved_regexes);
        self.group = group;
        self.timers.clear();
        self.resolving = None;
        self.event(|group, surroundings, actions| group.loaded(surroundings, actions));
    }

    pub(super) fn current(&self, member_id: &str) -> &Current {
        &self.group.members[member_id].current
    }

    /// The state, by Kafka's name.
    pub(super) fn state(&self) -> &'static str {
        self.group.state().name()
    }

    pub(super) fn partition_count(&self, id: Uuid) -> i32 {
        self.topics.topic_by_id(id).expect("topic").partition_count
    }
}
