//! Groups whose assignment can be told by hand.

use super::*;

fn partitions(of: &[(u128, &[i32])]) -> Assignment {
    of.iter()
        .map(|(number, partitions)| (topic(*number), partitions.iter().copied().collect()))
        .collect()
}

#[test]
fn assignors_are_known_by_their_names() {
    for name in ["uniform", "range"] {
        assert_eq!(assignor_by_name(name).unwrap().name(), name);
    }
    assert!(assignor_by_name("sticky").is_none());
}

#[test]
fn a_group_without_members_gets_nothing() {
    for name in ["uniform", "range"] {
        let group = Group::new(&[3]);
        let assigned = group.assigned(assignor_by_name(name).unwrap());
        assert_eq!(assigned, GroupAssignment::new(), "{name}");
    }
}

#[test]
fn members_without_topics_have_empty_assignments() {
    for name in ["uniform", "range"] {
        let mut group = Group::new(&[3]);
        group.join("a", &[]).join("b", &[]);
        let assigned = group.assigned(assignor_by_name(name).unwrap());
        assert_each_partition_has_one_owner(&group, &assigned);
        assert!(assigned.values().all(Assignment::is_empty), "{name}");
    }
}

#[test]
fn a_topic_that_is_not_described_is_refused() {
    for name in ["uniform", "range"] {
        for other in [2, 9] {
            let mut group = Group::new(&[3, 3]);
            group.join("a", &[9]).join("b", &[other]);
            let refused = assignor_by_name(name)
                .unwrap()
                .assign(&GroupSpec::new(group.specs()), &group.topics);
            assert_eq!(
                refused,
                Err(AssignorError::UnknownTopic(topic(9))),
                "{name}"
            );
        }
    }
}

#[test]
fn uniform_gives_first_members_what_is_left_over_last() {
    let mut group = Group::new(&[3, 2]);
    group.join("a", &[1, 2]).join("b", &[1, 2]);
    let assigned = group.assign(&UniformAssignor);
    let sizes: Vec<usize> = assigned.values().map(len).collect();
    assert_eq!(sizes, [2, 3]);
    group.join("c", &[1, 2]);
    let assigned = group.assign(&UniformAssignor);
    assert_each_partition_has_one_owner(&group, &assigned);
    assert_eq!(assigned["c"], partitions(&[(2, &[1])]));
}

#[test]
fn uniform_lets_who_holds_one_more_keep_it() {
    let mut group = Group::new(&[4]);
    group.join("a", &[1]).join("b", &[1]).join("c", &[1]);
    group.owning("a", 1, &[0]).owning("b", 1, &[1]);
    group.owning("c", 1, &[2, 3]);
    let assigned = group.assigned(&UniformAssignor);
    assert_eq!(assigned["a"], partitions(&[(1, &[0])]));
    assert_eq!(assigned["b"], partitions(&[(1, &[1])]));
    assert_eq!(assigned["c"], partitions(&[(1, &[2, 3])]));
}

#[test]
fn uniform_takes_only_what_is_above_the_quota() {
    let mut group = Group::new(&[6]);
    group.join("a", &[1]).owning("a", 1, &[0, 1, 2, 3, 4, 5]);
    group.join("b", &[1]).join("c", &[1]);
    let assigned = group.assigned(&UniformAssignor);
    assert_eq!(assigned["a"], partitions(&[(1, &[0, 1])]));
    assert_eq!(assigned["b"], partitions(&[(1, &[2, 3])]));
    assert_eq!(assigned["c"], partitions(&[(1, &[4, 5])]));
}

#[test]
fn uniform_evens_out_what_two_share_with_what_one_has_alone() {
    // a could take all of topic 2 but has topic 1 to itself already.
    let mut group = Group::new(&[2, 3]);
    group.join("a", &[1, 2]).join("b", &[2]);
    let assigned = group.assigned(&UniformAssignor);
    assert_each_partition_has_one_owner(&group, &assigned);
    let sizes: Vec<usize> = assigned.values().map(len).collect();
    assert!(sizes == [3, 2] || sizes == [2, 3], "{sizes:?}");
    assert_eq!(assigned["a"][&topic(1)], BTreeSet::from([0, 1]));
}

#[test]
fn uniform_moves_partitions_to_a_member_that_joins_another_subscription() {
    let mut group = Group::new(&[6, 2]);
    group.join("a", &[1]).owning("a", 1, &[0, 1, 2, 3, 4, 5]);
    group.join("b", &[1, 2]);
    let assigned = group.assigned(&UniformAssignor);
    assert_eq!(len(&assigned["a"]), 4);
    assert_eq!(assigned["a"], partitions(&[(1, &[0, 1, 2, 3])]));
    assert_eq!(assigned["b"], partitions(&[(1, &[4, 5]), (2, &[0, 1])]));
}

#[test]
fn range_gives_the_same_partitions_of_every_topic() {
    let mut group = Group::new(&[3, 3]);
    group.join("a", &[1, 2]).join("b", &[1, 2]);
    let assigned = group.assigned(&RangeAssignor);
    assert_eq!(assigned["a"], partitions(&[(1, &[0, 1]), (2, &[0, 1])]));
    assert_eq!(assigned["b"], partitions(&[(1, &[2]), (2, &[2])]));
}

#[test]
fn range_cuts_each_topic_among_its_own_subscribers() {
    let mut group = Group::new(&[3, 3, 2]);
    group.join("a", &[1, 2]).join("b", &[2, 3]).join("c", &[2]);
    let assigned = group.assigned(&RangeAssignor);
    assert_eq!(assigned["a"], partitions(&[(1, &[0, 1, 2]), (2, &[0])]));
    assert_eq!(assigned["b"], partitions(&[(2, &[1]), (3, &[0, 1])]));
    assert_eq!(assigned["c"], partitions(&[(2, &[2])]));
}

#[test]
fn range_puts_static_members_first_by_instance_id() {
    let mut group = Group::new(&[4]);
    for (member_id, instance_id) in [("z", Some("i1")), ("y", Some("i2")), ("a", None)] {
        group.join(member_id, &[1]);
        let member = group.members.get_mut(member_id).unwrap();
        member.instance_id = instance_id.map(Arc::from);
    }
    let assigned = group.assigned(&RangeAssignor);
    assert_eq!(assigned["z"], partitions(&[(1, &[0, 1])]));
    assert_eq!(assigned["y"], partitions(&[(1, &[2])]));
    assert_eq!(assigned["a"], partitions(&[(1, &[3])]));
}

#[test]
fn range_leaves_members_beyond_the_partitions_empty() {
    let mut group = Group::new(&[2]);
    group.join("a", &[1]).join("b", &[1]).join("c", &[1]);
    let assigned = group.assigned(&RangeAssignor);
    assert_each_partition_has_one_owner(&group, &assigned);
    assert_eq!(assigned["c"], Assignment::new());
}
