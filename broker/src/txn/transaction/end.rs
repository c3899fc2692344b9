//! EndTxn, and the abort of a transaction whose producer is fenced or took too long.

use super::{Outcome, Reply, Transaction};
use crate::txn::error::TxnError;
use crate::txn::metadata::{EPOCH_BUMP_VERSION, TransactionMetadata};
use crate::txn::producer::{NO_PRODUCER_ID, ProducerIdAndEpoch, is_epoch_reserved, is_last_epoch};
use crate::txn::state::TransactionState;

/// What the epoch of a v2 request says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// It ends the transaction of the current epoch.
    First,
    /// It was made before the current epoch began: it is the one that began it, or a later end by
    /// somebody who was fenced.
    Again,
}

impl Transaction {
    /// The producer commits or aborts. `fresh_producer_id` is needed only when the answer says so.
    pub(crate) fn end(
        &mut self,
        producer: ProducerIdAndEpoch,
        is_commit: bool,
        client_version: i16,
        fresh_producer_id: Option<i64>,
        now_ms: i64,
    ) -> Outcome {
        if client_version < EPOCH_BUMP_VERSION {
            return self.end_v1(producer, is_commit, now_ms);
        }
        if self.is_busy() {
            return Outcome::Reply(Err(TxnError::ConcurrentTransactions));
        }
        match self.metadata.check_end_v2(producer, is_commit) {
            Some(reply) => Outcome::Reply(reply),
            None => self.prepare_v2(is_commit, client_version, fresh_producer_id, now_ms),
        }
    }

    /// Transactions v1: the epoch stays, so a retry cannot be told from a new request.
    fn end_v1(&mut self, producer: ProducerIdAndEpoch, is_commit: bool, now_ms: i64) -> Outcome {
        if let Err(error) = self.check_producer(producer) {
            return Outcome::Reply(Err(error));
        }
        if self.is_busy() {
            return Outcome::Reply(Err(TxnError::ConcurrentTransactions));
        }
        match (self.metadata.state, is_commit) {
            (TransactionState::Ongoing, _) => {
                self.begin(self.metadata.prepared_v1(is_commit, now_ms));
                Outcome::Append(Ok(producer))
            }
            (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => {
                Outcome::Reply(Ok(producer))
            }
            (TransactionState::PrepareCommit, true) | (TransactionState::PrepareAbort, false) => {
                Outcome::Reply(Err(TxnError::ConcurrentTransactions))
            }
            _ => Outcome::Reply(Err(TxnError::InvalidTxnState)),
        }
    }

    /// Aborts the open transaction under a new epoch, so that its producer can do no more with it:
    /// another one asks for the id, or the transaction took too long.
    ///
    /// # Panics
    /// When no transaction is open.
    pub(crate) fn fence(
        &mut self,
        fresh_producer_id: Option<i64>,
        server_version: i16,
        now_ms: i64,
    ) -> Outcome {
        assert_eq!(self.metadata.state, TransactionState::Ongoing);
        if EPOCH_BUMP_VERSION <= server_version {
            return self.prepare_v2(false, server_version, fresh_producer_id, now_ms);
        }
        self.begin(self.metadata.fenced_v1(now_ms));
        Outcome::Append(Ok(self.metadata.producer()))
    }

    fn prepare_v2(
        &mut self,
        is_commit: bool,
        client_version: i16,
        fresh_producer_id: Option<i64>,
        now_ms: i64,
    ) -> Outcome {
        let next_producer_id = match fresh_producer_id {
            _ if !self.metadata.is_epoch_exhausted() => NO_PRODUCER_ID,
            Some(producer_id) => producer_id,
            None => return Outcome::ProducerIdNeeded,
        };
        let target = self
            .metadata
            .prepared_v2(is_commit, client_version, next_producer_id, now_ms);
        let successor = target.producer_after_markers();
        self.begin(target);
        Outcome::Append(Ok(successor))
    }
}

impl TransactionMetadata {
    /// What to answer a v2 request to end the transaction; nothing when it is to be ended.
    fn check_end_v2(&self, producer: ProducerIdAndEpoch, is_commit: bool) -> Option<Reply> {
        use Attempt::{Again, First};
        use TransactionState::{
            CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit,
        };
        let attempt = match self.attempt(producer) {
            Ok(attempt) => attempt,
            Err(error) => return Some(Err(error)),
        };
        match (self.state, attempt, is_commit) {
            (Ongoing, First, _) | (Empty | CompleteCommit | CompleteAbort, First, false) => None,
            (CompleteCommit, Again, true) | (CompleteAbort, Again, false) => {
                Some(Ok(self.producer()))
            }
            (PrepareCommit, Again, true) | (PrepareAbort, Again, false) => {
                Some(Err(TxnError::ConcurrentTransactions))
            }
            (Empty | CompleteCommit | CompleteAbort, First, true)
            | (PrepareCommit | CompleteCommit, Again, false)
            | (PrepareAbort | CompleteAbort, Again, true) => Some(Err(TxnError::InvalidTxnState)),
            _ => Some(Err(TxnError::ProducerFenced)),
        }
    }

    /// Tells a retry from a new request by the epoch, which every end of a transaction raises.
    fn attempt(&self, producer: ProducerIdAndEpoch) -> Result<Attempt, TxnError> {
        // The end was answered with the next producer id, and the producer has not heard of it.
        let is_across_ids = producer.producer_id == self.previous_producer_id
            && is_last_epoch(producer.producer_epoch)
            && self.producer_epoch == 0;
        if is_across_ids {
            return Ok(Attempt::Again);
        }
        if producer.producer_id != self.producer_id {
            return Err(TxnError::InvalidProducerIdMapping);
        }
        if is_epoch_reserved(producer.producer_epoch) {
            return Err(TxnError::ProducerFenced);
        }
        if producer.producer_epoch == self.producer_epoch {
            return Ok(Attempt::First);
        }
        if producer.producer_epoch.checked_add(1) == Some(self.producer_epoch) {
            return Ok(Attempt::Again);
        }
        Err(TxnError::ProducerFenced)
    }
}
