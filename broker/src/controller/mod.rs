//! Cluster metadata: the replicated state machine and its published image.
//!
//! Metadata (brokers, topics, configurations, producer-id blocks, feature levels) changes only by
//! commands in a Raft log (openraft, one voter so far), and is read only as an immutable
//! [`MetadataImage`]. The way of a change: [`Controller::submit`] -> queue -> one log entry for all
//! commands that wait -> fdatasync -> `apply` -> image published -> outcome returned. So who got an
//! outcome finds it in the image, and what was acknowledged survives kill -9.
//!
//! `handle.rs` is what others call, `node.rs` the thread behind it, `apply.rs` the deterministic
//! heart, `record.rs` and `storage.rs` the bytes on disk (broker/METADATA-FORMAT.md).
//!
//! Not here: Kafka error codes and wire types (`api`), validation of configuration values
//! (`config`), partition data (`replica`). There is no network yet: the quorum is this node.

use std::path::{Path, PathBuf};

mod apply;
pub mod assignment;
pub mod command;
mod error;
pub mod features;
mod handle;
pub mod image;
mod network;
mod node;
mod producer_ids;
mod raft_types;
mod record;
mod sharded_map;
mod state_machine;
mod storage;
#[cfg(test)]
mod testing;
pub mod topic_name;
pub mod topic_plan;

pub use apply::configs::altered_configs;
pub use command::{Applied, Command};
pub use error::{ControllerError, MetadataError};
pub use handle::{Controller, ControllerOptions};
pub use image::MetadataImage;
pub use producer_ids::{ProducerIdAllocator, ProducerIdError};
pub use storage::{METADATA_DIRECTORY, StorageError};

/// The metadata directory among the log directories: the one that exists, or the place for it in
/// the first. So metadata is found again when the order of `log.dirs` changes.
///
/// # Errors
/// [`ControllerError::AmbiguousDirectory`] when several exist.
pub fn metadata_directory(log_dirs: &[PathBuf]) -> Result<PathBuf, ControllerError> {
    let place = |log_dir: &PathBuf| log_dir.join(METADATA_DIRECTORY);
    let mut existing = log_dirs.iter().map(place).filter(|path| path.is_dir());
    match (existing.next(), existing.next()) {
        (None, _) => {
            let first = log_dirs.first().map_or(Path::new("."), PathBuf::as_path);
            Ok(first.join(METADATA_DIRECTORY))
        }
        (Some(only), None) => Ok(only),
        (Some(first), Some(second)) => Err(ControllerError::AmbiguousDirectory { first, second }),
    }
}
