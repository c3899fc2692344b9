//! Zeros ahead of small appends: they are there, are cut off again, and are never taken for
//! damage, nor damage for them.

use std::path::PathBuf;
use std::sync::Arc;

use super::support::*;
use crate::config::LogConfig;
use crate::io::{Disk, SimDisk, block_on_ready};
use crate::log::{AppendContext, PartitionLog};
use crate::segment::{FileKind, segment_file_name};

fn durable() -> LogConfig {
    LogConfig {
        flush_before_ack: true,
        ..LogConfig::default()
    }
}

fn page_cache() -> LogConfig {
    LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    }
}

fn append_some(log: &Arc<PartitionLog<SimDisk>>, count: usize) {
    for _ in 0..count {
        append(log, &batch(2, 100), client()).unwrap();
    }
}

fn append_thirty(log: &Arc<PartitionLog<SimDisk>>) {
    append_some(log, 30);
}

/// Appends as a ring's thread does. A disk that defers jobs runs them when the test says so.
fn append_on_ring(log: &Arc<PartitionLog<SimDisk>>, count: usize) {
    for _ in 0..count {
        let appended = log.append(batch(2, 100), client()).unwrap();
        block_on_ready(appended.drain.expect("nobody else writes").run());
    }
}

fn path(base_offset: i64) -> PathBuf {
    partition_dir().join(segment_file_name(base_offset, FileKind::Log))
}

fn file_bytes(disk: &SimDisk, base_offset: i64) -> u64 {
    disk.stat(&path(base_offset)).unwrap().bytes
}

#[test]
fn the_file_of_a_durable_log_is_longer_than_the_log_until_it_is_closed() {
    let disk = SimDisk::new(1);
    let log = create(&disk, durable());
    append_thirty(&log);
    let bytes = read_all(&log, 0).len() as u64;
    assert!(bytes < file_bytes(&disk, 0));
    let mut past_end = vec![0xff; 100];
    let file = disk.open(&path(0)).unwrap();
    let read = disk.read_at(&file, &mut past_end, bytes).unwrap();
    assert!(0 < read && past_end[..read].iter().all(|&byte| byte == 0));
    log.close(1000).unwrap();
    assert_eq!(file_bytes(&disk, 0), bytes);
}

/// Thousands of logs are closed at a time, and a sync is what takes long there.
#[test]
fn closing_a_log_with_zeros_syncs_no_more_than_closing_one_without() {
    let syncs_of_close = |count| {
        let disk = SimDisk::new(1);
        let log = create(&disk, durable());
        append_some(&log, count);
        let has_zeros = (read_all(&log, 0).len() as u64) < file_bytes(&disk, 0);
        let before = disk.sync_points().len();
        log.close(1000).unwrap();
        (has_zeros, disk.sync_points().len() - before)
    };
    let ((without, expected), (with, found)) = (syncs_of_close(1), syncs_of_close(2));
    assert!(!without && with, "only the second append brings zeros");
    assert_eq!(expected, found);
}

/// From the second of several that come fast on: a log may have one in its whole life.
#[test]
fn small_durable_appends_bring_their_first_zeros_along() {
    for (ms_between, has_zeros) in [(10, true), (10_000, false)] {
        let disk = SimDisk::new(1);
        let log = create(&disk, durable());
        let append_at = |ms| {
            let ctx = AppendContext {
                now_ms: ms,
                ..client()
            };
            append(&log, &batch(1, 10), ctx).unwrap();
            (read_all(&log, 0).len() as u64, file_bytes(&disk, 0))
        };
        let (bytes, of_file) = append_at(0);
        assert_eq!(bytes, of_file, "one append");
        let (bytes, of_file) = append_at(ms_between);
        assert_eq!(bytes < of_file, has_zeros, "{ms_between} ms");
        assert_eq!(
            disk.writes_before_sync(),
            0,
            "the batch was durable with them"
        );
        let is_overwriting = || {
            let segment = Arc::clone(log.lock().active());
            segment
                .zeroed_ahead()
                .barrier_for(&(bytes..bytes + 1))
                .is_some()
        };
        assert_eq!(is_overwriting(), has_zeros);
        let stored = read_all(&log, 0);
        let disk = disk.restart();
        let (log, report) = open(&disk, durable(), hints(false));
        assert_eq!((read_all(&log, 0), report.truncated_bytes), (stored, 0));
    }
}

/// A disk that knows it begins to write large ones at once.
#[test]
fn the_disk_is_told_that_the_sync_of_what_overwrites_zeros_comes_next() {
    let disk = SimDisk::new(1);
    let log = create(&disk, durable());
    append_on_ring(&log, 1);
    assert_eq!(
        disk.writes_before_sync(),
        0,
        "the first write is a durable one"
    );
    append_on_ring(&log, 29);
    let barrier = log
        .lock()
        .active()
        .zeroed_ahead()
        .barrier_for(&(8000..8001));
    assert!(barrier.is_some() && 0 < disk.writes_before_sync());
}

#[test]
fn what_may_be_lost_is_worth_zeros_where_it_comes_fast() {
    for (ms_between, has_zeros) in [(10, true), (10_000, false)] {
        let disk = SimDisk::new(1);
        let log = create(&disk, page_cache());
        for n in 0..30 {
            let ctx = AppendContext {
                now_ms: n * ms_between,
                ..client()
            };
            append(&log, &batch(2, 100), ctx).unwrap();
        }
        let bytes = read_all(&log, 0).len() as u64;
        assert_eq!(bytes < file_bytes(&disk, 0), has_zeros, "{ms_between} ms");
        log.close(1000).unwrap();
        assert_eq!(file_bytes(&disk, 0), bytes);
    }
}

#[test]
fn a_roll_to_the_page_cache_cuts_zeros_off() {
    let disk = SimDisk::new(1);
    let config = LogConfig {
        segment_bytes: 6000,
        ..page_cache()
    };
    let log = create(&disk, config);
    append_some(&log, 18);
    assert!((read_all(&log, 0).len() as u64) < file_bytes(&disk, 0));
    append_some(&log, 12);
    let stored = read_all(&log, 0);
    assert_eq!(log.segments_count(), 2);
    let second_bytes = log.lock().active().bytes();
    assert_eq!(file_bytes(&disk, 0) + second_bytes, stored.len() as u64);
    let (log, report) = open(&disk, config, hints(false));
    assert_eq!(report.truncated_bytes, 0);
    assert_eq!(read_all(&log, 0), stored);
}

#[test]
fn zeros_past_the_last_batch_are_no_loss_and_are_cut_off() {
    for config in [durable(), page_cache()] {
        let disk = SimDisk::new(1);
        let log = create(&disk, config);
        append_thirty(&log);
        let stored = read_all(&log, 0);
        assert!((stored.len() as u64) < file_bytes(&disk, 0));
        let (log, report) = open(&disk, config, hints(false));
        assert_eq!(report.truncated_bytes, 0);
        assert_eq!(read_all(&log, 0), stored);
        assert_eq!(file_bytes(&disk, 0), stored.len() as u64);
    }
}

/// The syncs of the batches make nothing durable but these.
#[test]
fn zeros_are_durable_before_batches_overwrite_them() {
    let disk = SimDisk::new(1);
    let log = create(&disk, durable());
    append_on_ring(&log, 100);
    let stored = read_all(&log, 0);
    assert!(
        log.lock()
            .active()
            .zeroed_ahead()
            .barrier_for(&(8000..8001))
            .is_some(),
        "many jobs have zeroed"
    );
    let disk = disk.restart();
    let (log, _) = open(&disk, durable(), hints(false));
    assert_eq!(read_all(&log, 0), stored);
}

/// Of a dir full of logs a few are zeroed at a time; the others go on as if there were no zeros.
#[test]
fn few_logs_of_a_dir_are_zeroed_at_a_time() {
    let disk = SimDisk::new(1);
    let log = create(&disk, durable());
    let permits: Vec<_> = std::iter::from_fn(|| log.health.begin_zeroing()).collect();
    append_thirty(&log);
    let (bytes, count) = (read_all(&log, 0).len() as u64, permits.len());
    assert_eq!(file_bytes(&disk, 0), bytes);
    drop(permits);
    append_thirty(&log);
    assert!(2 * bytes < file_bytes(&disk, 0));
    let free: Vec<_> = std::iter::from_fn(|| log.health.begin_zeroing()).collect();
    assert_eq!(free.len(), count, "jobs that ended give their right back");
}

/// A job holds up the syncs it meets: of one log they are to be few in a row, of many it is to
/// take few jobs.
#[test]
fn a_log_that_is_alone_is_zeroed_by_smaller_jobs() {
    let zeros_of_a_job = |is_alone: bool| {
        let disk = SimDisk::new(1);
        let log = create(&disk, durable());
        append_some(&log, 1);
        let before = read_all(&log, 0).len() as u64;
        assert_eq!(file_bytes(&disk, 0), before, "the segment is small");
        let _other = (!is_alone).then(|| log.health.writes().begin());
        append_some(&log, 1);
        file_bytes(&disk, 0) - read_all(&log, 0).len() as u64
    };
    let (alone, among_others) = (zeros_of_a_job(true), zeros_of_a_job(false));
    assert!(0 < alone && alone < among_others, "{alone}, {among_others}");
}

#[test]
fn large_writes_are_not_worth_zeros_and_less_so_those_of_large_batches() {
    let cases = [
        (1, 20_000, true),
        (1, 30_000, false),
        (3, 5_000, true),
        (8, 5_000, false),
        (40, 1_000, true),
        (80, 1_000, false),
    ];
    for (batches, value_bytes, has_zeros) in cases {
        let disk = SimDisk::new(1);
        let log = create(&disk, durable());
        let append = || log.append(batch(1, value_bytes), client()).unwrap().drain;
        let drain = append().expect("nobody else writes");
        for _ in 1..batches {
            assert!(append().is_none(), "one write takes them all");
        }
        block_on_ready(drain.run());
        let bytes = read_all(&log, 0).len() as u64;
        assert_eq!(
            bytes < file_bytes(&disk, 0),
            has_zeros,
            "{batches} batches with {value_bytes} bytes"
        );
    }
}

/// The appends of a log that gather behind its writes, and one that came alone.
#[test]
fn a_small_write_among_large_ones_is_not_worth_zeros() {
    let disk = SimDisk::new(1);
    let log = create(&disk, durable());
    for batches in [4, 4, 4, 1] {
        let append = || log.append(batch(1, 20_000), client()).unwrap().drain;
        let drain = append().expect("nobody else writes");
        for _ in 1..batches {
            assert!(append().is_none(), "one write takes them all");
        }
        block_on_ready(drain.run());
    }
    assert_eq!(read_all(&log, 0).len() as u64, file_bytes(&disk, 0));
}

/// A job that comes late finds batches where it was to zero.
#[test]
fn batches_are_not_zeroed_by_a_job_that_comes_late() {
    let disk = SimDisk::new(1);
    let log = create(&disk, durable());
    disk.defer_background(true);
    append_on_ring(&log, 30);
    let stored = read_all(&log, 0);
    assert_eq!(file_bytes(&disk, 0), stored.len() as u64, "no job has run");
    assert!(0 < disk.run_background_jobs(100));
    assert_eq!(read_all(&log, 0), stored);
    // The last of them were not started: those that were late had kept their right until now.
    append_on_ring(&log, 1);
    assert!(0 < disk.run_background_jobs(100));
    assert!(read_all(&log, 0).len() < usize::try_from(file_bytes(&disk, 0)).unwrap());
    assert!(read_all(&log, 0).starts_with(&stored));
}

/// So does one whose segment was removed, when another has its name.
#[test]
fn a_segment_that_took_the_name_of_another_is_not_zeroed() {
    let disk = SimDisk::new(1);
    let config = LogConfig {
        segment_bytes: 4000,
        ..durable()
    };
    let log = create(&disk, config);
    disk.defer_background(true);
    append_on_ring(&log, 17);
    let second = log.lock().segments[1].base_offset();
    log.truncate_to(second - 2).unwrap();
    append_on_ring(&log, 13);
    assert_eq!(log.lock().segments[1].base_offset(), second);
    let stored = read_all(&log, 0);
    assert!(0 < disk.run_background_jobs(100));
    assert_eq!(read_all(&log, 0), stored);
}

/// A log of several segments, and the base offset of the second.
fn rolled(disk: &SimDisk) -> (LogConfig, i64, i64) {
    let config = LogConfig {
        segment_bytes: 2000,
        ..durable()
    };
    let log = create(disk, config);
    append_thirty(&log);
    let second = log.lock().segments[1].base_offset();
    (config, second, log.offsets().log_end)
}

/// The end of a segment is durable before the next one has batches: of zeros behind it nobody can
/// tell in every case that no batch is missing.
#[test]
fn no_zeros_are_left_in_rolled_segments_when_the_power_goes() {
    let config = LogConfig {
        segment_bytes: 2000,
        ..durable()
    };
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let log = create(&disk, config);
        disk.defer_background(true);
        for count in [3, 1] {
            append_on_ring(&log, count);
            assert!(0 < disk.run_background_jobs(10), "the file gets its zeros");
        }
        assert_eq!(file_bytes(&disk, 0), 2000, "and has some when it is rolled");
        // The job that syncs rolled segments does not run any more.
        append_on_ring(&log, 8);
        let bytes = log.lock().segments[0].bytes();
        assert!(bytes < 2000 && log.lock().segments.len() == 2);
        let log_end = log.offsets().log_end;
        let disk = disk.restart();
        assert_eq!(file_bytes(&disk, 0), bytes, "seed {seed}");
        let (log, _) = open(&disk, config, hints(false));
        assert_eq!(log.offsets().log_end, log_end, "seed {seed}");
    }
}

/// As a crash in the middle of a recovery may leave them.
#[test]
fn zeros_behind_a_segment_that_is_whole_are_no_damage() {
    let disk = SimDisk::new(1);
    let (config, second, log_end) = rolled(&disk);
    let bytes = file_bytes(&disk, second);
    let file = disk.open(&path(second)).unwrap();
    disk.write_all_at(&file, &[0; 300], bytes).unwrap();
    let (log, report) = open(&disk, config, hints(false));
    assert_eq!(log.offsets().log_end, log_end);
    assert_eq!(report.truncated_bytes, 0);
    assert_eq!(file_bytes(&disk, second), bytes);
}

/// Kafka preallocates whole segments of them.
#[test]
fn more_zeros_than_are_written_ahead_are_not_read() {
    let disk = SimDisk::new(1);
    let log = create(&disk, durable());
    append_thirty(&log);
    log.close(1000).unwrap();
    let (bytes, zeros) = (file_bytes(&disk, 0), 100_000);
    let file = disk.open(&path(0)).unwrap();
    disk.set_len(&file, bytes + zeros).unwrap();
    let (log, report) = open(&disk, durable(), hints(false));
    assert_eq!(log.offsets().log_end, 60);
    assert_eq!(report.truncated_bytes, zeros);
    assert_eq!(file_bytes(&disk, 0), bytes);
}

#[test]
fn zeros_instead_of_the_last_batch_of_a_rolled_segment_are_damage() {
    let disk = SimDisk::new(1);
    let (config, second, log_end) = rolled(&disk);
    let size = batch(2, 100).len();
    let at = file_bytes(&disk, second) - size as u64;
    let file = disk.open(&path(second)).unwrap();
    disk.write_all_at(&file, &vec![0; size], at).unwrap();
    let (log, report) = open(&disk, config, hints(false));
    assert!(log.offsets().log_end < log_end);
    assert!(0 < report.truncated_bytes);
}
