//! JoinGroup and the join phase.

use std::sync::Arc;
use std::time::Duration;

use super::harness::{
    Harness, REBALANCE_MS, SESSION_MS, join_request, limits, protocols, static_request,
    subscription,
};
use crate::group::classic::request::{JoinRequest, Protocol};
use crate::group::classic::state::{GroupLimits, GroupState};
use crate::group::error::GroupError;

#[test]
fn the_first_generation_waits_the_initial_delay() {
    let mut h = Harness::new();
    let first = h.join(join_request(""));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    h.advance(2_999);
    assert!(h.is_parked(first));
    h.advance(1);
    let joined = h.joined(first);
    assert_eq!(joined.generation, 1);
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.members.len(), 1);
    assert!(!joined.skip_assignment);
    assert_eq!(h.group.state(), GroupState::CompletingRebalance);
}

#[test]
fn members_that_come_meanwhile_extend_the_initial_delay_up_to_the_rebalance_timeout() {
    let mut h = Harness::new();
    let short = JoinRequest {
        rebalance_timeout_ms: 8_000,
        ..join_request("")
    };
    let first = h.join(short.clone());
    // 3 s, then steps of at most 3 s as long as each saw a new member; 8 s in all.
    h.advance(2_000);
    h.join(short.clone());
    h.advance(1_000);
    assert!(h.is_parked(first));
    h.advance(2_000);
    h.join(short);
    h.advance(1_000);
    assert!(
        h.is_parked(first),
        "a third step, because a member came in the second"
    );
    h.advance(1_999);
    assert!(h.is_parked(first));
    h.advance(1);
    assert_eq!(h.joined(first).members.len(), 3);
}

#[test]
fn without_newcomers_the_initial_delay_is_not_extended() {
    let mut h = Harness::new();
    let (first, second) = (h.join(join_request("")), h.join(join_request("")));
    // The second came during the first step, which therefore is extended once.
    h.advance(3_000);
    assert!(h.is_parked(first));
    h.advance(3_000);
    assert_eq!(h.joined(first).members.len(), 2);
    assert!(
        h.joined(second).members.is_empty(),
        "only the leader gets the members"
    );
    assert_eq!(h.joined(second).leader, h.joined(first).member_id);
}

#[test]
fn an_initial_delay_of_zero_ends_at_once() {
    let zero = GroupLimits {
        initial_rebalance_delay: Duration::ZERO,
        ..limits()
    };
    let mut h = Harness::with_limits(zero);
    let first = h.join(join_request(""));
    h.advance(0);
    assert_eq!(h.joined(first).generation, 1);
}

#[test]
fn new_clients_are_sent_away_with_a_member_id_first() {
    let mut h = Harness::new();
    let request = JoinRequest {
        requires_known_member_id: true,
        ..join_request("")
    };
    let token = h.join(request.clone());
    let (error, member_id) = h.refused(token);
    assert_eq!(error, GroupError::MemberIdRequired);
    assert_eq!(member_id, "client-00000000-0000-0000-0000-000000000001");
    let member_id = member_id.to_owned();
    assert_eq!(h.group.state(), GroupState::Empty);
    assert!(h.group.is_pending(&member_id));
    let token = h.join(JoinRequest {
        member_id: Arc::from(&*member_id),
        ..request
    });
    h.advance(3_000);
    assert_eq!(&*h.joined(token).member_id, member_id);
    assert!(!h.group.is_pending(&member_id));
}

#[test]
fn an_unused_member_id_expires_with_the_session_timeout() {
    let mut h = Harness::new();
    let token = h.join(JoinRequest {
        requires_known_member_id: true,
        ..join_request("")
    });
    let member_id = h.refused(token).1.to_owned();
    h.advance(i64::from(SESSION_MS) - 1);
    assert!(h.group.is_pending(&member_id));
    h.advance(1);
    assert!(!h.group.is_pending(&member_id));
    let token = h.join(join_request(&member_id));
    assert_eq!(h.refused(token), (GroupError::UnknownMemberId, &*member_id));
    assert!(h.timers.is_empty());
}

#[test]
fn the_join_phase_waits_for_member_ids_handed_out() {
    let (mut h, ids) = Harness::stable(1);
    let pending = h.join(JoinRequest {
        requires_known_member_id: true,
        ..join_request("")
    });
    let pending_id = h.refused(pending).1.to_owned();
    let leader = h.join(join_request(&ids[0]));
    assert!(h.is_parked(leader), "the pending member is expected");
    let newcomer = h.join(join_request(&pending_id));
    assert_eq!(h.joined(leader).members.len(), 2);
    assert_eq!(h.joined(newcomer).generation, 2);
}

#[test]
fn a_pending_member_that_never_comes_holds_the_join_phase_up_for_its_session_only() {
    let (mut h, ids) = Harness::stable(1);
    h.join(JoinRequest {
        requires_known_member_id: true,
        ..join_request("")
    });
    let leader = h.join(join_request(&ids[0]));
    h.advance(i64::from(SESSION_MS));
    assert_eq!(h.joined(leader).generation, 2);
}

#[test]
fn too_many_unused_member_ids_are_refused() {
    let mut h = Harness::new();
    let request = JoinRequest {
        requires_known_member_id: true,
        ..join_request("")
    };
    for _ in 0..limits().pending_members_max {
        let token = h.join(request.clone());
        assert_eq!(h.refused(token).0, GroupError::MemberIdRequired);
    }
    let token = h.join(request);
    assert_eq!(h.refused(token), (GroupError::GroupMaxSizeReached, ""));
}

#[test]
fn an_unknown_member_id_is_refused_in_every_state() {
    let (mut stable, _) = Harness::stable(1);
    let token = stable.join(join_request("who"));
    assert_eq!(stable.refused(token), (GroupError::UnknownMemberId, "who"));

    let mut empty = Harness::new();
    let token = empty.join(join_request("who"));
    assert_eq!(empty.refused(token), (GroupError::UnknownMemberId, "who"));
}

#[test]
fn a_dead_group_sends_members_to_look_for_the_coordinator() {
    let mut h = Harness::new();
    h.event(|group, now_ms, actions| group.begin_delete(now_ms, actions));
    let token = h.join(join_request("who"));
    assert_eq!(
        h.refused(token),
        (GroupError::CoordinatorNotAvailable, "who")
    );
    let token = h.join(join_request(""));
    assert_eq!(h.refused(token), (GroupError::CoordinatorNotAvailable, ""));
}

#[test]
fn protocols_must_have_something_in_common_with_everybody() {
    let mut h = Harness::new();
    for (protocol_type, names) in [("", &["range"][..]), ("consumer", &[])] {
        let protocol_type = Arc::from(protocol_type);
        let request = JoinRequest {
            protocol_type,
            protocols: protocols(names),
            ..join_request("")
        };
        let token = h.join(request);
        assert_eq!(
            h.refused(token),
            (GroupError::InconsistentGroupProtocol, "")
        );
    }
    h.join(JoinRequest {
        protocols: protocols(&["range", "sticky"]),
        ..join_request("")
    });
    for (protocol_type, names) in [("connect", &["range"][..]), ("consumer", &["roundrobin"])] {
        let protocol_type = Arc::from(protocol_type);
        let request = JoinRequest {
            protocol_type,
            protocols: protocols(names),
            ..join_request("")
        };
        let token = h.join(request);
        assert_eq!(h.refused(token).0, GroupError::InconsistentGroupProtocol);
    }
    assert_eq!(h.group.members.len(), 1);
}

#[test]
fn the_protocol_with_most_votes_wins_among_those_all_support() {
    let mut h = Harness::new();
    for names in [
        &["mine", "range", "sticky"][..],
        &["sticky", "range"],
        &["sticky", "range"],
    ] {
        h.join(JoinRequest {
            protocols: protocols(names),
            ..join_request("")
        });
    }
    h.advance(6_000);
    // One votes range (its "mine" is no candidate), two vote sticky.
    assert_eq!(h.group.protocol_name.as_deref(), Some("sticky"));
}

#[test]
fn a_protocol_offered_twice_counts_once() {
    let mut h = Harness::new();
    h.join(JoinRequest {
        protocols: protocols(&["a", "a"]),
        ..join_request("")
    });
    let token = h.join(JoinRequest {
        protocols: protocols(&["b"]),
        ..join_request("")
    });
    assert_eq!(h.refused(token).0, GroupError::InconsistentGroupProtocol);
}

#[test]
fn a_full_group_takes_nobody_but_its_members() {
    let full = GroupLimits {
        group_max_size: 2,
        ..limits()
    };
    let mut h = Harness::with_limits(full);
    let ids = h.stabilize(vec![join_request(""), join_request("")]);
    let token = h.join(join_request(""));
    assert_eq!(h.refused(token), (GroupError::GroupMaxSizeReached, ""));
    // A member of the full group may rejoin; during the join phase those waiting count.
    let leader = h.join(join_request(&ids[0]));
    assert!(h.is_parked(leader));
    let newcomer = h.join(join_request(""));
    assert!(
        h.is_parked(newcomer),
        "one of two places is taken by a waiting member"
    );
    let late = h.join(join_request(&ids[1]));
    assert_eq!(h.refused(late), (GroupError::GroupMaxSizeReached, ""));
    assert_eq!(h.group.members.len(), 2);
}

#[test]
fn a_loaded_group_above_the_limit_rebalances() {
    let (h, _) = Harness::stable(3);
    let record = h.group.to_record();
    let mut loaded = Harness::new();
    let small = GroupLimits {
        group_max_size: 2,
        ..limits()
    };
    loaded.group =
        crate::group::classic::state::ClassicGroup::from_record(Arc::from("group"), small, record);
    loaded.event(|group, now_ms, actions| group.loaded(now_ms, actions));
    assert_eq!(loaded.group.state(), GroupState::PreparingRebalance);
    assert_eq!(loaded.timers.len(), 4, "three sessions and the join phase");
}

#[test]
fn the_leader_of_a_stable_group_rebalances_by_joining_again() {
    let (mut h, ids) = Harness::stable(2);
    let leader = h.join(join_request(&ids[0]));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    assert_eq!(h.heartbeat(&ids[1]), Err(GroupError::RebalanceInProgress));
    let follower = h.join(join_request(&ids[1]));
    assert_eq!(h.joined(leader).generation, 2);
    assert_eq!(h.joined(leader).members.len(), 2);
    assert_eq!(
        h.joined(follower).leader,
        ids[0],
        "the leader is kept while it rejoins"
    );
}

#[test]
fn a_follower_with_unchanged_metadata_gets_the_current_generation_back() {
    let (mut h, ids) = Harness::stable(2);
    let token = h.join(join_request(&ids[1]));
    assert_eq!(h.joined(token).generation, 1);
    assert!(h.joined(token).members.is_empty());
    assert_eq!(h.group.state(), GroupState::Stable);
}

#[test]
fn a_follower_with_changed_metadata_rebalances() {
    let (mut h, ids) = Harness::stable(2);
    let changed = vec![Protocol {
        name: Arc::from("range"),
        metadata: subscription("other"),
    }];
    let token = h.join(JoinRequest {
        protocols: changed,
        ..join_request(&ids[1])
    });
    assert!(h.is_parked(token));
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
    h.join(join_request(&ids[0]));
    assert!(h.group.is_subscribed("other") && h.group.is_subscribed("topic"));
    assert!(!h.group.is_subscribed("third"));
}

#[test]
fn a_member_that_missed_the_answer_to_its_join_gets_it_again() {
    let mut h = Harness::new();
    let (first, second) = (h.join(join_request("")), h.join(join_request("")));
    h.advance(6_000);
    let (leader, follower) = (
        h.joined(first).member_id.to_string(),
        h.joined(second).member_id.to_string(),
    );
    let again = h.join(join_request(&leader));
    assert_eq!(h.joined(again), h.joined(first));
    let again = h.join(join_request(&follower));
    assert_eq!(h.joined(again), h.joined(second));
    assert_eq!(h.group.state(), GroupState::CompletingRebalance);
    // With other metadata it has to be a rebalance.
    let changed = vec![Protocol {
        name: Arc::from("range"),
        metadata: subscription("other"),
    }];
    h.join(JoinRequest {
        protocols: changed,
        ..join_request(&follower)
    });
    assert_eq!(h.group.state(), GroupState::PreparingRebalance);
}

#[test]
fn a_join_repeated_over_another_connection_answers_both() {
    let (mut h, ids) = Harness::stable(2);
    let lost = h.join(join_request(&ids[0]));
    let again = h.join(join_request(&ids[0]));
    assert_eq!(h.refused(lost), (GroupError::RebalanceInProgress, &*ids[0]));
    h.join(join_request(&ids[1]));
    assert_eq!(h.joined(again).generation, 2);
}

#[test]
fn dynamic_members_that_do_not_rejoin_in_time_are_removed() {
    let (mut h, ids) = Harness::stable(3);
    let leader = h.join(join_request(&ids[0]));
    // The others stay alive but do not rejoin.
    for _ in 0..12 {
        assert!(h.is_parked(leader));
        assert_eq!(h.heartbeat(&ids[1]), Err(GroupError::RebalanceInProgress));
        assert_eq!(h.heartbeat(&ids[2]), Err(GroupError::RebalanceInProgress));
        h.advance(5_000);
    }
    assert_eq!(h.joined(leader).members.len(), 1);
    assert_eq!(h.heartbeat(&ids[1]), Err(GroupError::UnknownMemberId));
}

#[test]
fn the_join_phase_lasts_the_longest_rebalance_timeout() {
    let mut h = Harness::new();
    let long = JoinRequest {
        rebalance_timeout_ms: 2 * REBALANCE_MS,
        ..static_request("b", "")
    };
    let ids = h.stabilize(vec![static_request("a", ""), long]);
    let token = h.join(static_request("a", &ids[0]));
    h.advance(1);
    assert_eq!(
        h.timers[&crate::group::timers::TimerKind::Join],
        h.now_ms - 1 + 2 * i64::from(REBALANCE_MS)
    );
    assert!(h.is_parked(token));
}

#[test]
fn a_leader_that_does_not_rejoin_is_replaced_by_the_earliest_that_did() {
    let mut h = Harness::new();
    let long = |instance| JoinRequest {
        session_timeout_ms: 200_000,
        ..static_request(instance, "")
    };
    let ids = h.stabilize(vec![long("a"), long("b"), long("c")]);
    assert!(h.group.is_leader(&ids[0]));
    let changed = vec![Protocol {
        name: Arc::from("range"),
        metadata: subscription("other"),
    }];
    let join = |id: &Arc<str>, instance| JoinRequest {
        member_id: Arc::clone(id),
        protocols: changed.clone(),
        ..long(instance)
    };
    let third = h.join(join(&ids[2], "c"));
    let second = h.join(join(&ids[1], "b"));
    h.advance(i64::from(REBALANCE_MS));
    assert_eq!(h.joined(second).leader, ids[1]);
    assert_eq!(h.joined(third).leader, ids[1]);
    // The static leader keeps its place in the group, though not the lead.
    assert_eq!(h.joined(second).members.len(), 3);
}

#[test]
fn a_new_member_that_vanished_is_removed_after_five_minutes() {
    let (mut h, ids) = Harness::stable(1);
    let slow = JoinRequest {
        rebalance_timeout_ms: 1_000_000,
        ..join_request("")
    };
    let newcomer = h.join(slow);
    for _ in 0..59 {
        h.advance(5_000);
        assert_eq!(h.heartbeat(&ids[0]), Err(GroupError::RebalanceInProgress));
    }
    assert!(h.is_parked(newcomer));
    h.advance(5_000);
    assert_eq!(h.refused(newcomer), (GroupError::UnknownMemberId, ""));
    assert_eq!(h.group.members.len(), 1);
}

#[test]
fn the_generation_after_the_largest_is_the_first() {
    let (mut h, ids) = Harness::stable(1);
    h.group.generation = i32::MAX;
    let token = h.join(join_request(&ids[0]));
    assert_eq!(h.joined(token).generation, 0);
}

#[test]
fn a_negative_rebalance_timeout_has_passed_already() {
    let (mut h, ids) = Harness::stable(2);
    let hasty = JoinRequest {
        rebalance_timeout_ms: -5,
        ..join_request("")
    };
    h.group
        .members
        .values_mut()
        .for_each(|member| member.rebalance_timeout_ms = -5);
    let token = h.join(hasty);
    h.advance(0);
    assert_eq!(
        h.joined(token).members.len(),
        1,
        "nobody else rejoined in time"
    );
    assert_eq!(h.heartbeat(&ids[0]), Err(GroupError::UnknownMemberId));
}
