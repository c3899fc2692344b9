//! Subscriptions by regular expression.

use std::sync::Arc;
use std::time::Duration;

use super::harness::{beat, error_of, harness, join, owning, partitions};
use crate::group::consumer::request::ConsumerHeartbeat;
use crate::group::error::GroupError;

fn by_regex(member_id: &str, regex: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        subscribed_topic_names: None,
        subscribed_topic_regex: Some(Arc::from(regex)),
        ..join(member_id, &[])
    }
}

#[test]
fn matching_topics_are_assigned_once_they_are_found() {
    let mut h = harness();
    let one = h.topics.put("t1", 1);
    h.topics.put("u", 1);
    let answer = h.send(&by_regex("a", "t.*")).unwrap();
    assert_eq!(answer.assignment, Some(partitions(&[])));
    assert_eq!(answer.member_epoch, 1, "no target to wait for yet");
    h.resolve();
    let answer = h.send(&beat("a", 1)).unwrap();
    assert_eq!(answer.member_epoch, 2);
    assert_eq!(answer.assignment, Some(partitions(&[(one, &[0])])));
    // A second member with the same expression needs no resolution.
    h.send(&by_regex("b", "t.*")).unwrap();
    assert_eq!(h.resolving, None);
    assert_eq!(h.group.epoch, 3);
    h.restart();
}

#[test]
fn new_topics_are_found_but_not_looked_for_all_the_time() {
    let mut h = harness();
    let one = h.topics.put("t1", 1);
    h.send(&by_regex("a", "t.*")).unwrap();
    h.resolve();
    let epoch = h.send(&beat("a", 1)).unwrap().member_epoch;
    let two = h.topics.put("t2", 1);
    h.send(&beat("a", epoch)).unwrap();
    assert_eq!(h.resolving, None, "too early");
    h.pass(Duration::from_millis(10_001));
    h.send(&beat("a", epoch)).unwrap();
    assert!(h.resolving.is_some());
    h.send(&beat("a", epoch)).unwrap();
    h.resolve();
    let answer = h.send(&beat("a", epoch)).unwrap();
    let both = partitions(&[(one, &[0]), (two, &[0])]);
    assert_eq!(answer.assignment, Some(both));
    // Nothing has changed since.
    h.pass(Duration::from_secs(30));
    h.send(&beat("a", epoch + 1)).unwrap();
    assert_eq!(h.resolving, None);
    // After a restart, nobody knows whether something has.
    h.restart();
    h.send(&beat("a", epoch + 1)).unwrap();
    assert!(h.resolving.is_some());
    h.resolve();
    assert_eq!(h.group.epoch, epoch + 1);
    // And every ten minutes.
    for _ in 0..19 {
        h.pass(Duration::from_secs(30));
        h.send(&beat("a", epoch + 1)).unwrap();
        assert_eq!(h.resolving, None);
    }
    h.pass(Duration::from_secs(31));
    h.send(&beat("a", epoch + 1)).unwrap();
    assert!(h.resolving.is_some());
}

#[test]
fn an_expression_nobody_subscribes_to_is_forgotten() {
    let mut h = harness();
    let topic = h.topics.put("t1", 1);
    h.send(&by_regex("a", "t.*")).unwrap();
    h.resolve();
    h.send(&beat("a", 1)).unwrap();
    let without = ConsumerHeartbeat {
        subscribed_topic_regex: Some(Arc::from("")),
        owned: Some(partitions(&[(topic, &[0])])),
        ..beat("a", 2)
    };
    let answer = h.send(&without).unwrap();
    assert_eq!(answer.assignment, Some(partitions(&[])));
    assert!(h.group.resolved_regexes.is_empty());
    let answer = h.send(&owning("a", 2, &partitions(&[]))).unwrap();
    assert_eq!(answer.member_epoch, 3);
    h.send(&by_regex("a", "t.*")).unwrap();
    h.resolve();
    h.leave("a").unwrap();
    assert!(h.group.resolved_regexes.is_empty());
    h.restart();
}

#[test]
fn names_and_an_expression_add_up() {
    let mut h = harness();
    let one = h.topics.put("t1", 1);
    let two = h.topics.put("u", 1);
    let both = ConsumerHeartbeat {
        subscribed_topic_names: join("a", &["u"]).subscribed_topic_names,
        ..by_regex("a", "t.*")
    };
    let answer = h.send(&both).unwrap();
    assert_eq!(answer.assignment, Some(partitions(&[(two, &[0])])));
    h.resolve();
    let answer = h.send(&beat("a", answer.member_epoch)).unwrap();
    let all = partitions(&[(one, &[0]), (two, &[0])]);
    assert_eq!(answer.assignment, Some(all));
}

#[test]
fn an_invalid_expression_changes_nothing() {
    let mut h = harness();
    h.topics.put("t1", 1);
    let refused = h.send(&by_regex("a", "t(")).expect_err("refused");
    assert_eq!(refused.error, GroupError::InvalidRegularExpression);
    assert!(refused.message.contains("t("), "{}", refused.message);
    assert!(h.said.is_empty() && h.group.members.is_empty());
    h.send(&by_regex("a", "t.*")).unwrap();
    let worse = ConsumerHeartbeat {
        subscribed_topic_regex: Some(Arc::from("[")),
        ..beat("a", 1)
    };
    let error = error_of(h.send(&worse));
    assert_eq!(error, GroupError::InvalidRegularExpression);
    assert_eq!(h.group.members["a"].regex().map(|it| &**it), Some("t.*"));
}

#[test]
fn a_failed_resolution_is_tried_again() {
    let mut h = harness();
    h.topics.put("t1", 1);
    h.send(&by_regex("a", "t.*")).unwrap();
    assert!(h.resolving.take().is_some());
    h.send(&beat("a", 1)).unwrap();
    assert_eq!(h.resolving, None, "one is under way");
    let topics = h.topics.clone();
    h.event(|group, _, actions| group.regexes_resolved(None, &topics, 0, actions));
    h.send(&beat("a", 1)).unwrap();
    assert!(h.resolving.is_some());
}
