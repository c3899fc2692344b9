//! The server binary: arguments, configuration, start, wait for a signal, stop.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ringbrook_broker::config::{BrokerConfig, ConfigSources};
use ringbrook_broker::server::Server;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A Kafka-compatible event-streaming broker on io_uring, durable before it acknowledges.
///
/// Without arguments it listens on 127.0.0.1:9092 and keeps its data in ./data. Existing Kafka
/// clients and tools connect to it as they are.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
        ringbrook\n  \
        ringbrook --config server.properties\n  \
        ringbrook --data-dir /var/lib/ringbrook --override num.partitions=8\n\n\
        Logs go to standard error; RUST_LOG=debug shows more. SIGTERM and SIGINT stop cleanly."
)]
struct Args {
    /// Read Kafka's server.properties from FILE
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one configuration, over the file; may be given several times
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = key_value)]
    overrides: Vec<(String, String)>,
    /// Keep data in DIR (short for log.dirs)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

fn key_value(argument: &str) -> Result<(String, String), String> {
    let (key, value) = argument
        .split_once('=')
        .ok_or("expected KEY=VALUE, such as num.partitions=8")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    // The consensus library tells its every step from `info` on.
    let filter = if filter.contains("openraft") {
        filter
    } else {
        filter + ",openraft=warn"
    };
    let filter = EnvFilter::new(filter);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Every error names its cause itself: with the chain it would be said twice.
            eprintln!("ringbrook: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        config: file,
        overrides,
        data_dir,
    } = args;
    let (config, warnings) = BrokerConfig::load(ConfigSources {
        file,
        overrides,
        data_dir,
    })?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    // Before any thread starts, so that no signal finds its default action.
    let signals = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut terminate, mut interrupt) = {
        use tokio::signal::unix::{SignalKind, signal};
        let _runtime = signals.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    let server = Server::start(config)?;
    announce(&server.banner());
    let failure = signals.block_on(async {
        tokio::select! {
            _ = terminate.recv() => {
                tracing::info!("SIGTERM: stopping");
                None
            }
            _ = interrupt.recv() => {
                tracing::info!("SIGINT: stopping");
                None
            }
            reason = server.failed() => Some(reason),
        }
    });
    let Some(reason) = failure else {
        return Ok(server.stop()?);
    };
    tracing::error!(reason, "the broker cannot go on: stopping");
    if let Err(error) = server.stop() {
        // Expected: logs in a dir that is offline are not closed.
        tracing::warn!(%error, "the stop is not clean");
    }
    Err(anyhow::Error::msg(reason))
}

/// The one line on standard output: programs that start a broker read its addresses from it.
#[expect(clippy::print_stdout, reason = "the line is meant for standard output")]
fn announce(banner: &str) {
    println!("{banner}");
}
