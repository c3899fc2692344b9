//! The rules of committed offsets: log order, topic ids, expiry.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const HOUR_MS: i64 = 3_600_000;

fn committed(offset: i64, log_offset: i64) -> CommittedOffset {
    CommittedOffset {
        offset,
        leader_epoch: -1,
        metadata: Arc::from(""),
        commit_timestamp_ms: 1000,
        expire_timestamp_ms: None,
        topic_id: Uuid::nil(),
        log_offset,
    }
}

fn topic(name: &str) -> Arc<str> {
    Arc::from(name)
}

#[test]
fn the_later_record_of_the_log_wins_in_whatever_order_they_come() {
    let mut offsets = GroupOffsets::default();
    offsets.apply(&topic("t"), 0, committed(50, 8));
    offsets.apply(&topic("t"), 0, committed(40, 7));
    assert_eq!(
        offsets
            .committed("t", Uuid::nil(), 0)
            .map(|found| found.offset),
        Some(50)
    );
    offsets.apply(&topic("t"), 0, committed(45, 9));
    assert_eq!(
        offsets
            .committed("t", Uuid::nil(), 0)
            .map(|found| found.offset),
        Some(45)
    );
}

#[test]
fn an_offset_of_an_earlier_topic_of_the_same_name_is_not_found() {
    let (old, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut offsets = GroupOffsets::default();
    offsets.apply(
        &topic("t"),
        0,
        CommittedOffset {
            topic_id: old,
            ..committed(5, 0)
        },
    );
    offsets.apply(&topic("t"), 1, committed(6, 1));
    assert!(offsets.committed("t", old, 0).is_some());
    assert!(offsets.committed("t", Uuid::nil(), 0).is_some());
    assert!(offsets.committed("t", new, 0).is_none());
    assert!(
        offsets.committed("t", new, 1).is_some(),
        "committed before topic ids were known"
    );
}

#[test]
fn removing_the_last_partition_removes_the_topic() {
    let mut offsets = GroupOffsets::default();
    offsets.apply(&topic("t"), 3, committed(5, 0));
    assert_eq!(offsets.partitions_of("t"), [3]);
    assert!(!offsets.remove("t", 4));
    assert!(!offsets.remove("u", 3));
    assert!(offsets.remove("t", 3));
    assert!(offsets.is_empty());
    assert_eq!(offsets.partitions_of("t"), [0_i32; 0]);
}

#[test]
fn retention_counts_from_where_the_group_says() {
    let mut offsets = GroupOffsets::default();
    offsets.apply(&topic("t"), 0, committed(5, 0));
    let expired = |start, now_ms| offsets.expired(start, |_| false, HOUR, now_ms).0.len();
    assert_eq!(expired(RetentionStart::Commit, 1000 + HOUR_MS - 1), 0);
    assert_eq!(expired(RetentionStart::Commit, 1000 + HOUR_MS), 1);
    assert_eq!(expired(RetentionStart::At(5000), 5000 + HOUR_MS - 1), 0);
    assert_eq!(expired(RetentionStart::At(5000), 5000 + HOUR_MS), 1);
    assert_eq!(expired(RetentionStart::Never, i64::MAX), 0);
}

#[test]
fn an_explicit_expiry_overrides_the_retention() {
    let mut offsets = GroupOffsets::default();
    let expiring = CommittedOffset {
        expire_timestamp_ms: Some(2000),
        ..committed(5, 0)
    };
    offsets.apply(&topic("t"), 0, expiring);
    let expired = |start, now_ms| offsets.expired(start, |_| false, HOUR, now_ms).0.len();
    assert_eq!(expired(RetentionStart::Commit, 1999), 0);
    assert_eq!(expired(RetentionStart::Commit, 2000), 1);
    assert_eq!(expired(RetentionStart::Never, i64::MAX), 0);
    let mut kept = GroupOffsets::default();
    let late = CommittedOffset {
        expire_timestamp_ms: Some(i64::MAX),
        ..committed(5, 0)
    };
    kept.apply(&topic("t"), 0, late);
    assert_eq!(
        kept.expired(RetentionStart::Commit, |_| false, HOUR, i64::MAX - 1)
            .0
            .len(),
        0
    );
}

#[test]
fn subscribed_topics_do_not_expire_and_keep_the_group() {
    let mut offsets = GroupOffsets::default();
    offsets.apply(&topic("kept"), 0, committed(5, 0));
    offsets.apply(&topic("gone"), 1, committed(6, 1));
    let (expired, is_all) = offsets.expired(
        RetentionStart::Commit,
        |name| name == "kept",
        HOUR,
        i64::MAX,
    );
    assert_eq!(expired, [(topic("gone"), 1)]);
    assert!(!is_all);
    let (expired, is_all) = offsets.expired(RetentionStart::Commit, |_| false, HOUR, i64::MAX);
    assert_eq!(expired.len(), 2);
    assert!(is_all);
    let (_, is_all) = GroupOffsets::default().expired(RetentionStart::Never, |_| false, HOUR, 0);
    assert!(is_all, "nothing is left of nothing");
}
