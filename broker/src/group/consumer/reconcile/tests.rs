//! Every row of the table at the module's head, and the rules under it.

use super::*;
use crate::group::consumer::member::JOIN_EPOCH;

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);

fn assigned(of: &[(Uuid, &[(i32, i32)])]) -> EpochAssignment {
    let topics = of.iter();
    topics
        .map(|(id, partitions)| (*id, partitions.iter().copied().collect()))
        .collect()
}

fn partitions(of: &[(Uuid, &[i32])]) -> Assignment {
    let topics = of.iter();
    topics
        .map(|(id, partitions)| (*id, partitions.iter().copied().collect()))
        .collect()
}

fn member(epoch: i32, state: MemberState, own: &[(Uuid, &[(i32, i32)])]) -> Current {
    Current {
        epoch,
        previous_epoch: epoch - 1,
        state,
        assigned: assigned(own),
        pending_revocation: EpochAssignment::new(),
    }
}

/// A step to be changed by each test: subscribed to both topics, target of epoch 5, nothing owned
/// by others, the member not saying what it owns.
struct Given {
    target: Assignment,
    subscribed: BTreeSet<Uuid>,
    has_subscription_changed: bool,
    reported: Option<Assignment>,
    owned: Vec<(Uuid, i32)>,
}

fn given(target: &[(Uuid, &[i32])]) -> Given {
    Given {
        target: partitions(target),
        subscribed: [A, B].into(),
        has_subscription_changed: false,
        reported: None,
        owned: Vec::new(),
    }
}

impl Given {
    fn step(&self, current: &Current) -> Current {
        let step = Step {
            target: Target {
                epoch: 5,
                partitions: &self.target,
            },
            subscribed: &self.subscribed,
            has_subscription_changed: self.has_subscription_changed,
            reported: self.reported.as_ref(),
            is_owned: &|id, index| {
                let by_itself = current.owned().any(|own| own == (id, index));
                by_itself || self.owned.contains(&(id, index))
            },
        };
        reconcile(current, &step)
    }
}

#[test]
fn a_stable_member_with_its_target_stays_as_it_is() {
    let current = member(5, MemberState::Stable, &[(A, &[(0, 3)])]);
    assert_eq!(given(&[(A, &[0, 1])]).step(&current), current);
}

#[test]
fn a_new_member_takes_what_is_free_at_the_new_epoch() {
    let next = given(&[(A, &[0, 1]), (B, &[2])]).step(&Current::new());
    let expected = Current {
        epoch: 5,
        previous_epoch: JOIN_EPOCH,
        state: MemberState::Stable,
        assigned: assigned(&[(A, &[(0, 5), (1, 5)]), (B, &[(2, 5)])]),
        pending_revocation: EpochAssignment::new(),
    };
    assert_eq!(next, expected);
}

#[test]
fn what_a_member_keeps_keeps_the_epoch_it_was_assigned_at() {
    let current = member(4, MemberState::Stable, &[(A, &[(0, 2)])]);
    let next = given(&[(A, &[0, 1])]).step(&current);
    assert_eq!(next.assigned, assigned(&[(A, &[(0, 2), (1, 5)])]));
    assert_eq!((next.epoch, next.previous_epoch), (5, 4));
}

#[test]
fn a_member_that_has_to_give_up_stays_in_its_epoch_until_it_has() {
    let current = member(4, MemberState::Stable, &[(A, &[(0, 2), (1, 3)])]);
    let mut given = given(&[(A, &[0]), (B, &[0])]);
    let revoking = given.step(&current);
    assert_eq!(revoking.state, MemberState::UnrevokedPartitions);
    assert_eq!((revoking.epoch, revoking.previous_epoch), (4, 4));
    assert_eq!(revoking.assigned, assigned(&[(A, &[(0, 2)])]));
    assert_eq!(revoking.pending_revocation, assigned(&[(A, &[(1, 3)])]));
    // It does not say what it owns: nothing happens.
    assert_eq!(given.step(&revoking), revoking);
    // It still owns it.
    given.reported = Some(partitions(&[(A, &[0, 1])]));
    assert_eq!(given.step(&revoking), revoking);
    // It has given it up, and goes on.
    given.reported = Some(partitions(&[(A, &[0])]));
    let next = given.step(&revoking);
    assert_eq!(next.state, MemberState::Stable);
    assert_eq!((next.epoch, next.previous_epoch), (5, 4));
    assert_eq!(next.assigned, assigned(&[(A, &[(0, 2)]), (B, &[(0, 5)])]));
    assert!(next.pending_revocation.is_empty());
}

#[test]
fn nothing_is_to_be_given_up_that_the_member_says_it_does_not_own() {
    let current = member(4, MemberState::Stable, &[(A, &[(0, 2), (1, 3)])]);
    let mut given = given(&[(A, &[0])]);
    given.reported = Some(partitions(&[(A, &[0])]));
    let next = given.step(&current);
    assert_eq!((next.state, next.epoch), (MemberState::Stable, 5));
    assert_eq!(next.assigned, assigned(&[(A, &[(0, 2)])]));
}

#[test]
fn a_member_waits_for_what_others_own_and_takes_it_when_it_is_free() {
    let current = member(4, MemberState::Stable, &[(A, &[(0, 2)])]);
    let mut given = given(&[(A, &[0, 1, 2])]);
    given.owned = vec![(A, 1)];
    let waiting = given.step(&current);
    assert_eq!(waiting.state, MemberState::UnreleasedPartitions);
    assert_eq!(waiting.epoch, 5);
    assert_eq!(waiting.assigned, assigned(&[(A, &[(0, 2), (2, 5)])]));
    // All of the rest is owned: the epoch is the new one all the same.
    given.owned = vec![(A, 1), (A, 2)];
    let still = given.step(&current);
    assert_eq!(still.state, MemberState::UnreleasedPartitions);
    assert_eq!((still.epoch, still.assigned.len()), (5, 1));
    given.owned.clear();
    let next = given.step(&waiting);
    assert_eq!(next.state, MemberState::Stable);
    let all = assigned(&[(A, &[(0, 2), (1, 5), (2, 5)])]);
    assert_eq!(next.assigned, all);
}

#[test]
fn a_waiting_member_may_have_to_give_up_after_all() {
    let waiting = member(4, MemberState::UnreleasedPartitions, &[(A, &[(0, 2)])]);
    let next = given(&[(B, &[0])]).step(&waiting);
    assert_eq!(next.state, MemberState::UnrevokedPartitions);
    assert_eq!(next.pending_revocation, assigned(&[(A, &[(0, 2)])]));
}

#[test]
fn a_member_may_keep_what_it_was_to_give_up_when_the_target_changes() {
    let mut current = member(4, MemberState::UnrevokedPartitions, &[]);
    current.pending_revocation = assigned(&[(A, &[(0, 2)])]);
    let mut given = given(&[(A, &[0])]);
    given.reported = Some(Assignment::new());
    let next = given.step(&current);
    assert_eq!(next.state, MemberState::Stable);
    assert_eq!(next.assigned, assigned(&[(A, &[(0, 5)])]), "assigned anew");
}

#[test]
fn topics_no_longer_subscribed_are_given_up_without_a_new_target() {
    let current = member(5, MemberState::Stable, &[(A, &[(0, 2)]), (B, &[(0, 3)])]);
    let mut given = given(&[(A, &[0]), (B, &[0])]);
    given.subscribed = [B].into();
    assert_eq!(given.step(&current), current, "not on every heartbeat");
    given.has_subscription_changed = true;
    let next = given.step(&current);
    assert_eq!(next.state, MemberState::UnrevokedPartitions);
    assert_eq!(next.epoch, 5);
    assert_eq!(next.assigned, assigned(&[(B, &[(0, 3)])]));
    assert_eq!(next.pending_revocation, assigned(&[(A, &[(0, 2)])]));
    // The client has revoked them before it asked.
    given.reported = Some(partitions(&[(B, &[0])]));
    let next = given.step(&current);
    assert_eq!(next.state, MemberState::Stable);
    assert!(next.pending_revocation.is_empty());
    // More to give up for a member that is giving up already.
    let mut current = member(4, MemberState::UnrevokedPartitions, &[(A, &[(0, 2)])]);
    current.pending_revocation = assigned(&[(B, &[(1, 1)])]);
    given.reported = None;
    let next = given.step(&current);
    assert_eq!(next.state, MemberState::UnrevokedPartitions);
    let both = assigned(&[(A, &[(0, 2)]), (B, &[(1, 1)])]);
    assert_eq!(next.pending_revocation, both);
}

#[test]
fn a_target_with_topics_that_are_not_subscribed_counts_as_without_them() {
    let mut given = given(&[(A, &[0]), (B, &[0])]);
    given.subscribed = [B].into();
    let next = given.step(&Current::new());
    assert_eq!(next.assigned, assigned(&[(B, &[(0, 5)])]));
    let current = member(4, MemberState::Stable, &[(A, &[(0, 2)])]);
    let next = given.step(&current);
    assert_eq!(next.state, MemberState::UnrevokedPartitions);
    assert_eq!(next.pending_revocation, assigned(&[(A, &[(0, 2)])]));
}

#[test]
fn a_member_in_an_unknown_state_starts_anew() {
    let current = member(3, MemberState::Unknown, &[(A, &[(0, 2)])]);
    let mut given = given(&[(A, &[1])]);
    given.reported = Some(Assignment::new());
    let next = given.step(&current);
    assert_eq!((next.state, next.epoch), (MemberState::Stable, 5));
    assert_eq!(next.assigned, assigned(&[(A, &[(1, 5)])]));
}
