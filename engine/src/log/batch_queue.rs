//! Batches that have their offsets and wait for the drain to write them. Behind the partition log's
//! lock; the drain takes the whole queue at once by swapping it with an empty one.

use bytes::Bytes;

use crate::index::AbortedTransaction;
use crate::io::{Piece, WriteBuffers};
use crate::segment::{Largest, NewEntries};

/// What the drain does to the segments before it writes a batch.
#[derive(Debug)]
pub(crate) struct Roll {
    /// Base offset of the new segment.
    pub(crate) base_offset: i64,
    /// The old segment's last time index entry.
    pub(crate) final_entries: NewEntries,
    /// Producer state before the batch.
    pub(crate) snapshot: Vec<u8>,
}

/// The unusual things about a batch.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// Before: begin a new segment.
    pub(crate) roll: Option<Roll>,
    /// Before: the leader epochs changed, write their file.
    pub(crate) has_new_epoch: bool,
    /// After: add this to the transaction index.
    pub(crate) aborted: Option<AbortedTransaction>,
}

/// What publishing a batch needs.
#[derive(Debug)]
pub(crate) struct QueuedBatch {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
    pub(crate) entries: NewEntries,
    /// The broker's time when it was appended.
    pub(crate) appended_ms: i64,
    /// The segment's largest timestamp with this batch.
    pub(crate) largest: Largest,
    pub(crate) steps: Option<Box<Steps>>,
}

/// Batches in offset order with their bytes.
#[derive(Debug, Default)]
pub(crate) struct BatchQueue {
    pub(crate) batches: Vec<QueuedBatch>,
    pub(crate) buffers: WriteBuffers,
}

impl BatchQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(crate) fn push(&mut self, batch: QueuedBatch, piece: Piece) {
        debug_assert_eq!(batch.bytes, piece.size_bytes() as u64);
        self.batches.push(batch);
        self.buffers.pieces.push(piece);
    }

    /// Adds what is written behind the last batch and is no batch.
    pub(crate) fn push_zeros(&mut self, zeros: Bytes) {
        debug_assert_eq!(self.batches.len(), self.buffers.pieces.len());
        self.buffers.pieces.push(Piece::plain(zeros));
    }

    /// Empties it but keeps a moderate amount of its memory for the next drain, until the log is
    /// idle.
    pub(crate) fn clear(&mut self) {
        const KEPT_MAX: usize = 64;
        self.batches.clear();
        self.batches.shrink_to(KEPT_MAX);
        self.buffers.pieces.clear();
        self.buffers.pieces.shrink_to(KEPT_MAX);
    }

    /// The end of the run that begins at `first` and goes out in one write: up to the next batch
    /// with a step before it, the batch with a step after it, or a limit.
    pub(crate) fn run_end(&self, first: usize, pieces_max: usize, bytes_max: u64) -> usize {
        let mut bytes = 0;
        for (index, batch) in self.batches.iter().enumerate().skip(first) {
            let steps = batch.steps.as_deref();
            let is_preceded =
                steps.is_some_and(|steps| steps.roll.is_some() || steps.has_new_epoch);
            let is_full = pieces_max <= index - first || bytes_max < bytes + batch.bytes;
            if first < index && (is_preceded || is_full) {
                return index;
            }
            bytes += batch.bytes;
            if steps.is_some_and(|steps| steps.aborted.is_some()) {
                return index + 1;
            }
        }
        self.batches.len()
    }
}
