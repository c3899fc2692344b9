//! What a consumer of old data does to a producer (S4 and R11): the time to append at a steady rate
//! without and with a scan of data of which nothing is cached, the rate of the scan beside that of
//! plain `pread`s, and what of the old and of the new data is in the page cache before and after.
//!
//! Broker only, as a null server has no old data. To compare two versions of the broker, run it
//! with the binary of each in turn.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_engine::io::{Cached, Disk, UringDisk};
use ringbrook_record::BatchHeader;
use uuid::Uuid;

use crate::RunArgs;
use crate::admin::Admin;
use crate::frames;
use crate::interrupt::Scratch;
use crate::load::produced_offset;
use crate::process::{Server, now, rest};
use crate::report::{Measurement, Series, append_json, line};
use crate::round::{BATCH_BYTES, broker_command, now_ms};

pub(crate) const NAME: &str = "cold-scan";

/// Partition of the old data, and of the new.
const OLD: i32 = 0;
const NEW: i32 = 1;
/// Bytes of a fetch, and of a plain read.
const FETCH_BYTES: usize = 1 << 20;
/// Bytes of a produced batch.
const PRODUCED_BYTES: usize = 16 << 10;
/// Produce requests per second.
const PRODUCES_PER_S: u32 = 500;
/// What is asked about the page cache at once.
const GRAIN_BYTES: u64 = 64 << 10;
/// Ratio of the 99th percentiles aimed at (R11).
const RATIO_AIM: f64 = 2.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What one round came to.
#[derive(Default)]
struct Figures {
    series: Vec<(&'static str, &'static str, Option<f64>, Series)>,
}

impl Figures {
    fn push(&mut self, what: &'static str, unit: &'static str, aim: Option<f64>, value: f64) {
        match self.series.iter_mut().find(|(known, ..)| *known == what) {
            Some((.., series)) => series.0.push(value),
            None => self.series.push((what, unit, aim, Series(vec![value]))),
        }
    }
}

/// Runs the rounds, and reports.
///
/// # Errors
/// The broker failed or answered something else than it had to.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let mut figures = Figures::default();
    for _ in 0..args.rounds {
        round(args, &mut figures)?;
    }
    for (what, unit, aim, series) in figures.series {
        let measurement = Measurement {
            scenario: NAME,
            what,
            unit,
            series,
            aim: aim.filter(|_| !args.quick),
        };
        line(&measurement.text());
        append_json(args.json.as_deref(), &measurement.json())?;
    }
    Ok(())
}

fn round(args: &RunArgs, figures: &mut Figures) -> anyhow::Result<()> {
    let old_bytes = if args.quick {
        32 << 20
    } else {
        u64::from(args.gib) << 30
    };
    let alone = if args.quick {
        Duration::from_millis(200)
    } else {
        Duration::from_secs(args.seconds.into())
    };
    let dir = Scratch::new_in(&args.dir)?;
    let start = || {
        let mut command = broker_command(&args.ringbrook, dir.path());
        command.args(["--override", "core.threads=1"]);
        command.args(["--override", "log.flush.before.ack=false"]);
        Server::start(&mut command, Some(args.server_cpu))
    };
    let server = start()?;
    let (topic, offsets) = fill(server.address, old_bytes)?;
    server.stop()?;
    let old = log_files(dir.path(), OLD)?;
    drop_cached(&old)?;
    ensure!(
        cached_bytes(&old)? == 0,
        "this filesystem does not drop what is cached"
    );
    let server = start()?;
    let is_done = AtomicBool::new(false);
    let produce = |limit| produce(server.address, topic, limit, &is_done);
    let without = produce(Some(alone))?;
    let new = log_files(dir.path(), NEW)?;
    let new_before = cached_share(&new)?;
    let cpu_before = server.cpu_seconds()?;
    let (with, scan) = std::thread::scope(|scope| {
        let producer = scope.spawn(|| produce(None));
        let scan = scan(server.address, topic, &offsets);
        is_done.store(true, Ordering::Relaxed);
        let with = producer.join().map_err(|_| anyhow::anyhow!("a panic"))?;
        anyhow::Ok((with?, scan?))
    })?;
    let cpu_s = server.cpu_seconds()? - cpu_before;
    // What is dropped in the background is dropped soon.
    rest(Duration::from_millis(500));
    let left = cached_bytes(&old)?;
    let new_after = cached_share(&new)?;
    server.stop()?;
    drop_cached(&old)?;
    let plain = read_plainly(&old)?;
    let [alone, beside] = [percentile(&without, 0.99), percentile(&with, 0.99)];
    let rate = |elapsed: Duration| mib(old_bytes) / elapsed.as_secs_f64();
    figures.push("produce p99 without a scan", "ms", None, alone);
    figures.push("produce p99 beside the scan", "ms", None, beside);
    figures.push("its ratio", "", Some(RATIO_AIM), beside / alone);
    figures.push("scan", "MiB/s", None, rate(scan));
    figures.push("plain reads", "MiB/s", None, rate(plain));
    figures.push("broker CPU beside the scan", "s", None, cpu_s);
    figures.push("old data", "MiB", None, mib(old_bytes));
    figures.push("old data cached after the scan", "MiB", None, mib(left));
    figures.push("new data cached before", "%", None, new_before);
    figures.push("new data cached after", "%", None, new_after);
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "far fewer bytes than 2 to the 52"
)]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// Creates the topic and its old data; returns the offsets where fetches begin.
fn fill(address: SocketAddr, old_bytes: u64) -> anyhow::Result<(Uuid, Vec<i64>)> {
    let mut admin = Admin::connect(address)?;
    let topic = admin.create_topic(2)?;
    let batch = frames::batch(BATCH_BYTES, now_ms()?)?;
    let records = i64::from(BatchHeader::parse(&batch)?.records_count);
    let frame = frames::produce(topic, OLD, &batch)?;
    for _ in 0..old_bytes / BATCH_BYTES as u64 {
        produced_offset(admin.exchange(&frame)?, OLD)?;
    }
    let batches_per_fetch = i64::try_from(FETCH_BYTES / BATCH_BYTES)?;
    let fetches = i64::try_from(old_bytes / FETCH_BYTES as u64)?;
    let offsets = (0..fetches).map(|fetch| fetch * batches_per_fetch * records);
    Ok((topic, offsets.collect()))
}

/// Produces at a steady rate until the time is over, or until told to end. Returns how long each
/// request took from when it was due: one that waits for a late one before it counts the wait.
fn produce(
    address: SocketAddr,
    topic: Uuid,
    limit: Option<Duration>,
    is_done: &AtomicBool,
) -> anyhow::Result<Vec<Duration>> {
    let mut admin = Admin::connect(address)?;
    let batch = frames::batch(PRODUCED_BYTES, now_ms()?)?;
    let frame: Bytes = frames::produce(topic, NEW, &batch)?;
    let begin: Instant = now();
    let interval = Duration::from_secs(1) / PRODUCES_PER_S;
    let mut times = Vec::new();
    let mut due = Duration::ZERO;
    loop {
        let is_over = match limit {
            Some(limit) => limit <= due,
            None => is_done.load(Ordering::Relaxed),
        };
        if is_over {
            return Ok(times);
        }
        rest(due.saturating_sub(begin.elapsed()));
        produced_offset(admin.exchange(&frame)?, NEW)?;
        times.push(begin.elapsed().saturating_sub(due));
        due += interval;
    }
}

/// Fetches everything old once, as fast as the broker answers.
fn scan(address: SocketAddr, topic: Uuid, offsets: &[i64]) -> anyhow::Result<Duration> {
    let mut admin = Admin::connect(address)?;
    let begin = now();
    for &offset in offsets {
        let answer = admin.exchange(&frames::fetch(topic, OLD, offset, FETCH_BYTES)?)?;
        ensure!(
            FETCH_BYTES < answer.len(),
            "an answer of {} bytes for offset {offset}",
            answer.len()
        );
    }
    Ok(begin.elapsed())
}

/// In ms.
fn percentile(times: &[Duration], part: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index below the length of a slice"
    )]
    let index = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted
        .get(index)
        .map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// The segment files of a partition, in order.
fn log_files(dir: &Path, partition: i32) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir.join(format!("bench-{partition}")))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            files.push(path);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "no segment files");
    Ok(files)
}

/// Has what is cached of files written out and dropped.
fn drop_cached(files: &[PathBuf]) -> io::Result<()> {
    for path in files {
        let file = File::open(path)?;
        file.sync_all()?;
        UringDisk.drop_cache(&file, 0..file.metadata()?.len())?;
    }
    Ok(())
}

/// How much of files is cached, to a grain.
fn cached_bytes(files: &[PathBuf]) -> io::Result<u64> {
    let mut bytes = 0;
    for path in files {
        let file = File::open(path)?;
        let end = file.metadata()?.len();
        let mut at = 0;
        while at < end {
            let grain = at..end.min(at + GRAIN_BYTES);
            if UringDisk.cached(&file, grain.clone()) != Cached::Nothing {
                bytes += grain.end - grain.start;
            }
            at = grain.end;
        }
    }
    Ok(bytes)
}

/// How much of files is cached, in percent.
fn cached_share(files: &[PathBuf]) -> anyhow::Result<f64> {
    let mut all = 0;
    for path in files {
        all += std::fs::metadata(path)?.len();
    }
    ensure!(0 < all, "nothing was produced");
    Ok(100.0 * mib(cached_bytes(files)?) / mib(all))
}

/// Reads files from beginning to end in pieces of a fetch's size.
fn read_plainly(files: &[PathBuf]) -> anyhow::Result<Duration> {
    let begin = now();
    let mut buf = vec![0; FETCH_BYTES];
    for path in files {
        let file = File::open(path).context("a segment file")?;
        let mut position = 0;
        loop {
            let read = file.read_at(&mut buf, position)?;
            if read == 0 {
                break;
            }
            std::hint::black_box(&buf);
            position += read as u64;
        }
    }
    Ok(begin.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert!((percentile(&times, 0.99) - 199.0).abs() < 1e-9);
        assert!((percentile(&times, 1.0) - 200.0).abs() < 1e-9);
        assert!(percentile(&[], 0.99).abs() < 1e-9);
    }

    #[test]
    fn what_was_just_written_is_cached() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bench-0")).unwrap();
        let path = dir.path().join("bench-0/00000000000000000000.log");
        std::fs::write(&path, vec![1; 200_000]).unwrap();
        std::fs::write(path.with_extension("index"), [1; 8]).unwrap();
        let files = log_files(dir.path(), 0).unwrap();
        assert_eq!(files, [path]);
        assert_eq!(cached_bytes(&files).unwrap(), 200_000);
        assert!((cached_share(&files).unwrap() - 100.0).abs() < 1e-9);
    }
}
