//! A consumer group (KIP-848) as a pure state machine: its data, and how its records change it.
//! The events live beside it: `heartbeat`, `leave`, `regexes`, `offsets`, `target`.
//!
//! Events, the time and the topics go in; [`Action`]s come out, among them the records. An event
//! applies its records at once, so what follows sees their effect, and answers are sent when they
//! are written (see `shard`); should the write fail, the whole partition is read back from its log.
//! Nothing here locks, sleeps, sends or writes. Mirrors Kafka's `ConsumerGroup` and the consumer
//! half of `GroupMetadataManager`.
//!
//! Invariants, checked by `assert_consistent` in tests: a partition has one owner at most;
//! `subscriptions`, `owners` and `static_members` follow from the members and resolved regular
//! expressions; the epoch of the target assignment is not above the group's, nor that of a member
//! above the target's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use uuid::Uuid;

use super::action::Action;
#[cfg(test)]
use super::member::MemberState;
use super::member::{Current, LEAVE_EPOCH, Member};
use super::record::ConsumerRecord;
use super::subscriptions::Subscriptions;
use crate::group::assignor::{Assignment, MemberId, TopicsImage};
use crate::group::schema::{
    ConsumerGroupMetadataValue, ConsumerMemberMetadataValue, RegularExpressionValue,
    TargetAssignmentMetadataValue,
};

/// The epoch of a group that has just come to be.
const INITIAL_EPOCH: i32 = 1;

/// The state of a consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerGroupState {
    /// No members; committed offsets may remain.
    Empty,
    /// The target assignment is older than the group.
    Assigning,
    /// Some members have not reached their target.
    Reconciling,
    /// Every member has its target.
    Stable,
    /// Being deleted.
    Dead,
}

impl ConsumerGroupState {
    /// Kafka's name of the state.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// A consumer group.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    pub(crate) group_id: Arc<str>,
    /// Rises whenever the target assignment has to be computed anew.
    pub(crate) epoch: i32,
    /// Hash over the subscribed topics as they were when the epoch last rose.
    pub(crate) metadata_hash: i64,
    /// The group epoch the target assignment was computed for.
    pub(crate) target_epoch: i32,
    /// When it was computed, ms since the epoch; 0 when unknown.
    pub(crate) target_timestamp_ms: i64,
    /// By member id. Ordered, so that every choice among members is reproducible.
    pub(crate) members: BTreeMap<MemberId, Member>,
    /// What each member is to own.
    pub(crate) target: HashMap<MemberId, Assignment>,
    pub(crate) resolved_regexes: BTreeMap<Arc<str>, RegularExpressionValue>,
    pub(crate) has_legacy_metadata: bool,
    /// Member id by group instance id.
    static_members: HashMap<Arc<str>, MemberId>,
    pub(crate) subscriptions: Subscriptions,
    /// By topic and partition: the member that owns it.
    owners: HashMap<Uuid, HashMap<i32, MemberId>>,
    /// Version of the topics the metadata hash was last compared with; none after a load.
    pub(crate) checked_version: Option<u64>,
    /// Version of the topics the regular expressions were last resolved in; none after a load.
    pub(crate) regexes_version: Option<u64>,
    /// Whether the regular expressions are being resolved.
    pub(crate) is_resolving: bool,
    /// Whether tombstones of the group are being written.
    pub(crate) is_deleting: bool,
}

impl ConsumerGroup {
    /// A group without members.
    pub(crate) fn new(group_id: Arc<str>) -> Self {
        Self {
            group_id,
            epoch: INITIAL_EPOCH,
            metadata_hash: 0,
            target_epoch: 0,
            target_timestamp_ms: 0,
            members: BTreeMap::new(),
            target: HashMap::new(),
            resolved_regexes: BTreeMap::new(),
            has_legacy_metadata: false,
            static_members: HashMap::new(),
            subscriptions: Subscriptions::default(),
            owners: HashMap::new(),
            checked_version: None,
            regexes_version: None,
            is_resolving: false,
            is_deleting: false,
        }
    }

    /// The state. O(members).
    pub(crate) fn state(&self) -> ConsumerGroupState {
        let mut members = self.members.values();
        if self.is_deleting {
            ConsumerGroupState::Dead
        } else if self.members.is_empty() {
            ConsumerGroupState::Empty
        } else if self.target_epoch < self.epoch {
            ConsumerGroupState::Assigning
        } else if members.all(|member| member.current.is_reconciled_to(self.target_epoch)) {
            ConsumerGroupState::Stable
        } else {
            ConsumerGroupState::Reconciling
        }
    }

    /// The member id behind a group instance id.
    pub(crate) fn static_member(&self, instance_id: &str) -> Option<&Member> {
        self.members.get(self.static_members.get(instance_id)?)
    }

    /// Whether anybody owns the partition.
    pub(crate) fn is_owned(&self, topic_id: Uuid, partition: i32) -> bool {
        let of_topic = self.owners.get(&topic_id);
        of_topic.is_some_and(|partitions| partitions.contains_key(&partition))
    }

    /// The ids of the existing topics that a member is subscribed to, by name and by its regular
    /// expression as far as that is resolved.
    pub(crate) fn subscribed_ids(
        &self,
        metadata: &ConsumerMemberMetadataValue,
        topics: &dyn TopicsImage,
    ) -> BTreeSet<Uuid> {
        let matched = super::member::regex_of(metadata)
            .and_then(|regex| self.resolved_regexes.get(regex))
            .map(|resolved| &resolved.topics);
        let names = metadata.subscribed_topic_names.iter();
        let names = names.chain(matched.into_iter().flatten());
        names
            .filter_map(|name| topics.topic(name))
            .map(|topic| topic.id)
            .collect()
    }

    /// Says a change: writes it down and makes it so.
    pub(crate) fn change(&mut self, record: ConsumerRecord, actions: &mut Vec<Action>) {
        self.apply(record.clone());
        actions.push(Action::Append(record));
    }

    /// Makes a change so that has been said before. Lenient, as it must be when a log is read back
    /// from which the cleaner has removed records: what a tombstone removes need not be there.
    pub(crate) fn apply(&mut self, record: ConsumerRecord) {
        match record {
            ConsumerRecord::Metadata(Some(value)) => {
                self.epoch = value.epoch;
                self.metadata_hash = value.metadata_hash;
            }
            // The last of the tombstones of a group, which goes with it.
            ConsumerRecord::Metadata(None) => *self = Self::new(Arc::clone(&self.group_id)),
            ConsumerRecord::LegacyPartitionMetadata(exists) => self.has_legacy_metadata = exists,
            ConsumerRecord::Member(id, Some(value)) => self.put_metadata(&id, value),
            ConsumerRecord::Member(id, None) => self.remove_member(&id),
            ConsumerRecord::TargetAssignment(value) => {
                let value = value.unwrap_or(TargetAssignmentMetadataValue {
                    assignment_epoch: -1,
                    assignment_timestamp_ms: 0,
                });
                self.target_epoch = value.assignment_epoch;
                self.target_timestamp_ms = value.assignment_timestamp_ms;
            }
            ConsumerRecord::TargetAssignmentMember(id, Some(value)) => {
                self.target.insert(id, value.partitions);
            }
            ConsumerRecord::TargetAssignmentMember(id, None) => {
                self.target.remove(&id);
            }
            ConsumerRecord::CurrentAssignment(id, Some(value)) => {
                self.put_current(&id, Current::from_value(value));
            }
            ConsumerRecord::CurrentAssignment(id, None) => {
                if self.members.contains_key(&id) {
                    let gone = Current {
                        epoch: LEAVE_EPOCH,
                        previous_epoch: LEAVE_EPOCH,
                        ..Current::new()
                    };
                    self.put_current(&id, gone);
                }
            }
            ConsumerRecord::RegularExpression(regex, value) => self.put_regex(regex, value),
        }
    }

    /// The member, made up if it is not there yet: either of its records may come first.
    fn member_entry(&mut self, member_id: &MemberId) -> &mut Member {
        self.members
            .entry(Arc::clone(member_id))
            .or_insert_with(|| Member::new(Arc::clone(member_id)))
    }

    fn put_metadata(&mut self, member_id: &MemberId, metadata: ConsumerMemberMetadataValue) {
        if let Some(instance_id) = &metadata.instance_id {
            self.static_members
                .insert(Arc::clone(instance_id), Arc::clone(member_id));
        }
        self.subscriptions.add_member(&metadata);
        let former = std::mem::replace(&mut self.member_entry(member_id).metadata, metadata);
        self.subscriptions.remove_member(&former);
    }

    fn put_current(&mut self, member_id: &MemberId, current: Current) {
        let former = std::mem::replace(&mut self.member_entry(member_id).current, current.clone());
        self.disown(member_id, &former);
        for (topic_id, partition) in current.owned() {
            self.owners
                .entry(topic_id)
                .or_default()
                .insert(partition, Arc::clone(member_id));
        }
    }

    /// Frees what a member owned, except what another has taken over since, which happens only
    /// while a log is read back.
    fn disown(&mut self, member_id: &MemberId, current: &Current) {
        for (topic_id, partition) in current.owned() {
            let Some(partitions) = self.owners.get_mut(&topic_id) else {
                continue;
            };
            if partitions.get(&partition) == Some(member_id) {
                partitions.remove(&partition);
            }
            if partitions.is_empty() {
                self.owners.remove(&topic_id);
            }
        }
    }

    fn remove_member(&mut self, member_id: &MemberId) {
        let Some(member) = self.members.remove(member_id) else {
            return;
        };
        self.disown(member_id, &member.current);
        self.subscriptions.remove_member(&member.metadata);
        if let Some(instance_id) = &member.metadata.instance_id
            && self.static_members.get(instance_id) == Some(member_id)
        {
            self.static_members.remove(instance_id);
        }
    }

    fn put_regex(&mut self, regex: Arc<str>, value: Option<RegularExpressionValue>) {
        let former = match value {
            Some(value) => {
                self.subscriptions.add_topics(&value.topics);
                self.resolved_regexes.insert(regex, value)
            }
            None => self.resolved_regexes.remove(&regex),
        };
        if let Some(former) = former {
            self.subscriptions.remove_topics(&former.topics);
        }
    }

    /// Raises the group's epoch, so that the target assignment is computed anew.
    pub(crate) fn bump_epoch(&mut self, metadata_hash: i64, actions: &mut Vec<Action>) {
        let value = ConsumerGroupMetadataValue {
            epoch: self.epoch.saturating_add(1),
            metadata_hash,
        };
        tracing::debug!(group = %self.group_id, epoch = value.epoch, "group epoch raised");
        self.change(ConsumerRecord::Metadata(Some(value)), actions);
    }

    /// Checks every invariant of the module's head.
    #[cfg(test)]
    pub(crate) fn assert_consistent(&self) {
        let mut subscriptions = Subscriptions::default();
        let mut owners = HashMap::<Uuid, HashMap<i32, MemberId>>::new();
        let mut static_members = HashMap::new();
        for (id, member) in &self.members {
            subscriptions.add_member(&member.metadata);
            if let Some(instance_id) = &member.metadata.instance_id {
                let twin = static_members.insert(Arc::clone(instance_id), Arc::clone(id));
                assert_eq!(twin, None, "instance {instance_id} twice");
            }
            for (topic_id, partition) in member.current.owned() {
                let of_topic = owners.entry(topic_id).or_default();
                let other = of_topic.insert(partition, Arc::clone(id));
                assert_eq!(other, None, "{topic_id}-{partition} also owned by {id}");
            }
            assert!(member.current.epoch <= self.target_epoch.max(0), "{id}");
            let is_revoking = member.current.state == MemberState::UnrevokedPartitions;
            assert!(
                is_revoking || member.current.pending_revocation.is_empty() || member.is_away()
            );
        }
        for resolved in self.resolved_regexes.values() {
            subscriptions.add_topics(&resolved.topics);
        }
        assert_eq!(self.subscriptions, subscriptions);
        assert_eq!(self.owners, owners);
        assert_eq!(self.static_members, static_members);
        assert!(self.target_epoch <= self.epoch);
        assert!(self.target.keys().all(|id| self.members.contains_key(id)));
    }
}
