//! A client of the consumer protocol, as small as can be: it says what it owns, takes what it is
//! told and gives up what it is not told any more, which takes it a moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::super::harness::{Pending, start};
use super::world::{Used, partitions_of};
use crate::group::assignor::Assignment;
use crate::group::{
    ConsumerHeartbeat, ConsumerHeartbeatAnswer, GroupCoordinator, GroupError, Refused,
};

type Answer = Result<ConsumerHeartbeatAnswer, Refused>;

/// A member of the consumer protocol.
pub(super) struct ConsumerClient {
    group_id: Arc<str>,
    member_id: Arc<str>,
    topics: BTreeSet<Arc<str>>,
    epoch: i32,
    /// What it uses.
    used: Used,
    /// What it was told last.
    told: Used,
    /// Ticks until it has stopped using what it was not told any more.
    revoking_ticks: usize,
    must_say_owned: bool,
    pending: Option<Pending<Answer>>,
    was_full: bool,
}

impl ConsumerClient {
    pub(super) fn new(group_id: &Arc<str>, topics: &BTreeSet<Arc<str>>, number: usize) -> Self {
        Self {
            group_id: Arc::clone(group_id),
            member_id: format!("consumer-{number:04}").into(),
            topics: topics.clone(),
            epoch: 0,
            used: Used::new(),
            told: Used::new(),
            revoking_ticks: number % 3,
            must_say_owned: true,
            pending: None,
            was_full: false,
        }
    }

    pub(super) fn used(&self) -> &Used {
        &self.used
    }

    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(super) fn member_id(&self) -> &Arc<str> {
        &self.member_id
    }

    /// One tick: stops using partitions, and sends a heartbeat unless one is under way.
    pub(super) fn step(&mut self, groups: &GroupCoordinator, tick: usize) {
        if self.used != self.told && self.pending.is_none() {
            if !tick.is_multiple_of(self.revoking_ticks + 1) {
                // Still working on the last records of what it has to give up.
            } else {
                self.used.clone_from(&self.told);
                self.must_say_owned = true;
            }
        }
        if self.pending.is_some() {
            return;
        }
        let is_joining = self.epoch == 0;
        self.was_full = is_joining || self.must_say_owned;
        let request = self.request(self.epoch, self.was_full);
        self.must_say_owned = false;
        let groups = groups.clone();
        let beat = async move { groups.consumer_group_heartbeat(request).await };
        self.pending = Some(start(beat));
    }

    /// Takes the answer, if there is one.
    pub(super) fn absorb(&mut self) {
        let Some(answer) = self.pending.as_ref().and_then(Pending::take) else {
            return;
        };
        self.pending = None;
        match answer {
            Ok(answer) => {
                self.epoch = answer.member_epoch;
                if let Some(assignment) = answer.assignment {
                    self.told = partitions_of(&assignment);
                    // What is new it may use at once; what is gone it has to stop using first.
                    self.used.extend(self.told.iter().copied());
                }
            }
            Err(refused) => self.refused(refused.error),
        }
    }

    fn refused(&mut self, error: GroupError) {
        match error {
            GroupError::UnknownMemberId | GroupError::FencedMemberEpoch => {
                self.epoch = 0;
                self.used.clear();
                self.told.clear();
                self.must_say_owned = true;
            }
            GroupError::CoordinatorLoadInProgress
            | GroupError::NotCoordinator
            | GroupError::CoordinatorNotAvailable => self.must_say_owned |= self.was_full,
            other => panic!("{} gets {other}", self.member_id),
        }
    }

    /// Leaves for good.
    pub(super) fn leave(mut self, groups: &GroupCoordinator) -> Pending<Answer> {
        if let Some(pending) = self.pending.take() {
            pending.abandon();
        }
        let request = self.request(-1, false);
        let groups = groups.clone();
        start(async move { groups.consumer_group_heartbeat(request).await })
    }

    /// Goes away without a word; what is under way may still arrive.
    pub(super) fn crash(self) {
        if let Some(pending) = self.pending {
            pending.abandon();
        }
    }

    fn request(&self, member_epoch: i32, is_full: bool) -> ConsumerHeartbeat {
        let mut owned = Assignment::new();
        for (topic, partition) in &self.used {
            let of_topic: &mut BTreeSet<i32> = owned.entry(*topic as Uuid).or_default();
            of_topic.insert(*partition);
        }
        ConsumerHeartbeat {
            group_id: Arc::clone(&self.group_id),
            member_id: Arc::clone(&self.member_id),
            member_epoch,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: is_full.then_some(300_000),
            subscribed_topic_names: is_full.then(|| self.topics.clone()),
            subscribed_topic_regex: None,
            server_assignor: None,
            owned: is_full.then_some(owned),
            client_id: Arc::from("client"),
            client_host: Arc::from("/127.0.0.1"),
            generates_member_id: true,
        }
    }
}
