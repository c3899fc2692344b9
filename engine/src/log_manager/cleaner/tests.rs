//! Tests of the cleaner: what it picks, what it leaves alone, its checkpoint, its threads, and the
//! machine going off under it. What a round keeps is tested in `compaction`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use ringbrook_record::{BatchBuilder, Batches, Codec, Header, RecordBuffer};
use uuid::Uuid;

use super::budget::Budget;
use super::*;
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::compaction::{Pace, Stopped};
use crate::config::{CleanupPolicy, LogConfig};
use crate::error::EngineError;
use crate::io::{Fault, SimDisk};
use crate::log::{AppendContext, Origin};
use crate::log_dirs::LogDirs;
use crate::log_manager::LogManagerOptions;
use crate::segment::{FileKind, segment_file_name};

const NO_HEADERS: [Header<'static>; 0] = [];
const CHECKPOINT: &str = "/a/cleaner-offset-checkpoint";

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 600,
        retention_ms: -1,
        file_delete_delay_ms: 1000,
        cleanup_policy: CleanupPolicy {
            delete: false,
            compact: true,
        },
        ..LogConfig::default()
    }
}

type Manager = Arc<LogManager<SimDisk>>;
type Log = Arc<PartitionLog<SimDisk>>;

fn open_at(disk: &SimDisk, clock: Arc<dyn Clock>) -> Result<Manager, EngineError> {
    let dirs = LogDirs::open(disk, &[PathBuf::from("/a")], 1, None)?;
    let options = LogManagerOptions {
        cleaner: CleanerOptions {
            dedupe_buffer_bytes: 64 << 10,
            backoff: Duration::from_millis(50),
            ..CleanerOptions::default()
        },
        ..LogManagerOptions::default()
    };
    let config_of = |_: &str| config();
    let (manager, _) = LogManager::open(disk.clone(), dirs, options, clock, &config_of)?;
    Ok(manager)
}

fn open(disk: &SimDisk) -> (Manager, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_000_000));
    (open_at(disk, clock.clone()).unwrap(), clock)
}

fn create(manager: &Manager, topic: &str, config: LogConfig) -> Log {
    let id = Uuid::from_u128(5);
    manager.create_log(topic, 0, id, config).unwrap()
}

fn record(key: u32, value: u32) -> Bytes {
    let mut builder = BatchBuilder::new();
    let (key, value) = (key.to_be_bytes(), value.to_be_bytes());
    builder
        .append(1000, Some(&key), Some(&value), NO_HEADERS)
        .unwrap();
    builder.finish(Codec::None, None).unwrap().freeze()
}

/// Appends a record; returns whether it was published.
fn put(log: &Log, key: u32, value: u32) -> bool {
    let ctx = AppendContext {
        leader_epoch: 0,
        origin: Origin::Client,
        now_ms: 1000,
    };
    let Ok(appended) = log.append(record(key, value), ctx) else {
        return false;
    };
    if let Some(drain) = appended.drain {
        drain.run_blocking();
    }
    log.advance_high_watermark(i64::MAX);
    appended.last_offset < log.offsets().log_end
}

/// Writes `rounds` times over `keys` keys.
fn fill(log: &Log, keys: u32, rounds: u32) {
    for value in 0..rounds {
        for key in 0..keys {
            assert!(put(log, key, value));
        }
    }
}

/// Offset, key and value of every record.
fn contents(log: &Log) -> Vec<(i64, u32, u32)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let end = log.offsets().log_end;
    let (mut found, mut at) = (Vec::new(), log.offsets().log_start);
    loop {
        let slice = log.read_blocking(at, 1 << 20, end, true).unwrap();
        let part = log.load_blocking(&slice).unwrap();
        if part.is_empty() {
            return found;
        }
        for batch in Batches::new(&part).map(Result::unwrap) {
            at = batch.header.last_offset() + 1;
            let mut buf = RecordBuffer::new();
            for record in batch.records(&mut buf, 1 << 20).unwrap() {
                let record = record.unwrap();
                let (key, value) = (record.key.unwrap(), record.value.unwrap());
                let offset = batch.header.record_offset(record.offset_delta);
                found.push((offset, number(key), number(value)));
            }
        }
    }
}

fn latest(contents: &[(i64, u32, u32)]) -> BTreeMap<u32, (i64, u32)> {
    let entries = contents
        .iter()
        .map(|&(offset, key, value)| (key, (offset, value)));
    entries.collect()
}

/// Cleans until nothing is due; returns the number of rounds.
fn clean(manager: &Manager) -> u32 {
    let mut map = manager.offset_map();
    let mut rounds = 0;
    while manager.clean_filthiest_log(&mut map) {
        rounds += 1;
        assert!(rounds < 100, "cleaning does not come to an end");
    }
    rounds
}

fn checkpoint(disk: &SimDisk) -> String {
    let content = disk.read_file(Path::new(CHECKPOINT), 1 << 20).unwrap();
    String::from_utf8(content.unwrap_or_default()).unwrap()
}

#[test]
fn the_filthiest_log_goes_first_and_clean_ones_are_left() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let (dirty, dirtier) = (
        create(&manager, "dirty", config()),
        create(&manager, "dirtier", config()),
    );
    let plain = create(
        &manager,
        "plain",
        LogConfig {
            cleanup_policy: CleanupPolicy {
                delete: true,
                compact: false,
            },
            ..config()
        },
    );
    for log in [&dirty, &dirtier, &plain] {
        fill(log, 5, 8);
    }
    assert_eq!(clean(&manager), 2);
    assert_eq!(contents(&plain).len(), 40, "another policy");
    fill(&dirty, 5, 10);
    fill(&dirtier, 5, 30);
    let mut map = manager.offset_map();
    let bytes = [dirty.size_bytes(), dirtier.size_bytes()];
    assert!(manager.clean_filthiest_log(&mut map));
    assert_eq!(dirty.size_bytes(), bytes[0]);
    assert!(dirtier.size_bytes() < bytes[1] / 2);
    assert_eq!(manager.cleaner_status().rounds, 3);
    assert_eq!(clean(&manager), 1);
    assert_eq!(clean(&manager), 0);
}

#[test]
fn ratio_and_lags_decide_what_is_due() {
    let disk = SimDisk::new(1);
    let (manager, clock) = open(&disk);
    let log = create(&manager, "t", config());
    let with = |change: &dyn Fn(&mut LogConfig)| {
        let mut config = config();
        change(&mut config);
        log.update_config(config);
    };
    fill(&log, 5, 8);
    with(&|config| config.min_cleanable_dirty_ratio = 1.0);
    assert_eq!(clean(&manager), 0, "ratio 1 never comes");
    with(&|config| config.min_compaction_lag_ms = 2_000_000);
    assert_eq!(clean(&manager), 0, "everything is too young");
    with(&|config| {
        config.min_cleanable_dirty_ratio = 1.0;
        config.max_compaction_lag_ms = 500_000;
    });
    assert_eq!(clean(&manager), 1, "the first record is too old to wait");
    clock.advance(Duration::from_secs(1));
    assert_eq!(clean(&manager), 0);
}

#[test]
fn the_checkpoint_has_kafkas_format_and_goes_with_its_log() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let (log, other) = (
        create(&manager, "t", config()),
        create(&manager, "u", config()),
    );
    fill(&log, 5, 8);
    fill(&other, 5, 8);
    assert_eq!(clean(&manager), 2);
    let dirty = |log: &Log| log.lock().active().base_offset();
    assert_eq!(
        checkpoint(&disk),
        format!("0\n2\nt 0 {}\nu 0 {}\n", dirty(&log), dirty(&other))
    );
    drop((log, other));
    manager.shutdown().unwrap();
    drop(manager);
    let (manager, _) = open(&disk);
    assert_eq!(clean(&manager), 0, "what is clean is known after a restart");
    let first_dirty = dirty(&manager.log("u", 0).unwrap());
    manager.delete_log("t", 0).unwrap();
    assert_eq!(checkpoint(&disk), format!("0\n1\nu 0 {first_dirty}\n"));
    let again = create(&manager, "t", config());
    fill(&again, 5, 8);
    assert_eq!(clean(&manager), 1, "a new log of the name begins anew");
    assert!(contents(&again).len() < 15);
}

#[test]
fn replaced_files_are_removed_after_the_delay() {
    let disk = SimDisk::new(1);
    let (manager, clock) = open(&disk);
    let log = create(&manager, "t", config());
    fill(&log, 5, 8);
    clean(&manager);
    let deleted = || {
        let entries = disk.list(Path::new("/a/t-0")).unwrap();
        let names = entries.into_iter().map(|entry| entry.name);
        names.filter(|name| name.ends_with(".deleted")).count()
    };
    assert!(0 < deleted());
    manager.run_background();
    assert!(0 < deleted(), "readers may still open them");
    clock.advance(Duration::from_secs(2));
    manager.run_background();
    assert_eq!(deleted(), 0);
}

#[test]
fn a_log_with_a_damaged_batch_is_left_alone_and_others_are_cleaned() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let (bad, good) = (
        create(&manager, "bad", config()),
        create(&manager, "good", config()),
    );
    fill(&bad, 5, 9);
    fill(&good, 5, 8);
    let path = Path::new("/a/bad-0").join(segment_file_name(0, FileKind::Log));
    let file = disk.open(&path).unwrap();
    disk.write_all_at(&file, b"?", 70).unwrap();
    let before = bad.size_bytes();
    assert_eq!(clean(&manager), 2);
    assert_eq!(
        manager.cleaner_status().uncleanable,
        [("bad".to_owned(), 0)]
    );
    assert_eq!(manager.cleaner_status().rounds, 1);
    assert_eq!(bad.size_bytes(), before, "nothing of it was changed");
    assert!(good.size_bytes() < before / 2);
    fill(&bad, 5, 9);
    assert_eq!(clean(&manager), 0, "it is not tried again");
    manager.delete_log("bad", 0).unwrap();
    assert!(manager.cleaner_status().uncleanable.is_empty());
}

#[test]
fn a_full_disk_is_tried_again_after_the_backoff() {
    let disk = SimDisk::new(1);
    let (manager, clock) = open(&disk);
    let log = create(&manager, "t", config());
    fill(&log, 5, 8);
    disk.fail_at(disk.mutations() + 3, Fault::Enospc);
    assert_eq!(clean(&manager), 1);
    assert!(!log.is_offline() && manager.cleaner_status().uncleanable.is_empty());
    assert_eq!(manager.cleaner_status().rounds, 0);
    clock.advance(Duration::from_millis(60));
    assert_eq!(clean(&manager), 1);
    assert_eq!(manager.cleaner_status().rounds, 1);
}

#[test]
fn compact_and_delete_does_both_and_each_waits_for_the_other() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let both = LogConfig {
        cleanup_policy: CleanupPolicy {
            delete: true,
            compact: true,
        },
        retention_bytes: 700,
        ..config()
    };
    let log = create(&manager, "t", both);
    fill(&log, 8, 8);
    assert!(manager.cleaner.take(&log));
    let report = manager.run_retention();
    assert_eq!(report.renamed_files, 0, "it is being cleaned");
    assert_eq!(clean(&manager), 0, "it is taken");
    assert!(manager.cleaner.release(&log), "retention has to follow");
    assert!(!manager.cleaner.release(&log));
    assert_eq!(clean(&manager), 1);
    let cleaned = contents(&log);
    assert!(cleaned.len() < 20);
    for value in 8..40 {
        assert!(put(&log, 1000 + value, value));
    }
    assert!(0 < manager.run_retention().renamed_files);
    assert!(log.size_bytes() < 1400);
    assert!(cleaned[0].0 < log.offsets().log_start);
    assert_eq!(clean(&manager), 1, "the log start is past the checkpoint");
}

#[test]
fn a_round_stops_when_its_log_goes_or_its_policy_changes() {
    let disk = SimDisk::new(1);
    let (manager, clock) = open(&disk);
    let log = create(&manager, "t", config());
    let pace = CleanerPace {
        log: log.as_ref(),
        progress: &manager.cleaner,
        clock: &*clock,
        read_bytes: 1,
    };
    assert_eq!(pace.spend(1), Ok(()));
    log.update_config(LogConfig {
        cleanup_policy: CleanupPolicy {
            delete: true,
            compact: false,
        },
        ..config()
    });
    assert_eq!(pace.spend(1), Err(Stopped));
    log.update_config(config());
    assert_eq!(pace.spend(1), Ok(()));
    manager.cleaner.stop();
    assert_eq!(pace.spend(1), Err(Stopped));
    manager.delete_log("t", 0).unwrap();
    assert_eq!(pace.spend(1), Err(Stopped));
}

#[test]
fn a_round_stands_back_behind_drains_but_not_for_ever() {
    let disk = SimDisk::new(1);
    let (manager, _) = open(&disk);
    let log = create(&manager, "t", config());
    let clock = SystemClock::new();
    let pace = CleanerPace {
        log: log.as_ref(),
        progress: &manager.cleaner,
        clock: &clock,
        read_bytes: 1,
    };
    let under_way = log.health.writes().begin();
    let begun = clock.monotonic();
    pace.spend(1).unwrap();
    assert!(Duration::from_millis(20) <= clock.monotonic() - begun);
    drop(under_way);
    assert_eq!(log.health.writes().activity().in_flight, 0);
    assert!(put(&log, 1, 1));
    assert_eq!(
        log.health.writes().activity().ended,
        2,
        "drains are counted"
    );
}

#[test]
fn the_budget_spreads_bytes_over_time() {
    let ms = Duration::from_millis;
    let mut budget = Budget::new(1000.0);
    assert_eq!(budget.spend(100, ms(10_000)), ms(0), "what was saved up");
    assert_eq!(budget.spend(300, ms(10_000)), ms(100));
    assert_eq!(budget.spend(100, ms(10_100)), ms(100));
    assert_eq!(
        budget.spend(100, ms(20_000)),
        ms(0),
        "a long pause is not made up for"
    );
    assert_eq!(
        budget.spend(1 << 40, ms(20_000)),
        ms(10_000),
        "no wait is endless"
    );
    for unlimited in [f64::MAX, f64::INFINITY, 0.0, -1.0, f64::NAN] {
        assert_eq!(Budget::new(unlimited).spend(1 << 40, ms(0)), ms(0));
    }
}

#[test]
fn settings_change_while_threads_run() {
    let disk = SimDisk::new(1);
    let clock = Arc::new(SystemClock::new());
    let manager = open_at(&disk, clock.clone()).unwrap();
    let log = create(&manager, "t", config());
    let disabled = CleanerOptions {
        threads: 0,
        ..manager.cleaner.options()
    };
    manager.start_cleaner().unwrap();
    manager.configure_cleaner(disabled).unwrap();
    assert_eq!(Arc::strong_count(&manager), 1, "the threads have ended");
    fill(&log, 5, 20);
    assert_eq!(manager.cleaner_status().rounds, 0);
    let with_two = CleanerOptions {
        threads: 2,
        backoff: Duration::from_millis(1),
        ..disabled
    };
    manager.configure_cleaner(with_two).unwrap();
    let deadline = clock.monotonic() + Duration::from_secs(30);
    while 25 < contents(&log).len() {
        assert!(clock.monotonic() < deadline, "the new threads do not clean");
        manager.cleaner.wait(Duration::from_millis(1));
    }
    manager.shutdown().unwrap();
    manager.configure_cleaner(disabled).unwrap();
    manager.configure_cleaner(with_two).unwrap();
    assert_eq!(
        Arc::strong_count(&manager),
        1,
        "nothing starts after the end"
    );
}

#[test]
fn threads_clean_and_end_with_the_manager() {
    let disk = SimDisk::new(1);
    let clock = Arc::new(SystemClock::new());
    let manager = open_at(&disk, clock.clone()).unwrap();
    let log = create(&manager, "t", config());
    manager.start_cleaner().unwrap();
    let deadline = clock.monotonic() + Duration::from_secs(30);
    for _ in 0..2 {
        fill(&log, 5, 20);
        while 25 < contents(&log).len() {
            assert!(clock.monotonic() < deadline, "the threads do not clean");
            manager.cleaner.wait(Duration::from_millis(1));
        }
    }
    manager.shutdown().unwrap();
    assert!(
        latest(&contents(&log))
            .values()
            .all(|(_, value)| *value == 19)
    );
    assert_eq!(Arc::strong_count(&manager), 1, "no thread is left");
}

/// Appends and cleans until the machine goes off, several times over; whatever was published is
/// there afterwards, as the last of its key or not superseded yet.
#[test]
fn power_cuts_while_cleaning_lose_no_last_value() {
    for seed in 0..150 {
        let mut disk = SimDisk::new(seed);
        let mut known: BTreeMap<u32, u32> = BTreeMap::new();
        let mut value = 0;
        for generation in 0..4 {
            let clock = Arc::new(ManualClock::new(1_000_000));
            let manager = open_at(&disk, clock.clone()).unwrap();
            let log = match manager.log("t", 0) {
                Some(log) => log,
                None => create(&manager, "t", config()),
            };
            let found = latest(&contents(&log));
            for (key, newest) in &known {
                let (_, survivor) = found[key];
                assert!(*newest <= survivor, "seed {seed}: key {key} fell back");
            }
            let cut = (seed * 37 + generation * 101) % 400;
            disk.fail_at(disk.mutations() + cut, Fault::PowerCut);
            let mut map = manager.offset_map();
            for _ in 0..200 {
                value += 1;
                if put(&log, value % 7, value) {
                    known.insert(value % 7, value);
                }
                if value % 23 == 0 {
                    clock.advance(Duration::from_millis(100));
                    manager.clean_filthiest_log(&mut map);
                }
            }
            drop((manager, log));
            disk = disk.restart();
        }
    }
}
