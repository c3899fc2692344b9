//! Partition logs on disk, in Kafka's format, over io_uring. The engine knows a topic only as a
//! directory name and never sees a request; the broker drives it.
//!
//! Where to look: [`LogManager`] opens and maintains all logs, [`PartitionLog`] is one of them,
//! [`io::Disk`] is the only way to storage. The files written are described in FORMAT.md.
//!
//! Invariants, each checked in one function:
//! - L1 log start offset <= high watermark <= log end offset; last stable offset <= high watermark;
//!   recovery point <= flushed offset <= log end offset; with `flush.before.ack`, high watermark <=
//!   flushed offset. (`log::offsets::Offsets::check`)
//! - L2 segments' base offsets strictly increase; exactly the last is active.
//!   (`log::partition_log::check_order`)
//! - L3 every index can be deleted and rebuilt from the `.log`; entries strictly increase and point
//!   at batch starts. (`index::sparse_index::SparseIndex::push`)
//! - L4 until compaction rewrites a batch, stored bytes equal produced bytes except base offset and
//!   leader epoch, and with LogAppendTime max timestamp, attributes and CRC.
//!   (`log::append::State::enqueue`)
//! - L5 an acknowledgement follows the event its `acks` and `flush.before.ack` name: batches are
//!   published after the write and the sync they need. (`log::drain::write_run`)
//! - L6 after a failed write or sync the log dir is offline until restart.
//!   (`io::failure::DirHealth::fail`)
//! - L7 a buffer given to the kernel is owned by the operation until its completion, also when the
//!   future is dropped. (`io::ring`)

mod checkpoint;
mod clock;
mod compaction;
mod config;
mod error;
mod index;
pub mod io;
mod log;
mod log_dirs;
mod log_manager;
#[cfg(any(test, feature = "sim"))]
pub mod proof;
mod segment;
mod units;

pub use clock::{Clock, ManualClock, SystemClock};
pub use compaction::OffsetMap;
pub use config::{CleanupPolicy, LogConfig, TargetCompression};
pub use error::{AppendError, EngineError, ReadError};
pub use index::AbortedTransaction;
pub use log::{
    ActiveProducer, AppendContext, Appended, Drain, EpochEndOffset, FileRegion, LogListener,
    LogOffsets, LogSlice, Origin, PartitionLog, TimestampAndOffset, TransactionStart,
    VerificationGuard,
};
pub use log_dirs::LogDirs;
pub use log_manager::{
    BackgroundReport, CleanerOptions, CleanerStatus, LogDirDescription, LogManager,
    LogManagerOptions, OpenSummary, PartitionDescription, ScrubDamage, ScrubOptions, ScrubReport,
};
