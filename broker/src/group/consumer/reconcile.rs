//! How a member comes from what it owns to its target, step by step, so that no partition ever has
//! two owners. Pure: the member and what it says in a heartbeat go in, its next state comes out.
//! Kafka's `CurrentAssignmentBuilder`.
//!
//! | state | what happens | next |
//! |---|---|---|
//! | Stable | there is no newer target | Stable; or as below if a topic is no longer subscribed |
//! | Stable | newer target, nothing to give up, all of it free | Stable, new epoch |
//! | Stable | newer target, something to give up that the member may still own | `UnrevokedPartitions`, old epoch |
//! | Stable | newer target, some of it owned by others | `UnreleasedPartitions`, new epoch |
//! | `UnrevokedPartitions` | the member still owns what it has to give up, or does not say | unchanged |
//! | `UnrevokedPartitions` | it has given all of it up | as from Stable with a newer target |
//! | `UnreleasedPartitions` | any heartbeat | as from Stable with a newer target |
//! | Unknown | the member owns nothing | as from Stable with a newer target, new epoch |
//!
//! A partition is added to a member only when nobody owns it, and is owned from then on until the
//! member has said that it does not own it any more, or is gone.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::member::{Current, MemberState};
use crate::group::assignor::Assignment;
use crate::group::schema::EpochAssignment;

/// The target a member is to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// The epoch of the group's target assignment.
    pub(crate) epoch: i32,
    /// What the member is to own.
    pub(crate) partitions: &'a Assignment,
}

/// What a step depends on besides the member and its target.
pub(crate) struct Step<'a> {
    pub(crate) target: Target<'a>,
    /// The topics the member is subscribed to now, of those that exist.
    pub(crate) subscribed: &'a BTreeSet<Uuid>,
    /// Whether the member has changed its subscription with this heartbeat.
    pub(crate) has_subscription_changed: bool,
    /// What the member says it owns; `None` if it does not say.
    pub(crate) reported: Option<&'a Assignment>,
    /// Whether any member owns the partition.
    pub(crate) is_owned: &'a dyn Fn(Uuid, i32) -> bool,
}

/// The member's next state; equal to `current` when it cannot move.
pub(crate) fn reconcile(current: &Current, step: &Step<'_>) -> Current {
    match current.state {
        MemberState::Stable if current.epoch != step.target.epoch => {
            next_assignment(current, current.epoch, step)
        }
        MemberState::Stable if step.has_subscription_changed => drop_unsubscribed(current, step),
        MemberState::Stable => current.clone(),
        MemberState::UnrevokedPartitions => {
            if !may_own_any(&current.pending_revocation, step.reported) {
                next_assignment(current, current.epoch, step)
            } else if step.has_subscription_changed {
                drop_unsubscribed(current, step)
            } else {
                current.clone()
            }
        }
        MemberState::UnreleasedPartitions => next_assignment(current, current.epoch, step),
        MemberState::Unknown => next_assignment(current, step.target.epoch, step),
    }
}

/// Whether the member may still own any of the partitions, by what it says.
fn may_own_any(partitions: &EpochAssignment, reported: Option<&Assignment>) -> bool {
    let Some(reported) = reported else {
        return true;
    };
    reported.iter().any(|(id, owned)| {
        let wanted_back = partitions.get(id);
        wanted_back.is_some_and(|back| owned.iter().any(|index| back.contains_key(index)))
    })
}

/// Takes the topics away that the member is no longer subscribed to, whatever its target says:
/// the next target may come later, and until then the member must not be given what it does not
/// want.
fn drop_unsubscribed(current: &Current, step: &Step<'_>) -> Current {
    let mut assigned = EpochAssignment::new();
    let mut pending_revocation = current.pending_revocation.clone();
    let mut has_dropped = false;
    for (id, partitions) in &current.assigned {
        if step.subscribed.contains(id) {
            assigned.insert(*id, partitions.clone());
        } else {
            let pending = pending_revocation.entry(*id).or_default();
            pending.extend(partitions.iter().map(|(index, epoch)| (*index, *epoch)));
            has_dropped = true;
        }
    }
    if !has_dropped {
        return current.clone();
    }
    let mut next = Current {
        previous_epoch: current.epoch,
        assigned,
        ..current.clone()
    };
    if may_own_any(&pending_revocation, step.reported) {
        next.state = MemberState::UnrevokedPartitions;
        next.pending_revocation = pending_revocation;
    }
    next
}

/// The parts of a step towards the target.
#[derive(Default)]
struct Parts {
    /// Owned and in the target.
    kept: EpochAssignment,
    /// Owned and not in the target.
    to_revoke: EpochAssignment,
    /// In the target and free.
    to_assign: BTreeMap<Uuid, Vec<i32>>,
    /// Whether some of the target is owned by others.
    has_unreleased: bool,
}

impl Parts {
    fn of(current: &Current, step: &Step<'_>) -> Self {
        let mut parts = Self::default();
        let nothing = (BTreeSet::new(), BTreeMap::new());
        let in_target = step.target.partitions.keys();
        let topics: BTreeSet<&Uuid> = in_target.chain(current.assigned.keys()).collect();
        for id in topics {
            let target = step.target.partitions.get(id);
            // What the member no longer subscribes to is no part of its target any more.
            let target = target.filter(|_| step.subscribed.contains(id));
            let target = target.unwrap_or(&nothing.0);
            let owned = current.assigned.get(id).unwrap_or(&nothing.1);
            for (index, epoch) in owned {
                let part = if target.contains(index) {
                    &mut parts.kept
                } else {
                    &mut parts.to_revoke
                };
                part.entry(*id).or_default().insert(*index, *epoch);
            }
            let revoking = current.pending_revocation.get(id).unwrap_or(&nothing.1);
            for index in target.iter().filter(|index| !owned.contains_key(index)) {
                // What the member itself is giving up it may as well keep: nobody else owns it.
                if (step.is_owned)(*id, *index) && !revoking.contains_key(index) {
                    parts.has_unreleased = true;
                } else {
                    parts.to_assign.entry(*id).or_default().push(*index);
                }
            }
        }
        parts
    }
}

/// The next state on the way to the target, for a member that may leave its state.
fn next_assignment(current: &Current, epoch: i32, step: &Step<'_>) -> Current {
    let mut parts = Parts::of(current, step);
    if !parts.to_revoke.is_empty() && may_own_any(&parts.to_revoke, step.reported) {
        return Current {
            epoch,
            previous_epoch: current.epoch,
            state: MemberState::UnrevokedPartitions,
            assigned: parts.kept,
            pending_revocation: parts.to_revoke,
        };
    }
    for (id, partitions) in parts.to_assign {
        let of_topic = parts.kept.entry(id).or_default();
        of_topic.extend(
            partitions
                .into_iter()
                .map(|index| (index, step.target.epoch)),
        );
    }
    Current {
        epoch: step.target.epoch,
        previous_epoch: current.epoch,
        state: if parts.has_unreleased {
            MemberState::UnreleasedPartitions
        } else {
            MemberState::Stable
        },
        assigned: parts.kept,
        pending_revocation: EpochAssignment::new(),
    }
}

#[cfg(test)]
mod tests;
