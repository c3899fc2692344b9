//! What holds for every group: one owner per partition, balance, stickiness, co-partitioning,
//! independence of everything but the input.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// How the members of a random group choose their topics.
#[derive(Clone, Debug)]
enum Subscriptions {
    /// All want all.
    Same,
    /// Each wants the topics of one of some sets.
    Classes(Vec<Vec<bool>>),
    /// Each chooses for itself.
    Random,
}

/// A random group. What its members own before is anything: partitions owned twice, of topics
/// nobody wants or beyond a topic's end.
fn groups(members_max: usize, topics_max: usize) -> impl Strategy<Value = Group> {
    let choice = vec(any::<bool>(), topics_max);
    let subscriptions = prop_oneof![
        Just(Subscriptions::Same),
        vec(choice.clone(), 1..5).prop_map(Subscriptions::Classes),
        Just(Subscriptions::Random),
    ];
    let member = (
        choice,
        any::<Index>(),
        vec((any::<Index>(), 0..60_i32), 0..12),
    );
    let members = vec(member, 1..members_max);
    let counts = vec(1..50_i32, 1..topics_max);
    (subscriptions, members, counts).prop_map(|(subscriptions, members, counts)| {
        let mut group = Group::new(&counts);
        let numbers = 1..=u128::try_from(counts.len()).unwrap();
        for (index, (own_choice, class, owned)) in members.into_iter().enumerate() {
            let choice = match &subscriptions {
                Subscriptions::Same => vec![true; counts.len()],
                Subscriptions::Classes(classes) => class.get(classes).clone(),
                Subscriptions::Random => own_choice,
            };
            let chosen = numbers
                .clone()
                .zip(choice)
                .filter(|(_, is_chosen)| *is_chosen);
            let chosen: Vec<u128> = chosen.map(|(number, _)| number).collect();
            let member_id = format!("member-{index:03}");
            group.join(&member_id, &chosen);
            let member = group.members.get_mut(member_id.as_str()).unwrap();
            for (topic_index, partition) in owned {
                // One topic more than there are.
                let number = u128::try_from(topic_index.index(counts.len() + 1)).unwrap() + 1;
                let partitions = member.assignment.entry(topic(number)).or_default();
                partitions.insert(partition);
            }
        }
        group
    })
}

fn is_homogeneous(group: &Group) -> bool {
    GroupSpec::new(group.specs()).subscription_type() == SubscriptionType::Homogeneous
}

/// Panics unless nobody with a partition of a topic has two partitions more than another
/// subscriber of that topic.
fn assert_topics_are_level(group: &Group, assigned: &GroupAssignment) {
    for (owner_id, assignment) in assigned {
        for topic in assignment.keys() {
            for (other_id, other) in &group.members {
                if other.subscribed_topics.contains(topic) {
                    let (has, other_has) = (len(assignment), len(&assigned[other_id]));
                    assert!(
                        has <= other_has + 1,
                        "{owner_id} has {has}, {other_id} only {other_has}, both want {topic}"
                    );
                }
            }
        }
    }
}

/// How many partitions of a homogeneous group at most can stay where they are in a balanced
/// assignment: what each member validly owns up to the quota, and one more for as many members as
/// there are partitions left over.
fn stay_max(group: &Group, quota: usize, extra_count: usize) -> usize {
    let mut seen = BTreeSet::new();
    let mut within_quota = 0;
    let mut above_quota = 0;
    for member in group.members.values() {
        let owned = flat(&member.assignment)
            .into_iter()
            .filter(|(topic, _)| member.subscribed_topics.contains(topic))
            .filter(|(topic, partition)| *partition < group.topics.partition_count(*topic).unwrap())
            .filter(|owned| seen.insert(*owned))
            .count();
        within_quota += owned.min(quota);
        above_quota += usize::from(quota < owned);
    }
    within_quota + above_quota.min(extra_count)
}

fn stayed(group: &Group, assigned: &GroupAssignment) -> usize {
    group
        .members
        .iter()
        .map(|(member_id, member)| {
            let now = flat(&assigned[member_id]);
            flat(&member.assignment).intersection(&now).count()
        })
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn each_partition_has_one_owner(group in groups(250, 14)) {
        for name in ["uniform", "range"] {
            let assigned = group.assigned(assignor_by_name(name).unwrap());
            assert_each_partition_has_one_owner(&group, &assigned);
        }
    }

    #[test]
    fn uniform_is_balanced(group in groups(250, 14)) {
        let assigned = group.assigned(&UniformAssignor);
        if is_homogeneous(&group) {
            let sizes: BTreeSet<usize> = assigned.values().map(len).collect();
            prop_assert!(sizes.last().unwrap() - sizes.first().unwrap() <= 1, "{sizes:?}");
        } else {
            assert_topics_are_level(&group, &assigned);
        }
    }

    /// What was balanced stays as it is, whatever became of it.
    #[test]
    fn uniform_leaves_a_balanced_assignment_alone(mut group in groups(120, 10)) {
        let once = group.assign(&UniformAssignor);
        let twice = group.assign(&UniformAssignor);
        prop_assert_eq!(once, twice);
    }

    /// Homogeneous groups move no partition more than balance requires. Before, the partitions are
    /// those of a balanced group that some members left and others joined.
    #[test]
    fn uniform_moves_as_little_as_balance_allows(
        counts in vec(1..50_i32, 1..8),
        before in 1..200_usize,
        leave in vec(any::<bool>(), 200),
        joined in 1..100_usize,
    ) {
        let mut group = Group::new(&counts);
        let topics: Vec<u128> = (1..=u128::try_from(counts.len()).unwrap()).collect();
        for index in 0..before {
            group.join(&format!("old-{index}"), &topics);
        }
        group.assign(&UniformAssignor);
        for index in (0..before).filter(|&index| leave[index]) {
            group.members.remove(format!("old-{index}").as_str());
        }
        for index in 0..joined {
            group.join(&format!("new-{index}"), &topics);
        }
        let partition_count = counts.iter().map(|&count| usize::try_from(count).unwrap());
        let partition_count: usize = partition_count.sum();
        let (quota, extra_count) = (
            partition_count / group.members.len(),
            partition_count % group.members.len(),
        );
        let assigned = group.assigned(&UniformAssignor);
        prop_assert_eq!(stayed(&group, &assigned), stay_max(&group, quota, extra_count));
    }

    /// When members leave, the others lose nothing.
    #[test]
    fn uniform_takes_nothing_from_those_who_stay(
        mut group in groups(120, 10),
        leave in vec(any::<bool>(), 120),
    ) {
        group.members.values_mut().for_each(|member| {
            member.subscribed_topics = Arc::new((1..=10).map(topic).filter(|&topic| {
                group.topics.partition_count(topic).is_some()
            }).collect());
        });
        group.assign(&UniformAssignor);
        let mut leave = leave.into_iter();
        group.members.retain(|_, _| !leave.next().unwrap());
        let after = group.assigned(&UniformAssignor);
        for (member_id, member) in &group.members {
            let (had, has) = (flat(&member.assignment), flat(&after[member_id]));
            prop_assert!(had.is_subset(&has), "{member_id} lost {:?}", had.difference(&has));
        }
    }

    /// Only what the group is decides, not the order its members are given in.
    #[test]
    fn the_order_of_members_decides_nothing(group in groups(60, 8), turn in any::<Index>()) {
        for name in ["uniform", "range"] {
            let assignor = assignor_by_name(name).unwrap();
            let mut specs = group.specs();
            let by = turn.index(specs.len());
            specs.rotate_left(by);
            specs.reverse();
            let turned = assignor.assign(&GroupSpec::new(specs), &group.topics).unwrap();
            prop_assert_eq!(turned, group.assigned(assignor));
        }
    }

    /// Members of a homogeneous group get consecutive partitions, and the same of every topic with
    /// the same partition count.
    #[test]
    fn range_is_co_partitioned(counts in vec(1..4_i32, 1..8), members in 1..200_usize) {
        let counts: Vec<i32> = counts.iter().map(|count| count * 16).collect();
        let mut group = Group::new(&counts);
        let topics: Vec<u128> = (1..=u128::try_from(counts.len()).unwrap()).collect();
        for index in 0..members {
            group.join(&format!("member-{index}"), &topics);
        }
        let assigned = group.assigned(&RangeAssignor);
        for assignment in assigned.values() {
            let mut by_count: BTreeMap<i32, &BTreeSet<i32>> = BTreeMap::new();
            for (&topic, partitions) in assignment {
                let count = group.topics.partition_count(topic).unwrap();
                prop_assert_eq!(*by_count.entry(count).or_insert(partitions), partitions);
                let (first, last) = (partitions.first().unwrap(), partitions.last().unwrap());
                prop_assert_eq!(partitions.len(), usize::try_from(last - first + 1).unwrap());
            }
        }
    }
}
