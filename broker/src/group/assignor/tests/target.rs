//! What a new target changes.

use super::super::fake_topics::FakeTopics;
use super::*;

type Names = BTreeSet<Arc<str>>;

fn names(names: &[&str]) -> Names {
    names.iter().map(|&name| name.into()).collect()
}

fn member<'a>(member_id: &str, topic_names: &'a Names) -> TargetMember<'a> {
    TargetMember {
        member_id: member_id.into(),
        instance_id: None,
        topic_names,
        regex_topics: None,
        target: None,
        predecessor_target: None,
    }
}

fn ids(ids: &[&str]) -> Vec<MemberId> {
    ids.iter().map(|&id| id.into()).collect()
}

#[test]
fn a_first_target_is_a_change_even_if_it_is_empty() {
    let topics = FakeTopics::new(&[("foo", 1)]);
    let wanted = names(&["foo", "absent"]);
    let members = [member("b", &wanted), member("a", &wanted)];
    let target = build_target_assignment(&UniformAssignor, &members, &topics).unwrap();
    assert_eq!(target.changed, ids(&["a", "b"]));
    let sizes: Vec<usize> = target.members.values().map(len).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 1);
    assert_eq!(sizes.len(), 2);
}

#[test]
fn only_members_whose_target_differs_are_changed() {
    let topics = FakeTopics::new(&[("foo", 4)]);
    let wanted = names(&["foo"]);
    let members = [member("a", &wanted), member("b", &wanted)];
    let before = build_target_assignment(&UniformAssignor, &members, &topics).unwrap();
    let with_targets = || {
        let mut members = members.clone();
        for member in &mut members {
            member.target = before.members.get(&member.member_id);
        }
        members
    };
    let after = build_target_assignment(&UniformAssignor, &with_targets(), &topics).unwrap();
    assert_eq!(after.members, before.members);
    assert_eq!(after.changed, ids(&[]));

    let grown = FakeTopics::new(&[("foo", 5)]);
    let after = build_target_assignment(&UniformAssignor, &with_targets(), &grown).unwrap();
    assert_eq!(after.changed.len(), 1);
}

#[test]
fn a_pattern_adds_to_the_names() {
    let topics = FakeTopics::new(&[("foo", 1), ("bar", 1), ("baz", 1)]);
    let (by_name, by_pattern) = (names(&["foo"]), names(&["bar", "foo"]));
    let mut members = [member("a", &by_name)];
    members[0].regex_topics = Some(&by_pattern);
    let target = build_target_assignment(&RangeAssignor, &members, &topics).unwrap();
    let topic_ids: Vec<TopicId> = target.members["a"].keys().copied().collect();
    assert_eq!(topic_ids, [topic(1), topic(2)]);
}

#[test]
fn a_static_member_starts_from_the_target_of_the_one_it_replaces() {
    let topics = FakeTopics::new(&[("foo", 4)]);
    let wanted = names(&["foo"]);
    let left: Assignment = [(topic(1), BTreeSet::from([0, 1]))].into();
    let right: Assignment = [(topic(1), BTreeSet::from([2, 3]))].into();
    let mut members = [member("a-new", &wanted), member("b", &wanted)];
    members[0].predecessor_target = Some(&right);
    members[1].target = Some(&left);
    let target = build_target_assignment(&UniformAssignor, &members, &topics).unwrap();
    assert_eq!(target.members["a-new"], right);
    assert_eq!(target.members["b"], left);
    assert_eq!(target.changed, ids(&["a-new"]));
}

#[test]
fn partitions_of_a_topic_created_again_are_of_another_topic() {
    let wanted = names(&["foo"]);
    let mut topics = FakeTopics::new(&[("foo", 2)]);
    let before = build_target_assignment(&UniformAssignor, &[member("a", &wanted)], &topics);
    let before = before.unwrap();
    topics.insert("foo", 7, 2);
    let mut members = [member("a", &wanted)];
    members[0].target = before.members.get("a");
    let after = build_target_assignment(&UniformAssignor, &members, &topics).unwrap();
    assert_eq!(after.members["a"].keys().collect::<Vec<_>>(), [&topic(7)]);
    assert_eq!(after.changed, ids(&["a"]));
}
