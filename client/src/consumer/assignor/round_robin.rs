//! Partition by partition, member by member, over all topics.

use std::collections::BTreeSet;

use super::{
    AssignableTopics, Assignor, AssignorError, GroupAssignment, GroupSubscription, in_order,
    nothing_assigned,
};

/// Kafka's `RoundRobinAssignor`: all partitions of all topics in order, dealt out like cards;
/// members not subscribed to a topic are passed over.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoundRobinAssignor;

impl Assignor for RoundRobinAssignor {
    fn name(&self) -> &'static str {
        "roundrobin"
    }

    fn assign(
        &self,
        topics: &AssignableTopics,
        group: &GroupSubscription,
    ) -> Result<GroupAssignment, AssignorError> {
        let mut assignment = nothing_assigned(group);
        let members = in_order(group);
        let subscriptions: Vec<BTreeSet<_>> = members
            .iter()
            .map(|(_, member)| member.topics.iter().collect())
            .collect();
        let wanted: BTreeSet<_> = subscriptions.iter().flatten().copied().collect();
        let mut turn = 0;
        for topic in wanted {
            for partition in topics.partitions(topic) {
                // Somebody is subscribed: the topic comes from a subscription.
                while !subscriptions[turn].contains(topic) {
                    turn = (turn + 1) % members.len();
                }
                if let Some(given) = assignment.get_mut(members[turn].0) {
                    given.partitions.push(partition);
                }
                turn = (turn + 1) % members.len();
            }
        }
        Ok(assignment)
    }
}
