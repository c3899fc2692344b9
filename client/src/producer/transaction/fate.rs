//! What an error of a request means for the transaction and for the producer: one table, after the
//! handlers of Kafka's `TransactionManager` (4.3).

use ringbrook_protocol::ResponseError;

use super::request::RequestKind;
use crate::error::ClientError;

/// Where an error arose.
#[derive(Debug, Clone)]
pub(in crate::producer) enum Failure {
    /// Looking for the coordinator or connecting to it.
    Lookup(ClientError),
    /// The request itself.
    Answer(ClientError),
}

impl Failure {
    pub(in crate::producer) const fn error(&self) -> &ClientError {
        match self {
            Self::Lookup(error) | Self::Answer(error) => error,
        }
    }
}

/// What comes of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::producer) enum Fate {
    /// The request is sent again, after a pause.
    Retry,
    /// The request is sent again very soon: the transaction before is about to end.
    RetrySoon,
    /// The transaction has to be aborted.
    Abort,
    /// The transaction has to be aborted and the epoch to be bumped; fatal if the coordinator is
    /// too old for that.
    AbortAndBump,
    /// `init_transactions` may be called again.
    StartAnew,
    /// Another producer has taken over: fatal.
    Fenced,
    /// The producer cannot go on.
    Fatal,
}

/// What comes of `failure` of a request. `is_first` says that the transaction has no partitions
/// yet.
pub(in crate::producer) fn fate(kind: &RequestKind, failure: &Failure, is_first: bool) -> Fate {
    let error = match failure.error() {
        error if error.response_error().is_some() => error.response_error(),
        // A code of a broker newer than this client.
        ClientError::Broker(_) => Some(ResponseError::UnknownServerError),
        _ => None,
    };
    let Some(error) = error else {
        return if failure.error().is_retriable() {
            Fate::Retry
        } else {
            Fate::Fatal
        };
    };
    let fate = match failure {
        Failure::Lookup(_) => of_lookup(error),
        Failure::Answer(_) => of_answer(kind, error, is_first),
    };
    match fate {
        // What cannot even be aborted is lost.
        Fate::Abort | Fate::AbortAndBump if kind.is_abort() => Fate::Fatal,
        fate => fate,
    }
}

fn of_lookup(error: ResponseError) -> Fate {
    match error {
        ResponseError::GroupAuthorizationFailed | ResponseError::TransactionAbortable => {
            Fate::Abort
        }
        _ if error.is_retriable() => Fate::Retry,
        _ => Fate::Fatal,
    }
}

fn of_answer(kind: &RequestKind, error: ResponseError, is_first: bool) -> Fate {
    use RequestKind as K;
    use ResponseError as E;
    match (kind, error) {
        (K::AddPartitions(_), E::ConcurrentTransactions) if is_first => Fate::RetrySoon,
        (_, E::ConcurrentTransactions) => Fate::Retry,
        _ if error.is_retriable() => Fate::Retry,
        (K::InitProducerId, E::TransactionalIdAuthorizationFailed)
        | (K::InitProducerId, E::ClusterAuthorizationFailed) => Fate::StartAnew,
        (_, E::InvalidProducerEpoch | E::ProducerFenced) => Fate::Fenced,
        (_, E::TransactionAbortable) => Fate::Abort,
        (K::AddPartitions(_), E::TopicAuthorizationFailed | E::OperationNotAttempted) => {
            Fate::Abort
        }
        (K::AddPartitions(_) | K::AddOffsets(_) | K::EndTxn { .. }, E::UnknownProducerId) => {
            Fate::AbortAndBump
        }
        (K::AddOffsets(_) | K::CommitOffsets(_), E::GroupAuthorizationFailed) => Fate::Abort,
        (K::CommitOffsets(_), E::FencedInstanceId | E::UnknownMemberId | E::IllegalGeneration) => {
            Fate::Abort
        }
        (K::AddPartitions(_), E::TransactionalIdAuthorizationFailed)
        | (K::AddPartitions(_), E::InvalidTxnState | E::InvalidProducerIdMapping) => Fate::Fatal,
        // Of a single partition nothing else is known to be fatal for the producer.
        (K::AddPartitions(_), _) => Fate::Abort,
        _ => Fate::Fatal,
    }
}
