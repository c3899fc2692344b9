//! The scrub: reads old segments again, at a low pace, and reports what is damaged by file and
//! position before a consumer meets it. Changes nothing on disk; what to do about damage is the
//! operator's to decide. Optional; the broker starts it (`log.scrub.enable`). Kafka has no such
//! thing.
//!
//! It goes through all logs in turn, again and again, and begins where the last round was stopped.
//! Segments may be removed, rewritten, cut or moved meanwhile, so nothing is reported before a
//! second look finds the same in a segment that is still the log's.

mod segment_check;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::throttle::Throttle;
use super::{LogManager, lock};
use crate::io::Disk;
use crate::log::PartitionLog;
use segment_check::{Finding, SegmentCheck};

/// Damages that are remembered; further ones are logged and counted.
const DAMAGES_MAX: usize = 1000;

/// How the scrub runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubOptions {
    /// `log.scrub.interval.ms` (ours): time from the begin of a round to that of the next.
    pub interval: Duration,
    /// `log.scrub.io.max.bytes.per.second` (ours): bytes read in a second, at most.
    pub bytes_per_s: u64,
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubDamage {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes: the begin of a batch or of an index entry.
    pub position: u64,
    /// The offset of the batch or entry, or the lowest it could have.
    pub offset: i64,
    /// What is wrong.
    pub problem: String,
}

/// What the scrub did since the logs were opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// The damaged places, in the order they were found; each once, and a limited number of them.
    pub damages: Vec<ScrubDamage>,
    /// How many were found, also those that are not in `damages`.
    pub damages_count: u64,
    /// Segments that were looked at to the end.
    pub segments: u64,
    /// Bytes of logs read.
    pub bytes: u64,
    /// Rounds that were finished.
    pub rounds: u64,
}

/// The scrub is to end.
#[derive(Debug)]
pub(super) struct Stopped;

/// Where a round was stopped: the log and the segment to begin with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    topic: String,
    partition: i32,
    base_offset: i64,
}

/// The scrub's state in the log manager.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    state: Mutex<State>,
    /// Signalled when `is_stopped` or `is_running` change.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_running: bool,
    is_stopped: bool,
    cursor: Option<Cursor>,
    report: ScrubReport,
    /// The places that were reported.
    known: HashSet<(PathBuf, u64)>,
}

impl Scrub {
    /// Waits; ends early when the scrub is stopped.
    fn pause(&self, time: Duration) -> Result<(), Stopped> {
        let (state, _) = self
            .changed
            .wait_timeout_while(lock(&self.state), time, |state| !state.is_stopped)
            .unwrap_or_else(PoisonError::into_inner);
        if state.is_stopped {
            return Err(Stopped);
        }
        Ok(())
    }

    /// Ends the scrub and waits until it has: within one read.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.is_stopped = true;
        self.changed.notify_all();
        drop(
            self.changed
                .wait_while(state, |state| state.is_running)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    fn record(&self, damage: ScrubDamage) {
        let mut state = lock(&self.state);
        let place = (damage.file.clone(), damage.position);
        if state.known.contains(&place) {
            return;
        }
        tracing::error!(
            file = %damage.file.display(),
            position = damage.position,
            offset = damage.offset,
            problem = damage.problem,
            "the scrub found damage"
        );
        state.report.damages_count += 1;
        if state.report.damages.len() < DAMAGES_MAX {
            state.known.insert(place);
            state.report.damages.push(damage);
        }
    }
}

/// Keeps the reads to their rate.
pub(super) struct Pace<'a> {
    throttle: Throttle,
    bytes_per_s: u64,
    now: &'a dyn Fn() -> Duration,
    pause: &'a dyn Fn(Duration) -> Result<(), Stopped>,
}

impl Pace<'_> {
    /// Returns when `bytes` may be read.
    ///
    /// # Errors
    /// The scrub is stopped.
    fn spend(&mut self, bytes: u64) -> Result<(), Stopped> {
        // Without a wait, too: this is where a scrub without a limit is stopped.
        (self.pause)(Duration::ZERO)?;
        while let Some(left) = self.throttle.wait((self.now)()) {
            (self.pause)(left)?;
        }
        self.throttle.spend(bytes, self.bytes_per_s, (self.now)());
        Ok(())
    }
}

impl<D: Disk> LogManager<D> {
    /// Starts the scrub's thread; [`LogManager::shutdown`] ends it.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start_scrub(self: &Arc<Self>, options: ScrubOptions) -> std::io::Result<()> {
        let manager = Arc::clone(self);
        let mut state = lock(&self.scrub.state);
        if state.is_running || state.is_stopped {
            return Ok(());
        }
        let thread = std::thread::Builder::new().name("scrub".into());
        thread.spawn(move || {
            let _running = Running(&manager.scrub);
            // It ends by being stopped and in no other way.
            let Err(Stopped) = manager.scrub_for_ever(options);
        })?;
        state.is_running = true;
        Ok(())
    }

    /// What the scrub did and found so far.
    #[must_use]
    pub fn scrub_report(&self) -> ScrubReport {
        lock(&self.scrub.state).report.clone()
    }

    /// Looks at every old segment once, at no more than `bytes_per_s`, on this thread. Ends early
    /// when the manager is shut down. Not to be called while the scrub's thread runs.
    pub fn scrub_once(&self, bytes_per_s: u64) {
        // What was looked at until it was stopped is in the report.
        drop(self.scrub_round(bytes_per_s, &|time| self.scrub.pause(time)));
    }

    fn scrub_for_ever(&self, options: ScrubOptions) -> Result<std::convert::Infallible, Stopped> {
        let pause = |time| self.scrub.pause(time);
        let mut begun = self.clock.monotonic();
        // Starting has other things to read first.
        let initial =
            Duration::from_millis(self.options.initial_task_delay_ms.max(0).cast_unsigned());
        pause(initial)?;
        loop {
            self.scrub_round(options.bytes_per_s, &pause)?;
            let elapsed = self.clock.monotonic().saturating_sub(begun);
            pause(options.interval.saturating_sub(elapsed))?;
            begun = self.clock.monotonic();
        }
    }

    /// Goes through all logs, from where the last round was stopped.
    fn scrub_round(
        &self,
        bytes_per_s: u64,
        pause: &dyn Fn(Duration) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let now = || self.clock.monotonic();
        let mut pace = Pace {
            throttle: Throttle::default(),
            bytes_per_s,
            now: &now,
            pause,
        };
        let from = lock(&self.scrub.state).cursor.clone();
        let mut logs = self.logs();
        logs.sort_by_cached_key(|log| (log.topic().to_owned(), log.partition()));
        for log in logs {
            self.scrub_log(&log, from.as_ref(), &mut pace)?;
        }
        let mut state = lock(&self.scrub.state);
        state.cursor = None;
        state.report.rounds += 1;
        let report = &state.report;
        tracing::info!(
            rounds = report.rounds,
            segments = report.segments,
            bytes = report.bytes,
            damages = report.damages_count,
            "the scrub has finished a round"
        );
        Ok(())
    }

    fn scrub_log(
        &self,
        log: &Arc<PartitionLog<D>>,
        from: Option<&Cursor>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Stopped> {
        let mut next = i64::MIN;
        // Asked for one by one: a round may take days.
        while let Some(check) = SegmentCheck::of(log, next) {
            next = check.base_offset() + 1;
            let cursor = Cursor {
                topic: log.topic().to_owned(),
                partition: log.partition(),
                base_offset: check.base_offset(),
            };
            if from.is_some_and(|from| cursor < *from) {
                continue;
            }
            lock(&self.scrub.state).cursor = Some(cursor);
            self.scrub_segment(log, &check, pace)?;
        }
        Ok(())
    }

    fn scrub_segment(
        &self,
        log: &Arc<PartitionLog<D>>,
        check: &SegmentCheck<D>,
        pace: &mut Pace<'_>,
    ) -> Result<(), Stopped> {
        let mut findings = check.run(pace)?;
        if !findings.is_empty() {
            let Some(again) = self.still(log, check) else {
                return Ok(());
            };
            let confirmed = again.run(pace)?;
            if self.still(log, &again).is_none() {
                return Ok(());
            }
            findings.retain(|finding| confirmed.iter().any(|it| it.is_same_place(finding)));
        }
        for finding in findings {
            let Finding {
                kind,
                position,
                offset,
                problem,
            } = finding;
            self.scrub.record(ScrubDamage {
                file: log.path_of(check.base_offset(), kind),
                position,
                offset,
                problem,
            });
        }
        let mut state = lock(&self.scrub.state);
        state.report.segments += 1;
        state.report.bytes += check.bytes();
        Ok(())
    }

    /// The same segment as it is now, if it is still what this broker serves.
    fn still(
        &self,
        log: &Arc<PartitionLog<D>>,
        check: &SegmentCheck<D>,
    ) -> Option<SegmentCheck<D>> {
        let served = self.log(log.topic(), log.partition())?;
        if !Arc::ptr_eq(&served, log) || log.is_closed() || log.is_deleted() || log.is_offline() {
            return None;
        }
        SegmentCheck::of(log, check.base_offset()).filter(|now| now.is_same_segment(check))
    }
}

/// Says that the thread has ended, also when it panicked.
struct Running<'a>(&'a Scrub);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).is_running = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
