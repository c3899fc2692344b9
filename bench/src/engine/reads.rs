//! Reads: finding the region of a fetch and sending it, beside sending or reading the same bytes.
//!
//! Regions are sent with `sendfile` to `/dev/null`, which takes pages without looking at them: what
//! is left is the cost of finding the pages, on both sides. `pread` is what a read with a copy
//! costs.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use ringbrook_engine::LogConfig;
use rustix::fs::Advice;

use super::cell::Effort;
use super::cost::{Cost, Meter};
use super::rig::{self, Log};
use super::table::{Side, Table};
use crate::interrupt::Scratch;

const BATCH_BYTES: usize = 64 << 10;
const SEGMENT_BYTES: u32 = 64 << 20;
/// Operations between two looks at the clock.
const CLOCK_EVERY: u64 = 64;

/// Where in the log reads begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the newest batches.
    Tail,
    /// At any batch of any segment.
    Anywhere,
}

/// A log that is read, and its batches.
struct Stored {
    log: Log,
    batches: i64,
    records_per_batch: i64,
    batch_bytes: usize,
}

impl Stored {
    fn create(dir: &Path, batch_bytes: usize, bytes: u64) -> anyhow::Result<(rig::Manager, Self)> {
        let config = LogConfig {
            flush_before_ack: false,
            segment_bytes: SEGMENT_BYTES,
            ..LogConfig::default()
        };
        let (manager, _) = rig::open(dir, config, 1)?;
        let logs = rig::create_logs(&manager, 1, config)?;
        let records_per_batch = rig::fill(&logs, batch_bytes, bytes)?;
        let log = logs.into_iter().next().context("one log")?;
        let stored = Self {
            batches: log.offsets().log_end / records_per_batch,
            log,
            records_per_batch,
            batch_bytes,
        };
        Ok((manager, stored))
    }

    /// The offset of the `index`-th read of `read_bytes`.
    fn offset(&self, place: Place, index: u64, read_bytes: usize) -> anyhow::Result<i64> {
        let per_read = i64::try_from(read_bytes.div_ceil(self.batch_bytes))?;
        let newest = (self.batches - per_read).max(0);
        let batch = match place {
            Place::Tail => newest,
            // Far apart, the same in every run.
            Place::Anywhere => i64::try_from(index)?.wrapping_mul(7919) % (newest + 1),
        };
        Ok(batch * self.records_per_batch)
    }
}

/// Runs the rounds of reads of cached bytes.
///
/// # Errors
/// The engine or a system call failed.
pub(crate) fn measure(
    name: String,
    place: Place,
    read_bytes: usize,
    effort: &Effort,
) -> anyhow::Result<Table> {
    let dir = Scratch::new_in(&effort.dir)?;
    let batch_bytes = read_bytes.min(BATCH_BYTES);
    let log_bytes = effort.log_bytes.min(256 << 20);
    let (_manager, stored) = Stored::create(&dir.path().join("logs"), batch_bytes, log_bytes)?;
    let files: Vec<File> = rig::segment_files(dir.path())?
        .iter()
        .map(File::open)
        .collect::<Result<_, _>>()?;
    let mut sides = [
        "engine, find only",
        "engine, find and send",
        "sendfile",
        "pread",
    ]
    .map(Side::new);
    for _ in 0..effort.rounds {
        let costs = [
            engine(&stored, place, read_bytes, effort, false)?,
            engine(&stored, place, read_bytes, effort, true)?,
            raw(&files, place, read_bytes, effort, send_to_null()?)?,
            raw(&files, place, read_bytes, effort, copy(read_bytes))?,
        ];
        for (side, cost) in sides.iter_mut().zip(costs) {
            side.rounds.push(cost);
        }
    }
    let [find, engine, sendfile, pread] = &sides;
    let [find, engine, sendfile, pread] =
        [find, engine, sendfile, pread].map(|side| side.series(Cost::cpu_us));
    let mut table = Table::new(name, sides.into());
    table.cost_ratio("CPU, engine / sendfile", &engine, &sendfile, None);
    table.cost_ratio("CPU, engine / pread", &engine, &pread, None);
    table.cost_ratio("CPU, find only / pread", &find, &pread, None);
    Ok(table)
}

fn engine(
    stored: &Stored,
    place: Place,
    read_bytes: usize,
    effort: &Effort,
    sends: bool,
) -> anyhow::Result<Cost> {
    let upper = stored.log.offsets().log_end;
    let mut send = send_to_null()?;
    rig::on_ring(async {
        let meter = Meter::start();
        let mut done = 0;
        while done < effort.operations {
            let start = stored.offset(place, done, read_bytes)?;
            let slice = stored.log.read(start, read_bytes, upper, true).await?;
            ensure!(0 < slice.bytes, "nothing at offset {start}");
            for region in slice.regions.iter().filter(|_| sends) {
                send(&region.file, region.position, region.len)?;
            }
            done += 1;
            if done.is_multiple_of(CLOCK_EVERY) && effort.duration <= meter.elapsed() {
                break;
            }
        }
        Ok(meter.stop(done, done * read_bytes as u64))
    })?
}

/// Handles a range of a file.
type Handler = Box<dyn FnMut(&File, u64, usize) -> anyhow::Result<()>>;

fn send_to_null() -> anyhow::Result<Handler> {
    let null = File::options().write(true).open("/dev/null")?;
    Ok(Box::new(move |file, position, bytes| {
        let (mut at, end) = (position, position + bytes as u64);
        while at < end {
            let left = usize::try_from(end - at)?;
            let sent = rustix::fs::sendfile(null.as_fd(), file, Some(&mut at), left)?;
            ensure!(0 < sent, "the file ends at {at}");
        }
        Ok(())
    }))
}

fn copy(read_bytes: usize) -> Handler {
    let mut buf = vec![0; read_bytes];
    Box::new(move |file, position, bytes| {
        let read = rustix::io::pread(file, &mut buf[..bytes], position)?;
        ensure!(read == bytes, "{read} of {bytes} bytes read");
        Ok(())
    })
}

/// The same ranges as the engine's, as far as segments' ends allow.
fn raw(
    files: &[File],
    place: Place,
    read_bytes: usize,
    effort: &Effort,
    mut handle: Handler,
) -> anyhow::Result<Cost> {
    let mut places = Vec::new();
    for file in files {
        let bytes = file.metadata()?.len();
        let step = read_bytes.min(BATCH_BYTES) as u64;
        let last = bytes.saturating_sub(read_bytes as u64);
        places.extend((0..=last / step).map(|index| (file, index * step)));
    }
    let count = places.len() as u64;
    let meter = Meter::start();
    let mut done: u64 = 0;
    while done < effort.operations {
        let index = match place {
            Place::Tail => count - 1,
            Place::Anywhere => done.wrapping_mul(7919) % count,
        };
        let (file, position) = places[usize::try_from(index)?];
        handle(file, position, read_bytes)?;
        done += 1;
        if done.is_multiple_of(CLOCK_EVERY) && effort.duration <= meter.elapsed() {
            break;
        }
    }
    Ok(meter.stop(done, done * read_bytes as u64))
}

/// Runs the rounds of reads from the disk.
///
/// # Errors
/// The engine or a system call failed.
pub(crate) fn measure_cold(
    name: String,
    read_bytes: usize,
    effort: &Effort,
) -> anyhow::Result<Table> {
    let dir = Scratch::new_in(&effort.dir)?;
    let logs = dir.path().join("logs");
    let (_manager, stored) = Stored::create(&logs, BATCH_BYTES, effort.log_bytes)?;
    let paths = rig::segment_files(&logs)?;
    let mut sides = ["engine", "pread", "sendfile"].map(Side::new);
    for _ in 0..effort.rounds {
        uncached(&paths)?;
        let engine = scan(&stored, read_bytes)?;
        let pread = raw_scan(&uncached(&paths)?, read_bytes, copy(read_bytes))?;
        let sendfile = raw_scan(&uncached(&paths)?, read_bytes, send_to_null()?)?;
        for (side, cost) in sides.iter_mut().zip([engine, pread, sendfile]) {
            side.rounds.push(cost);
        }
    }
    let [engine, pread, sendfile] = &sides;
    let rate = |side: &Side| side.series(Cost::bytes_per_s);
    let cpu = [engine, pread].map(|side| side.series(|cost| 1.0 / cost.bytes_per_cpu_s()));
    let ratios = [
        ("bytes/s, engine / pread", rate(engine).over(&rate(pread))),
        (
            "bytes/s, engine / sendfile",
            rate(engine).over(&rate(sendfile)),
        ),
    ];
    let mut table = Table::new(name, sides.into());
    for (name, values) in ratios {
        table.ratio(name, values, None);
    }
    table.cost_ratio("CPU, engine / pread", &cpu[0], &cpu[1], None);
    Ok(table)
}

/// The files, opened anew, with nothing of them in the page cache.
fn uncached(paths: &[PathBuf]) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        let file = File::open(path)?;
        rustix::fs::fdatasync(&file)?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
        files.push(file);
    }
    Ok(files)
}

fn scan(stored: &Stored, read_bytes: usize) -> anyhow::Result<Cost> {
    let upper = stored.log.offsets().log_end;
    let mut send = send_to_null()?;
    rig::on_ring(async {
        let meter = Meter::start();
        let (mut at, mut bytes, mut done) = (0, 0, 0);
        while at < upper {
            let slice = stored.log.read(at, read_bytes, upper, true).await?;
            let batches = slice.bytes / stored.batch_bytes;
            ensure!(0 < batches, "no whole batch at offset {at}");
            for region in &slice.regions {
                stored.log.ensure_cached(region).await?;
                send(&region.file, region.position, region.len)?;
            }
            at += i64::try_from(batches)? * stored.records_per_batch;
            bytes += (batches * stored.batch_bytes) as u64;
            done += 1;
        }
        Ok(meter.stop(done, bytes))
    })?
}

fn raw_scan(files: &[File], read_bytes: usize, mut handle: Handler) -> anyhow::Result<Cost> {
    let meter = Meter::start();
    let (mut bytes, mut done) = (0, 0);
    for file in files {
        let end = file.metadata()?.len();
        let mut at = 0;
        while at < end {
            let step = (end - at).min(read_bytes as u64);
            handle(file, at, usize::try_from(step)?)?;
            at += step;
            done += 1;
        }
        bytes += end;
    }
    Ok(meter.stop(done, bytes))
}
