//! The load generator: open or closed loads of any shape against any Kafka-compatible broker, with
//! latencies counted from intended times and every record looked for afterwards.
//!
//! A [`workload::Workload`] says what the load is. `run` does one: a [`crew::Crew`] of threads has
//! the clients, which are the native ones, `producing` on schedules, `committing` and `consuming`;
//! what they see goes to a [`recorder::Recorder`] per thread, and what it comes to is
//! [`measured::Measured`], which `report` turns into files.

mod advise;
mod committing;
mod consuming;
mod crew;
mod disk;
mod environment;
mod fields;
mod find_max;
mod keys;
mod latency;
mod ledger;
mod measured;
mod model;
mod observed;
mod pacer;
mod payload;
mod producing;
mod ratios;
mod recorder;
mod report;
mod run;
mod schedule;
mod study;
mod target;
mod workload;

use std::path::PathBuf;

use clap::Args;

pub(crate) use advise::{AdviseArgs, command as advise};
pub(crate) use ratios::{RatiosArgs, command as ratios};
pub(crate) use report::{Anchor, Stroke, Svg};
pub(crate) use study::load;

/// How to run a load.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArgs {
    /// A preset, or a file: TOML, or YAML of the OpenMessaging benchmark. Presets are quick,
    /// latency, throughput, tuning, rate-curve, end-to-end, durability, partitions, codecs,
    /// transactions, fan-out, batching, axes and soak
    #[arg(default_value = "quick")]
    workload: String,
    /// Records per second of all producers together, or a share such as 80%, or max, or find-max;
    /// instead of what the workload says
    #[arg(long)]
    load: Option<workload::Load>,
    /// Another field of the workload, such as record_bytes=100, producer.linger.ms=20,
    /// broker.num.io.threads=2 or sweep.load=["50%","max"]; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    settings: Vec<String>,
    /// Where the directory of results is made
    #[arg(long, default_value = "bench/results")]
    out: PathBuf,
    /// Only say what would be run
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Which broker, and where it and the clients run.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArgs {
    /// A broker that runs already, as host:port; without it, ours is started for the run
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap_server: Option<String>,
    /// Process of that broker, if it runs here: its CPU time and memory are reported then
    #[arg(long, requires = "bootstrap_server")]
    broker_pid: Option<u32>,
    /// Binary of our broker
    #[arg(long, default_value = "target/release/ringbrook")]
    ringbrook: PathBuf,
    /// A setting of our broker, such as log.flush.before.ack=false; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    broker_override: Vec<String>,
    /// Core of the broker that is started; any core without it
    #[arg(long)]
    server_cpu: Option<usize>,
    /// Core of all clients; any core without it
    #[arg(long)]
    client_cpu: Option<usize>,
    /// Threads that clients are spread over
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    client_threads: u32,
    /// Leave the topics where they are after the run
    #[arg(long)]
    keep_topics: bool,
    /// Where our broker keeps its files during the run, and whose disk is looked at
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}
