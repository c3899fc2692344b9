//! Produce (0): append record batches to partitions.
//!
//! The road of a produce request: `net/connection.rs` cuts the frame and calls
//! [`handle`], which runs in the order of the connection's requests: for every partition it checks
//! the request and calls `Partition::append`, which validates the batch, assigns offsets and queues
//! it (`engine: log/append.rs`), and starts the write when none is in flight. What is left is
//! waiting: until the offsets are published (`acks=1`) or committed (`acks=all`). With
//! `flush.before.ack` publishing follows the sync. The records stay in the frame's buffer from the
//! socket to `writev`.
//!
//! Versions 3-13 are served; 0-2 are advertised only (KAFKA-18659). From version 13 on topics are
//! named by id. Kafka: `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecords`.

use std::sync::Arc;
use std::time::Duration;

use ringbrook_engine::{AppendError, Origin};
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use ringbrook_protocol::messages::{ProduceRequest, ProduceResponse};
use ringbrook_protocol::{ResponseError, StrBytes};
use ringbrook_record::BatchHeader;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::{KafkaError, NONE, reached_error};
use super::{Answer, RequestContext, Response};
use crate::controller::topic_name::is_internal;
use crate::replica::{Partition, Reached};

/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;
/// Kafka's tools may write internal topics under this client id.
const ADMIN_CLIENT_ID: &str = "__admin_client";
/// The base offset of an answer without one.
const NO_OFFSET: i64 = -1;

/// When the producer wants to hear.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Acks {
    Never,
    Leader,
    All,
}

impl Acks {
    fn parse(acks: i16) -> Option<Self> {
        match acks {
            0 => Some(Acks::Never),
            1 => Some(Acks::Leader),
            -1 => Some(Acks::All),
            _ => None,
        }
    }
}

/// A partition's part of the answer, and what it still waits for.
struct Pending {
    topic_index: usize,
    partition_index: usize,
    wait: Wait,
}

/// What the answer for an appended batch has to wait for, in turn.
struct Wait {
    /// Until the batch is published; `None` when it is.
    published: Option<oneshot::Receiver<Reached>>,
    /// Then until all records below the offset are committed, with `acks=all`.
    committed: Option<(Arc<Partition>, i64)>,
}

impl Wait {
    /// `None` when there is nothing to wait for.
    fn new(partition: &Arc<Partition>, end: i64, acks: Acks) -> Option<Self> {
        if acks == Acks::Never {
            return None;
        }
        let published = partition.published(end);
        let needs_commit = acks == Acks::All
            && (published.is_some() || partition.log().offsets().high_watermark < end);
        let committed = needs_commit.then(|| (Arc::clone(partition), end));
        (published.is_some() || committed.is_some()).then_some(Self {
            published,
            committed,
        })
    }

    /// Waits for this broker's disk for as long as it takes, then for other brokers until
    /// `deadline`. A partition without followers sets no timer: with few clients each would cost
    /// two system calls, because its deadline comes before all others.
    async fn end(self, deadline: Instant) -> Option<ResponseError> {
        if let Some(published) = self.published
            && let Some(error) = outcome(published.await)
        {
            return Some(error);
        }
        let (partition, end) = self.committed?;
        let committed = partition.committed(end)?;
        match tokio::time::timeout_at(deadline, committed).await {
            Ok(reached) => outcome(reached),
            Err(_) => Some(ResponseError::RequestTimedOut),
        }
    }
}

fn outcome(reached: Result<Reached, oneshot::error::RecvError>) -> Option<ResponseError> {
    match reached {
        Ok(reached) => reached_error(reached),
        // The partition is gone together with those who waited for it.
        Err(_) => Some(ResponseError::NotLeaderOrFollower),
    }
}

/// Appends the request's batches; the answer waits for what `acks` names.
pub(crate) fn handle(ctx: RequestContext, request: ProduceRequest) -> Answer {
    let Some(acks) = Acks::parse(request.acks) else {
        return invalid_acks(&ctx, &request);
    };
    // No transaction can be open: this broker has no transaction coordinator.
    let transaction_error = match &request.transactional_id {
        Some(id) if !id.is_empty() => ResponseError::InvalidTxnState,
        _ => ResponseError::TransactionalIdAuthorizationFailed,
    };
    let served = ctx.broker().replicas.served();
    let mut pending = Vec::new();
    let mut response = ProduceResponse::default();
    response.responses.reserve(request.topic_data.len());
    for (topic_index, topic) in request.topic_data.into_iter().enumerate() {
        let mut answered = TopicProduceResponse::default();
        answered
            .partition_responses
            .reserve(topic.partition_data.len());
        let TopicProduceData {
            name,
            topic_id,
            partition_data,
            ..
        } = topic;
        for (partition_index, data) in partition_data.into_iter().enumerate() {
            let partition = if TOPIC_ID_VERSION <= ctx.api_version {
                served.partition_by_id(topic_id, data.index)
            } else {
                served.partition(&name, data.index)
            };
            let (answer, wait) = match partition {
                Ok(partition) => append(&ctx, partition, data, acks, transaction_error),
                Err(error) => (failed(data.index, error.kafka_error(), None), None),
            };
            answered.partition_responses.push(answer);
            if let Some(wait) = wait {
                pending.push(Pending {
                    topic_index,
                    partition_index,
                    wait,
                });
            }
        }
        response
            .responses
            .push(answered.with_name(name).with_topic_id(topic_id));
    }
    if acks == Acks::Never {
        return Answer::Ready(silence(&response));
    }
    if pending.is_empty() {
        return Answer::Ready(Response::message(&ctx, &response));
    }
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    Answer::Later(Box::pin(async move {
        await_all(&mut response, pending, timeout).await;
        Response::message(&ctx, &response)
    }))
}

/// `acks=0` has no response: an error can only be shown by closing the connection.
fn silence(response: &ProduceResponse) -> Response {
    let mut partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    if partitions.any(|partition| partition.error_code != NONE) {
        Response::Close("a produce request with acks=0 failed")
    } else {
        Response::Nothing
    }
}

fn invalid_acks(ctx: &RequestContext, request: &ProduceRequest) -> Answer {
    let mut response = ProduceResponse::default();
    for topic in &request.topic_data {
        let partitions = topic
            .partition_data
            .iter()
            .map(|data| failed(data.index, ResponseError::InvalidRequiredAcks, None))
            .collect();
        response.responses.push(
            TopicProduceResponse::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partition_responses(partitions),
        );
    }
    Answer::Ready(Response::message(ctx, &response))
}

/// Appends one partition's batch: its answer if all goes well, and what has to be awaited first.
fn append(
    ctx: &RequestContext,
    partition: &Arc<Partition>,
    data: PartitionProduceData,
    acks: Acks,
    transaction_error: ResponseError,
) -> (PartitionProduceResponse, Option<Wait>) {
    if is_internal(partition.topic()) && ctx.client_id() != ADMIN_CLIENT_ID {
        return (
            failed(data.index, ResponseError::InvalidTopicException, None),
            None,
        );
    }
    let records = data.records.unwrap_or_default();
    if is_transactional(&records) {
        return (failed(data.index, transaction_error, None), None);
    }
    match partition.append(records, Origin::Client, ctx.now_ms()) {
        Ok(appended) => {
            let answer = PartitionProduceResponse::default()
                .with_index(data.index)
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.log_append_time_ms)
                .with_log_start_offset(appended.log_start_offset);
            let end = appended.last_offset + 1;
            (answer, Wait::new(partition, end, acks))
        }
        Err(error) => (refused(data.index, &error), None),
    }
}

/// Whether the batch claims to be part of a transaction. What is no batch is not; the log says so.
fn is_transactional(records: &[u8]) -> bool {
    BatchHeader::parse(records).is_ok_and(|header| header.attributes.is_transactional())
}

fn failed(index: i32, error: ResponseError, message: Option<String>) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(error.code())
        .with_base_offset(NO_OFFSET)
        .with_log_append_time_ms(NO_OFFSET)
        .with_log_start_offset(NO_OFFSET)
        .with_error_message(message.map(StrBytes::from_string))
}

/// The answer for a batch that the log refused, with the records at fault where it names them.
fn refused(index: i32, error: &AppendError) -> PartitionProduceResponse {
    let answer = failed(index, error.kafka_error(), Some(error.to_string()));
    let (AppendError::InvalidRecord { record_errors, .. }
    | AppendError::InvalidTimestamp { record_errors, .. }) = error
    else {
        return answer;
    };
    let record_errors = record_errors
        .iter()
        .map(|(batch_index, message)| {
            BatchIndexAndErrorMessage::default()
                .with_batch_index(*batch_index)
                .with_batch_index_error_message(Some(StrBytes::from_string(message.clone())))
        })
        .collect();
    answer.with_record_errors(record_errors)
}

/// Waits for every pending partition; puts errors into the response.
async fn await_all(response: &mut ProduceResponse, pending: Vec<Pending>, timeout: Duration) {
    let deadline = Instant::now() + timeout;
    for Pending {
        topic_index,
        partition_index,
        wait,
    } in pending
    {
        let error = wait.end(deadline).await;
        let Some(error) = error else { continue };
        let partition = response
            .responses
            .get_mut(topic_index)
            .and_then(|topic| topic.partition_responses.get_mut(partition_index));
        if let Some(partition) = partition {
            *partition = failed(partition.index, error, None);
        }
    }
}
