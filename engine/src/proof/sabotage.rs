//! Deliberately broken variants of the engine, one for each invariant, so that the checks are known
//! to be able to fail. Switched on for the calling thread only: a machine of the campaign runs on
//! one thread. Compiled for tests; no other build has a line of it.

use std::cell::Cell;

use bytes::Bytes;
use ringbrook_record::BatchHeader;

use super::ledger::CRC_FROM;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// L1: what is published as durable does not count as flushed, the high watermark passes it.
    HighWatermarkPastFlushed,
    /// L2: a new segment begins inside the one before it.
    SegmentsOverlap,
    /// L3: offset index entries point one byte past the start of their batch.
    EntriesOffBatchStarts,
    /// L4: a byte of the payload changes, and its CRC with it.
    PayloadChanged,
    /// L5: batches are published as durable without having been synced.
    PublishedBeforeSync,
    /// L4: what was queued to be zeroed is zeroed also when batches were written there meanwhile.
    ZeroedOverBatches,
    /// L5: zeros that were written count as durable without a sync of their file.
    ZerosNotSynced,
    /// L6: a failed write or sync leaves the directory online.
    FailureIgnored,
    /// Bounded recovery: the recovery point moves before anything below it is synced.
    RecoveryPointTooEarly,
    /// Bounded recovery: a segment's names count as durable without a sync of the directory.
    NamesNotSynced,
    /// Compaction: tombstones go before their time.
    TombstoneDroppedEarly,
    /// Compaction: the latest record of a key goes with the older ones.
    LatestOfKeyDropped,
    /// Compaction: the last batch of a producer is not kept, not even empty.
    LastSequenceDropped,
    /// Compaction: rewritten segments take the place of the old ones before they are synced.
    RewrittenNotSynced,
    /// Moves: the segments of the copy take the place of the old log without having been synced.
    CopyNotSynced,
}

thread_local! {
    static ON: Cell<Option<Sabotage>> = const { Cell::new(None) };
}

/// Whether the engine is to do this wrong.
pub(crate) fn is_on(sabotage: Sabotage) -> bool {
    ON.get() == Some(sabotage)
}

/// Runs with one thing broken.
pub(crate) fn with<T>(sabotage: Sabotage, run: impl FnOnce() -> T) -> T {
    ON.set(Some(sabotage));
    let result = run();
    ON.set(None);
    result
}

/// A batch with its last byte changed, when that is what is broken.
pub(crate) fn change_payload(header: BatchHeader, payload: Bytes) -> (BatchHeader, Bytes) {
    if !is_on(Sabotage::PayloadChanged) || payload.is_empty() {
        return (header, payload);
    }
    let mut changed = payload.to_vec();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    let crc = crc32c::crc32c(&header.encode()[CRC_FROM..]);
    let crc = crc32c::crc32c_append(crc, &changed);
    (BatchHeader { crc, ..header }, changed.into())
}
