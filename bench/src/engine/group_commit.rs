//! What group commit can reach with bare system calls: producers on two threads that append again
//! as soon as their append is durable, and one thread that writes and syncs what they queued
//! meanwhile. Nothing is checked, encoded or indexed; the engine does all of that besides. Beside
//! it, as beside the engine, a loop that writes as many batches at a time and waits for nobody.
//!
//! Where the blocks were never written, a sync also writes the file's extents and inode; zeros
//! avoid that, and cost what it takes to write them while others sync.

use std::fs::File;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_engine::io::{Disk, UringDisk};
use rustix::fs::FallocateFlags;

use super::cell::Effort;
use super::cost::{Cost, Latencies, Meter};
use super::limits::{Sync, WriteLoop};
use super::table::{Side, Table};
use crate::frames;
use crate::interrupt::Scratch;
use crate::process::now;
use crate::round::now_ms;

/// Threads with producers; with one alone all of them would share every sync.
const THREADS: usize = 2;
/// Zeroed ahead at a time, and what is written of that with one call: as the engine does.
const STEP_BYTES: u64 = 1 << 20;
const CHUNK_BYTES: u64 = 128 << 10;
/// Blocks of a file, of which a round writes a part.
const FILE_BYTES: u64 = 1 << 30;

/// What lies where batches are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocks {
    /// Reserved and never written.
    Reserved,
    /// Zeros, written meanwhile by another thread.
    ZeroedAhead,
    /// Zeros, synced before the round.
    ZeroedBefore,
}

/// Runs the rounds of the cell.
///
/// # Errors
/// As the operating system says.
pub(crate) fn measure(
    name: String,
    batch_bytes: usize,
    producers: usize,
    effort: &Effort,
) -> anyhow::Result<Table> {
    let dir = Scratch::new_in(&effort.dir)?;
    let batch = frames::batch(batch_bytes, now_ms()?)?;
    let batches: Vec<_> = (0..producers).map(|_| batch.clone()).collect();
    let mut sides = [
        "reserved",
        "zeroed ahead",
        "zeroed before",
        "DSYNC loop, reserved",
        "DSYNC loop, ahead",
        "DSYNC loop, before",
    ]
    .map(Side::new);
    let kinds = [Blocks::Reserved, Blocks::ZeroedAhead, Blocks::ZeroedBefore];
    let operations = effort
        .operations
        .min(effort.appended_bytes / batch_bytes as u64);
    for _ in 0..effort.rounds {
        for (index, blocks) in kinds.into_iter().enumerate() {
            let path = dir.path().join("log");
            let log = Log::create(&path, blocks, operations * batch_bytes as u64)?;
            let cost = log.run(&batches, operations, now() + effort.duration)?;
            std::fs::remove_file(&path)?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 1 and the number of producers"
            )]
            let group = cost.batches_per_write.unwrap_or(1.0).round().max(1.0) as usize;
            let raw = dir.path().join("raw");
            let mut files = WriteLoop::create(&raw, 1, true, Sync::WithWrite)?;
            let limit = files.run(&batches, group, 1, operations, effort.duration)?;
            std::fs::remove_dir_all(&raw)?;
            sides[index].rounds.push(cost);
            sides[kinds.len() + index].rounds.push(limit);
        }
    }
    let [reserved, ahead, before, loops @ ..] = &sides;
    let rate = |side: &Side| side.series(Cost::operations_per_s);
    let p99 = |side: &Side| side.percentiles(0.99);
    let ratios = [
        (
            "appends/s over the loop's, reserved",
            rate(reserved).over(&rate(&loops[0])),
        ),
        (
            "p99 over the loop's, reserved",
            p99(reserved).over(&p99(&loops[0])),
        ),
        (
            "appends/s over the loop's, zeroed ahead",
            rate(ahead).over(&rate(&loops[1])),
        ),
        (
            "p99 over the loop's, zeroed ahead",
            p99(ahead).over(&p99(&loops[1])),
        ),
        (
            "appends/s over the loop's, zeroed before",
            rate(before).over(&rate(&loops[2])),
        ),
        (
            "p99 over the loop's, zeroed before",
            p99(before).over(&p99(&loops[2])),
        ),
    ];
    let mut table = Table::new(name, sides.into());
    for (name, values) in ratios {
        table.ratio(name, values, None);
    }
    Ok(table)
}

/// An append that waits.
#[derive(Debug, Clone, Copy)]
struct Append {
    producer: usize,
    begun: Instant,
}

#[derive(Debug, Default)]
struct State {
    queue: Vec<Append>,
    /// Of each thread the producers that may append again.
    released: [Vec<usize>; THREADS],
    end: u64,
    zeroed_to: u64,
    has_ended: bool,
}

/// A file, and who appends to it.
struct Log {
    file: File,
    blocks: Blocks,
    state: Mutex<State>,
    queued: Condvar,
    released: [Condvar; THREADS],
    written: Condvar,
}

impl Log {
    fn create(path: &Path, blocks: Blocks, bytes: u64) -> anyhow::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, FILE_BYTES)?;
        if blocks == Blocks::ZeroedBefore {
            write_zeros(&file, 0, bytes)?;
        }
        file.sync_all()?;
        Ok(Self {
            file,
            blocks,
            state: Mutex::default(),
            queued: Condvar::new(),
            released: Default::default(),
            written: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, batches: &[Bytes], operations: u64, deadline: Instant) -> anyhow::Result<Cost> {
        for producer in 0..batches.len() {
            self.lock().released[producer % THREADS].push(producer);
        }
        let meter = Meter::start();
        let (latencies, writes) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(move || self.append(thread)))
                .collect();
            let zeroing = scope.spawn(|| self.zero());
            let result = self.commit(batches, operations, deadline);
            self.lock().has_ended = true;
            self.written.notify_all();
            self.released.iter().for_each(Condvar::notify_all);
            for thread in threads {
                thread.join().ok().context("a thread panicked")?;
            }
            zeroing.join().ok().context("a thread panicked")??;
            result
        })?;
        let bytes = batches.first().map_or(0, Bytes::len) as u64;
        let done = latencies.count();
        let mut cost = meter.stop(done, done * bytes);
        cost.batches_per_write = Some(done as f64 / writes as f64);
        cost.latencies = latencies;
        Ok(cost)
    }

    /// The producers of one thread.
    fn append(&self, thread: usize) {
        let mut state = self.lock();
        while !state.has_ended {
            let producers = std::mem::take(&mut state.released[thread]);
            let begun = now();
            state.queue.extend(
                producers
                    .into_iter()
                    .map(|producer| Append { producer, begun }),
            );
            self.queued.notify_one();
            state = self.released[thread]
                .wait_while(state, |it| it.released[thread].is_empty() && !it.has_ended)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes and syncs what is queued, again and again.
    fn commit(
        &self,
        batches: &[Bytes],
        operations: u64,
        deadline: Instant,
    ) -> anyhow::Result<(Latencies, u64)> {
        let (mut latencies, mut writes) = (Latencies::default(), 0);
        while latencies.count() < operations && now() < deadline {
            let state = self.lock();
            let mut state = self
                .queued
                .wait_while(state, |state| state.queue.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let appends = std::mem::take(&mut state.queue);
            let position = state.end;
            drop(state);
            let slices: Vec<_> = appends
                .iter()
                .map(|append| IoSlice::new(&batches[append.producer]))
                .collect();
            let written = rustix::io::pwritev(&self.file, &slices, position)?;
            let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
            ensure!(written == bytes, "{written} of {bytes} bytes written");
            self.file.sync_data()?;
            writes += 1;
            let mut state = self.lock();
            state.end += bytes as u64;
            for append in appends {
                latencies.add(append.begun.elapsed());
                state.released[append.producer % THREADS].push(append.producer);
            }
            drop(state);
            self.released.iter().for_each(Condvar::notify_one);
            self.written.notify_one();
        }
        Ok((latencies, writes))
    }

    /// Keeps zeros ahead of the end, where that is asked for.
    fn zero(&self) -> anyhow::Result<()> {
        if self.blocks != Blocks::ZeroedAhead {
            return Ok(());
        }
        loop {
            let state = self.lock();
            let state = self
                .written
                .wait_while(state, |it| {
                    it.end + STEP_BYTES / 2 <= it.zeroed_to && !it.has_ended
                })
                .unwrap_or_else(PoisonError::into_inner);
            if state.has_ended {
                return Ok(());
            }
            let from = state.zeroed_to.max(state.end + CHUNK_BYTES);
            drop(state);
            write_zeros(&self.file, from, from + STEP_BYTES)?;
            self.lock().zeroed_to = from + STEP_BYTES;
        }
    }
}

/// Zeroes a range, as the engine does.
fn write_zeros(file: &File, from: u64, to: u64) -> anyhow::Result<()> {
    let zeros = vec![0; usize::try_from(CHUNK_BYTES)?];
    let mut at = from;
    while at < to {
        let end = to.min(at + CHUNK_BYTES);
        file.write_all_at(&zeros[..usize::try_from(end - at)?], at)?;
        UringDisk.write_back(file, at..end)?;
        at = end;
    }
    Ok(())
}
