//! Uniform assignment where members want different topics: everybody keeps what they still want,
//! the rest goes to whoever has least, and then each topic is levelled. Kafka's
//! `UniformHeterogeneousAssignmentBuilder`.
//!
//! Within each topic, nobody ends with a partition of it who has two more partitions in all than
//! another subscriber of it, unless [`ROUNDS_MAX`] cuts the levelling short. Where subscriptions
//! overlap in chains (A and B share a topic, B and C another) A and C may end further apart.
//!
//! A round costs, per topic, the number of its subscribers plus, where there is something to
//! level, its partitions times the logarithm of its subscribers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::super::partitions::PartitionTable;
use super::super::{AssignorError, GroupAssignment, GroupSpec, TopicId, TopicsDescription};

/// How often all topics are levelled at most. Where all subscribers of a topic want the same
/// topics one round is enough; otherwise a round about halves what is uneven. Kafka's limit.
const ROUNDS_MAX: usize = 16;

/// The assignment of a group whose members are subscribed to different topics.
pub(super) fn assign(
    group: &GroupSpec<'_>,
    topics: &TopicsDescription,
) -> Result<GroupAssignment, AssignorError> {
    let mut builder = Builder::new(group, topics)?;
    builder.keep(group);
    let order = builder.topics_by_load();
    for &topic_index in &order {
        builder.hand_out(topic_index);
    }
    builder.level(&order);
    Ok(builder.table.into_assignment(group))
}

struct Builder {
    table: PartitionTable,
    /// Per topic the indexes of its subscribers, ascending. Never empty.
    subscribers: Vec<Vec<usize>>,
    /// Per member how many partitions it owns.
    sizes: Vec<usize>,
}

impl Builder {
    fn new(group: &GroupSpec<'_>, topics: &TopicsDescription) -> Result<Self, AssignorError> {
        let subscribed: BTreeSet<TopicId> = group
            .members()
            .iter()
            .flat_map(|member| member.subscribed_topics.iter().copied())
            .collect();
        let table = PartitionTable::new(&subscribed, topics)?;
        let mut subscribers = vec![Vec::new(); table.topic_count()];
        for (member_index, member) in group.members().iter().enumerate() {
            for &id in member.subscribed_topics.iter() {
                let topic_index = table.topic_index(id).expect("the table has every topic");
                subscribers[topic_index].push(member_index);
            }
        }
        Ok(Self {
            table,
            subscribers,
            sizes: vec![0; group.members().len()],
        })
    }

    /// Leaves everybody what they have and are still subscribed to.
    fn keep(&mut self, group: &GroupSpec<'_>) {
        for (member_index, member) in group.members().iter().enumerate() {
            for (&id, partitions) in member.assignment {
                if !member.subscribed_topics.contains(&id) {
                    continue;
                }
                let topic_index = self.table.topic_index(id).expect("somebody wants it");
                for &partition in partitions {
                    if let Some(slot) = self.table.slot(topic_index, partition)
                        && self.table.owner(slot).is_none()
                    {
                        self.give(slot, member_index);
                    }
                }
            }
        }
    }

    /// Topics by partitions per subscriber, most first, then by fewest subscribers, then by id:
    /// what only few can take comes first, so that the others can still make up for it.
    fn topics_by_load(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.table.topic_count()).collect();
        order.sort_by(|&one, &other| {
            let (one_slots, other_slots) =
                (self.table.slots(one).len(), self.table.slots(other).len());
            let (one_count, other_count) =
                (self.subscribers[one].len(), self.subscribers[other].len());
            // The ratios are compared without dividing; counts of partitions and members are far
            // below 2^32, so that the products fit.
            let by_ratio = (other_slots * one_count).cmp(&(one_slots * other_count));
            by_ratio
                .then(one_count.cmp(&other_count))
                .then(one.cmp(&other))
        });
        order
    }

    /// Gives what nobody owns of the topic to whoever has least.
    fn hand_out(&mut self, topic_index: usize) {
        let unowned = self.table.unowned(self.table.slots(topic_index));
        if unowned.is_empty() {
            return;
        }
        let mut least_loaded = self.least_loaded(topic_index);
        for slot in unowned {
            let mut least = least_loaded.peek_mut().expect("a topic has subscribers");
            let Reverse((size, member_index)) = &mut *least;
            *size += 1;
            let member_index = *member_index;
            drop(least);
            self.give(slot, member_index);
        }
    }

    /// Levels topic after topic until a whole round changes nothing.
    fn level(&mut self, order: &[usize]) {
        let order: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&topic_index| 2 <= self.subscribers[topic_index].len())
            .collect();
        let mut level_in_a_row = 0;
        for &topic_index in order.iter().cycle().take(order.len() * ROUNDS_MAX) {
            if self.level_topic(topic_index) {
                level_in_a_row = 0;
            }
            level_in_a_row += 1;
            if order.len() < level_in_a_row {
                return;
            }
        }
    }

    /// Moves partitions of the topic from its owners with most to its subscribers with least,
    /// until they differ by at most one. Whether anything was moved.
    fn level_topic(&mut self, topic_index: usize) -> bool {
        let slots = self.table.slots(topic_index);
        let most = slots
            .clone()
            .filter_map(|slot| Some(self.sizes[self.table.owner(slot)?]))
            .max();
        let subscribers = &self.subscribers[topic_index];
        let least = subscribers.iter().map(|&member| self.sizes[member]).min();
        let (Some(most), Some(least)) = (most, least) else {
            return false;
        };
        if most <= least + 1 {
            return false;
        }
        let mut held: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for slot in slots {
            if let Some(owner) = self.table.owner(slot) {
                held.entry(owner).or_default().push(slot);
            }
        }
        let mut most_loaded: BinaryHeap<(usize, usize)> = held
            .keys()
            .map(|&member_index| (self.sizes[member_index], member_index))
            .collect();
        let mut least_loaded = self.least_loaded(topic_index);
        // A member that gives keeps at least as much as one that takes ends with, and those with
        // most give first. So the entries of givers in `least_loaded`, which are too high, and of
        // takers in `most_loaded`, too low, never come to the top while something is uneven.
        while let (Some(mut giver), Some(mut taker)) =
            (most_loaded.peek_mut(), least_loaded.peek_mut())
        {
            if giver.0 <= taker.0.0 + 1 {
                break;
            }
            let (giver_index, taker_index) = (giver.1, taker.0.1);
            let Some(slot) = held.get_mut(&giver_index).and_then(Vec::pop) else {
                std::collections::binary_heap::PeekMut::pop(giver);
                continue;
            };
            giver.0 -= 1;
            taker.0.0 += 1;
            self.sizes[giver_index] -= 1;
            self.give(slot, taker_index);
        }
        true
    }

    /// The subscribers of the topic, the one with least on top.
    fn least_loaded(&self, topic_index: usize) -> BinaryHeap<Reverse<(usize, usize)>> {
        self.subscribers[topic_index]
            .iter()
            .map(|&member_index| Reverse((self.sizes[member_index], member_index)))
            .collect()
    }

    /// Gives the slot to the member; the caller has counted it off with whoever had it.
    fn give(&mut self, slot: usize, member_index: usize) {
        self.table.assign(slot, member_index);
        self.sizes[member_index] += 1;
    }
}
