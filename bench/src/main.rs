//! Benchmarks of the broker beside null servers.
//!
//! A null server does what no broker can do without: receive, check, append, reply. Broker and null
//! server run pinned to one core, one after the other in alternating rounds of the same run, and
//! the client on another core. Machines differ and vary, so the ratio of the two counts.
//! The storage engine alone is measured beside bare system calls (`engine`).
//! BENCHMARKS.md holds the results; criterion benches of the parts are in `benches/`.

mod admin;
mod against;
mod client;
mod client_consume;
mod client_produce;
mod cold;
mod engine;
mod frames;
mod generator;
mod group_join;
mod idle;
mod interrupt;
mod load;
mod null_server;
mod offset_commit;
mod process;
mod report;
mod restart;
mod rival;
mod round;
mod scenario;
mod transactions;
mod warm_memory;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The broker's allocator, so that the engine is measured as it runs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the broker beside null servers and prints ratios.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put a load on any Kafka-compatible broker, and report throughput, latencies and losses
    Load(generator::LoadArgs),
    /// Recommend linger.ms and batch.size for a load, with the reason
    Advise(generator::AdviseArgs),
    /// Compare the results of loads on two brokers
    Ratios(generator::RatiosArgs),
    /// Run scenarios and print broker, null server and their ratio
    Run(RunArgs),
    /// Put the loads of `run` on any broker that runs already, and print rates and CPU times
    Against(against::AgainstArgs),
    /// Compare Ringbrook with Apache Kafka in everything: `bench/compare/kafka` runs this
    Compare(against::CompareArgs),
    /// Drive the storage engine without a network, beside the limits of the same run
    Engine(engine::EngineArgs),
    /// Stop the engine cleanly and by kill -9, and measure how long it takes to open its logs again
    Restart(restart::RestartArgs),
    /// Fill logs and wait (`restart` starts this)
    FillLogs(restart::FillArgs),
    /// Fill a running broker, as `restart` fills the engine
    LoadBroker(restart::LoadArgs),
    /// Open the logs of a log dir and print what it took; they are recovered as after kill -9
    OpenLogs(restart::OpenArgs),
    /// Read with the native consumer, beside librdkafka
    ClientConsume(rival::RivalArgs),
    /// Produce with the native producer, beside librdkafka
    ClientProduce(client_produce::ProduceArgs),
    /// Serve as null server on a free port of 127.0.0.1 (`run` starts these)
    NullServer {
        /// What the server does with a request
        #[arg(value_enum)]
        work: null_server::Work,
        /// File to append to or to send from
        file: PathBuf,
    },
}

/// How to run the scenarios.
#[derive(clap::Args)]
struct RunArgs {
    /// Scenarios to run; all when none is named
    #[arg(value_parser = scenario::names())]
    scenarios: Vec<String>,
    /// Binary of the broker
    #[arg(long, default_value = "target/release/ringbrook")]
    ringbrook: PathBuf,
    /// Measure a second null server instead of the broker: how far ratios stray from 1 by chance
    #[arg(long)]
    calibrate: bool,
    /// A few requests only: shows that the benchmark works, not how fast anything is
    #[arg(long)]
    quick: bool,
    /// Rounds of each side
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of load per round, at most
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// GiB produced per round, at most, so that disk and page cache suffice
    #[arg(long, default_value_t = 2)]
    gib: u32,
    /// Partitions that produce requests go to in turn
    #[arg(long, default_value_t = 8)]
    partitions: u16,
    /// Core of the server
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// Core of the client
    #[arg(long, default_value_t = 1)]
    client_cpu: usize,
    /// Where servers keep their files during the run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Append each result as a line of JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let command = Args::parse().command;
    interrupt::unless_interrupted(|| run(command))
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Load(args) => generator::load(&args),
        Command::Advise(args) => generator::advise(&args),
        Command::Ratios(args) => generator::ratios(&args),
        Command::Run(args) => scenario::run(&args),
        Command::Against(args) => against::run(&args),
        Command::Compare(args) => against::compare(&args),
        Command::Engine(args) => engine::run(&args),
        Command::Restart(args) => restart::run(&args),
        Command::FillLogs(args) => restart::fill(&args),
        Command::LoadBroker(args) => restart::load(&args),
        Command::OpenLogs(args) => restart::open(&args),
        Command::ClientConsume(args) => client_consume::run(&args),
        Command::ClientProduce(args) => client_produce::run(&args),
        Command::NullServer { work, file } => null_server::run(work, &file),
    }
}
