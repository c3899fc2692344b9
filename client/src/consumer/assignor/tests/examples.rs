//! Examples with the answers that Kafka's documentation and its assignors give.

use super::*;

fn given(
    assignor: &dyn Assignor,
    topics: &AssignableTopics,
    group: &GroupSubscription,
) -> Vec<String> {
    text(&assignor.assign(topics, group).unwrap())
        .into_iter()
        .map(|(id, partitions)| format!("{id}: {partitions}"))
        .collect()
}

#[test]
fn range_cuts_each_topic_by_itself() {
    let topics = topics(&[("t0", 3), ("t1", 3)]);
    let group = group(&[("c0", &["t0", "t1"]), ("c1", &["t0", "t1"])]);
    assert_eq!(
        given(&RangeAssignor, &topics, &group),
        ["c0: t0-0 t0-1 t1-0 t1-1", "c1: t0-2 t1-2"]
    );
}

#[test]
fn round_robin_deals_over_all_topics() {
    let topics = topics(&[("t0", 3), ("t1", 3)]);
    let group = group(&[("c0", &["t0", "t1"]), ("c1", &["t0", "t1"])]);
    assert_eq!(
        given(&RoundRobinAssignor, &topics, &group),
        ["c0: t0-0 t0-2 t1-1", "c1: t0-1 t1-0 t1-2"]
    );
}

#[test]
fn round_robin_passes_over_members_that_do_not_want_a_topic() {
    let topics = topics(&[("t0", 1), ("t1", 2), ("t2", 3)]);
    let group = group(&[
        ("c0", &["t0"]),
        ("c1", &["t0", "t1"]),
        ("c2", &["t0", "t1", "t2"]),
    ]);
    assert_eq!(
        given(&RoundRobinAssignor, &topics, &group),
        ["c0: t0-0", "c1: t1-0", "c2: t1-1 t2-0 t2-1 t2-2"]
    );
}

#[test]
fn static_members_are_served_first_and_by_instance() {
    let topics = topics(&[("t", 3)]);
    let mut group = group(&[("a", &["t"]), ("b", &["t"]), ("c", &["t"])]);
    for (id, instance) in [("b", "2"), ("c", "1")] {
        let member = group.get_mut(id).unwrap();
        member.group_instance_id = Some(instance.into());
    }
    let expected = ["a: t-2", "b: t-1", "c: t-0"];
    assert_eq!(given(&RangeAssignor, &topics, &group), expected);
    assert_eq!(given(&RoundRobinAssignor, &topics, &group), expected);
}

#[test]
fn topics_that_do_not_exist_are_passed_over() {
    let topics = topics(&[("t", 2)]);
    let group = group(&[("a", &["gone", "t"]), ("b", &["gone"])]);
    for (_, name) in ASSIGNOR_NAMES {
        let assignor = assignor_by_name(name).unwrap();
        assert_eq!(
            given(&*assignor, &topics, &group),
            ["a: t-0 t-1", "b: "],
            "{name}"
        );
    }
}

/// The group of `StickyAssignor`'s documentation: a consumer leaves, and only its partitions move.
#[test]
fn sticky_moves_only_what_the_leaving_member_had() {
    let topics = topics(&[("t0", 2), ("t1", 2), ("t2", 2), ("t3", 2)]);
    let wanted: &[&str] = &["t0", "t1", "t2", "t3"];
    let all = group(&[("c0", wanted), ("c1", wanted), ("c2", wanted)]);
    let first = StickyAssignor.assign(&topics, &all).unwrap();
    assert_eq!(
        text(&first).into_values().collect::<Vec<_>>(),
        ["t0-0 t1-1 t3-0", "t0-1 t2-0 t3-1", "t1-0 t2-1"]
    );
    let mut left = joined_again(&StickyAssignor, all, &first, 1);
    left.remove("c1");
    let second = StickyAssignor.assign(&topics, &left).unwrap();
    assert_eq!(
        text(&second).into_values().collect::<Vec<_>>(),
        ["t0-0 t0-1 t1-1 t3-0", "t1-0 t2-0 t2-1 t3-1"]
    );
}

#[test]
fn sticky_ends_uneven_only_where_subscriptions_force_it() {
    let topics = topics(&[("t0", 1), ("t1", 2), ("t2", 3)]);
    let all = group(&[
        ("c0", &["t0"]),
        ("c1", &["t0", "t1"]),
        ("c2", &["t0", "t1", "t2"]),
    ]);
    let first = StickyAssignor.assign(&topics, &all).unwrap();
    assert_eq!(
        text(&first).into_values().collect::<Vec<_>>(),
        ["t0-0", "t1-0 t1-1", "t2-0 t2-1 t2-2"]
    );
    let mut left = joined_again(&StickyAssignor, all, &first, 1);
    left.remove("c0");
    let second = StickyAssignor.assign(&topics, &left).unwrap();
    assert_eq!(
        text(&second).into_values().collect::<Vec<_>>(),
        ["t0-0 t1-0 t1-1", "t2-0 t2-1 t2-2"]
    );
}

#[test]
fn cooperative_sticky_takes_two_rebalances_to_move_a_partition() {
    let topics = topics(&[("t", 3)]);
    let alone = group(&[("a", &["t"])]);
    let first = CooperativeStickyAssignor.assign(&topics, &alone).unwrap();
    assert_eq!(text(&first)["a"], "t-0 t-1 t-2");

    let mut two = joined_again(&CooperativeStickyAssignor, alone, &first, 1);
    two.insert("b".into(), MemberSubscription::to_topics(&["t"]));
    let second = CooperativeStickyAssignor.assign(&topics, &two).unwrap();
    assert_eq!(text(&second)["a"], "t-0 t-1");
    assert_eq!(text(&second)["b"], "", "t-2 is still a's");

    let again = joined_again(&CooperativeStickyAssignor, two, &second, 2);
    let third = CooperativeStickyAssignor.assign(&topics, &again).unwrap();
    assert_eq!(text(&third)["a"], "t-0 t-1");
    assert_eq!(text(&third)["b"], "t-2");
}

#[test]
fn the_newer_generation_owns_a_partition_and_equal_ones_own_none() {
    let topics = topics(&[("t", 2)]);
    let mut group = group(&[("a", &["t"]), ("b", &["t"])]);
    let claim = |id: &str, generation, group: &mut GroupSubscription| {
        let member = group.get_mut(id).unwrap();
        member.owned_partitions = vec![TopicPartition::new("t", 0)];
        member.generation_id = Some(generation);
    };
    claim("a", 3, &mut group);
    claim("b", 4, &mut group);
    let newer = CooperativeStickyAssignor.assign(&topics, &group).unwrap();
    assert_eq!(text(&newer)["b"], "t-0");
    assert_eq!(text(&newer)["a"], "t-1");

    claim("a", 4, &mut group);
    let equal = CooperativeStickyAssignor.assign(&topics, &group).unwrap();
    let all: Vec<_> = equal.values().flat_map(|it| &it.partitions).collect();
    assert_eq!(all, [&TopicPartition::new("t", 1)], "t-0 waits a round");
}

#[test]
fn user_data_of_nobody_in_particular_counts_as_none() {
    let topics = topics(&[("t", 4)]);
    let mut group = group(&[("a", &["t"]), ("b", &["t"])]);
    let garbage = Bytes::from_static(b"\x7f\xff\xff\xff\x00");
    group.get_mut("a").unwrap().user_data = Some(garbage);
    let given = StickyAssignor.assign(&topics, &group).unwrap();
    assert_eq!(text(&given)["a"], "t-0 t-2");
}

/// Each rack has a replica of every other partition; members get those of their rack.
#[test]
fn partitions_stay_within_racks_where_that_is_balanced() {
    let racks = |index: usize| [Arc::from(if index.is_multiple_of(2) { "x" } else { "y" })].into();
    let mut topics = AssignableTopics::new();
    topics.insert_with_racks("t", (0..4).map(racks).collect());
    let mut group = group(&[("a", &["t"]), ("b", &["t"])]);
    for (id, rack) in [("a", "y"), ("b", "x")] {
        group.get_mut(id).unwrap().rack_id = Some(rack.into());
    }
    for assignor in [&RangeAssignor as &dyn Assignor, &CooperativeStickyAssignor] {
        let given = text(&assignor.assign(&topics, &group).unwrap());
        assert_eq!(given["a"], "t-1 t-3", "{}", assignor.name());
        assert_eq!(given["b"], "t-0 t-2", "{}", assignor.name());
    }
}

#[test]
fn assignors_are_found_by_class_and_by_name() {
    for (class, name) in ASSIGNOR_NAMES {
        assert_eq!(assignor_by_name(class).unwrap().name(), name);
        assert_eq!(assignor_by_name(name).unwrap().name(), name);
    }
    assert!(assignor_by_name("uniform").is_none());
}
