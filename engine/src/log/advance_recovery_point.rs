//! Moves the recovery point into the active segment: makes everything below a mark durable, has the
//! log dir's checkpoint rewritten and removes snapshots that are not needed any more. Runs on
//! background threads; appends go on meanwhile. Bytes between the checkpointed recovery point and
//! the log end are what an unclean open walks.

use std::sync::Arc;

use super::partition_log::{PartitionLog, State};
use super::producer_snapshot::encode_snapshot;
use super::recovery_mark::{LogPlace, RecoveryMark};
use crate::error::EngineError;
use crate::io::Disk;
#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};
use crate::segment::{FileKind, Segment};

/// The part of `recovery.unflushed.bytes.max` that is worth some syncs to have out of the way.
const SETTLED_PARTS: u64 = 64;

/// A recovery point that is durable but may not be in the checkpoint file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReachedRecoveryPoint {
    place: LogPlace,
    offset: i64,
}

impl<D: Disk> State<D> {
    /// Notes a mark at the end of what is queued, when enough bytes are above the last one. The
    /// batch that comes next goes to the same segment, so a mark never lies at a segment's base.
    pub(crate) fn note_mark_if_due(&mut self, unflushed_bytes_max: u64) {
        if self.marks.is_due(self.tail.bytes, unflushed_bytes_max) {
            self.note_mark();
        }
    }

    fn note_mark(&mut self) {
        let place = LogPlace {
            base_offset: self.tail.base_offset,
            position: self.tail.bytes,
        };
        let snapshot = encode_snapshot(&self.producers);
        self.marks.note(place, self.next_offset, snapshot);
        self.has_snapshots = true;
    }

    /// Bytes from a place to the end of what is published.
    fn bytes_above(&self, place: LogPlace) -> u64 {
        let first = self
            .segments
            .partition_point(|segment| segment.base_offset() < place.base_offset);
        let bytes: u64 = self.segments[first..]
            .iter()
            .map(|segment| segment.bytes())
            .sum();
        let has_first = self
            .segments
            .get(first)
            .is_some_and(|segment| segment.base_offset() == place.base_offset);
        bytes.saturating_sub(if has_first { place.position } else { 0 })
    }
}

impl<D: Disk> PartitionLog<D> {
    /// Makes a published mark durable, for a job nobody waits for: a failure takes the log dir
    /// offline.
    pub(crate) fn reach_mark_or_fail(&self, mark: &RecoveryMark) {
        let result = self.reach_mark(mark);
        self.lock().marks.on_done();
        match result {
            Ok(()) => self.checkpoint_if_due(),
            // The log dir is offline, which was logged.
            Err(error) => tracing::debug!(%error, "the recovery point stays"),
        }
    }

    /// Whether so much is above the recovery point that moving it is worth some syncs.
    pub(crate) fn is_worth_settling(&self) -> bool {
        let worth = self.config.load().recovery_unflushed_bytes_max / SETTLED_PARTS;
        let state = self.lock();
        worth.max(1) <= state.bytes_above(state.marks.reached())
    }

    /// Moves the recovery point to the end of what is published, if nothing is queued and bytes are
    /// above it. Blocks. The answer is for [`Self::on_checkpointed`].
    pub(crate) fn settle_recovery_point(&self) -> Option<ReachedRecoveryPoint> {
        let mark = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let is_idle = state.queue.is_empty() && !state.is_writer_busy;
            if !is_idle || !state.marks.is_possible(state.tail.bytes) {
                return None;
            }
            state.note_mark();
            let log_end = state.offsets.log_end();
            state.marks.take_published(log_end)
        };
        let mark = mark?;
        self.reach_mark_or_fail(&mark);
        Some(self.reached_recovery_point())
    }

    fn reached_recovery_point(&self) -> ReachedRecoveryPoint {
        let state = self.lock();
        ReachedRecoveryPoint {
            place: state.marks.reached(),
            offset: state.offsets.recovery_point(),
        }
    }

    fn reach_mark(&self, mark: &RecoveryMark) -> Result<(), EngineError> {
        let _maintenance = self.lock_maintenance();
        if self.is_deleted() || self.is_closed() {
            return Ok(());
        }
        self.check_online()?;
        // Under the maintenance lock, so that nobody syncs again what may be lost (L6).
        self.try_reach_mark(mark)
            .inspect_err(|error| self.fail("advance the recovery point of", error))
    }

    fn try_reach_mark(&self, mark: &RecoveryMark) -> Result<(), EngineError> {
        // The recovery point does not jump over segments before.
        self.sync_rolled_locked()?;
        let Some(segment) = self.segment_to_sync(mark) else {
            return Ok(());
        };
        #[cfg(test)]
        if is_on(Sabotage::RecoveryPointTooEarly) {
            let mut state = self.lock();
            state.offsets.advance_flushed(mark.offset);
            state.offsets.advance_recovery_point(mark.offset);
            return Ok(());
        }
        self.write_indexes(&segment)?;
        let is_log_durable = mark.offset <= self.lock().offsets.flushed();
        if is_log_durable {
            self.sync_indexes(&segment)?;
        } else {
            self.sync_segment(&segment)?;
        }
        self.write_snapshot(mark.offset, &mark.snapshot)?;
        self.sync_snapshot(Some(mark.offset))?;
        let mut guard = self.lock();
        let state = &mut *guard;
        state.offsets.advance_flushed(mark.offset);
        state.offsets.advance_recovery_point(mark.offset);
        state.marks.add_snapshot(mark.offset);
        state.marks.on_reached(LogPlace {
            base_offset: mark.base_offset,
            position: mark.position,
        });
        Ok(())
    }

    /// The mark's segment; `None` when the log was cut or the recovery point is above it by now.
    fn segment_to_sync(&self, mark: &RecoveryMark) -> Option<Arc<Segment<D>>> {
        let state = self.lock();
        if !state.marks.is_valid(mark) || mark.offset <= state.offsets.recovery_point() {
            return None;
        }
        let index = state.segment_index(mark.base_offset)?;
        let segment = &state.segments[index];
        (segment.base_offset() == mark.base_offset).then(|| Arc::clone(segment))
    }

    /// Has the recovery points of the log dir written when too much is above the one of this log in
    /// the file, and removes the snapshots of marks below it.
    pub(crate) fn checkpoint_if_due(&self) {
        let bytes_max = self.config.load().recovery_unflushed_bytes_max;
        {
            let state = self.lock();
            let above = state.bytes_above(state.marks.checkpointed());
            if !state.marks.is_checkpoint_due(above, bytes_max) {
                return;
            }
        }
        let reached = self.reached_recovery_point();
        let is_written = match self.health.recovery_point_writer() {
            Some(writer) => writer.write_recovery_points(self.health.path()),
            None => true,
        };
        if is_written {
            self.on_checkpointed(reached);
        }
    }

    /// The recovery point that was reached, or a later one, is in the checkpoint file: snapshots of
    /// marks below it are removed.
    pub(crate) fn on_checkpointed(&self, reached: ReachedRecoveryPoint) {
        let unneeded = {
            let mut state = self.lock();
            state.marks.on_checkpointed(reached.place, reached.offset)
        };
        for offset in unneeded {
            let path = self.path_of(offset, FileKind::Snapshot);
            // What stays is removed at the next open.
            if let Err(error) = self.disk.remove_file_if_present(&path) {
                tracing::debug!(file = %path.display(), %error, "a snapshot is not removed");
            }
        }
    }
}
