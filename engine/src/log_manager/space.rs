//! Room on the file systems of the log dirs. A write that fails because a disk is full takes its
//! log dir offline until restart (L6), so it should not come to that: with little room left,
//! clients' appends are refused, retention and deletions go on making room, and appends are taken
//! again without a restart. Coordinators may use what is left; their records are small.
//!
//! It is no promise: the room is looked at twice a second, and other programs may fill the disk.

use super::moves::Move;
use super::{LogManager, lock};
use crate::error::EngineError;
use crate::io::Disk;
use crate::log_dirs::LogDir;

/// The part of a file system that is kept free at most: a small one should be usable too.
const PARTS: u64 = 20;

impl<D: Disk> LogManager<D> {
    /// Looks at the room of every log dir.
    pub(super) fn check_space(&self) {
        for dir in self.dirs.dirs.iter().filter(|dir| !dir.health.is_offline()) {
            let Some((usable_bytes, min_bytes)) = self.room(dir) else {
                continue;
            };
            let is_full = usable_bytes < min_bytes;
            if !dir.health.set_full(is_full) {
                continue;
            }
            let path = dir.path().display();
            if is_full {
                tracing::error!(
                    dir = %path, usable_bytes, min_bytes,
                    "the log directory is nearly full: produce is refused until room is made"
                );
            } else {
                tracing::info!(dir = %path, usable_bytes, "the log directory has room again");
            }
        }
    }

    /// Usable bytes and how many are to be kept free; `None` when they cannot be told.
    fn room(&self, dir: &LogDir<D>) -> Option<(u64, u64)> {
        let space = self.disk.space(dir.path()).ok()?;
        let min_bytes = self.options.min_free_bytes.min(space.total_bytes / PARTS);
        Some((space.usable_bytes, min_bytes))
    }

    /// That `bytes` more fit into a log dir.
    pub(super) fn check_room(&self, dir: &LogDir<D>, bytes: u64) -> Result<(), EngineError> {
        let Some((usable_bytes, min_bytes)) = self.room(dir) else {
            return Ok(());
        };
        let needed_bytes = min_bytes.saturating_add(bytes);
        if needed_bytes <= usable_bytes {
            return Ok(());
        }
        Err(EngineError::NoSpace {
            path: dir.path().to_owned(),
            usable_bytes,
            needed_bytes,
        })
    }

    /// That what is left of a move fits into its log dir: a copy must not fill the disk under the
    /// partitions that are there.
    pub(super) fn check_room_for(&self, it: &Move<D>) -> Result<(), EngineError> {
        let mut dirs = self.dirs.dirs.iter();
        let Some(dir) = dirs.find(|dir| dir.path() == it.future.log_dir()) else {
            return Ok(());
        };
        if !lock(&self.moves)
            .queue
            .iter()
            .any(|known| std::ptr::eq(&**known, it))
        {
            return Ok(());
        }
        let (whole, copied) = (it.current.size_bytes(), it.future.size_bytes());
        self.check_room(dir, whole.saturating_sub(copied))
    }
}
