//! Appends through the ring, beside loops of `pwritev` that put as many batches into a write.
//!
//! Every producer appends its batch, waits until it is published and goes on with the next
//! partition. Durable appends come from as many rings as there are cores, each pinned to one, and
//! its background threads with it, as in the broker: a wake-up on another core takes 25 us instead
//! of 4 where that one is idle. Those to the page cache come from one ring, since their cost is
//! what is asked about, and stay on one core, too: the kernel keeps freed memory by core, so what
//! was brought in beforehand is not at hand on another one. The engine's cost includes the waiting:
//! a task's wake-up, about 0.1 us. It begins when each ring has made some appends: the loops of the
//! limits, which ran since the round before, have emptied its core's caches of the engine.

use std::sync::Arc;

use anyhow::ensure;
use bytes::Bytes;
use ringbrook_engine::LogConfig;
use ringbrook_record::BatchHeader;

use super::cell::{Durability, Effort};
use super::cost::{Cost, Meter};
use super::limits::{self, Sync, WriteLoop, touch_page_cache};
use super::rig::{self, Target};
use super::rings::{Rings, Round};
use super::table::{Aim, Side, Table};
use crate::frames;
use crate::interrupt::Scratch;
use crate::process::pin;
use crate::round::now_ms;

/// The first rounds' files are small and unreserved, which is not what is asked about.
const WARM_UP_PART: u64 = 4;
/// Before each round every ring makes so many appends that do not count, or a part of a round's.
const RING_WARM_UP: u64 = 256;
const RING_WARM_UP_PART: u64 = 16;
/// Bytes of the writes that bring memory in beforehand: the kernel keeps it by size, too.
const TOUCH_MIN: u64 = 4 << 10;
/// The engine has zeros written with small batches, so that memory comes in such pieces.
const ENGINE_TOUCH_MIN: u64 = 64 << 10;
const TOUCH_MAX: u64 = 8 << 20;
/// Batches from which on the cost of an append is compared with that of a write.
const LARGE_BYTES: usize = 16 << 10;

/// The parameters of a cell.
pub(crate) struct Load {
    pub(crate) durability: Durability,
    pub(crate) batch_bytes: usize,
    pub(crate) partitions: usize,
    pub(crate) producers: usize,
    /// Rings, each with a thread, that the producers are spread over.
    pub(crate) rings: usize,
}

/// Runs the rounds of a cell.
///
/// # Errors
/// The engine or a system call failed, or batches are missing afterwards.
pub(crate) fn measure(name: String, load: &Load, effort: &Effort) -> anyhow::Result<Table> {
    if load.durability == Durability::PageCache {
        // A cell has a thread of its own, which ends with it.
        pin(rustix::thread::sched_getcpu())?;
    }
    let dir = Scratch::new_in(&effort.dir)?;
    let mut bench = Bench::new(dir.path(), load, effort)?;
    let warm_up = bench.engine(WARM_UP_PART)?;
    bench.batches_per_write = warm_up.batches_per_write.unwrap_or(1.0);
    match load.durability {
        Durability::PageCache => page_cache(name, &mut bench),
        Durability::Durable => durable(name, &mut bench),
    }
}

fn page_cache(name: String, bench: &mut Bench<'_>) -> anyhow::Result<Table> {
    let mut plain = bench.write_loop("plain", false, Sync::Never)?;
    let mut reserved = bench.write_loop("reserved", true, Sync::Never)?;
    let mut started = bench.write_loop("started", true, Sync::Started)?;
    let mut sides = [
        "engine",
        "pwritev",
        "pwritev, reserved",
        "pwritev, writeback started",
        "crc32c",
        "record walk",
    ]
    .map(Side::new);
    for _ in 0..bench.effort.rounds {
        bench.settle(ENGINE_TOUCH_MIN)?;
        let engine = bench.engine(1)?;
        bench.settle(TOUCH_MIN)?;
        let plain = bench.limit(&mut plain, 1)?;
        bench.settle(TOUCH_MIN)?;
        let reserved = bench.limit(&mut reserved, 1)?;
        bench.settle(TOUCH_MIN)?;
        let started = bench.limit(&mut started, 1)?;
        let crc = limits::crc(&bench.batches, bench.operations(1), bench.effort.duration)?;
        let walk = limits::walk(&bench.batches, bench.operations(1), bench.effort.duration)?;
        for (side, cost) in sides
            .iter_mut()
            .zip([engine, plain, reserved, started, crc, walk])
        {
            side.rounds.push(cost);
        }
    }
    bench.check()?;
    let [engine, plain, reserved, started, crc, walk] = &sides;
    let cpu = |side: &Side| side.series(Cost::cpu_us);
    let (engine, plain, reserved) = (cpu(engine), cpu(plain), cpu(reserved));
    let started = cpu(started);
    let (crc, walk) = (cpu(crc), cpu(walk));
    let validation = crc.plus(&walk);
    let unvalidated = engine.minus(&validation);
    let with_crc = plain.plus(&crc);
    let ratios = [
        ("engine / pwritev", &engine, &plain),
        ("engine / (pwritev + crc32c)", &engine, &with_crc),
        ("(engine - crc32c - walk) / pwritev", &unvalidated, &plain),
        (
            "(engine - crc32c - walk) / pwritev, reserved",
            &unvalidated,
            &reserved,
        ),
        (
            "(engine - crc32c - walk) / pwritev, writeback started",
            &unvalidated,
            &started,
        ),
    ];
    let has_aim = LARGE_BYTES <= bench.load.batch_bytes;
    let mut table = Table::new(name, sides.into());
    for (index, (name, dividend, divisor)) in ratios.into_iter().enumerate() {
        let aim = (has_aim && index == 2).then_some(Aim::AtMost(1.3));
        table.cost_ratio(name, dividend, divisor, aim);
    }
    Ok(table)
}

/// The limit of durable appends writes as many batches with each sync as the engine did, the same
/// bytes into reserved blocks of as many files, on one thread a file up to one a producer: so with
/// one partition a single thread that does nothing but write and wait, and with many as many syncs
/// side by side as the engine may have. It neither checks batches nor has anybody to wake.
fn durable(name: String, bench: &mut Bench<'_>) -> anyhow::Result<Table> {
    let mut dsync = bench.write_loop("dsync", true, Sync::WithWrite)?;
    let mut datasync = bench.write_loop("datasync", true, Sync::AfterWrite)?;
    let threads = bench.load.partitions.min(bench.load.producers);
    let mut sides = ["engine", "pwritev RWF_DSYNC", "pwritev, fdatasync"].map(Side::new);
    for _ in 0..bench.effort.rounds {
        bench.settle(ENGINE_TOUCH_MIN)?;
        let engine = bench.engine(1)?;
        let dsync = bench.limit(&mut dsync, threads)?;
        let datasync = bench.limit(&mut datasync, threads)?;
        for (side, cost) in sides.iter_mut().zip([engine, dsync, datasync]) {
            side.rounds.push(cost);
        }
    }
    bench.check()?;
    let [engine, dsync, datasync] = &sides;
    let rate = |side: &Side| side.series(Cost::operations_per_s);
    let cpu = [engine, dsync].map(|side| side.series(Cost::cpu_us));
    let p99 = engine.percentiles(0.99);
    let ratios = [
        (
            "appends/s, engine / DSYNC loop",
            rate(engine).over(&rate(dsync)),
        ),
        (
            "appends/s, engine / fdatasync loop",
            rate(engine).over(&rate(datasync)),
        ),
        (
            "p99 of an append / p99 of a DSYNC write",
            p99.over(&dsync.percentiles(0.99)),
        ),
        (
            "p99 of an append / p50 of a DSYNC write",
            p99.over(&dsync.percentiles(0.5)),
        ),
    ];
    let has_aim = 1 < bench.load.producers;
    let mut table = Table::new(name, sides.into());
    for (index, (name, values)) in ratios.into_iter().enumerate() {
        let aim = match index {
            0 => Some(Aim::AtLeast(0.8)),
            2 => Some(Aim::AtMost(2.0)),
            _ => None,
        };
        table.ratio(name, values, aim.filter(|_| has_aim));
    }
    table.cost_ratio("CPU, engine / DSYNC loop", &cpu[0], &cpu[1], None);
    Ok(table)
}

/// The logs of a cell and what is appended to them.
struct Bench<'a> {
    load: &'a Load,
    effort: &'a Effort,
    dir: &'a std::path::Path,
    /// Keeps the logs' directories locked.
    _manager: rig::Manager,
    targets: Vec<Target>,
    rings: Rings,
    /// One per producer, each in memory of its own.
    batches: Vec<Bytes>,
    records_per_batch: i64,
    /// Appends so far.
    appended: u64,
    /// Of the engine, which the limits copy.
    batches_per_write: f64,
}

impl<'a> Bench<'a> {
    fn new(dir: &'a std::path::Path, load: &'a Load, effort: &'a Effort) -> anyhow::Result<Self> {
        let config = LogConfig {
            flush_before_ack: load.durability == Durability::Durable,
            ..LogConfig::default()
        };
        let logs = dir.join("logs");
        let (manager, _) = rig::open(&logs, config, 1)?;
        let logs = rig::create_logs(&manager, load.partitions, config)?;
        let batch = frames::batch(load.batch_bytes, now_ms()?)?;
        let batches = (0..load.producers).map(|_| Bytes::copy_from_slice(&batch));
        let batches: Vec<_> = batches.collect();
        let targets: Vec<_> = logs.iter().map(Target::of).collect();
        Ok(Self {
            load,
            effort,
            dir,
            _manager: manager,
            rings: Rings::start(load.rings, &batches, &targets)?,
            targets,
            batches,
            records_per_batch: BatchHeader::parse(&batch)?.records_count.into(),
            appended: 0,
            batches_per_write: 1.0,
        })
    }

    /// Appends of a round, at most; a part of a round has a part of them.
    fn operations(&self, part: u64) -> u64 {
        let operations = self.effort.appended_bytes / self.load.batch_bytes as u64;
        (operations.min(self.effort.operations) / part).max(1)
    }

    /// Has the kernel write what is left from the side before, and memory ready for the next, whose
    /// writes bring in at least so much at once.
    fn settle(&self, touch_min: u64) -> anyhow::Result<()> {
        let dir = std::fs::File::open(self.dir)?;
        rustix::fs::syncfs(&dir)?;
        let batch_bytes = self.load.batch_bytes as u64;
        let write_bytes = (batch_bytes * self.group() as u64).clamp(touch_min, TOUCH_MAX);
        let operations = self.operations(1);
        let warm_ups = warm_up_of(operations) * self.load.rings as u64;
        touch_page_cache(self.dir, (operations + warm_ups) * batch_bytes, write_bytes)
    }

    fn write_loop(&self, name: &str, is_reserved: bool, sync: Sync) -> anyhow::Result<WriteLoop> {
        let dir = self.dir.join(name);
        let mut files = WriteLoop::create(&dir, self.load.partitions, is_reserved, sync)?;
        self.limit_of(&mut files, 1, WARM_UP_PART)?;
        Ok(files)
    }

    fn limit(&self, files: &mut WriteLoop, threads: usize) -> anyhow::Result<Cost> {
        self.limit_of(files, threads, 1)
    }

    fn limit_of(&self, files: &mut WriteLoop, threads: usize, part: u64) -> anyhow::Result<Cost> {
        let (group, operations) = (self.group(), self.operations(part));
        files.run(
            &self.batches,
            group,
            threads,
            operations,
            self.effort.duration,
        )
    }

    /// Batches that the limits put into a write: as many as the engine does.
    fn group(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and the number of producers"
        )]
        let group = self.batches_per_write.round().max(1.0) as usize;
        group
    }

    /// Lets the producers append for a part of a round.
    fn engine(&mut self, part: u64) -> anyhow::Result<Cost> {
        let operations = self.operations(part);
        let round = |operations| Round::new(operations, self.effort.duration).map(Arc::new);
        let warm_ups: Vec<_> = (0..self.rings.count())
            .map(|_| round(warm_up_of(operations)))
            .collect::<anyhow::Result<_>>()?;
        self.appended += self.rings.run(warm_ups)?.appended;
        let round = round(operations)?;
        let published_before = self.publications();
        let meter = Meter::start();
        let ended = self.rings.run(vec![round; self.rings.count()])?;
        let done = ended.appended;
        let mut cost = meter.stop(done, done * self.load.batch_bytes as u64);
        let writes = self.publications() - published_before;
        cost.batches_per_write = Some(done as f64 / writes as f64);
        cost.latencies = ended.latencies;
        self.appended += done;
        Ok(cost)
    }

    fn publications(&self) -> u64 {
        self.targets.iter().map(|it| it.published.count()).sum()
    }

    /// The logs hold what was appended.
    fn check(&self) -> anyhow::Result<()> {
        let found: i64 = self.targets.iter().map(|it| it.log.offsets().log_end).sum();
        let expected = i64::try_from(self.appended)? * self.records_per_batch;
        ensure!(
            found == expected,
            "{found} records in the logs, {expected} appended"
        );
        Ok(())
    }
}

/// Appends of each ring before a round of so many.
fn warm_up_of(operations: u64) -> u64 {
    RING_WARM_UP.min(operations / RING_WARM_UP_PART)
}
