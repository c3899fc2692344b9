//! An unclean open walks only what is above the recovery point, which follows the log end inside
//! the active segment; and finds the same as a walk of everything.

use std::sync::Arc;

use proptest::prelude::*;

use super::support::*;
use crate::config::LogConfig;
use crate::io::{Disk, SimDisk, block_on_ready};
use crate::log::open::OpenHints;
use crate::log::{AppendContext, OpenReport, PartitionLog};
use crate::segment::{CACHED_STEP_BYTES, FileKind, segment_file_name};

const BOUND: u64 = 4000;

fn bounded() -> LogConfig {
    LogConfig {
        segment_bytes: 1 << 30,
        index_interval_bytes: 300,
        recovery_unflushed_bytes_max: BOUND,
        ..LogConfig::default()
    }
}

fn crashed(log: &Arc<PartitionLog<SimDisk>>) -> OpenHints {
    OpenHints {
        recovery_point: log.offsets().recovery_point,
        high_watermark: i64::MAX,
        ..hints(false)
    }
}

/// Everything about a log that an open has to bring back.
#[derive(Debug, PartialEq)]
struct Contents {
    log_end: i64,
    last_stable: i64,
    /// Size and checksum.
    batches: (usize, u32),
    producers: Vec<String>,
    epochs: Vec<String>,
    aborted: Vec<String>,
    offset_index: Vec<u8>,
    time_index: Vec<u8>,
    txn_index: Vec<u8>,
    largest: String,
}

fn contents(disk: &SimDisk, log: &Arc<PartitionLog<SimDisk>>) -> Contents {
    let offsets = log.offsets();
    let mut producers: Vec<String> = log
        .active_producers()
        .iter()
        .map(|producer| format!("{producer:?}"))
        .collect();
    producers.sort();
    let files = |kind| {
        let bases = log
            .lock()
            .segments
            .iter()
            .map(|s| s.base_offset())
            .collect::<Vec<_>>();
        let mut all = Vec::new();
        for base in bases {
            let path = partition_dir().join(segment_file_name(base, kind));
            all.extend(disk.read_file(&path, 1 << 20).unwrap().unwrap_or_default());
        }
        all
    };
    Contents {
        log_end: offsets.log_end,
        last_stable: offsets.last_stable,
        batches: {
            let stored = read_all(log, offsets.log_start);
            (stored.len(), crc32c::crc32c(&stored))
        },
        producers,
        epochs: (0..20)
            .map(|epoch| format!("{:?}", log.end_offset_for_epoch(epoch)))
            .collect(),
        aborted: log
            .aborted_transactions(0, i64::MAX)
            .iter()
            .map(|aborted| format!("{aborted:?}"))
            .collect(),
        offset_index: files(FileKind::OffsetIndex),
        time_index: files(FileKind::TimeIndex),
        txn_index: files(FileKind::TxnIndex),
        largest: {
            let state = log.lock();
            let tail = &state.tail;
            format!("{} {}", tail.max_timestamp, tail.max_timestamp_offset)
        },
    }
}

fn bounded_and_whole(
    disk: &SimDisk,
    config: LogConfig,
    with: OpenHints,
) -> (Contents, Contents, OpenReport) {
    let disk = disk.restart();
    // Nothing is pending on it, so its copies are equal.
    let (first, second) = (disk.restart(), disk.restart());
    let (log, report) = open(&first, config, with);
    let bounded = contents(&first, &log);
    let whole = OpenHints {
        recovery_point: 0,
        ..with
    };
    let (log, _) = open(&second, config, whole);
    (bounded, contents(&second, &log), report)
}

#[test]
fn an_unclean_open_walks_at_most_the_bound() {
    for (flush_before_ack, flush_messages) in [(true, i64::MAX), (false, i64::MAX), (false, 7)] {
        let config = LogConfig {
            flush_before_ack,
            flush_messages,
            ..bounded()
        };
        // The longest log is more than twenty times as long as the bound.
        for batches in (1..300).step_by(13) {
            let disk = SimDisk::new(1);
            let log = create(&disk, config);
            let batch_bytes = produced(7, 0, 0, 2, 100).len() as u64;
            for n in 0..batches {
                append(&log, &produced(7, 0, n * 2, 2, 100), client()).unwrap();
            }
            assert_eq!(log.segments_count(), 1);
            let (bounded, whole, report) = bounded_and_whole(&disk, config, crashed(&log));
            assert_eq!(bounded, whole);
            let walked_max = BOUND / 2 + batch_bytes + CACHED_STEP_BYTES;
            assert!(report.walked_bytes <= walked_max, "{report:?}");
        }
    }
}

/// While a mark waits to be made durable, appends go on: the other half of the bound is theirs.
#[test]
fn appends_do_not_wait_for_the_recovery_point() {
    let disk = SimDisk::new(1);
    // Durable appends would have zeroes written ahead of them, which is a job as well.
    let config = LogConfig {
        flush_before_ack: false,
        ..bounded()
    };
    let log = create(&disk, config);
    disk.defer_background(true);
    let append = || {
        let appended = log.append(batch(2, 100), client()).unwrap();
        if let Some(drain) = appended.drain {
            block_on_ready(drain.run());
        }
    };
    (0..30).for_each(|_| append());
    assert_eq!(log.offsets().recovery_point, 0);
    assert_eq!(log.offsets().log_end, 60);
    assert_eq!(disk.run_background_jobs(10), 1, "one mark at a time");
    let first = log.offsets().recovery_point;
    assert!(0 < first && first < 60);
    append();
    assert_eq!(disk.run_background_jobs(10), 1);
    assert_eq!(log.offsets().recovery_point, 60);
}

fn marked(config: LogConfig) -> (SimDisk, Arc<PartitionLog<SimDisk>>) {
    let disk = SimDisk::new(3);
    let log = create(&disk, config);
    for n in 0..60 {
        let ctx = AppendContext {
            leader_epoch: n / 20,
            ..client()
        };
        append(&log, &produced(7, 0, n * 2, 2, 100), ctx).unwrap();
    }
    assert!(0 < log.offsets().recovery_point);
    (disk, log)
}

fn path(base_offset: i64, kind: FileKind) -> std::path::PathBuf {
    partition_dir().join(segment_file_name(base_offset, kind))
}

#[test]
fn an_index_that_lost_its_end_is_not_trusted() {
    for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
        let (disk, log) = marked(bounded());
        let with = crashed(&log);
        let before = contents(&disk, &log);
        let file = disk.open(&path(0, kind)).unwrap();
        disk.set_len(&file, 12).unwrap();
        let (log, report) = open(&disk, bounded(), with);
        let after = contents(&disk, &log);
        assert_eq!(before.batches, after.batches);
        if kind == FileKind::OffsetIndex {
            assert_eq!(report.walked_bytes, log.size_bytes(), "all of it");
            assert_eq!(log.offsets().recovery_point, 0);
        }
        assert_eq!(before.largest, after.largest);
    }
}

#[test]
fn an_entry_that_points_elsewhere_is_not_trusted() {
    let (disk, log) = marked(bounded());
    let with = crashed(&log);
    let stored = read_all(&log, 0);
    let file = disk.open(&path(0, FileKind::OffsetIndex)).unwrap();
    // Before the recovery point, whatever entry the walk begins at.
    let bytes = disk.file_bytes(&file).unwrap();
    for entry in 0..bytes / 8 {
        let mut old = [0; 8];
        disk.read_at(&file, &mut old, entry * 8).unwrap();
        old[7] = old[7].wrapping_add(1);
        disk.write_all_at(&file, &old, entry * 8).unwrap();
    }
    let (log, report) = open(&disk, bounded(), with);
    assert_eq!(report.walked_bytes, log.size_bytes());
    assert_eq!(read_all(&log, 0), stored);
}

/// A reader of committed records would see those of the transactions that were lost.
#[test]
fn a_transaction_index_that_is_damaged_below_the_recovery_point_is_not_trusted() {
    let aborting = |disk: &SimDisk| {
        let log = create(disk, bounded());
        for n in 0..30 {
            append(&log, &transactional(7, 0, n, 1), client()).unwrap();
            append(&log, &marker(7, 0, false), coordinator()).unwrap();
        }
        log
    };
    // Of version, marker offset, and first offset.
    for byte in [1, 18, 10] {
        let disk = SimDisk::new(1);
        let log = aborting(&disk);
        let with = crashed(&log);
        let before = contents(&disk, &log);
        assert_eq!(before.aborted.len(), 30);
        let file = disk.open(&path(0, FileKind::TxnIndex)).unwrap();
        disk.write_all_at(&file, &[0x55], 3 * 34 + byte).unwrap();
        let (log, report) = open(&disk, bounded(), with);
        assert_eq!(report.walked_bytes, log.size_bytes(), "byte {byte}");
        assert_eq!(contents(&disk, &log).aborted, before.aborted, "byte {byte}");
    }
}

#[test]
fn a_recovery_point_that_is_no_batch_border_is_not_trusted() {
    let (disk, log) = marked(bounded());
    let (right, end) = (log.offsets().recovery_point, log.offsets().log_end);
    for recovery_point in [right + 1, end + 1, end + 2, i64::MAX] {
        let with = OpenHints {
            recovery_point,
            ..crashed(&log)
        };
        let (log, report) = open(&disk.restart(), bounded(), with);
        assert_eq!(report.walked_bytes, log.size_bytes(), "{recovery_point}");
        assert_eq!(log.offsets().log_end, end);
        assert_eq!(log.offsets().recovery_point, 0);
    }
}

#[test]
fn damage_right_at_the_recovery_point_is_cut_without_a_whole_walk() {
    let (disk, log) = marked(bounded());
    let with = crashed(&log);
    let place = log.lock().marks.reached();
    let file = disk.open(&path(0, FileKind::Log)).unwrap();
    let zeroes = vec![0; 5000];
    disk.write_all_at(&file, &zeroes, place.position).unwrap();
    let (log, report) = open(&disk, bounded(), with);
    assert_eq!(log.offsets().log_end, with.recovery_point);
    assert_eq!(log.offsets().recovery_point, with.recovery_point);
    assert_eq!(report.truncated_bytes, report.walked_bytes);
    assert_eq!(log.size_bytes(), place.position);
}

#[test]
fn producers_come_back_without_the_mark_s_snapshot() {
    let (disk, log) = marked(bounded());
    let with = crashed(&log);
    let snapshot = path(with.recovery_point, FileKind::Snapshot);
    assert!(disk.stat(&snapshot).is_ok(), "there is one");
    let before = contents(&disk, &log);
    disk.remove_file(&snapshot).unwrap();
    let (log, report) = open(&disk, bounded(), with);
    assert_eq!(contents(&disk, &log).producers, before.producers);
    assert!(report.walked_bytes <= BOUND);
}

fn snapshots(disk: &SimDisk) -> usize {
    let names = disk.list(&partition_dir()).unwrap();
    names
        .iter()
        .filter(|entry| entry.name.ends_with(".snapshot"))
        .count()
}

#[test]
fn snapshots_of_old_marks_are_removed() {
    let (disk, log) = marked(bounded());
    assert!(snapshots(&disk) <= 2, "{}", snapshots(&disk));
    let with = crashed(&log);
    let (log, _) = open(&disk, bounded(), with);
    for n in 60..120 {
        append(&log, &produced(7, 0, n * 2, 2, 100), client()).unwrap();
    }
    assert!(snapshots(&disk) <= 2, "those from before the restart, too");
    log.close(2000).unwrap();
    let (_, report) = open(&disk, bounded(), hints(true));
    assert_eq!(report.recovered_segments, 0);
    assert_eq!(snapshots(&disk), 1, "the one of the log end");
}

#[test]
fn an_idle_log_is_settled_and_then_nothing_is_walked() {
    let (disk, log) = marked(bounded());
    assert!(log.is_worth_settling());
    assert!(log.settle_recovery_point().is_some());
    assert!(
        log.settle_recovery_point().is_none(),
        "nothing is left to do"
    );
    let (log, report) = open(&disk, bounded(), crashed(&log));
    assert_eq!(report.walked_bytes, 0);
    // The next segment begins where the mark is.
    log.lock().is_roll_due = true;
    append(&log, &produced(7, 0, 120, 2, 100), client()).unwrap();
    assert_eq!(log.segments_count(), 2);
    append(&log, &produced(7, 0, 122, 2, 100), client()).unwrap();
    let (bounded_contents, whole, report) = bounded_and_whole(&disk, bounded(), crashed(&log));
    assert_eq!(bounded_contents, whole);
    assert!(0 < report.walked_bytes);
}

/// A clean stop right after the recovery point reached the end still finishes the segment.
#[test]
fn closing_a_settled_log_finishes_its_segment() {
    let disk = SimDisk::new(1);
    let log = create(&disk, bounded());
    append(&log, &timed(5000, 3), client()).unwrap();
    log.settle_recovery_point().unwrap();
    log.close(2000).unwrap();
    let (log, _) = open(&disk, bounded(), hints(true));
    assert_eq!(log.lock().tail.max_timestamp, 5002);
}

#[derive(Debug, Clone)]
enum Step {
    Produce { producer: i64, bytes: usize },
    Transact { producer: i64 },
    End { producer: i64, is_commit: bool },
    NewEpoch,
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_i64, 0..700_usize)
            .prop_map(|(producer, bytes)| Step::Produce { producer, bytes }),
        3 => (10..13_i64).prop_map(|producer| Step::Transact { producer }),
        2 => (10..13_i64, any::<bool>())
            .prop_map(|(producer, is_commit)| Step::End { producer, is_commit }),
        1 => Just(Step::NewEpoch),
        1 => Just(Step::Settle),
    ]
}

fn run(log: &Arc<PartitionLog<SimDisk>>, steps: &[Step], flush_every: usize) {
    let mut sequences = [0; 16];
    let mut leader_epoch = 0;
    for (n, step) in steps.iter().enumerate() {
        let time = 1000 + i64::try_from(n * 7919 % 5000).unwrap();
        let (records, origin) = match *step {
            Step::Produce { producer, bytes } => {
                let sequence = &mut sequences[usize::try_from(producer).unwrap()];
                *sequence += 1;
                let builder = ringbrook_record::BatchBuilder::new();
                let builder = builder.producer(producer, 0, *sequence - 1);
                (build(builder, 1, bytes, time), client())
            }
            Step::Transact { producer } => {
                let sequence = &mut sequences[usize::try_from(producer).unwrap()];
                *sequence += 1;
                (transactional(producer, 0, *sequence - 1, 1), client())
            }
            Step::End {
                producer,
                is_commit,
            } => (marker(producer, 0, is_commit), coordinator()),
            Step::NewEpoch => {
                leader_epoch += 1;
                continue;
            }
            Step::Settle => {
                log.settle_recovery_point();
                continue;
            }
        };
        let ctx = AppendContext {
            leader_epoch,
            ..origin
        };
        append(log, &records, ctx).unwrap();
        if n % flush_every == 0 {
            log.flush(0).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_bounded_open_equals_a_whole_recovery(
        steps in prop::collection::vec(step(), 1..150),
        seed in any::<u64>(),
        flush_before_ack in any::<bool>(),
        segment_bytes in prop_oneof![Just(1_u32 << 30), 2000..9000_u32],
        bound in 500..4000_u64,
        flush_every in 1..200_usize,
    ) {
        let config = LogConfig {
            flush_before_ack,
            segment_bytes,
            recovery_unflushed_bytes_max: bound,
            ..bounded()
        };
        let disk = SimDisk::new(seed);
        let log = create(&disk, config);
        run(&log, &steps, flush_every);
        let with = crashed(&log);
        let (bounded, whole, report) = bounded_and_whole(&disk, config, with);
        prop_assert!(with.recovery_point <= bounded.log_end, "what was flushed is there");
        prop_assert_eq!(bounded, whole);
        // A batch has at most 800 bytes here.
        let walked_max = bound / 2 + 2 * 800 + CACHED_STEP_BYTES;
        prop_assert!(report.walked_bytes <= walked_max, "{:?}", report);
    }
}
