//! What follows from the answers of brokers: batches are written, tried again, split or given up.
//!
//! Source: Kafka `Sender.completeBatch`, `canRetry`, `failBatch`.

use std::time::Duration;

use hashbrown::HashMap;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::ProduceResponse;
use ringbrook_protocol::messages::produce_response::PartitionProduceResponse;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::requests::InFlightRequest;
use super::{Sender, leaders};
use crate::cluster::Target;
use crate::error::{BrokerError, ClientError};
use crate::producer::batch::Batch;
use crate::producer::outcome::{Acknowledged, Failure};
use crate::producer::sequences::{Refusal, is_fatal};

/// Why a batch was not written.
struct Refused {
    error: ClientError,
    /// Of single records (KIP-467).
    records: HashMap<u32, ClientError>,
    log_start_offset: i64,
}

impl From<ClientError> for Refused {
    fn from(error: ClientError) -> Self {
        Self {
            error,
            records: HashMap::new(),
            log_start_offset: -1,
        }
    }
}

impl Sender {
    pub(super) fn answered(&mut self, id: u64, answer: Result<ProduceResponse, ClientError>) {
        let Some(mut request) = self.requests.remove(&id) else {
            return;
        };
        self.nodes.answered(request.node);
        let mut response = match answer {
            Ok(response) => response,
            Err(error) => return self.refused_all(request, &error),
        };
        let mut hints = leaders::of_endpoints(std::mem::take(&mut response.node_endpoints));
        if let Ok(throttle_ms @ 1..) = u64::try_from(response.throttle_time_ms) {
            let until = Instant::now() + Duration::from_millis(throttle_ms);
            self.nodes.throttle(request.node, until);
        }
        let node = request.node;
        let mut place = 0;
        for topic in response.responses {
            for partition in topic.partition_responses {
                // Answers mostly come in the order of the request.
                let matches = |batch: &Batch| {
                    batch.outcome.partition == partition.index
                        && (topic.name.0.is_empty() || *topic.name.0 == *batch.outcome.topic)
                        && (topic.topic_id.is_nil() || self.has_id(batch, topic.topic_id))
                };
                if let Some(batch) = take_from(&mut request, &mut place, matches) {
                    hints
                        .leaders
                        .extend(leaders::told(&batch.outcome, &partition));
                    self.partition_answered(node, batch, partition);
                }
            }
        }
        if self.shared.cluster.learn_leaders(&hints) {
            debug!(
                node,
                ?hints,
                "batches were refused in favour of other leaders"
            );
        }
        for batch in request.take_all() {
            let text = format!(
                "node {node} has said nothing about {}-{}",
                batch.outcome.topic, batch.outcome.partition
            );
            self.refused(node, batch, ClientError::Unsupported(text).into());
        }
    }

    fn has_id(&self, batch: &Batch, id: uuid::Uuid) -> bool {
        let metadata = self.metadata.borrow();
        let topic = metadata.topic(&batch.outcome.topic);
        // The topic may have been made anew meanwhile; then its name decides.
        topic.is_none_or(|topic| topic.id == id || metadata.topic_name(id).is_none())
    }

    fn partition_answered(&mut self, node: i32, batch: Batch, answer: PartitionProduceResponse) {
        if answer.error_code == 0 {
            let acknowledged = Acknowledged {
                base_offset: answer.base_offset,
                log_append_time: Some(answer.log_append_time_ms).filter(|time| 0 <= *time),
            };
            return self.acknowledge(batch, acknowledged);
        }
        let subject = format!("{}-{}", batch.outcome.topic, batch.outcome.partition);
        let error = BrokerError::new(answer.error_code, subject)
            .with_message(answer.error_message.as_deref());
        let records = record_errors(&error, &answer);
        let error = if records.is_empty() {
            error
        } else {
            error.with_message(Some("another record of its batch is invalid"))
        };
        let refused = Refused {
            error: error.into(),
            records,
            log_start_offset: answer.log_start_offset,
        };
        self.refused(node, batch, refused);
    }

    /// A batch is written, or at least is with a broker that does not answer.
    pub(super) fn acknowledge(&self, batch: Batch, acknowledged: Acknowledged) {
        let (key, slot, reserved_bytes) = (batch.key, batch.slot, batch.reserved_bytes);
        let records_count = u64::from(batch.records_count());
        if let Some(mut sequences) = self.shared.sequences() {
            sequences.acknowledged(slot, key, acknowledged.base_offset);
        }
        let buffer = batch.acknowledge(acknowledged);
        let mut accumulator = self.shared.accumulator();
        accumulator.unmute(slot);
        accumulator.counters.records_acknowledged += records_count;
        accumulator.release(key, reserved_bytes);
        accumulator.give_back(buffer.unwrap_or_default());
        let is_awaited = 0 < accumulator.waiting_count();
        drop(accumulator);
        if is_awaited {
            self.shared.wake_memory_waiters();
        }
    }

    /// A request has failed as a whole.
    pub(super) fn refused_all(&mut self, mut request: InFlightRequest, error: &ClientError) {
        let node = request.node;
        debug!(node, %error, "a request with records has failed");
        for batch in request.take_all() {
            self.refused(node, batch, error.clone().into());
        }
    }

    fn refused(&mut self, node: i32, batch: Batch, refused: Refused) {
        let now = Instant::now();
        let error = refused.error.response_error();
        self.shared.accumulator().unmute(batch.slot);
        self.shared
            .cluster
            .note_error(Target::Node(node), &refused.error);
        if error == Some(ResponseError::MessageTooLarge) && 1 < batch.records_count() {
            return self.split(batch);
        }
        if self.can_retry(&batch, &refused, now) {
            let pause = self.pause(batch.attempts);
            debug!(error = %refused.error, ?pause, "a batch is tried again");
            return self.shared.accumulator().retry(batch, now, pause);
        }
        if error == Some(ResponseError::DuplicateSequenceNumber) {
            // The broker has it but no longer knows where.
            let unknown = Acknowledged {
                base_offset: -1,
                log_append_time: None,
            };
            return self.acknowledge(batch, unknown);
        }
        // After the last retry nobody knows whether an earlier attempt was written.
        let is_known_unwritten = batch.attempts < self.shared.config.retries
            && matches!(refused.error, ClientError::Broker(_));
        if let Some(mut sequences) = self.shared.sequences() {
            if is_known_unwritten {
                sequences.failed(batch.slot, batch.key, true);
            } else {
                sequences.gave_up(batch.slot, batch.key);
            }
        }
        let fatal = is_fatal(&refused.error).then(|| refused.error.clone());
        let failure = Failure {
            error: refused.error,
            records: refused.records,
        };
        self.give_up(batch, failure);
        let is_alone = self.shared.config.transactional_id.is_none();
        if let Some(fatal) = fatal.filter(|_| is_alone && self.shared.sequences().is_some()) {
            self.fail_for_good(&fatal);
        }
    }

    fn can_retry(&self, batch: &Batch, refused: &Refused, now: Instant) -> bool {
        let config = &self.shared.config;
        let is_expired = batch.created_at + config.effective_delivery_timeout() <= now;
        let is_refusing = self.shared.accumulator().is_refusing();
        if is_expired || is_refusing || config.retries <= batch.attempts {
            return false;
        }
        let is_retriable = refused.error.is_retriable();
        let Some(mut sequences) = self.shared.sequences() else {
            return is_retriable;
        };
        let refusal = Refusal {
            error: refused.error.response_error(),
            is_retriable,
            log_start_offset: refused.log_start_offset,
        };
        sequences.can_retry(batch.slot, batch.key, refusal)
    }

    fn split(&self, batch: Batch) {
        let (topic, partition) = (batch.outcome.topic.clone(), batch.outcome.partition);
        warn!(
            %topic,
            partition,
            records = batch.records_count(),
            "the broker finds a batch too large; it goes on as several"
        );
        match batch.unpack(self.shared.config.batch_size) {
            Ok(contents) => {
                let mut accumulator = self.shared.accumulator();
                let mut sequences = self.shared.sequences();
                accumulator.split(batch, contents, sequences.as_deref_mut());
            }
            Err(error) => {
                if let Some(mut sequences) = self.shared.sequences() {
                    sequences.failed(batch.slot, batch.key, true);
                }
                let text = format!("a batch that is too large cannot be split: {error}");
                self.give_up(batch, ClientError::Unsupported(text));
            }
        }
    }

    /// How long a batch waits after so many retries (KIP-580).
    fn pause(&self, attempts: u32) -> Duration {
        let client = &self.shared.config.client;
        let doubled = client.retry_backoff.saturating_mul(1 << attempts.min(20));
        let longest = client.retry_backoff_max.max(client.retry_backoff);
        doubled.min(longest).mul_f64(fastrand::f64() * 0.4 + 0.8)
    }
}

/// Takes the batch that an answer is about; looks first behind the one before.
fn take_from(
    request: &mut InFlightRequest,
    place: &mut usize,
    matches: impl Fn(&Batch) -> bool,
) -> Option<Batch> {
    let is_it = |batch: &Option<Batch>| batch.as_ref().is_some_and(&matches);
    let (before, behind) = request.batches.split_at(*place);
    let found = match behind.iter().position(is_it) {
        Some(index) => *place + index,
        None => before.iter().position(is_it)?,
    };
    *place = found + 1;
    request.batches[found].take()
}

/// The errors of single records. With one alone the partition's error is its own; among several
/// only their words tell them apart.
fn record_errors(
    error: &BrokerError,
    answer: &PartitionProduceResponse,
) -> HashMap<u32, ClientError> {
    let is_single = answer.record_errors.len() == 1;
    let invalid = ResponseError::InvalidRecord.code();
    let own = answer.record_errors.iter().filter_map(|record| {
        let index = u32::try_from(record.batch_index).ok()?;
        let code = if is_single { error.code } else { invalid };
        let words = record.batch_index_error_message.as_deref();
        let words = words.or(error.message.as_deref());
        let own = BrokerError::new(code, format!("{} record {index}", error.subject));
        Some((index, own.with_message(words).into()))
    });
    own.collect()
}
