//! Power cuts at any changing operation, several in a row, with torn and lost writes. What was
//! acknowledged as durable is there afterwards; what is there was appended, in that order.

use std::sync::Arc;

use super::support::*;
use crate::config::LogConfig;
use crate::io::{Disk, Fault, SimDisk, block_on_ready};
use crate::log::open::OpenHints;
use crate::log::{AppendContext, PartitionLog};

/// A small seeded generator, so that a failing seed can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % limit
    }
}

/// What the test knows of the log.
#[derive(Default)]
struct Known {
    /// By offset: everything that was handed to the log, `None` for what a crash took.
    appended: Vec<Option<Vec<u8>>>,
    /// Batches whose publication was seen.
    published: usize,
    sequence: i32,
    epoch: i32,
}

type Log = Arc<PartitionLog<SimDisk>>;

fn config(random: &mut Random, flush_before_ack: bool) -> LogConfig {
    LogConfig {
        segment_bytes: 900,
        index_interval_bytes: 100,
        flush_before_ack,
        recovery_unflushed_bytes_max: 200 + random.below(1000),
        flush_messages: if random.below(2) == 0 { 5 } else { i64::MAX },
        ..LogConfig::default()
    }
}

/// Appends until the machine goes off or the work is done.
fn work(log: &Log, random: &mut Random, known: &mut Known) {
    for _ in 0..30 {
        if random.below(8) == 0 {
            known.epoch += 1;
        }
        let bytes = usize::try_from(random.below(200)).unwrap();
        let records = match random.below(6) {
            0 => transactional(5, 0, 0, 1),
            1 => marker(5, 0, random.below(2) == 0),
            2 => batch(1, bytes),
            _ => {
                known.sequence += 1;
                produced(9, 0, known.sequence - 1, 1, bytes)
            }
        };
        let origin = if records[22] & 0x20 == 0 {
            client()
        } else {
            coordinator()
        };
        let ctx = AppendContext {
            leader_epoch: known.epoch,
            ..origin
        };
        // A repeated transactional batch is a duplicate or out of order: not appended.
        let Ok(appended) = log.append(records.clone(), ctx) else {
            continue;
        };
        if !appended.is_duplicate {
            known.appended.push(Some(records[16..].to_vec()));
        }
        if let Some(drain) = appended.drain
            && random.below(3) != 0
        {
            // The simulated disk's operations are ready at once on this road, too.
            block_on_ready(drain.run());
        }
        log.advance_high_watermark(i64::MAX);
        if random.below(10) == 0 {
            // A failed flush shows in what is published afterwards.
            drop(log.flush(0));
        }
        known.published = count(log.offsets().log_end, known);
    }
}

/// All batches here have one record, so offsets count batches.
fn count(log_end: i64, known: &Known) -> usize {
    let count = usize::try_from(log_end).unwrap();
    assert!(count <= known.appended.len());
    count
}

/// What is left was appended at its offset, and what was durable is left. Without
/// `flush.before.ack` a segment may have lost its end while the next one is whole, as in Kafka.
fn check(log: &Log, known: &mut Known, must_have: usize, seed: u64) {
    let log_end = count(log.offsets().log_end, known);
    assert!(
        must_have <= log_end,
        "seed {seed}: {must_have} were durable, {log_end} left"
    );
    let mut left = vec![None; log_end];
    let stored = if left.is_empty() {
        Vec::new()
    } else {
        read_to_end(log)
    };
    for batch in ringbrook_record::Batches::new(&stored) {
        let batch = batch.unwrap();
        let offset = usize::try_from(batch.header.base_offset).unwrap();
        left[offset] = Some(batch.bytes[16..].to_vec());
        assert_eq!(left[offset], known.appended[offset], "seed {seed}");
    }
    assert_eq!(
        left[..must_have],
        known.appended[..must_have],
        "seed {seed}"
    );
    known.appended = left;
    known.published = log_end;
}

fn read_to_end(log: &Log) -> Vec<u8> {
    let end = log.offsets().log_end;
    let (mut bytes, mut at) = (Vec::new(), 0);
    loop {
        let slice = log.read_blocking(at, 1 << 20, end, true).unwrap();
        let part = log.load_blocking(&slice).unwrap();
        let Some(last) = ringbrook_record::Batches::new(&part).last() else {
            return bytes;
        };
        at = last.unwrap().header.last_offset() + 1;
        bytes.extend_from_slice(&part);
    }
}

fn crash_and_recover(seed: u64, flush_before_ack: bool) {
    let mut random = Random(seed);
    let config = config(&mut random, flush_before_ack);
    let mut disk = SimDisk::new(seed);
    disk.fail_at(10 + random.below(120), Fault::PowerCut);
    let Ok(mut log) = try_create(&disk, config) else {
        return;
    };
    let mut known = Known::default();
    for generation in 0..4 {
        work(&log, &mut random, &mut known);
        let offsets = log.offsets();
        let must_have = count(offsets.flushed, &known);
        if flush_before_ack {
            assert_eq!(
                must_have, known.published,
                "seed {seed}: published means durable"
            );
        }
        disk = disk.restart();
        if random.below(3) == 0 {
            // The machine goes off again while the log is recovered.
            disk.fail_at(random.below(12), Fault::PowerCut);
            let with = OpenHints {
                recovery_point: offsets.recovery_point,
                ..hints(false)
            };
            drop(try_open(&disk, config, with));
            disk = disk.restart();
        }
        let with = OpenHints {
            recovery_point: offsets.recovery_point,
            ..hints(false)
        };
        log = open(&disk, config, with).0;
        check(&log, &mut known, must_have, seed);
        repeat_last(&log, &mut known, seed);
        disk.fail_at(disk.mutations() + random.below(150), Fault::PowerCut);
        assert!(generation < 4);
    }
}

/// The producer repeats its last batch: it is a duplicate if it survived, else it is appended.
fn repeat_last(log: &Log, known: &mut Known, seed: u64) {
    let survived = |sequence: i32| {
        known.appended.iter().flatten().any(|bytes| {
            bytes[27..35] == 9_i64.to_be_bytes() && bytes[37..41] == sequence.to_be_bytes()
        })
    };
    while 0 < known.sequence && !survived(known.sequence - 1) {
        known.sequence -= 1;
    }
    if known.sequence == 0 {
        return;
    }
    let stored = known.appended.iter().flatten().find(|bytes| {
        bytes[27..35] == 9_i64.to_be_bytes() && bytes[37..41] == (known.sequence - 1).to_be_bytes()
    });
    let mut again = vec![0; 16];
    again[8..12].copy_from_slice(
        &i32::try_from(stored.unwrap().len() + 4)
            .unwrap()
            .to_be_bytes(),
    );
    again.extend_from_slice(stored.unwrap());
    let result = append(log, &again.into(), client()).unwrap();
    assert!(
        result.is_duplicate,
        "seed {seed}: producer state survives with its batches"
    );
}

#[test]
fn durable_records_survive_power_cuts() {
    for seed in 0..250 {
        crash_and_recover(seed, true);
    }
}

#[test]
fn page_cache_semantics_lose_only_the_tail() {
    for seed in 0..250 {
        crash_and_recover(seed, false);
    }
}

/// The transaction index of a marker outlived it and told of an abort that did not happen.
#[test]
fn transaction_index_does_not_outlive_its_marker() {
    let config = LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    };
    for seed in 0..60 {
        let disk = SimDisk::new(seed);
        let log = create(&disk, config);
        append(&log, &transactional(5, 0, 0, 1), client()).unwrap();
        append(&log, &marker(5, 0, false), coordinator()).unwrap();
        let (log, _) = open(&disk.restart(), config, hints(false));
        let log_end = log.offsets().log_end;
        let aborted = log.aborted_transactions(0, i64::MAX).len();
        assert_eq!(aborted, usize::from(log_end == 2), "seed {seed}");
    }
}

/// A snapshot made when a segment began told of batches that a crash had taken from the segment
/// before: what the producer sent again was taken for a duplicate.
#[test]
fn producers_do_not_outlive_their_batches() {
    let config = LogConfig {
        flush_before_ack: false,
        segment_bytes: 500,
        ..LogConfig::default()
    };
    for seed in 0..60 {
        let disk = SimDisk::new(seed);
        let log = create(&disk, config);
        for sequence in 0..4 {
            append(&log, &produced(9, 0, sequence, 1, 300), client()).unwrap();
        }
        let mut disk = disk.restart();
        for _ in 0..2 {
            let (log, _) = open(&disk, config, hints(false));
            let stored = read_to_end(&log);
            let newest = ringbrook_record::Batches::new(&stored).last();
            let newest = newest.map_or(-1, |batch| batch.unwrap().header.last_sequence());
            let known = log.active_producers();
            let known = known.first().map_or(-1, |known| known.last_sequence);
            assert_eq!(known, newest, "seed {seed}");
            disk = disk.restart();
        }
    }
}

/// The open after a crash cuts a torn end off. What is acknowledged in the next segment must not
/// follow the torn end again when the machine goes off before the cut segment is synced.
#[test]
fn a_torn_end_that_was_cut_off_does_not_come_back() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let config = LogConfig {
            flush_before_ack: false,
            ..LogConfig::default()
        };
        let log = create(&disk, config);
        append(&log, &batch(1, 60), client()).unwrap();
        log.flush(0).unwrap();
        drop(log);
        let file = disk
            .open(&partition_dir().join("00000000000000000000.log"))
            .unwrap();
        let bytes = disk.file_bytes(&file).unwrap();
        disk.write_all_at(&file, &[7; 100], bytes).unwrap();
        disk.sync(&file).unwrap();
        drop(file);
        let hints = OpenHints {
            recovery_point: 1,
            ..hints(false)
        };
        let (log, report) = open(&disk, config, hints);
        assert_eq!((report.truncated_bytes, log.offsets().log_end), (100, 1));
        log.update_config(LogConfig {
            segment_bytes: 200,
            flush_before_ack: true,
            ..config
        });
        disk.defer_background(true);
        let appended = log.append(batch(1, 60), client()).unwrap();
        block_on_ready(appended.drain.unwrap().run());
        assert_eq!((log.segments_count(), log.offsets().flushed), (2, 2));
        drop(log);
        let (log, _) = open(&disk.restart(), config, hints);
        assert_eq!(log.offsets().log_end, 2, "seed {seed}");
    }
}
