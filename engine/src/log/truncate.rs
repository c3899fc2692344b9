//! Cuts the end off a log: what a follower does whose leader's log went another way. Everything
//! follows: segments, indices, aborted transactions, leader epochs, producers, offsets. Blocks.
//! (Kafka `UnifiedLog.truncateTo`, `truncateFullyAndStartAt`.)
//!
//! The order keeps a crash at any moment harmless. The recovery point goes down first, in the log
//! dir's checkpoint file: an open after a crash trusts what is below it, and later appends may put
//! other bytes there. Then the newest segments go first, so that what is left is always a beginning
//! of the log. The cut is on disk before anything is appended behind it. A crash in between leaves
//! more than was asked for, never less and nothing else; whoever cuts asks again then.

use std::sync::Arc;
use std::time::Duration;

use super::files::create_segment_files;
use super::load_segment::{Loaded, SegmentLoader};
use super::partition_log::PartitionLog;
use super::producer_state::ProducerState;
use super::rebuild::producers_below;
use super::recovery_mark::LogPlace;
use crate::error::EngineError;
use crate::io::{Access, Disk, block_on_ready};
use crate::segment::{FileKind, HeaderReader, Segment, SegmentTail, segment_file_name};

/// How long a write in flight may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a segment is cut.
struct Cut<D: Disk> {
    /// Index of the segment in the list.
    index: usize,
    segment: Arc<Segment<D>>,
    /// Bytes that stay.
    position: u64,
    /// The offset after the last batch that stays, or the base offset.
    kept_end: i64,
    log_end: i64,
}

impl<D: Disk> PartitionLog<D> {
    /// Drops everything at or above `offset`, durably; a batch that reaches over it goes as a
    /// whole, so the log end offset may be lower. Does nothing at or above the log end. Appends
    /// that are queued meanwhile are dropped. An offset below the first segment empties the log.
    ///
    /// # Errors
    /// [`EngineError::LogGone`], [`EngineError::WriteInFlight`] without a change; any other failure
    /// takes the log dir offline.
    pub fn truncate_to(self: &Arc<Self>, offset: i64) -> Result<(), EngineError> {
        self.exclusively(|| {
            let (log_end, first) = {
                let state = self.lock();
                (state.offsets.log_end(), state.segments[0].base_offset())
            };
            if log_end <= offset {
                return Ok(());
            }
            if offset < first {
                return self.restart_at(offset);
            }
            let cut = self.find_cut(offset)?;
            self.cut_at(cut)
        })
    }

    /// Drops everything and goes on at `offset`, durably: a follower whose log ends before its
    /// leader's begins.
    ///
    /// # Errors
    /// As [`PartitionLog::truncate_to`].
    pub fn truncate_fully_and_start_at(self: &Arc<Self>, offset: i64) -> Result<(), EngineError> {
        self.exclusively(|| self.restart_at(offset))
    }

    /// Runs `change` while nothing is written, rolled, replaced or synced.
    fn exclusively(
        self: &Arc<Self>,
        change: impl FnOnce() -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let path = self.dir.load().to_path_buf();
        let Some(writer) = self.take_writer(WRITE_TIMEOUT) else {
            return Err(EngineError::WriteInFlight { path });
        };
        let result = {
            let _maintenance = self.lock_maintenance();
            if self.is_deleted() || self.is_closed() {
                return Err(EngineError::LogGone { path });
            }
            self.check_online()?;
            change().inspect_err(|error| self.fail("truncate", error))
        };
        writer.run_blocking();
        result
    }

    fn find_cut(&self, offset: i64) -> Result<Cut<D>, EngineError> {
        let (index, segment) = {
            let state = self.lock();
            let index = state
                .segment_index(offset)
                .expect("the caller looks at the first segment");
            (index, Arc::clone(&state.segments[index]))
        };
        let base_offset = segment.base_offset();
        let path = self.path_of(base_offset, FileKind::Log);
        let dir = self.dir.load();
        // A batch at or below this place stays, if it is not the first.
        let floor = segment.floor_position(Access::Blocking, &self.disk, &dir, offset - 1);
        let floor = block_on_ready(floor).map_err(|it| EngineError::io("read", &path, it))?;
        let file = self.open_blocking(&segment, FileKind::Log)?;
        let bytes = segment.bytes();
        let mut headers =
            HeaderReader::new(Access::Blocking, &self.disk, &file, base_offset, bytes);
        let (mut position, mut kept_end, mut log_end) = (floor, base_offset, offset);
        while let Some(place) = block_on_ready(headers.at(position))
            .map_err(|error| EngineError::corrupt(&path, error.to_string()))?
        {
            if offset <= place.header.last_offset() {
                log_end = offset.min(place.header.base_offset);
                break;
            }
            kept_end = place.header.last_offset() + 1;
            position = place.end();
        }
        Ok(Cut {
            index,
            segment,
            position,
            kept_end,
            log_end,
        })
    }

    fn cut_at(&self, cut: Cut<D>) -> Result<(), EngineError> {
        let base_offset = cut.segment.base_offset();
        let recovery_point = self.lock().offsets.recovery_point();
        let is_lowered = cut.log_end < recovery_point;
        if is_lowered {
            // Not to the cut: only where a segment begins are producers known to be on disk.
            self.lower_recovery_point(base_offset)?;
        }
        self.truncate_epochs(cut.log_end)?;
        self.remove_segments_after(cut.index)?;
        self.remove_snapshots(|offset| cut.log_end < offset)?;
        // Gone for good before the segment below them is cut: else a crash may leave a hole.
        self.sync_names()?;
        // The files get every entry below the cut; what is above it goes when they are loaded.
        self.write_indexes(&cut.segment)?;
        let path = self.path_of(base_offset, FileKind::Log);
        let file = self.open_blocking(&cut.segment, FileKind::Log)?;
        // Cut and synced below in any case.
        let _has_zeros = cut.segment.zeroed_ahead().seal();
        let shorten = || {
            self.disk.set_len(&file, cut.position)?;
            self.disk.sync(&file)
        };
        shorten().map_err(|source| EngineError::io("cut", &path, source))?;
        let loaded = self.load_cut(&cut)?;
        let segment = Arc::new(loaded.segment);
        let producers = self.producers_at(&cut, &segment)?;
        let has_lower_start = self.commit_cut(&cut, segment, loaded.tail, producers, is_lowered);
        self.write_log_start_if(has_lower_start)
    }

    /// Loads the segment as an open would that finds the recovery point at the cut.
    fn load_cut(&self, cut: &Cut<D>) -> Result<Loaded<D>, EngineError> {
        let base_offset = cut.segment.base_offset();
        let config = self.config();
        let dir = self.dir.load();
        let loader = SegmentLoader {
            disk: &self.disk,
            dir: &dir,
            config: &config,
            now_ms: self.lock().flushed_at_ms,
            recovery_point: cut.kept_end,
            on_walked: &|_| {},
        };
        let exists = |kind| {
            let path = dir.join(segment_file_name(base_offset, kind));
            self.disk.stat(&path).is_ok()
        };
        let path = self.path_of(base_offset, FileKind::Log);
        let Ok(loaded) = loader.load(base_offset, None, true, exists)? else {
            // The open would have split it.
            let problem = "its offsets lie too far from its base offset".to_owned();
            return Err(EngineError::corrupt(&path, problem));
        };
        if loaded.next_offset == cut.kept_end {
            if loaded.recovered.is_some() {
                // Nobody replays the producers from the segment's start; memory knows.
                let kept = cut.segment.indexes().txn.below(cut.kept_end);
                loaded.segment.indexes().txn = loader.cut_txn_index(base_offset, kept)?;
            }
            return Ok(loaded);
        }
        let (found, expected) = (loaded.next_offset, cut.kept_end);
        let problem = format!("its batches end at offset {found}, not {expected}");
        Err(EngineError::corrupt(&path, problem))
    }

    fn producers_at(
        &self,
        cut: &Cut<D>,
        segment: &Arc<Segment<D>>,
    ) -> Result<ProducerState, EngineError> {
        let (mut segments, knows_none) = {
            let state = self.lock();
            let knows_none = state.producers.len() == 0 && !state.has_snapshots;
            (state.segments[..cut.index].to_vec(), knows_none)
        };
        if knows_none {
            return Ok(ProducerState::default());
        }
        segments.push(Arc::clone(segment));
        producers_below(&self.disk, &self.dir.load(), &segments, cut.log_end)
    }

    /// Takes what was cut into account; returns whether the log start offset went down.
    fn commit_cut(
        &self,
        cut: &Cut<D>,
        segment: Arc<Segment<D>>,
        tail: SegmentTail,
        producers: ProducerState,
        is_lowered: bool,
    ) -> bool {
        let base_offset = segment.base_offset();
        let mut guard = self.lock();
        let state = &mut *guard;
        let log_start = state.offsets.log_start();
        state.segments.truncate(cut.index);
        state.push_segment(segment);
        state
            .unsynced
            .retain(|known| known.base_offset() < base_offset);
        state.recent.clear();
        state.queue.clear();
        state.next_offset = cut.log_end;
        state.tail = tail;
        state.is_roll_due = false;
        state.has_appended = true;
        state.offsets.truncate(cut.log_end);
        state.producers = producers;
        state
            .producers
            .on_high_watermark(state.offsets.high_watermark());
        state.marks.on_truncated(base_offset, cut.position);
        state.marks.forget_snapshots_above(cut.log_end);
        if is_lowered {
            state.marks.on_reached(LogPlace {
                base_offset,
                position: 0,
            });
        }
        state.offsets.log_start() < log_start
    }

    fn restart_at(&self, offset: i64) -> Result<(), EngineError> {
        let recovery_point = self.lock().offsets.recovery_point();
        self.lower_recovery_point(recovery_point.min(offset))?;
        self.truncate_epochs(0)?;
        let count = self.lock().segments.len();
        for index in (0..count).rev() {
            self.remove_segment(index)?;
        }
        self.remove_snapshots(|_| true)?;
        create_segment_files(&self.disk, &self.dir.load(), offset)?;
        self.sync_names()?;
        let has_lower_start = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let log_start = state.offsets.log_start();
            state.segments = vec![Arc::new(Segment::empty(offset))];
            state.unsynced.clear();
            state.recent.clear();
            state.queue.clear();
            state.next_offset = offset;
            state.tail = SegmentTail::new(offset, state.flushed_at_ms);
            state.is_roll_due = false;
            state.has_appended = true;
            state.has_snapshots = false;
            state.producers = ProducerState::default();
            state.offsets.restart_at(offset);
            state.marks.on_truncated(offset, 0);
            state.marks.forget_snapshots_above(-1);
            state.marks.on_reached(LogPlace {
                base_offset: offset,
                position: 0,
            });
            offset < log_start
        };
        self.write_log_start_if(has_lower_start)
    }

    /// Lowers the recovery point in memory and in the log dir's checkpoint file.
    fn lower_recovery_point(&self, to: i64) -> Result<(), EngineError> {
        self.lock().offsets.lower_recovery_point(to);
        // A log without a manager has no checkpoint either.
        let writer = self.health.recovery_point_writer();
        let is_written = writer.is_none_or(|it| it.write_recovery_points(self.health.path()));
        if is_written { Ok(()) } else { self.offline() }
    }

    /// An open with a checkpointed log start above the end of the log empties the log, so a lower
    /// one is written before anything can be appended.
    fn write_log_start_if(&self, is_lower: bool) -> Result<(), EngineError> {
        let writer = self.health.recovery_point_writer();
        let is_written =
            !is_lower || writer.is_none_or(|it| it.write_log_starts(self.health.path()));
        if is_written { Ok(()) } else { self.offline() }
    }

    fn offline(&self) -> Result<(), EngineError> {
        Err(EngineError::LogDirOffline {
            path: self.health.path().to_owned(),
            reason: self.health.reason().unwrap_or_default(),
        })
    }

    fn truncate_epochs(&self, log_end: i64) -> Result<(), EngineError> {
        let has_changed = self.lock().epochs.truncate_from_end(log_end);
        if has_changed {
            self.write_epochs()
        } else {
            Ok(())
        }
    }

    fn remove_segments_after(&self, index: usize) -> Result<(), EngineError> {
        let count = self.lock().segments.len();
        for index in (index + 1..count).rev() {
            self.remove_segment(index)?;
        }
        Ok(())
    }

    /// Removes the files of a segment, its log first: indices without one go at the next open.
    fn remove_segment(&self, index: usize) -> Result<(), EngineError> {
        let segment = Arc::clone(&self.lock().segments[index]);
        let base_offset = segment.base_offset();
        // Another file may get its name.
        let _has_zeros = segment.zeroed_ahead().seal();
        for kind in FileKind::ALL {
            let path = self.path_of(base_offset, kind);
            let removed = self.disk.remove_file_if_present(&path);
            removed.map_err(|source| EngineError::io("remove", &path, source))?;
        }
        Ok(())
    }

    fn remove_snapshots(&self, goes: impl Fn(i64) -> bool) -> Result<(), EngineError> {
        let dir = self.dir.load();
        let entries = self
            .disk
            .list(&dir)
            .map_err(|source| EngineError::io("list", &dir, source))?;
        for entry in entries {
            if let Some((FileKind::Snapshot, offset)) = FileKind::parse(&entry.name)
                && goes(offset)
            {
                let path = dir.join(&entry.name);
                let removed = self.disk.remove_file_if_present(&path);
                removed.map_err(|source| EngineError::io("remove", &path, source))?;
            }
        }
        Ok(())
    }

    fn sync_names(&self) -> Result<(), EngineError> {
        let dir = self.dir.load();
        self.disk
            .sync_dir(&dir)
            .map_err(|source| EngineError::io("sync", &dir, source))
    }
}
