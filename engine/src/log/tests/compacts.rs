//! Rounds of compaction over a log: what is left, what a stop, damage or a full map does, and the
//! machine going off at every operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ringbrook_record::{
    Batch, BatchBuilder, BatchRewriter, Batches, Codec, NewHorizon, RecordBuffer, Rewritten,
};

use super::support::*;
use crate::compaction::{
    CleanError, CleanProblem, CleanReport, Cleanability, OffsetMap, Pace, Stopped,
};
use crate::config::{CleanupPolicy, LogConfig};
use crate::error::EngineError;
use crate::io::{Disk, Fault, SimDisk};
use crate::log::{AppendContext, Origin, PartitionLog};
use crate::segment::{FileKind, segment_file_name};

type Log = Arc<PartitionLog<SimDisk>>;

pub(super) const MAP_BYTES: usize = 24 * 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// As fast as it can.
pub(super) struct Unlimited;

impl Pace for Unlimited {
    fn spend(&self, _: u64) -> Result<(), Stopped> {
        Ok(())
    }
}

/// Stops at the n-th call.
struct StopAt(AtomicU64);

impl Pace for StopAt {
    fn spend(&self, bytes: u64) -> Result<(), Stopped> {
        assert!(0 < bytes);
        match self.0.fetch_sub(1, Ordering::Relaxed) {
            1 => Err(Stopped),
            _ => Ok(()),
        }
    }
}

pub(super) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 500,
        index_interval_bytes: 100,
        cleanup_policy: CleanupPolicy {
            delete: false,
            compact: true,
        },
        delete_retention_ms: DAY_MS,
        ..LogConfig::default()
    }
}

/// A batch of one record.
fn one(key: &str, value: Option<&str>) -> Bytes {
    keyed(BatchBuilder::new(), &[(key, value)], Codec::None)
}

pub(super) fn keyed(
    mut builder: BatchBuilder,
    records: &[(&str, Option<&str>)],
    codec: Codec,
) -> Bytes {
    for (key, value) in records {
        let value = value.map(str::as_bytes);
        builder
            .append(1000, Some(key.as_bytes()), value, NO_HEADERS)
            .unwrap();
    }
    builder.finish(codec, None).unwrap().freeze()
}

/// Begins a new segment with the next append.
pub(super) fn roll(log: &Log) {
    log.lock().is_roll_due = true;
}

pub(super) fn try_round(
    log: &Log,
    map: &mut OffsetMap,
    checkpoint: Option<i64>,
    pace: &dyn Pace,
    now_ms: i64,
) -> Result<CleanReport, CleanError> {
    let todo: Cleanability = log.cleanability(checkpoint, now_ms).unwrap();
    log.clean(&todo, map, pace, now_ms)
}

fn round(log: &Log, checkpoint: Option<i64>, now_ms: i64) -> CleanReport {
    let mut map = OffsetMap::new(MAP_BYTES, 0.9);
    let report = try_round(log, &mut map, checkpoint, &Unlimited, now_ms).unwrap();
    assert_eq!(map.keys_count(), 0, "its memory is given back");
    report
}

/// All batches of the log as they are stored.
pub(super) fn batches_of(log: &Log) -> Vec<Vec<u8>> {
    let offsets = log.offsets();
    let (mut at, mut found) = (offsets.log_start, Vec::new());
    loop {
        let slice = log
            .read_blocking(at, 1 << 20, offsets.log_end, true)
            .unwrap();
        let part = log.load_blocking(&slice).unwrap();
        if part.is_empty() {
            return found;
        }
        for batch in Batches::new(&part).map(Result::unwrap) {
            batch.verify_crc().unwrap();
            found.push(batch.bytes.to_vec());
            at = batch.header.last_offset() + 1;
        }
    }
}

/// Offset, key and value of every data record that is stored.
fn records_of(log: &Log) -> Vec<(i64, String, Option<String>)> {
    let mut buffer = RecordBuffer::new();
    let mut found = Vec::new();
    for bytes in batches_of(log) {
        let batch = Batch::parse(&bytes).unwrap();
        if batch.header.attributes.is_control() {
            continue;
        }
        for record in batch.records(&mut buffer, 1 << 20).unwrap() {
            let record = record.unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            found.push((
                batch.header.record_offset(record.offset_delta),
                record.key.map(text).unwrap(),
                record.value.map(text),
            ));
        }
    }
    found
}

fn keys_of(log: &Log) -> Vec<(i64, String)> {
    let records = records_of(log).into_iter();
    records.map(|(offset, key, _)| (offset, key)).collect()
}

fn expected(records: &[(i64, &str)]) -> Vec<(i64, String)> {
    let owned = records
        .iter()
        .map(|(offset, key)| (*offset, (*key).to_owned()));
    owned.collect()
}

/// Offsets 0 to 23 have the keys a, b, c, a, b, c ... in several segments; 24 is in the active one.
fn filled(disk: &SimDisk) -> Log {
    let log = create(disk, config());
    for n in 0..24 {
        let key = ["a", "b", "c"][n % 3];
        append(&log, &one(key, Some(&"v".repeat(40))), client()).unwrap();
    }
    roll(&log);
    append(&log, &one("a", Some("new")), client()).unwrap();
    assert!(4 < log.segments_count());
    log
}

#[test]
fn only_the_last_record_of_each_key_is_left_below_the_active_segment() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let before = log.offsets();
    let report = round(&log, None, 2000);
    assert_eq!(report.next_dirty_offset, 24);
    assert_eq!(
        (report.keys, report.records_before, report.records_after),
        (3, 24, 3)
    );
    assert_eq!((report.segments_before, report.segments_after), (6, 6));
    assert!(report.bytes_after < report.bytes_before / 4);
    let left = expected(&[(21, "a"), (22, "b"), (23, "c"), (24, "a")]);
    assert_eq!(keys_of(&log), left);
    let after = log.offsets();
    assert_eq!((after.log_start, after.log_end), (0, 25));
    assert_eq!(after.high_watermark, before.high_watermark);
    // A read in the gap begins with what follows it.
    let slice = log.read_blocking(1, 1, 25, true).unwrap();
    let bytes = log.load_blocking(&slice).unwrap();
    assert_eq!(Batch::parse(&bytes).unwrap().header.base_offset, 21);
    for is_clean in [true, false] {
        if is_clean {
            log.close(0).unwrap();
        }
        let log = open(&disk.restart(), config(), hints(is_clean)).0;
        assert_eq!(keys_of(&log), left, "is_clean {is_clean}");
        assert_eq!(log.offsets().log_end, 25);
    }
}

#[test]
fn later_rounds_join_small_segments_until_nothing_changes() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    round(&log, None, 2000);
    let left = keys_of(&log);
    let mut segments = log.segments_count();
    loop {
        let report = round(&log, Some(24), 2000);
        assert_eq!(report.next_dirty_offset, 24);
        assert_eq!(keys_of(&log), left);
        if report.renamed.is_empty() {
            break;
        }
        assert!(log.segments_count() < segments);
        segments = log.segments_count();
    }
    assert_eq!(segments, 2);
    assert_eq!(batches_of(&log).len(), 4, "no empty batch is left");
}

#[test]
fn a_round_over_what_is_clean_changes_the_clean_part_only_for_dirty_keys() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let report = round(&log, None, 2000);
    roll(&log);
    append(&log, &one("b", Some("newer")), client()).unwrap();
    let report = round(&log, Some(report.next_dirty_offset), 2000);
    assert_eq!(report.next_dirty_offset, 25);
    assert_eq!(report.keys, 1, "the dirty part holds one key");
    let left = expected(&[(22, "b"), (23, "c"), (24, "a"), (25, "b")]);
    assert_eq!(keys_of(&log), left);
}

#[test]
fn a_tombstone_is_seen_for_delete_retention_ms_after_the_round_that_met_it() {
    for codec in Codec::ALL {
        let disk = SimDisk::new(1);
        let log = create(&disk, config());
        append(&log, &one("gone", Some("v")), client()).unwrap();
        let records = [("kept", Some("v")), ("gone", None)];
        append(&log, &keyed(BatchBuilder::new(), &records, codec), client()).unwrap();
        append(&log, &one("other", Some("v")), client()).unwrap();
        roll(&log);
        append(&log, &one("end", Some("v")), client()).unwrap();
        let with = expected(&[(1, "kept"), (2, "gone"), (3, "other"), (4, "end")]);
        let without = expected(&[(1, "kept"), (3, "other"), (4, "end")]);
        let mut checkpoint = None;
        for (now_ms, left) in [
            (5000, &with),
            (5000 + DAY_MS - 1, &with),
            (5000 + DAY_MS, &without),
        ] {
            checkpoint = Some(round(&log, checkpoint, now_ms).next_dirty_offset);
            assert_eq!(&keys_of(&log), left, "{codec} at {now_ms}");
        }
    }
}

fn transaction(log: &Log, producer: i64, sequence: i32, keys: &[&str], is_commit: bool) {
    for (sequence, key) in (sequence..).zip(keys) {
        let builder = BatchBuilder::new()
            .producer(producer, 0, sequence)
            .transactional();
        let records = keyed(builder, &[(key, Some("in transaction"))], Codec::None);
        append(log, &records, client()).unwrap();
    }
    append(log, &marker(producer, 0, is_commit), coordinator()).unwrap();
}

fn controls_of(log: &Log) -> Vec<i64> {
    let batches = batches_of(log);
    let headers = batches
        .iter()
        .map(|bytes| Batch::parse(bytes).unwrap().header);
    let controls = headers.filter(|header| header.attributes.is_control());
    controls.map(|header| header.base_offset).collect()
}

#[test]
fn aborted_data_goes_at_once_and_its_marker_after_the_horizon() {
    let disk = SimDisk::new(1);
    let log = create(&disk, config());
    append(&log, &one("a", Some("first")), client()).unwrap();
    // Offsets 1 to 3 and 4 to 6; the producers go on, so nothing has to stay empty for them.
    transaction(&log, 7, 0, &["a", "b"], false);
    transaction(&log, 8, 0, &["b", "c"], true);
    roll(&log);
    transaction(&log, 7, 2, &["x"], true);
    transaction(&log, 8, 2, &["y"], true);
    assert_eq!(log.aborted_transactions(0, 100).len(), 1);
    let data = expected(&[(0, "a"), (4, "b"), (5, "c"), (7, "x"), (9, "y")]);
    let mut checkpoint = None;
    let mut at = |now_ms, controls: &[i64], aborted| {
        checkpoint = Some(round(&log, checkpoint, now_ms).next_dirty_offset);
        assert_eq!(keys_of(&log), data, "at {now_ms}");
        assert_eq!(controls_of(&log), controls, "at {now_ms}");
        assert_eq!(
            log.aborted_transactions(0, 100).len(),
            aborted,
            "at {now_ms}"
        );
    };
    at(5000, &[3, 6, 8, 10], 1);
    // The first round saw the aborted data, this one does not: the marker gets its horizon.
    at(6000, &[3, 6, 8, 10], 0);
    at(6000 + DAY_MS - 1, &[3, 6, 8, 10], 0);
    at(6000 + DAY_MS, &[6, 8, 10], 0);
}

#[test]
fn an_open_transaction_ends_the_cleanable_part() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let builder = BatchBuilder::new().producer(7, 0, 0).transactional();
    roll(&log);
    let opened = keyed(builder, &[("a", Some("open"))], Codec::None);
    let offset = append(&log, &opened, client()).unwrap().base_offset;
    for _ in 0..3 {
        roll(&log);
        append(&log, &one("b", Some("after")), client()).unwrap();
    }
    let todo = log.cleanability(None, 2000).unwrap();
    assert_eq!((offset, todo.first_uncleanable_offset), (25, 25));
    round(&log, None, 2000);
    let before = keys_of(&log);
    assert!(before.contains(&(24, "a".to_owned())), "not superseded yet");
    append(&log, &marker(7, 0, false), coordinator()).unwrap();
    roll(&log);
    append(&log, &one("end", Some("v")), client()).unwrap();
    round(&log, Some(25), 2000);
    let left = expected(&[(23, "c"), (24, "a"), (28, "b"), (30, "end")]);
    assert_eq!(keys_of(&log), left);
}

#[test]
fn a_small_map_takes_several_rounds() {
    let disk = SimDisk::new(1);
    let log = create(&disk, config());
    for n in 0..60 {
        append(&log, &one(&format!("key {}", n % 20), Some("v")), client()).unwrap();
    }
    roll(&log);
    append(&log, &one("end", Some("v")), client()).unwrap();
    let mut map = OffsetMap::new(24 * 9, 1.0);
    let (mut checkpoint, mut rounds) = (None, 0);
    loop {
        let report = try_round(&log, &mut map, checkpoint, &Unlimited, 2000).unwrap();
        assert!(checkpoint < Some(report.next_dirty_offset), "it goes on");
        assert!(report.keys <= 8);
        checkpoint = Some(report.next_dirty_offset);
        rounds += 1;
        // Of each key the last record is there at any time.
        let records = keys_of(&log);
        assert!((40..61).all(|offset| records.iter().any(|record| record.0 == offset)));
        if checkpoint == Some(60) {
            break;
        }
    }
    assert!(5 < rounds);
    assert_eq!(keys_of(&log).len(), 21);
}

#[test]
fn a_map_that_cannot_take_one_batch_is_an_error() {
    let disk = SimDisk::new(1);
    let log = create(&disk, config());
    let records = [("a", Some("1")), ("b", Some("1")), ("c", Some("1"))];
    append(
        &log,
        &keyed(BatchBuilder::new(), &records, Codec::None),
        client(),
    )
    .unwrap();
    roll(&log);
    append(&log, &one("end", Some("v")), client()).unwrap();
    let mut map = OffsetMap::new(24 * 3, 1.0);
    let error = try_round(&log, &mut map, None, &Unlimited, 2000).unwrap_err();
    let expected = CleanProblem::OffsetMapTooSmall {
        offset: 0,
        keys_max: 2,
    };
    assert_eq!(error.problem.to_string(), expected.to_string());
    assert!(!error.is_transient());
    assert_eq!(keys_of(&log).len(), 4);
}

#[test]
fn a_stop_leaves_a_sound_log_and_no_files() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let left = expected(&[(21, "a"), (22, "b"), (23, "c"), (24, "a")]);
    let mut stops = 0;
    for calls in 1.. {
        let mut map = OffsetMap::new(MAP_BYTES, 0.9);
        let pace = StopAt(AtomicU64::new(calls));
        let result = try_round(&log, &mut map, None, &pace, 2000);
        let names = disk.list(&partition_dir()).unwrap();
        let is_clean = |name: &str| !name.ends_with(".cleaned") && !name.ends_with(".swap");
        assert!(names.iter().all(|entry| is_clean(&entry.name)));
        let records = keys_of(&log);
        assert!(left.iter().all(|record| records.contains(record)));
        match result {
            Ok(_) => break,
            Err(error) => {
                assert!(matches!(error.problem, CleanProblem::Stopped(_)), "{error}");
                assert!(error.is_transient());
                stops += 1;
            }
        }
    }
    assert!(4 < stops);
    assert_eq!(keys_of(&log), left);
    assert!(!log.is_offline());
}

/// Flips a bit of the record bytes of the batch with `offset`.
fn damage(disk: &SimDisk, log: &Log, offset: i64) -> (std::path::PathBuf, u64) {
    let segment = {
        let state = log.lock();
        let index = state.segment_index(offset).unwrap();
        Arc::clone(&state.segments[index])
    };
    let path = partition_dir().join(segment_file_name(segment.base_offset(), FileKind::Log));
    let mut content = disk.read_file(&path, 1 << 20).unwrap().unwrap();
    let mut batches = Batches::new(&content);
    let mut position = 0;
    while batches.next().unwrap().unwrap().header.base_offset != offset {
        position = batches.position();
    }
    content[position + 70] ^= 1;
    let file = disk.open(&path).unwrap();
    disk.write_all_at(&file, &content, 0).unwrap();
    (path, position as u64)
}

#[test]
fn damage_is_named_and_leaves_the_log_as_it_was() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let (bytes, segments) = (log.size_bytes(), log.segments_count());
    let (path, position) = damage(&disk, &log, 9);
    let mut map = OffsetMap::new(MAP_BYTES, 0.9);
    let error = try_round(&log, &mut map, None, &Unlimited, 2000).unwrap_err();
    let CleanProblem::Damaged {
        path: named,
        position: at,
        ..
    } = &error.problem
    else {
        panic!("{error}");
    };
    assert_eq!((named, *at), (&path, position));
    assert!(!error.is_transient() && error.renamed.is_empty());
    assert_eq!((log.size_bytes(), log.segments_count()), (bytes, segments));
    assert!(!log.is_offline(), "a read that fails costs the round only");
}

#[test]
fn damage_in_the_clean_part_is_met_by_the_second_pass() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let (path, _) = damage(&disk, &log, 3);
    let mut map = OffsetMap::new(MAP_BYTES, 0.9);
    let error = try_round(&log, &mut map, Some(12), &Unlimited, 2000).unwrap_err();
    assert!(
        matches!(&error.problem, CleanProblem::Damaged { path: named, .. } if *named == path),
        "{error}"
    );
}

#[test]
fn a_full_disk_ends_the_round_and_a_failing_one_the_dir() {
    for (fault, is_transient) in [(Fault::Enospc, true), (Fault::Eio, false)] {
        let disk = SimDisk::new(1);
        let log = filled(&disk);
        // Three creations come first.
        disk.fail_at(disk.mutations() + 3, fault);
        let mut map = OffsetMap::new(MAP_BYTES, 0.9);
        let error = try_round(&log, &mut map, None, &Unlimited, 2000).unwrap_err();
        assert_eq!(error.is_transient(), is_transient, "{error}");
        assert_eq!(log.is_offline(), !is_transient);
    }
}

#[test]
fn a_round_for_a_log_that_changed_is_refused() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let todo = log.cleanability(None, 2000).unwrap();
    round(&log, None, 2000);
    round(&log, Some(24), 2000);
    let mut map = OffsetMap::new(MAP_BYTES, 0.9);
    let mut wrong = todo;
    wrong.first_uncleanable_offset = 10;
    let error = log.clean(&wrong, &mut map, &Unlimited, 2000).unwrap_err();
    assert!(
        matches!(
            error.problem,
            CleanProblem::Engine(EngineError::SegmentsChanged { .. })
        ),
        "{error}"
    );
    log.close(0).unwrap();
    let error = log.clean(&todo, &mut map, &Unlimited, 2000).unwrap_err();
    assert!(
        matches!(
            error.problem,
            CleanProblem::Engine(EngineError::LogGone { .. })
        ),
        "{error}"
    );
    assert!(error.is_transient());
}

#[test]
fn a_producers_last_sequence_survives_without_any_snapshot() {
    let disk = SimDisk::new(1);
    let log = create(&disk, config());
    for sequence in 0..10 {
        let builder = BatchBuilder::new().producer(7, 2, sequence);
        let records = keyed(builder, &[("a", Some("v"))], Codec::None);
        append(&log, &records, client()).unwrap();
    }
    for _ in 0..20 {
        append(&log, &one("a", Some("v")), client()).unwrap();
    }
    roll(&log);
    append(&log, &one("end", Some("v")), client()).unwrap();
    round(&log, None, 2000);
    assert_eq!(keys_of(&log), expected(&[(29, "a"), (30, "end")]));
    let disk = disk.restart();
    for entry in disk.list(&partition_dir()).unwrap() {
        if entry.name.ends_with(".snapshot") {
            disk.remove_file(&partition_dir().join(entry.name)).unwrap();
        }
    }
    let log = open(&disk, config(), hints(false)).0;
    let producers = log.active_producers();
    assert_eq!(producers.len(), 1);
    assert_eq!(
        (producers[0].producer_epoch, producers[0].last_sequence),
        (2, 9)
    );
    let next = BatchBuilder::new().producer(7, 2, 10);
    append(
        &log,
        &keyed(next, &[("a", Some("v"))], Codec::None),
        client(),
    )
    .unwrap();
}

#[test]
fn compaction_lags_hold_back_and_press() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    // All records have the timestamp 1000.
    let with = |min_ms, max_ms| LogConfig {
        min_compaction_lag_ms: min_ms,
        max_compaction_lag_ms: max_ms,
        ..config()
    };
    let at = |config: LogConfig, now_ms| {
        log.update_config(config);
        let found = log.cleanability(None, now_ms).unwrap();
        (found.first_uncleanable_offset, found.must_clean)
    };
    assert_eq!(at(with(0, i64::MAX), 1000), (24, false));
    assert_eq!(at(with(500, i64::MAX), 1499), (0, false), "too young");
    assert_eq!(at(with(500, i64::MAX), 1500), (24, false));
    assert_eq!(at(with(0, 500), 1500), (24, false));
    assert_eq!(at(with(0, 500), 1501), (24, true), "too old");
    assert_eq!(at(with(9000, 500), 1501), (0, false), "nothing to clean");
}

#[test]
fn checkpoints_outside_of_the_log_count_as_none() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    for (checkpoint, first) in [(None, 0), (Some(12), 12), (Some(25), 25), (Some(26), 0)] {
        let found = log.cleanability(checkpoint, 2000).unwrap();
        assert_eq!(found.first_dirty_offset, first);
    }
    log.advance_log_start_offset(10).unwrap();
    let found = log.cleanability(Some(9), 2000).unwrap();
    assert_eq!(found.first_dirty_offset, 10);
}

/// A tombstone whose delete horizon was set elsewhere.
fn tombstone_with_horizon(key: &str, offset: i64, horizon_ms: i64) -> Bytes {
    let bytes = one(key, None);
    let horizon = NewHorizon {
        time_ms: horizon_ms,
        is_due: true,
    };
    let mut rewriter = BatchRewriter::new();
    let batch = Batch::parse(&bytes).unwrap();
    let rewritten = rewriter.rewrite(&batch, horizon, 1000, |_| true).unwrap();
    let Rewritten::Changed { bytes, .. } = rewritten else {
        panic!("{rewritten:?}");
    };
    let mut bytes = bytes.to_vec();
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes.into()
}

/// A follower gets a tombstone after its leader's compaction, with a horizon that has passed, while
/// it still has the values from before. Its first round drops both at once, from several segments
/// into one. Names are durable in the order they are made, so a crash may bring back old segments
/// from the last one on, but never a value without the tombstone that comes after it.
#[test]
fn a_power_cut_at_every_operation_brings_no_deleted_value_back() {
    let prepare = |seed| {
        let disk = SimDisk::new(seed);
        let log = create(&disk, config());
        let pad = "v".repeat(60);
        for n in 0..18 {
            let key = if n < 6 { "kept" } else { "gone" };
            append(&log, &one(key, Some(&pad)), client()).unwrap();
        }
        roll(&log);
        let replica = AppendContext {
            origin: Origin::Replica,
            ..client()
        };
        append(&log, &tombstone_with_horizon("gone", 18, 1500), replica).unwrap();
        roll(&log);
        append(&log, &one("end", Some("v")), client()).unwrap();
        assert!(5 < log.segments_count());
        log.update_config(LogConfig {
            segment_bytes: 100_000,
            ..config()
        });
        (disk, log)
    };
    for cut in 0.. {
        let mut is_done = false;
        for seed in 0..40 {
            let (disk, log) = prepare(seed);
            disk.fail_at(disk.mutations() + cut, Fault::PowerCut);
            let mut map = OffsetMap::new(MAP_BYTES, 0.9);
            is_done = try_round(&log, &mut map, None, &Unlimited, 2000).is_ok();
            let log = open(&disk.restart(), config(), hints(false)).0;
            let records = records_of(&log);
            let latest = |key: &str| {
                let newest = records.iter().rev().find(|record| record.1 == key);
                newest.and_then(|record| record.2.clone())
            };
            assert_eq!(latest("gone"), None, "cut {cut} seed {seed}: {records:?}");
            assert!(latest("kept").is_some() && latest("end").is_some());
            assert_eq!(log.offsets().log_end, 20);
        }
        if is_done {
            break;
        }
    }
}
