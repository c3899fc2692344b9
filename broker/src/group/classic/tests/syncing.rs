//! SyncGroup and the writes of group metadata.

use std::sync::Arc;

use super::harness::{Harness, REBALANCE_MS, SESSION_MS, join_request};
use crate::group::classic::request::SyncRequest;
use crate::group::classic::state::{ClassicGroup, GroupState};
use crate::group::error::GroupError;

/// Two members in CompletingRebalance: leader, follower.
fn completing() -> (Harness, Arc<str>, Arc<str>) {
    let mut h = Harness::new();
    let (first, second) = (h.join(join_request("")), h.join(join_request("")));
    h.advance(6_000);
    let leader = Arc::clone(&h.joined(first).member_id);
    let follower = Arc::clone(&h.joined(second).member_id);
    (h, leader, follower)
}

#[test]
fn the_assignment_is_written_before_anybody_gets_it() {
    let (mut h, leader, follower) = completing();
    let request = h.sync_request(&follower);
    let parked = h.sync(request);
    let leading = h.leader_sync();
    assert!(h.is_parked(parked) && h.is_parked(leading));
    assert_eq!(h.group.state(), GroupState::CompletingRebalance);
    let record = h.finish_write(Ok(()));
    assert_eq!(record.members.len(), 2);
    assert!(
        record
            .members
            .iter()
            .all(|m| *m.assignment == *m.member_id.as_bytes())
    );
    assert_eq!(record.generation, 1);
    assert_eq!(h.group.state(), GroupState::Stable);
    assert_eq!(h.assignment(parked), Ok(follower.as_bytes()));
    assert_eq!(h.assignment(leading), Ok(leader.as_bytes()));
}

#[test]
fn a_follower_that_syncs_late_gets_its_assignment_at_once() {
    let (mut h, _, follower) = completing();
    h.leader_sync();
    h.finish_write(Ok(()));
    let request = h.sync_request(&follower);
    let late = h.sync(request);
    assert_eq!(h.assignment(late), Ok(follower.as_bytes()));
    assert_eq!(h.timers.len(), 2, "two sessions; the sync timer is gone");
}

#[test]
fn members_the_leader_left_out_get_an_empty_assignment() {
    let (mut h, leader, follower) = completing();
    let mut request = h.sync_request(&leader);
    request.assignments = vec![(Arc::from("stranger"), bytes::Bytes::from_static(b"x"))];
    let leading = h.sync(request);
    let record = h.finish_write(Ok(()));
    assert_eq!(record.members.len(), 2);
    assert_eq!(h.assignment(leading), Ok(&b""[..]));
    let request = h.sync_request(&follower);
    let token = h.sync(request);
    assert_eq!(h.assignment(token), Ok(&b""[..]));
}

#[test]
fn a_failed_write_is_told_to_all_and_the_group_rebalances() {
    for (error, told) in [
        (
            GroupError::NotEnoughReplicas,
            GroupError::CoordinatorNotAvailable,
        ),
        (GroupError::KafkaStorageError, GroupError::NotCoordinator),
        (GroupError::MessageTooLarge, GroupError::UnknownServerError),
    ] {
        let (mut h, leader, follower) = completing();
        let request = h.sync_request(&follower);
        let parked = h.sync(request);
        let leading = h.leader_sync();
        h.finish_write(Err(error));
        assert_eq!(h.assignment(parked), Err(told));
        assert_eq!(h.assignment(leading), Err(told));
        assert_eq!(h.group.state(), GroupState::PreparingRebalance);
        let tokens = [
            h.join(join_request(&leader)),
            h.join(join_request(&follower)),
        ];
        assert!(tokens.iter().all(|token| h.joined(*token).generation == 2));
        h.sync_all();
        assert_eq!(h.group.state(), GroupState::Stable);
    }
}

#[test]
fn a_write_that_ends_after_its_generation_changes_nothing() {
    for result in [Ok(()), Err(GroupError::KafkaStorageError)] {
        let (mut h, leader, follower) = completing();
        let leading = h.leader_sync();
        let newcomer = h.join(join_request(""));
        assert_eq!(h.assignment(leading), Err(GroupError::RebalanceInProgress));
        h.join(join_request(&leader));
        h.join(join_request(&follower));
        assert_eq!(h.joined(newcomer).generation, 2);
        h.finish_write(result);
        assert_eq!(h.group.state(), GroupState::CompletingRebalance);
        h.sync_all();
        assert_eq!(h.group.state(), GroupState::Stable);
    }
}

#[test]
fn a_leader_that_syncs_twice_writes_once() {
    let (mut h, leader, _) = completing();
    let lost = h.leader_sync();
    let again = h.leader_sync();
    assert_eq!(h.assignment(lost), Err(GroupError::RebalanceInProgress));
    assert_eq!(h.writes.len(), 1);
    h.finish_write(Ok(()));
    assert_eq!(h.assignment(again), Ok(leader.as_bytes()));
}

#[test]
fn syncs_that_do_not_fit_are_refused() {
    let (mut h, leader, _) = completing();
    let good = h.sync_request(&leader);
    let name = |text: &str| Some(Arc::from(text));
    let cases = [
        (
            SyncRequest {
                member_id: Arc::from("who"),
                ..good.clone()
            },
            GroupError::UnknownMemberId,
        ),
        (
            SyncRequest {
                group_instance_id: name("nobody"),
                ..good.clone()
            },
            GroupError::UnknownMemberId,
        ),
        (
            SyncRequest {
                generation: 7,
                ..good.clone()
            },
            GroupError::IllegalGeneration,
        ),
        (
            SyncRequest {
                protocol_type: name("connect"),
                ..good.clone()
            },
            GroupError::InconsistentGroupProtocol,
        ),
        (
            SyncRequest {
                protocol_name: name("sticky"),
                ..good.clone()
            },
            GroupError::InconsistentGroupProtocol,
        ),
    ];
    for (request, error) in cases {
        let token = h.sync(request.clone());
        assert_eq!(h.assignment(token), Err(error), "{request:?}");
    }
    // Old clients do not say what they think the protocol is.
    let token = h.sync(SyncRequest {
        protocol_type: None,
        protocol_name: None,
        ..good
    });
    assert!(h.is_parked(token));
}

#[test]
fn a_sync_during_the_join_phase_is_told_to_rejoin() {
    let (mut h, ids) = Harness::stable(2);
    h.join(join_request(&ids[0]));
    let request = h.sync_request(&ids[1]);
    let token = h.sync(request);
    assert_eq!(h.assignment(token), Err(GroupError::RebalanceInProgress));
}

#[test]
fn syncs_to_empty_and_dead_groups_are_refused() {
    let mut h = Harness::new();
    let request = h.sync_request("m");
    let token = h.sync(request.clone());
    assert_eq!(h.assignment(token), Err(GroupError::UnknownMemberId));
    h.event(|group, now_ms, actions| group.begin_delete(now_ms, actions));
    let token = h.sync(request);
    assert_eq!(
        h.assignment(token),
        Err(GroupError::CoordinatorNotAvailable)
    );
}

#[test]
fn a_follower_that_never_syncs_is_removed_after_the_rebalance_timeout() {
    let (mut h, leader, follower) = completing();
    h.leader_sync();
    h.finish_write(Ok(()));
    for _ in 0..11 {
        h.advance(i64::from(REBALANCE_MS) / 12);
        assert_eq!(h.heartbeat(&leader), Ok(()));
        assert_eq!(h.heartbeat(&follower), Ok(()));
    }
    assert_eq!(h.group.state(), GroupState::Stable);
    h.advance(i64::from(REBALANCE_MS) / 12);
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    assert_eq!(h.heartbeat(&follower), Err(GroupError::UnknownMemberId));
}

#[test]
fn a_leader_that_never_syncs_is_removed_and_its_followers_rejoin() {
    let (mut h, leader, follower) = completing();
    let request = h.sync_request(&follower);
    let parked = h.sync(request);
    for _ in 0..12 {
        h.advance(i64::from(REBALANCE_MS) / 12);
        h.heartbeat(&leader).ok();
    }
    assert_eq!(h.assignment(parked), Err(GroupError::RebalanceInProgress));
    let token = h.join(join_request(&follower));
    assert_eq!(h.joined(token).leader, follower);
    assert_eq!(h.joined(token).members.len(), 1);
}

#[test]
fn a_parked_sync_counts_as_a_heartbeat_and_restarts_the_session_when_answered() {
    let (mut h, leader, follower) = completing();
    let request = h.sync_request(&follower);
    let parked = h.sync(request);
    for _ in 0..5 {
        h.advance(5_000);
        assert_eq!(h.heartbeat(&leader), Ok(()));
    }
    assert!(
        h.is_parked(parked),
        "25 s without a heartbeat, with a session of 10 s"
    );
    h.leader_sync();
    h.finish_write(Ok(()));
    h.advance(i64::from(SESSION_MS) - 1);
    assert_eq!(h.heartbeat(&follower), Ok(()));
}

#[test]
fn a_group_without_members_is_written_as_empty() {
    let (mut h, ids) = Harness::stable(1);
    assert_eq!(h.leave(&ids[0]), Ok(()));
    assert_eq!(h.group.state(), GroupState::Empty);
    let record = h.finish_write(Err(GroupError::KafkaStorageError));
    assert_eq!(
        h.group.state(),
        GroupState::Empty,
        "a failure changes nothing"
    );
    assert_eq!(
        (record.generation, record.protocol, record.leader),
        (2, None, None)
    );
    assert_eq!(&*record.protocol_type, "consumer");
    assert_eq!(record.current_state_timestamp_ms, h.now_ms);
    assert!(record.members.is_empty());
    assert!(h.timers.is_empty());
}

#[test]
fn a_group_read_back_equals_the_group_written() {
    let (h, ids) = Harness::stable(3);
    let record = h.group.to_record();
    let limits = h.group.limits;
    let loaded = ClassicGroup::from_record(Arc::from("group"), limits, record.clone());
    loaded.assert_consistent();
    assert_eq!(loaded.state(), GroupState::Stable);
    assert_eq!(loaded.to_record(), record);
    assert_eq!(loaded.leader.as_ref(), Some(&ids[0]));
    assert!(loaded.is_subscribed("topic") && !loaded.is_subscribed("other"));
    let mut h = Harness::new();
    h.group = loaded;
    h.event(|group, now_ms, actions| group.loaded(now_ms, actions));
    assert_eq!(h.heartbeat(&ids[2]), Ok(()));
    h.advance(i64::from(SESSION_MS));
    assert_eq!(h.group.members.len(), 0, "sessions run from the load on");
}

#[test]
fn impossible_records_are_read_without_harm() {
    let (h, _) = Harness::stable(2);
    let limits = h.group.limits;
    let mut record = h.group.to_record();
    record.members.push(record.members[0].clone());
    for member in &mut record.members {
        member.group_instance_id = Some(Arc::from("same"));
    }
    record.leader = Some(Arc::from("nobody"));
    record.protocol = None;
    let group = ClassicGroup::from_record(Arc::from("group"), limits, record);
    group.assert_consistent();
    assert_eq!(group.members.len(), 1);
    let mut record = h.group.to_record();
    record.members.clear();
    let group = ClassicGroup::from_record(Arc::from("group"), limits, record);
    group.assert_consistent();
    assert_eq!(group.state(), GroupState::Empty);
}
