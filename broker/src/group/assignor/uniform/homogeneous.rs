//! Uniform assignment where all members want the same topics: the sizes of any two assignments
//! differ by at most one, and nobody loses more than that costs. Kafka's
//! `UniformHomogeneousAssignmentBuilder` (4.3).
//!
//! Time and space are linear in members plus partitions.

use super::super::partitions::PartitionTable;
use super::super::{AssignorError, GroupAssignment, GroupSpec, MemberSpec, TopicsDescription};

/// The assignment of a group whose members are all subscribed to the topics of the first.
pub(super) fn assign(
    group: &GroupSpec<'_>,
    topics: &TopicsDescription,
) -> Result<GroupAssignment, AssignorError> {
    let Some(first) = group.members().first() else {
        return Ok(GroupAssignment::new());
    };
    let mut table = PartitionTable::new(&first.subscribed_topics, topics)?;
    let vacancies = keep_within_quota(group, &mut table);
    fill(&vacancies, &mut table);
    Ok(table.into_assignment(group))
}

/// Room for more partitions with one member.
struct Vacancy {
    member_index: usize,
    room: usize,
}

/// Leaves members what they have, up to their quota, and returns who has room for how much.
///
/// Each quota is `partitions / members`, and `partitions % members` members have one more. Who
/// holds that one more already keeps it; otherwise it goes to the last members, so that members
/// further on that hold it need not give it up.
fn keep_within_quota(group: &GroupSpec<'_>, table: &mut PartitionTable) -> Vec<Vacancy> {
    let member_count = group.members().len();
    let quota_min = table.len() / member_count;
    let mut extras_left = table.len() % member_count;
    let mut vacancies = Vec::new();
    for (member_index, member) in group.members().iter().enumerate() {
        let quota_max = quota_min + usize::from(0 < extras_left);
        let kept = keep(member, member_index, quota_max, table);
        let members_left = member_count - member_index;
        let must_take_extra = members_left <= extras_left;
        let takes_extra = quota_min < quota_max && (kept == quota_max || must_take_extra);
        let quota = if takes_extra { quota_max } else { quota_min };
        extras_left -= usize::from(takes_extra);
        if kept < quota {
            let room = quota - kept;
            vacancies.push(Vacancy { member_index, room });
        }
    }
    vacancies
}

/// Leaves the member up to `kept_max` of the partitions it has and returns how many it keeps. What
/// an earlier member keeps, or what the group is not subscribed to, it cannot keep.
fn keep(
    member: &MemberSpec<'_>,
    member_index: usize,
    kept_max: usize,
    table: &mut PartitionTable,
) -> usize {
    let mut kept = 0;
    for (&topic_id, partitions) in member.assignment {
        let Some(topic_index) = table.topic_index(topic_id) else {
            continue;
        };
        for &partition in partitions {
            if kept == kept_max {
                return kept;
            }
            if let Some(slot) = table.slot(topic_index, partition)
                && table.owner(slot).is_none()
            {
                table.assign(slot, member_index);
                kept += 1;
            }
        }
    }
    kept
}

/// Hands out what nobody owns, in order.
fn fill(vacancies: &[Vacancy], table: &mut PartitionTable) {
    let unowned = table.unowned(0..table.len());
    let room: usize = vacancies.iter().map(|vacancy| vacancy.room).sum();
    assert_eq!(unowned.len(), room, "the quotas add up to the partitions");
    let takers = vacancies
        .iter()
        .flat_map(|vacancy| std::iter::repeat_n(vacancy.member_index, vacancy.room));
    for (slot, member_index) in unowned.into_iter().zip(takers) {
        table.assign(slot, member_index);
    }
}
