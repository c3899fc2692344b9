//! The machine that cleans and moves: opens, stops, crashes, opens again, and checks each log
//! against its ledger and its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringbrook_record::{Batches, RecordBuffer};
use uuid::Uuid;

use super::KeyedTally;
use super::ledger::{KeyedLedger, SentRecord};
use crate::clock::{Clock, ManualClock};
use crate::config::{CleanupPolicy, LogConfig};
use crate::error::EngineError;
use crate::io::{Disk, Fault, SimDisk};
use crate::log::PartitionLog;
use crate::log_dirs::LogDirs;
use crate::log_manager::{LogManager, LogManagerOptions};
use crate::proof::breach::{Breach, Checked, Rule, check};
use crate::proof::machine::Stop;
use crate::proof::random::Random;
use crate::proof::verify::verify_files;

pub(super) type Log = Arc<PartitionLog<SimDisk>>;

/// Compact only, and both.
pub(super) const TOPICS: [&str; 2] = ["k", "m"];
const RECORDS_BYTES_MAX: usize = 1 << 20;

/// See the module's documentation.
pub(super) struct KeyedMachine {
    pub(super) disk: SimDisk,
    pub(super) clock: Arc<ManualClock>,
    manager: Option<Arc<LogManager<SimDisk>>>,
    /// By topic; partition 0.
    pub(super) ledgers: BTreeMap<&'static str, KeyedLedger>,
    pub(super) random: Random,
    pub(super) tally: KeyedTally,
    pub(super) dirs: Vec<PathBuf>,
}

fn new_config(random: &mut Random, deletes: bool) -> LogConfig {
    LogConfig {
        segment_bytes: [500, 1000, 2000][random.index(3)],
        index_interval_bytes: [0, 150][random.index(2)],
        retention_ms: -1,
        retention_bytes: if deletes { 4000 } else { -1 },
        file_delete_delay_ms: [0, 60_000][random.index(2)],
        cleanup_policy: CleanupPolicy {
            delete: deletes,
            compact: true,
        },
        min_cleanable_dirty_ratio: [0.0, 0.3][random.index(2)],
        delete_retention_ms: [0, 60_000, 1_000_000][random.index(3)],
        recovery_unflushed_bytes_max: [500, 64 << 20][random.index(2)],
        ..LogConfig::default()
    }
}

impl KeyedMachine {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x6b65_7965_6400_0000);
        let count = 2 + random.index(2);
        let ledgers = TOPICS.into_iter().map(|topic| {
            let config = new_config(&mut random, topic == TOPICS[1]);
            (topic, KeyedLedger::new(config))
        });
        Self {
            disk: SimDisk::new(seed),
            clock: Arc::new(ManualClock::new(1_000_000)),
            manager: None,
            ledgers: ledgers.collect(),
            random,
            tally: KeyedTally::default(),
            dirs: ["/a", "/b", "/c"][..count]
                .iter()
                .map(PathBuf::from)
                .collect(),
        }
    }

    pub(super) fn manager(&self) -> &Arc<LogManager<SimDisk>> {
        self.manager.as_ref().expect("the machine was started")
    }

    pub(super) fn now_ms(&self) -> i64 {
        Clock::now_ms(&*self.clock)
    }

    fn open(&self) -> Result<Arc<LogManager<SimDisk>>, EngineError> {
        let dirs = LogDirs::open(&self.disk, &self.dirs, 1, Some("keyed"))?;
        let options = LogManagerOptions {
            recovery_threads_per_data_dir: 0,
            producer_id_expiration_ms: i64::MAX,
            initial_task_delay_ms: 5_000,
            ..LogManagerOptions::default()
        };
        let config_of = |topic: &str| {
            let known = self.ledgers.get(topic);
            known.map_or_else(LogConfig::default, |ledger| ledger.config)
        };
        let clock = self.clock.clone();
        let opened = LogManager::open(self.disk.clone(), dirs, options, clock, &config_of);
        Ok(opened?.0)
    }

    /// The first start; nothing goes wrong yet.
    pub(super) fn start_first(&mut self) -> Checked {
        let broken = |error: EngineError| Breach::new(Rule::Operation, error.to_string());
        let manager = self.open().map_err(broken)?;
        for (number, (topic, ledger)) in (1..).zip(&self.ledgers) {
            let id = Uuid::from_u128(number);
            manager
                .create_log(topic, 0, id, ledger.config)
                .map_err(broken)?;
        }
        self.manager = Some(manager);
        Ok(())
    }

    /// Stops, starts again, the power going off meanwhile or not, and checks everything.
    pub(super) fn start_again(&mut self, stop: Stop) -> Checked {
        self.tally.mutations += self.disk.mutations();
        self.manager = None;
        let mut has_lost_page_cache = stop != Stop::Kill;
        self.disk = match stop {
            Stop::Kill => self.disk.kill_process(),
            Stop::PowerCut | Stop::Clean => self.disk.restart(),
        };
        while self.random.chance(3) {
            self.disk.fail_at(self.random.below(80), Fault::PowerCut);
            drop(self.open());
            self.tally.cuts_in_recovery += u64::from(self.disk.is_off());
            self.disk = self.disk.restart();
            has_lost_page_cache = true;
        }
        let manager = self
            .open()
            .map_err(|error| Breach::new(Rule::Logs, format!("opening: {error}")))?;
        self.manager = Some(Arc::clone(&manager));
        for dir in manager.describe_log_dirs() {
            check(Rule::Logs, dir.error.is_none(), || {
                format!("{} does not open: {:?}", dir.path.display(), dir.error)
            })?;
        }
        self.check_homes()?;
        for topic in TOPICS {
            let log = self.log(topic)?;
            log.advance_high_watermark(i64::MAX);
            let offsets = log.offsets();
            let segments = verify_files(&self.disk, &log.dir.load())?;
            let first_base = segments.first().map_or(0, |segment| segment.base_offset);
            let ledger = self.ledgers.get_mut(topic).expect("all have one");
            let lost = ledger
                .settle(&offsets, first_base, has_lost_page_cache)
                .map_err(|breach| in_topic(topic, breach))?;
            self.tally.lost_batches += lost as u64;
            self.check_log(topic)?;
        }
        self.tally.starts += 1;
        Ok(())
    }

    /// The current log of a topic.
    pub(super) fn log(&self, topic: &str) -> Checked<Log> {
        let log = self.manager().log(topic, 0);
        log.ok_or_else(|| Breach::new(Rule::Logs, format!("{topic} is not served")))
    }

    /// Each partition has one directory of its final name, and is served from there.
    fn check_homes(&self) -> Checked {
        for topic in TOPICS {
            let name = format!("{topic}-0");
            let mut homes = Vec::new();
            for dir in &self.dirs {
                let entries = self
                    .disk
                    .list(dir)
                    .map_err(|error| Breach::new(Rule::Operation, error.to_string()))?;
                if entries.iter().any(|entry| entry.name == name) {
                    homes.push(dir.as_path());
                }
            }
            let log = self.log(topic)?;
            check(Rule::Logs, homes == [log.log_dir()], || {
                let served = log.log_dir().display();
                format!("{name} is in {homes:?} and served from {served}")
            })?;
        }
        Ok(())
    }

    /// Holds what a reader finds, and the producers, against the ledger.
    pub(super) fn check_log(&mut self, topic: &'static str) -> Checked {
        let log = self.log(topic)?;
        let now_ms = self.now_ms();
        let ledger = &self.ledgers[topic];
        let offsets = log.offsets();
        let found = read_all(&log).map_err(|breach| in_topic(topic, breach))?;
        self.tally.records += found.len() as u64;
        self.tally.dropped_records += ledger
            .records
            .range(offsets.log_start..offsets.log_end.max(offsets.log_start))
            .filter(|(offset, _)| !found.contains_key(offset))
            .count() as u64;
        ledger
            .check_records(&found, &offsets, now_ms)
            .and_then(|()| check_producers(&log, ledger))
            .map_err(|breach| in_topic(topic, breach))
    }

    /// A failed operation took its directory offline, but for those that may be tried again (L6).
    pub(super) fn check_faults(&mut self) -> Checked {
        let described = self.manager().describe_log_dirs();
        for met in self.disk.met_faults() {
            if met.fault == Fault::PowerCut {
                continue;
            }
            self.tally.faults += 1;
            // A full disk ends a round or a move, removals are tried again, reserving is a hint.
            let is_harmless = met.fault == Fault::Enospc
                || ["remove", "allocate"].contains(&met.operation)
                || met.path.to_string_lossy().contains("-delete");
            let dir = described.iter().find(|dir| met.path.starts_with(&dir.path));
            let is_offline = dir.is_none_or(|dir| dir.error.is_some());
            check(Rule::L6, is_harmless || is_offline, || {
                format!("{met:?} did not take its directory offline")
            })?;
        }
        let retries = self.disk.retries();
        check(Rule::L6, retries.is_empty(), || {
            format!("after they had failed: {retries:?}")
        })
    }

    /// Whether operations on the log may fail from now on.
    pub(super) fn may_fail(&self, log: &Log) -> bool {
        self.disk.is_off() || log.is_offline()
    }

    pub(super) fn any_topic(&mut self) -> &'static str {
        TOPICS[self.random.index(TOPICS.len())]
    }

    pub(super) fn any_dir(&mut self) -> PathBuf {
        self.dirs[self.random.index(self.dirs.len())].clone()
    }
}

pub(super) fn in_topic(topic: &str, breach: Breach) -> Breach {
    Breach::new(breach.rule, format!("{topic}: {}", breach.detail))
}

/// Every record from the log start on, by offset.
fn read_all(log: &Log) -> Checked<BTreeMap<i64, SentRecord>> {
    let broken = |error: &dyn std::fmt::Display| Breach::new(Rule::L4, error.to_string());
    let (start, end) = (log.offsets().log_start, log.offsets().log_end);
    let (mut found, mut at) = (BTreeMap::new(), start);
    while at < end {
        let slice = log.read_blocking(at, 1 << 20, end, true);
        let slice = slice.map_err(|error| broken(&error))?;
        let part = log.load_blocking(&slice).map_err(|error| broken(&error))?;
        if part.is_empty() {
            break;
        }
        for batch in Batches::new(&part) {
            let batch = batch.map_err(|error| broken(&error))?;
            batch.verify_crc().map_err(|error| broken(&error))?;
            check(Rule::L4, at <= batch.header.last_offset(), || {
                format!("reading from {at} gives {:?}", batch.header)
            })?;
            at = batch.header.last_offset() + 1;
            let mut buffer = RecordBuffer::new();
            let records = batch.records(&mut buffer, RECORDS_BYTES_MAX);
            for record in records.map_err(|error| broken(&error))? {
                let record = record.map_err(|error| broken(&error))?;
                let offset = batch.header.record_offset(record.offset_delta);
                let sent = SentRecord {
                    key: record.key.and_then(<[u8]>::first).copied().unwrap_or(255),
                    value: record.value.map(<[u8]>::to_vec),
                    timestamp_ms: batch.header.record_timestamp(record.timestamp_delta),
                };
                if start <= offset {
                    found.insert(offset, sent);
                }
            }
        }
    }
    Ok(found)
}

/// Producers keep their last sequence number, also when a round dropped all their records.
fn check_producers(log: &Log, ledger: &KeyedLedger) -> Checked {
    let found = log.active_producers();
    let log_end = log.offsets().log_end;
    for producer_id in 1..=super::steps::PRODUCERS {
        let Some(last) = ledger.last_batch(producer_id) else {
            continue;
        };
        // What retention removed, a crash may let forget; what is not written is not known yet.
        if last.last_offset < log.offsets().log_start || log_end <= last.last_offset {
            continue;
        }
        let known = found.iter().find(|it| it.producer_id == producer_id);
        let sequence = known.map(|known| known.last_sequence);
        check(
            Rule::Producers,
            sequence == Some(last.last_sequence),
            || format!("{known:?}, the last batch is {last:?}"),
        )?;
    }
    Ok(())
}

/// Whether a directory is below one of the log dirs that are offline.
pub(super) fn is_offline(manager: &LogManager<SimDisk>, dir: &Path) -> bool {
    let offline = manager.offline_dirs();
    offline.iter().any(|(path, _)| path == dir)
}
