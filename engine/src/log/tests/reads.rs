//! What reads cost: how often the disk is asked to find where a fetch begins.

use std::sync::Arc;

use super::support::*;
use crate::config::LogConfig;
use crate::io::SimDisk;
use crate::log::PartitionLog;

type Log = Arc<PartitionLog<SimDisk>>;

/// A log of rolled segments of one MiB with so many batches of about `value_bytes` bytes each.
fn rolled_log(batches: i64, value_bytes: usize) -> (SimDisk, Log) {
    let disk = SimDisk::new(1);
    let config = LogConfig {
        segment_bytes: 1 << 20,
        ..LogConfig::default()
    };
    let log = create(&disk, config);
    for _ in 0..batches {
        append(&log, &batch(1, value_bytes), client()).unwrap();
    }
    (disk, log)
}

/// Reads one batch after the other, and returns the reads of files that took.
fn reads_of_a_scan(disk: &SimDisk, log: &Log, batches: i64) -> u64 {
    let before = disk.reads();
    for offset in 0..batches {
        let slice = log.read_blocking(offset, 1, batches, true).unwrap();
        assert!(0 < slice.bytes, "offset {offset} was not found");
    }
    disk.reads() - before
}

#[test]
fn a_scan_of_large_batches_takes_one_header_read_for_each() {
    let (disk, log) = rolled_log(200, 16_000);
    assert_eq!(log.segments_count(), 4);
    // One page of an index for each of the three rolled segments.
    let reads = reads_of_a_scan(&disk, &log, 200);
    assert!(reads <= 200 + 3, "{reads} reads of 200 batches");
}

#[test]
fn a_scan_of_small_batches_takes_one_header_read_for_each() {
    let (disk, log) = rolled_log(4000, 400);
    assert_eq!(log.segments_count(), 2);
    // One page of an index for 256 entries.
    let reads = reads_of_a_scan(&disk, &log, 4000);
    assert!(reads <= 4000 + 2, "{reads} reads of 4000 batches");
}

#[test]
fn every_batch_is_found_at_its_own_position() {
    for value_bytes in [10, 900, 5000] {
        let (_disk, log) = rolled_log(700, value_bytes);
        let size = i64::try_from(batch(1, value_bytes).len()).unwrap();
        let per_segment = (1 << 20) / size;
        for offset in 0..700 {
            let slice = log.read_blocking(offset, 1, 700, true).unwrap();
            let expected = offset % per_segment * size;
            assert_eq!(
                slice.regions[0].position,
                expected.cast_unsigned(),
                "{offset}"
            );
        }
    }
}
