//! The rings that appends come from, with their producers. They live as long as a cell, as those of
//! a broker do: the background threads of a ring go with it, and a new thread's first memory costs
//! 2 ms.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use ringbrook_engine::AppendContext;

use super::cost::Latencies;
use super::rig::{self, Drains, Target};
use crate::process::{allowed_cpus, now, pin};

/// Threads with a ring each, every one on a core of its own as far as there are cores.
pub(super) struct Rings(Vec<RingThread>);

struct RingThread {
    /// None tells it to end.
    rounds: Option<mpsc::Sender<Arc<Round>>>,
    ended: mpsc::Receiver<anyhow::Result<Ended>>,
    thread: Option<JoinHandle<()>>,
}

/// What came of a round.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) appended: u64,
    pub(super) latencies: Latencies,
}

impl Rings {
    /// Starts at most so many, with a producer for each of `batches` spread over them.
    ///
    /// # Errors
    /// The CPUs of this process are unknown.
    pub(super) fn start(
        count_max: usize,
        batches: &[Bytes],
        targets: &[Target],
    ) -> anyhow::Result<Self> {
        let count = count_max.min(batches.len());
        let cpus = allowed_cpus()?;
        let parts = batches.chunks(batches.len().div_ceil(count)).enumerate();
        let start = |(index, batches): (usize, &[Bytes])| {
            let (rounds, next_round) = mpsc::channel();
            let (at_end, ended) = mpsc::channel();
            let ring = Ring {
                cpu: cpus[index % cpus.len()],
                batches: batches.to_vec(),
                targets: targets.to_vec(),
                first_target: index * targets.len() / count,
            };
            let serve = move || {
                if let Err(error) = ring.serve(&next_round, &at_end) {
                    // Nobody listens any more when the cell has failed already.
                    drop(at_end.send(Err(error)));
                }
            };
            RingThread {
                rounds: Some(rounds),
                ended,
                thread: Some(std::thread::spawn(serve)),
            }
        };
        Ok(Self(parts.map(start).collect()))
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Runs a round on each ring and waits until all have ended.
    ///
    /// # Errors
    /// A ring could not be set up, or an append failed.
    pub(super) fn run(&self, rounds: Vec<Arc<Round>>) -> anyhow::Result<Ended> {
        for (ring, round) in self.0.iter().zip(rounds) {
            // One that has failed says why below.
            drop(ring.rounds.as_ref().map(|rounds| rounds.send(round)));
        }
        let mut all = Ended::default();
        for ring in &self.0 {
            let ended = ring.ended.recv().context("a ring's thread panicked")??;
            all.appended += ended.appended;
            all.latencies.append(ended.latencies);
        }
        Ok(all)
    }
}

impl Drop for Rings {
    fn drop(&mut self) {
        for ring in &mut self.0 {
            ring.rounds = None;
            let thread = ring.thread.take();
            if thread.is_some_and(|thread| thread.join().is_err()) {
                eprintln!("a ring's thread panicked");
            }
        }
    }
}

/// What a ring's thread has.
struct Ring {
    cpu: usize,
    batches: Vec<Bytes>,
    targets: Vec<Target>,
    /// Where its appends begin in every round.
    first_target: usize,
}

impl Ring {
    fn serve(
        &self,
        rounds: &mpsc::Receiver<Arc<Round>>,
        at_end: &mpsc::Sender<anyhow::Result<Ended>>,
    ) -> anyhow::Result<()> {
        pin(self.cpu)?;
        let ring = rig::ring()?;
        while let Ok(round) = rounds.recv() {
            let turn = || Turn::new(round, self.targets.clone(), self.first_target);
            let ended = ring.block_on(async { turn().run(&self.batches).await });
            at_end.send(ended)?;
        }
        Ok(())
    }
}

/// What the producers of all rings share in a round.
pub(super) struct Round {
    left: AtomicU64,
    duration: Duration,
    /// Of the first append.
    begun: OnceLock<Instant>,
    ctx: AppendContext,
}

impl Round {
    /// Appends until there were so many or the time is over.
    ///
    /// # Errors
    /// The clock is before 1970.
    pub(super) fn new(operations: u64, duration: Duration) -> anyhow::Result<Self> {
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
    async fn run(self: Rc<Self>, batches: &[Bytes]) -> anyhow::Result<Ended> {
        let producers: Vec<_> = batches
            .iter()
            .map(|batch| tokio::task::spawn_local(produce(Rc::clone(&self), batch.clone())))
            .collect();
        let mut appended = 0;
        for producer in producers {
            appended += producer.await??;
        }
        self.drains.finish().await;
        Ok(Ended {
            appended,
            latencies: self.latencies.take(),
        })
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
