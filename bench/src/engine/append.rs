//! Appends through the ring, beside loops of `pwritev` that put as many batches into a write.
//!
//! Every producer appends its batch, waits until it is published and goes on with the next
//! partition. Durable appends come from as many rings as there are cores, each pinned to one, and
//! its background threads with it, as in the broker: a wake-up on another core takes 25 us instead
//! of 4 where that one is idle. Those to the page cache come from one ring, since their cost is
//! what is asked about, and stay on one core, too: the kernel keeps freed memory by core, so what
//! was brought in beforehand is not at hand on another one. The engine's cost includes the waiting:
//! a task's wake-up, about 0.1 us. It begins when each ring has made some appends: a new thread's
//! first memory and a ring's first workers cost as much as a hundred of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use ringbrook_engine::{AppendContext, LogConfig};
use ringbrook_record::BatchHeader;

use super::cell::{Durability, Effort};
use super::cost::{Cost, Latencies, Meter};
use super::limits::{self, Sync, WriteLoop, touch_page_cache};
use super::rig::{self, Drains, Target};
use super::table::{Aim, Side, Table};
use crate::frames;
use crate::interrupt::Scratch;
use crate::process::{allowed_cpus, now, pin};
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
        Ok(Self {
            load,
            effort,
            dir,
            _manager: manager,
            targets: logs.iter().map(Target::of).collect(),
            batches: batches.collect(),
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

    /// Lets the producers append for a part of a round, on as many rings as the load asks for, each
    /// on a core of its own.
    fn engine(&mut self, part: u64) -> anyhow::Result<Cost> {
        let rings = self.load.rings.min(self.batches.len());
        let batches_per_ring = self.batches.len().div_ceil(rings);
        let cpus = &allowed_cpus()?;
        let targets = &self.targets;
        let publications = || -> u64 { targets.iter().map(|it| it.published.count()).sum() };
        let operations = self.operations(part);
        let round = |operations| Round::new(operations, self.effort.duration).map(Arc::new);
        let warm_ups: Vec<_> = (0..rings)
            .map(|_| round(warm_up_of(operations)))
            .collect::<anyhow::Result<_>>()?;
        let round = round(operations)?;
        let (mut cost, results) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..)
                .zip(self.batches.chunks(batches_per_ring))
                .map(|(index, batches)| {
                    let (at_border, borders) = mpsc::channel();
                    let (begin, may_begin) = mpsc::channel::<()>();
                    let rounds = [Arc::clone(&warm_ups[index]), Arc::clone(&round)];
                    let next_target = index * targets.len() / rings;
                    let run = move |ring: &tokio_uring::Runtime, round| {
                        let turn = || Turn::new(round, targets.to_vec(), next_target);
                        ring.block_on(async { turn().run(batches).await })
                    };
                    let thread = scope.spawn(move || {
                        let [warm_up, round] = rounds;
                        pin(cpus[index % cpus.len()])?;
                        let ring = rig::ring()?;
                        let (warmed, _) = run(&ring, warm_up)?;
                        at_border.send(())?;
                        may_begin.recv()?;
                        let (done, latencies) = run(&ring, round)?;
                        at_border.send(())?;
                        anyhow::Ok((warmed + done, latencies))
                    });
                    (thread, borders, begin)
                })
                .collect();
            // Who failed does not come to the border, and says why when it is joined.
            let wait = || {
                for (_, borders, _) in &threads {
                    let _has_come = borders.recv();
                }
            };
            wait();
            let published_before = publications();
            let meter = Meter::start();
            for (_, _, begin) in &threads {
                let _has_heard = begin.send(());
            }
            wait();
            let done = operations - round.left.load(Ordering::Relaxed);
            let mut cost = meter.stop(done, done * self.load.batch_bytes as u64);
            cost.batches_per_write = Some(done as f64 / (publications() - published_before) as f64);
            let join = |(thread, ..): (ScopedJoinHandle<'_, _>, _, _)| thread.join();
            (cost, threads.into_iter().map(join).collect::<Vec<_>>())
        });
        for result in results {
            let panicked = |_| anyhow::anyhow!("a ring's thread panicked");
            let (appended, latencies): (u64, _) = result.map_err(panicked)??;
            self.appended += appended;
            cost.latencies.append(latencies);
        }
        Ok(cost)
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

/// What the producers of all rings share in a round.
struct Round {
    left: AtomicU64,
    duration: Duration,
    /// Of the first append.
    begun: OnceLock<Instant>,
    ctx: AppendContext,
}

impl Round {
    fn new(operations: u64, duration: Duration) -> anyhow::Result<Self> {
        Ok(Self {
            left: AtomicU64::new(operations),
            duration,
            begun: OnceLock::new(),
            ctx: rig::client()?,
        })
    }

    fn is_over(&self, at: Instant) -> bool {
        *self.begun.get_or_init(|| at) + self.duration <= at
    }

    /// Takes one of the appends that are left.
    fn claim(&self) -> bool {
        let left = |left: u64| left.checked_sub(1);
        let claimed = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        claimed.is_ok()
    }
}

/// What the producers of a ring share in a round.
struct Turn {
    round: Arc<Round>,
    targets: Vec<Target>,
    next_target: Cell<usize>,
    latencies: RefCell<Latencies>,
    drains: Drains,
}

impl Turn {
    fn new(round: Arc<Round>, targets: Vec<Target>, next_target: usize) -> Rc<Self> {
        Rc::new(Self {
            round,
            targets,
            next_target: Cell::new(next_target),
            latencies: RefCell::default(),
            drains: Drains::default(),
        })
    }

    /// Runs a producer for each batch until the round is over.
    async fn run(self: Rc<Self>, batches: &[Bytes]) -> anyhow::Result<(u64, Latencies)> {
        let producers: Vec<_> = batches
            .iter()
            .map(|batch| tokio::task::spawn_local(produce(Rc::clone(&self), batch.clone())))
            .collect();
        let mut done = 0;
        for producer in producers {
            done += producer.await??;
        }
        self.drains.finish().await;
        Ok((done, self.latencies.take()))
    }
}

async fn produce(turn: Rc<Turn>, batch: Bytes) -> anyhow::Result<u64> {
    let mut done = 0;
    loop {
        let begun = now();
        if turn.round.is_over(begun) || !turn.round.claim() {
            return Ok(done);
        }
        let index = turn.next_target.get();
        turn.next_target.set((index + 1) % turn.targets.len());
        let target = &turn.targets[index];
        let ctx = turn.round.ctx;
        target.append(batch.clone(), ctx, &turn.drains).await?;
        turn.latencies.borrow_mut().add(begun.elapsed());
        done += 1;
    }
}
