//! The native client beside librdkafka: what the scenarios of both sides share. Both run in this
//! process, in alternating rounds of the same run, against the same broker, with the same settings.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::interrupt::Scratch;
use crate::process::{Server, now};
use crate::report::{Series, append_json, environment, line};
use crate::round::broker_command;

/// How to compare the native client with librdkafka.
#[derive(Clone, clap::Args)]
pub(crate) struct RivalArgs {
    /// Binary of the broker
    #[arg(long, default_value = "target/release/ringbrook")]
    ringbrook: PathBuf,
    /// Another broker that runs already, such as Apache Kafka, as host:port
    #[arg(long)]
    bootstrap: Option<String>,
    /// Rounds of each side
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Records of a round
    #[arg(long, default_value_t = 2_000_000)]
    pub(crate) records: u32,
    /// Bytes of a record's value; it has no key
    #[arg(long, default_value_t = 100)]
    pub(crate) value_bytes: usize,
    /// Partitions
    #[arg(long, default_value_t = 4)]
    pub(crate) partitions: u16,
    /// compression.type: none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none")]
    pub(crate) compression: String,
    /// Core of the broker that is started
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// Core of both clients, with all of their threads
    #[arg(long, default_value_t = 1)]
    client_cpu: usize,
    /// Where the broker keeps its files during the run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Append each result as a line of JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Run one side only, for a profiler
    #[arg(long, value_enum)]
    only: Option<Side>,
}

impl RivalArgs {
    /// For a single round of one side, with a broker that runs already.
    pub(crate) fn of_round(partitions: u16, records: u32, value_bytes: usize) -> Self {
        Self {
            ringbrook: PathBuf::new(),
            bootstrap: None,
            rounds: 1,
            records,
            value_bytes,
            partitions,
            compression: "none".to_owned(),
            server_cpu: 0,
            client_cpu: 0,
            dir: PathBuf::new(),
            json: None,
            only: None,
        }
    }
}

/// Whose client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Side {
    /// The native client.
    Native,
    /// librdkafka, through the rdkafka crate.
    Librdkafka,
}

/// What one round took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) seconds: f64,
    /// CPU time of this process, in user mode and in the kernel.
    pub(crate) cpu_seconds: f64,
}

/// Measures what `action` takes.
///
/// # Errors
/// Those of `action`.
pub(crate) fn measure(action: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Took> {
    let (begin, cpu_begin) = (now(), cpu_now());
    action()?;
    Ok(Took {
        seconds: begin.elapsed().as_secs_f64(),
        cpu_seconds: cpu_now() - cpu_begin,
    })
}

fn cpu_now() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    std::time::Duration::try_from(time).map_or(0.0, |time| time.as_secs_f64())
}

/// Runs alternating rounds and prints ratios. `settings` go into the JSON; `prepare` is told the
/// bootstrap servers before all rounds; `round` does one side's work once.
///
/// # Errors
/// A broker or a client failed.
pub(crate) fn run(
    scenario: &str,
    settings: &Value,
    args: &RivalArgs,
    prepare: impl FnOnce(&str) -> anyhow::Result<()>,
    mut round: impl FnMut(Side, &str) -> anyhow::Result<Took>,
) -> anyhow::Result<()> {
    let dir = Scratch::new_in(&args.dir)?;
    let mut server = None;
    let bootstrap = match &args.bootstrap {
        Some(bootstrap) => bootstrap.clone(),
        None => {
            let mut command: Command = broker_command(&args.ringbrook, dir.path());
            command.args(["--override", "log.flush.before.ack=false"]);
            let started = Server::start(&mut command, Some(args.server_cpu))?;
            let address = started.address.to_string();
            server = Some(started);
            address
        }
    };
    crate::process::pin(args.client_cpu)?;
    prepare(&bootstrap).context("before the rounds")?;
    let sides = [Side::Native, Side::Librdkafka];
    let sides = sides
        .into_iter()
        .filter(|side| args.only.is_none_or(|only| only == *side));
    let sides: Vec<_> = sides.collect();
    let mut rates = [Series::default(), Series::default()];
    let mut costs = [Series::default(), Series::default()];
    let records = f64::from(args.records);
    for _ in 0..args.rounds {
        for side in &sides {
            let took = round(*side, &bootstrap).with_context(|| format!("{side:?}"))?;
            let index = usize::from(*side == Side::Librdkafka);
            let (rates, costs) = (rates.get_mut(index), costs.get_mut(index));
            rates.context("two sides")?.0.push(records / took.seconds);
            let cpu_us = took.cpu_seconds / records * 1e6;
            costs.context("two sides")?.0.push(cpu_us);
        }
    }
    report(scenario, settings, args, "records/s", &rates)?;
    report(scenario, settings, args, "CPU us/record", &costs)?;
    server.map_or(Ok(()), Server::stop)
}

fn report(
    scenario: &str,
    settings: &Value,
    args: &RivalArgs,
    unit: &str,
    [native, librdkafka]: &[Series; 2],
) -> anyhow::Result<()> {
    if args.only.is_some() {
        line(&format!(
            "{scenario:<16} {unit:<14} {} {}",
            native.text(),
            librdkafka.text()
        ));
        return Ok(());
    }
    let ratios = native.over(librdkafka);
    line(&format!(
        "{scenario:<16} {unit:<14} native {:<28} librdkafka {:<28} ratio {:.2} ({:.2}-{:.2})",
        native.text(),
        librdkafka.text(),
        native.median() / librdkafka.median(),
        ratios.min(),
        ratios.max(),
    ));
    let value = json!({
        "scenario": scenario,
        "settings": settings,
        "unit": unit,
        "records": args.records,
        "value_bytes": args.value_bytes,
        "partitions": args.partitions,
        "compression": args.compression,
        "native": native.json(),
        "librdkafka": librdkafka.json(),
        "ratio": native.median() / librdkafka.median(),
        "environment": environment(),
    });
    append_json(args.json.as_deref(), &value)
}
