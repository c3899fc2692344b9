//! The sender: the one task of a producer. It takes batches that are ready out of the accumulator,
//! sends them to the leaders of their partitions and draws the conclusions from the answers.
//!
//! It wakes up when a batch is opened or full, when an answer or a connection comes, when metadata
//! changes and when time says so. Source: Kafka `Sender`.

mod answers;
mod leaders;
mod nodes;
mod producer_id;
mod requests;
mod transactions;

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hashbrown::HashMap;
use ringbrook_protocol::messages::ProduceResponse;
use tokio::sync::watch;
use tokio::time::Instant;

use nodes::Nodes;
use requests::InFlightRequest;
use transactions::TransactionRequests;

use super::batch::Batch;
use super::outcome::Failure;
use super::sequences::ProducerId;
use super::shared::Shared;
use super::transaction::{self, Answer, Request};
use crate::error::ClientError;
use crate::metadata::Metadata;

/// The sender's state; nobody else sees it.
pub(super) struct Sender {
    shared: Arc<Shared>,
    metadata: watch::Receiver<Arc<Metadata>>,
    nodes: Nodes,
    requests: HashMap<u64, InFlightRequest>,
    next_request: u64,
    tasks: FuturesUnordered<BoxFuture<'static, Event>>,
    is_asking_producer_id: bool,
    /// The last answer was that this producer may have no id; another is asked for with a record.
    is_producer_id_refused: bool,
    /// None without `transactional.id`.
    transaction_requests: Option<TransactionRequests>,
}

/// What the sender has waited for.
enum Event {
    Answered(u64, Result<ProduceResponse, ClientError>),
    Connected(i32),
    ProducerId(Result<ProducerId, ClientError>),
    Transaction(Box<(Request, Result<Answer, transaction::Failure>)>),
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            metadata: shared.cluster.metadata_changes(),
            nodes: Nodes::new(&shared.config),
            transaction_requests: TransactionRequests::new(&shared),
            shared,
            requests: HashMap::new(),
            next_request: 0,
            tasks: FuturesUnordered::new(),
            is_asking_producer_id: false,
            is_producer_id_refused: false,
        }
    }

    /// Works until the producer is closed and everything is answered, or it is closed by force.
    pub(super) async fn run(mut self) {
        while !self.is_finished() {
            let next_check = self.work();
            let is_waiting = !self.tasks.is_empty();
            tokio::select! {
                Some(event) = self.tasks.next(), if is_waiting => self.handle(event),
                () = self.shared.wake.notified() => {}
                // The cluster lives as long as this task.
                changed = self.metadata.changed() => changed.unwrap_or_default(),
                () = sleep_until(next_check) => {}
            }
            while let Some(Some(event)) = self.tasks.next().now_or_never() {
                self.handle(event);
            }
        }
    }

    fn is_finished(&self) -> bool {
        if self.shared.is_forced() {
            return true;
        }
        let accumulator = self.shared.accumulator();
        let is_drained = accumulator.is_closing() && !accumulator.has_incomplete();
        drop(accumulator);
        is_drained && !self.is_ending_transaction()
    }

    /// Sends what can be sent and gives up what is too old. Returns when to look again.
    fn work(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let can_send = self.settle_sequences();
        self.expire(now);
        self.drive_transactions(now);
        let metadata = Arc::clone(&self.metadata.borrow_and_update());
        let leader_of = |topic: &str, partition: i32| {
            let partition = metadata.partition(topic, partition)?;
            Some((partition.leader?, partition.leader_epoch))
        };
        loop {
            let ready = self.shared.accumulator().ready(now, &leader_of);
            if !ready.unknown_leaders.is_empty() {
                for topic in &ready.unknown_leaders {
                    self.shared.cluster.watch_topic(topic);
                }
                self.shared.cluster.request_refresh();
            }
            let mut has_sent = false;
            if can_send {
                for node in ready.nodes {
                    has_sent |= self.send_to(node, now, &leader_of, &metadata);
                }
            }
            if !has_sent {
                return earliest(ready.next_check, self.next_check());
            }
        }
    }

    /// When a request's batches or a broker's pause demand another look.
    fn next_check(&self) -> Option<Instant> {
        let expiries = self.requests.values().filter_map(|it| it.expires_at);
        let transaction = self.transaction_requests.as_ref();
        let transaction = transaction.and_then(TransactionRequests::next_check);
        earliest(
            earliest(expiries.min(), self.nodes.next_check()),
            transaction,
        )
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Answered(request, answer) => self.answered(request, answer),
            Event::Connected(node) => self.nodes.connected(node),
            Event::ProducerId(answer) => self.producer_id_answered(answer),
            Event::Transaction(it) => self.transaction_answered(it.0, it.1),
        }
    }

    /// Gives up batches older than `delivery.timeout.ms`, also those that are with a broker: their
    /// answers no longer matter.
    fn expire(&mut self, now: Instant) {
        let delivery_timeout = self.shared.config.effective_delivery_timeout();
        let mut expired = self.shared.accumulator().take_expired(now);
        for request in self.requests.values_mut() {
            expired.extend(request.take_expired(now, delivery_timeout));
        }
        if expired.is_empty() {
            return;
        }
        self.shared.accumulator().counters.batches_expired += expired.len() as u64;
        for batch in expired {
            self.shared.accumulator().unmute(batch.slot);
            if let Some(mut sequences) = self.shared.sequences() {
                sequences.gave_up(batch.slot, batch.key);
            }
            let error = ClientError::Timeout {
                what: format!(
                    "sending {} records to {}-{}",
                    batch.records_count(),
                    batch.outcome.topic,
                    batch.outcome.partition
                ),
                after: delivery_timeout,
                last: None,
            };
            self.give_up(batch, error);
        }
    }

    /// Tells everybody that a batch is given up. Its numbers have been seen to.
    fn give_up(&self, batch: Batch, failure: impl Into<Failure>) {
        let failure = failure.into();
        // Before anybody hears of it: a commit must not overtake the failure.
        if let Some(mut transactions) = self.shared.transactions() {
            transactions.fail_batch(&failure.error);
        }
        self.drop_batch(batch, failure);
    }

    /// Gives up a batch because of what the transaction has failed for already.
    fn drop_batch(&self, batch: Batch, failure: Failure) {
        let (key, reserved_bytes) = (batch.key, batch.reserved_bytes);
        let records_count = u64::from(batch.records_count());
        let buffer = batch.fail(failure);
        let mut accumulator = self.shared.accumulator();
        accumulator.counters.records_failed += records_count;
        accumulator.release(key, reserved_bytes);
        accumulator.give_back(buffer.unwrap_or_default());
        let is_awaited = 0 < accumulator.waiting_count();
        drop(accumulator);
        if is_awaited {
            self.shared.wake_memory_waiters();
        }
    }

    /// Gives up everything that waits, and takes no more.
    fn fail_for_good(&mut self, error: &ClientError) {
        self.shared.accumulator().refuse(error.clone());
        self.fail_waiting(error);
    }

    /// Gives up everything that waits.
    fn fail_waiting(&mut self, error: &ClientError) {
        let waiting = self.shared.accumulator().take_waiting();
        for batch in waiting {
            if let Some(mut sequences) = self.shared.sequences() {
                sequences.gave_up(batch.slot, batch.key);
            }
            self.give_up(batch, error.clone());
        }
        self.shared.wake_memory_waiters();
    }
}

/// Nobody waits for ever, whatever ends the sender: a close by force, the runtime, a panic.
impl Drop for Sender {
    fn drop(&mut self) {
        let error = ClientError::Closed("producer");
        self.shared.accumulator().close();
        self.fail_for_good(&error);
        for (_, mut request) in std::mem::take(&mut self.requests) {
            for batch in request.take_all() {
                self.give_up(batch, error.clone());
            }
        }
        if let Some(mut transactions) = self.shared.transactions() {
            transactions.close();
        }
        self.shared.ended.send_replace(true);
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}
