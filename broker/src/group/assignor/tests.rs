//! The assignors on groups written by hand (`examples`) and on random ones (`properties`).

mod examples;
mod properties;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::*;

/// The id of the topic with this number.
fn topic(number: u128) -> TopicId {
    Uuid::from_u128(number)
}

/// A member of a test's group, owning its data.
#[derive(Clone, Debug, Default)]
struct Member {
    instance_id: Option<Arc<str>>,
    subscribed_topics: Arc<BTreeSet<TopicId>>,
    assignment: Assignment,
}

/// A test's group.
#[derive(Clone, Debug, Default)]
struct Group {
    members: BTreeMap<MemberId, Member>,
    topics: TopicsDescription,
}

impl Group {
    /// Topics 1, 2, ... with these partition counts.
    fn new(partition_counts: &[i32]) -> Self {
        let topics = (1..).map(topic).zip(partition_counts.iter().copied());
        Self {
            members: BTreeMap::new(),
            topics: topics.collect(),
        }
    }

    /// Adds a member subscribed to the topics with these numbers.
    fn join(&mut self, member_id: &str, topics: &[u128]) -> &mut Self {
        let member = Member {
            subscribed_topics: Arc::new(topics.iter().copied().map(topic).collect()),
            ..Member::default()
        };
        self.members.insert(member_id.into(), member);
        self
    }

    /// Makes the member own these partitions of the topic.
    fn owning(&mut self, member_id: &str, topic_number: u128, partitions: &[i32]) -> &mut Self {
        let member = self.members.get_mut(member_id).unwrap();
        let partitions = partitions.iter().copied().collect();
        member.assignment.insert(topic(topic_number), partitions);
        self
    }

    fn specs(&self) -> Vec<MemberSpec<'_>> {
        self.members
            .iter()
            .map(|(member_id, member)| MemberSpec {
                member_id: Arc::clone(member_id),
                instance_id: member.instance_id.clone(),
                subscribed_topics: Arc::clone(&member.subscribed_topics),
                assignment: &member.assignment,
            })
            .collect()
    }

    fn assigned(&self, assignor: &dyn GroupAssignor) -> GroupAssignment {
        let group = GroupSpec::new(self.specs());
        assignor.assign(&group, &self.topics).unwrap()
    }

    /// Assigns, makes the result what the members own and returns it.
    fn assign(&mut self, assignor: &dyn GroupAssignor) -> GroupAssignment {
        let assigned = self.assigned(assignor);
        for (member_id, assignment) in &assigned {
            self.members.get_mut(member_id).unwrap().assignment = assignment.clone();
        }
        assigned
    }
}

/// How many partitions the assignment has.
fn len(assignment: &Assignment) -> usize {
    assignment.values().map(BTreeSet::len).sum()
}

/// The partitions with their topics, flat.
fn flat(assignment: &Assignment) -> BTreeSet<(TopicId, i32)> {
    let flat = |(&topic, partitions): (&TopicId, &BTreeSet<i32>)| {
        partitions
            .iter()
            .map(move |&p| (topic, p))
            .collect::<Vec<_>>()
    };
    assignment.iter().flat_map(flat).collect()
}

/// Panics unless every partition of a topic with subscribers has one owner, a subscriber of it,
/// every member has an entry, and nobody has anything else.
fn assert_each_partition_has_one_owner(group: &Group, assigned: &GroupAssignment) {
    let member_ids: Vec<_> = assigned.keys().collect();
    assert_eq!(member_ids, group.members.keys().collect::<Vec<_>>());
    let mut owners: BTreeMap<(TopicId, i32), &MemberId> = BTreeMap::new();
    for (member_id, assignment) in assigned {
        for (topic, partitions) in assignment {
            assert!(!partitions.is_empty(), "{member_id} has an empty topic");
            let subscribed = &group.members[member_id].subscribed_topics;
            assert!(
                subscribed.contains(topic),
                "{member_id} does not want {topic}"
            );
        }
        for partition in flat(assignment) {
            let other = owners.insert(partition, member_id);
            assert_eq!(other, None, "{partition:?} is also of {member_id}");
        }
    }
    let subscribed: BTreeSet<TopicId> = group
        .members
        .values()
        .flat_map(|member| member.subscribed_topics.iter().copied())
        .collect();
    let partitions = subscribed.iter().flat_map(|&topic| {
        (0..group.topics.partition_count(topic).unwrap()).map(move |partition| (topic, partition))
    });
    let expected: BTreeSet<_> = partitions.collect();
    assert_eq!(owners.into_keys().collect::<BTreeSet<_>>(), expected);
}
