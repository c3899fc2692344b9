//! Puts rewritten segments in the place of old ones, so that a crash at any moment leaves the old
//! ones or the new ones. Used by compaction and by the splitting of segments; what is rewritten is
//! theirs. An interrupted replacement is finished or undone by `leftovers` at the next open.
//! Blocks. (Kafka `LocalLog.replaceSegments`.)
//!
//! The order, with what an open finds after a crash in each step:
//! 1. the new files are complete and durable under `.cleaned` names: removed, the old ones count;
//! 2. `.cleaned` becomes `.swap`, highest base offset first: with a `.cleaned` left every `.swap`
//!    at or above it is removed, so the old ones count until the last rename;
//! 3. the directory is synced: from here on the new ones count;
//! 4. the old files get `.deleted` names: removed at open, the new ones count;
//! 5. `.swap` is taken off, the logs first, so that no index is without its log;
//! 6. the directory is synced.
//!
//! Old segments whose offsets lie past the last batch of the new ones may come back in a crash
//! between 3 and 4. They hold only what the rewriting left out, and the next round meets it again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::partition_log::PartitionLog;
use super::retention::set_aside;
use crate::error::EngineError;
use crate::io::Disk;
use crate::segment::{
    CLEANED_SUFFIX, FileKind, RewrittenSegment, SWAP_SUFFIX, Segment, segment_file_name,
    with_suffix,
};

const KEPT_OPEN: [FileKind; 3] = [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex];

impl<D: Disk> PartitionLog<D> {
    /// Replaces `old`, neighbours in the list of segments and not the active one, by `new`. Returns
    /// the renamed old files, which are to be removed after `file.delete.delay.ms`. Whoever reads
    /// the old segments goes on reading their files.
    ///
    /// # Errors
    /// [`EngineError::LogGone`] and [`EngineError::SegmentsChanged`] before anything was changed;
    /// the new files are removed then. A failed sync or rename takes the log dir offline.
    ///
    /// # Panics
    /// When `old` or `new` is empty.
    pub(crate) fn replace_segments(
        &self,
        old: &[Arc<Segment<D>>],
        mut new: Vec<RewrittenSegment<D>>,
    ) -> Result<Vec<PathBuf>, EngineError> {
        assert!(!old.is_empty() && !new.is_empty(), "nothing to replace");
        let _maintenance = self.lock_maintenance();
        let dir = self.dir.load_full();
        if self.is_deleted() || self.is_closed() {
            let path = dir.to_path_buf();
            return Err(EngineError::LogGone { path });
        }
        self.check_online()?;
        self.find_neighbours(old)?;
        // The new segments are durable, so the old ones must not hold back the recovery point.
        let synced = self.sync_rolled_locked();
        synced.inspect_err(|error| self.fail("sync", error))?;
        for segment in old {
            for kind in KEPT_OPEN {
                self.open_blocking(segment, kind)?;
            }
        }
        new.sort_unstable_by_key(RewrittenSegment::base_offset);
        let bases: Vec<i64> = old.iter().map(|segment| segment.base_offset()).collect();
        let renamed = swap_files(&self.disk, &dir, &bases, &mut new)
            .inspect_err(|error| self.fail("replace segments of", error))?;
        let mut state = self.lock();
        let first = state
            .segments
            .iter()
            .position(|known| Arc::ptr_eq(known, &old[0]))
            .expect("the maintenance lock keeps the list of segments but for its end");
        let new_segments = new.iter().map(|done| Arc::clone(done.segment()));
        state
            .segments
            .splice(first..first + old.len(), new_segments);
        state.check_segments();
        Ok(renamed)
    }

    /// Checks that `old` are neighbours in the list and that another segment follows them.
    fn find_neighbours(&self, old: &[Arc<Segment<D>>]) -> Result<(), EngineError> {
        let state = self.lock();
        let first = state
            .segments
            .iter()
            .position(|known| Arc::ptr_eq(known, &old[0]));
        let is_found = first.is_some_and(|first| {
            let found = &state.segments[first..];
            let pairs = found.iter().zip(old);
            old.len() < found.len() && pairs.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
        });
        if is_found {
            return Ok(());
        }
        let path = self.dir.load().to_path_buf();
        Err(EngineError::SegmentsChanged { path })
    }
}

/// Steps 2 to 6: gives the files of `new`, sorted by base offset, the names of those of the
/// segments at `old`. Returns the old files under their names until removal. Also for a log that
/// is being opened.
///
/// # Errors
/// When a rename or sync fails; the next open finishes or undoes it.
pub(crate) fn swap_files<D: Disk>(
    disk: &D,
    dir: &Path,
    old: &[i64],
    new: &mut [RewrittenSegment<D>],
) -> Result<Vec<PathBuf>, EngineError> {
    remove_strangers(disk, dir, new)?;
    let plain = |base_offset, kind| dir.join(segment_file_name(base_offset, kind));
    let rename = |from: &Path, to: &Path| {
        let renamed = disk.rename(from, to);
        renamed.map_err(|source| EngineError::io("rename", from, source))
    };
    let sync_dir = || {
        let synced = disk.sync_dir(dir);
        synced.map_err(|source| EngineError::io("sync", dir, source))
    };
    let kinds: Vec<(i64, Vec<FileKind>)> = new
        .iter()
        .map(|done| (done.base_offset(), done.kinds()))
        .collect();
    for done in &mut *new {
        done.hand_over();
    }
    for (base_offset, kinds) in kinds.iter().rev() {
        for kind in kinds {
            let path = plain(*base_offset, *kind);
            let cleaned = with_suffix(&path, CLEANED_SUFFIX);
            rename(&cleaned, &with_suffix(&path, SWAP_SUFFIX))?;
        }
    }
    sync_dir()?;
    let mut renamed = Vec::with_capacity(old.len() * FileKind::ALL.len());
    for &base_offset in old {
        let is_base_kept = kinds.iter().any(|(new_base, _)| *new_base == base_offset);
        for kind in FileKind::ALL {
            // A snapshot stays where a segment still begins: it holds for the offset.
            if kind != FileKind::Snapshot || !is_base_kept {
                renamed.extend(set_aside(disk, &plain(base_offset, kind))?);
            }
        }
    }
    for (base_offset, kinds) in &kinds {
        for kind in kinds.iter().rev() {
            let path = plain(*base_offset, *kind);
            rename(&with_suffix(&path, SWAP_SUFFIX), &path)?;
        }
    }
    sync_dir()?;
    Ok(renamed)
}

/// Removes `.cleaned` files that are not of `new`: an open after a crash would take them for a sign
/// that the replacement was not complete.
fn remove_strangers<D: Disk>(
    disk: &D,
    dir: &Path,
    new: &[RewrittenSegment<D>],
) -> Result<(), EngineError> {
    let entries = disk
        .list(dir)
        .map_err(|source| EngineError::io("list", dir, source))?;
    for entry in entries {
        let Some(name) = entry.name.strip_suffix(CLEANED_SUFFIX) else {
            continue;
        };
        let is_ours = FileKind::parse(name).is_some_and(|(kind, base_offset)| {
            new.iter()
                .any(|done| done.base_offset() == base_offset && done.kinds().contains(&kind))
        });
        if !is_ours && !entry.is_dir {
            let path = dir.join(&entry.name);
            disk.remove_file_if_present(&path)
                .map_err(|source| EngineError::io("remove", &path, source))?;
        }
    }
    Ok(())
}
