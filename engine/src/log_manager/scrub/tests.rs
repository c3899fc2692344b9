//! The scrub finds damage where it is, takes nothing else for damage, and keeps to its rate.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ringbrook_record::{BatchBuilder, Codec, Header};
use uuid::Uuid;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::compaction::{OffsetMap, Stopped as CleanStopped};
use crate::config::{CleanupPolicy, LogConfig};
use crate::io::SimDisk;
use crate::log::{AppendContext, Origin};
use crate::log_dirs::LogDirs;
use crate::log_manager::LogManagerOptions;
use crate::segment::FileKind;

const NO_HEADERS: [Header<'static>; 0] = [];
const NO_LIMIT: u64 = u64::MAX >> 1;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 3000,
        index_interval_bytes: 300,
        file_delete_delay_ms: 10,
        ..LogConfig::default()
    }
}

fn open(disk: &SimDisk) -> (Arc<LogManager<SimDisk>>, Arc<ManualClock>) {
    let dirs = LogDirs::open(disk, &["/a".into()], 1, None).unwrap();
    let clock = Arc::new(ManualClock::new(1000));
    let options = LogManagerOptions::default();
    let opened = LogManager::open(disk.clone(), dirs, options, clock.clone(), &|_| config());
    (opened.unwrap().0, clock)
}

fn create(manager: &LogManager<SimDisk>, topic: &str, config: LogConfig) -> Log {
    let id = Uuid::from_u128(5);
    manager.create_log(topic, 0, id, config).unwrap()
}

type Log = Arc<PartitionLog<SimDisk>>;

fn records(key: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new();
    let value = [7; 100];
    builder
        .append(1000, Some(key), Some(&value), NO_HEADERS)
        .unwrap();
    builder.finish(Codec::None, None).unwrap().freeze()
}

fn append(log: &Log, key: &[u8]) {
    let ctx = AppendContext {
        leader_epoch: 0,
        origin: Origin::Client,
        now_ms: 1000,
    };
    let appended = log.append(records(key), ctx).unwrap();
    if let Some(drain) = appended.drain {
        drain.run_blocking();
    }
    log.advance_high_watermark(i64::MAX);
}

/// A log of 100 batches in several segments, and the size of each batch.
fn filled(manager: &LogManager<SimDisk>, topic: &str) -> (Log, u64) {
    let log = create(manager, topic, config());
    (0..100).for_each(|_| append(&log, b"key"));
    assert!(4 < log.segments_count());
    (log, records(b"key").len() as u64)
}

fn flip(disk: &SimDisk, path: &Path, position: u64) {
    let file = disk.open(path).unwrap();
    let mut byte = [0];
    disk.read_at(&file, &mut byte, position).unwrap();
    disk.write_all_at(&file, &[byte[0] ^ 4], position).unwrap();
}

#[test]
fn a_flipped_bit_is_reported_once_by_file_position_and_offset() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let (_whole, _) = filled(&manager, "whole");
    let (log, batch_bytes) = filled(&manager, "damaged");
    let second = SegmentCheck::of(&log, 1).unwrap().base_offset();
    let path = log.path_of(second, FileKind::Log);
    flip(&disk, &path, 3 * batch_bytes + 100);
    manager.scrub_once(NO_LIMIT);
    manager.scrub_once(NO_LIMIT);
    let report = manager.scrub_report();
    let [damage] = &report.damages[..] else {
        panic!("{report:?}")
    };
    assert_eq!(damage.file, path);
    assert_eq!(damage.position, 3 * batch_bytes);
    assert_eq!(damage.offset, second + 3);
    assert!(damage.problem.starts_with("crc is"), "{damage:?}");
    assert_eq!((report.damages_count, report.rounds), (1, 2));
    assert!(!log.is_offline(), "what is intact is served on");
}

#[test]
fn every_flipped_bit_of_a_cold_segment_is_found() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let (log, batch_bytes) = filled(&manager, "t");
    let path = log.path_of(0, FileKind::Log);
    // Each byte of a batch but its leader epoch, which nothing covers.
    let position = 2 * batch_bytes;
    for byte in (0..batch_bytes).filter(|byte| !(12..16).contains(byte)) {
        flip(&disk, &path, position + byte);
        let mut pace = unlimited();
        let findings = SegmentCheck::of(&log, 0).unwrap().run(&mut pace).unwrap();
        // A base offset has no checksum: the batch after it, or the index, tells.
        let is_here = |finding: &Finding| {
            finding.kind == FileKind::OffsetIndex
                || [position, position + batch_bytes].contains(&finding.position)
        };
        assert!(
            (1..=2).contains(&findings.len()) && findings.iter().all(is_here),
            "byte {byte}: {findings:?}"
        );
        flip(&disk, &path, position + byte);
    }
    let mut pace = unlimited();
    let findings = SegmentCheck::of(&log, 0).unwrap().run(&mut pace).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

fn unlimited() -> Pace<'static> {
    Pace {
        throttle: Throttle::default(),
        bytes_per_s: NO_LIMIT,
        now: &|| Duration::ZERO,
        pause: &|_| Ok(()),
    }
}

#[test]
fn index_entries_that_point_at_no_batch_are_reported() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let (log, _) = filled(&manager, "t");
    let path = log.path_of(0, FileKind::OffsetIndex);
    // The lowest byte of the second entry's position.
    flip(&disk, &path, 15);
    let times = log.path_of(0, FileKind::TimeIndex);
    let file = disk.open(&times).unwrap();
    let end = disk.file_bytes(&file).unwrap();
    disk.write_all_at(&file, &[0; 12], end).unwrap();
    manager.scrub_once(NO_LIMIT);
    let places: Vec<_> = manager
        .scrub_report()
        .damages
        .into_iter()
        .map(|damage| (damage.file, damage.position))
        .collect();
    assert_eq!(places, [(path, 8), (times, end)]);
}

#[test]
fn a_missing_segment_file_is_reported() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let (log, _) = filled(&manager, "t");
    log.close_idle_files();
    log.close_idle_files();
    let path = log.path_of(0, FileKind::Log);
    disk.remove_file(&path).unwrap();
    manager.scrub_once(NO_LIMIT);
    let report = manager.scrub_report();
    assert_eq!(report.damages_count, 1);
    assert_eq!(report.damages[0].file, path);
}

#[test]
fn a_stopped_round_goes_on_where_it_was() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let (log, _) = filled(&manager, "t");
    let segments = log.segments_count() as u64;
    let steps = Cell::new(0);
    // Each segment is one read, before which it is asked once whether to go on.
    let stop_at_fourth = |_| {
        steps.set(steps.get() + 1);
        if steps.get() == 4 {
            Err(Stopped)
        } else {
            Ok(())
        }
    };
    assert!(manager.scrub_round(NO_LIMIT, &stop_at_fourth).is_err());
    assert_eq!(manager.scrub_report().segments, 3);
    manager.scrub_round(NO_LIMIT, &|_| Ok(())).unwrap();
    let report = manager.scrub_report();
    assert_eq!((report.segments, report.rounds), (segments, 1));
}

#[test]
fn reads_keep_to_their_rate() {
    let disk = SimDisk::new(1);
    let (manager, clock) = open(&disk);
    (0..5).for_each(|n| drop(filled(&manager, &format!("t{n}"))));
    let begun = clock.monotonic();
    let pause = |time: Duration| {
        // The clock has milliseconds, and waking up late is ordinary.
        if !time.is_zero() {
            clock.advance(time + Duration::from_millis(1));
        }
        Ok(())
    };
    manager.scrub_round(1000, &pause).unwrap();
    let elapsed_s = (clock.monotonic() - begun).as_secs();
    let bytes = manager.scrub_report().bytes;
    assert!(20_000 < bytes, "{bytes}");
    // The last read is not waited for.
    let least_s = (bytes - 3000) / 1000;
    assert!(least_s <= elapsed_s, "{bytes} bytes in {elapsed_s} s");
    assert!(
        elapsed_s <= bytes / 1000 + 1,
        "{bytes} bytes in {elapsed_s} s"
    );
}

#[test]
fn a_shutdown_ends_the_thread_at_once() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    filled(&manager, "t");
    let options = ScrubOptions {
        interval: Duration::from_secs(86_400),
        bytes_per_s: 1,
    };
    manager.start_scrub(options).unwrap();
    manager.shutdown().unwrap();
    assert!(!lock(&manager.scrub.state).is_running);
    manager.start_scrub(options).unwrap();
    assert!(!lock(&manager.scrub.state).is_running, "it stays stopped");
}

/// Runs its action again and again while the scrub goes round.
fn repeat<'a>(
    scope: &'a std::thread::Scope<'a, '_>,
    is_done: &'a AtomicBool,
    mut action: impl FnMut(u32) + Send + 'a,
) {
    scope.spawn(move || {
        let mut n = 0;
        while !is_done.load(Ordering::Relaxed) {
            action(n);
            n = n.wrapping_add(1);
        }
    });
}

#[test]
fn intact_logs_are_never_reported_while_they_change() {
    let disk = SimDisk::new(1);
    let (manager, clock) = open(&disk);
    let retained = create(
        &manager,
        "retained",
        LogConfig {
            retention_bytes: 12_000,
            ..config()
        },
    );
    let compacted_config = LogConfig {
        cleanup_policy: CleanupPolicy {
            delete: false,
            compact: true,
        },
        ..config()
    };
    let compacted = create(&manager, "compacted", compacted_config);
    create(&manager, "deleted", config());
    let is_done = AtomicBool::new(false);
    let cleaned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        repeat(scope, &is_done, |n| {
            append(&retained, b"key");
            append(&compacted, &(n % 40).to_be_bytes());
        });
        repeat(scope, &is_done, |_| {
            manager.run_retention();
            clock.advance(Duration::from_millis(20));
            manager.run_background();
        });
        repeat(scope, &is_done, |_| {
            let mut map = OffsetMap::new(24 * 1000, 0.9);
            let todo = compacted.cleanability(None, clock.now_ms()).unwrap();
            let report = compacted.clean(&todo, &mut map, &Unlimited, clock.now_ms());
            let report = report.unwrap();
            for path in report.renamed {
                disk.remove_file_if_present(&path).unwrap();
            }
            cleaned.store(true, Ordering::Relaxed);
        });
        repeat(scope, &is_done, |n| match manager.log("deleted", 0) {
            Some(log) if n % 64 != 63 => append(&log, b"key"),
            Some(_) => manager.delete_log("deleted", 0).unwrap(),
            None => drop(create(&manager, "deleted", config())),
        });
        let mut rounds = 0;
        while rounds < 50 || !cleaned.load(Ordering::Relaxed) {
            manager.scrub_once(NO_LIMIT);
            rounds += 1;
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let report = manager.scrub_report();
    assert_eq!(report.damages, []);
    assert!(100 < report.segments, "{report:?}");
}

struct Unlimited;

impl crate::compaction::Pace for Unlimited {
    fn spend(&self, _: u64) -> Result<(), CleanStopped> {
        Ok(())
    }
}
