//! A group and its topics as tables of numbers: members by the order of their ids, partitions as
//! slots in the order of topic and index.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use super::claims::{Claim, settle};
use crate::consumer::assignor::racks::is_rack_aware;
use crate::consumer::assignor::topics::{Racks, partition_of};
use crate::consumer::assignor::{AssignableTopics, Assignment, GroupAssignment, GroupSubscription};
use crate::topic_partition::TopicPartition;

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    id: Arc<str>,
    /// The existing topics it wants.
    pub(super) topics: BTreeSet<usize>,
    /// Its rack; nothing when racks do not matter.
    pub(super) rack: Option<Arc<str>>,
    /// The slots it owned.
    pub(super) owned: Vec<usize>,
    /// What it said it owned in an older generation than the newest, with that generation.
    pub(super) owned_before: Vec<(usize, i32)>,
}

/// What is to be distributed over whom.
#[derive(Debug)]
pub(super) struct Problem {
    topics: Vec<(Arc<str>, Range<usize>)>,
    topic_of: Vec<usize>,
    pub(super) members: Vec<Member>,
    /// Whether all members want the same topics.
    pub(super) is_alike: bool,
    /// Slots that several members say they own.
    pub(super) disputed: Vec<usize>,
    /// Whether replicas in a member's rack are preferred.
    pub(super) is_rack_aware: bool,
    racks: Vec<Racks>,
    /// How many members have a replica of a slot in their rack; empty if no member has a rack.
    near_counts: Vec<usize>,
}

impl Problem {
    pub(super) fn new(
        topics: &AssignableTopics,
        group: &GroupSubscription,
        claims: &[Claim],
    ) -> Self {
        let wanted: BTreeSet<_> = group.values().flat_map(|it| &it.topics).collect();
        let mut problem = Self::of_topics(topics, &wanted);
        let index: HashMap<_, _> = problem
            .topics
            .iter()
            .enumerate()
            .map(|(index, (name, slots))| (Arc::clone(name), (index, slots.clone())))
            .collect();
        let slot_of = |partition: &TopicPartition| {
            let (_, slots) = index.get(partition.topic.as_ref())?;
            let slot = slots.start + usize::try_from(partition.partition).ok()?;
            slots.contains(&slot).then_some(slot)
        };
        let settled = settle(claims, slot_of);
        let newest = claims.iter().map(Claim::generation).max().unwrap_or(-1);
        let members = group.iter().zip(claims).zip(settled.owned);
        problem.members = members
            .map(|(((id, member), claim), owned)| {
                let before = claim.partitions.iter().filter_map(slot_of);
                let before = before.map(|slot| (slot, claim.generation()));
                let is_old = claim.generation() < newest;
                Member {
                    id: Arc::clone(id),
                    topics: member
                        .topics
                        .iter()
                        .filter_map(|topic| Some(index.get(topic.as_ref())?.0))
                        .collect(),
                    rack: member.rack_id.clone(),
                    owned,
                    owned_before: before.filter(|_| is_old).collect(),
                }
            })
            .collect();
        let mut subscriptions = group.values().map(|it| it.topics.iter().collect());
        let first: BTreeSet<_> = subscriptions.next().unwrap_or_default();
        problem.is_alike = subscriptions.all(|it| it == first);
        problem.disputed = settled.disputed;
        problem.decide_racks();
        problem
    }

    fn of_topics(topics: &AssignableTopics, wanted: &BTreeSet<&Arc<str>>) -> Self {
        let (mut rows, mut topic_of, mut racks) = (Vec::new(), Vec::new(), Vec::new());
        for (name, partitions) in topics.iter().filter(|(name, _)| wanted.contains(name)) {
            let start = topic_of.len();
            topic_of.resize(start + partitions.len(), rows.len());
            rows.push((Arc::clone(name), start..topic_of.len()));
            racks.extend_from_slice(partitions);
        }
        Self {
            topics: rows,
            topic_of,
            members: Vec::new(),
            is_alike: true,
            disputed: Vec::new(),
            is_rack_aware: false,
            racks,
            near_counts: Vec::new(),
        }
    }

    fn decide_racks(&mut self) {
        let member_racks: Vec<_> = self
            .members
            .iter()
            .filter_map(|it| it.rack.clone())
            .collect();
        if !member_racks.is_empty() {
            let near = |racks: &Racks| member_racks.iter().filter(|it| racks.contains(*it)).count();
            self.near_counts = self.racks.iter().map(near).collect();
        }
        let consumer_racks: Racks = member_racks.into_iter().collect();
        self.is_rack_aware = is_rack_aware(&consumer_racks, self.racks.iter());
        if !self.is_rack_aware {
            self.members
                .iter_mut()
                .for_each(|member| member.rack = None);
        }
    }

    /// How many slots there are.
    pub(super) fn len(&self) -> usize {
        self.topic_of.len()
    }

    pub(super) fn topics_count(&self) -> usize {
        self.topics.len()
    }

    /// The slots of a topic.
    pub(super) fn slots(&self, topic: usize) -> Range<usize> {
        self.topics[topic].1.clone()
    }

    /// The topic of a slot.
    pub(super) fn topic_of(&self, slot: usize) -> usize {
        self.topic_of[slot]
    }

    /// The index of a slot within its topic.
    pub(super) fn index_of(&self, slot: usize) -> usize {
        slot - self.topics[self.topic_of[slot]].1.start
    }

    /// Whether the member is in a rack without a replica of the slot.
    pub(super) fn is_far(&self, member: usize, slot: usize) -> bool {
        let rack = self.members[member].rack.as_ref();
        rack.is_some_and(|rack| !self.racks[slot].contains(rack))
    }

    /// Whether the member is known to be in a rack with a replica of the slot.
    pub(super) fn is_near(&self, member: usize, slot: usize) -> bool {
        let rack = self.members[member].rack.as_ref();
        rack.is_some_and(|rack| self.racks[slot].contains(rack))
    }

    /// Slots that few members have near come first.
    pub(super) fn sort_by_near_members(&self, slots: &mut [usize]) {
        if !self.near_counts.is_empty() {
            slots.sort_by_key(|slot| self.near_counts[*slot]);
        }
    }

    /// The partition in a slot.
    pub(super) fn partition(&self, slot: usize) -> TopicPartition {
        partition_of(&self.topics[self.topic_of[slot]].0, self.index_of(slot))
    }

    /// The slots of each member as an assignment.
    pub(super) fn into_assignment(self, slots: Vec<Vec<usize>>) -> GroupAssignment {
        let members = self.members.iter().zip(slots);
        members
            .map(|(member, mut slots)| {
                slots.sort_unstable();
                let partitions = slots.into_iter().map(|slot| self.partition(slot));
                let assignment = Assignment {
                    partitions: partitions.collect(),
                    user_data: None,
                };
                (Arc::clone(&member.id), assignment)
            })
            .collect()
    }
}
