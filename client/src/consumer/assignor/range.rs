//! Per topic, a run of consecutive partitions for each member.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::racks::is_rack_aware;
use super::topics::{Racks, partition_of};
use super::{
    AssignableTopics, Assignor, AssignorError, GroupAssignment, GroupSubscription, in_order,
    nothing_assigned,
};

/// Kafka's `RangeAssignor`: each topic by itself is cut into runs, so that topics with equally many
/// partitions are cut alike and the same member reads the same indexes of all of them. Members get
/// partitions with a replica in their rack first, where that does not unbalance the runs (KIP-881).
#[derive(Debug, Clone, Copy, Default)]
pub struct RangeAssignor;

impl Assignor for RangeAssignor {
    fn name(&self) -> &'static str {
        "range"
    }

    fn assign(
        &self,
        topics: &AssignableTopics,
        group: &GroupSubscription,
    ) -> Result<GroupAssignment, AssignorError> {
        let mut states: Vec<_> = topics
            .iter()
            .map(|(topic, racks)| Topic::new(topic, racks, group))
            .filter(|topic| !topic.members.is_empty())
            .collect();
        let mut assignment = nothing_assigned(group);
        let is_rack_aware = states.iter().any(|topic| topic.is_rack_aware);
        if is_rack_aware {
            assign_with_racks(&mut states, &mut assignment);
        }
        for topic in &mut states {
            topic.assign_runs(false, &mut assignment);
        }
        if is_rack_aware {
            for given in assignment.values_mut() {
                given.partitions.sort();
            }
        }
        Ok(assignment)
    }
}

/// A topic while it is distributed.
struct Topic<'a> {
    name: &'a Arc<str>,
    /// Ids and racks of its subscribers, in the order in which they are served.
    members: Vec<(Arc<str>, Option<Arc<str>>)>,
    racks: &'a [Racks],
    is_rack_aware: bool,
    unassigned: Vec<usize>,
    /// How many each of `members` has.
    counts: Vec<usize>,
    quota: usize,
    /// How many members may still get one more than the quota.
    extra: usize,
}

impl<'a> Topic<'a> {
    fn new(name: &'a Arc<str>, racks: &'a [Racks], group: &GroupSubscription) -> Self {
        let members: Vec<_> = in_order(group)
            .into_iter()
            .filter(|(_, member)| member.topics.contains(name))
            .map(|(id, member)| (Arc::clone(id), member.rack_id.clone()))
            .collect();
        let consumer_racks: Racks = members.iter().filter_map(|it| it.1.clone()).collect();
        let divisor = members.len().max(1);
        Self {
            name,
            racks,
            is_rack_aware: is_rack_aware(&consumer_racks, racks.iter()),
            unassigned: (0..racks.len()).collect(),
            counts: vec![0; members.len()],
            quota: racks.len() / divisor,
            extra: racks.len() % divisor,
            members,
        }
    }

    /// Whether the member may read the partition within its rack. One without a rack may always.
    fn is_near(&self, member: usize, partition: usize) -> bool {
        let rack = self.members[member].1.as_ref();
        rack.is_none_or(|rack| self.racks[partition].contains(rack))
    }

    fn room(&self, member: usize) -> usize {
        (self.quota + usize::from(0 < self.extra)).saturating_sub(self.counts[member])
    }

    /// Gives each member in turn as many as it may have.
    fn assign_runs(&mut self, is_near_only: bool, assignment: &mut GroupAssignment) {
        for member in 0..self.members.len() {
            let run: Vec<_> = self
                .unassigned
                .iter()
                .copied()
                .filter(|partition| !is_near_only || self.is_near(member, *partition))
                .take(self.room(member))
                .collect();
            if !run.is_empty() {
                self.give(member, &run, assignment);
            }
        }
    }

    fn give(&mut self, member: usize, run: &[usize], assignment: &mut GroupAssignment) {
        self.counts[member] += run.len();
        if self.quota < self.counts[member] {
            self.extra -= 1;
        }
        self.unassigned.retain(|partition| !run.contains(partition));
        if let Some(given) = assignment.get_mut(&self.members[member].0) {
            let run = run.iter().map(|index| partition_of(self.name, *index));
            given.partitions.extend(run);
        }
    }
}

/// First round: only within racks. Topics with the same subscribers and equally many partitions
/// stay cut alike.
fn assign_with_racks(topics: &mut [Topic<'_>], assignment: &mut GroupAssignment) {
    let mut alike: BTreeMap<_, Vec<&mut Topic<'_>>> = BTreeMap::new();
    for topic in topics {
        let key = (topic.members.clone(), topic.racks.len());
        alike.entry(key).or_default().push(topic);
    }
    for mut topics in alike.into_values() {
        if let [topic] = topics.as_mut_slice() {
            if topic.is_rack_aware {
                topic.assign_runs(true, assignment);
            }
        } else {
            assign_alike(&mut topics, assignment);
        }
    }
}

/// The same index of all topics goes to the first member for which all of them are near.
fn assign_alike(topics: &mut [&mut Topic<'_>], assignment: &mut GroupAssignment) {
    let (partitions_count, members_count) = (topics[0].racks.len(), topics[0].members.len());
    for partition in 0..partitions_count {
        let near = (0..members_count).find(|member| {
            topics
                .iter()
                .all(|topic| topic.is_near(*member, partition) && 0 < topic.room(*member))
        });
        if let Some(member) = near {
            for topic in topics.iter_mut() {
                topic.give(member, &[partition], assignment);
            }
        }
    }
}
