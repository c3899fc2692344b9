//! A worker process: reads input, produces output and commits its offsets, all in transactions.
//!
//! The binary `exactly-once` runs it with the hidden command `worker`. It tells on standard output
//! what becomes of its transactions, one line each, ends when its standard input does, and dies
//! with the campaign that started it. A worker whose producer has failed for good ends by itself
//! ([`End::Failed`]): its next incarnation begins anew, as an application would.

mod fixed;
mod group;
mod native;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::ValueEnum;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::exactly_once::{Lane, Random};

pub(super) use fixed::PARTITIONS_PER_WORKER as PARTITIONS_PER_FIXED_WORKER;

/// How long a transaction may be open before the broker aborts it.
const TRANSACTION_TIMEOUT_MS: i32 = 4000;
/// The least that transactional librdkafka can be told: how long a request may take.
const REQUEST_TIMEOUT_MS: i32 = 3500;

/// How members of the group get their partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// JoinGroup and SyncGroup.
    Classic,
    /// ConsumerGroupHeartbeat (KIP-848).
    Consumer,
}

/// Whose client the workers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientKind {
    /// librdkafka's in the group's lane, raw frames in the fixed one.
    Librdkafka,
    /// The native client in both.
    Native,
}

/// A mistake in the worker that the campaign has to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sabotage {
    /// Produces without transactions.
    Plain,
    /// Commits offsets by itself before it ends the transaction.
    Outside,
}

/// What a worker is to do.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkerOptions {
    /// Where the broker listens
    #[arg(long)]
    pub bootstrap: SocketAddr,
    /// How the input is shared
    #[arg(long)]
    pub lane: Lane,
    /// Which worker it is, counted from 0 in its lane
    #[arg(long)]
    pub index: u32,
    /// How many of it there were before
    #[arg(long)]
    pub incarnation: u32,
    /// Seed of the campaign
    #[arg(long)]
    pub seed: u64,
    /// What names of topics, groups and transactional ids begin with
    #[arg(long)]
    pub prefix: String,
    /// Partitions of the output topic
    #[arg(long)]
    pub output_partitions: i32,
    /// How members of the group get their partitions
    #[arg(long)]
    pub protocol: Protocol,
    /// Whose client it has
    #[arg(long)]
    pub client: ClientKind,
    /// A mistake to make
    #[arg(long)]
    pub sabotage: Option<Sabotage>,
}

impl WorkerOptions {
    /// The arguments that give these options.
    #[must_use]
    pub fn to_args(&self) -> Vec<String> {
        let value = |value: &dyn ValueName| value.name();
        let mut args = vec![
            ("--bootstrap", self.bootstrap.to_string()),
            ("--lane", value(&self.lane)),
            ("--index", self.index.to_string()),
            ("--incarnation", self.incarnation.to_string()),
            ("--seed", self.seed.to_string()),
            ("--prefix", self.prefix.clone()),
            ("--output-partitions", self.output_partitions.to_string()),
            ("--protocol", value(&self.protocol)),
            ("--client", value(&self.client)),
        ];
        args.extend(self.sabotage.map(|it| ("--sabotage", value(&it))));
        args.into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }

    /// Name of the input topic.
    #[must_use]
    pub fn input(&self) -> String {
        input_topic(&self.prefix, self.lane)
    }

    /// Name of the output topic.
    #[must_use]
    pub fn output(&self) -> String {
        output_topic(&self.prefix)
    }

    /// Name of the group that the offsets are committed for.
    #[must_use]
    pub fn group(&self) -> String {
        group(&self.prefix, self.lane)
    }

    /// The id that outlives the process.
    #[must_use]
    pub fn transactional_id(&self) -> String {
        format!("{}-{}-{}", self.prefix, self.lane.name(), self.index)
    }

    /// The name of transaction number `number` of this incarnation.
    fn transaction(&self, number: u64) -> String {
        let lane = self.lane.name();
        format!("{lane}{}.{}.{number}", self.index, self.incarnation)
    }

    fn random(&self) -> Random {
        let who = (u64::from(self.index) << 32) | u64::from(self.incarnation);
        Random::of(self.seed, self.lane.name(), who)
    }
}

trait ValueName {
    fn name(&self) -> String;
}

impl<V: ValueEnum> ValueName for V {
    fn name(&self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

/// Name of the input topic of `lane`.
pub(super) fn input_topic(prefix: &str, lane: Lane) -> String {
    format!("{prefix}-{}", lane.name())
}

/// Name of the output topic.
pub(super) fn output_topic(prefix: &str) -> String {
    format!("{prefix}-output")
}

/// Name of the group of `lane`.
pub(super) fn group(prefix: &str, lane: Lane) -> String {
    format!("{prefix}-{}-workers", lane.name())
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As it was asked to.
    Stopped,
    /// Its producer is fenced or has failed for good.
    Failed,
}

impl End {
    /// The exit code that tells [`End::Failed`] from a worker that panics.
    pub const FAILED: u8 = 75;
}

/// Why a transaction was not committed.
#[derive(Debug)]
enum Failure {
    /// It can be aborted and tried again.
    Abort(String),
    /// The producer can do nothing any more.
    Fatal(String),
}

/// What a transaction came to.
enum Round {
    /// There was nothing to transfer.
    Idle,
    /// So many records were transferred.
    Committed(usize),
    /// So many records were written and given up, as planned.
    Aborted(usize),
}

/// The worker of this process.
#[derive(Debug)]
pub struct Worker {
    stopping: Arc<AtomicBool>,
}

impl Worker {
    /// Listens to the end of standard input, and dies with the parent from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> anyhow::Result<Self> {
        set_parent_process_death_signal(Some(Signal::KILL)).context("death with the campaign")?;
        let stopping = Arc::<AtomicBool>::default();
        let flag = Arc::clone(&stopping);
        std::thread::spawn(move || {
            // Nothing is sent; an error ends the input as well.
            drop(std::io::stdin().read_to_end(&mut Vec::new()));
            flag.store(true, Ordering::Relaxed);
        });
        Ok(Self { stopping })
    }

    /// Transfers until it is asked to stop.
    ///
    /// # Errors
    /// Something happened that a broker must not do, or nobody reads what the worker says.
    pub fn run(&self, options: &WorkerOptions) -> anyhow::Result<End> {
        if options.client == ClientKind::Native {
            return self.transfer(|| native::NativeWorker::start(options));
        }
        match options.lane {
            Lane::Group => self.transfer(|| group::GroupWorker::start(options)),
            Lane::Fixed => self.transfer(|| fixed::FixedWorker::start(options, &self.stopping)),
        }
    }

    fn transfer<T: Transferring>(
        &self,
        start: impl FnOnce() -> anyhow::Result<Result<T, Failure>>,
    ) -> anyhow::Result<End> {
        let mut worker = match start()? {
            Ok(worker) => worker,
            Err(failure) => return Self::fail(&failure),
        };
        while !self.stopping.load(Ordering::Relaxed) {
            match worker.round()? {
                Ok(Round::Idle) => {}
                Ok(Round::Committed(records)) => say(&format!("committed {records}"))?,
                Ok(Round::Aborted(records)) => say(&format!("aborted {records}"))?,
                Err(Failure::Abort(why)) => say(&format!("failed {why}"))?,
                Err(failure @ Failure::Fatal(_)) => return Self::fail(&failure),
            }
        }
        Ok(End::Stopped)
    }

    fn fail(failure: &Failure) -> anyhow::Result<End> {
        let (Failure::Abort(why) | Failure::Fatal(why)) = failure;
        say(&format!("fatal {why}"))?;
        Ok(End::Failed)
    }
}

/// A worker of one lane.
trait Transferring {
    /// Transfers the records of one transaction. After [`Failure::Abort`] the transaction is over
    /// and its records are read again.
    ///
    /// # Errors
    /// Something happened that a broker must not do.
    fn round(&mut self) -> anyhow::Result<Result<Round, Failure>>;
}

/// Writes a line to standard output at once.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", line.replace('\n', " "))?;
    Ok(out.flush()?)
}

/// What one transaction is going to be like.
#[derive(Debug)]
struct Plan {
    records_max: usize,
    is_doomed: bool,
    /// Whether a doomed transaction has offsets as well.
    has_offsets: bool,
    /// Bytes of padding in each record.
    padding: usize,
}

impl Plan {
    fn draw(random: &mut Random) -> Self {
        let is_large = random.chance(10);
        Self {
            records_max: if is_large {
                random.index(200, 1000)
            } else {
                random.index(1, 40)
            },
            is_doomed: random.chance(15),
            has_offsets: random.chance(50),
            padding: if random.chance(5) {
                10_000
            } else {
                random.index(0, 60)
            },
        }
    }
}
