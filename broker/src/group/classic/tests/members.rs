//! Heartbeats, leaves, sessions, and the checks before offsets change.

use std::sync::Arc;

use super::harness::{Harness, SESSION_MS, join_request, protocols, static_request};
use crate::group::classic::membership::RetentionStart;
use crate::group::classic::request::{JoinRequest, LeavingMember};
use crate::group::classic::state::GroupState;
use crate::group::error::GroupError;

fn dead() -> Harness {
    let mut h = Harness::new();
    h.event(|group, now_ms, actions| group.begin_delete(now_ms, actions));
    h
}

#[test]
fn heartbeats_answer_by_state() {
    assert_eq!(
        Harness::new().heartbeat("m"),
        Err(GroupError::UnknownMemberId)
    );
    assert_eq!(
        dead().heartbeat("m"),
        Err(GroupError::CoordinatorNotAvailable)
    );

    let (mut h, ids) = Harness::stable(2);
    assert_eq!(h.heartbeat(&ids[0]), Ok(()));
    assert_eq!(h.heartbeat("who"), Err(GroupError::UnknownMemberId));
    assert_eq!(
        h.heartbeat_as(&ids[0], None, 0),
        Err(GroupError::IllegalGeneration)
    );
    assert_eq!(
        h.heartbeat_as(&ids[0], Some("nobody"), 1),
        Err(GroupError::UnknownMemberId)
    );
    h.join(join_request(&ids[0]));
    assert_eq!(h.heartbeat(&ids[1]), Err(GroupError::RebalanceInProgress));
    h.join(join_request(&ids[1]));
    assert_eq!(h.group.state(), GroupState::CompletingRebalance);
    assert_eq!(h.heartbeat(&ids[1]), Ok(()));
}

#[test]
fn a_member_that_is_silent_for_its_session_is_removed() {
    let (mut h, ids) = Harness::stable(2);
    h.advance(i64::from(SESSION_MS) - 1);
    assert_eq!(h.heartbeat(&ids[0]), Ok(()));
    h.advance(1);
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    assert_eq!(h.heartbeat(&ids[1]), Err(GroupError::UnknownMemberId));
    let token = h.join(join_request(&ids[0]));
    assert_eq!(h.joined(token).members.len(), 1);
}

#[test]
fn a_group_whose_members_all_went_silent_becomes_empty() {
    let (mut h, _) = Harness::stable(3);
    h.advance(i64::from(SESSION_MS));
    assert_eq!(h.group.state(), GroupState::Empty);
    assert!(h.timers.is_empty());
    h.finish_writes();
}

#[test]
fn a_rejoined_member_waits_in_the_join_phase_without_heartbeats() {
    let (mut h, ids) = Harness::stable(2);
    let token = h.join(join_request(&ids[0]));
    for _ in 0..4 {
        h.advance(5_000);
        assert_eq!(h.heartbeat(&ids[1]), Err(GroupError::RebalanceInProgress));
    }
    assert!(
        h.is_parked(token),
        "20 s without a heartbeat, with a session of 10 s"
    );
    // When the silent one is gone the join phase is complete.
    h.advance(i64::from(SESSION_MS));
    assert_eq!(h.joined(token).members.len(), 1);
}

#[test]
fn leaving_answers_each_member_on_its_own() {
    let (mut h, ids) = Harness::stable(2);
    let leaving = |id: &str| LeavingMember {
        member_id: Arc::from(id),
        group_instance_id: None,
        reason: Some(Arc::from("done")),
    };
    let batch = [leaving("who"), leaving(&ids[1]), leaving("")];
    let answers = h.event(|group, now_ms, actions| group.leave(&batch, now_ms, actions));
    let unknown = Err(GroupError::UnknownMemberId);
    assert_eq!(answers, Ok(vec![unknown, Ok(()), unknown]));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    assert_eq!(dead().leave("m"), Err(GroupError::CoordinatorNotAvailable));
    assert_eq!(Harness::new().leave("m"), unknown);
}

#[test]
fn a_refused_leave_does_not_rebalance() {
    let (mut h, _) = Harness::stable(1);
    assert_eq!(h.leave("who"), Err(GroupError::UnknownMemberId));
    assert_eq!(h.group.state(), GroupState::Stable);
}

#[test]
fn a_member_that_leaves_while_parked_is_told_so() {
    let (mut h, ids) = Harness::stable(2);
    let token = h.join(join_request(&ids[0]));
    assert_eq!(h.leave(&ids[0]), Ok(()));
    assert_eq!(h.refused(token), (GroupError::UnknownMemberId, ""));

    let mut h = Harness::new();
    let (first, second) = (h.join(join_request("")), h.join(join_request("")));
    h.advance(6_000);
    let follower = Arc::clone(&h.joined(second).member_id);
    assert!(h.group.is_leader(&h.joined(first).member_id.clone()));
    let request = h.sync_request(&follower);
    let parked = h.sync(request);
    assert_eq!(h.leave(&follower), Ok(()));
    assert_eq!(h.assignment(parked), Err(GroupError::UnknownMemberId));
}

#[test]
fn the_last_to_leave_the_join_phase_completes_it() {
    let (mut h, ids) = Harness::stable(3);
    let token = h.join(join_request(&ids[0]));
    assert_eq!(h.leave(&ids[1]), Ok(()));
    assert!(h.is_parked(token));
    assert_eq!(h.leave(&ids[2]), Ok(()));
    assert_eq!(h.joined(token).members.len(), 1);
}

#[test]
fn a_pending_member_may_leave() {
    let mut h = Harness::new();
    let token = h.join(JoinRequest {
        requires_known_member_id: true,
        ..join_request("")
    });
    let member_id = h.refused(token).1.to_owned();
    assert_eq!(h.leave(&member_id), Ok(()));
    assert!(h.timers.is_empty());
    assert!(!h.group.is_pending(&member_id));
}

#[test]
fn leaving_during_the_initial_delay_empties_the_group_when_the_delay_ends() {
    let mut h = Harness::new();
    h.join(join_request(""));
    let member_id = h.group.leader.clone().unwrap();
    assert_eq!(h.leave(&member_id), Ok(()));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    h.advance(3_000);
    assert_eq!(h.group.state(), GroupState::Empty);
    h.finish_writes();
    // And it can begin anew, with another protocol type.
    let connect = JoinRequest {
        protocol_type: Arc::from("connect"),
        ..join_request("")
    };
    let token = h.join(connect);
    h.advance(3_000);
    assert_eq!(h.joined(token).protocol_type.as_deref(), Some("connect"));
}

#[test]
fn offset_commits_are_checked_against_the_membership() {
    let unknown = Err(GroupError::UnknownMemberId);
    assert_eq!(
        Harness::new().commit("", None, -1),
        Ok(()),
        "outside any generation"
    );
    assert_eq!(
        Harness::new().commit("who", None, -1),
        Ok(()),
        "as Kafka: Empty, no generation"
    );
    assert_eq!(Harness::new().commit("who", None, 0), unknown);
    assert_eq!(
        dead().commit("", None, -1),
        Err(GroupError::CoordinatorNotAvailable)
    );

    let mut h = Harness::new();
    let ids = h.stabilize(vec![join_request(""), static_request("b", "")]);
    assert_eq!(h.commit(&ids[0], None, 1), Ok(()));
    assert_eq!(h.commit(&ids[1], Some("b"), 1), Ok(()));
    assert_eq!(h.commit("", None, -1), unknown, "a group with members");
    assert_eq!(h.commit("who", None, 1), unknown);
    assert_eq!(h.commit("", None, 1), unknown);
    assert_eq!(h.commit(&ids[0], Some("nobody"), 1), unknown);
    assert_eq!(
        h.commit("who", Some("b"), 1),
        Err(GroupError::FencedInstanceId)
    );
    assert_eq!(
        h.commit(&ids[0], None, 0),
        Err(GroupError::IllegalGeneration)
    );
    assert_eq!(
        h.commit(&ids[0], None, -1),
        Err(GroupError::IllegalGeneration)
    );

    h.join(join_request(&ids[0]));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    assert_eq!(
        h.commit(&ids[1], None, 1),
        Ok(()),
        "the last chance of the old generation"
    );
    h.join(static_request("b", &ids[1]));
    assert_eq!(h.group.state(), GroupState::CompletingRebalance);
    assert_eq!(
        h.commit(&ids[1], None, 2),
        Err(GroupError::RebalanceInProgress)
    );
    assert_eq!(
        h.commit(&ids[1], None, 1),
        Err(GroupError::IllegalGeneration)
    );
}

#[test]
fn offsets_and_groups_are_deleted_by_state() {
    let (consumer, _) = Harness::stable(1);
    assert_eq!(consumer.group.validate_offset_delete(), Ok(()));
    assert_eq!(
        consumer.group.validate_delete(),
        Err(GroupError::NonEmptyGroup)
    );
    assert!(consumer.group.is_subscribed("topic"));
    assert!(!consumer.group.is_subscribed("other"));

    let mut connect = Harness::new();
    let protocol_type = Arc::from("connect");
    connect.join(JoinRequest {
        protocol_type,
        ..join_request("")
    });
    assert_eq!(
        connect.group.validate_offset_delete(),
        Err(GroupError::NonEmptyGroup)
    );
    assert_eq!(
        connect.group.validate_delete(),
        Err(GroupError::NonEmptyGroup)
    );

    let empty = Harness::new();
    assert_eq!(empty.group.validate_offset_delete(), Ok(()));
    assert_eq!(empty.group.validate_delete(), Ok(()));
    assert_eq!(
        dead().group.validate_offset_delete(),
        Err(GroupError::GroupIdNotFound)
    );
    assert_eq!(
        dead().group.validate_delete(),
        Err(GroupError::GroupIdNotFound)
    );
}

#[test]
fn a_consumer_group_whose_subscriptions_are_unknown_keeps_all_offsets() {
    let mut h = Harness::new();
    let mut opaque = protocols(&["range"]);
    opaque[0].metadata = bytes::Bytes::from_static(b"\x01");
    h.stabilize(vec![JoinRequest {
        protocols: opaque,
        ..join_request("")
    }]);
    assert!(h.group.is_subscribed("anything"));
    assert_eq!(h.group.retention_start(), RetentionStart::Never);
}

#[test]
fn retention_starts_when_the_group_needs_the_offsets_no_longer() {
    let simple = Harness::new();
    assert_eq!(simple.group.retention_start(), RetentionStart::Commit);

    let (mut h, ids) = Harness::stable(1);
    assert_eq!(h.group.retention_start(), RetentionStart::Commit);
    h.join(join_request(&ids[0]));
    assert_eq!(h.group.state(), GroupState::CompletingRebalance);
    assert_eq!(h.group.retention_start(), RetentionStart::Never);
    h.advance(1_234);
    h.leave(&ids[0]).unwrap();
    assert_eq!(h.group.retention_start(), RetentionStart::At(h.now_ms));
    assert!(!h.group.is_subscribed("topic"));
    // Old records do not say since when the group is empty.
    h.group.state_since_ms = None;
    assert_eq!(h.group.retention_start(), RetentionStart::Commit);

    let mut connect = Harness::new();
    let protocol_type = Arc::from("connect");
    connect.stabilize(vec![JoinRequest {
        protocol_type,
        ..join_request("")
    }]);
    assert_eq!(connect.group.state(), GroupState::Stable);
    assert_eq!(connect.group.retention_start(), RetentionStart::Never);
}

#[test]
fn a_group_that_moves_away_answers_everything_parked() {
    let (mut h, ids) = Harness::stable(2);
    let join = h.join(join_request(&ids[0]));
    h.event(|group, now_ms, actions| group.unload(now_ms, actions));
    assert_eq!(h.refused(join), (GroupError::NotCoordinator, &*ids[0]));
    assert_eq!(h.group.state(), GroupState::Dead);

    let mut h = Harness::new();
    h.join(join_request(""));
    h.advance(3_000);
    let sync = h.leader_sync();
    h.event(|group, now_ms, actions| group.unload(now_ms, actions));
    assert_eq!(h.assignment(sync), Err(GroupError::NotCoordinator));
    h.finish_write(Ok(()));
    assert_eq!(
        h.group.state(),
        GroupState::Dead,
        "a write that ends late wakes nobody"
    );
}

#[test]
fn a_failed_deletion_leaves_the_group_as_it_was() {
    let mut h = Harness::new();
    let since = h.group.state_since_ms;
    h.advance(500);
    h.event(|group, now_ms, actions| group.begin_delete(now_ms, actions));
    assert_eq!(h.group.state(), GroupState::Dead);
    h.event(|group, _, _| group.abort_delete());
    assert_eq!(
        (h.group.state(), h.group.state_since_ms),
        (GroupState::Empty, since)
    );
    let token = h.join(join_request(""));
    h.advance(3_000);
    assert_eq!(h.joined(token).generation, 1);
}
