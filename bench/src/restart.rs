//! How long the engine takes to open its logs again: after a clean stop, after kill -9 under load,
//! and after kill -9 of a process that was idle for a while; and what idle logs cost in memory.
//! Filling and opening run in processes of their own, so that one can be killed and memory is that
//! of the opening alone. `open` alone measures a log dir that another broker wrote.

mod loader;
mod worker;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

pub(crate) use loader::{LoadArgs, load};
pub(crate) use worker::{FillArgs, OpenArgs, fill, open};

use crate::interrupt::{Process, Scratch};
use crate::report::{append_json, line};

/// How a filled log dir is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Stop {
    /// Shut down.
    Clean,
    /// Killed right after the last append.
    Kill,
    /// Killed when the background work had time to bring the recovery points to the logs' ends.
    KillIdle,
}

/// What to fill and how to stop.
#[derive(clap::Args)]
pub(crate) struct RestartArgs {
    /// Logs
    #[arg(long, default_value_t = 1000)]
    partitions: u32,
    /// MiB in all logs together, but one batch each at least
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// Bytes of a batch
    #[arg(long, default_value_t = 16384)]
    batch: usize,
    /// Ways to stop
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "clean,kill,kill-idle"
    )]
    stops: Vec<Stop>,
    /// recovery.unflushed.bytes.max in MiB
    #[arg(long, default_value_t = 64)]
    unflushed_mib: u64,
    /// Fill one log and copy its directory: saves the syncs of creating very many. Clean stop only
    #[arg(long)]
    copies: bool,
    /// Append durably (flush.before.ack), as the broker does by default
    #[arg(long)]
    durable: bool,
    /// Threads that open the logs
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Evict the logs from the page cache before they are opened
    #[arg(long)]
    cold: bool,
    /// Where the logs are kept during the run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Append each result as a line of JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Fills, stops and opens, for each way to stop.
///
/// # Errors
/// A child process failed or lost records.
pub(crate) fn run(args: &RestartArgs) -> anyhow::Result<()> {
    let is_clean = args.stops.iter().all(|stop| *stop == Stop::Clean);
    ensure!(
        is_clean || !args.copies,
        "copies are of a log that was shut down"
    );
    for &stop in &args.stops {
        let dir = Scratch::new_in(&args.dir)?;
        let filled = fill_and_stop(args, stop, dir.path())?;
        if args.cold {
            evict(dir.path())?;
        }
        let opened = open_in_child(args, dir.path())?;
        ensure!(
            filled["records"] == opened["records"],
            "{} records are left of {}",
            opened["records"],
            filled["records"]
        );
        let result = json!({
            "restart": format!("{stop:?}"),
            "partitions": args.partitions,
            "mib": args.mib,
            "batch_bytes": args.batch,
            "unflushed_mib": args.unflushed_mib,
            "is_durable": args.durable,
            "is_cold": args.cold,
            "threads": args.threads,
            "filled": filled,
            "opened": opened,
        });
        line(&text(stop, &filled, &opened));
        append_json(args.json.as_deref(), &result)?;
    }
    Ok(())
}

fn text(stop: Stop, filled: &Value, opened: &Value) -> String {
    format!(
        "{stop:?}: {} logs created in {} ms; opened in {} ms ({} CPU ms), {} bytes walked, \
         {} segments recovered, {} bytes resident a log, {} descriptors, background run {} us",
        opened["logs"],
        filled["created_ms"],
        opened["open_ms"],
        opened["cpu_ms"],
        opened["walked_bytes"],
        opened["recovered_segments"],
        opened["resident_bytes_per_log"],
        opened["descriptors"],
        opened["background_us"],
    )
}

fn this_program() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}

/// Reads a line of JSON from a child.
fn answer(child: &mut Child) -> anyhow::Result<Value> {
    let stdout = child.stdout.as_mut().context("stdout is piped")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    serde_json::from_str(&line).with_context(|| format!("the child said {line:?}"))
}

fn fill_and_stop(args: &RestartArgs, stop: Stop, dir: &Path) -> anyhow::Result<Value> {
    let mut command = this_program()?;
    command
        .arg("fill-logs")
        .arg(dir)
        .args(["--partitions", &args.partitions.to_string()])
        .args(["--mib", &args.mib.to_string()])
        .args(["--batch", &args.batch.to_string()])
        .args(["--unflushed-mib", &args.unflushed_mib.to_string()]);
    if args.durable {
        command.arg("--durable");
    }
    if args.copies {
        command.arg("--copies");
    }
    if stop == Stop::KillIdle {
        command.arg("--settle");
    }
    let mut child = Process::start(&mut command)?;
    let filled = answer(&mut child)?;
    if stop == Stop::Clean {
        drop(child.stdin.take());
        ensure!(child.wait()?.success(), "the shutdown failed");
    } else {
        child.kill()?;
        child.wait()?;
    }
    Ok(filled)
}

fn open_in_child(args: &RestartArgs, dir: &Path) -> anyhow::Result<Value> {
    let mut command = this_program()?;
    command
        .arg("open-logs")
        .arg(dir)
        .args(["--threads", &args.threads.to_string()]);
    let mut child = Process::start(&mut command)?;
    let opened = answer(&mut child)?;
    ensure!(child.wait()?.success(), "opening failed");
    Ok(opened)
}

/// Has every file below `dir` written and forgotten by the page cache.
fn evict(dir: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            evict(&path)?;
        } else {
            let file = std::fs::File::open(&path)?;
            file.sync_data()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}
