//! Appends of many producers that come at a fixed rate whatever is under way: handled by tasks on
//! rings, and by threads that write and sync themselves (R5). Latencies count from the moment an
//! append was due. The rate is a part of the most that the slower side takes. A thread that finds
//! no write under way writes for the others too, and answers its own client afterwards.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringbrook_engine::LogConfig;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::cell::Effort;
use super::cost::{Cost, Latencies, Meter};
use super::rig::{self, Drains, Target};
use super::table::{Side, Table};
use crate::frames;
use crate::interrupt::Scratch;
use crate::process::{now, rest};
use crate::round::now_ms;

const PRODUCERS: usize = 64;
const PARTITIONS: usize = 10;
/// Of the most that the slower side takes.
const LOAD: f64 = 0.7;
/// Longest rest of who tells when appends are due.
const REST_MAX: Duration = Duration::from_micros(200);
/// Where tails are looked at, so many times the operations of other cells.
const OPERATIONS_TIMES: u64 = 10;
/// Operations that one needs to speak of one in ten thousand.
const OPERATIONS_FOR_P9999: f64 = 1e6;

/// Runs the rounds of a cell.
///
/// # Errors
/// The engine failed.
pub(crate) fn measure(name: String, batch_bytes: usize, effort: &Effort) -> anyhow::Result<Table> {
    let dir = Scratch::new_in(&effort.dir)?;
    let config = LogConfig {
        flush_before_ack: true,
        ..LogConfig::default()
    };
    let (manager, _) = rig::open(&dir.path().join("logs"), config, 1)?;
    let logs = rig::create_logs(&manager, PARTITIONS, config)?;
    let producers = Producers {
        targets: logs.iter().map(Target::of).collect(),
        next_target: AtomicUsize::new(0),
        batch: frames::batch(batch_bytes, now_ms()?)?,
    };
    let closed = Arrivals {
        rate: None,
        duration: effort.duration,
        count_max: effort.operations,
    };
    let most = [producers.on_rings(closed)?, producers.on_threads(closed)?]
        .map(|cost| cost.operations_per_s());
    let open = Arrivals {
        rate: Some(LOAD * most[0].min(most[1])),
        duration: effort.tail_duration,
        count_max: effort.operations * OPERATIONS_TIMES,
    };
    let mut sides = ["rings", "threads"].map(Side::new);
    for _ in 0..effort.rounds {
        sides[0].rounds.push(producers.on_rings(open)?);
        sides[1].rounds.push(producers.on_threads(open)?);
    }
    let count = sides[0].series(|cost| cost.operations).min();
    let [p99, p999, p9999] = [0.99, 0.999, 0.9999].map(|part| {
        let [rings, threads] = sides.each_ref().map(|side| side.percentiles(part));
        rings.over(&threads)
    });
    let cpu = sides.each_ref().map(|side| side.series(Cost::cpu_us));
    let mut table = Table::new(name, sides.into());
    table.ratio("p99, rings / threads", p99, None);
    table.ratio("p99.9, rings / threads", p999, None);
    if OPERATIONS_FOR_P9999 <= count {
        table.ratio("p99.99, rings / threads (R5)", p9999, None);
    }
    table.cost_ratio("CPU, rings / threads", &cpu[0], &cpu[1], None);
    Ok(table)
}

/// When appends come.
#[derive(Debug, Clone, Copy)]
struct Arrivals {
    /// So many a second; `None` when each producer sends the next after the answer.
    rate: Option<f64>,
    duration: Duration,
    /// No more of those that come at a rate.
    count_max: u64,
}

impl Arrivals {
    /// Tells when each append is due, then.
    fn tell(self, rate: f64, mut due: impl FnMut(u64, Instant)) {
        let begun = now();
        for index in 0..self.count_max {
            let after = Duration::from_secs_f64(index as f64 / rate);
            if self.duration <= after {
                return;
            }
            let at = begun + after;
            while let Some(early) = at.checked_duration_since(now()).filter(|it| !it.is_zero()) {
                rest(early.min(REST_MAX));
            }
            due(index, at);
        }
    }
}

struct Producers {
    targets: Vec<Target>,
    next_target: AtomicUsize,
    batch: Bytes,
}

impl Producers {
    fn target(&self) -> &Target {
        let index = self.next_target.fetch_add(1, Ordering::Relaxed);
        &self.targets[index % self.targets.len()]
    }

    fn cost(&self, meter: Meter, latencies: Vec<Latencies>) -> Cost {
        let mut all = Latencies::default();
        latencies.into_iter().for_each(|some| all.append(some));
        let mut cost = meter.stop(all.count(), all.count() * self.batch.len() as u64);
        cost.latencies = all;
        cost
    }

    fn on_rings(&self, arrivals: Arrivals) -> anyhow::Result<Cost> {
        let rings = std::thread::available_parallelism().map_or(1, usize::from);
        let meter = Meter::start();
        let results: Vec<anyhow::Result<_>> = std::thread::scope(|scope| {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..rings).map(|_| unbounded_channel()).unzip();
            let threads: Vec<_> = receivers
                .into_iter()
                .map(|due| {
                    scope.spawn(move || {
                        rig::on_ring(async {
                            match arrivals.rate {
                                Some(_) => self.ring_when_due(due).await,
                                None => self.ring_in_turn(PRODUCERS / rings, arrivals).await,
                            }
                        })?
                    })
                })
                .collect();
            if let Some(rate) = arrivals.rate {
                let rings = rings as u64;
                arrivals.tell(rate, |index, at| {
                    let ring = usize::try_from(index % rings).unwrap_or_default();
                    // A ring that failed says so when it is joined.
                    let _is_heard = senders[ring].send(at);
                });
            }
            drop(senders);
            threads.into_iter().map(joined).collect()
        });
        Ok(self.cost(meter, results.into_iter().collect::<Result<_, _>>()?))
    }

    async fn ring_when_due(
        &self,
        mut due: UnboundedReceiver<Instant>,
    ) -> anyhow::Result<Latencies> {
        let latencies = Rc::new(RefCell::new(Latencies::default()));
        let (ctx, drains) = (rig::client()?, Drains::default());
        let mut appends = JoinSet::new();
        while let Some(at) = due.recv().await {
            let (target, batch) = (self.target().clone(), self.batch.clone());
            let (latencies, drains) = (Rc::clone(&latencies), drains.clone());
            appends.spawn_local(async move {
                target.append(batch, ctx, &drains).await?;
                latencies.borrow_mut().add(at.elapsed());
                anyhow::Ok(())
            });
            while let Some(ended) = appends.try_join_next() {
                ended??;
            }
        }
        while let Some(ended) = appends.join_next().await {
            ended??;
        }
        drains.finish().await;
        Ok(latencies.take())
    }

    async fn ring_in_turn(
        &self,
        producers: usize,
        arrivals: Arrivals,
    ) -> anyhow::Result<Latencies> {
        let (ctx, drains) = (rig::client()?, Drains::default());
        let deadline = now() + arrivals.duration;
        let latencies = Rc::new(RefCell::new(Latencies::default()));
        let mut running = JoinSet::new();
        for index in 0..producers {
            let (targets, batch) = (self.targets.clone(), self.batch.clone());
            let (latencies, drains) = (Rc::clone(&latencies), drains.clone());
            running.spawn_local(async move {
                for target in targets.iter().cycle().skip(index) {
                    let begun = now();
                    if deadline <= begun {
                        break;
                    }
                    target.append(batch.clone(), ctx, &drains).await?;
                    latencies.borrow_mut().add(begun.elapsed());
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        drains.finish().await;
        Ok(latencies.take())
    }

    fn on_threads(&self, arrivals: Arrivals) -> anyhow::Result<Cost> {
        let meter = Meter::start();
        let (sender, receiver) = std::sync::mpsc::channel();
        let due = Mutex::new(receiver);
        let results: Vec<anyhow::Result<_>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..PRODUCERS)
                .map(|_| scope.spawn(|| self.thread(&due, arrivals)))
                .collect();
            if let Some(rate) = arrivals.rate {
                arrivals.tell(rate, |_, at| {
                    // A thread that failed says so when it is joined.
                    let _is_heard = sender.send(at);
                });
            }
            drop(sender);
            threads.into_iter().map(joined).collect()
        });
        Ok(self.cost(meter, results.into_iter().collect::<Result<_, _>>()?))
    }

    fn thread(
        &self,
        due: &Mutex<Receiver<Instant>>,
        arrivals: Arrivals,
    ) -> anyhow::Result<Latencies> {
        let ctx = rig::client()?;
        let deadline = now() + arrivals.duration;
        let mut latencies = Latencies::default();
        loop {
            let at = match arrivals.rate {
                None => Some(now()).filter(|now| *now < deadline),
                Some(_) => due
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .recv()
                    .ok(),
            };
            let Some(at) = at else {
                return Ok(latencies);
            };
            self.target().append_blocking(self.batch.clone(), ctx)?;
            latencies.add(at.elapsed());
        }
    }
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, anyhow::Result<T>>) -> anyhow::Result<T> {
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("a thread panicked"))?
}
