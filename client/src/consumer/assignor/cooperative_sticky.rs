//! The sticky assignor for members that keep what they own while they rebalance (KIP-429).

use std::collections::BTreeSet;

use bytes::{BufMut, Bytes, BytesMut};

use super::sticky::{Claim, Distribution, distribute};
use super::{
    AssignableTopics, Assignor, AssignorError, GroupAssignment, GroupSubscription, LastAssignment,
    MemberSubscription,
};
use crate::consumer::group::wire;
use crate::topic_partition::TopicPartition;

/// Kafka's `CooperativeStickyAssignor`: distributes as the sticky one, but a partition that has to
/// move is first only taken away; once its owner has given it up, a second rebalance hands it on.
/// Its user data is the generation (i32), for leaders that do not know it from the subscription.
#[derive(Debug, Clone, Copy, Default)]
pub struct CooperativeStickyAssignor;

impl Assignor for CooperativeStickyAssignor {
    fn name(&self) -> &'static str {
        "cooperative-sticky"
    }

    fn is_cooperative(&self) -> bool {
        true
    }

    fn user_data(&self, last: &LastAssignment) -> Option<Bytes> {
        let mut buffer = BytesMut::with_capacity(4);
        let is_known = last.assignment.is_some();
        buffer.put_i32(if is_known { last.generation_id } else { -1 });
        Some(buffer.freeze())
    }

    fn assign(
        &self,
        topics: &AssignableTopics,
        group: &GroupSubscription,
    ) -> Result<GroupAssignment, AssignorError> {
        let Distribution {
            mut assignment,
            transferred,
        } = distribute(topics, group, claim_of)?;
        let transferred: BTreeSet<_> = match transferred {
            Some(transferred) => transferred.into_iter().collect(),
            None => transferred_in(group, &assignment),
        };
        // Nobody gets them in this round: their owners see that they are gone, give them up and
        // join again.
        for given in assignment.values_mut() {
            given
                .partitions
                .retain(|partition| !transferred.contains(partition));
        }
        Ok(assignment)
    }
}

fn claim_of(member: &MemberSubscription) -> Claim {
    let in_user_data = || {
        let mut user_data = member.user_data.clone()?;
        wire::take_i32(&mut user_data).ok()
    };
    Claim {
        partitions: member.owned_partitions.clone(),
        generation: member.generation_id.or_else(in_user_data),
    }
}

/// What some member owns and does not get, and another one gets and does not own.
fn transferred_in(
    group: &GroupSubscription,
    assignment: &GroupAssignment,
) -> BTreeSet<TopicPartition> {
    let (mut added, mut revoked) = (BTreeSet::new(), BTreeSet::new());
    for (id, given) in assignment {
        let owned = group.get(id).map(|member| &member.owned_partitions);
        let owned: BTreeSet<_> = owned.into_iter().flatten().collect();
        let given: BTreeSet<_> = given.partitions.iter().collect();
        added.extend(given.difference(&owned).copied());
        revoked.extend(owned.difference(&given).copied());
    }
    added
        .intersection(&revoked)
        .map(|it| (*it).clone())
        .collect()
}
