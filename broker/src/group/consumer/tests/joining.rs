//! Joining, epochs, targets, and changes of topics.

use std::time::Duration;

use super::harness::{beat, error_of, harness, join, owning, partitions};
use crate::group::consumer::member::MemberState;
use crate::group::consumer::request::ConsumerHeartbeat;
use crate::group::error::GroupError;
use crate::group::schema::ConsumerGroupKey;
use crate::group::timers::TimerKind;

#[test]
fn the_first_member_gets_everything_at_once() {
    let mut h = harness();
    let topic = h.topics.put("t", 3);
    let answer = h.send(&join("a", &["t"])).unwrap();
    assert_eq!(&*answer.member_id, "a");
    assert_eq!(answer.member_epoch, 2, "the group's first epoch is 1");
    assert_eq!(answer.heartbeat_interval_ms, 5000);
    assert_eq!(answer.assignment, Some(partitions(&[(topic, &[0, 1, 2])])));
    assert_eq!(h.state(), "Stable");
    assert_eq!(h.timers[&TimerKind::Session("a".into())] - h.now_ms, 45_000);
    // Nothing new: no assignment, and nothing to write.
    let answer = h.send(&beat("a", 2)).unwrap();
    assert_eq!((answer.member_epoch, answer.assignment), (2, None));
    assert!(h.said.is_empty());
    // Everything told again: the assignment too.
    let mut full = join("a", &["t"]);
    full.member_epoch = 2;
    full.owned = Some(partitions(&[(topic, &[0, 1, 2])]));
    assert!(h.send(&full).unwrap().assignment.is_some());
    assert!(h.said.is_empty());
}

#[test]
fn records_of_a_join_come_in_kafkas_order() {
    let mut h = harness();
    h.topics.put("t", 1);
    h.send(&join("a", &["t"])).unwrap();
    let keys: Vec<_> = h
        .said
        .iter()
        .map(|record| record.encode("group").unwrap().key[1])
        .collect();
    // Member, group epoch, target of the member, target epoch, current assignment.
    assert_eq!(keys, [5, 3, 7, 6, 8]);
    let key = ConsumerGroupKey::Metadata.encode("group").unwrap();
    assert_eq!(h.said[1].encode("group").unwrap().key, key);
}

#[test]
fn a_second_member_waits_until_the_first_has_given_up_its_half() {
    let mut h = harness();
    let topic = h.topics.put("t", 4);
    h.send(&join("a", &["t"])).unwrap();
    let b = h.send(&join("b", &["t"])).unwrap();
    assert_eq!(b.member_epoch, 3);
    assert_eq!(b.assignment, Some(partitions(&[])), "all of it is a's");
    assert_eq!(h.current("b").state, MemberState::UnreleasedPartitions);
    assert_eq!(h.state(), "Reconciling");

    let a = h.send(&beat("a", 2)).unwrap();
    assert_eq!(a.member_epoch, 2, "it has to give up first");
    let kept = a.assignment.expect("told what to keep");
    assert_eq!(kept[&topic].len(), 2);
    assert_eq!(h.current("a").state, MemberState::UnrevokedPartitions);
    let timer = TimerKind::Rebalance("a".into());
    assert_eq!(h.timers[&timer] - h.now_ms, 60_000);
    assert_eq!(h.send(&beat("b", 3)).unwrap().assignment, None);

    let a = h.send(&owning("a", 2, &kept)).unwrap();
    assert_eq!((a.member_epoch, a.assignment), (3, None));
    assert!(!h.timers.contains_key(&timer));
    let b = h.send(&beat("b", 3)).unwrap();
    assert_eq!(b.assignment.expect("free now")[&topic].len(), 2);
    assert_eq!(h.state(), "Stable");
    h.restart();
}

#[test]
fn epochs_are_checked() {
    let mut h = harness();
    let topic = h.topics.put("t", 2);
    h.send(&join("a", &["t"])).unwrap();
    assert_eq!(error_of(h.send(&beat("b", 1))), GroupError::UnknownMemberId);
    for wrong in [3, 1] {
        assert_eq!(
            error_of(h.send(&beat("a", wrong))),
            GroupError::FencedMemberEpoch,
            "{wrong}"
        );
    }
    assert!(h.said.is_empty());
    // The answer that raised the epoch from 2 to 3 may have been lost.
    h.send(&join("b", &["t"])).unwrap();
    let kept = h.send(&beat("a", 2)).unwrap().assignment.unwrap();
    h.send(&owning("a", 2, &kept)).unwrap();
    assert_eq!(h.current("a").epoch, 3);
    assert_eq!(h.send(&owning("a", 2, &kept)).unwrap().member_epoch, 3);
    // But not for a member that owns what it should not, or does not say.
    let all = partitions(&[(topic, &[0, 1])]);
    assert_eq!(
        error_of(h.send(&owning("a", 2, &all))),
        GroupError::FencedMemberEpoch
    );
    assert_eq!(
        error_of(h.send(&beat("a", 2))),
        GroupError::FencedMemberEpoch
    );
    // A fenced member joins again under its id and is told what it has.
    let again = h.send(&join("a", &["t"])).unwrap();
    assert_eq!((again.member_epoch, again.assignment), (3, Some(kept)));
}

#[test]
fn a_group_has_no_more_members_than_allowed() {
    let mut h = harness();
    h.settings.max_size = 1;
    h.topics.put("t", 2);
    h.send(&join("a", &["t"])).unwrap();
    assert_eq!(
        error_of(h.send(&join("b", &["t"]))),
        GroupError::GroupMaxSizeReached
    );
    h.send(&join("a", &["t"])).unwrap();
    h.leave("a").unwrap();
    h.send(&join("b", &["t"])).unwrap();
}

#[test]
fn a_new_target_waits_for_the_assignment_interval() {
    let mut h = harness();
    h.settings.assignment_interval_ms = 1000;
    let topic = h.topics.put("t", 2);
    h.send(&join("a", &["t"])).unwrap();
    assert_eq!(h.state(), "Stable", "the first one does not wait");
    let b = h.send(&join("b", &["t"])).unwrap();
    assert_eq!(h.state(), "Assigning");
    assert_eq!((b.member_epoch, b.assignment), (2, Some(partitions(&[]))));
    h.pass(Duration::from_millis(999));
    h.send(&beat("b", 2)).unwrap();
    assert_eq!(h.state(), "Assigning");
    h.pass(Duration::from_millis(1));
    h.send(&beat("b", 2)).unwrap();
    assert_eq!(h.state(), "Reconciling");
    assert_eq!(h.group.target["b"][&topic].len(), 1);
}

#[test]
fn changes_of_subscribed_topics_reach_the_group_with_the_next_heartbeat() {
    let mut h = harness();
    let answer = h.send(&join("a", &["t", "u"])).unwrap();
    assert_eq!(
        answer.assignment,
        Some(partitions(&[])),
        "there are none yet"
    );
    let epoch = answer.member_epoch;
    h.topics.put("other", 1);
    let answer = h.send(&beat("a", epoch)).unwrap();
    assert_eq!(answer.member_epoch, epoch, "not its topic");
    // Created.
    let topic = h.topics.put("t", 1);
    let answer = h.send(&beat("a", epoch)).unwrap();
    assert_eq!(answer.member_epoch, epoch + 1);
    assert_eq!(answer.assignment, Some(partitions(&[(topic, &[0])])));
    // More partitions.
    h.topics.put("t", 3);
    let answer = h.send(&beat("a", epoch + 1)).unwrap();
    assert_eq!(answer.assignment, Some(partitions(&[(topic, &[0, 1, 2])])));
    h.restart();
    let answer = h.send(&beat("a", epoch + 2)).unwrap();
    assert_eq!(answer.member_epoch, epoch + 2, "a restart is no change");
    // Deleted: to be given up, at once if it has been.
    h.topics.remove("t");
    let answer = h.send(&owning("a", epoch + 2, &partitions(&[]))).unwrap();
    assert_eq!(answer.member_epoch, epoch + 3);
    assert_eq!(answer.assignment, Some(partitions(&[])));
    // Created again: another topic of the same name.
    let again = h.topics.put("t", 1);
    assert_ne!(again, topic);
    let answer = h.send(&beat("a", epoch + 3)).unwrap();
    assert_eq!(answer.assignment, Some(partitions(&[(again, &[0])])));
}

#[test]
fn a_changed_subscription_takes_away_at_once_and_gives_with_the_new_target() {
    let mut h = harness();
    h.settings.assignment_interval_ms = 1000;
    let t = h.topics.put("t", 1);
    let u = h.topics.put("u", 1);
    h.send(&join("a", &["t"])).unwrap();
    let changed = ConsumerHeartbeat {
        subscribed_topic_names: join("a", &["u"]).subscribed_topic_names,
        owned: Some(partitions(&[(t, &[0])])),
        ..beat("a", 2)
    };
    let answer = h.send(&changed).unwrap();
    assert_eq!(answer.member_epoch, 2);
    assert_eq!(answer.assignment, Some(partitions(&[])), "t is taken away");
    h.pass(Duration::from_secs(1));
    let answer = h.send(&owning("a", 2, &partitions(&[]))).unwrap();
    assert_eq!(answer.member_epoch, 3);
    assert_eq!(answer.assignment, Some(partitions(&[(u, &[0])])));
}

#[test]
fn most_members_choose_the_assignor() {
    let mut h = harness();
    h.topics.put("t", 2);
    let with = |id: &str, assignor: &str| ConsumerHeartbeat {
        server_assignor: Some(assignor.into()),
        ..join(id, &["t"])
    };
    h.send(&with("a", "range")).unwrap();
    assert_eq!(&*h.group.describe(&h.settings).assignor, "range");
    h.send(&with("b", "uniform")).unwrap();
    h.send(&with("c", "uniform")).unwrap();
    assert_eq!(&*h.group.describe(&h.settings).assignor, "uniform");
    h.leave("b").unwrap();
    h.leave("c").unwrap();
    h.leave("a").unwrap();
    assert_eq!(
        &*h.group.describe(&h.settings).assignor,
        "uniform",
        "default"
    );
}
