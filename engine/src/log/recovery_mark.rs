//! Where the recovery point is to go next. Every so many bytes the append that passes the border
//! notes a mark: the offset, its position and the producers up to it. When everything below the
//! mark is published, a background job makes it durable (`advance_recovery_point`) and the recovery
//! point moves there, inside the active segment. So an unclean open walks a bounded number of
//! bytes. Pure; behind the partition log's lock.

/// Marks are this part of `recovery.unflushed.bytes.max` apart: the other half is for what is
/// appended while a mark is made durable.
const MARKS_PER_BOUND: u64 = 2;

/// A place in the log that the recovery point can move to.
#[derive(Debug)]
pub(crate) struct RecoveryMark {
    /// Every batch below it lies before `position`, every other one after.
    pub(crate) offset: i64,
    /// The segment it lies in.
    pub(crate) base_offset: i64,
    pub(crate) position: u64,
    /// The producers at this offset, encoded.
    pub(crate) snapshot: Vec<u8>,
    /// [`RecoveryMarks::truncations`] when it was noted.
    pub(crate) truncations: u32,
}

/// A segment and a position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPlace {
    pub(crate) base_offset: i64,
    pub(crate) position: u64,
}

/// The marks of one log.
#[derive(Debug)]
pub(crate) struct RecoveryMarks {
    /// Bytes of the active segment below the newest mark, or 0.
    position: u64,
    /// Noted, but not everything below it is published.
    pending: Option<Box<RecoveryMark>>,
    /// A mark is pending or being made durable; the next one waits.
    is_busy: bool,
    /// Rises when the log is truncated: marks from before mean nothing any more.
    truncations: u32,
    /// The recovery point in memory.
    reached: LogPlace,
    /// The recovery point in the log dir's checkpoint file, or further back.
    checkpointed: LogPlace,
    /// Snapshots of marks in the directory, oldest first.
    snapshots: Vec<i64>,
}

impl RecoveryMarks {
    /// The marks of a log whose recovery point lies at `place`; `position` is that of the newest
    /// mark in the active segment, `snapshot` the one producers were loaded from, when it is not a
    /// segment's.
    pub(crate) fn new(place: LogPlace, position: u64, snapshot: Option<i64>) -> Self {
        Self {
            position,
            pending: None,
            is_busy: false,
            truncations: 0,
            reached: place,
            checkpointed: place,
            snapshots: snapshot.into_iter().collect(),
        }
    }

    /// Whether a segment with `bytes` bytes, the active one, needs a mark at its end.
    pub(crate) fn is_due(&self, bytes: u64, unflushed_bytes_max: u64) -> bool {
        let apart = unflushed_bytes_max / MARKS_PER_BOUND;
        !self.is_busy && apart <= bytes - self.position && self.position < bytes
    }

    /// Whether the active segment has bytes above the newest mark and a mark may be noted.
    pub(crate) fn is_possible(&self, bytes: u64) -> bool {
        !self.is_busy && self.position < bytes
    }

    /// Notes a mark at the end of the active segment.
    ///
    /// # Panics
    /// When the last one is not done.
    pub(crate) fn note(&mut self, place: LogPlace, offset: i64, snapshot: Vec<u8>) {
        assert!(!self.is_busy, "one mark at a time");
        self.is_busy = true;
        self.position = place.position;
        self.pending = Some(Box::new(RecoveryMark {
            offset,
            base_offset: place.base_offset,
            position: place.position,
            snapshot,
            truncations: self.truncations,
        }));
    }

    /// The pending mark, once everything below it is published; the caller makes it durable.
    pub(crate) fn take_published(&mut self, log_end: i64) -> Option<Box<RecoveryMark>> {
        self.pending.take_if(|mark| mark.offset <= log_end)
    }

    /// The job of the mark that was taken has ended.
    pub(crate) fn on_done(&mut self) {
        self.is_busy = false;
    }

    /// A new segment was begun; its bytes are counted anew, as a roll is made durable by itself.
    pub(crate) fn on_roll(&mut self) {
        self.position = 0;
    }

    /// The log was cut: its active segment, at `base_offset`, has `bytes` bytes now. The recovery
    /// point, lowered before, and what the checkpoint file says are not above its end.
    pub(crate) fn on_truncated(&mut self, base_offset: i64, bytes: u64) {
        self.truncations = self.truncations.wrapping_add(1);
        if self.pending.take().is_some() {
            self.is_busy = false;
        }
        self.position = self.position.min(bytes);
        for place in [&mut self.reached, &mut self.checkpointed] {
            if base_offset < place.base_offset {
                *place = LogPlace {
                    base_offset,
                    position: bytes,
                };
            } else if base_offset == place.base_offset {
                place.position = place.position.min(bytes);
            }
        }
    }

    /// Whether the log was not cut since the mark was noted.
    pub(crate) fn is_valid(&self, mark: &RecoveryMark) -> bool {
        mark.truncations == self.truncations
    }

    /// The recovery point is at `place` now.
    pub(crate) fn on_reached(&mut self, place: LogPlace) {
        self.reached = place;
    }

    /// The recovery point in memory.
    pub(crate) fn reached(&self) -> LogPlace {
        self.reached
    }

    /// The recovery point in the checkpoint file, or further back.
    pub(crate) fn checkpointed(&self) -> LogPlace {
        self.checkpointed
    }

    /// Whether so many bytes above the checkpointed recovery point ask for a new checkpoint.
    pub(crate) fn is_checkpoint_due(&self, bytes_above: u64, unflushed_bytes_max: u64) -> bool {
        self.reached != self.checkpointed && unflushed_bytes_max / MARKS_PER_BOUND <= bytes_above
    }

    /// A recovery point at or above `place` is in the checkpoint file. Returns the snapshots that
    /// are needed no more, those below `recovery_point`, and forgets them.
    pub(crate) fn on_checkpointed(&mut self, place: LogPlace, recovery_point: i64) -> Vec<i64> {
        self.checkpointed = place;
        let needed = self
            .snapshots
            .partition_point(|&offset| offset < recovery_point);
        self.snapshots.drain(..needed).collect()
    }

    /// A mark's snapshot is in the directory.
    pub(crate) fn add_snapshot(&mut self, offset: i64) {
        if self.snapshots.last().is_none_or(|&last| last < offset) {
            self.snapshots.push(offset);
        }
    }

    /// Snapshots above `offset` are removed.
    pub(crate) fn forget_snapshots_above(&mut self, offset: i64) {
        self.snapshots.retain(|&known| known <= offset);
    }

    /// A segment begins at `offset`: its snapshot is kept with it. Returns whether it is there.
    pub(crate) fn keep_snapshot(&mut self, offset: i64) -> bool {
        let count = self.snapshots.len();
        self.snapshots.retain(|&known| known != offset);
        self.snapshots.len() < count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: LogPlace = LogPlace {
        base_offset: 0,
        position: 0,
    };

    fn at(position: u64) -> LogPlace {
        LogPlace {
            base_offset: 0,
            position,
        }
    }

    #[test]
    fn marks_are_half_the_bound_apart_and_one_at_a_time() {
        let mut marks = RecoveryMarks::new(START, 0, None);
        assert!(!marks.is_due(49, 100));
        assert!(marks.is_due(50, 100));
        marks.note(at(50), 5, Vec::new());
        assert!(!marks.is_due(200, 100), "the first is not done");
        assert!(marks.take_published(4).is_none());
        let mark = marks.take_published(5).unwrap();
        assert_eq!((mark.offset, mark.position), (5, 50));
        assert!(marks.take_published(5).is_none());
        marks.on_done();
        assert!(!marks.is_due(99, 100));
        assert!(marks.is_due(100, 100));
        marks.on_roll();
        assert!(!marks.is_due(49, 100));
    }

    #[test]
    fn a_bound_of_nothing_asks_for_marks_at_new_bytes_only() {
        let marks = RecoveryMarks::new(START, 0, None);
        assert!(!marks.is_due(0, 0));
        assert!(marks.is_due(1, 0));
    }

    #[test]
    fn a_cut_makes_marks_invalid() {
        let mut marks = RecoveryMarks::new(at(80), 80, None);
        marks.note(at(120), 12, Vec::new());
        let mark = marks.take_published(12).unwrap();
        marks.on_truncated(0, 60);
        assert!(!marks.is_valid(&mark));
        assert_eq!(marks.reached(), at(60));
        assert!(!marks.is_possible(60), "its job has not ended");
        marks.on_done();
        assert!(!marks.is_possible(60) && marks.is_possible(61));
    }

    #[test]
    fn snapshots_go_when_a_later_recovery_point_is_checkpointed() {
        let mut marks = RecoveryMarks::new(START, 0, Some(3));
        marks.add_snapshot(5);
        marks.add_snapshot(9);
        marks.on_reached(at(90));
        assert!(!marks.is_checkpoint_due(49, 100));
        assert!(marks.is_checkpoint_due(50, 100));
        assert_eq!(marks.on_checkpointed(at(90), 9), [3, 5]);
        assert!(!marks.is_checkpoint_due(50, 100), "it is there already");
        assert!(marks.keep_snapshot(9) && !marks.keep_snapshot(9));
    }
}
