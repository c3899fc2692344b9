//! Properties of all assignors, for any group and any topics.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["t0", "t1", "t2", "t3"];

fn any_topics() -> impl Strategy<Value = AssignableTopics> {
    let racks = prop::collection::btree_set(prop::sample::select(&["x", "y", "z"][..]), 0..3);
    let racks = racks.prop_map(|racks| racks.into_iter().map(Arc::from).collect());
    let partitions = prop::collection::vec(racks, 0..7);
    prop::collection::vec(partitions, NAMES.len()).prop_map(|all| {
        let mut topics = AssignableTopics::new();
        for (name, racks) in NAMES.iter().zip(all) {
            topics.insert_with_racks(*name, racks);
        }
        topics
    })
}

/// Members that all want the same, or each something else; some with a rack, some with claims that
/// may contradict each other.
fn any_group() -> impl Strategy<Value = GroupSubscription> {
    let topics = prop::sample::subsequence(&NAMES[..], 0..=NAMES.len());
    let claim = (0..NAMES.len(), 0..8_i32);
    let claim = claim.prop_map(|(topic, index)| TopicPartition::new(NAMES[topic], index));
    let member = (
        topics.clone(),
        prop::option::of(prop::sample::select(&["x", "y", "w"][..])),
        prop::collection::vec(claim, 0..6),
        prop::option::of(0..4_i32),
    );
    let members = prop::collection::vec(member, 1..6);
    (members, topics, any::<bool>()).prop_map(|(members, all, is_alike)| {
        let member = |(index, (topics, rack, owned, generation_id))| {
            let topics: Vec<&str> = if is_alike { all.clone() } else { topics };
            let mut member = MemberSubscription::to_topics(&topics);
            member.rack_id = Option::<&str>::map(rack, Arc::from);
            let last = LastAssignment {
                assignment: Some(Assignment {
                    partitions: owned,
                    user_data: None,
                }),
                generation_id: Option::unwrap_or(generation_id, -1),
            };
            member.user_data = StickyAssignor.user_data(&last);
            member.owned_partitions = last.assignment.unwrap().partitions;
            member.generation_id = generation_id;
            (Arc::from(format!("m{index}")), member)
        };
        (0..)
            .zip(members)
            .map(|it: (usize, _)| member(it))
            .collect()
    })
}

fn owners(assignment: &GroupAssignment) -> BTreeMap<TopicPartition, Arc<str>> {
    let mut owners = BTreeMap::new();
    for (id, given) in assignment {
        for partition in &given.partitions {
            let other = owners.insert(partition.clone(), Arc::clone(id));
            assert_eq!(other, None, "{partition} has two owners");
        }
    }
    owners
}

/// What somebody wants and exists.
fn wanted(topics: &AssignableTopics, group: &GroupSubscription) -> BTreeSet<TopicPartition> {
    let names: BTreeSet<_> = group.values().flat_map(|it| &it.topics).collect();
    names
        .into_iter()
        .flat_map(|it| topics.partitions(it))
        .collect()
}

fn all_assignors() -> impl Iterator<Item = Arc<dyn Assignor>> {
    ASSIGNOR_NAMES
        .iter()
        .filter_map(|(_, name)| assignor_by_name(name))
}

/// Whether no partition could go to a member with at least two fewer that wants it.
fn is_even(assignment: &GroupAssignment, group: &GroupSubscription) -> bool {
    assignment.values().all(|rich| {
        rich.partitions.iter().all(|partition| {
            assignment.iter().all(|(id, poor)| {
                let wants = group[id].topics.contains(&partition.topic);
                !wants || rich.partitions.len() <= poor.partitions.len() + 1
            })
        })
    })
}

proptest! {
    #[test]
    fn every_partition_has_one_owner_that_wants_it(
        topics in any_topics(),
        group in any_group(),
    ) {
        for assignor in all_assignors() {
            let assignment = assignor.assign(&topics, &group).unwrap();
            prop_assert!(assignment.keys().eq(group.keys()));
            let owners = owners(&assignment);
            for (partition, owner) in &owners {
                prop_assert!(group[owner].topics.contains(&partition.topic));
            }
            let given: BTreeSet<_> = owners.into_keys().collect();
            if assignor.is_cooperative() {
                prop_assert!(given.is_subset(&wanted(&topics, &group)));
            } else {
                prop_assert_eq!(given, wanted(&topics, &group), "{}", assignor.name());
            }
        }
    }

    #[test]
    fn shares_of_a_topic_differ_by_at_most_one_with_range(
        topics in any_topics(),
        group in any_group(),
    ) {
        let assignment = RangeAssignor.assign(&topics, &group).unwrap();
        for (topic, _) in topics.iter() {
            let subscribers = group.iter().filter(|(_, it)| it.topics.contains(topic));
            let shares = subscribers.map(|(id, _)| {
                assignment[id].partitions.iter().filter(|it| it.topic == *topic).count()
            });
            let shares: BTreeSet<_> = shares.collect();
            let (min, max) = (shares.first(), shares.last());
            prop_assert!(max.copied().unwrap_or(0) <= min.copied().unwrap_or(0) + 1);
        }
    }

    #[test]
    fn sticky_is_even(topics in any_topics(), group in any_group()) {
        let assignment = StickyAssignor.assign(&topics, &group).unwrap();
        prop_assert!(is_even(&assignment, &group), "{:?}", text(&assignment));
    }

    #[test]
    fn sticky_changes_nothing_when_nothing_changed(
        topics in any_topics(),
        group in any_group(),
    ) {
        let first = StickyAssignor.assign(&topics, &group).unwrap();
        let again = joined_again(&StickyAssignor, group, &first, 9);
        let second = StickyAssignor.assign(&topics, &again).unwrap();
        prop_assert_eq!(text(&second), text(&first));
    }

    /// With equal subscriptions and no racks, of n members of whom one left the others keep all.
    #[test]
    fn sticky_keeps_everything_when_a_member_leaves(
        counts in prop::collection::vec(1..9_usize, NAMES.len()),
        members_count in 2..6_usize,
        leaving in 0..6_usize,
    ) {
        let counts: Vec<_> = NAMES.into_iter().zip(counts).collect();
        let topics = topics(&counts);
        let ids: Vec<_> = (0..members_count).map(|it| format!("m{it}")).collect();
        let members: Vec<_> = ids.iter().map(|id| (id.as_str(), &NAMES[..])).collect();
        let all = group(&members);
        let first = StickyAssignor.assign(&topics, &all).unwrap();
        let mut left = joined_again(&StickyAssignor, all, &first, 1);
        left.remove(ids[leaving % members_count].as_str());
        let second = StickyAssignor.assign(&topics, &left).unwrap();
        for (id, given) in &second {
            let kept: BTreeSet<_> = given.partitions.iter().collect();
            prop_assert!(first[id].partitions.iter().all(|it| kept.contains(it)));
        }
        prop_assert!(is_even(&second, &left));
    }

    /// A partition is never given to a member while another one owns it, and after at most a few
    /// rebalances everything is with somebody and even.
    #[test]
    fn cooperative_rebalances_never_overlap_and_settle(
        topics in any_topics(),
        group in any_group(),
    ) {
        let mut group = group;
        // Contradicting claims cannot come from members that were ever in one group.
        let mut claimed = BTreeSet::new();
        for member in group.values_mut() {
            member.owned_partitions.retain(|it| claimed.insert(it.clone()));
            member.generation_id = Some(1);
        }
        let mut before: Option<GroupAssignment> = None;
        for generation in 2..6 {
            let next = CooperativeStickyAssignor.assign(&topics, &group).unwrap();
            for (partition, owner) in owners(&next) {
                let others = group.iter().filter(|(id, _)| **id != owner);
                for (id, other) in others {
                    prop_assert!(!other.owned_partitions.contains(&partition), "{id} has it");
                }
            }
            if before.as_ref() == Some(&next) {
                break;
            }
            group = joined_again(&CooperativeStickyAssignor, group, &next, generation);
            before = Some(next);
        }
        let settled = CooperativeStickyAssignor.assign(&topics, &group).unwrap();
        prop_assert_eq!(Some(&settled), before.as_ref());
        let given: BTreeSet<_> = owners(&settled).into_keys().collect();
        prop_assert_eq!(given, wanted(&topics, &group));
        prop_assert!(is_even(&settled, &group));
    }

    #[test]
    fn any_user_data_is_survived(
        data in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let topics = topics(&[("t0", 4)]);
        let mut group = group(&[("a", &["t0"]), ("b", &["t0"])]);
        group.get_mut("a").unwrap().user_data = Some(data.into());
        for assignor in all_assignors() {
            let given = assignor.assign(&topics, &group).unwrap();
            prop_assert_eq!(owners(&given).len(), 4);
        }
    }
}
