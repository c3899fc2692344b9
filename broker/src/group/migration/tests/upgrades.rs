//! Classic groups that become consumer groups.

use super::*;
use crate::group::GroupError;
use crate::group::consumer::member::MemberState;

fn refusal(classic: &ClassicGroup, world: &World) -> Refused {
    upgrade(classic, &world.surroundings()).unwrap_err()
}

#[test]
fn members_keep_what_their_leader_gave_them() {
    let world = World::new();
    let classic = classic(vec![
        stored("a", &[], Some(&[("t", &[0, 1]), ("gone", &[0])])),
        stored("b", &[], Some(&[("t", &[2, 3, 9])])),
        stored("c", &[], None),
    ]);
    let (group, records) = upgrade(&classic, &world.surroundings()).unwrap();
    group.assert_consistent();
    assert_eq!((group.epoch, group.target_epoch), (5, 5));
    for (member_id, expected) in [
        ("a", ids(&[(1, &[0, 1])])),
        ("b", ids(&[(1, &[2, 3])])),
        ("c", Assignment::new()),
    ] {
        let member = &group.members[member_id];
        assert_eq!(group.target[member_id], expected, "{member_id}");
        let current = &member.current;
        assert_eq!((current.epoch, current.previous_epoch), (5, 5));
        assert_eq!(current.state, MemberState::Stable);
        assert_eq!(
            owned(&group, member_id).len(),
            expected.values().map(BTreeSet::len).sum::<usize>()
        );
        let classic = member.classic().unwrap();
        assert_eq!(classic.session_timeout_ms, SESSION_MS);
        assert_eq!(&*classic.supported_protocols[0].0, "range");
        assert_eq!(member.metadata.rebalance_timeout_ms, REBALANCE_MS);
        assert!(member.metadata.subscribed_topic_names.contains("t"));
    }
    let order: Vec<&str> = records.iter().map(name).collect();
    assert_eq!(
        order,
        [
            "member",
            "member",
            "member",
            "metadata",
            "target of",
            "target of",
            "target of",
            "target",
            "current",
            "current",
            "current"
        ]
    );
}

fn name(record: &ConsumerRecord) -> &'static str {
    match record {
        ConsumerRecord::Metadata(_) => "metadata",
        ConsumerRecord::Member(..) => "member",
        ConsumerRecord::TargetAssignment(_) => "target",
        ConsumerRecord::TargetAssignmentMember(..) => "target of",
        ConsumerRecord::CurrentAssignment(..) => "current",
        ConsumerRecord::LegacyPartitionMetadata(_) | ConsumerRecord::RegularExpression(..) => "?",
    }
}

#[test]
fn a_partition_given_to_two_members_stays_with_the_first() {
    let world = World::new();
    let classic = classic(vec![
        stored("a", &[], Some(&[("t", &[0, 1])])),
        stored("b", &[], Some(&[("t", &[1, 2])])),
    ]);
    let (group, _) = upgrade(&classic, &world.surroundings()).unwrap();
    group.assert_consistent();
    assert_eq!(group.target["a"], ids(&[(1, &[0, 1])]));
    assert_eq!(group.target["b"], ids(&[(1, &[2])]));
}

/// The leader took partition 1 away from `a`, which has not heard of it. It must not be given to
/// anybody before `a` has joined again.
#[test]
fn a_member_keeps_what_it_has_in_a_cooperative_rebalance() {
    let world = World::new();
    let classic = classic(vec![
        stored("a", &[("t", &[0, 1])], Some(&[("t", &[0])])),
        stored("b", &[("t", &[0])], Some(&[("t", &[2])])),
        stored("c", &[("t", &[3])], None),
    ]);
    let (group, _) = upgrade(&classic, &world.surroundings()).unwrap();
    group.assert_consistent();
    assert_eq!(group.target["a"], ids(&[(1, &[0, 1])]));
    assert_eq!(group.target["b"], ids(&[(1, &[2])]));
    assert_eq!(group.target["c"], ids(&[(1, &[3])]));
}

#[test]
fn the_member_that_joins_gets_its_share_when_the_others_gave_it_up() {
    let world = World::new();
    let classic = classic(vec![stored("a", &[], Some(&[("t", &[0, 1, 2, 3])]))]);
    let (mut group, _) = upgrade(&classic, &world.surroundings()).unwrap();
    let (answer, _) = world.heartbeat(&mut group, &consumer("c", 0, &["t"]));
    let answer = answer.unwrap();
    assert_eq!(
        (answer.member_epoch, answer.assignment),
        (6, Some(Assignment::new()))
    );
    assert_eq!(group.target["c"], ids(&[(1, &[2, 3])]));
    let (answer, _) = world.heartbeat(&mut group, &consumer("c", 6, &["t"]));
    assert_eq!(answer.unwrap().assignment, Some(Assignment::new()));
    // The classic member joins again, an eager one: it owns nothing meanwhile.
    let (joined, _) = world.join(&mut group, &join_request("a", subscription(&["t"], &[])));
    assert_eq!(joined.unwrap().generation, 6);
    let (synced, _) = world.sync(&group, "a", 6);
    assert_eq!(synced.unwrap(), named(&[("t", &[0, 1])]));
    let (answer, _) = world.heartbeat(&mut group, &consumer("c", 6, &["t"]));
    assert_eq!(answer.unwrap().assignment, Some(ids(&[(1, &[2, 3])])));
}

#[test]
fn a_group_whose_first_rebalance_is_not_over_can_be_upgraded() {
    let world = World::new();
    let mut classic = classic(vec![stored("a", &[], None)]);
    classic.protocol_name = None;
    classic.generation = 0;
    let (mut group, _) = upgrade(&classic, &world.surroundings()).unwrap();
    assert!(
        group.members["a"]
            .metadata
            .subscribed_topic_names
            .contains("t")
    );
    let (answer, _) = world.heartbeat(&mut group, &consumer("c", 0, &["t"]));
    assert_eq!(answer.unwrap().member_epoch, 1);
    assert_eq!(group.target["a"], ids(&[(1, &[0, 1])]));
}

#[test]
fn the_policy_may_forbid_an_upgrade() {
    let mut world = World::new();
    let classic = classic(vec![stored("a", &[], None)]);
    for policy in [MigrationPolicy::Disabled, MigrationPolicy::Downgrade] {
        world.settings.migration_policy = policy;
        let refused = refusal(&classic, &world);
        assert_eq!(refused.error, GroupError::GroupIdNotFound);
        assert_eq!(
            refused.message,
            "Cannot upgrade classic group group to consumer group because online upgrade is \
             disabled."
        );
    }
    world.settings.migration_policy = MigrationPolicy::Upgrade;
    assert!(upgrade(&classic, &world.surroundings()).is_ok());
}

#[test]
fn a_group_that_is_too_large_or_not_of_consumers_is_not_upgraded() {
    let mut world = World::new();
    let mut classic = classic(vec![stored("a", &[], None), stored("b", &[], None)]);
    world.settings.max_size = 1;
    let refused = refusal(&classic, &world);
    assert!(refused.message.contains("group size exceeds"), "{refused}");
    world.settings.max_size = 2;
    classic.protocol_type = Some(Arc::from("connect"));
    let refused = refusal(&classic, &world);
    assert!(refused.message.contains("embedded protocol"), "{refused}");
}

#[test]
fn a_group_with_metadata_nobody_can_read_is_not_upgraded() {
    let world = World::new();
    let mut member = stored("a", &[], None);
    member.subscription = Bytes::from_static(b"\0\x01\0\0");
    let refused = refusal(&classic(vec![member]), &world);
    assert_eq!(refused.error, GroupError::GroupIdNotFound);
    assert!(refused.message.contains("malformed"), "{refused}");
    let mut member = stored("a", &[], None);
    member.assignment = Bytes::from_static(b"\0\x01\0\0\0\0\0\0\0\x01x");
    let refused = refusal(&classic(vec![member]), &world);
    assert!(refused.message.contains("custom assignor"), "{refused}");
}
