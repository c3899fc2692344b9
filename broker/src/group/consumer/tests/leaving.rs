//! Leaving, and members that are taken for gone.

use std::time::Duration;

use super::harness::{beat, error_of, harness, join, owning, partitions};
use crate::group::consumer::record::ConsumerRecord;
use crate::group::error::GroupError;
use crate::group::timers::TimerKind;

#[test]
fn what_a_leaving_member_had_goes_to_the_others() {
    let mut h = harness();
    let topic = h.topics.put("t", 2);
    h.send(&join("a", &["t"])).unwrap();
    h.send(&join("b", &["t"])).unwrap();
    let left = h.leave("a").unwrap();
    assert_eq!((left.member_epoch, left.assignment), (-1, None));
    assert_eq!(h.group.epoch, 4);
    assert!(!h.timers.contains_key(&TimerKind::Session("a".into())));
    let b = h.send(&beat("b", 3)).unwrap();
    assert_eq!(b.member_epoch, 4);
    assert_eq!(b.assignment, Some(partitions(&[(topic, &[0, 1])])));
    assert_eq!(error_of(h.leave("a")), GroupError::UnknownMemberId);
    h.restart();
    h.leave("b").unwrap();
    assert_eq!(h.state(), "Empty");
    h.restart();
    assert_eq!(h.state(), "Empty");
}

#[test]
fn a_member_that_is_not_heard_of_is_removed() {
    let mut h = harness();
    h.topics.put("t", 2);
    h.send(&join("a", &["t"])).unwrap();
    h.pass(Duration::from_secs(44));
    h.send(&beat("a", 2)).unwrap();
    h.pass(Duration::from_secs(44));
    assert_eq!(h.state(), "Stable");
    h.pass(Duration::from_secs(1));
    assert_eq!(h.state(), "Empty");
    assert_eq!(error_of(h.send(&beat("a", 2))), GroupError::UnknownMemberId);
}

#[test]
fn a_member_that_does_not_give_up_in_time_is_removed() {
    let mut h = harness();
    let topic = h.topics.put("t", 2);
    h.send(&join("a", &["t"])).unwrap();
    h.send(&join("b", &["t"])).unwrap();
    h.send(&beat("a", 2)).unwrap();
    let all = partitions(&[(topic, &[0, 1])]);
    for _ in 0..5 {
        h.pass(Duration::from_secs(11));
        h.send(&owning("a", 2, &all)).unwrap();
        h.send(&beat("b", 3)).unwrap();
    }
    h.pass(Duration::from_secs(5));
    assert_eq!(error_of(h.send(&beat("a", 2))), GroupError::UnknownMemberId);
    let b = h.send(&beat("b", 3)).unwrap();
    assert_eq!(b.assignment, Some(all));
}

#[test]
fn sessions_and_waits_go_on_after_a_restart() {
    let mut h = harness();
    h.topics.put("t", 2);
    h.send(&join("a", &["t"])).unwrap();
    h.send(&join("b", &["t"])).unwrap();
    h.send(&beat("a", 2)).unwrap();
    h.restart();
    let timers: Vec<_> = h.timers.keys().cloned().collect();
    assert_eq!(
        timers,
        [
            TimerKind::Session("a".into()),
            TimerKind::Session("b".into()),
            TimerKind::Rebalance("a".into()),
        ]
    );
    h.pass(Duration::from_secs(45));
    assert_eq!(h.state(), "Empty");
}

#[test]
fn tombstones_leave_nothing_of_a_group() {
    let mut h = harness();
    h.topics.put("t", 2);
    h.send(&join("a", &["t"])).unwrap();
    h.leave("a").unwrap();
    let tombstones = h.group.tombstones();
    assert_eq!(tombstones.last(), Some(&ConsumerRecord::Metadata(None)));
    for record in &tombstones {
        let encoded = record.encode("group").unwrap();
        assert_eq!(encoded.value, None);
        h.group.apply(record.clone());
    }
    assert_eq!(h.group.epoch, 1);
    assert!(h.group.members.is_empty() && h.group.target.is_empty());
}
