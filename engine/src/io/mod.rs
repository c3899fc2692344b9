//! Storage: the [`Disk`] seam, its io_uring backend and its in-memory backend for tests. The only
//! place of the engine with `unsafe` code and the only one that names `tokio_uring` or `io_uring`.

#![expect(
    unsafe_code,
    reason = "system calls that take pointers; each block states its rule"
)]

mod access;
mod background_jobs;
mod barrier;
mod buffer;
mod disk;
mod failure;
mod inline_writes;
mod overwrites;
mod page_cache;
mod ring;
mod sim;
mod thread_priority;
mod uring;
mod write_gauge;

pub(crate) use access::{Access, block_on_ready};
pub use barrier::Barrier;
pub use buffer::{Piece, WriteBuffers};
pub use disk::{Cached, DirEntry, Disk, DiskSpace, Durable, FileStat, WriteMode};
pub(crate) use failure::RecoveryPointWriter;
pub use failure::{DirHealth, DirId, OfflineObserver};
#[cfg(test)]
pub(crate) use ring::run_on_ring;
pub use sim::{Fault, MetFault, SimDisk, SimFile};
pub(crate) use thread_priority::lower_thread_priority;
pub use uring::UringDisk;

#[cfg(test)]
mod tests;
