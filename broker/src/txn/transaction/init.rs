//! InitProducerId: a producer takes the transactional id over, or goes on after an error (KIP-360).

use super::{Outcome, Transaction};
use crate::txn::error::TxnError;
use crate::txn::metadata::TransactionMetadata;
use crate::txn::producer::{
    NO_PRODUCER_EPOCH, ProducerIdAndEpoch, is_epoch_exhausted, is_epoch_reserved,
};
use crate::txn::state::TransactionState;

/// A producer's request for its id and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InitRequest {
    /// After this long the producer's transactions are aborted; already found valid.
    pub(crate) timeout_ms: i32,
    /// The producer that asks, if it goes on after an error; a new one has none.
    pub(crate) expected: Option<ProducerIdAndEpoch>,
}

/// The producer that a request is answered with.
enum Successor {
    Producer {
        producer: ProducerIdAndEpoch,
        last_producer_epoch: i16,
    },
    /// The epochs of the producer id are used up.
    NewProducerId { last_producer_epoch: i16 },
}

impl Transaction {
    /// A producer asks for the id. `fresh_producer_id` is needed only when the answer says so;
    /// `server_version` is the cluster's version of the transaction protocol.
    pub(crate) fn init(
        &mut self,
        request: InitRequest,
        fresh_producer_id: Option<i64>,
        server_version: i16,
        now_ms: i64,
    ) -> Outcome {
        if self.is_busy() {
            return Outcome::Reply(Err(TxnError::ConcurrentTransactions));
        }
        if request
            .expected
            .is_some_and(|expected| !self.is_known(expected))
        {
            return Outcome::Reply(Err(TxnError::ProducerFenced));
        }
        if self.metadata.state.is_prepared() {
            return Outcome::Reply(Err(TxnError::ConcurrentTransactions));
        }
        if self.metadata.state == TransactionState::Ongoing {
            // The client tries again until the abort is complete, and is given the epoch then.
            return match self.fence(fresh_producer_id, server_version, now_ms) {
                Outcome::Append(_) => Outcome::Append(Err(TxnError::ConcurrentTransactions)),
                other => other,
            };
        }
        let (producer, last_producer_epoch) = match self.metadata.successor(request.expected) {
            Err(error) => return Outcome::Reply(Err(error)),
            Ok(Successor::Producer {
                producer,
                last_producer_epoch,
            }) => (producer, last_producer_epoch),
            Ok(Successor::NewProducerId {
                last_producer_epoch,
            }) => {
                let Some(producer_id) = fresh_producer_id else {
                    return Outcome::ProducerIdNeeded;
                };
                (ProducerIdAndEpoch::new(producer_id, 0), last_producer_epoch)
            }
        };
        let timeout_ms = request.timeout_ms;
        self.begin(
            self.metadata
                .initialized(producer, last_producer_epoch, timeout_ms, now_ms),
        );
        Outcome::Append(Ok(producer))
    }

    /// Whether a producer that goes on may be the one that owns the id: it has the current producer
    /// id, or the one before, whose epochs were used up (the answer that said so may be lost).
    fn is_known(&self, expected: ProducerIdAndEpoch) -> bool {
        self.is_unwritten()
            || expected.producer_id == self.metadata.producer_id
            || (expected.producer_id == self.metadata.previous_producer_id
                && is_epoch_exhausted(expected.producer_epoch))
    }
}

impl TransactionMetadata {
    /// Who owns the id after an InitProducerId while no transaction is open.
    fn successor(&self, expected: Option<ProducerIdAndEpoch>) -> Result<Successor, TxnError> {
        let current = self.producer_epoch;
        let bumped = |last_producer_epoch| match current.checked_add(1) {
            Some(epoch) if !is_epoch_exhausted(current) => Successor::Producer {
                producer: ProducerIdAndEpoch::new(self.producer_id, epoch),
                last_producer_epoch,
            },
            _ => Successor::NewProducerId {
                last_producer_epoch,
            },
        };
        match expected.map(|expected| expected.producer_epoch) {
            None => Ok(bumped(NO_PRODUCER_EPOCH)),
            Some(epoch) if current == NO_PRODUCER_EPOCH || epoch == current => Ok(bumped(current)),
            // The producer was given its epoch already, and has not heard of it. The reserved
            // epoch, though, is given to nobody.
            Some(epoch) if epoch == self.last_producer_epoch => {
                if is_epoch_reserved(current) {
                    return Ok(bumped(epoch));
                }
                Ok(Successor::Producer {
                    producer: self.producer(),
                    last_producer_epoch: epoch,
                })
            }
            Some(_) => Err(TxnError::ProducerFenced),
        }
    }
}
