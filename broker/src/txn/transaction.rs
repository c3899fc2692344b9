//! The state machine of one transactional id: requests and time in; out comes either an answer, or
//! the record to append with the answer to give once it is committed. No I/O, no clock.
//!
//! At most one step is under way. Its record is appended before anything changes: until then, and
//! while the markers of a decided transaction are written, other requests are told to try again.
//! The events are in `init`, `partitions` and `end`; here is what they share and what follows when
//! a step is written. Kafka: `TransactionCoordinator`, `TransactionMetadata`.

mod end;
mod init;
mod partitions;

use super::error::TxnError;
use super::metadata::{EPOCH_BUMP_VERSION, TransactionMetadata};
use super::producer::{NO_PRODUCER_EPOCH, ProducerIdAndEpoch, is_epoch_reserved};
use super::state::TransactionState;
use crate::coordinator::TransactionMarker;

pub(crate) use init::InitRequest;

/// The answer to a request: the producer as it may go on, where the request asks for that.
pub(crate) type Reply = Result<ProducerIdAndEpoch, TxnError>;

/// What a request leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to append; this is the answer.
    Reply(Reply),
    /// Nothing has changed: the request has to come again with a fresh producer id.
    ProducerIdNeeded,
    /// [`Transaction::appending`] has to be appended; this is the answer once it is committed.
    Append(Reply),
}

/// What follows from a step that was appended, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing; other requests are served again.
    Nothing,
    /// The markers of the decided transaction are due, one per partition.
    WriteMarkers,
    /// Another record has to be appended: [`Transaction::appending`].
    Append,
    /// The record could not be appended and must be: [`Transaction::retry_completion`], later.
    RetryCompletion,
    /// The id is to be forgotten.
    Forget,
}

/// What is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Idle,
    /// A record with this content is being appended.
    Appending(Box<TransactionMetadata>),
    /// Markers are being written; this many are left.
    WritingMarkers(usize),
    /// All markers are written; the record that says so is to be tried again.
    CompletionFailed,
}

/// One transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// As of the last committed record.
    metadata: TransactionMetadata,
    progress: Progress,
}

impl Transaction {
    /// An id that has never been written; its first event must be `init`.
    pub(crate) fn unwritten(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            metadata: TransactionMetadata::unwritten(producer_id, timeout_ms, now_ms),
            progress: Progress::Idle,
        }
    }

    /// An id as of its last record, with what is left to do: the markers of a transaction that was
    /// decided but not completed.
    pub(crate) fn loaded(metadata: TransactionMetadata, now_ms: i64) -> (Self, Next) {
        let mut transaction = Self {
            metadata,
            progress: Progress::Idle,
        };
        let next = if transaction.metadata.state.is_prepared() {
            transaction.begin_markers(now_ms)
        } else {
            Next::Nothing
        };
        (transaction, next)
    }

    /// As of the last committed record.
    pub(crate) const fn metadata(&self) -> &TransactionMetadata {
        &self.metadata
    }

    /// The content of the record to append, if one is due. `Dead` stands for a tombstone.
    pub(crate) fn appending(&self) -> Option<&TransactionMetadata> {
        match &self.progress {
            Progress::Appending(target) => Some(target),
            _ => None,
        }
    }

    /// Whether requests that change something are told to try again.
    pub(crate) const fn is_busy(&self) -> bool {
        !matches!(self.progress, Progress::Idle)
    }

    /// Whether no record of the id has been committed so far.
    pub(crate) const fn is_unwritten(&self) -> bool {
        self.metadata.producer_epoch == NO_PRODUCER_EPOCH
    }

    /// The marker that ends the decided transaction.
    ///
    /// # Panics
    /// When no transaction is decided.
    pub(crate) fn marker(&self, coordinator_epoch: i32) -> TransactionMarker {
        let state = self.metadata.state;
        assert!(state.is_prepared(), "no marker is due in state {state}");
        TransactionMarker {
            producer_id: self.metadata.producer_id,
            producer_epoch: self.metadata.producer_epoch,
            coordinator_epoch,
            is_commit: state.is_commit(),
            transaction_version: self.metadata.client_version,
        }
    }

    /// The record under way is committed.
    ///
    /// # Panics
    /// When none is under way.
    pub(crate) fn appended(&mut self, now_ms: i64) -> Next {
        match std::mem::replace(&mut self.progress, Progress::Idle) {
            Progress::Appending(target) => self.metadata = *target,
            progress => panic!("no record is being appended: {progress:?}"),
        }
        match self.metadata.state {
            TransactionState::Dead => Next::Forget,
            state if state.is_prepared() => self.begin_markers(now_ms),
            _ => Next::Nothing,
        }
    }

    /// The record under way was not committed: nothing has changed.
    ///
    /// # Panics
    /// When none is under way.
    pub(crate) fn append_failed(&mut self) -> Next {
        match std::mem::replace(&mut self.progress, Progress::Idle) {
            // The markers are written: there is no way back, and nobody left to ask again.
            Progress::Appending(_) if self.metadata.state.is_prepared() => {
                self.progress = Progress::CompletionFailed;
                Next::RetryCompletion
            }
            Progress::Appending(_) if self.is_unwritten() => Next::Forget,
            Progress::Appending(_) => Next::Nothing,
            progress => panic!("no record is being appended: {progress:?}"),
        }
    }

    /// A marker is written, or its partition is gone.
    ///
    /// # Panics
    /// When no marker is due.
    pub(crate) fn marker_written(&mut self, now_ms: i64) -> Next {
        match &mut self.progress {
            Progress::WritingMarkers(left) if 1 < *left => {
                *left -= 1;
                Next::Nothing
            }
            Progress::WritingMarkers(_) => {
                self.begin(self.metadata.completed(now_ms));
                Next::Append
            }
            progress => panic!("no marker is due: {progress:?}"),
        }
    }

    /// A partition has refused the marker in favour of a newer coordinator or producer: this
    /// coordinator stops. The id stays as it is until its partition is loaded anew.
    pub(crate) fn markers_given_up(&mut self) {
        if let Progress::WritingMarkers(_) = self.progress {
            self.progress = Progress::Idle;
        }
    }

    /// Whether this marker of the transaction is still due: sending was not given up meanwhile.
    pub(crate) const fn is_writing_markers(&self) -> bool {
        matches!(self.progress, Progress::WritingMarkers(_))
    }

    /// Whether all markers are written and the record that says so has failed.
    pub(crate) const fn is_completion_failed(&self) -> bool {
        matches!(self.progress, Progress::CompletionFailed)
    }

    /// Tries once more to append that the transaction is complete.
    ///
    /// # Panics
    /// When that was not tried before.
    pub(crate) fn retry_completion(&mut self, now_ms: i64) {
        assert_eq!(self.progress, Progress::CompletionFailed);
        self.begin(self.metadata.completed(now_ms));
    }

    /// Whether the transaction has been open for longer than its timeout.
    pub(crate) fn is_timed_out(&self, now_ms: i64) -> bool {
        let metadata = &self.metadata;
        metadata.state == TransactionState::Ongoing
            && !self.is_busy()
            && metadata.start_ms.saturating_add(metadata.timeout_ms.into()) < now_ms
    }

    /// Whether the id has not been used for `expiration_ms`.
    pub(crate) const fn is_expired(&self, expiration_ms: i64, now_ms: i64) -> bool {
        self.metadata.state.is_settled()
            && !self.is_busy()
            && self.metadata.last_update_ms <= now_ms.saturating_sub(expiration_ms)
    }

    /// Begins to forget an expired id: a tombstone has to be appended.
    pub(crate) fn expire(&mut self) {
        self.begin(self.metadata.dead());
    }

    /// Begins to append a step.
    fn begin(&mut self, target: TransactionMetadata) {
        let (from, to) = (self.metadata.state, target.state);
        let is_v2 = EPOCH_BUMP_VERSION <= target.client_version;
        assert!(to.may_follow(from, is_v2), "{to} must not follow {from}");
        self.progress = Progress::Appending(Box::new(target));
    }

    fn begin_markers(&mut self, now_ms: i64) -> Next {
        if self.metadata.partitions.is_empty() {
            self.begin(self.metadata.completed(now_ms));
            return Next::Append;
        }
        self.progress = Progress::WritingMarkers(self.metadata.partitions.len());
        Next::WriteMarkers
    }

    /// Checks that the request comes from the producer that owns the id.
    fn check_producer(&self, producer: ProducerIdAndEpoch) -> Result<(), TxnError> {
        if producer.producer_id != self.metadata.producer_id {
            return Err(TxnError::InvalidProducerIdMapping);
        }
        // Nobody was ever given the reserved epoch, and nothing could be ended under it.
        let is_forged = is_epoch_reserved(producer.producer_epoch);
        if is_forged || producer.producer_epoch != self.metadata.producer_epoch {
            return Err(TxnError::ProducerFenced);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
