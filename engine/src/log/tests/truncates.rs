//! Cutting the end off a log: against a model, against what recovery finds, and with the machine
//! going off at every operation.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::support::*;
use crate::clock::ManualClock;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::index::AbortedTransaction;
use crate::io::{Disk, Fault, SimDisk, block_on_ready};
use crate::log::{ActiveProducer, AppendContext, OpenHints, Origin, PartitionLog};
use crate::log_dirs::LogDirs;
use crate::log_manager::{LogManager, LogManagerOptions};
use crate::segment::{FileKind, segment_file_name};

type Log = Arc<PartitionLog<SimDisk>>;

fn config(flush_before_ack: bool) -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 100,
        flush_before_ack,
        ..LogConfig::default()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append { kind: u8, count: i32 },
    Truncate { percent: u8 },
    StartAt { ahead: i64 },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0_u8..6, 1_i32..4).prop_map(|(kind, count)| Step::Append { kind, count }),
        3 => (0_u8..=110).prop_map(|percent| Step::Truncate { percent }),
        1 => (0_i64..40).prop_map(|ahead| Step::StartAt { ahead }),
        1 => Just(Step::Reopen),
    ]
}

/// What must be the same whether the log was cut or found so by a recovery.
#[derive(Debug, PartialEq)]
struct Facts {
    log_end: i64,
    content: Vec<u8>,
    producers: Vec<ActiveProducer>,
    aborted: Vec<AbortedTransaction>,
    latest_epoch: Option<i32>,
    epochs: Vec<Option<i32>>,
}

fn facts(log: &Log) -> Facts {
    let offsets = log.offsets();
    let mut producers = log.active_producers();
    producers.sort_by_key(|producer| producer.producer_id);
    let range = offsets.log_start..offsets.log_end;
    Facts {
        log_end: offsets.log_end,
        content: read_all(log, offsets.log_start),
        producers,
        aborted: log.aborted_transactions(range.start, range.end),
        latest_epoch: log.latest_epoch(),
        epochs: range.map(|offset| log.epoch_of(offset)).collect(),
    }
}

struct Model {
    disk: SimDisk,
    log: Log,
    start: i64,
    /// Batches with their base and last offsets.
    batches: Vec<(i64, i64, Bytes)>,
    epoch: i32,
    sequence: i32,
}

impl Model {
    fn append(&mut self, kind: u8, count: i32) {
        self.epoch += i32::from(kind == 0);
        let (records, origin) = match kind {
            3 => (transactional(5, 0, 0, count), coordinator()),
            4 => (marker(5, 0, false), coordinator()),
            5 => {
                self.sequence += count;
                (
                    produced(9, 0, self.sequence - count, count, 40),
                    coordinator(),
                )
            }
            _ => (batch(count, 60), client()),
        };
        let ctx = AppendContext {
            leader_epoch: self.epoch,
            ..origin
        };
        let stored = append(&self.log, &records, ctx).unwrap();
        let range = (stored.base_offset, stored.last_offset);
        self.batches.push((range.0, range.1, records));
    }

    fn end(&self) -> i64 {
        self.log.offsets().log_end
    }

    fn truncate(&mut self, percent: u8) {
        let (start, end) = (self.start, self.end());
        let offset = start + (end - start) * i64::from(percent) / 100;
        self.log.truncate_to(offset).unwrap();
        let last = self.batches.iter().find(|(_, last, _)| offset <= *last);
        let expected = last.map_or(end.min(offset), |(first, ..)| offset.min(*first));
        self.batches.retain(|(_, last, _)| *last < offset);
        assert_eq!(self.end(), expected);
    }

    fn check(&self) {
        let offsets = self.log.offsets();
        assert!(offsets.high_watermark <= offsets.log_end);
        let stored = read_all(&self.log, self.start);
        let mut stored = ringbrook_record::Batches::new(&stored);
        for (first, last, records) in &self.batches {
            let found = stored.next().unwrap().unwrap();
            let range = (found.header.base_offset, found.header.last_offset());
            assert_eq!(range, (*first, *last));
            assert_eq!(found.bytes[21..], records[21..]);
        }
        assert!(stored.next().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cut_log_is_the_log_that_recovery_would_find(
        steps in prop::collection::vec(step(), 1..60),
        flush_before_ack: bool,
    ) {
        let disk = SimDisk::new(1);
        let config = config(flush_before_ack);
        let log = create(&disk, config);
        let mut model =
            Model { disk, log, start: 0, batches: Vec::new(), epoch: 0, sequence: 0 };
        for step in steps {
            match step {
                Step::Append { kind, count } => model.append(kind, count),
                Step::Truncate { percent } => model.truncate(percent),
                Step::StartAt { ahead } => {
                    let offset = model.start + ahead;
                    model.log.truncate_fully_and_start_at(offset).unwrap();
                    model.start = offset;
                    model.batches.clear();
                    prop_assert_eq!(model.log.offsets().log_start, offset);
                    prop_assert_eq!(model.end(), offset);
                }
                Step::Reopen => {
                    model.log.close(0).unwrap();
                    model.log = open(&model.disk, config, hints(true)).0;
                    model.log.advance_high_watermark(i64::MAX);
                }
            }
            model.check();
        }
        // The gap before a cut is not on disk.
        let last = model.batches.last().map_or(model.start, |(_, last, _)| last + 1);
        model.log.truncate_to(last).unwrap();
        let expected = facts(&model.log);
        model.log.flush(0).unwrap();
        let found = open(&model.disk.restart(), config, hints(false)).0;
        prop_assert_eq!(facts(&found), expected);
    }
}

fn manager(disk: &SimDisk, config: LogConfig) -> Result<Arc<LogManager<SimDisk>>, EngineError> {
    let dirs = LogDirs::open(disk, &[PathBuf::from(DATA_DIR)], 1, None)?;
    let clock = Arc::new(ManualClock::new(1000));
    let options = LogManagerOptions::default();
    let config_of = |_: &str| config;
    LogManager::open(disk.clone(), dirs, options, clock, &config_of).map(|(manager, _)| manager)
}

/// The numbers of the one-record batches, which their keys' places in the log are.
fn sizes(log: &Log) -> Vec<usize> {
    let start = log.offsets().log_start;
    let (content, _) = read_to_last_batch(log, start);
    let batches = ringbrook_record::Batches::new(&content);
    batches.map(|batch| batch.unwrap().bytes.len()).collect()
}

/// Fills a log, whose recovery point is checkpointed at its end; cuts it; appends other batches
/// without a sync past the old recovery point; and the machine goes off at operation `at`. Returns
/// whether it was before the end.
fn cut_with_power_cut(seed: u64, to: i64, at: u64, starts_over: bool) -> bool {
    let config = config(false);
    let disk = SimDisk::new(seed);
    let manager_then = manager(&disk, config).unwrap();
    let id = Uuid::from_u128(7);
    let log = manager_then.create_log("t", 0, id, config).unwrap();
    for _ in 0..20 {
        append(&log, &batch(1, 60), client()).unwrap();
    }
    log.flush(0).unwrap();
    manager_then.write_checkpoints().unwrap();
    let old = sizes(&log);
    disk.fail_at(disk.mutations() + at, Fault::PowerCut);
    let truncated = if starts_over {
        log.truncate_fully_and_start_at(to)
    } else {
        log.truncate_to(to)
    };
    let is_cut = truncated.is_ok();
    for _ in 0..12 {
        if let Ok(appended) = log.append(batch(1, 75), client())
            && let Some(drain) = appended.drain
        {
            drain.run_blocking();
        }
    }
    let is_off = log.is_offline();
    drop((log, manager_then));
    let disk = disk.restart();
    let log = manager(&disk, config).unwrap().log("t", 0).unwrap();
    let found = sizes(&log);
    let kept = if starts_over {
        0
    } else {
        usize::try_from(to).unwrap()
    };
    let new = batch(1, 75).len();
    let context = format!("seed {seed} to {to} at {at}: {found:?}");
    if is_cut {
        assert_eq!(found[..kept], old[..kept], "{context}");
        assert!(found[kept..].iter().all(|size| *size == new), "{context}");
    } else {
        // More than asked for may be left, in order; a log that starts over may be empty.
        assert!(
            found.len() <= old.len() && found[..] == old[..found.len()],
            "{context}"
        );
        assert!(starts_over || kept <= found.len(), "{context}");
    }
    is_off
}

#[test]
fn a_power_cut_at_every_operation_leaves_a_beginning_of_the_log() {
    for (to, starts_over) in [
        (0, false),
        (3, false),
        (10, false),
        (19, false),
        (7, true),
        (50, true),
    ] {
        let mut at = 0;
        loop {
            let mut is_off = false;
            for seed in 0..4 {
                is_off |= cut_with_power_cut(seed, to, at, starts_over);
            }
            at += 1;
            if !is_off {
                break;
            }
        }
        assert!(10 < at);
    }
}

/// A cut may leave the log end above the last batch, where its recovery point goes on a clean
/// shutdown, and the next start does not know of it: what is appended there is not on disk.
#[test]
fn batches_below_an_end_that_a_restart_forgot_are_not_trusted() {
    let config = config(false);
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let id = Uuid::from_u128(7);
        let first = manager(&disk, config).unwrap();
        let log = first.create_log("t", 0, id, config).unwrap();
        for _ in 0..5 {
            append(&log, &batch(1, 60), client()).unwrap();
        }
        let replica = AppendContext {
            origin: Origin::Replica,
            ..client()
        };
        let mut far = batch(1, 60).to_vec();
        far[..8].copy_from_slice(&40_i64.to_be_bytes());
        append(&log, &far.into(), replica).unwrap();
        log.truncate_to(30).unwrap();
        assert_eq!(log.offsets().log_end, 30);
        first.shutdown().unwrap();
        drop((log, first));
        let disk = disk.restart();
        let second = manager(&disk, config).unwrap();
        let log = second.log("t", 0).unwrap();
        let old = sizes(&log);
        assert_eq!((log.offsets().log_end, old.len()), (5, 5));
        disk.defer_background(true);
        for _ in 0..24 {
            let drain = log.append(batch(1, 75), client()).unwrap().drain.unwrap();
            block_on_ready(drain.run());
        }
        assert!(2 < log.segments_count() && log.offsets().log_end < 30);
        drop((log, second));
        let disk = disk.restart();
        let log = manager(&disk, config).unwrap().log("t", 0).unwrap();
        // Any of the new ones may be gone, but none is torn.
        let end = log.offsets().log_end;
        for at in 0..end {
            let slice = log.read_blocking(at, 1, end, true).unwrap();
            let part = log.load_blocking(&slice).unwrap();
            let is_old = at < 5;
            assert!(!is_old || !part.is_empty(), "seed {seed}: {at} is lost");
            for found in ringbrook_record::Batches::new(&part) {
                let found = found.unwrap();
                let crc = crc32c::crc32c(&found.bytes[21..]);
                assert_eq!(crc, found.header.crc, "seed {seed}: {at} is torn");
                assert!(!is_old || found.header.base_offset == at, "seed {seed}");
            }
        }
    }
}

#[test]
fn a_failed_operation_takes_the_dir_offline() {
    for at in 0..8 {
        let disk = SimDisk::new(at);
        let log = create(&disk, config(true));
        for _ in 0..20 {
            append(&log, &batch(1, 60), client()).unwrap();
        }
        disk.fail_at(disk.mutations() + at, Fault::Eio);
        assert!(log.truncate_to(3).is_err(), "operation {at}");
        assert!(log.is_offline());
    }
}

#[test]
fn a_closed_log_is_not_cut() {
    let disk = SimDisk::new(1);
    let log = create(&disk, config(true));
    append(&log, &batch(1, 60), client()).unwrap();
    log.close(0).unwrap();
    let result = log.truncate_to(0);
    assert!(matches!(result, Err(EngineError::LogGone { .. })));
    assert_eq!(log.offsets().log_end, 1);
}

fn one_segment() -> LogConfig {
    LogConfig {
        segment_bytes: 10_000,
        ..config(true)
    }
}

/// A log with an aborted transaction and batches behind it, all of it on disk, whose offset index
/// lost its entries: nothing of the segment is trusted.
fn with_aborted_and_no_index(seed: u64) -> (SimDisk, Log) {
    let disk = SimDisk::new(seed);
    let log = create(&disk, one_segment());
    append(&log, &transactional(5, 0, 0, 2), client()).unwrap();
    append(&log, &marker(5, 0, false), coordinator()).unwrap();
    for _ in 0..5 {
        append(&log, &batch(2, 100), client()).unwrap();
    }
    let segment = Arc::clone(&log.lock().segments[0]);
    log.write_indexes(&segment).unwrap();
    log.sync_segment(&segment).unwrap();
    disk.sync_dir(&partition_dir()).unwrap();
    let path = partition_dir().join(segment_file_name(0, FileKind::OffsetIndex));
    let index = disk.open(&path).unwrap();
    assert_ne!(disk.file_bytes(&index).unwrap(), 0);
    disk.set_len(&index, 0).unwrap();
    disk.sync(&index).unwrap();
    (disk, log)
}

#[test]
fn aborted_transactions_below_a_cut_are_kept_when_the_segment_is_not_trusted() {
    let (disk, log) = with_aborted_and_no_index(1);
    let expected = log.aborted_transactions(0, i64::MAX);
    assert_eq!(expected.len(), 1);
    log.truncate_to(9).unwrap();
    assert_eq!(log.aborted_transactions(0, i64::MAX), expected);
    let end = log.offsets().log_end;
    assert!(3 < end && end <= 9);
    let hints = OpenHints {
        recovery_point: end,
        ..hints(false)
    };
    let (log, _) = open(&disk, one_segment(), hints);
    assert_eq!(log.aborted_transactions(0, i64::MAX), expected);
    // Also when the transaction itself is cut off.
    log.truncate_to(1).unwrap();
    assert_eq!(log.aborted_transactions(0, i64::MAX), []);
}

#[test]
fn a_recovery_that_is_cut_off_leaves_aborted_transactions_to_the_next() {
    let mut cuts = 0;
    for at in 0.. {
        let (disk, log) = with_aborted_and_no_index(at);
        let expected = log.aborted_transactions(0, i64::MAX);
        let hints = OpenHints {
            recovery_point: log.offsets().log_end,
            ..hints(false)
        };
        disk.fail_at(disk.mutations() + at, Fault::PowerCut);
        let is_open = try_open(&disk, one_segment(), hints).is_ok();
        let (log, _) = open(&disk.restart(), one_segment(), hints);
        assert_eq!(
            log.aborted_transactions(0, i64::MAX),
            expected,
            "cut at {at}"
        );
        if is_open {
            break;
        }
        cuts += 1;
    }
    assert!(3 < cuts, "{cuts}");
}
