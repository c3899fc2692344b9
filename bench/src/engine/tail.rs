//! What others on the same ring's thread wait while it appends more than the disk takes: a thread
//! asks the ring's thread every now and then and measures how long the answer takes. Beside it, the
//! same with writes that the ring's thread makes itself, and without any writes.

use std::cell::Cell;
use std::fs::File;
use std::io::IoSlice;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringbrook_engine::LogConfig;

use super::cell::Effort;
use super::cost::{Cost, Latencies, Meter};
use super::rig::{self, Drains, Target};
use super::table::{Side, Table};
use crate::frames;
use crate::interrupt::Scratch;
use crate::process::{now, rest};
use crate::round::now_ms;

/// Time between two questions.
const INTERVAL: Duration = Duration::from_micros(500);
const PRODUCERS: usize = 16;
const PARTITIONS: usize = 8;

/// Runs the rounds of a cell.
///
/// # Errors
/// The engine or a system call failed.
pub(crate) fn measure(name: String, batch_bytes: usize, effort: &Effort) -> anyhow::Result<Table> {
    let dir = Scratch::new_in(&effort.dir)?;
    let batch = frames::batch(batch_bytes, now_ms()?)?;
    let mut sides = ["engine", "pwritev on the loop", "no writes"].map(Side::new);
    for round in 0..effort.rounds {
        let place = dir.path().join(round.to_string());
        std::fs::create_dir(&place)?;
        let costs = [
            asked(|| appending(&place.join("logs"), &batch, effort))?,
            asked(|| writing(&place.join("plain"), &batch, effort))?,
            asked(|| resting(effort))?,
        ];
        std::fs::remove_dir_all(&place)?;
        for (side, cost) in sides.iter_mut().zip(costs) {
            side.rounds.push(cost);
        }
    }
    let of = |part| sides.each_ref().map(|side| side.percentiles(part));
    let ([engine_p50, _, idle_p50], [engine, inline, idle]) = (of(0.5), of(0.999));
    let mut table = Table::new(name, sides.into());
    let ratios = [
        ("p50, engine / no writes", engine_p50.over(&idle_p50)),
        ("p99.9, engine / no writes", engine.over(&idle)),
        ("p99.9, engine / pwritev on the loop", engine.over(&inline)),
    ];
    for (name, values) in ratios {
        table.ratio(name, values, None);
    }
    Ok(table)
}

/// Does `work` on a ring while another thread asks for answers.
fn asked<F, W>(work: W) -> anyhow::Result<Cost>
where
    F: Future<Output = anyhow::Result<Cost>>,
    W: FnOnce() -> anyhow::Result<F>,
{
    let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel::<Instant>();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let work = work()?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Until the other end of either channel is dropped.
            while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected)
                && ask.send(now()).is_ok()
            {
                rest(INTERVAL);
            }
        });
        rig::on_ring(async {
            let answers = tokio::task::spawn_local(async move {
                let mut latencies = Latencies::default();
                while let Some(asked) = asked.recv().await {
                    latencies.add(asked.elapsed());
                }
                latencies
            });
            let mut cost = work.await?;
            drop(stop);
            cost.latencies = answers.await?;
            Ok(cost)
        })?
    })
}

fn appending(
    dir: &std::path::Path,
    batch: &Bytes,
    effort: &Effort,
) -> anyhow::Result<impl Future<Output = anyhow::Result<Cost>> + use<>> {
    let config = LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    };
    let (manager, _) = rig::open(dir, config, 1)?;
    let logs = rig::create_logs(&manager, PARTITIONS, config)?;
    let targets: Vec<Target> = logs.iter().map(Target::of).collect();
    let (batch, bytes, duration) = (batch.clone(), effort.log_bytes, effort.tail_duration);
    Ok(async move {
        let _manager = manager;
        let ctx = rig::client()?;
        let left = Rc::new(Cell::new(bytes / batch.len() as u64));
        let total = left.get();
        let drains = Drains::default();
        let meter = Meter::start();
        let deadline = now() + duration;
        let mut producers = Vec::new();
        for index in 0..PRODUCERS {
            let (target, left) = (targets[index % PARTITIONS].clone(), Rc::clone(&left));
            let (batch, drains) = (batch.clone(), drains.clone());
            producers.push(tokio::task::spawn_local(async move {
                while 0 < left.get() && now() < deadline {
                    left.set(left.get() - 1);
                    target.append(batch.clone(), ctx, &drains).await?;
                }
                anyhow::Ok(())
            }));
        }
        for producer in producers {
            producer.await??;
        }
        drains.finish().await;
        let done = total - left.get();
        Ok(meter.stop(done, done * batch.len() as u64))
    })
}

fn writing(
    path: &std::path::Path,
    batch: &Bytes,
    effort: &Effort,
) -> anyhow::Result<impl Future<Output = anyhow::Result<Cost>> + use<>> {
    std::fs::create_dir(path)?;
    let open = |index: usize| File::create_new(path.join(index.to_string()));
    let files = (0..PARTITIONS).map(open).collect::<Result<Vec<_>, _>>()?;
    let (batch, bytes, duration) = (batch.clone(), effort.log_bytes, effort.tail_duration);
    Ok(async move {
        let meter = Meter::start();
        let deadline = now() + duration;
        let mut done: u64 = 0;
        while done < bytes / batch.len() as u64 && now() < deadline {
            let file = &files[usize::try_from(done)? % PARTITIONS];
            let position = done / PARTITIONS as u64 * batch.len() as u64;
            rustix::io::pwritev(file, &[IoSlice::new(&batch)], position)?;
            done += 1;
            tokio::task::yield_now().await;
        }
        Ok(meter.stop(done, done * batch.len() as u64))
    })
}

fn resting(effort: &Effort) -> anyhow::Result<impl Future<Output = anyhow::Result<Cost>> + use<>> {
    let duration = effort.tail_duration / 4;
    Ok(async move {
        let meter = Meter::start();
        tokio::time::sleep(duration).await;
        Ok(meter.stop(1, 0))
    })
}
