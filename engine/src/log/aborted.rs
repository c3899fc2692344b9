//! Which aborted transactions a `read_committed` consumer has to know of to read a range: it drops
//! their records itself.
//!
//! The segments asked are those the log had when the range was chosen. If they were looked up
//! afterwards, a segment that retention or compaction took away in between would take the list with
//! it, and its records, which can still be read, would pass for committed.

use std::sync::Arc;

use super::partition_log::{PartitionLog, State};
use crate::error::ReadError;
use crate::index::AbortedTransaction;
use crate::io::{Access, Disk};
use crate::segment::Segment;

/// Transactions in a list that is not worth shortening.
const SHORT_LIST: usize = 16;

/// The segments whose markers may abort transactions of a segment, itself first.
pub(crate) type Deciding<D> = Vec<Arc<Segment<D>>>;

impl<D: Disk> State<D> {
    /// The segments from the one with this index on that decide about transactions of it below
    /// `upper`; those without aborted transactions are left out.
    pub(crate) fn deciding_segments(&self, index: usize, upper: i64) -> Deciding<D> {
        let mut deciding = Vec::new();
        for segment in &self.segments[index..] {
            let indexes = segment.indexes();
            if indexes.txn.is_empty() {
                continue;
            }
            let is_last = indexes.txn.decides_all_below(upper);
            drop(indexes);
            deciding.push(Arc::clone(segment));
            if is_last {
                break;
            }
        }
        deciding
    }
}

/// A range of a segment that was read.
pub(crate) struct ReadRange<'a, D: Disk> {
    pub(crate) segment: &'a Segment<D>,
    /// Where the range ends in the file.
    pub(crate) end: u64,
    /// Offsets: the first one asked for, and one above all that may be read in this segment.
    pub(crate) start: i64,
    pub(crate) upper: i64,
}

impl<D: Disk> PartitionLog<D> {
    /// The aborted transactions that overlap what was read, and perhaps a few that come after it.
    pub(crate) async fn aborted_in(
        &self,
        access: Access,
        deciding: &Deciding<D>,
        range: &ReadRange<'_, D>,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        let mut found = Vec::new();
        for segment in deciding {
            let is_enough = segment
                .indexes()
                .txn
                .collect(range.start, range.upper, &mut found);
            if is_enough {
                break;
            }
        }
        if found.len() <= SHORT_LIST {
            return Ok(found);
        }
        // A segment may hold very many, and a fetch gets a small part of a segment.
        let dir = self.dir.load_full();
        let past = range
            .segment
            .offset_past(access, &self.disk, &dir, range.end)
            .await?;
        if let Some(past) = past {
            found.retain(|transaction| transaction.first_offset < past);
        }
        Ok(found)
    }

    /// Aborted transactions that overlap `[start, upper)`, for compaction and tests.
    #[must_use]
    pub fn aborted_transactions(&self, start: i64, upper: i64) -> Vec<AbortedTransaction> {
        let state = self.lock();
        let first = state.segment_index(start).unwrap_or(0);
        let mut found = Vec::new();
        for segment in &state.segments[first..] {
            if segment.indexes().txn.collect(start, upper, &mut found) {
                break;
            }
        }
        found
    }
}
