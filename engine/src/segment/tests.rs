//! Tests of names and of the segment tail's arithmetic.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::config::LogConfig;
use crate::index::{OffsetEntry, TimeEntry};

#[test]
fn file_names_are_kafkas() {
    let name = segment_file_name(42, FileKind::TimeIndex);
    assert_eq!(name, "00000000000000000042.timeindex");
    for kind in FileKind::ALL {
        assert_eq!(
            FileKind::parse(&segment_file_name(7, kind)),
            Some((kind, 7))
        );
    }
    for name in [
        "42.log",
        "00000000000000000042.log.deleted",
        "leader-epoch-checkpoint",
        "0000000000000000004x.log",
        "99999999999999999999.log",
        "partition.metadata",
        "",
    ] {
        assert_eq!(FileKind::parse(name), None, "{name}");
    }
}

#[test]
fn directory_names_are_kafkas() {
    let partition = |topic: &str, partition| DirKind::Partition {
        topic: topic.into(),
        partition,
    };
    assert_eq!(DirKind::parse("a-b-3"), partition("a-b", 3));
    assert_eq!(DirKind::parse("a.b_c-0"), partition("a.b_c", 0));
    assert_eq!(DirKind::parse("lost+found"), DirKind::Foreign);
    assert_eq!(DirKind::parse("a-01"), DirKind::Foreign);
    assert_eq!(DirKind::parse("a"), DirKind::Foreign);
    assert_eq!(DirKind::parse("-1"), DirKind::Foreign);
    assert_eq!(DirKind::parse("__cluster_metadata-0"), DirKind::NotServed);
    assert_eq!(DirKind::parse("t-0.abc-stray"), DirKind::NotServed);
    let future = future_dir_name("a.b-c", 3, Uuid::from_u128(1)).unwrap();
    assert_eq!(future, "a.b-c-3.00000000000000000000000000000001-future");
    let (topic, partition_index) = ("a.b-c".to_owned(), 3);
    assert_eq!(
        DirKind::parse(&future),
        DirKind::Future {
            topic,
            partition: partition_index
        }
    );
    assert_eq!(DirKind::parse("t-future"), DirKind::NotServed);
    assert_eq!(
        future_dir_name(&"x".repeat(240), 0, Uuid::from_u128(1)),
        None
    );
    let long = "x".repeat(249);
    let deleted = deleted_dir_name(&long, 12, Uuid::from_u128(1));
    assert_eq!(deleted.len(), 255);
    assert!(deleted.ends_with("x-12.00000000000000000000000000000001-delete"));
    assert_eq!(DirKind::parse(&deleted), DirKind::Deleted);
    assert_eq!(partition_dir_name(&"x".repeat(250), 0), None);
    assert_eq!(partition_dir_name("..", 0), None);
    assert_eq!(partition_dir_name("a/b", 0), None);
}

fn batch(offset: i64, bytes: u64, max_timestamp: i64) -> BatchFacts {
    BatchFacts {
        base_offset: offset,
        last_offset: offset + 1,
        max_timestamp,
        bytes,
    }
}

#[test]
fn entries_follow_the_interval_and_skip_the_first_batch() {
    let config = LogConfig {
        index_interval_bytes: 100,
        ..LogConfig::default()
    };
    let mut tail = SegmentTail::new(10, 0);
    assert_eq!(tail.add(&batch(10, 100, 5), &config), NewEntries::default());
    // Exactly the interval is not more than the interval.
    assert_eq!(tail.add(&batch(12, 1, 7), &config), NewEntries::default());
    let entries = tail.add(&batch(14, 60, 6), &config);
    assert_eq!(
        entries.offset,
        Some(OffsetEntry {
            relative_offset: 5,
            position: 101
        })
    );
    assert_eq!(
        entries.time,
        Some(TimeEntry {
            timestamp: 7,
            relative_offset: 3
        })
    );
    assert_eq!(tail.add(&batch(16, 60, 7), &config), NewEntries::default());
    let entries = tail.add(&batch(18, 60, 7), &config);
    assert_eq!(
        entries.offset,
        Some(OffsetEntry {
            relative_offset: 9,
            position: 221
        })
    );
    assert_eq!(entries.time, None, "no timestamp above the last entry's");
    assert_eq!(tail.final_time_entry(), None);
}

#[test]
fn rolls_by_size_record_time_offsets_and_full_indexes() {
    let config = LogConfig {
        segment_bytes: 1000,
        segment_ms: 50,
        segment_index_bytes: 24,
        index_interval_bytes: 0,
        ..LogConfig::default()
    };
    let tail = SegmentTail::new(0, 0);
    assert!(
        !tail.must_roll(&batch(0, 1000, 0), 0, &config),
        "it fits exactly"
    );
    let far = BatchFacts {
        base_offset: 1 << 31,
        last_offset: 1 << 31,
        ..batch(0, 1, 0)
    };
    assert!(tail.must_roll(&far, 0, &config));
    let mut tail = SegmentTail::new(0, 0);
    tail.add(&batch(0, 400, 100), &config);
    assert!(
        !tail.must_roll(&batch(2, 600, 150), 10_000, &config),
        "the clock does not count"
    );
    assert!(tail.must_roll(&batch(2, 601, 100), 0, &config));
    assert!(tail.must_roll(&batch(2, 1, 151), 0, &config));
    tail.add(&batch(2, 1, 101), &config);
    assert!(
        tail.must_roll(&batch(4, 1, 101), 0, &config),
        "the time index is full"
    );
    let mut timeless = SegmentTail::new(0, 1000);
    timeless.add(&batch(0, 1, -1), &config);
    assert!(!timeless.must_roll(&batch(2, 1, -1), 1050, &config));
    assert!(timeless.must_roll(&batch(2, 1, -1), 1051, &config));
}

proptest! {
    #[test]
    fn parsing_names_never_panics(name in "\\PC{0,60}") {
        if let Some((kind, offset)) = FileKind::parse(&name) {
            prop_assert_eq!(segment_file_name(offset, kind), name);
        } else if let DirKind::Partition { topic, partition } = DirKind::parse(&name) {
            prop_assert_eq!(partition_dir_name(&topic, partition), Some(name));
        }
    }
}
