//! The child processes of the restart benchmark: one fills logs and waits for its end, one opens
//! them and tells what that took. Each says one line of JSON.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{
    AppendContext, LogConfig, LogDirs, LogManager, LogManagerOptions, Origin, SystemClock,
};
use serde_json::json;
use uuid::Uuid;

use crate::engine::process_cpu;
use crate::process::{now, rest};
use crate::report::line;
use crate::round::now_ms;

const TOPIC: &str = "bench";
/// Interval of the recovery points' checkpoint of a process that settles its logs.
const SETTLE_INTERVAL_MS: i64 = 1000;
/// Background runs without news after which a process counts as settled.
const QUIET_RUNS: u32 = 5;

/// What to fill.
#[derive(clap::Args)]
pub(crate) struct FillArgs {
    /// The log dir
    dir: PathBuf,
    /// Logs
    #[arg(long)]
    partitions: i32,
    /// MiB in all logs together
    #[arg(long)]
    mib: u64,
    /// Bytes of a batch
    #[arg(long)]
    batch: usize,
    /// recovery.unflushed.bytes.max in MiB
    #[arg(long)]
    unflushed_mib: u64,
    /// Append durably
    #[arg(long)]
    durable: bool,
    /// Create and fill one log only, and copy its directory after the shutdown
    #[arg(long)]
    copies: bool,
    /// Do the background work until nothing is left to do
    #[arg(long)]
    settle: bool,
}

/// What to open.
#[derive(clap::Args)]
pub(crate) struct OpenArgs {
    /// The log dir
    dir: PathBuf,
    /// Threads that open the logs
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// The node that the log dir belongs to
    #[arg(long, default_value_t = 1)]
    node_id: i32,
}

fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = rss.and_then(|rest| rest.split_whitespace().next());
    Ok(kib.context("VmRSS")?.parse::<u64>()? * 1024)
}

fn millis(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1e3
}

/// Creates and fills logs, says so, and shuts down at the end of its input.
///
/// # Errors
/// The engine failed.
pub(crate) fn fill(args: &FillArgs) -> anyhow::Result<()> {
    crate::engine::raise_file_limit()?;
    let config = LogConfig {
        flush_before_ack: args.durable,
        recovery_unflushed_bytes_max: args.unflushed_mib << 20,
        ..LogConfig::default()
    };
    let options = LogManagerOptions {
        flush_offset_checkpoint_interval_ms: if args.settle {
            SETTLE_INTERVAL_MS
        } else {
            LogManagerOptions::default().flush_offset_checkpoint_interval_ms
        },
        initial_task_delay_ms: 0,
        ..LogManagerOptions::default()
    };
    let manager = open_manager(&args.dir, config, options, 1)?;
    let started = now();
    let created = if args.copies { 1 } else { args.partitions };
    for partition in 0..created {
        manager.create_log(TOPIC, partition, Uuid::from_u128(1), config)?;
    }
    let created_ms = millis(started.elapsed());
    let batch = crate::frames::batch(args.batch, now_ms()?)?;
    let ctx = AppendContext {
        leader_epoch: 0,
        origin: Origin::Client,
        now_ms: now_ms()?,
    };
    let logs = manager.logs();
    // One batch at least, so that no log is empty.
    let batches = (args.mib << 20) / args.batch as u64 / logs.len().max(1) as u64;
    let batches = batches.max(1);
    let started = now();
    for n in 0..batches {
        for log in &logs {
            if let Some(drain) = log.append(batch.clone(), ctx)?.drain {
                drain.run_blocking();
            }
        }
        // As a broker does about once a second.
        if n % 64 == 0 {
            manager.run_background();
        }
    }
    let filled_ms = millis(started.elapsed());
    if args.settle {
        settle(&manager);
    }
    let records: i64 = logs.iter().map(|log| log.offsets().log_end).sum();
    let copies = if args.copies { args.partitions } else { 1 };
    let records = records * i64::from(copies);
    line(
        &json!({"records": records, "created_ms": created_ms, "filled_ms": filled_ms}).to_string(),
    );
    std::io::stdin().read_to_end(&mut Vec::new())?;
    manager.shutdown()?;
    if args.copies {
        (1..args.partitions).try_for_each(|partition| copy_log(&args.dir, partition))?;
    }
    Ok(())
}

/// Copies the files of the first log to be those of another one.
fn copy_log(dir: &Path, partition: i32) -> anyhow::Result<()> {
    let to = dir.join(format!("{TOPIC}-{partition}"));
    std::fs::create_dir(&to)?;
    for entry in std::fs::read_dir(dir.join(format!("{TOPIC}-0")))? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn open_manager(
    dir: &Path,
    config: LogConfig,
    options: LogManagerOptions,
    node_id: i32,
) -> anyhow::Result<Arc<LogManager<UringDisk>>> {
    let dirs = LogDirs::open(&UringDisk, &[dir.to_owned()], node_id, None)?;
    let clock = Arc::new(SystemClock::new());
    Ok(LogManager::open(UringDisk, dirs, options, clock, &|_| config)?.0)
}

/// Runs the background work until the recovery points move no more.
fn settle(manager: &LogManager<UringDisk>) {
    let sum = || -> i64 {
        let logs = manager.logs();
        logs.iter().map(|log| log.offsets().recovery_point).sum()
    };
    let (mut quiet, mut before) = (0, sum());
    while quiet < QUIET_RUNS {
        manager.run_background();
        rest(Duration::from_millis(300));
        let after = sum();
        quiet = if before == after { quiet + 1 } else { 0 };
        before = after;
    }
}

/// Opens the logs of a dir and says what it took. Leaves the dir as a killed process would.
///
/// # Errors
/// The engine failed.
pub(crate) fn open(args: &OpenArgs) -> anyhow::Result<()> {
    crate::engine::raise_file_limit()?;
    let before_bytes = resident_bytes()?;
    let (cpu, started) = (process_cpu(), now());
    let dirs = LogDirs::open(
        &UringDisk,
        std::slice::from_ref(&args.dir),
        args.node_id,
        None,
    )?;
    let options = LogManagerOptions {
        recovery_threads_per_data_dir: args.threads,
        initial_task_delay_ms: 0,
        ..LogManagerOptions::default()
    };
    let clock = Arc::new(SystemClock::new());
    let (manager, summary) =
        LogManager::open(UringDisk, dirs, options, clock, &|_| LogConfig::default())?;
    let open_ms = millis(started.elapsed());
    let cpu_ms = millis(process_cpu() - cpu);
    let resident = resident_bytes()?.saturating_sub(before_bytes);
    let descriptors = std::fs::read_dir("/proc/self/fd")?.count();
    // The first run does what is due, the next ones what is done each second.
    manager.run_background();
    let started = now();
    manager.run_background();
    let background_us = started.elapsed().as_micros();
    let records: i64 = manager.logs().iter().map(|log| log.offsets().log_end).sum();
    let report = json!({
        "records": records,
        "logs": summary.logs,
        "is_clean": summary.is_clean,
        "open_ms": open_ms,
        "cpu_ms": cpu_ms,
        "walked_bytes": summary.walked_bytes,
        "recovered_segments": summary.recovered_segments,
        "resident_bytes": resident,
        "resident_bytes_per_log": resident / (summary.logs.max(1) as u64),
        "descriptors": descriptors,
        "background_us": background_us,
    });
    line(&report.to_string());
    Ok(())
}
