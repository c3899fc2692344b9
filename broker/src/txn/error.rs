//! The errors of the transaction coordinator, one variant per Kafka error code, under Kafka's
//! names. Not here: the mapping onto response structs and the older codes of older request
//! versions (`broker/src/api`).

use thiserror::Error;

use crate::coordinator::CoordinatorLogError;

/// An outcome of a request other than success. Each variant is one Kafka error code.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TxnError {
    /// An error of the broker itself, for which Kafka has no better code.
    #[error("unknown server error")]
    UnknownServerError,
    /// The partition of `__transaction_state` is still being read back.
    #[error("coordinator load in progress")]
    CoordinatorLoadInProgress,
    /// The coordinator cannot serve the id now; the client looks for it again.
    #[error("coordinator not available")]
    CoordinatorNotAvailable,
    /// Another broker coordinates the id.
    #[error("not coordinator")]
    NotCoordinator,
    /// The transactional id is empty.
    #[error("invalid request")]
    InvalidRequest,
    /// The state of the transaction does not permit the request.
    #[error("invalid transaction state")]
    InvalidTxnState,
    /// The producer id is not that of the transactional id, or the id is unknown.
    #[error("invalid producer id mapping")]
    InvalidProducerIdMapping,
    /// The timeout is not positive, or above `transaction.max.timeout.ms`.
    #[error("invalid transaction timeout")]
    InvalidTransactionTimeout,
    /// The id is in the middle of something; the client tries again.
    #[error("concurrent transactions")]
    ConcurrentTransactions,
    /// A newer producer with the same transactional id has taken over.
    #[error("producer fenced")]
    ProducerFenced,
    /// There is no such transactional id.
    #[error("transactional id not found")]
    TransactionalIdNotFound,
    /// The partition is not part of the transaction; the producer should abort.
    #[error("transaction abortable")]
    TransactionAbortable,
}

impl TxnError {
    /// The number of the error on the wire (Kafka's `Errors`).
    pub const fn kafka_code(self) -> i16 {
        match self {
            Self::UnknownServerError => -1,
            Self::CoordinatorLoadInProgress => 14,
            Self::CoordinatorNotAvailable => 15,
            Self::NotCoordinator => 16,
            Self::InvalidRequest => 42,
            Self::InvalidTxnState => 48,
            Self::InvalidProducerIdMapping => 49,
            Self::InvalidTransactionTimeout => 50,
            Self::ConcurrentTransactions => 51,
            Self::ProducerFenced => 90,
            Self::TransactionalIdNotFound => 105,
            Self::TransactionAbortable => 120,
        }
    }
}

/// What a client sees when `__transaction_state` could not be written or read, as in Kafka's
/// `TransactionStateManager.appendTransactionToLog`.
impl From<CoordinatorLogError> for TxnError {
    fn from(error: CoordinatorLogError) -> Self {
        match error {
            CoordinatorLogError::UnknownTopicOrPartition
            | CoordinatorLogError::NotEnoughReplicas
            | CoordinatorLogError::NotEnoughReplicasAfterAppend
            | CoordinatorLogError::RequestTimedOut => Self::CoordinatorNotAvailable,
            CoordinatorLogError::NotLeaderOrFollower | CoordinatorLogError::KafkaStorageError => {
                Self::NotCoordinator
            }
            _ => Self::UnknownServerError,
        }
    }
}
