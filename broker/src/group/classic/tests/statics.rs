//! Static membership: group.instance.id.

use std::sync::Arc;

use super::harness::{
    Harness, REBALANCE_MS, SESSION_MS, join_request, protocols, static_request, subscription,
};
use crate::group::classic::request::{JoinRequest, Protocol, SyncRequest};
use crate::group::classic::state::GroupState;
use crate::group::error::GroupError;

/// A Stable group of the static leader "a" and the static follower "b".
fn pair() -> (Harness, Arc<str>, Arc<str>) {
    let mut h = Harness::new();
    let ids = h.stabilize(vec![static_request("a", ""), static_request("b", "")]);
    (h, Arc::clone(&ids[0]), Arc::clone(&ids[1]))
}

#[test]
fn static_members_are_named_after_their_instance_and_join_without_detour() {
    let mut h = Harness::new();
    let request = JoinRequest {
        requires_known_member_id: true,
        ..static_request("a", "")
    };
    let token = h.join(request);
    h.advance(3_000);
    assert_eq!(
        &*h.joined(token).member_id,
        "a-00000000-0000-0000-0000-000000000001"
    );
    assert_eq!(
        h.joined(token).members[0].group_instance_id.as_deref(),
        Some("a")
    );
}

#[test]
fn a_restarted_follower_gets_its_assignment_back_without_a_rebalance() {
    let (mut h, _, old) = pair();
    let token = h.join(static_request("b", ""));
    assert!(h.is_parked(token), "its new member id is written first");
    assert_eq!(h.group.state(), GroupState::Stable);
    let record = h.finish_write(Ok(()));
    let joined = h.joined(token).clone();
    assert_eq!((joined.generation, joined.skip_assignment), (1, false));
    assert!(joined.members.is_empty());
    assert_ne!(joined.member_id, old);
    assert!(
        record
            .members
            .iter()
            .any(|member| member.member_id == joined.member_id)
    );
    assert!(record.members.iter().all(|member| member.member_id != old));
    let request = h.sync_request(&joined.member_id);
    let token = h.sync(request);
    assert_eq!(
        h.assignment(token),
        Ok(old.as_bytes()),
        "the assignment of its former self"
    );
}

#[test]
fn a_restarted_leader_skips_the_assignment() {
    let (mut h, old, _) = pair();
    let token = h.join(static_request("a", ""));
    h.finish_write(Ok(()));
    let joined = h.joined(token);
    assert!(joined.skip_assignment);
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!(joined.members.len(), 2);
    assert!(h.group.is_leader(&joined.member_id.clone()));
    assert!(!h.group.has_member(&old));
}

#[test]
fn a_restarted_leader_of_an_old_client_is_told_its_former_id_as_leader() {
    let (mut h, old, _) = pair();
    let request = JoinRequest {
        supports_skipping_assignment: false,
        ..static_request("a", "")
    };
    let token = h.join(request);
    h.finish_write(Ok(()));
    let joined = h.joined(token);
    assert_eq!((&joined.leader, joined.skip_assignment), (&old, false));
    assert!(joined.members.is_empty());
}

#[test]
fn the_former_member_id_is_fenced_everywhere() {
    let (mut h, _, old) = pair();
    h.join(static_request("b", ""));
    h.finish_write(Ok(()));
    let fenced = Err(GroupError::FencedInstanceId);
    assert_eq!(h.heartbeat_as(&old, Some("b"), 1), fenced);
    assert_eq!(h.commit(&old, Some("b"), 1), fenced);
    assert_eq!(h.leave_as(&old, Some("b")), fenced);
    let request = SyncRequest {
        group_instance_id: Some(Arc::from("b")),
        ..h.sync_request(&old)
    };
    let token = h.sync(request);
    assert_eq!(h.assignment(token), Err(GroupError::FencedInstanceId));
    let token = h.join(static_request("b", &old));
    assert_eq!(h.refused(token), (GroupError::FencedInstanceId, &*old));
    // Without its instance id it is merely unknown.
    assert_eq!(h.heartbeat(&old), Err(GroupError::UnknownMemberId));
}

#[test]
fn requests_parked_by_the_former_self_are_fenced() {
    let (mut h, leader, old) = pair();
    h.join(static_request("a", &leader));
    let parked = h.join(static_request("b", &old));
    // That completed the join phase; the former self now parks a sync.
    assert_eq!(h.joined(parked).generation, 2);
    let request = h.sync_request(&old);
    let sync = h.sync(request);
    let token = h.join(static_request("b", ""));
    assert_eq!(h.assignment(sync), Err(GroupError::FencedInstanceId));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    let again = h.join(static_request("b", ""));
    assert_eq!(h.refused(token).0, GroupError::FencedInstanceId);
    assert!(h.is_parked(again));
}

#[test]
fn a_replacement_during_the_join_phase_takes_the_place_of_its_former_self() {
    let (mut h, leader, old) = pair();
    let leading = h.join(static_request("a", &leader));
    let token = h.join(static_request("b", ""));
    assert_eq!(h.joined(leading).members.len(), 2);
    assert_ne!(h.joined(token).member_id, old);
}

#[test]
fn a_failed_write_takes_the_replacement_back() {
    let (mut h, _, old) = pair();
    let changed = JoinRequest {
        session_timeout_ms: 7_000,
        ..static_request("b", "")
    };
    let token = h.join(changed);
    h.finish_write(Err(GroupError::NotEnoughReplicas));
    assert_eq!(h.refused(token), (GroupError::CoordinatorNotAvailable, ""));
    assert_eq!(h.heartbeat_as(&old, Some("b"), 1), Ok(()));
    assert_eq!(h.group.members[&old].session_timeout_ms, SESSION_MS);
    assert_eq!(
        h.timers.len(),
        2,
        "two sessions, none of the member that never was"
    );
}

#[test]
fn a_second_replacement_before_the_first_is_written_fences_the_first() {
    let (mut h, _, old) = pair();
    let first = h.join(static_request("b", ""));
    let second = h.join(static_request("b", ""));
    assert_eq!(h.refused(first).0, GroupError::FencedInstanceId);
    h.finish_write(Err(GroupError::KafkaStorageError));
    h.finish_write(Ok(()));
    assert_ne!(h.joined(second).member_id, old);
    assert_eq!(h.group.members.len(), 2);
}

#[test]
fn a_rebalance_overtakes_the_write_of_a_replacement() {
    for result in [Ok(()), Err(GroupError::KafkaStorageError)] {
        let (mut h, leader, _) = pair();
        let token = h.join(static_request("b", ""));
        let leading = h.join(static_request("a", &leader));
        assert_eq!(
            h.joined(token).generation,
            2,
            "the parked join counts as the rejoin"
        );
        assert_eq!(h.joined(leading).members.len(), 2);
        h.finish_write(result);
        assert_eq!(h.group.state(), GroupState::CompletingRebalance);
        h.sync_all();
        assert_eq!(h.group.state(), GroupState::Stable);
    }
}

#[test]
fn a_replacement_that_changes_the_chosen_protocol_rebalances() {
    let mut h = Harness::new();
    let both = |instance| JoinRequest {
        protocols: protocols(&["range", "sticky"]),
        ..static_request(instance, "")
    };
    h.stabilize(vec![both("a"), both("b")]);
    assert_eq!(h.group.protocol_name.as_deref(), Some("range"));
    let token = h.join(JoinRequest {
        protocols: protocols(&["sticky"]),
        ..static_request("b", "")
    });
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    assert!(h.is_parked(token) && h.writes.is_empty());
}

#[test]
fn static_members_that_do_not_rejoin_stay_until_their_session_ends() {
    let mut h = Harness::new();
    let long = |instance, id: &str| JoinRequest {
        session_timeout_ms: 2 * REBALANCE_MS,
        ..static_request(instance, id)
    };
    let ids = h.stabilize(vec![long("a", ""), long("b", "")]);
    let token = h.join(long("a", &ids[0]));
    h.advance(i64::from(REBALANCE_MS));
    assert_eq!(h.joined(token).members.len(), 2, "b kept its place");
    h.sync_all();
    let joined_ms = h.now_ms;
    while h.group.members.len() == 2 {
        assert_eq!(h.heartbeat(&ids[0]), Ok(()));
        h.advance(5_000);
    }
    assert!(h.now_ms - joined_ms <= 2 * i64::from(REBALANCE_MS));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
}

#[test]
fn a_join_phase_in_which_nobody_rejoins_waits_once_more() {
    let mut h = Harness::new();
    let long = JoinRequest {
        session_timeout_ms: 10 * REBALANCE_MS,
        ..static_request("a", "")
    };
    let mut ids = h.stabilize(vec![long, join_request("")]);
    // The dynamic member leaves; the static one is away but its session is long.
    h.leave(&ids.pop().unwrap()).unwrap();
    h.advance(i64::from(REBALANCE_MS));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    assert_eq!(h.group.generation, 1);
    h.advance(i64::from(REBALANCE_MS));
    assert_eq!(h.group.generation, 1);
    let token = h.join(static_request("a", &ids[0]));
    assert_eq!(h.joined(token).generation, 2);
}

#[test]
fn administrators_remove_static_members_by_instance() {
    let (mut h, _, follower) = pair();
    assert_eq!(
        h.leave_as("", Some("nobody")),
        Err(GroupError::UnknownMemberId)
    );
    assert_eq!(h.leave_as("", Some("b")), Ok(()));
    assert!(!h.group.has_member(&follower));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
}

#[test]
fn a_static_member_may_not_use_a_pending_member_id() {
    let mut h = Harness::new();
    let token = h.join(JoinRequest {
        requires_known_member_id: true,
        ..join_request("")
    });
    let pending = h.refused(token).1.to_owned();
    let token = h.join(static_request("a", &pending));
    assert_eq!(h.refused(token), (GroupError::UnknownMemberId, &*pending));
}

#[test]
fn a_known_static_member_rejoins_like_any_other() {
    let (mut h, _, follower) = pair();
    let token = h.join(static_request("b", &follower));
    assert_eq!(h.joined(token).generation, 1);
    let changed = vec![Protocol {
        name: Arc::from("range"),
        metadata: subscription("other"),
    }];
    let request = JoinRequest {
        protocols: changed,
        ..static_request("b", &follower)
    };
    let token = h.join(request);
    assert!(h.is_parked(token));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
}
