//! The worker processes of a campaign: keeps each of them running and does the faults to them.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use rustix::process::Signal;

use crate::exactly_once::worker_process::{Tally, WorkerProcess};
use crate::exactly_once::{End, WorkerOptions};
use crate::now;

/// How long a worker may take to end when it is asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
/// How long a failed worker stays away.
const AFTER_FAILURE: Duration = Duration::from_millis(200);
/// Lines of each worker's log that a failure's report has.
const LOG_LINES: usize = 20;

/// What one worker is doing.
enum State {
    Running(WorkerProcess),
    /// It goes on at that time.
    Paused(WorkerProcess, Instant),
    /// It was asked to end, and has to until the first time; the next incarnation waits that long.
    Stopping(WorkerProcess, Instant, Duration),
    /// The next incarnation starts at that time.
    Away(Instant),
}

struct Slot {
    options: WorkerOptions,
    state: State,
}

/// A worker that has a successor already, and when it goes on; none once it does.
struct Zombie {
    name: String,
    process: WorkerProcess,
    resumes: Option<Instant>,
}

/// All workers.
pub(super) struct Fleet {
    binary: PathBuf,
    log_dir: PathBuf,
    tally: Arc<Mutex<Tally>>,
    slots: Vec<Slot>,
    zombies: Vec<Zombie>,
    /// Nobody is started any more.
    is_winding_up: bool,
}

impl Fleet {
    /// A worker for each of `workers`, of the program `binary`; they start with the first step.
    pub(super) fn new(binary: PathBuf, log_dir: PathBuf, workers: Vec<WorkerOptions>) -> Self {
        let slots = workers.into_iter().map(|options| Slot {
            options,
            state: State::Away(now()),
        });
        Self {
            binary,
            log_dir,
            tally: Arc::default(),
            slots: slots.collect(),
            zombies: Vec::new(),
            is_winding_up: false,
        }
    }

    /// What the workers have said so far.
    pub(super) fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills a worker; whether it was running.
    pub(super) fn kill(&mut self, index: usize, away: Duration) -> anyhow::Result<bool> {
        self.change(index, |process| {
            process.kill()?;
            Ok(State::Away(now() + away))
        })
    }

    /// Asks a worker to end; whether it was running.
    pub(super) fn stop(&mut self, index: usize, away: Duration) -> anyhow::Result<bool> {
        self.change(index, |mut process| {
            process.ask_to_stop();
            Ok(State::Stopping(process, now() + STOP_DEADLINE, away))
        })
    }

    /// Freezes a worker for a while; whether it was running.
    pub(super) fn pause(&mut self, index: usize, paused: Duration) -> anyhow::Result<bool> {
        self.change(index, |process| {
            process.signal(Signal::STOP)?;
            Ok(State::Paused(process, now() + paused))
        })
    }

    /// Freezes a worker for a while and starts its successor; whether it was running.
    pub(super) fn replace(&mut self, index: usize, paused: Duration) -> anyhow::Result<bool> {
        let mut frozen = None;
        let was_running = self.change(index, |process| {
            process.signal(Signal::STOP)?;
            frozen = Some(process);
            Ok(State::Away(now()))
        })?;
        if let (Some(process), Some(slot)) = (frozen, self.slots.get(index)) {
            self.zombies.push(Zombie {
                name: slot.options.transactional_id(),
                process,
                resumes: Some(now() + paused),
            });
        }
        Ok(was_running)
    }

    fn change(
        &mut self,
        index: usize,
        change: impl FnOnce(WorkerProcess) -> anyhow::Result<State>,
    ) -> anyhow::Result<bool> {
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(false);
        };
        match std::mem::replace(&mut slot.state, State::Away(now())) {
            State::Running(process) => {
                slot.state = change(process)?;
                Ok(true)
            }
            other => {
                slot.state = other;
                Ok(false)
            }
        }
    }

    /// Starts whom it is time for, resumes whom it is time for, and sees who has ended.
    ///
    /// # Errors
    /// A worker ended as none may.
    pub(super) fn step(&mut self) -> anyhow::Result<()> {
        let now = now();
        for index in 0..self.slots.len() {
            self.step_slot(index, now)?;
        }
        for zombie in &mut self.zombies {
            if zombie.resumes.is_some_and(|time| time <= now) {
                zombie.process.signal(Signal::CONT)?;
                zombie.resumes = None;
            }
        }
        let mut zombies = Vec::new();
        for mut zombie in std::mem::take(&mut self.zombies) {
            match zombie.process.ended()? {
                Some(status) => check_end(&self.log_dir, &zombie.name, status)?,
                None => zombies.push(zombie),
            }
        }
        self.zombies = zombies;
        Ok(())
    }

    fn step_slot(&mut self, index: usize, now: Instant) -> anyhow::Result<()> {
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        let name = slot.options.transactional_id();
        let state = std::mem::replace(&mut slot.state, State::Away(now));
        slot.state = match state {
            State::Running(mut process) => match process.ended()? {
                Some(status) => {
                    check_end(&self.log_dir, &name, status)?;
                    State::Away(now + AFTER_FAILURE)
                }
                None => State::Running(process),
            },
            State::Stopping(mut process, deadline, away) => match process.ended()? {
                Some(status) => {
                    check_end(&self.log_dir, &name, status)?;
                    State::Away(now + away)
                }
                None => {
                    ensure!(now < deadline, "{name} does not stop");
                    State::Stopping(process, deadline, away)
                }
            },
            State::Paused(process, resumes) if resumes <= now => {
                process.signal(Signal::CONT)?;
                State::Running(process)
            }
            State::Away(until) if until <= now && !self.is_winding_up => {
                let log = self.log_dir.join(format!("{name}.log"));
                let process = WorkerProcess::start(&self.binary, &slot.options, &self.tally, &log)?;
                slot.options.incarnation += 1;
                State::Running(process)
            }
            other => other,
        };
        Ok(())
    }

    /// Who has not ended, with process ids, for a failure's report.
    pub(super) fn not_ended(&self) -> Vec<String> {
        let slots = self.slots.iter().filter_map(|slot| {
            let (what, process) = match &slot.state {
                State::Running(process) => ("running", process),
                State::Stopping(process, ..) => ("stopping", process),
                State::Paused(process, _) => ("paused", process),
                State::Away(_) => return None,
            };
            let name = slot.options.transactional_id();
            Some(format!("{name}, {what}, {}", process.id()))
        });
        let zombies = self.zombies.iter();
        let zombies = zombies.map(|it| format!("replaced {}, {}", it.name, it.process.id()));
        slots.chain(zombies).collect()
    }

    /// The end of what all workers have said, for a failure's report.
    pub(super) fn logs(&self) -> String {
        let names = self.slots.iter().map(|it| it.options.transactional_id());
        let logs = names.map(|name| format!("--- {name}\n{}\n", log_of(&self.log_dir, &name)));
        logs.collect()
    }

    /// Has frozen workers go on and asks all to end; nothing is started any more. True when all
    /// have ended.
    ///
    /// # Errors
    /// A worker ended as none may, or does not end.
    pub(super) fn wind_up(&mut self) -> anyhow::Result<bool> {
        self.is_winding_up = true;
        for zombie in &mut self.zombies {
            zombie.resumes = Some(now());
            zombie.process.ask_to_stop();
        }
        for slot in &mut self.slots {
            let until = now() + STOP_DEADLINE;
            slot.state = match std::mem::replace(&mut slot.state, State::Away(until)) {
                State::Running(mut process) => {
                    process.ask_to_stop();
                    State::Stopping(process, until, Duration::ZERO)
                }
                State::Paused(mut process, _) => {
                    process.signal(Signal::CONT)?;
                    process.ask_to_stop();
                    State::Stopping(process, until, Duration::ZERO)
                }
                other => other,
            };
        }
        self.step()?;
        let mut slots = self.slots.iter();
        let all_away = slots.all(|it| matches!(it.state, State::Away(_)));
        Ok(all_away && self.zombies.is_empty())
    }
}

/// Checks that a worker ended as it may.
fn check_end(log_dir: &Path, name: &str, status: ExitStatus) -> anyhow::Result<()> {
    let is_expected = status.success() || status.code() == Some(i32::from(End::FAILED));
    if is_expected {
        return Ok(());
    }
    bail!("{name} ended with {status}:\n{}", log_of(log_dir, name))
}

/// The end of what a worker has said.
fn log_of(log_dir: &Path, name: &str) -> String {
    let log = std::fs::read(log_dir.join(format!("{name}.log"))).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
