//! The `range` assignor: each topic cut into consecutive ranges, one per subscriber, in one order
//! of the members. Kafka's `RangeAssignor`.
//!
//! Members with the same subscriptions get the same partitions of topics with the same partition
//! counts, which joins of such topics need. What members had before plays no part; static members
//! come first, by instance id, so that a restart of one changes nothing.

use std::collections::BTreeMap;

use super::{
    Assignment, AssignorError, GroupAssignment, GroupAssignor, GroupSpec, MemberSpec, TopicId,
    TopicsDescription,
};

/// See the module's documentation.
#[derive(Clone, Copy, Debug, Default)]
pub struct RangeAssignor;

impl GroupAssignor for RangeAssignor {
    fn name(&self) -> &'static str {
        "range"
    }

    fn assign(
        &self,
        group: &GroupSpec<'_>,
        topics: &TopicsDescription,
    ) -> Result<GroupAssignment, AssignorError> {
        let mut cuts = cuts(group, topics)?;
        let mut members: Vec<&MemberSpec<'_>> = group.members().iter().collect();
        members.sort_by_key(|member| order_key(member));
        let mut assignments = GroupAssignment::new();
        for member in members {
            let mut assignment = Assignment::new();
            for topic_id in member.subscribed_topics.iter() {
                let cut = cuts.get_mut(topic_id).expect("every topic is cut");
                let range = cut.next();
                if !range.is_empty() {
                    assignment.insert(*topic_id, range.collect());
                }
            }
            assignments.insert(member.member_id.clone(), assignment);
        }
        Ok(assignments)
    }
}

/// Static members by instance id, then the others by member id.
fn order_key<'a>(member: &'a MemberSpec<'_>) -> (bool, &'a str, &'a str) {
    let instance_id = member.instance_id.as_deref();
    (
        instance_id.is_none(),
        instance_id.unwrap_or_default(),
        &member.member_id,
    )
}

/// How one topic is cut: the first `extra_count` ranges are one longer than the others.
struct Cut {
    next_partition: i32,
    range_len_min: i32,
    extra_count: i32,
}

impl Cut {
    fn next(&mut self) -> std::ops::Range<i32> {
        let start = self.next_partition;
        self.next_partition += self.range_len_min;
        if 0 < self.extra_count {
            self.extra_count -= 1;
            self.next_partition += 1;
        }
        start..self.next_partition
    }
}

fn cuts(
    group: &GroupSpec<'_>,
    topics: &TopicsDescription,
) -> Result<BTreeMap<TopicId, Cut>, AssignorError> {
    let mut subscriber_counts: BTreeMap<TopicId, i32> = BTreeMap::new();
    for member in group.members() {
        for &topic_id in member.subscribed_topics.iter() {
            *subscriber_counts.entry(topic_id).or_default() += 1;
        }
    }
    subscriber_counts
        .into_iter()
        .map(|(topic_id, subscriber_count)| {
            let partition_count = topics
                .partition_count(topic_id)
                .ok_or(AssignorError::UnknownTopic(topic_id))?;
            let cut = Cut {
                next_partition: 0,
                range_len_min: partition_count / subscriber_count,
                extra_count: partition_count % subscriber_count,
            };
            Ok((topic_id, cut))
        })
        .collect()
}
