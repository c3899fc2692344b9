//! The seam between a coordinator and the partitions of its topic. The broker implements it over
//! its partition logs, tests in memory.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use ringbrook_engine::VerificationGuard;

use super::log_error::CoordinatorLogError;

/// A record to be written; no value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRecord {
    /// The key, as the coordinator's schema encodes it.
    pub key: Bytes,
    /// The value, as the coordinator's schema encodes it.
    pub value: Option<Bytes>,
}

impl CoordinatorRecord {
    /// Bytes of key and value.
    pub(crate) fn size_bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// What one append writes: one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorBatch {
    /// Records of the coordinator itself.
    Records(Vec<CoordinatorRecord>),
    /// Records that belong to a producer's transaction: they hold once its marker says so.
    Transactional {
        /// The records.
        records: Vec<CoordinatorRecord>,
        /// The producer.
        producer_id: i64,
        /// Its epoch.
        producer_epoch: i16,
        /// Taken from the partition before the transaction coordinator was asked; none when the
        /// partition said that its transaction is open there.
        guard: Option<VerificationGuard>,
    },
    /// The end of a producer's transaction in the partition.
    Marker(TransactionMarker),
}

/// The end of a producer's transaction, as the transaction coordinator announces it to every
/// partition the producer wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionMarker {
    /// The producer.
    pub producer_id: i64,
    /// The epoch the marker carries: with transactions v2 the one after the transaction's.
    pub producer_epoch: i16,
    /// Epoch of the coordinator that decided; markers of an older one are refused.
    pub coordinator_epoch: i32,
    /// Whether the transaction is committed, not aborted.
    pub is_commit: bool,
    /// The protocol of the transaction: 0, 1 or 2 (KIP-890); -1 when the sender did not say
    /// (WriteTxnMarkers v1).
    pub transaction_version: i16,
}

/// Something read back from a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadedEntry<'a> {
    /// A record.
    Record {
        /// Its offset in the log.
        offset: i64,
        /// Its key.
        key: Option<&'a [u8]>,
        /// Its value; none is a tombstone.
        value: Option<&'a [u8]>,
        /// Producer id and epoch of the transaction it belongs to, if any. It holds once a
        /// committing marker of that producer follows.
        producer: Option<(i64, i16)>,
    },
    /// The end of a producer's transaction.
    Marker {
        /// Its offset in the log.
        offset: i64,
        /// The producer.
        producer_id: i64,
        /// The epoch of the marker.
        producer_epoch: i16,
        /// Whether the transaction was committed, not aborted.
        is_commit: bool,
    },
}

/// The partitions of a coordinator's topic.
///
/// Methods may be called on any core's runtime. Their futures stay on the runtime that polls them
/// first, so they need not be `Send`.
pub trait CoordinatorLog: Send + Sync + 'static {
    /// Number of partitions the topic has, or will have once it is created; positive.
    fn partition_count(&self) -> i32;

    /// Appends one batch and resolves to the offset of its first record, once it is committed:
    /// replicated, and on disk where the topic says so. The order of appends to a partition is the
    /// order of the calls, not of the first polls.
    ///
    /// # Errors
    /// Whatever kept the batch from being committed; none of its records may be visible later.
    fn append(
        &self,
        partition: i32,
        batch: CoordinatorBatch,
        now_ms: i64,
    ) -> LocalBoxFuture<'static, Result<i64, CoordinatorLogError>>;

    /// Gives every record and every end of a transaction in the partition to `visit`, in the order
    /// of the log. Nothing is appended to the partition meanwhile.
    ///
    /// # Errors
    /// When the partition is not led here, or cannot be read to its end.
    fn read_all<'a>(
        &'a self,
        partition: i32,
        visit: &'a mut (dyn FnMut(LoadedEntry<'_>) + 'a),
    ) -> LocalBoxFuture<'a, Result<(), CoordinatorLogError>>;
}
