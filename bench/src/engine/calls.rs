//! What an operation costs as a plain call and through the ring, where so many operations are given
//! to the kernel with one call. The bytes are in the page cache and stay there: writes go over what
//! was written before, so neither the disk nor the filesystem's blocks count.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use bytes::Bytes;
use ringbrook_engine::io::{Disk, Durable, Piece, UringDisk, WriteBuffers, WriteMode};

use super::cell::Effort;
use super::cost::{Cost, Meter};
use super::rig;
use super::table::{Side, Table};
use crate::interrupt::Scratch;
use crate::process::now;

/// Bytes of the file.
const FILE_BYTES: u64 = 64 << 20;
/// Operations under way through the ring, which the kernel gets together.
const BATCHES: [usize; 3] = [1, 8, 64];
/// Plain calls between two looks at the clock.
const CLOCK_EVERY: u64 = 64;

/// The operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
}

/// Runs the rounds of a cell.
///
/// # Errors
/// As the operating system says.
pub(crate) fn measure(
    name: String,
    call: Call,
    bytes: usize,
    effort: &Effort,
) -> anyhow::Result<Table> {
    let dir = Scratch::new_in(&effort.dir)?;
    let path = dir.path().join("file");
    std::fs::write(&path, vec![0; usize::try_from(FILE_BYTES)?])?;
    let file = UringDisk.open(&path)?;
    UringDisk.sync(&file)?;
    let mut sides = [
        "plain calls",
        "ring, one by one",
        "ring, 8 at a time",
        "ring, 64 at a time",
    ]
    .map(Side::new);
    for _ in 0..effort.rounds {
        let round = Round::new(call, &file, bytes, effort);
        sides[0].rounds.push(round.plain()?);
        for (side, tasks) in sides[1..].iter_mut().zip(BATCHES) {
            side.rounds.push(rig::on_ring(round.through_ring(tasks))??);
        }
    }
    let rate = sides
        .each_ref()
        .map(|side| side.series(Cost::operations_per_s));
    let cpu = sides.each_ref().map(|side| side.series(Cost::cpu_us));
    let mut table = Table::new(name, sides.into());
    let ratios = [
        ("op/s, ring one by one / plain calls (R3)", 1, 0),
        ("op/s, ring 8 at a time / one by one (R4)", 2, 1),
        ("op/s, ring 64 at a time / one by one (R4)", 3, 1),
    ];
    for (name, dividend, divisor) in ratios {
        table.ratio(name, rate[dividend].over(&rate[divisor]), None);
    }
    table.cost_ratio("CPU, ring one by one / plain calls", &cpu[1], &cpu[0], None);
    table.cost_ratio(
        "CPU, ring 64 at a time / plain calls",
        &cpu[3],
        &cpu[0],
        None,
    );
    Ok(table)
}

/// What the operations of a round share.
struct Round {
    call: Call,
    file: Arc<File>,
    bytes: usize,
    operations: u64,
    deadline_after: std::time::Duration,
}

impl Round {
    fn new(call: Call, file: &Arc<File>, bytes: usize, effort: &Effort) -> Self {
        Self {
            call,
            file: Arc::clone(file),
            bytes,
            operations: effort.operations,
            deadline_after: effort.duration,
        }
    }

    /// Where the operation with this number reads or writes.
    fn position(&self, operation: u64) -> u64 {
        operation % (FILE_BYTES / self.bytes as u64) * self.bytes as u64
    }

    fn plain(&self) -> anyhow::Result<Cost> {
        let mut buf = vec![0; self.bytes];
        let meter = Meter::start();
        let mut done = 0;
        while done < self.operations {
            match self.call {
                Call::Read => self.file.read_exact_at(&mut buf, self.position(done))?,
                Call::Write => self.file.write_all_at(&buf, self.position(done))?,
            }
            done += 1;
            if done.is_multiple_of(CLOCK_EVERY) && self.deadline_after <= meter.elapsed() {
                break;
            }
        }
        Ok(meter.stop(done, done * self.bytes as u64))
    }

    /// Each task has one operation under way; what they begin in the same turn of the loop goes to
    /// the kernel in one call.
    async fn through_ring(&self, tasks: usize) -> anyhow::Result<Cost> {
        let meter = Meter::start();
        let deadline = now() + self.deadline_after;
        let next = Rc::new(Cell::new(0));
        let running: Vec<_> = (0..tasks)
            .map(|_| {
                let task = Task {
                    call: self.call,
                    file: Arc::clone(&self.file),
                    bytes: self.bytes,
                    next: Rc::clone(&next),
                };
                let positions = FILE_BYTES / self.bytes as u64;
                tokio::task::spawn_local(task.run(self.operations, positions, deadline))
            })
            .collect();
        for task in running {
            task.await??;
        }
        let done = next.get();
        Ok(meter.stop(done, done * self.bytes as u64))
    }
}

struct Task {
    call: Call,
    file: Arc<File>,
    bytes: usize,
    /// Operations begun by all.
    next: Rc<Cell<u64>>,
}

impl Task {
    async fn run(self, operations: u64, positions: u64, deadline: Instant) -> anyhow::Result<()> {
        let mode = WriteMode {
            durable: Durable::Later,
            // Else small writes are not given to the ring.
            is_file_busy: true,
        };
        let piece = Piece::plain(Bytes::from(vec![0; self.bytes]));
        let mut pieces = WriteBuffers {
            pieces: vec![piece],
        };
        let mut buf = vec![0; self.bytes];
        while self.next.get() < operations && now() < deadline {
            let operation = self.next.replace(self.next.get() + 1);
            let position = operation % positions * self.bytes as u64;
            let result;
            match self.call {
                Call::Read => {
                    (result, buf) = UringDisk.read_at_async(&self.file, buf, position).await;
                }
                Call::Write => {
                    let write =
                        UringDisk.write_vectored_at(&self.file, pieces, 0..1, 0, position, mode);
                    (result, pieces) = write.await;
                }
            }
            let bytes = result?;
            ensure!(bytes == self.bytes, "{bytes} of {} bytes", self.bytes);
        }
        Ok(())
    }
}
