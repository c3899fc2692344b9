//! The places of the newest batches of the active segment. A consumer at the tail asks for an
//! offset that was the log end a moment ago, so its read finds the position here and needs no
//! system call. Behind the partition log's lock.

use std::collections::VecDeque;

const COUNT_MAX: usize = 64;

/// A published batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecentBatch {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
}

/// The newest batches, oldest first, without gaps between them.
#[derive(Debug, Default)]
pub(crate) struct RecentBatches {
    batches: VecDeque<RecentBatch>,
}

impl RecentBatches {
    pub(crate) fn push(&mut self, batch: RecentBatch) {
        if self.batches.len() == COUNT_MAX {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }

    /// Forgets all: another segment is active now.
    pub(crate) fn clear(&mut self) {
        self.batches.clear();
    }

    /// The first batch whose last offset is not below `offset`; `None` when it is unknown or
    /// `offset` is past the end.
    pub(crate) fn find(&self, offset: i64) -> Option<RecentBatch> {
        let index = self
            .batches
            .partition_point(|batch| batch.last_offset < offset);
        let batch = self.batches.get(index)?;
        // The first one known may not be the first there is.
        (0 < index || batch.base_offset <= offset).then_some(*batch)
    }
}
