//! Opening logs that were not closed: every byte above the recovery point is read and checked.
//! Beside it, reading the same files and taking their CRC.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use ringbrook_engine::LogConfig;

use super::cell::Effort;
use super::cost::{Cost, Meter};
use super::rig;
use super::table::{Aim, Side, Table};
use crate::interrupt::Scratch;

const READ_BYTES: usize = 1 << 20;
/// Removed before each round: recovery begins at the start of the log.
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// Of the marker that a clean shutdown leaves.
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// Runs the rounds of a cell.
///
/// # Errors
/// The engine or a system call failed, or records are missing afterwards.
pub(crate) fn measure(
    name: String,
    batch_bytes: usize,
    partitions: usize,
    effort: &Effort,
) -> anyhow::Result<Table> {
    let dir = Scratch::new_in(&effort.dir)?;
    let logs = dir.path().join("logs");
    let config = LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    };
    let records = {
        let (manager, _) = rig::open(&logs, config, 1)?;
        let logs = rig::create_logs(&manager, partitions, config)?;
        rig::fill(&logs, batch_bytes, effort.log_bytes)?;
        logs.iter().map(|log| log.offsets().log_end).sum()
    };
    let paths = rig::segment_files(&logs)?;
    let mut sides = ["engine, 1 thread", "pread + crc32c"].map(Side::new);
    for _ in 0..effort.rounds {
        let engine = recover(&logs, config, records, &paths)?;
        let raw = read_and_check(&paths)?;
        for (side, cost) in sides.iter_mut().zip([engine, raw]) {
            side.rounds.push(cost);
        }
    }
    let [engine, raw] = &sides;
    let gib_per_cpu_s = engine.series(|cost| cost.bytes_per_cpu_s() / f64::from(1 << 30));
    let cpu = [engine, raw].map(|side| side.series(|cost| 1.0 / cost.bytes_per_cpu_s()));
    let mut table = Table::new(name, sides.into());
    table.ratio("GiB per CPU second", gib_per_cpu_s, Some(Aim::AtLeast(1.0)));
    table.cost_ratio("CPU, engine / (pread + crc32c)", &cpu[0], &cpu[1], None);
    Ok(table)
}

fn total_bytes(paths: &[PathBuf]) -> anyhow::Result<u64> {
    paths.iter().map(|path| Ok(path.metadata()?.len())).sum()
}

fn recover(dir: &Path, config: LogConfig, records: i64, paths: &[PathBuf]) -> anyhow::Result<Cost> {
    for name in [RECOVERY_POINTS, CLEAN_SHUTDOWN] {
        match std::fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let bytes = total_bytes(paths)?;
    let meter = Meter::start();
    let (manager, summary) = rig::open(dir, config, 1)?;
    let cost = meter.stop(1, bytes);
    ensure!(!summary.is_clean, "the logs were closed cleanly");
    ensure!(summary.recovered_segments == paths.len(), "{summary:?}");
    let found: i64 = manager.logs().iter().map(|log| log.offsets().log_end).sum();
    ensure!(found == records, "{found} records recovered of {records}");
    Ok(cost)
}

fn read_and_check(paths: &[PathBuf]) -> anyhow::Result<Cost> {
    let bytes = total_bytes(paths)?;
    let mut buf = vec![0; READ_BYTES];
    let meter = Meter::start();
    for path in paths {
        let file = File::open(path)?;
        let mut at = 0;
        loop {
            let read = rustix::io::pread(&file, &mut buf[..], at)?;
            if read == 0 {
                break;
            }
            std::hint::black_box(crc32c::crc32c(&buf[..read]));
            at += read as u64;
        }
    }
    Ok(meter.stop(1, bytes))
}
