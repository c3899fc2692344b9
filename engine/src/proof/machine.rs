//! A machine under test: a simulated disk, a log manager on it, and the ledgers of all logs.
//! Starts, stops, crashes and starts again, and checks everything each time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::breach::{Breach, Checked, Rule, check};
use super::ledger::{Existence, Ledger};
use super::random::Random;
use super::verify::verify_log;
use crate::clock::ManualClock;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::io::{Fault, SimDisk};
use crate::log::PartitionLog;
use crate::log_dirs::LogDirs;
use crate::log_manager::{LogManager, LogManagerOptions, OpenSummary};

pub(crate) type Key = (String, i32);
pub(crate) type Log = Arc<PartitionLog<SimDisk>>;

/// How the machine stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The power went off.
    PowerCut,
    /// The process was killed; the page cache is still there.
    Kill,
    /// A clean shutdown, and the power off afterwards.
    Clean,
}

/// What happened in a run, so that a test can tell that it saw what it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Starts that were checked.
    pub starts: u64,
    /// Power cuts while something was under way.
    pub cuts: u64,
    /// Power cuts while the logs were opened.
    pub cuts_in_recovery: u64,
    /// EIO and ENOSPC that an operation met.
    pub faults: u64,
    /// Batches found and compared.
    pub batches: u64,
    /// Batches that crashes took; none of them was acknowledged as durable.
    pub lost_batches: u64,
    /// Aborted transactions compared.
    pub aborted_transactions: u64,
    /// Logs whose indices were deleted and built again.
    pub rebuilt_logs: u64,
    /// Changing disk operations.
    pub mutations: u64,
}

/// See the module's documentation.
pub(crate) struct Machine {
    pub(crate) disk: SimDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) manager: Option<Arc<LogManager<SimDisk>>>,
    pub(crate) ledgers: BTreeMap<Key, Ledger>,
    pub(crate) random: Random,
    pub(crate) tally: Tally,
    /// Directories of logs that were deleted since the last start.
    pub(crate) deleted: Vec<PathBuf>,
    dirs: Vec<PathBuf>,
}

impl Tally {
    /// Adds what another run saw.
    pub fn add(&mut self, other: &Self) {
        self.starts += other.starts;
        self.cuts += other.cuts;
        self.cuts_in_recovery += other.cuts_in_recovery;
        self.faults += other.faults;
        self.batches += other.batches;
        self.lost_batches += other.lost_batches;
        self.aborted_transactions += other.aborted_transactions;
        self.rebuilt_logs += other.rebuilt_logs;
        self.mutations += other.mutations;
    }
}

impl Machine {
    pub(crate) fn new(seed: u64, dirs: usize) -> Self {
        let dirs = ["/a", "/b", "/c"].iter().take(dirs);
        Self {
            disk: SimDisk::new(seed),
            clock: Arc::new(ManualClock::new(1_000_000)),
            manager: None,
            ledgers: BTreeMap::new(),
            random: Random::new(seed),
            tally: Tally::default(),
            deleted: Vec::new(),
            dirs: dirs.map(PathBuf::from).collect(),
        }
    }

    pub(crate) fn manager(&self) -> &Arc<LogManager<SimDisk>> {
        self.manager.as_ref().expect("the machine was started")
    }

    /// Opens everything on a disk, on this thread only, so that a seed repeats exactly.
    fn open_on(
        &self,
        disk: &SimDisk,
    ) -> Result<(Arc<LogManager<SimDisk>>, OpenSummary), EngineError> {
        let dirs = LogDirs::open(disk, &self.dirs, 1, Some("proof"))?;
        let options = LogManagerOptions {
            recovery_threads_per_data_dir: 0,
            producer_id_expiration_ms: i64::MAX,
            initial_task_delay_ms: 5_000,
            ..LogManagerOptions::default()
        };
        let config_of = |topic: &str| {
            let known = self.ledgers.iter().find(|((name, _), _)| name == topic);
            known.map_or_else(LogConfig::default, |(_, ledger)| ledger.config)
        };
        LogManager::open(disk.clone(), dirs, options, self.clock.clone(), &config_of)
    }

    /// The first start, on an empty disk; the power may go off meanwhile.
    pub(crate) fn start_first(&mut self) -> Checked {
        match self.open_on(&self.disk) {
            Ok((manager, _)) => self.manager = Some(manager),
            Err(_) if !self.disk.met_faults().is_empty() => {
                self.tally.cuts_in_recovery += 1;
                self.start_again(Stop::PowerCut)?;
            }
            Err(error) => return Err(Breach::new(Rule::Operation, error.to_string())),
        }
        Ok(())
    }

    /// Stops, starts again and checks everything. The power may go off while it starts.
    pub(crate) fn start_again(&mut self, stop: Stop) -> Checked {
        self.tally.mutations += self.disk.mutations();
        self.manager = None;
        self.deleted.clear();
        let mut has_lost_page_cache = stop != Stop::Kill;
        self.disk = match stop {
            Stop::Kill => self.disk.kill_process(),
            Stop::PowerCut | Stop::Clean => self.disk.restart(),
        };
        let mut is_clean = stop == Stop::Clean;
        while self.random.chance(3) {
            self.disk.fail_at(self.random.below(60), Fault::PowerCut);
            if let Ok((manager, _)) = self.open_on(&self.disk)
                && !self.disk.is_off()
            {
                drop(manager);
            }
            if !self.disk.is_off() {
                // The start was shorter than that: the power goes off right after it.
                self.tally.cuts += 1;
            } else {
                self.tally.cuts_in_recovery += 1;
            }
            self.disk = self.disk.restart();
            has_lost_page_cache = true;
            is_clean = false;
        }
        let has_cut = self.tally.cuts_in_recovery;
        let (manager, summary) = self
            .open_on(&self.disk)
            .map_err(|error| Breach::new(Rule::Logs, format!("opening: {error} ({has_cut})")))?;
        self.manager = Some(manager);
        self.check_dirs_online()?;
        if is_clean {
            check(Rule::Logs, summary.recovered_segments == 0, || {
                format!("after a clean shutdown: {summary:?}")
            })?;
        }
        self.verify(has_lost_page_cache)?;
        if self.random.chance(6) {
            self.rebuild_indexes()?;
        }
        self.tally.starts += 1;
        Ok(())
    }

    fn check_dirs_online(&self) -> Checked {
        for dir in self.manager().describe_log_dirs() {
            check(Rule::Logs, dir.error.is_none(), || {
                format!("{} does not open: {:?}", dir.path.display(), dir.error)
            })?;
        }
        Ok(())
    }

    /// Every log that must exist does, no other does, and all of them are as they have to be.
    fn verify(&mut self, has_lost_page_cache: bool) -> Checked {
        let manager = Arc::clone(self.manager());
        for log in manager.logs() {
            let key = (log.topic().to_owned(), log.partition());
            check(Rule::Logs, self.ledgers.contains_key(&key), || {
                format!("{key:?} was deleted or never created")
            })?;
        }
        let mut gone = Vec::new();
        for (key, ledger) in &mut self.ledgers {
            let Some(log) = manager.log(&key.0, key.1) else {
                let may_be_gone = ledger.existence != Existence::Certain;
                check(Rule::Logs, may_be_gone, || format!("{key:?} is gone"))?;
                gone.push(key.clone());
                continue;
            };
            if ledger.existence == Existence::Creating {
                // Its owner asks for it again.
                manager
                    .create_log(&key.0, key.1, ledger.topic_id, ledger.config)
                    .map_err(|error| Breach::new(Rule::Logs, error.to_string()))?;
            }
            if ledger.existence != Existence::Deleting {
                check(Rule::Logs, log.topic_id() == Some(ledger.topic_id), || {
                    format!("{key:?} has the topic id {:?}", log.topic_id())
                })?;
            }
            ledger.existence = Existence::Certain;
            let seen = verify_log(
                &self.disk,
                &log,
                ledger,
                has_lost_page_cache,
                &mut self.random,
            )
            .map_err(|breach| {
                let detail = format!("{key:?}: {}", breach.detail);
                Breach::new(breach.rule, detail)
            })?;
            self.tally.batches += seen.batches as u64;
            self.tally.lost_batches += seen.lost_batches as u64;
            self.tally.aborted_transactions += seen.aborted_transactions as u64;
        }
        for key in gone {
            self.ledgers.remove(&key);
        }
        Ok(())
    }

    /// On a copy of the disk all indices are removed: opening builds them again, and everything
    /// still holds (L3).
    fn rebuild_indexes(&mut self) -> Checked {
        let copy = self.disk.copy();
        let logs = self.manager().logs();
        for log in &logs {
            super::rebuild::remove_indexes(&copy, &log.dir.load())?;
        }
        let copy = copy.kill_process();
        let (manager, _) = self
            .open_on(&copy)
            .map_err(|error| Breach::new(Rule::L3, format!("without indices: {error}")))?;
        for log in logs {
            let key = (log.topic().to_owned(), log.partition());
            let broken = || Breach::new(Rule::L3, format!("{key:?} is gone without indices"));
            let rebuilt = manager.log(&key.0, key.1).ok_or_else(broken)?;
            let mut ledger = self.ledgers.get(&key).ok_or_else(broken)?.clone();
            verify_log(&copy, &rebuilt, &mut ledger, false, &mut self.random)?;
            super::rebuild::check_rebuilt(&copy, &rebuilt.dir.load(), &ledger.config)?;
            self.tally.rebuilt_logs += 1;
        }
        Ok(())
    }

    /// After a fault: the directory it hit is offline, and no failed file was used again (L6).
    pub(crate) fn check_faults(&mut self) -> Checked {
        let described = self.manager().describe_log_dirs();
        for met in self.disk.met_faults() {
            if met.fault == Fault::PowerCut {
                continue;
            }
            self.tally.faults += 1;
            // A removal is tried again at the next start, reserving is a hint, and a deleted log's
            // files are nobody's loss.
            let is_harmless =
                ["remove", "allocate"].contains(&met.operation) || self.is_of_deleted(&met.path);
            let dir = described.iter().find(|dir| met.path.starts_with(&dir.path));
            let is_offline = dir.is_none_or(|dir| dir.error.is_some());
            check(Rule::L6, is_harmless || is_offline, || {
                format!("{met:?} did not take its directory offline")
            })?;
        }
        self.check_retries()
    }

    fn is_of_deleted(&self, path: &Path) -> bool {
        self.deleted.iter().any(|dir| path.starts_with(dir))
            || path.to_string_lossy().contains("-delete")
    }

    /// No file was written or synced again after that had failed (L6).
    pub(crate) fn check_retries(&self) -> Checked {
        let mut retries = self.disk.retries();
        retries.retain(|(_, path)| !self.is_of_deleted(path));
        check(Rule::L6, retries.is_empty(), || {
            format!("after they had failed: {retries:?}")
        })
    }

    /// A topic id that repeats with the seed.
    pub(crate) fn new_topic_id(&mut self) -> Uuid {
        let (high, low) = (self.random.next(), self.random.next());
        Uuid::from_u64_pair(high >> 8, low | 2)
    }
}
