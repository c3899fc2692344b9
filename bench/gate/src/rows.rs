//! The rows: named pieces of work whose instructions are counted. Add one by adding it to its list
//! and running `bench/gate/run --update`.
//!
//! Each does the same in every run: no clock decides anything, nothing is random. Work that needs
//! io_uring is absent, as valgrind does not know it; logs are written and read with plain system
//! calls, whose cost in the kernel is not counted.

mod client;
mod engine;
mod protocol;
mod record;

use std::hint::black_box;
use std::path::Path;

/// What is counted. It can be repeated.
pub type Work = Box<dyn FnMut()>;

/// Work under a name.
pub struct Row {
    /// Area and name.
    pub name: String,
    prepare: Box<dyn FnOnce(&Path) -> Work>,
}

impl Row {
    fn new<W: FnMut() + 'static>(
        name: impl Into<String>,
        prepare: impl FnOnce(&Path) -> W + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            prepare: Box::new(|dir| Box::new(prepare(dir))),
        }
    }

    /// Makes what the work needs, with files below `dir`, and does the work twice: what the first
    /// time sets up for good (thread locals, buffers, the choice of instructions for the processor)
    /// is not what a row is about. The second time is counted.
    pub fn run(self, dir: &Path) {
        let mut work = (self.prepare)(dir);
        work();
        gate_measured(&mut *work);
    }
}

/// Callgrind counts while this runs; see `callgrind.rs`, where its name stands too.
#[inline(never)]
pub fn gate_measured(work: &mut dyn FnMut()) {
    work();
    // So that the call above is no jump, which callgrind would take for the end of this function.
    black_box(());
}

/// Does something `times` times, and consumes the results.
fn repeated<T>(times: usize, mut once: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(once());
    }
}

/// All rows, in the order of the baseline.
#[must_use]
pub fn all() -> Vec<Row> {
    let mut rows = record::rows();
    rows.extend(protocol::rows());
    rows.extend(engine::rows());
    rows.extend(client::rows());
    rows
}

#[cfg(test)]
mod tests;
