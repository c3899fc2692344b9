//! Examples whose answers are Kafka's, and properties that hold for any group.

mod examples;
mod properties;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;

/// Partitions by member, such as `a-0 a-1`.
fn text(assignment: &GroupAssignment) -> BTreeMap<String, String> {
    let text = |given: &Assignment| {
        let partitions: Vec<_> = given.partitions.iter().map(ToString::to_string).collect();
        partitions.join(" ")
    };
    assignment
        .iter()
        .map(|(id, given)| (id.to_string(), text(given)))
        .collect()
}

fn topics(list: &[(&str, usize)]) -> AssignableTopics {
    let mut topics = AssignableTopics::new();
    for (name, count) in list {
        topics.insert(*name, *count);
    }
    topics
}

fn group(members: &[(&str, &[&str])]) -> GroupSubscription {
    members
        .iter()
        .map(|(id, topics)| (Arc::from(*id), MemberSubscription::to_topics(topics)))
        .collect()
}

/// The group after everybody got its share, about to rebalance.
fn joined_again(
    assignor: &dyn Assignor,
    mut group: GroupSubscription,
    assignment: &GroupAssignment,
    generation_id: i32,
) -> GroupSubscription {
    for (id, member) in &mut group {
        let given = assignment.get(id).cloned();
        let last = LastAssignment {
            generation_id,
            assignment: given.clone(),
        };
        member.user_data = assignor.user_data(&last);
        if assignor.is_cooperative() {
            member.generation_id = Some(generation_id);
            member.owned_partitions = given.map(|it| it.partitions).unwrap_or_default();
        }
    }
    group
}
