//! As balanced as possible, then as little moved as possible: the assignor whose members give up
//! everything before they rebalance, and what it shares with the cooperative one.
//!
//! Reading order: `claims` settles who owned what; `problem` is the group as tables of numbers;
//! `alike` distributes when all members want the same topics, `general` when they do not.

mod alike;
mod claims;
mod general;
mod movements;
mod problem;

use bytes::{BufMut, Bytes, BytesMut};

pub(super) use claims::Claim;

use super::{
    AssignableTopics, Assignor, AssignorError, GroupAssignment, GroupSubscription, LastAssignment,
    MemberSubscription,
};
use crate::consumer::group::wire::{self, WireError};
use crate::topic_partition::TopicPartition;
use problem::Problem;

/// Kafka's `StickyAssignor`: balanced, and members keep what they had where balance allows it. All
/// members stop reading while they rebalance; what they had travels in their user data.
///
/// | user data | type |
/// |---|---|
/// | previous assignment | array of: topic string, partitions array of i32 |
/// | generation (absent from clients before 2.1) | i32 |
#[derive(Debug, Clone, Copy, Default)]
pub struct StickyAssignor;

impl Assignor for StickyAssignor {
    fn name(&self) -> &'static str {
        "sticky"
    }

    fn user_data(&self, last: &LastAssignment) -> Option<Bytes> {
        let assignment = last.assignment.as_ref()?;
        let mut buffer = BytesMut::new();
        // Too many partitions for the length fields cannot have come in over the same fields.
        wire::put_partitions(&mut buffer, &assignment.partitions).ok()?;
        buffer.put_i32(last.generation_id);
        Some(buffer.freeze())
    }

    fn assign(
        &self,
        topics: &AssignableTopics,
        group: &GroupSubscription,
    ) -> Result<GroupAssignment, AssignorError> {
        Ok(distribute(topics, group, claim_in_user_data)?.assignment)
    }
}

/// A note that cannot be read counts as none.
fn claim_in_user_data(member: &MemberSubscription) -> Claim {
    let Some(user_data) = member.user_data.as_ref().filter(|data| !data.is_empty()) else {
        return Claim::default();
    };
    read_user_data(user_data).unwrap_or_default()
}

fn read_user_data(user_data: &Bytes) -> Result<Claim, WireError> {
    let mut rest = user_data.clone();
    let partitions = wire::take_partitions(&mut rest)?;
    let generation = wire::take_i32(&mut rest).ok();
    Ok(Claim {
        partitions,
        generation,
    })
}

/// A distribution, and which partitions change hands in it.
pub(super) struct Distribution {
    pub(super) assignment: GroupAssignment,
    /// Partitions given to a member while another one may still own them; nothing when that was
    /// not found out.
    pub(super) transferred: Option<Vec<TopicPartition>>,
}

/// The common part of both sticky assignors; `claim` says what a member owned.
pub(super) fn distribute(
    topics: &AssignableTopics,
    group: &GroupSubscription,
    claim: impl Fn(&MemberSubscription) -> Claim,
) -> Result<Distribution, AssignorError> {
    let claims: Vec<_> = group.values().map(claim).collect();
    let problem = Problem::new(topics, group, &claims);
    if problem.members.is_empty() {
        return Ok(Distribution {
            assignment: GroupAssignment::new(),
            transferred: None,
        });
    }
    if problem.is_alike {
        let (slots, transferred) = alike::distribute(&problem)?;
        let transferred = transferred.into_iter().map(|slot| problem.partition(slot));
        return Ok(Distribution {
            transferred: Some(transferred.collect()),
            assignment: problem.into_assignment(slots),
        });
    }
    let slots = general::distribute(&problem);
    Ok(Distribution {
        assignment: problem.into_assignment(slots),
        transferred: None,
    })
}
