//! What the machine gives without an engine: loops of bare system calls, CRC and copies.

use std::fs::File;
use std::hint::black_box;
use std::io::{IoSlice, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use ringbrook_engine::io::{Disk, UringDisk};
use ringbrook_record::{Batch, DecoderContext};
use rustix::fs::FallocateFlags;
use rustix::io::ReadWriteFlags;

use super::cell::Effort;
use super::cost::{Cost, Latencies, Meter};
use super::table::{Side, Table};
use crate::frames;
use crate::process::now;
use crate::round::now_ms;

/// Blocks reserved ahead at a time.
const RESERVED_BYTES: u64 = 64 << 20;
/// But not more than this for all files of a loop together.
const RESERVED_BYTES_OF_ALL: u64 = 8 << 30;
/// Bytes of a file between two starts of writeback, as in the engine.
const WRITEBACK_BYTES: u64 = 1 << 20;
/// Where the CRC of a batch begins to count.
const CRC_COVERS_FROM: usize = 21;
/// Decompressed bytes of a batch that are walked.
const WALKED_BYTES_MAX: usize = 1 << 30;
/// Operations between two looks at the clock where an operation is short.
const CLOCK_EVERY: u64 = 64;

/// Writes and removes a file: the kernel has as many pages at hand then, of the sizes that writes
/// of so many bytes ask for. On a virtual machine that gives free memory back to its host, the
/// first write to a page waits for the host: ten times the write itself, and at random.
///
/// # Errors
/// As the operating system says.
pub(crate) fn touch_page_cache(dir: &Path, bytes: u64, write_bytes: u64) -> anyhow::Result<()> {
    let path = dir.join("touched");
    let mut file = File::create(&path)?;
    let zeroes = vec![0; usize::try_from(write_bytes)?];
    for _ in 0..bytes.div_ceil(write_bytes) {
        file.write_all(&zeroes)?;
    }
    Ok(std::fs::remove_file(path)?)
}

/// When a loop's writes reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// When the kernel likes.
    Never,
    /// Started by the loop every [`WRITEBACK_BYTES`], as the engine does so that writeback comes
    /// evenly: the kernel's work for it then counts as the loop's own.
    Started,
    /// With `RWF_DSYNC`.
    WithWrite,
    /// By an `fdatasync` after each write.
    AfterWrite,
}

struct Target {
    file: File,
    end: u64,
    reserved: u64,
}

/// A loop of `pwritev` over files.
pub(crate) struct WriteLoop {
    targets: Vec<Target>,
    is_reserved: bool,
    sync: Sync,
}

impl WriteLoop {
    /// Creates the files.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn create(
        dir: &Path,
        files: usize,
        is_reserved: bool,
        sync: Sync,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir(dir)?;
        let create = |index| {
            Ok(Target {
                file: File::create_new(dir.join(format!("{index}.log")))?,
                end: 0,
                reserved: 0,
            })
        };
        let targets = (0..files).map(create).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            targets,
            is_reserved,
            sync,
        })
    }

    /// Writes `group` batches at a time to the files in turn, on so many threads of which each has
    /// its own files.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) fn run(
        &mut self,
        batches: &[Bytes],
        group: usize,
        threads: usize,
        operations: u64,
        duration: Duration,
    ) -> anyhow::Result<Cost> {
        let threads = threads.clamp(1, self.targets.len());
        let part = Part {
            batches,
            group,
            writes: (operations / group as u64 / threads as u64).max(1),
            duration,
            is_reserved: self.is_reserved,
            reserved_bytes: RESERVED_BYTES.min(RESERVED_BYTES_OF_ALL / self.targets.len() as u64),
            sync: self.sync,
        };
        let parts = even_parts(&mut self.targets, threads).into_iter();
        let meter = Meter::start();
        let results: Vec<_> = if threads == 1 {
            parts.map(|targets| part.run(targets)).collect()
        } else {
            std::thread::scope(|scope| {
                let part = &part;
                let threads: Vec<_> = parts
                    .map(|targets| scope.spawn(move || part.run(targets)))
                    .collect();
                let panicked = |_| anyhow::anyhow!("a thread panicked");
                threads
                    .into_iter()
                    .map(|thread| thread.join().map_err(panicked).flatten())
                    .collect()
            })
        };
        let mut latencies = Latencies::default();
        let mut writes = 0;
        for result in results {
            let (done, of_thread) = result?;
            writes += done;
            latencies.append(of_thread);
        }
        let done = writes * group as u64;
        let bytes = batches.first().map_or(0, Bytes::len) as u64;
        let mut cost = meter.stop(done, done * bytes);
        cost.batches_per_write = Some(group as f64);
        cost.latencies = latencies;
        Ok(cost)
    }
}

/// So many parts whose sizes differ by one at most.
fn even_parts<T>(mut all: &mut [T], count: usize) -> Vec<&mut [T]> {
    let mut parts = Vec::with_capacity(count);
    for left in (1..=count).rev() {
        let (part, rest) = all.split_at_mut(all.len().div_ceil(left));
        parts.push(part);
        all = rest;
    }
    parts
}

/// What one thread of a loop does.
struct Part<'a> {
    batches: &'a [Bytes],
    group: usize,
    writes: u64,
    duration: Duration,
    is_reserved: bool,
    reserved_bytes: u64,
    sync: Sync,
}

impl Part<'_> {
    fn run(&self, targets: &mut [Target]) -> anyhow::Result<(u64, Latencies)> {
        let mut latencies = Latencies::default();
        let deadline = now() + self.duration;
        let mut batches = self.batches.iter().cycle();
        let count = targets.len();
        for done in 0..self.writes {
            let begun = now();
            if deadline <= begun {
                return Ok((done, latencies));
            }
            let slices: Vec<_> = (&mut batches)
                .take(self.group)
                .map(|batch| IoSlice::new(batch))
                .collect();
            let index = usize::try_from(done)? % count;
            self.write(&mut targets[index], &slices)?;
            latencies.add(begun.elapsed());
        }
        Ok((self.writes, latencies))
    }

    fn write(&self, target: &mut Target, slices: &[IoSlice<'_>]) -> anyhow::Result<()> {
        let bytes: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        if self.is_reserved && target.reserved < target.end + bytes {
            let ahead = self.reserved_bytes.max(bytes);
            rustix::fs::fallocate(&target.file, FallocateFlags::KEEP_SIZE, target.end, ahead)?;
            target.reserved = target.end + ahead;
        }
        let flags = match self.sync {
            Sync::WithWrite => ReadWriteFlags::DSYNC,
            Sync::Never | Sync::Started | Sync::AfterWrite => ReadWriteFlags::empty(),
        };
        let written = rustix::io::pwritev2(&target.file, slices, target.end, flags)?;
        ensure!(
            written as u64 == bytes,
            "{written} of {bytes} bytes written"
        );
        if self.sync == Sync::AfterWrite {
            rustix::fs::fdatasync(&target.file)?;
        }
        let border = target.end / WRITEBACK_BYTES * WRITEBACK_BYTES;
        target.end += bytes;
        if self.sync == Sync::Started && border + WRITEBACK_BYTES <= target.end {
            let range = border..target.end / WRITEBACK_BYTES * WRITEBACK_BYTES;
            UringDisk.start_writeback(&target.file, range)?;
        }
        Ok(())
    }
}

/// Repeats a short operation and measures it.
fn repeat(
    operations: u64,
    duration: Duration,
    bytes: usize,
    mut operation: impl FnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<Cost> {
    let meter = Meter::start();
    let mut done = 0;
    while done < operations {
        operation(done)?;
        done += 1;
        if done.is_multiple_of(CLOCK_EVERY) && duration <= meter.elapsed() {
            break;
        }
    }
    Ok(meter.stop(done, done * bytes as u64))
}

/// The CRC of each batch in turn.
///
/// # Errors
/// There are no batches.
pub(crate) fn crc(batches: &[Bytes], operations: u64, duration: Duration) -> anyhow::Result<Cost> {
    over_batches(batches, operations, duration, |batch| {
        black_box(crc32c::crc32c(&batch[CRC_COVERS_FROM.min(batch.len())..]));
        Ok(())
    })
}

/// A pass over the records of each batch in turn, as validation makes it.
///
/// # Errors
/// A batch is malformed.
pub(crate) fn walk(batches: &[Bytes], operations: u64, duration: Duration) -> anyhow::Result<Cost> {
    let mut context = DecoderContext::new();
    over_batches(batches, operations, duration, |batch| {
        let batch = Batch::parse(batch)?;
        let mut latest = i64::MIN;
        for shape in batch.skim(&mut context, WALKED_BYTES_MAX)? {
            latest = latest.max(shape?.timestamp_delta);
        }
        black_box(latest);
        Ok(())
    })
}

fn over_batches(
    batches: &[Bytes],
    operations: u64,
    duration: Duration,
    mut operation: impl FnMut(&Bytes) -> anyhow::Result<()>,
) -> anyhow::Result<Cost> {
    ensure!(!batches.is_empty(), "no batches");
    let bytes = batches[0].len();
    let mut batches = batches.iter().cycle();
    repeat(operations, duration, bytes, |_| {
        batches.next().map_or(Ok(()), &mut operation)
    })
}

/// CRC, copy and record walk of one batch that stays in the cache, and of many that do not.
///
/// # Errors
/// None in practice.
pub(crate) fn measure_memory(name: String, bytes: usize, effort: &Effort) -> anyhow::Result<Table> {
    const UNCACHED_BYTES: usize = 256 << 20;
    let batch = frames::batch(bytes, now_ms()?)?;
    let copies = UNCACHED_BYTES.min(usize::try_from(effort.appended_bytes)?) / bytes;
    let many: Vec<Bytes> = (0..copies)
        .map(|_| Bytes::copy_from_slice(&batch))
        .collect();
    let one = [batch];
    let mut sides = [
        "memcpy",
        "memcpy, not cached",
        "crc32c",
        "crc32c, not cached",
        "record walk",
        "record walk, not cached",
    ]
    .map(Side::new);
    let (operations, duration) = (u64::MAX, effort.duration / 4);
    for _ in 0..effort.rounds {
        let mut target = vec![0; bytes];
        let mut copy = |batch: &Bytes| {
            target.copy_from_slice(batch);
            black_box(&target);
            Ok(())
        };
        let costs = [
            over_batches(&one, operations, duration, &mut copy)?,
            over_batches(&many, operations, duration, &mut copy)?,
            crc(&one, operations, duration)?,
            crc(&many, operations, duration)?,
            walk(&one, operations, duration)?,
            walk(&many, operations, duration)?,
        ];
        for (side, cost) in sides.iter_mut().zip(costs) {
            side.rounds.push(cost);
        }
    }
    Ok(Table::new(name, sides.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_even_and_as_many_as_asked_for() {
        let mut all: Vec<usize> = (0..100).collect();
        let sizes: Vec<_> = even_parts(&mut all, 64)
            .iter()
            .map(|part| part.len())
            .collect();
        assert_eq!(sizes.len(), 64);
        assert_eq!(sizes.iter().sum::<usize>(), 100);
        assert!(
            sizes.iter().all(|&size| size == 1 || size == 2),
            "{sizes:?}"
        );
    }
}
