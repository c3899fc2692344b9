//! Tests of the arithmetic; timestamps are tested with a log.

use super::*;

/// Segments of 100 offsets and the given sizes; the last is active.
fn extents(bytes: &[u64]) -> Vec<Extent> {
    let sizes = (0..).zip(bytes);
    sizes
        .map(|(n, &bytes)| Extent {
            base_offset: n * 100,
            end_offset: n * 100 + 100,
            bytes,
        })
        .collect()
}

#[test]
fn the_active_segment_is_never_cleaned() {
    let found = measure(&extents(&[1, 2, 4]), 0, 300);
    assert_eq!(found.first_uncleanable_offset, 200);
    assert_eq!((found.clean_bytes, found.cleanable_bytes), (0, 3));
    let found = measure(&extents(&[4]), 0, 100);
    assert_eq!(
        (found.first_uncleanable_offset, found.cleanable_bytes),
        (0, 0)
    );
    assert!(found.ratio().abs() < f64::EPSILON);
}

#[test]
fn the_segment_with_the_last_stable_offset_is_not_cleaned() {
    for (limit, end) in [(99, 0), (100, 100), (150, 100), (199, 100), (200, 200)] {
        let found = measure(&extents(&[1, 2, 4, 8]), 0, limit);
        assert_eq!(found.first_uncleanable_offset, end, "{limit}");
    }
}

#[test]
fn the_ratio_is_that_of_dirty_bytes_to_all_but_the_uncleanable() {
    let found = measure(&extents(&[3, 1, 100]), 100, 300);
    assert_eq!((found.clean_bytes, found.cleanable_bytes), (3, 1));
    assert!((found.ratio() - 0.25).abs() < f64::EPSILON);
}

#[test]
fn a_segment_that_is_clean_in_part_counts_as_both() {
    let found = measure(&extents(&[3, 2, 100]), 150, 300);
    assert_eq!((found.clean_bytes, found.cleanable_bytes), (5, 2));
}

#[test]
fn nothing_is_cleanable_when_the_stable_part_is_clean() {
    let found = measure(&extents(&[3, 2, 1, 100]), 150, 120);
    assert_eq!(found.first_uncleanable_offset, 100);
    assert_eq!(found.cleanable_bytes, 0);
    let found = measure(&extents(&[3, 2]), 200, 200);
    assert_eq!(
        (found.first_uncleanable_offset, found.cleanable_bytes),
        (100, 0)
    );
}
