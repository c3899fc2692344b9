//! Which part of a log can be cleaned and how much it asks for it. The arithmetic is pure; the
//! timestamps it may need come from the segments' indices and first batches. (Kafka
//! `LogCleanerManager.cleanableOffsets`, `LogToClean`.)

use std::sync::Arc;

use crate::error::EngineError;
use crate::io::Access;
use crate::io::{Disk, block_on_ready};
use crate::log::PartitionLog;
use crate::segment::{FileKind, HeaderReader, Segment};

/// What a round could clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cleanability {
    /// The first offset that was not cleaned yet.
    pub(crate) first_dirty_offset: i64,
    /// Where cleaning has to end, exclusive: a segment's base offset, at most that of the active
    /// one and not above the last stable offset.
    pub(crate) first_uncleanable_offset: i64,
    /// Bytes of the segments that begin below the first dirty offset.
    pub(crate) clean_bytes: u64,
    /// Bytes of the segments with offsets from there up to the first uncleanable one.
    pub(crate) cleanable_bytes: u64,
    /// `max.compaction.lag.ms` has passed for one of them.
    pub(crate) must_clean: bool,
}

impl Cleanability {
    /// The part of the bytes that is not clean, 0 to 1. To be held against
    /// `min.cleanable.dirty.ratio`; the log with the highest goes first.
    pub(crate) fn ratio(&self) -> f64 {
        let total = self.clean_bytes + self.cleanable_bytes;
        if total == 0 {
            return 0.0;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a ratio needs no more than the 52 bits it has"
        )]
        let ratio = self.cleanable_bytes as f64 / total as f64;
        ratio
    }
}

/// A segment with what the arithmetic needs of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    base_offset: i64,
    /// The next segment's base offset, or the log end offset.
    end_offset: i64,
    bytes: u64,
}

impl<D: Disk> PartitionLog<D> {
    /// What can be cleaned now. `checkpoint` is the first dirty offset of the last round; one that
    /// is not within the log counts as none. Blocks: with compaction lags set it may read the
    /// indices and the first batch headers of segments that are not clean.
    ///
    /// # Errors
    /// When such a file cannot be read.
    pub(crate) fn cleanability(
        &self,
        checkpoint: Option<i64>,
        now_ms: i64,
    ) -> Result<Cleanability, EngineError> {
        let config = self.config();
        let (offsets, segments) = {
            let state = self.lock();
            let unstable = state.producers.first_unstable();
            (state.offsets.snapshot(unstable), state.segments.clone())
        };
        let bases = segments.iter().map(|segment| segment.base_offset());
        let ends = bases.skip(1).chain([offsets.log_end]);
        let extents: Vec<Extent> = segments
            .iter()
            .zip(ends)
            .map(|(segment, end_offset)| Extent {
                base_offset: segment.base_offset(),
                end_offset,
                bytes: segment.bytes(),
            })
            .collect();
        let first_dirty_offset = checkpoint
            .filter(|&offset| offsets.log_start <= offset && offset <= offsets.log_end)
            .unwrap_or(offsets.log_start);
        // All but the active one.
        let dirty: Vec<&Arc<Segment<D>>> = segments
            .iter()
            .zip(&extents)
            .take(segments.len() - 1)
            .filter(|(_, extent)| first_dirty_offset < extent.end_offset)
            .map(|(segment, _)| segment)
            .collect();
        let mut limit = offsets.last_stable;
        if 0 < config.min_compaction_lag_ms {
            let newest_ms = now_ms.saturating_sub(config.min_compaction_lag_ms);
            limit = limit.min(self.first_newer(&dirty, newest_ms)?);
        }
        let mut found = measure(&extents, first_dirty_offset, limit);
        if config.max_compaction_lag_ms < i64::MAX && 0 < found.cleanable_bytes {
            let oldest_ms = now_ms.saturating_sub(config.max_compaction_lag_ms.max(0));
            found.must_clean = self.has_older(&dirty, oldest_ms)?;
        }
        Ok(found)
    }

    /// The base offset of the first segment with a record after `newest_ms`, `i64::MAX` if none.
    fn first_newer(
        &self,
        segments: &[&Arc<Segment<D>>],
        newest_ms: i64,
    ) -> Result<i64, EngineError> {
        for segment in segments {
            if newest_ms < self.largest_timestamp(segment)? {
                return Ok(segment.base_offset());
            }
        }
        Ok(i64::MAX)
    }

    /// Whether the first batch of a segment is from before `oldest_ms`.
    fn has_older(
        &self,
        segments: &[&Arc<Segment<D>>],
        oldest_ms: i64,
    ) -> Result<bool, EngineError> {
        for segment in segments {
            let first_ms = self.first_timestamp(segment)?;
            if first_ms.is_some_and(|first_ms| 0 < first_ms && first_ms < oldest_ms) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn first_timestamp(&self, segment: &Segment<D>) -> Result<Option<i64>, EngineError> {
        let file = self.open_blocking(segment, FileKind::Log)?;
        let (base_offset, bytes) = (segment.base_offset(), segment.bytes());
        let mut headers =
            HeaderReader::new(Access::Blocking, &self.disk, &file, base_offset, bytes);
        let first = block_on_ready(headers.at(0)).map_err(|error| {
            let path = self.path_of(base_offset, FileKind::Log);
            EngineError::corrupt(&path, error.to_string())
        })?;
        Ok(first.map(|place| place.header.max_timestamp))
    }
}

/// `extents` are all segments, the active one last; cleaning must not go past `limit`.
fn measure(extents: &[Extent], first_dirty_offset: i64, limit: i64) -> Cleanability {
    let active = extents.last().map_or(0, |extent| extent.base_offset);
    let limit = limit.min(active).max(first_dirty_offset);
    let first_uncleanable_offset = extents
        .iter()
        .map(|extent| extent.base_offset)
        .take_while(|base_offset| *base_offset <= limit)
        .last()
        .unwrap_or(limit);
    let bytes_of = |is_counted: &dyn Fn(&Extent) -> bool| {
        let counted = extents.iter().filter(|extent| is_counted(extent));
        counted.map(|extent| extent.bytes).sum()
    };
    Cleanability {
        first_dirty_offset,
        first_uncleanable_offset,
        clean_bytes: bytes_of(&|extent| extent.base_offset < first_dirty_offset),
        cleanable_bytes: bytes_of(&|extent| {
            first_dirty_offset < extent.end_offset && extent.base_offset < first_uncleanable_offset
        }),
        must_clean: false,
    }
}

#[cfg(test)]
mod tests;
