//! A campaign from start to end: feed, transfer, hurt, drain, audit.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::exactly_once::audit::Topics;
use crate::exactly_once::autopsy;
use crate::exactly_once::feeder::Feeder;
use crate::exactly_once::fleet::Fleet;
use crate::exactly_once::reader::{follow, reread};
use crate::exactly_once::worker::{PARTITIONS_PER_FIXED_WORKER, output_topic};
use crate::exactly_once::worker_process::Tally;
use crate::exactly_once::{
    Checker, ClientKind, Fault, Lane, Protocol, Sabotage, Schedule, Source, Target, WorkerOptions,
};
use crate::{now, unique, wait_until};

/// How long the workers may take to transfer what is left after the last fault.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);
/// Batches of each output partition that a failure's report has, unless it is a talkative one.
const BATCHES: usize = 60;
/// How long they may take to end.
const ENDED_WITHIN: Duration = Duration::from_secs(90);

/// What to do.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// Gives faults, batches and aborts again, though not the moments at which they meet.
    pub seed: u64,
    /// How long faults are done.
    pub duration: Duration,
    /// Workers that are a consumer group.
    pub group_workers: u32,
    /// Workers that own their partitions alone.
    pub fixed_workers: u32,
    /// How the group's members get their partitions.
    pub protocol: Protocol,
    /// Whose client the workers have.
    pub client: ClientKind,
    /// Whether there are faults at all.
    pub has_faults: bool,
    /// Records fed per second.
    pub records_per_s: u64,
    /// A mistake that the workers make.
    pub sabotage: Option<Sabotage>,
    /// The program whose command `worker` is a worker.
    pub binary: PathBuf,
    /// Tell each fault on standard error.
    pub is_talkative: bool,
}

/// What a campaign came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Records fed, and found in the output exactly once.
    pub records: i64,
    /// Transactions in the output.
    pub transactions: usize,
    /// Transactions aborted as planned.
    pub aborted: u64,
    /// Transactions aborted because of an error.
    pub failed: u64,
    /// Workers that ended because they were fenced or could do nothing any more.
    pub fatal: u64,
    /// Faults that were done, by name.
    pub faults: BTreeMap<&'static str, u32>,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            records,
            transactions,
            aborted,
            failed,
            fatal,
            faults,
        } = self;
        write!(
            formatter,
            "{records} records exactly once in {transactions} transactions; aborted: {aborted} \
             as planned, {failed} after errors; {fatal} workers failed or fenced; faults:"
        )?;
        for (name, count) in faults {
            write!(formatter, " {count} {name}")?;
        }
        Ok(())
    }
}

impl Campaign {
    /// Runs it.
    ///
    /// # Errors
    /// Exactly once is violated, or something ended or did not end as it has to.
    pub fn run(&self, target: &mut Target) -> anyhow::Result<Summary> {
        let topics = Topics {
            prefix: unique("exactly-once"),
            group_partitions: 2 * i32::try_from(self.group_workers)?,
            fixed_partitions: PARTITIONS_PER_FIXED_WORKER * i32::try_from(self.fixed_workers)?,
            output_partitions: 3,
        };
        topics.create(&mut target.client()?)?;
        let log_dir = TempDir::new()?;
        let workers = self.workers(target, &topics);
        let fleet = Fleet::new(self.binary.clone(), log_dir.path().to_owned(), workers);
        let mut run = Run {
            campaign: self,
            topics: &topics,
            target,
            fleet,
            faults: BTreeMap::new(),
        };
        let result = run.run();
        result.with_context(|| {
            let (seed, workers) = (self.seed, run.fleet.logs());
            let held = run.autopsy();
            let broker = run.target.log();
            format!("seed {seed}\n{workers}{held}--- broker since its last start\n{broker}---")
        })
    }

    fn workers(&self, target: &Target, topics: &Topics) -> Vec<WorkerOptions> {
        let group = (0..self.group_workers).map(|index| (Lane::Group, index));
        let fixed = (0..self.fixed_workers).map(|index| (Lane::Fixed, index));
        let options = group.chain(fixed).map(|(lane, index)| WorkerOptions {
            bootstrap: target.address(),
            lane,
            index,
            incarnation: 0,
            seed: self.seed,
            prefix: topics.prefix.clone(),
            output_partitions: topics.output_partitions,
            protocol: self.protocol,
            client: self.client,
            sabotage: self.sabotage,
        });
        options.collect()
    }
}

/// A campaign under way.
struct Run<'a> {
    campaign: &'a Campaign,
    topics: &'a Topics,
    target: &'a mut Target,
    fleet: Fleet,
    faults: BTreeMap<&'static str, u32>,
}

impl Run<'_> {
    fn run(&mut self) -> anyhow::Result<Summary> {
        let checker = Mutex::new(Checker::new(self.topics.output_partitions));
        let (is_fed, is_read) = (AtomicBool::new(false), AtomicBool::new(false));
        let bootstrap = self.target.address();
        let sources = self.topics.sources();
        let feeder = Feeder {
            bootstrap,
            prefix: &self.topics.prefix,
            sources: &sources,
            records_per_s: self.campaign.records_per_s,
            seed: self.campaign.seed,
        };
        let output = output_topic(&self.topics.prefix);
        let output_partitions = self.topics.output_partitions;
        let fed = std::thread::scope(|scope| {
            let feeder = scope.spawn(|| feeder.run(&is_fed));
            let reader =
                scope.spawn(|| follow(bootstrap, &output, output_partitions, &checker, &is_read));
            let result = self.transfer(&checker, &is_fed, feeder, &reader);
            // Both end whatever the result.
            is_fed.store(true, Ordering::Relaxed);
            is_read.store(true, Ordering::Relaxed);
            let read = reader.join().expect("the reader does not panic");
            // What the reader saw tells more than that somebody waited for it in vain.
            read.and(result)
        })?;
        let checker = checker.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.audit(&checker, &fed)?;
        let Tally {
            aborted,
            failed,
            fatal,
            ..
        } = self.fleet.tally();
        Ok(Summary {
            records: fed.values().sum(),
            transactions: checker.transactions(),
            aborted,
            failed,
            fatal,
            faults: std::mem::take(&mut self.faults),
        })
    }

    /// Hurts, drains, and ends the workers.
    fn transfer<'scope>(
        &mut self,
        checker: &Mutex<Checker>,
        is_fed: &AtomicBool,
        feeder: ScopedJoinHandle<'scope, anyhow::Result<BTreeMap<Source, i64>>>,
        reader: &ScopedJoinHandle<'scope, anyhow::Result<()>>,
    ) -> anyhow::Result<BTreeMap<Source, i64>> {
        let end = now() + self.campaign.duration;
        let workers = usize::try_from(self.campaign.group_workers + self.campaign.fixed_workers)?;
        let has_broker = self.target.is_own();
        let mut schedule = Schedule::new(self.campaign.seed, workers, has_broker);
        let mut pending = next_fault(&mut schedule, now());
        self.attend(self.campaign.duration, reader, |run| {
            if let Some((time, fault)) = pending
                && time <= now()
                && run.campaign.has_faults
            {
                run.hurt(fault)?;
                pending = next_fault(&mut schedule, time);
            }
            Ok(end <= now())
        })?;
        self.target.step(true)?;
        is_fed.store(true, Ordering::Relaxed);
        self.attend(DRAINED_WITHIN, reader, |_| Ok(feeder.is_finished()))?;
        let fed = feeder.join().expect("the feeder does not panic")?;
        self.attend(DRAINED_WITHIN, reader, |_| {
            Ok(lock(checker).complete(&fed).is_ok())
        })?;
        lock(checker).complete(&fed)?;
        let mut result = Ok(false);
        wait_until(ENDED_WITHIN, || {
            result = self.fleet.wind_up();
            !matches!(result, Ok(false))
        });
        ensure!(result?, "workers do not end: {:?}", self.fleet.not_ended());
        Ok(fed)
    }

    /// Keeps workers and broker running until `is_over` or the time is; whether it was the former.
    fn attend(
        &mut self,
        deadline: Duration,
        reader: &ScopedJoinHandle<'_, anyhow::Result<()>>,
        mut is_over: impl FnMut(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<bool> {
        let mut result = Ok(false);
        wait_until(deadline, || {
            result = self.step(reader).and_then(|()| is_over(self));
            !matches!(result, Ok(false))
        });
        result
    }

    fn step(&mut self, reader: &ScopedJoinHandle<'_, anyhow::Result<()>>) -> anyhow::Result<()> {
        ensure!(!reader.is_finished(), "the reader has ended");
        self.target.step(false)?;
        self.fleet.step()
    }

    fn hurt(&mut self, fault: Fault) -> anyhow::Result<()> {
        let (name, is_done) = match fault {
            Fault::KillWorker { index, away } => ("worker kills", self.fleet.kill(index, away)?),
            Fault::StopWorker { index, away } => ("worker stops", self.fleet.stop(index, away)?),
            Fault::PauseWorker { index, paused } => {
                ("worker pauses", self.fleet.pause(index, paused)?)
            }
            Fault::ReplaceWorker { index, paused } => {
                ("workers replaced", self.fleet.replace(index, paused)?)
            }
            Fault::KillBroker { away } => ("broker kills", self.target.end(true, away)?),
            Fault::StopBroker { away } => ("broker stops", self.target.end(false, away)?),
        };
        if is_done {
            *self.faults.entry(name).or_insert(0) += 1;
            if self.campaign.is_talkative {
                eprintln!("{fault:?}");
            }
        }
        Ok(())
    }

    /// What the broker holds at a failure, if it can be asked.
    fn autopsy(&mut self) -> String {
        let output = output_topic(&self.topics.prefix);
        let described = self.target.step(true).and_then(|()| {
            let mut client = self.target.client()?;
            let batches_max = if self.campaign.is_talkative {
                usize::MAX
            } else {
                BATCHES
            };
            autopsy::describe(
                &mut client,
                &output,
                self.topics.output_partitions,
                batches_max,
            )
        });
        described.unwrap_or_else(|error| format!("nothing is known of the output: {error:#}\n"))
    }

    fn audit(&self, checker: &Checker, fed: &BTreeMap<Source, i64>) -> anyhow::Result<()> {
        let mut client = self.target.client()?;
        self.topics.check_input(&mut client, fed)?;
        self.topics.check_settled(&mut client)?;
        let committed = self.topics.committed(&mut client)?;
        checker.finish(fed, &committed)?;
        let mut again = Checker::new(self.topics.output_partitions);
        let output = output_topic(&self.topics.prefix);
        reread(
            client.wire(),
            &output,
            self.topics.output_partitions,
            &mut again,
        )?;
        again.finish(fed, &committed)?;
        Ok(())
    }
}

fn lock(checker: &Mutex<Checker>) -> std::sync::MutexGuard<'_, Checker> {
    checker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When the next fault comes if the last one came at `last`.
fn next_fault(schedule: &mut Schedule, last: Instant) -> Option<(Instant, Fault)> {
    let (delay, fault) = schedule.next()?;
    Some((last + delay, fault))
}
