//! Runs an exactly-once campaign by hand, as long as one likes: `ringbrook_tests::exactly_once`.
//!
//! `cargo run -p ringbrook-tests --bin exactly-once -- --seconds 600 --seed 7 --workers 4`

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use ringbrook_tests::exactly_once::{
    Campaign, ClientKind, End, Protocol, Sabotage, Target, Worker, WorkerOptions,
};
use ringbrook_tests::now_ms;

/// Transfers records between topics in transactions while workers and broker are killed
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    campaign: CampaignArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Be a worker (a campaign starts these)
    #[command(hide = true)]
    Worker(WorkerOptions),
}

#[derive(clap::Args)]
struct CampaignArgs {
    /// How long faults are done
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Repeats the faults of a run; drawn and printed without it
    #[arg(long)]
    seed: Option<u64>,
    /// Workers that are a consumer group
    #[arg(long, default_value_t = 3)]
    workers: u32,
    /// Workers that own their partitions alone, with transactions v2
    #[arg(long, default_value_t = 2)]
    fixed_workers: u32,
    /// How the group's members get their partitions
    #[arg(long, default_value = "classic")]
    protocol: Protocol,
    /// Whose client the workers have
    #[arg(long, default_value = "librdkafka")]
    client: ClientKind,
    /// Records fed per second
    #[arg(long, default_value_t = 300)]
    rate: u64,
    /// A broker that runs already, which is not killed then
    #[arg(long)]
    bootstrap: Option<String>,
    /// Kill nobody
    #[arg(long)]
    no_faults: bool,
    /// Make a mistake that has to be found
    #[arg(long)]
    sabotage: Option<Sabotage>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    match args.command {
        Some(Command::Worker(options)) => Ok(match Worker::new()?.run(&options)? {
            End::Stopped => ExitCode::SUCCESS,
            End::Failed => ExitCode::from(End::FAILED),
        }),
        None => run(args.campaign),
    }
}

fn run(args: CampaignArgs) -> anyhow::Result<ExitCode> {
    let seed = args
        .seed
        .unwrap_or_else(|| now_ms().unsigned_abs() % 1_000_000);
    eprintln!("--seed {seed} repeats this campaign's faults");
    let mut target = match &args.bootstrap {
        Some(address) => Target::running(resolve(address)?),
        None => Target::start()?,
    };
    let campaign = Campaign {
        seed,
        duration: Duration::from_secs(args.seconds),
        group_workers: args.workers,
        fixed_workers: args.fixed_workers,
        protocol: args.protocol,
        client: args.client,
        has_faults: !args.no_faults,
        records_per_s: args.rate,
        sabotage: args.sabotage,
        binary: std::env::current_exe()?,
        is_talkative: true,
    };
    let summary = campaign.run(&mut target)?;
    eprintln!("{summary}");
    target.stop()?;
    Ok(ExitCode::SUCCESS)
}

fn resolve(address: &str) -> anyhow::Result<SocketAddr> {
    let mut addresses = address.to_socket_addrs()?;
    addresses.next().context("no address")
}
