//! The errors of the transaction coordinator in the versions of requests that know older ones.

use ringbrook_protocol::ResponseError;

use crate::txn::TxnError;

/// The code for a request whose versions from `fenced_from` on know PRODUCER_FENCED (KIP-588);
/// older clients are told INVALID_PRODUCER_EPOCH, which they take for fatal as well.
pub(super) fn txn_code(error: TxnError, api_version: i16, fenced_from: i16) -> i16 {
    if error == TxnError::ProducerFenced && api_version < fenced_from {
        return ResponseError::InvalidProducerEpoch.code();
    }
    error.kafka_code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kafkas() {
        let expected = [
            (
                TxnError::UnknownServerError,
                ResponseError::UnknownServerError,
            ),
            (
                TxnError::CoordinatorLoadInProgress,
                ResponseError::CoordinatorLoadInProgress,
            ),
            (
                TxnError::CoordinatorNotAvailable,
                ResponseError::CoordinatorNotAvailable,
            ),
            (TxnError::NotCoordinator, ResponseError::NotCoordinator),
            (TxnError::InvalidRequest, ResponseError::InvalidRequest),
            (TxnError::InvalidTxnState, ResponseError::InvalidTxnState),
            (
                TxnError::InvalidProducerIdMapping,
                ResponseError::InvalidProducerIdMapping,
            ),
            (
                TxnError::InvalidTransactionTimeout,
                ResponseError::InvalidTransactionTimeout,
            ),
            (
                TxnError::ConcurrentTransactions,
                ResponseError::ConcurrentTransactions,
            ),
            (TxnError::ProducerFenced, ResponseError::ProducerFenced),
            (
                TxnError::TransactionalIdNotFound,
                ResponseError::TransactionalIdNotFound,
            ),
            (
                TxnError::TransactionAbortable,
                ResponseError::TransactionAbortable,
            ),
        ];
        for (error, code) in expected {
            assert_eq!(txn_code(error, 2, 2), code.code(), "{error}");
        }
        assert_eq!(txn_code(TxnError::ProducerFenced, 1, 2), 47);
        assert_eq!(txn_code(TxnError::InvalidTxnState, 1, 2), 48);
    }
}
