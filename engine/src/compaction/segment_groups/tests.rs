//! Tests of the grouping of segments.

use super::*;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1000,
        segment_index_bytes: 100,
        ..LogConfig::default()
    }
}

/// A hundred offsets and some bytes of log each.
fn segments(log_bytes: &[u64]) -> Vec<SegmentSize> {
    let sizes = (0..).zip(log_bytes);
    sizes
        .map(|(n, &log_bytes)| SegmentSize {
            base_offset: n * 100,
            end_offset: n * 100 + 100,
            log_bytes,
            offset_index_bytes: 8,
            time_index_bytes: 12,
        })
        .collect()
}

#[test]
fn nothing_makes_no_group() {
    assert!(group_segments(&[], &config()).is_empty());
}

#[test]
fn neighbours_are_joined_up_to_segment_bytes() {
    let counts = group_segments(&segments(&[500, 500, 1, 999, 1, 0, 1000, 0]), &config());
    assert_eq!(counts, [2, 2, 2, 2]);
}

#[test]
fn a_segment_that_is_too_large_is_a_group_by_itself() {
    assert_eq!(
        group_segments(&segments(&[10, 5000, 10]), &config()),
        [1, 1, 1]
    );
}

#[test]
fn either_index_bounds_a_group() {
    let mut many = segments(&[10; 20]);
    assert_eq!(group_segments(&many, &config()), [8, 8, 4], "100 / 12");
    for segment in &mut many {
        segment.offset_index_bytes = 50;
    }
    assert_eq!(group_segments(&many, &config()), [2; 10]);
}

#[test]
fn offsets_of_a_group_fit_relative_ones() {
    let mut far = segments(&[10, 10, 10]);
    far[1].end_offset = i64::from(i32::MAX) + 1;
    far[2].base_offset = far[1].end_offset;
    far[2].end_offset = far[1].end_offset + 100;
    assert_eq!(group_segments(&far, &config()), [2, 1]);
    far[2].log_bytes = 0;
    assert_eq!(group_segments(&far, &config()), [3], "no batch lies there");
}
