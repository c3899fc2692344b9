//! Where markers go: the seam between the coordinator and the partitions of a transaction. The
//! broker implements it over the partitions it leads, tests in memory.

use futures_util::future::LocalBoxFuture;
use thiserror::Error;

use super::topic_partition::TopicPartition;
use crate::coordinator::TransactionMarker;

/// Why a marker was not written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MarkerError {
    /// It may go better later: no leader for now, too few replicas, a log dir that is offline. It
    /// is tried again until it does.
    #[error("the marker may be written later")]
    Retriable,
    /// The partition is gone for good, its topic deleted: there is nothing to end there.
    #[error("the partition no longer exists")]
    Dropped,
    /// The partition knows a newer coordinator or a newer epoch of the producer: this end of the
    /// transaction is no longer ours to announce.
    #[error("a newer coordinator or producer epoch is known there")]
    Fenced,
}

/// Ends a producer's transaction in a partition.
///
/// Methods may be called on any core's runtime. Their futures stay on the runtime that polls them
/// first, so they need not be `Send`. The coordinator has a bounded number of writes under way and
/// polls them together, so that markers of many transactions can share one write of a partition.
pub trait MarkerWriter: Send + Sync + 'static {
    /// Appends the marker to the partition and resolves once it is committed there; for a partition
    /// of `__consumer_offsets`, once the offsets of the transaction have been applied or dropped as
    /// well. Writing a marker again after the partition has taken it is no error: it may be written
    /// twice when the coordinator restarts.
    ///
    /// # Errors
    /// See [`MarkerError`].
    fn write(
        &self,
        partition: &TopicPartition,
        marker: TransactionMarker,
    ) -> LocalBoxFuture<'static, Result<(), MarkerError>>;
}
