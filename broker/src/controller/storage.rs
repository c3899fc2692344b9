//! The metadata directory: Raft's log, vote and snapshots on disk.
//!
//! `<log dir>/ringbrook.metadata/` holds three files, whose bytes broker/METADATA-FORMAT.md
//! describes. The name has no `-<number>` at its end, so it can't be taken for a partition.
//!
//! | file | content | changed by |
//! |---|---|---|
//! | `log` | entries behind the last purge, in frames | appended with fdatasync, or replaced |
//! | `vote` | the vote, so that no node votes twice in a term | replaced |
//! | `snapshot` | the image at some entry of the log | replaced |
//!
//! "Replaced" is write to a temporary file, fsync, rename, fsync of the directory: a crash leaves
//! the old or the new file. Every byte is covered by a CRC-32C. A damaged file stops the start with
//! an error that names the place; only a torn last frame of the log, which was never acknowledged,
//! is cut off. A failed write or sync is final: nothing is retried, the controller stops.
//!
//! All of it is blocking I/O on the controller's own thread, which has nothing else to do while a
//! write is under way: openraft waits for it anyway. Only snapshots are written elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod atomic_file;
mod log_file;
mod log_store;
mod snapshot_file;
mod vote_file;

pub(super) use atomic_file::prepare_directory;
pub(super) use log_store::LogStore;
pub(super) use snapshot_file::{SnapshotFile, StoredSnapshot};

/// Name of the metadata directory inside a log directory.
pub const METADATA_DIRECTORY: &str = "ringbrook.metadata";

/// Why the metadata directory can't be used. Final until restart.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused an operation.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What was tried, such as `write`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// A file is not what was written.
    #[error("{path} is damaged at byte {position}: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        position: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file was written by a version of Ringbrook this one does not understand.
    #[error("{path} has format {found}, this version reads up to {known}")]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// An earlier write failed, so what is on disk is not known any more.
    #[error("{path} is not usable after a failed write")]
    Poisoned {
        /// The file.
        path: PathBuf,
    },
}

impl StorageError {
    fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            operation,
            path,
            source: Arc::new(source),
        }
    }

    fn corrupt(path: &Path, position: u64, reason: impl ToString) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            position,
            reason: reason.to_string(),
        }
    }
}

/// Reads big-endian integers from a header whose length was checked.
fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(
        bytes.get(offset..)?.first_chunk().copied()?,
    ))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_be_bytes(
        bytes.get(offset..)?.first_chunk().copied()?,
    ))
}
