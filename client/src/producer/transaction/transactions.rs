//! The state machine: what the application calls and what the sender asks and tells.

use std::collections::VecDeque;
use std::sync::Arc;

use ringbrook_protocol::ResponseError;
use tracing::{debug, info};

use super::operation::{Operation, Outcome};
use super::partitions::Partitions;
use super::request::{GroupOffsets, Request, RequestKind};
use super::state::State;
use crate::error::ClientError;
use crate::group_metadata::ConsumerGroupMetadata;
use crate::offset_and_metadata::OffsetAndMetadata;
use crate::producer::sequences::{ProducerId, is_fatal};
use crate::topic_partition::TopicPartition;

/// The transactions of one producer. One request is with a coordinator at a time.
#[derive(Debug)]
pub(in crate::producer) struct Transactions {
    transactional_id: Arc<str>,
    pub(super) state: State,
    /// Set exactly in the states of errors.
    pub(super) last_error: Option<ClientError>,
    pub(super) producer: Option<ProducerId>,
    pub(super) partitions: Partitions,
    /// By priority, and as they came within one.
    queue: VecDeque<Request>,
    /// The operation that changes the state and has not been waited for to its end.
    unfinished: Option<(Operation, Outcome)>,
    /// Whether the coordinator has, or will have, something to end.
    pub(super) is_started: bool,
    /// Whether the transaction's end is followed by a new epoch.
    pub(super) is_bump_required: bool,
    /// Whether the coordinator bumps epochs (InitProducerId version 3; Kafka 2.5).
    is_bump_supported: bool,
    /// The protocol of the current transaction.
    is_v2: bool,
    /// That of the next one, settled when this one ends.
    is_next_v2: bool,
    features: Features,
    pub(super) passing_error: Option<ClientError>,
}

/// What the cluster's features say of transactions.
#[derive(Debug, Clone, Copy)]
struct Features {
    /// The epoch of the features, which grows with every change.
    epoch: i64,
    is_v2: bool,
}

impl Transactions {
    pub(in crate::producer) fn new(transactional_id: impl Into<Arc<str>>) -> Self {
        Self {
            transactional_id: transactional_id.into(),
            state: State::Uninitialized,
            last_error: None,
            producer: None,
            partitions: Partitions::default(),
            queue: VecDeque::new(),
            unfinished: None,
            is_started: false,
            is_bump_required: false,
            is_bump_supported: false,
            is_v2: false,
            is_next_v2: false,
            features: Features {
                epoch: -1,
                is_v2: false,
            },
            passing_error: None,
        }
    }

    pub(in crate::producer) fn transactional_id(&self) -> &Arc<str> {
        &self.transactional_id
    }

    #[cfg(test)]
    pub(in crate::producer) fn state(&self) -> State {
        self.state
    }

    /// The id and epoch to send with, once given. With every change sequences begin at 0.
    pub(in crate::producer) fn producer(&self) -> Option<ProducerId> {
        self.producer
    }

    /// Whether batches of this transaction belong to it by themselves (KIP-890).
    pub(in crate::producer) fn is_v2(&self) -> bool {
        self.is_v2
    }

    /// What a broker says of the cluster's features: the version of `transaction.version`, and the
    /// epoch of the features. What is older than known counts for nothing.
    pub(in crate::producer) fn note_features(&mut self, epoch: i64, transaction_version: i16) {
        if self.features.epoch < epoch {
            self.features = Features {
                epoch,
                is_v2: 2 <= transaction_version,
            };
        }
    }

    /// Whether the coordinator bumps epochs when asked.
    pub(in crate::producer) fn note_bump_support(&mut self, is_supported: bool) {
        self.is_bump_supported = is_supported;
    }

    /// Takes what the features say for the next transaction, when none is begun.
    pub(super) fn adopt_features(&mut self) {
        self.is_next_v2 = self.features.is_v2;
        self.is_v2 = self.is_next_v2;
    }

    // What the application calls.

    /// Asks for a producer id, which ends whatever another producer of this id has begun.
    ///
    /// # Errors
    /// It has been called before, or the producer has failed.
    pub(in crate::producer) fn init_transactions(&mut self) -> Result<Outcome, ClientError> {
        self.unless_unfinished(Operation::InitTransactions, |this| {
            this.check_error()?;
            this.change_state(State::Initializing, "init_transactions")?;
            let kind = RequestKind::InitProducerId;
            Ok(this.enqueue(kind))
        })
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// None may begin now.
    pub(in crate::producer) fn begin_transaction(&mut self) -> Result<(), ClientError> {
        self.check_finished("begin_transaction")?;
        self.check_error()?;
        self.change_state(State::InTransaction, "begin_transaction")
    }

    /// Adds offsets to the transaction.
    ///
    /// # Errors
    /// No transaction is begun, or it has to be aborted.
    pub(in crate::producer) fn send_offsets(
        &mut self,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
        group: Arc<ConsumerGroupMetadata>,
    ) -> Result<Outcome, ClientError> {
        let operation = Operation::SendOffsetsToTransaction;
        self.check_in_transaction(&operation.to_string())?;
        let offsets = GroupOffsets { group, offsets };
        let kind = if self.is_v2 {
            self.is_started = true;
            RequestKind::CommitOffsets(offsets)
        } else {
            RequestKind::AddOffsets(offsets)
        };
        Ok(self.enqueue(kind))
    }

    /// A record is about to be added to a batch for `partition`.
    ///
    /// # Errors
    /// No transaction is begun, or it has to be aborted.
    pub(in crate::producer) fn add_partition(
        &mut self,
        partition: &TopicPartition,
    ) -> Result<(), ClientError> {
        self.check_in_transaction("send")?;
        if self.is_v2 {
            self.partitions.add(partition);
            self.is_started = true;
        } else {
            self.partitions.announce(partition);
        }
        Ok(())
    }

    /// Commits, once all batches are acknowledged.
    ///
    /// # Errors
    /// No transaction is begun, or it has to be aborted.
    pub(in crate::producer) fn commit_transaction(&mut self) -> Result<Outcome, ClientError> {
        self.unless_unfinished(Operation::CommitTransaction, |this| {
            this.check_error()?;
            this.change_state(State::Committing, "commit_transaction")?;
            Ok(this.enqueue_end(true))
        })
    }

    /// Aborts, once no batch is under way. Batches that wait are given up.
    ///
    /// # Errors
    /// No transaction is begun, or the producer has failed.
    pub(in crate::producer) fn abort_transaction(&mut self) -> Result<Outcome, ClientError> {
        self.unless_unfinished(Operation::AbortTransaction, |this| {
            if this.state != State::AbortableError {
                this.check_error()?;
            }
            this.change_state(State::Aborting, "abort_transaction")?;
            this.partitions.forget_new();
            Ok(this.enqueue_end(false))
        })
    }

    /// The application has waited to the end of an operation and knows how it ended.
    pub(in crate::producer) fn acknowledge(&mut self, outcome: &Outcome) {
        let is_this = |(_, unfinished): &mut (Operation, Outcome)| unfinished.is(outcome);
        self.unfinished.take_if(is_this);
    }

    /// The producer closes, and all batches are answered: what is not committed is aborted.
    pub(in crate::producer) fn abort_at_close(&mut self) {
        if matches!(self.state, State::InTransaction | State::AbortableError) {
            self.partitions.forget_new();
            self.follow(State::Aborting);
            self.enqueue_end(false);
        }
    }

    /// The producer closes by force: nothing is waited for any more.
    pub(in crate::producer) fn close(&mut self) {
        for request in self.queue.drain(..) {
            request.outcome.fail(ClientError::Closed("producer"));
        }
        if self.state != State::FatalError {
            self.fail_fatally(ClientError::Closed("producer"));
        }
    }

    // What the sender and the driver ask and tell.

    /// The last passing error of the request that is being tried again.
    pub(in crate::producer) fn passing_error(&self) -> Option<&ClientError> {
        self.passing_error.as_ref()
    }

    /// Whether requests wait to be sent.
    pub(in crate::producer) fn has_requests(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether the producer can only be closed.
    pub(in crate::producer) fn has_failed(&self) -> bool {
        self.state == State::FatalError
    }

    /// Whether a transaction is begun and not ended.
    pub(in crate::producer) fn is_ongoing(&self) -> bool {
        matches!(self.state, State::InTransaction | State::AbortableError) || self.is_completing()
    }

    /// Whether batches are to go out at once, linger or not.
    pub(in crate::producer) fn is_completing(&self) -> bool {
        matches!(self.state, State::Committing | State::Aborting)
    }

    /// Whether batches for `partition` may be sent.
    pub(in crate::producer) fn is_send_allowed(&self, partition: &TopicPartition) -> bool {
        self.state != State::FatalError && self.partitions.is_added(partition)
    }

    /// Why batches that are not under way are to be given up, if they are.
    pub(in crate::producer) fn abort_reason(&self) -> Option<ClientError> {
        match self.state {
            State::Aborting => Some(ClientError::TransactionAborted),
            State::AbortableError | State::FatalError => self.last_error.clone(),
            _ => None,
        }
    }

    /// A record was refused before it came into a batch: without it the transaction is not whole.
    pub(in crate::producer) fn refuse_record(&mut self, error: &ClientError) {
        if self.state == State::InTransaction {
            self.fail_batch(error);
        }
    }

    /// A batch was given up because of `error`.
    pub(in crate::producer) fn fail_batch(&mut self, error: &ClientError) {
        if matches!(error, ClientError::TransactionAborted) {
            return;
        }
        if is_fatal_for_batches(error) {
            self.fail_fatally(error.clone());
            return;
        }
        if self.is_bump_needed() && !self.is_completing() {
            self.is_bump_required = true;
        }
        self.fail_abortably(error.clone());
    }

    /// Nobody knows whether some batches were written, and their time is up: what is behind them
    /// cannot be sent with their sequences.
    pub(in crate::producer) fn lose_sequences(&mut self) {
        let lost = "no acknowledgement came for some records, and they cannot be sent again";
        let error = ClientError::IllegalState(lost.to_owned());
        self.fail_abortably_with_bump(error);
    }

    /// The request to be sent next, if there is one. While it is with the coordinator, none other
    /// is to be asked for. `has_incomplete_batches`: some are not acknowledged or given up yet.
    pub(in crate::producer) fn next_request(
        &mut self,
        has_incomplete_batches: bool,
    ) -> Option<Request> {
        if self.partitions.has_new() && self.last_error.is_none() {
            let partitions = self.partitions.take_new();
            self.enqueue(RequestKind::AddPartitions(partitions));
        }
        loop {
            if self.queue.front()?.kind.is_end() && has_incomplete_batches {
                return None;
            }
            let request = self.queue.pop_front()?;
            if let Some(error) = self.error() {
                request.outcome.fail(error);
            } else if request.kind.is_end() && !self.is_started {
                debug!(id = %self.transactional_id, "the transaction is empty");
                self.complete_transaction(request.outcome);
            } else {
                return Some(request);
            }
        }
    }

    // Inside.

    /// Runs an operation, unless the same one is under way: then its outcome is waited for again.
    fn unless_unfinished(
        &mut self,
        operation: Operation,
        run: impl FnOnce(&mut Self) -> Result<Outcome, ClientError>,
    ) -> Result<Outcome, ClientError> {
        if let Some((same, outcome)) = &self.unfinished
            && *same == operation
        {
            return Ok(outcome.clone());
        }
        // Whoever stopped waiting and does something else need not hear that it has failed.
        let has_failed = |(_, outcome): &mut (Operation, Outcome)| {
            outcome.result().is_some_and(|result| result.is_err())
        };
        self.unfinished.take_if(has_failed);
        self.check_finished(&operation.to_string())?;
        let outcome = run(self)?;
        self.unfinished = Some((operation, outcome.clone()));
        Ok(outcome)
    }

    fn check_finished(&self, what: &str) -> Result<(), ClientError> {
        let Some((unfinished, _)) = &self.unfinished else {
            return Ok(());
        };
        Err(ClientError::IllegalState(format!(
            "{what} cannot be called: {unfinished} was not waited for to its end; call it again"
        )))
    }

    fn check_error(&self) -> Result<(), ClientError> {
        self.error().map_or(Ok(()), Err)
    }

    fn check_in_transaction(&self, what: &str) -> Result<(), ClientError> {
        self.check_finished(what)?;
        self.check_error()?;
        if self.state == State::InTransaction {
            return Ok(());
        }
        Err(self.illegal(what))
    }

    fn illegal(&self, what: &str) -> ClientError {
        let Self {
            state,
            transactional_id,
            ..
        } = self;
        ClientError::IllegalState(format!(
            "{what} cannot be called while {state} (transactional.id {transactional_id})"
        ))
    }

    /// As the application sees the error of this state.
    pub(super) fn error(&self) -> Option<ClientError> {
        let source = Box::new(self.last_error.clone()?);
        Some(if self.state == State::FatalError {
            ClientError::TransactionFatal(source)
        } else {
            ClientError::TransactionAbortable(source)
        })
    }

    pub(super) fn enqueue(&mut self, kind: RequestKind) -> Outcome {
        let outcome = Outcome::new();
        self.push(Request {
            kind,
            outcome: outcome.clone(),
        });
        outcome
    }

    pub(super) fn push(&mut self, request: Request) {
        let priority = request.kind.priority();
        let behind = |other: &Request| other.kind.priority() <= priority;
        let index = self.queue.partition_point(behind);
        self.queue.insert(index, request);
    }

    fn enqueue_end(&mut self, is_commit: bool) -> Outcome {
        self.is_next_v2 = self.features.is_v2;
        // Transactions of version 2 begin with an epoch that nothing of version 1 was sent with.
        if !self.is_v2 && self.is_next_v2 {
            self.is_bump_required = true;
        }
        let is_v2 = self.is_v2;
        self.enqueue(RequestKind::EndTxn { is_commit, is_v2 })
    }

    /// The transaction is over; if the epoch has to be bumped, `outcome` waits for that, too.
    pub(super) fn complete_transaction(&mut self, outcome: Outcome) {
        self.is_v2 = self.is_next_v2;
        self.is_started = false;
        self.partitions.clear();
        if std::mem::take(&mut self.is_bump_required) {
            self.follow(State::Initializing);
            let kind = RequestKind::InitProducerId;
            self.push(Request { kind, outcome });
        } else {
            self.follow(State::Ready);
            outcome.done();
        }
    }

    /// A change that the application asks for: if it is not allowed, nothing changes.
    fn change_state(&mut self, next: State, what: &str) -> Result<(), ClientError> {
        if !self.state.can_become(next) {
            return Err(self.illegal(what));
        }
        self.follow(next);
        Ok(())
    }

    /// A change that follows from answers. One that is not allowed means that this machine is
    /// wrong, and nothing may be sent any more.
    pub(super) fn follow(&mut self, next: State) {
        if !self.state.can_become(next) {
            let error = format!("{next} cannot follow when {}", self.state);
            self.fail_fatally(ClientError::IllegalState(error));
            return;
        }
        debug!(id = %self.transactional_id, from = ?self.state, to = ?next, "transaction");
        self.state = next;
        self.last_error = None;
    }

    /// From now on nothing but an abort. An abort that is under way goes on.
    pub(super) fn fail_abortably(&mut self, error: ClientError) {
        if matches!(self.state, State::Aborting | State::FatalError) {
            return;
        }
        if !self.state.can_become(State::AbortableError) {
            self.fail_fatally(error);
            return;
        }
        info!(id = %self.transactional_id, %error, "the transaction has to be aborted");
        self.state = State::AbortableError;
        self.last_error = Some(error);
    }

    /// The same, with a new epoch afterwards.
    pub(super) fn fail_abortably_with_bump(&mut self, error: ClientError) {
        if !self.is_bump_supported && !self.is_v2 {
            self.fail_fatally(error);
            return;
        }
        if self.is_bump_needed() {
            self.is_bump_required = true;
        }
        self.fail_abortably(error);
    }

    /// From now on nothing but the end.
    pub(super) fn fail_fatally(&mut self, error: ClientError) {
        info!(id = %self.transactional_id, %error, "the producer has failed");
        self.state = State::FatalError;
        self.last_error = Some(error.clone());
        if let Some((_, outcome)) = &self.unfinished {
            outcome.fail(ClientError::TransactionFatal(Box::new(error)));
        }
    }

    /// Whether the epoch has to be bumped by asking: the end of version 2 does it by itself.
    fn is_bump_needed(&self) -> bool {
        self.is_bump_supported && !self.is_v2
    }
}

/// Errors of batches after which nothing else can succeed.
fn is_fatal_for_batches(error: &ClientError) -> bool {
    is_fatal(error) || error.response_error() == Some(ResponseError::InvalidProducerIdMapping)
}
