//! The sender's part in transactions: it carries out the requests of the state machine, one at a
//! time, and has batches follow its state.

use std::time::Duration;

use tokio::time::Instant;

use super::{Event, Sender};
use crate::cluster::Backoff;
use crate::producer::transaction::{Answer, Coordinator, Failure, Next, Request};

/// The pause before partitions are added again while the last transaction is being completed: that
/// takes a moment, and `retry.backoff.ms` would be most of the new one's time.
const SOON: Duration = Duration::from_millis(20);

/// Requests of transactions on their way.
pub(super) struct TransactionRequests {
    coordinator: Coordinator,
    backoff: Backoff,
    is_asking: bool,
    not_before: Option<Instant>,
}

impl TransactionRequests {
    /// None without `transactional.id`.
    pub(super) fn new(shared: &crate::producer::shared::Shared) -> Option<Self> {
        let transactional_id = shared.config.transactional_id.as_deref()?;
        let coordinator = Coordinator::new(
            shared.cluster.clone(),
            transactional_id.into(),
            shared.config.transaction_timeout,
        );
        Some(Self {
            coordinator,
            backoff: Backoff::of_retries(shared.cluster.config()),
            is_asking: false,
            not_before: None,
        })
    }

    /// When a request is to be tried again.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.not_before
    }
}

impl Sender {
    /// Has batches follow the state of the transaction, and sends the next request if there is one.
    pub(super) fn drive_transactions(&mut self, now: Instant) {
        self.abort_batches();
        let Some(transactions) = &self.shared.transactions else {
            return;
        };
        let Some(requests) = &mut self.transaction_requests else {
            return;
        };
        if requests.not_before.is_some_and(|at| now < at) {
            return;
        }
        requests.not_before = None;
        let request = {
            // Under this lock no record can be added to a transaction that is about to end.
            let mut accumulator = self.shared.accumulator();
            let has_incomplete = accumulator.has_incomplete();
            let mut machine = crate::producer::transaction::lock(transactions);
            if accumulator.is_closing() && !has_incomplete {
                machine.abort_at_close();
            }
            accumulator.end_transaction(machine.is_completing());
            if requests.is_asking {
                return;
            }
            machine.next_request(has_incomplete)
        };
        let Some(request) = request else {
            return;
        };
        requests.is_asking = true;
        let coordinator = requests.coordinator.clone();
        let transactions = std::sync::Arc::clone(transactions);
        self.tasks.push(Box::pin(async move {
            let answer = coordinator.send(&request.kind, &transactions).await;
            Event::Transaction(Box::new((request, answer)))
        }));
    }

    /// What was never sent is given up when its transaction is aborted or cannot go on.
    fn abort_batches(&mut self) {
        let Some(machine) = self.shared.transactions() else {
            return;
        };
        let Some(reason) = machine.abort_reason() else {
            return;
        };
        let has_failed = machine.has_failed();
        drop(machine);
        if has_failed {
            self.fail_for_good(&reason);
            return;
        }
        let unsent = self.shared.accumulator().take_unsent();
        for batch in unsent {
            self.drop_batch(batch, reason.clone().into());
        }
    }

    /// Some batches of unknown fate leave a gap.
    pub(super) fn lose_sequences(&self) {
        if let Some(mut machine) = self.shared.transactions() {
            machine.lose_sequences();
        }
    }

    pub(super) fn transaction_answered(
        &mut self,
        request: Request,
        answer: Result<Answer, Failure>,
    ) {
        let Some(requests) = &mut self.transaction_requests else {
            return;
        };
        let Some(mut machine) = self.shared.transactions() else {
            return;
        };
        let next = machine.handle(request, answer);
        let producer = machine.producer();
        drop(machine);
        requests.is_asking = false;
        requests.not_before = match next {
            Next::Now => {
                requests.backoff.reset();
                None
            }
            Next::AfterBackoff => Some(Instant::now() + requests.backoff.next_pause()),
            Next::Soon => Some(Instant::now() + SOON),
        };
        if let Some(mut sequences) = self.shared.sequences()
            && let Some(producer) = producer.filter(|it| Some(*it) != sequences.producer())
        {
            sequences.reset(producer);
        }
    }

    /// Whether a transaction has still to be ended before the producer is closed.
    pub(super) fn is_ending_transaction(&self) -> bool {
        self.shared
            .transactions()
            .is_some_and(|machine| machine.is_ongoing() || machine.has_requests())
    }
}
