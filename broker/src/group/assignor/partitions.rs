//! The partitions of the subscribed topics as a dense table, and who owns each: what the uniform
//! assignor works on instead of nested maps.
//!
//! **Invariant:** a slot has at most one owner, and slots are numbered by topic id, then partition.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Assignment, AssignorError, GroupAssignment, GroupSpec, TopicId, TopicsDescription};

/// One topic's part of the table.
#[derive(Debug)]
struct Topic {
    id: TopicId,
    slots: Range<usize>,
}

/// Every partition of the subscribed topics, with the index of the member that owns it.
#[derive(Debug)]
pub(super) struct PartitionTable {
    topics: Vec<Topic>,
    owners: Vec<Option<usize>>,
}

impl PartitionTable {
    /// The table of these topics, without owners.
    pub(super) fn new(
        topic_ids: &BTreeSet<TopicId>,
        description: &TopicsDescription,
    ) -> Result<Self, AssignorError> {
        let mut topics = Vec::with_capacity(topic_ids.len());
        let mut end = 0;
        for &id in topic_ids {
            let partition_count = description
                .partition_count(id)
                .ok_or(AssignorError::UnknownTopic(id))?;
            let start = end;
            end += usize::try_from(partition_count).expect("descriptions hold no negative counts");
            let slots = start..end;
            topics.push(Topic { id, slots });
        }
        let owners = vec![None; end];
        Ok(Self { topics, owners })
    }

    pub(super) fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// The slots of all topics.
    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }

    /// The index of the topic, if it is in the table.
    pub(super) fn topic_index(&self, id: TopicId) -> Option<usize> {
        self.topics.binary_search_by_key(&id, |topic| topic.id).ok()
    }

    /// The slots of the topic.
    pub(super) fn slots(&self, topic_index: usize) -> Range<usize> {
        self.topics[topic_index].slots.clone()
    }

    /// The slot of a partition of the topic, if it has that partition.
    pub(super) fn slot(&self, topic_index: usize, partition: i32) -> Option<usize> {
        let slots = &self.topics[topic_index].slots;
        let slot = slots.start.checked_add(usize::try_from(partition).ok()?)?;
        slots.contains(&slot).then_some(slot)
    }

    pub(super) fn owner(&self, slot: usize) -> Option<usize> {
        self.owners[slot]
    }

    /// Gives the slot to a member, taking it from the one that has it.
    pub(super) fn assign(&mut self, slot: usize, member_index: usize) {
        self.owners[slot] = Some(member_index);
    }

    /// The slots nobody owns, ascending.
    pub(super) fn unowned(&self, slots: Range<usize>) -> Vec<usize> {
        slots.filter(|&slot| self.owners[slot].is_none()).collect()
    }

    /// The assignments of all members of the group the indexes refer to.
    pub(super) fn into_assignment(self, group: &GroupSpec<'_>) -> GroupAssignment {
        let mut assignments = vec![Assignment::new(); group.members().len()];
        for topic in &self.topics {
            for (partition, slot) in (0..).zip(topic.slots.clone()) {
                if let Some(owner) = self.owners[slot] {
                    let partitions = assignments[owner].entry(topic.id).or_default();
                    partitions.insert(partition);
                }
            }
        }
        let member_ids = group.members().iter().map(|member| &member.member_id);
        member_ids.cloned().zip(assignments).collect()
    }
}
