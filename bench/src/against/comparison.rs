//! `compare`: sides in turn, round by round, each broker on an empty directory and a core of its
//! own, under everything that is measured; then the report. `bench/compare/kafka` calls it with
//! Apache Kafka at hand.

use std::cell::Cell as Shared;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use indicatif::{ProgressBar, ProgressStyle};

use super::LOADS;
use super::brokers::BrokerArgs;
use super::cells::Cell;
use super::report;
use super::results::{Observation, Results};
use super::rows::{Maxima, Rows, Visit};
use super::sides::{Side, order, references};
use crate::engine::machine;
use crate::process::{self, now};
use crate::report::line;
use crate::warm_memory::WarmMemory;

/// How to compare brokers.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// Where results stay, and where brokers keep their files during the run
    dir: PathBuf,
    /// Rounds: every side once in each
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Sides to measure
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "ringbrook,ringbrook-page-cache,kafka,kafka-flush"
    )]
    sides: Vec<Side>,
    /// Rows to measure; all of them when none is named
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Rows>,
    /// Jars of Apache Kafka, for its performance tools
    #[arg(long, default_value = "target/clients/kafka/lib")]
    kafka_lib: PathBuf,
    /// Core of all clients
    #[arg(long, default_value_t = 1)]
    client_cpu: usize,
    /// Seconds of load before Kafka is measured: its JIT compiler needs 20 to 30
    #[arg(long, default_value_t = 20.0)]
    warm_up_s: f64,
    /// Seconds that each load as fast as possible is measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds that each load at a fixed rate is measured
    #[arg(long, default_value_t = 12.0)]
    rate_seconds: f64,
    /// Records that clients that are not ours send and read
    #[arg(long, default_value_t = 500_000)]
    other_records: u32,
    /// In two minutes: shows that everything works, not how fast anything is
    #[arg(long)]
    smoke: bool,
    /// Measure nothing: make the report of what an earlier run left in DIR
    #[arg(long)]
    report_only: bool,
    #[command(flatten)]
    brokers: BrokerArgs,
}

/// How long and how much.
#[derive(Debug)]
pub(crate) struct Effort {
    pub(crate) client_cpu: usize,
    /// Of brokers that warm up slowly.
    pub(crate) warm_up_s: f64,
    pub(crate) raw_s: f64,
    pub(crate) rate_warm_up_s: f64,
    pub(crate) rate_s: f64,
    pub(crate) other_records: u32,
    /// Of topics that are loaded.
    pub(crate) partitions: u16,
    pub(crate) idle_partitions: u16,
    pub(crate) fetched_partition_bytes: usize,
    /// By a load as fast as possible, at most; twice as much while it warms up.
    pub(crate) produced_bytes: u64,
    /// Memory that is taken from the host beforehand.
    pub(crate) warm_memory_bytes: u64,
}

impl Effort {
    /// Brokers that are compiled ahead of time need no longer.
    pub(crate) const NATIVE_WARM_UP_S: f64 = 2.0;

    fn new(args: &CompareArgs) -> Self {
        let full = Self {
            client_cpu: args.client_cpu,
            warm_up_s: args.warm_up_s,
            raw_s: args.seconds,
            rate_warm_up_s: 4.0,
            rate_s: args.rate_seconds,
            other_records: args.other_records,
            partitions: 8,
            idle_partitions: 1000,
            fetched_partition_bytes: 64 << 20,
            produced_bytes: 2 << 30,
            warm_memory_bytes: 12 << 30,
        };
        if !args.smoke {
            return full;
        }
        Self {
            warm_up_s: 1.0,
            raw_s: 0.5,
            rate_warm_up_s: 0.5,
            rate_s: 1.0,
            other_records: 20_000,
            idle_partitions: 50,
            fetched_partition_bytes: 2 << 20,
            produced_bytes: 64 << 20,
            warm_memory_bytes: 64 << 20,
            ..full
        }
    }

    fn text(&self) -> String {
        format!(
            "loads as fast as possible: {} s, after {} s of warm-up (brokers compiled ahead of \
             time: {} s), a quarter of that where a load of the same kind ran before; fixed rates: \
             {} s after {} s; clients that are not ours: {} records; {} partitions; idle: {} \
             partitions; memory taken from the host beforehand: {} GiB, or half of what there is",
            self.raw_s,
            self.warm_up_s,
            self.warm_up_s.min(Self::NATIVE_WARM_UP_S),
            self.rate_s,
            self.rate_warm_up_s,
            self.other_records,
            self.partitions,
            self.idle_partitions,
            self.warm_memory_bytes >> 30,
        )
    }

    /// About how many seconds a side takes in a round.
    fn estimate_s(&self, side: Side, sides: &[Side], rows: &[Rows]) -> f64 {
        let (start_s, warm_up_s) = if side.warms_up_slowly() {
            (8.0, self.warm_up_s)
        } else {
            (0.5, self.warm_up_s.min(Self::NATIVE_WARM_UP_S))
        };
        let rates_count = (references(side, sides).len() * Cell::ALL.len()) as f64;
        let of = |rows: &Rows| match rows {
            Rows::Idle => start_s + 8.0,
            Rows::Raw => 3.5 * warm_up_s + 5.0 * (self.raw_s + 2.0),
            Rows::Rates => rates_count * (self.rate_warm_up_s + self.rate_s + 5.0),
            Rows::PerfTest => 6.0 + f64::from(self.other_records) / 40_000.0,
            Rows::Librdkafka => 2.0 + f64::from(self.other_records) / 60_000.0,
        };
        start_s + rows.iter().map(of).sum::<f64>()
    }
}

/// Measures and reports.
///
/// # Errors
/// A row could not be measured: the report of the others is written nevertheless.
pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.dir)?;
    let results = if args.report_only {
        Results::read(&args.dir)?
    } else {
        measure(args)?
    };
    report::write(&results, &args.dir)?;
    line(&report::summary(&results));
    line(&format!(
        "report: {}",
        args.dir.join(report::FILE).display()
    ));
    ensure!(
        results.failures.is_empty(),
        "not everything was measured: {}",
        results.failures.join("; ")
    );
    Ok(())
}

fn measure(args: &CompareArgs) -> anyhow::Result<Results> {
    ensure!(0 < args.rounds, "no rounds, no figures");
    let rows = if args.rows.is_empty() {
        Rows::ALL.to_vec()
    } else {
        args.rows.clone()
    };
    let effort = Effort::new(args);
    let mut results = Results {
        environment: machine::describe(&args.dir),
        versions: args.brokers.versions(&args.sides).into_iter().collect(),
        options: format!("{} rounds; {}", args.rounds, effort.text()),
        ..Results::default()
    };
    process::pin(args.client_cpu)?;
    let sides = order(&args.sides, 1);
    let of_round = |side: &Side| effort.estimate_s(*side, &sides, &rows);
    let estimate_s = f64::from(args.rounds) * sides.iter().map(of_round).sum::<f64>();
    let progress = Progress::new(estimate_s)?;
    progress.tell(&format!(
        "{} rounds of {} sides, about {:.0} minutes",
        args.rounds,
        sides.len(),
        (estimate_s / 60.0).ceil()
    ));
    progress.tell("taking memory from the host");
    let _warm_memory = WarmMemory::take(effort.warm_memory_bytes)?;
    let mut maxima = Maxima::new();
    for round in 1..=args.rounds {
        for side in order(&sides, round) {
            let before_s = progress.done_s.get();
            let say = |row: &str| progress.say(round, side, row);
            let visit = Visit {
                round,
                side,
                sides: &sides,
                effort: &effort,
                dir: &args.dir,
                kafka_lib: &args.kafka_lib,
                say: &say,
            };
            let mut visited = Visited {
                args,
                rows: &rows,
                visit: &visit,
                results: &mut results,
            };
            visited.all(&mut maxima);
            progress.advance_to(before_s + of_round(&side));
            results.write(&args.dir)?;
        }
    }
    progress.bar.finish_and_clear();
    Ok(results)
}

/// A side in a round: what fails is written down, and the others go on.
struct Visited<'a> {
    args: &'a CompareArgs,
    rows: &'a [Rows],
    visit: &'a Visit<'a>,
    results: &'a mut Results,
}

impl Visited<'_> {
    fn all(&mut self, maxima: &mut Maxima) {
        let visit = self.visit;
        let (brokers, dir, side) = (&self.args.brokers, &self.args.dir, visit.side);
        if self.rows.contains(&Rows::Idle) {
            let found = brokers.start(side, dir);
            self.keep(found.and_then(|broker| visit.idle(&broker)));
        }
        if self.rows == [Rows::Idle] {
            return;
        }
        let broker = match brokers.start(side, dir) {
            Ok(broker) => broker,
            Err(error) => return self.keep(Err(error)),
        };
        let settings = &mut self.results.settings;
        settings.insert(side, broker.description.clone());
        if self.rows.contains(&Rows::Raw) {
            for load in LOADS {
                self.keep(visit.raw(&broker, load));
            }
        }
        if self.rows.contains(&Rows::Rates) {
            for cell in Cell::ALL {
                self.keep(visit.rates(&broker, cell, maxima));
            }
        }
        for rows in [Rows::PerfTest, Rows::Librdkafka] {
            if self.rows.contains(&rows) {
                self.keep(visit.others(&broker, rows));
            }
        }
    }

    fn keep(&mut self, found: anyhow::Result<Vec<Observation>>) {
        match found {
            Ok(found) => self.results.observations.extend(found),
            Err(error) => {
                let Visit { side, round, .. } = self.visit;
                let failure = format!("{}, round {round}: {error:#}", side.name());
                line(&failure);
                self.results.failures.push(failure);
            }
        }
    }
}

/// How far it is: a bar on a terminal, and a line for every row.
struct Progress {
    bar: ProgressBar,
    begin: Instant,
    /// Of the estimate.
    done_s: Shared<f64>,
}

impl Progress {
    fn new(estimate_s: f64) -> anyhow::Result<Self> {
        let style = ProgressStyle::with_template("{bar:30} {percent} %, {eta} left  {msg}")?;
        let length = Duration::from_secs_f64(estimate_s).as_secs();
        Ok(Self {
            bar: ProgressBar::new(length).with_style(style),
            begin: now(),
            done_s: Shared::new(0.0),
        })
    }

    fn say(&self, round: u32, side: Side, row: &str) {
        let elapsed_s = self.begin.elapsed().as_secs();
        self.bar.set_message(format!("{}: {row}", side.name()));
        self.tell(&format!(
            "{:3}:{:02} round {round} {}: {row}",
            elapsed_s / 60,
            elapsed_s % 60,
            side.name()
        ));
    }

    fn tell(&self, text: &str) {
        self.bar.suspend(|| line(text));
    }

    fn advance_to(&self, done_s: f64) {
        self.done_s.set(done_s);
        self.bar
            .set_position(Duration::from_secs_f64(done_s).as_secs());
    }
}
