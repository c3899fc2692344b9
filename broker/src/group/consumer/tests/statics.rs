//! Static members: they leave for a while, come back under another id, and fence each other.

use std::sync::Arc;
use std::time::Duration;

use super::harness::{beat, error_of, harness, join, owning, partitions};
use crate::group::consumer::request::ConsumerHeartbeat;
use crate::group::error::GroupError;

fn with_instance(request: ConsumerHeartbeat, instance_id: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        instance_id: Some(Arc::from(instance_id)),
        ..request
    }
}

#[test]
fn a_static_member_comes_back_to_its_partitions_without_a_rebalance() {
    let mut h = harness();
    let topic = h.topics.put("t", 2);
    let all = partitions(&[(topic, &[0, 1])]);
    h.send(&with_instance(join("a", &["t"]), "i")).unwrap();
    let epoch = h.group.epoch;
    let left = h.leave_for_now("a", "i").unwrap();
    assert_eq!(left.member_epoch, -2);
    assert_eq!(h.current("a").epoch, -2);
    assert_eq!(h.state(), "Reconciling");
    // Nobody gets its partitions meanwhile.
    h.send(&join("b", &["t"])).unwrap();
    assert!(h.current("b").assigned.is_empty());
    h.leave("b").unwrap();

    h.restart();
    let back = h.send(&with_instance(join("a2", &["t"]), "i")).unwrap();
    assert_eq!(back.assignment, Some(all));
    assert_eq!(h.group.epoch, epoch + 2, "only b's coming and going");
    assert!(!h.group.members.contains_key("a"));
    assert!(!h.group.target.contains_key("a"));
    h.restart();
    assert_eq!(
        error_of(h.send(&with_instance(beat("a", 2), "i"))),
        GroupError::FencedInstanceId
    );
}

#[test]
fn an_instance_id_in_use_is_not_given_to_another() {
    let mut h = harness();
    h.topics.put("t", 2);
    h.send(&with_instance(join("a", &["t"]), "i")).unwrap();
    assert_eq!(
        error_of(h.send(&with_instance(join("b", &["t"]), "i"))),
        GroupError::UnreleasedInstanceId
    );
    // Not even to itself: it could be another process with the same id.
    assert_eq!(
        error_of(h.send(&with_instance(join("a", &["t"]), "i"))),
        GroupError::UnreleasedInstanceId
    );
    assert!(h.said.is_empty());
    for request in [beat("a", 2), beat("a", -2), beat("a", -1)] {
        assert_eq!(
            error_of(h.send(&with_instance(request, "unknown"))),
            GroupError::UnknownMemberId
        );
    }
    for request in [beat("b", 2), beat("b", -2), beat("b", -1)] {
        assert_eq!(
            error_of(h.send(&with_instance(request, "i"))),
            GroupError::FencedInstanceId
        );
    }
    h.send(&with_instance(beat("a", -1), "i")).unwrap();
    h.send(&with_instance(join("b", &["t"]), "i")).unwrap();
}

#[test]
fn a_static_member_that_does_not_come_back_is_removed() {
    let mut h = harness();
    let topic = h.topics.put("t", 2);
    h.send(&with_instance(join("a", &["t"]), "i")).unwrap();
    h.send(&join("b", &["t"])).unwrap();
    h.send(&with_instance(beat("a", 2), "i")).unwrap();
    h.leave_for_now("a", "i").unwrap();
    h.pass(Duration::from_secs(44));
    assert!(h.group.members.contains_key("a"));
    h.send(&beat("b", 3)).unwrap();
    h.pass(Duration::from_secs(1));
    assert!(!h.group.members.contains_key("a"));
    let b = h.send(&beat("b", 3)).unwrap();
    assert_eq!(b.assignment, Some(partitions(&[(topic, &[0, 1])])));
}

#[test]
fn a_full_group_takes_static_members_back() {
    let mut h = harness();
    h.settings.max_size = 1;
    h.topics.put("t", 1);
    h.send(&with_instance(join("a", &["t"]), "i")).unwrap();
    h.leave_for_now("a", "i").unwrap();
    assert_eq!(
        error_of(h.send(&join("b", &["t"]))),
        GroupError::GroupMaxSizeReached
    );
    h.send(&with_instance(join("a2", &["t"]), "i")).unwrap();
}

#[test]
fn what_was_to_be_given_up_is_given_up_by_leaving() {
    let mut h = harness();
    let topic = h.topics.put("t", 2);
    h.send(&with_instance(join("a", &["t"]), "i")).unwrap();
    h.send(&join("b", &["t"])).unwrap();
    let kept = h
        .send(&with_instance(beat("a", 2), "i"))
        .unwrap()
        .assignment;
    h.leave_for_now("a", "i").unwrap();
    let b = h.send(&beat("b", 3)).unwrap();
    assert_eq!(b.assignment.expect("free")[&topic].len(), 1);
    let back = h.send(&with_instance(join("c", &["t"]), "i")).unwrap();
    assert_eq!((back.assignment, back.member_epoch), (kept.clone(), 3));
    h.send(&with_instance(owning("c", 3, &kept.unwrap()), "i"))
        .unwrap();
    assert_eq!(h.state(), "Stable");
}
