//! What a consumer group answers members of the classic protocol.

use super::*;
use crate::group::classic::request::{LeavingMember, MemberIdentity};
use crate::group::consumer::member::MemberState;
use crate::group::{GroupError, JoinRefused};

fn heartbeat(
    group: &ConsumerGroup,
    member_id: &str,
    generation: i32,
) -> (Result<(), GroupError>, Vec<Action>) {
    let identity = MemberIdentity {
        member_id,
        group_instance_id: None,
    };
    let mut actions = Vec::new();
    let answer = group.classic_heartbeat(identity, generation, &mut actions);
    (answer, actions)
}

/// A group of consumer `c`, which has all of topic `t`, at epoch 2.
fn with_consumer(world: &World) -> ConsumerGroup {
    let mut group = ConsumerGroup::new(id("group"));
    world
        .heartbeat(&mut group, &consumer("c", 0, &["t"]))
        .0
        .unwrap();
    assert_eq!((group.epoch, owned(&group, "c").len()), (2, 4));
    group
}

fn classic_join(world: &World, group: &mut ConsumerGroup, member_id: &str) -> JoinResult {
    let request = join_request(member_id, subscription(&["t"], &[]));
    world.join(group, &request).0
}

#[test]
fn a_member_without_id_is_sent_away_with_one() {
    let world = World::new();
    let mut group = with_consumer(&world);
    let mut request = join_request("", subscription(&["t"], &[]));
    let (refused, actions) = world.join(&mut group, &request);
    let expected = JoinRefused {
        error: GroupError::MemberIdRequired,
        member_id: Uuid::from_u128(7).to_string().into(),
    };
    assert_eq!(refused, Err(expected));
    assert!(actions.is_empty() && group.members.len() == 1);
    request.requires_known_member_id = false;
    let (joined, _) = world.join(&mut group, &request);
    assert_eq!(*joined.unwrap().member_id, *Uuid::from_u128(7).to_string());
}

#[test]
fn a_join_is_answered_with_the_epoch_and_no_leader() {
    let world = World::new();
    let mut group = with_consumer(&world);
    let request = join_request("a", subscription(&["t"], &[]));
    let (joined, actions) = world.join(&mut group, &request);
    let joined = joined.unwrap();
    assert_eq!((joined.generation, &*joined.leader), (3, ""));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert!(joined.members.is_empty());
    assert!(sets_timer(&actions, &TimerKind::Session(id("a"))));
    assert!(sets_timer(&actions, &TimerKind::ClassicSync(id("a"))));
    assert!(cancels_timer(&actions, &TimerKind::ClassicRejoin(id("a"))));
    assert!(!sets_timer(&actions, &TimerKind::Rebalance(id("a"))));
    assert!(
        matches!(records(&actions)[0], ConsumerRecord::Member(member, Some(_)) if **member == *"a")
    );
    assert_eq!(
        group.members["a"].current.state,
        MemberState::UnreleasedPartitions
    );
}

#[test]
fn a_member_gets_partitions_when_a_consumer_gave_them_up() {
    let world = World::new();
    let mut group = with_consumer(&world);
    classic_join(&world, &mut group, "a").unwrap();
    let (synced, actions) = world.sync(&group, "a", 3);
    assert_eq!(synced.unwrap(), named(&[]));
    assert!(cancels_timer(&actions, &TimerKind::ClassicSync(id("a"))));
    // While the consumer still has them there is nothing to come back for.
    assert_eq!(heartbeat(&group, "a", 3).0, Ok(()));
    let mut beat = consumer("c", 2, &["t"]);
    beat.owned = None;
    world.heartbeat(&mut group, &beat).0.unwrap();
    assert_eq!(heartbeat(&group, "a", 3).0, Ok(()));
    beat.owned = Some(group.target["c"].clone());
    world.heartbeat(&mut group, &beat).0.unwrap();
    let (answer, actions) = heartbeat(&group, "a", 3);
    assert_eq!(answer, Err(GroupError::RebalanceInProgress));
    assert!(sets_timer(&actions, &TimerKind::Session(id("a"))));
    assert!(sets_timer(&actions, &TimerKind::ClassicRejoin(id("a"))));
    classic_join(&world, &mut group, "a").unwrap();
    let (synced, _) = world.sync(&group, "a", 3);
    assert_eq!(synced.unwrap()[0].1.len(), 2);
    assert_eq!(heartbeat(&group, "a", 3).0, Ok(()));
    assert_eq!(group.state().name(), "Stable");
}

/// A cooperative member says what it owns and is given less, gives the rest up, and says so by
/// joining again.
#[test]
fn a_cooperative_member_revokes_before_the_next_epoch() {
    let world = World::new();
    let all = [("t", &[0, 1, 2, 3][..])];
    let (mut group, _) = upgrade(
        &classic(vec![stored("a", &all, Some(&all))]),
        &world.surroundings(),
    )
    .unwrap();
    world
        .heartbeat(&mut group, &consumer("c", 0, &["t"]))
        .0
        .unwrap();
    assert_eq!(
        heartbeat(&group, "a", 5).0,
        Err(GroupError::RebalanceInProgress)
    );
    let request = join_request("a", subscription(&["t"], &all));
    let (joined, actions) = world.join(&mut group, &request);
    assert_eq!(
        joined.unwrap().generation,
        5,
        "the old epoch until it has given up partitions"
    );
    assert!(!sets_timer(&actions, &TimerKind::Rebalance(id("a"))));
    assert_eq!(
        group.members["a"].current.state,
        MemberState::UnrevokedPartitions
    );
    let (synced, _) = world.sync(&group, "a", 5);
    assert_eq!(synced.unwrap(), named(&[("t", &[0, 1])]));
    assert_eq!(
        heartbeat(&group, "a", 5).0,
        Err(GroupError::RebalanceInProgress)
    );
    let (answer, _) = world.heartbeat(&mut group, &consumer("c", 6, &["t"]));
    assert_eq!(answer.unwrap().assignment, Some(Assignment::new()));
    let request = join_request("a", subscription(&["t"], &[("t", &[0, 1])]));
    assert_eq!(world.join(&mut group, &request).0.unwrap().generation, 6);
    let (answer, _) = world.heartbeat(&mut group, &consumer("c", 6, &["t"]));
    assert_eq!(answer.unwrap().assignment, Some(ids(&[(1, &[2, 3])])));
    assert_eq!(group.state().name(), "Stable");
}

#[test]
fn joins_that_cannot_be_are_refused_and_change_nothing() {
    let mut world = World::new();
    let mut group = with_consumer(&world);
    classic_join(&world, &mut group, "a").unwrap();
    let mut fits = join_request("b", subscription(&["t"], &[]));
    let mut cases = Vec::new();
    fits.protocols.push(fits.protocols[0].clone());
    let mut other_type = fits.clone();
    other_type.protocol_type = Arc::from("connect");
    cases.push((other_type, GroupError::InconsistentGroupProtocol));
    let mut other_protocol = fits.clone();
    other_protocol.protocols = vec![Protocol {
        name: Arc::from("sticky"),
        metadata: subscription(&["t"], &[]),
    }];
    cases.push((other_protocol, GroupError::InconsistentGroupProtocol));
    let mut none = fits.clone();
    none.protocols.clear();
    cases.push((none, GroupError::InconsistentGroupProtocol));
    let unreadable = join_request("b", Bytes::from_static(b"\0\x01\0"));
    cases.push((unreadable, GroupError::InconsistentGroupProtocol));
    let mut unknown_instance = fits.clone();
    unknown_instance.group_instance_id = Some(Arc::from("i"));
    cases.push((unknown_instance, GroupError::UnknownMemberId));
    for (request, error) in &cases {
        let (refused, actions) = world.join(&mut group, request);
        assert_eq!(refused.unwrap_err().error, *error);
        assert!(actions.is_empty() && group.members.len() == 2);
    }
    world.settings.max_size = 2;
    let refused = world.join(&mut group, &fits).0.unwrap_err();
    assert_eq!(refused.error, GroupError::GroupMaxSizeReached);
    classic_join(&world, &mut group, "a").unwrap();
    world.settings.max_size = 3;
    world.settings.migration_policy = MigrationPolicy::Disabled;
    let refused = world.join(&mut group, &fits).0.unwrap_err();
    assert_eq!(refused.error, GroupError::InconsistentGroupProtocol);
    world.settings.migration_policy = MigrationPolicy::Upgrade;
    world.join(&mut group, &fits).0.unwrap();
    assert_eq!(
        group.members["b"]
            .classic()
            .unwrap()
            .supported_protocols
            .len(),
        1
    );
}

#[test]
fn a_fenced_static_member_learns_of_it() {
    let world = World::new();
    let mut group = with_consumer(&world);
    let mut request = join_request("", subscription(&["t"], &[]));
    request.group_instance_id = Some(Arc::from("i"));
    let first = world.join(&mut group, &request).0.unwrap();
    let again = group.classic_join(
        &request,
        Uuid::from_u128(8),
        &world.surroundings(),
        &mut Vec::new(),
    );
    group.assert_consistent();
    let second = again.unwrap();
    assert_ne!(first.member_id, second.member_id);
    assert!(!group.members.contains_key(&first.member_id));
    request.member_id = Arc::clone(&first.member_id);
    let refused = world.join(&mut group, &request).0.unwrap_err();
    assert_eq!(refused.error, GroupError::FencedInstanceId);
    let identity = MemberIdentity {
        member_id: &first.member_id,
        group_instance_id: Some("i"),
    };
    let answer = group.classic_heartbeat(identity, second.generation, &mut Vec::new());
    assert_eq!(answer, Err(GroupError::FencedInstanceId));
    let mut sync = sync_request(&first.member_id, second.generation);
    sync.group_instance_id = Some(Arc::from("i"));
    let answer = group.classic_sync(&sync, &world.surroundings(), &mut Vec::new());
    assert_eq!(answer.unwrap_err(), GroupError::FencedInstanceId);
}

#[test]
fn syncs_and_heartbeats_are_checked() {
    let world = World::new();
    let mut group = with_consumer(&world);
    classic_join(&world, &mut group, "a").unwrap();
    for (member_id, generation, error) in [
        ("x", 3, GroupError::UnknownMemberId),
        ("c", 2, GroupError::UnknownMemberId),
        ("a", 2, GroupError::IllegalGeneration),
        ("a", 4, GroupError::IllegalGeneration),
    ] {
        let (answer, actions) = heartbeat(&group, member_id, generation);
        assert_eq!(answer, Err(error), "{member_id} {generation}");
        assert!(actions.is_empty());
        let (answer, actions) = world.sync(&group, member_id, generation);
        assert_eq!(answer, Err(error), "{member_id} {generation}");
        assert!(actions.is_empty());
    }
    let said: [(Option<&str>, Option<&str>, bool); 4] = [
        (None, None, true),
        (Some("consumer"), Some("range"), true),
        (Some("connect"), None, false),
        (None, Some("sticky"), false),
    ];
    for (protocol_type, protocol_name, fits) in said {
        let mut request = sync_request("a", 3);
        request.protocol_type = protocol_type.map(Arc::from);
        request.protocol_name = protocol_name.map(Arc::from);
        let answer = group.classic_sync(&request, &world.surroundings(), &mut Vec::new());
        if fits {
            assert_eq!(answer.unwrap().protocol_name.as_deref(), protocol_name);
        } else {
            assert_eq!(answer, Err(GroupError::InconsistentGroupProtocol));
        }
    }
}

#[test]
fn a_sync_after_the_next_target_sends_the_member_back_to_join() {
    let world = World::new();
    let mut group = with_consumer(&world);
    classic_join(&world, &mut group, "a").unwrap();
    world
        .heartbeat(&mut group, &consumer("d", 0, &["t"]))
        .0
        .unwrap();
    let (answer, actions) = world.sync(&group, "a", 3);
    assert_eq!(answer, Err(GroupError::RebalanceInProgress));
    assert!(sets_timer(&actions, &TimerKind::ClassicRejoin(id("a"))));
    assert_eq!(classic_join(&world, &mut group, "a").unwrap().generation, 4);
    assert!(world.sync(&group, "a", 4).0.is_ok());
}

#[test]
fn a_member_that_does_not_join_or_sync_in_time_is_fenced() {
    let world = World::new();
    for kind in [
        TimerKind::Session(id("a")),
        TimerKind::ClassicRejoin(id("a")),
        TimerKind::ClassicSync(id("a")),
    ] {
        let mut group = with_consumer(&world);
        classic_join(&world, &mut group, "a").unwrap();
        let mut actions = Vec::new();
        group.timer_fired(&kind, &world.surroundings(), &mut actions);
        group.assert_consistent();
        assert!(!group.members.contains_key("a"), "{kind:?}");
        assert_eq!(group.epoch, 4);
        assert!(cancels_timer(&actions, &TimerKind::ClassicRejoin(id("a"))));
    }
}

#[test]
fn members_of_both_kinds_leave_by_a_leave_group_request() {
    let world = World::new();
    let mut group = with_consumer(&world);
    classic_join(&world, &mut group, "a").unwrap();
    let mut request = join_request("", subscription(&["t"], &[]));
    request.group_instance_id = Some(Arc::from("i"));
    world.join(&mut group, &request).0.unwrap();
    world
        .heartbeat(&mut group, &consumer("d", 0, &["t"]))
        .0
        .unwrap();
    let epoch = group.epoch;
    let leaving = |member_id: &str, instance_id: Option<&str>| LeavingMember {
        member_id: Arc::from(member_id),
        group_instance_id: instance_id.map(Arc::from),
        reason: None,
    };
    let mut actions = Vec::new();
    let batch = [
        leaving("a", None),
        leaving("x", None),
        leaving("x", Some("i")),
        leaving("", Some("j")),
        leaving("", Some("i")),
        leaving("c", None),
        leaving("a", None),
    ];
    let answers = group.classic_leave(&batch, &world.surroundings(), &mut actions);
    group.assert_consistent();
    assert_eq!(
        answers,
        [
            Ok(()),
            Err(GroupError::UnknownMemberId),
            Err(GroupError::FencedInstanceId),
            Err(GroupError::UnknownMemberId),
            Ok(()),
            Ok(()),
            Ok(()),
        ]
    );
    let left: Vec<&str> = group.members.keys().map(|id| &**id).collect();
    assert_eq!(left, ["d"]);
    assert_eq!(group.epoch, epoch + 1, "one change, however many left");
}

#[test]
fn a_leave_of_nobody_changes_nothing() {
    let world = World::new();
    let mut group = with_consumer(&world);
    let leaving = [LeavingMember {
        member_id: Arc::from("x"),
        group_instance_id: None,
        reason: None,
    }];
    let mut actions = Vec::new();
    group.classic_leave(&leaving, &world.surroundings(), &mut actions);
    assert!(actions.is_empty());
}
