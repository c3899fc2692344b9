//! One round of the cleaner over a log of keyed, uncompressed records of which half are obsolete.
//! Beside it, what no round can do without: reading the segments twice, once for the keys and once
//! to copy, taking their CRC, and writing what is left.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use ringbrook_engine::{CleanerOptions, CleanupPolicy, LogConfig};
use ringbrook_record::{BatchBuilder, Codec};

use super::cell::Effort;
use super::cost::{Cost, Meter};
use super::rig::{self, Log};
use super::table::{Aim, Side, Table};
use crate::interrupt::Scratch;
use crate::process::{now, rest};
use crate::round::now_ms;

/// Bytes of a record's value.
const VALUE_BYTES: usize = 1024;
const RECORDS_PER_BATCH: u64 = 16;
/// How often every key is written.
const WRITES_PER_KEY: u64 = 2;
/// Segments of a log, besides the active one, that a round goes through.
const SEGMENTS: u64 = 8;
const READ_BYTES: usize = 1 << 20;
/// A round that takes longer has failed.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// Runs the rounds of a cell.
///
/// # Errors
/// The engine or a system call failed, or a round kept another number of bytes than it had to.
pub(crate) fn measure(name: String, effort: &Effort) -> anyhow::Result<Table> {
    let mut sides = ["engine, 1 thread", "2 pread, crc32c, write"].map(Side::new);
    for _ in 0..effort.rounds {
        let dir = Scratch::new_in(&effort.dir)?;
        let (raw, engine) = round(dir.path(), effort.log_bytes)?;
        for (side, cost) in sides.iter_mut().zip([engine, raw]) {
            side.rounds.push(cost);
        }
    }
    let [engine, raw] = &sides;
    let mib_per_cpu_s = engine.series(|cost| cost.bytes_per_cpu_s() / f64::from(1 << 20));
    let cpu = [engine, raw].map(|side| side.series(|cost| 1.0 / cost.bytes_per_cpu_s()));
    let mut table = Table::new(name, sides.into());
    table.ratio(
        "MiB per CPU second",
        mib_per_cpu_s,
        Some(Aim::AtLeast(300.0)),
    );
    table.cost_ratio(
        "CPU, engine / (2 pread, crc32c, write)",
        &cpu[0],
        &cpu[1],
        None,
    );
    Ok(table)
}

/// Fills a log and has it cleaned; returns the limit's cost and the engine's.
fn round(dir: &Path, log_bytes: u64) -> anyhow::Result<(Cost, Cost)> {
    let config = LogConfig {
        flush_before_ack: false,
        segment_bytes: u32::try_from(log_bytes / SEGMENTS)?,
        cleanup_policy: CleanupPolicy {
            delete: false,
            compact: true,
        },
        ..LogConfig::default()
    };
    let logs = dir.join("logs");
    let (manager, _) = rig::open(&logs, config, 1)?;
    let log = rig::create_logs(&manager, 1, config)?.remove(0);
    fill(&log, log_bytes)?;
    let mut paths = rig::segment_files(&logs)?;
    // The active segment is not cleaned.
    paths.pop();
    let raw = read_and_copy(&paths, &dir.join("copy"))?;
    manager.configure_cleaner(CleanerOptions {
        backoff: Duration::from_millis(10),
        ..CleanerOptions::default()
    })?;
    let meter = Meter::start();
    let deadline = now() + ROUND_MAX;
    manager.start_cleaner()?;
    while manager.cleaner_status().rounds == 0 {
        let status = manager.cleaner_status();
        ensure!(status.uncleanable.is_empty(), "a round failed: {status:?}");
        ensure!(now() < deadline, "no round came to its end");
        rest(Duration::from_millis(1));
    }
    let status = manager.cleaner_status();
    let cost = meter.stop(1, status.bytes_before);
    manager.shutdown()?;
    ensure!(status.bytes_after < status.bytes_before, "{status:?}");
    Ok((raw, cost))
}

fn fill(log: &Log, log_bytes: u64) -> anyhow::Result<()> {
    let batches = log_bytes / (RECORDS_PER_BATCH * VALUE_BYTES as u64);
    let keys = batches * RECORDS_PER_BATCH / WRITES_PER_KEY;
    let value = [7; VALUE_BYTES];
    let (ctx, time_ms) = (rig::client()?, now_ms()?);
    for batch in 0..batches {
        let mut builder = BatchBuilder::new();
        for record in 0..RECORDS_PER_BATCH {
            let key = (batch * RECORDS_PER_BATCH + record) % keys;
            builder.append(time_ms, Some(&key.to_be_bytes()), Some(&value), [])?;
        }
        let bytes = builder.finish(Codec::None, None)?.freeze();
        if let Some(drain) = log.append(bytes, ctx)?.drain {
            drain.run_blocking();
        }
    }
    log.flush(ctx.now_ms)?;
    log.advance_high_watermark(i64::MAX);
    Ok(())
}

fn read_and_copy(paths: &[PathBuf], copy: &Path) -> anyhow::Result<Cost> {
    let mut buf = vec![0; READ_BYTES];
    let mut target = File::create(copy)?;
    let mut bytes = 0;
    let meter = Meter::start();
    for path in paths {
        let file = File::open(path)?;
        for is_copied in [false, true] {
            let mut at = 0;
            loop {
                let read = rustix::io::pread(&file, &mut buf[..], at)?;
                if read == 0 {
                    break;
                }
                if is_copied {
                    target.write_all(&buf[..read / 2])?;
                    bytes += read as u64;
                } else {
                    std::hint::black_box(crc32c::crc32c(&buf[..read]));
                }
                at += read as u64;
            }
        }
    }
    target.sync_data()?;
    Ok(meter.stop(1, bytes))
}
