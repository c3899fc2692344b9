//! Why a partition of a coordinator's topic could not be written or read. Each coordinator turns
//! these into its own errors; clients never see them as they are.

use thiserror::Error;

/// A failed append or read. Each variant is one Kafka error code.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CoordinatorLogError {
    /// An error of the broker itself, for which Kafka has no better code.
    #[error("unknown server error")]
    UnknownServerError,
    /// The partition does not exist.
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// This broker does not lead the partition.
    #[error("not leader or follower")]
    NotLeaderOrFollower,
    /// The write was not committed in time.
    #[error("request timed out")]
    RequestTimedOut,
    /// The batch is larger than the topic's `max.message.bytes`.
    #[error("message too large")]
    MessageTooLarge,
    /// The batch does not fit one segment.
    #[error("record list too large")]
    RecordListTooLarge,
    /// Too few in-sync replicas; nothing was written.
    #[error("not enough replicas")]
    NotEnoughReplicas,
    /// Too few in-sync replicas after the write.
    #[error("not enough replicas after append")]
    NotEnoughReplicasAfterAppend,
    /// The log dir of the partition is offline.
    #[error("storage error")]
    KafkaStorageError,
    /// A transactional batch or a marker has an older epoch than its producer has here.
    #[error("invalid producer epoch")]
    InvalidProducerEpoch,
    /// A transactional batch does not fit the state of its producer's transaction here.
    #[error("invalid transaction state")]
    InvalidTxnState,
    /// A marker comes from a coordinator that another one has replaced.
    #[error("transaction coordinator fenced")]
    TransactionCoordinatorFenced,
}
