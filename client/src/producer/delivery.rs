//! The answer to a send: where the record is, once a broker has it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::RecordMetadata;
use super::outcome::{OfRecord, Outcome};
use crate::error::ClientError;

/// Where a record is, to be awaited. Dropping it changes nothing: the record is sent all the same.
#[must_use = "drop it to say that the answer does not matter"]
pub struct Delivery {
    outcome: Arc<Outcome>,
    record: RecordShape,
    place: Option<usize>,
}

/// What a batch does not know of a record in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordShape {
    /// The index in its batch.
    pub(super) index: u32,
    /// The record's own timestamp.
    pub(super) timestamp: i64,
    pub(super) key_size: Option<u32>,
    pub(super) value_size: Option<u32>,
}

impl RecordShape {
    pub(super) fn metadata(
        &self,
        outcome: &Outcome,
        offset: i64,
        log_append_time: Option<i64>,
    ) -> RecordMetadata {
        RecordMetadata {
            topic: Arc::clone(&outcome.topic),
            partition: outcome.partition,
            offset,
            timestamp: log_append_time.unwrap_or(self.timestamp),
            serialized_key_size: self.key_size,
            serialized_value_size: self.value_size,
        }
    }
}

impl Delivery {
    pub(super) fn new(outcome: Arc<Outcome>, record: RecordShape) -> Self {
        Self {
            outcome,
            record,
            place: None,
        }
    }

    /// The partition that the record goes to.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.outcome.partition
    }
}

impl Future for Delivery {
    /// Where the record is, or why it was not written: any error of the broker that is not worth a
    /// retry, or that `delivery.timeout.ms` is over.
    type Output = Result<RecordMetadata, ClientError>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let index = this.record.index;
            match ready!(this.outcome.poll_record(index, &mut this.place, ctx)) {
                OfRecord::Moved(outcome, index) => {
                    this.outcome = outcome;
                    this.record.index = index;
                }
                OfRecord::Done(done) => {
                    return Poll::Ready(done.map(|(offset, log_append_time)| {
                        this.record.metadata(&this.outcome, offset, log_append_time)
                    }));
                }
            }
        }
    }
}

/// A function that is told the answer to a send. It runs in the producer's task and must not block.
pub(super) type Callback = Box<dyn FnOnce(Result<RecordMetadata, ClientError>) + Send>;

/// A callback and the record that it is for.
pub(super) struct PendingCallback {
    pub(super) record: RecordShape,
    pub(super) call: Callback,
}
