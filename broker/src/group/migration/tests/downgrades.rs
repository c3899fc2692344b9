//! Consumer groups that become classic groups.

use super::*;
use crate::group::classic::state::GroupState;

/// A group of classic members `a` and `b`, and `c` of the consumer protocol, all with their share
/// of topic `t`.
fn mixed(world: &World) -> ConsumerGroup {
    let classic = classic(vec![
        stored("a", &[], Some(&[("t", &[0, 1])])),
        stored("b", &[], Some(&[("t", &[2, 3])])),
    ]);
    let (mut group, _) = upgrade(&classic, &world.surroundings()).unwrap();
    world
        .heartbeat(&mut group, &consumer("c", 0, &["t"]))
        .0
        .unwrap();
    for member_id in ["a", "b"] {
        let request = join_request(member_id, subscription(&["t"], &[]));
        world.join(&mut group, &request).0.unwrap();
    }
    world
        .heartbeat(&mut group, &consumer("c", 6, &["t"]))
        .0
        .unwrap();
    assert_eq!(group.state().name(), "Stable");
    group
}

fn downgrade(actions: Vec<Action>) -> Option<Downgrade> {
    let (last, others) = actions.split_last()?;
    assert!(
        !others
            .iter()
            .any(|it| matches!(it, Action::BecomeClassic(_)))
    );
    if !matches!(last, Action::BecomeClassic(_)) {
        return None;
    }
    match actions.into_iter().next_back() {
        Some(Action::BecomeClassic(downgrade)) => Some(downgrade),
        _ => None,
    }
}

fn leave(world: &World, group: &mut ConsumerGroup, member_id: &str) -> Vec<Action> {
    let (answer, actions) = world.heartbeat(group, &consumer(member_id, -1, &["t"]));
    answer.unwrap();
    actions
}

#[test]
fn the_others_become_a_classic_group_with_their_targets() {
    let world = World::new();
    let mut group = mixed(&world);
    let expected: Vec<NamedPartitions> = ["a", "b"]
        .map(|member_id| {
            let partitions: Vec<i32> = group.target[member_id][&Uuid::from_u128(1)]
                .iter()
                .copied()
                .collect();
            vec![(Arc::from("t"), partitions)]
        })
        .to_vec();
    let actions = leave(&world, &mut group, "c");
    assert!(
        records(&actions).is_empty(),
        "the tombstones are the shard's"
    );
    for member_id in ["a", "b", "c"] {
        assert!(cancels_timer(&actions, &TimerKind::Session(id(member_id))));
        assert!(cancels_timer(
            &actions,
            &TimerKind::ClassicSync(id(member_id))
        ));
    }
    let Downgrade {
        group: classic,
        rebalance,
    } = downgrade(actions).unwrap();
    assert!(rebalance.is_some());
    classic.assert_consistent();
    assert_eq!(classic.state(), GroupState::Stable);
    assert_eq!(classic.generation, group.epoch);
    assert_eq!(classic.protocol_name.as_deref(), Some("range"));
    let members: Vec<&str> = classic.members.keys().map(|id| &**id).collect();
    assert_eq!(members, ["a", "b"]);
    for (member, expected) in classic.members.values().zip(expected) {
        let assigned = ConsumerAssignment::decode(&member.assignment).unwrap();
        assert_eq!(assigned.partitions, expected, "{}", member.member_id);
        assert_eq!(member.session_timeout_ms, SESSION_MS);
        assert_eq!(member.rebalance_timeout_ms, REBALANCE_MS);
    }
    assert!(classic.is_subscribed("t") && !classic.is_subscribed("u"));
}

#[test]
fn a_consumer_whose_session_ends_counts_as_one_that_leaves() {
    let world = World::new();
    for kind in [TimerKind::Session(id("c")), TimerKind::Rebalance(id("c"))] {
        let mut group = mixed(&world);
        let mut actions = Vec::new();
        group.timer_fired(&kind, &world.surroundings(), &mut actions);
        assert!(downgrade(actions).is_some(), "{kind:?}");
    }
}

#[test]
fn the_group_stays_while_a_consumer_stays() {
    let world = World::new();
    let mut group = mixed(&world);
    world
        .heartbeat(&mut group, &consumer("d", 0, &["t"]))
        .0
        .unwrap();
    let actions = leave(&world, &mut group, "c");
    assert!(!records(&actions).is_empty());
    assert!(downgrade(actions).is_none());
    assert!(!group.members.contains_key("c"));
    assert!(downgrade(leave(&world, &mut group, "d")).is_some());
}

#[test]
fn the_group_stays_when_nobody_else_is_in_it() {
    let world = World::new();
    let mut group = ConsumerGroup::new(id("group"));
    world
        .heartbeat(&mut group, &consumer("c", 0, &["t"]))
        .0
        .unwrap();
    assert!(downgrade(leave(&world, &mut group, "c")).is_none());
    assert_eq!(group.state().name(), "Empty");
}

#[test]
fn policy_and_size_may_forbid_a_downgrade() {
    let mut world = World::new();
    for policy in [MigrationPolicy::Disabled, MigrationPolicy::Upgrade] {
        let mut group = mixed(&world);
        world.settings.migration_policy = policy;
        assert!(downgrade(leave(&world, &mut group, "c")).is_none());
        world.settings.migration_policy = MigrationPolicy::Downgrade;
        // Any member that leaves later will do.
        assert!(downgrade(leave(&world, &mut group, "a")).is_some());
        world.settings.migration_policy = MigrationPolicy::Bidirectional;
    }
    let mut group = mixed(&world);
    world.limits.group_max_size = 1;
    assert!(downgrade(leave(&world, &mut group, "c")).is_none());
}

#[test]
fn metadata_nobody_can_read_leaves_the_group_as_it_is() {
    let world = World::new();
    let mut group = mixed(&world);
    let mut metadata = group.members["a"].metadata.clone();
    metadata.classic.as_mut().unwrap().supported_protocols[0].1 = Bytes::new();
    group.apply(ConsumerRecord::Member(id("a"), Some(metadata)));
    let actions = leave(&world, &mut group, "c");
    assert!(downgrade(actions).is_none());
    assert!(!group.members.contains_key("c"));
}

/// A static consumer comes back with the classic protocol.
fn static_swap(world: &World, others: &[&str]) -> (ConsumerGroup, JoinResult, Vec<Action>) {
    let stored_members = others.iter().map(|id| stored(id, &[], None)).collect();
    let (mut group, _) = upgrade(&classic(stored_members), &world.surroundings()).unwrap();
    let mut request = consumer("s", 0, &["t"]);
    request.instance_id = Some(Arc::from("i"));
    let (answer, _) = world.heartbeat(&mut group, &request);
    let epoch = answer.unwrap().member_epoch;
    for other in others {
        let request = join_request(other, subscription(&["t"], &[]));
        world.join(&mut group, &request).0.unwrap();
    }
    request.member_epoch = epoch;
    world.heartbeat(&mut group, &request).0.unwrap();
    assert_eq!(group.state().name(), "Stable");
    let mut request = join_request("", subscription(&["t"], &[]));
    request.group_instance_id = Some(Arc::from("i"));
    let (joined, actions) = world.join(&mut group, &request);
    (group, joined, actions)
}

#[test]
fn a_static_consumer_may_come_back_as_the_last_classic_member() {
    let world = World::new();
    for others in [&["a"][..], &[]] {
        let (group, joined, actions) = static_swap(&world, others);
        let joined = joined.unwrap();
        let Downgrade {
            group: classic,
            rebalance,
        } = downgrade(actions).unwrap();
        classic.assert_consistent();
        assert_eq!(rebalance, None, "everybody has its target");
        assert_eq!(joined.generation, classic.generation);
        assert_eq!(classic.members.len(), others.len() + 1);
        let member = &classic.members[&joined.member_id];
        assert_eq!(member.group_instance_id.as_deref(), Some("i"));
        let assigned = ConsumerAssignment::decode(&member.assignment).unwrap();
        let count: usize = assigned.partitions.iter().map(|(_, of)| of.len()).sum();
        assert_eq!(count, 4 / (others.len() + 1));
        assert!(!group.members.contains_key("s"));
    }
}

#[test]
fn a_static_consumer_that_comes_back_wanting_something_else_causes_a_rebalance() {
    let world = World::new();
    let mut group = ConsumerGroup::new(id("group"));
    let mut request = consumer("s", 0, &["t"]);
    request.instance_id = Some(Arc::from("i"));
    world.heartbeat(&mut group, &request).0.unwrap();
    let mut request = join_request("", subscription(&["u"], &[]));
    request.group_instance_id = Some(Arc::from("i"));
    let (joined, actions) = world.join(&mut group, &request);
    joined.unwrap();
    assert!(downgrade(actions).unwrap().rebalance.is_some());
}

#[test]
fn a_static_consumer_may_come_back_as_a_classic_member_among_consumers() {
    let world = World::new();
    let mut group = ConsumerGroup::new(id("group"));
    world
        .heartbeat(&mut group, &consumer("c", 0, &["t"]))
        .0
        .unwrap();
    let mut request = consumer("s", 0, &["t"]);
    request.instance_id = Some(Arc::from("i"));
    world.heartbeat(&mut group, &request).0.unwrap();
    let mut request = join_request("", subscription(&["t"], &[]));
    request.group_instance_id = Some(Arc::from("i"));
    let (joined, actions) = world.join(&mut group, &request);
    let member_id = joined.unwrap().member_id;
    assert!(downgrade(actions).is_none());
    assert!(group.members[&member_id].classic().is_some());
    assert!(!group.members.contains_key("s"));
}
