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
//! Batches of transactions may have to be verified first: `produce/transactional.rs`.
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
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::{KafkaError, NONE, reached_error};
use super::transaction_check::{TransactionSupport, Verdict};
use super::{Answer, RequestContext, Response};
use crate::controller::topic_name::is_internal;
use crate::replica::{NotServed, Partition, Reached, Served};

mod transactional;

use transactional::Verdicts;

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
        // Not `acks=0`, so there is an answer.
        let error = ResponseError::InvalidRequiredAcks;
        return fail_all(&ctx, &request, Acks::Leader, error);
    };
    if transactional::has_transactional(&request) {
        return transactional::handle(ctx, request, acks);
    }
    append_all(&ctx, request, acks, Verdicts::default())
}

/// Appends every batch that no verdict forbids.
fn append_all(
    ctx: &RequestContext,
    request: ProduceRequest,
    acks: Acks,
    mut verdicts: Verdicts,
) -> Answer {
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
            let verdict = verdicts.take(topic_index, partition_index);
            let (answer, wait) = match find(ctx, &served, &name, topic_id, data.index) {
                Ok(partition) => append(ctx, partition, data, acks, verdict),
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
        return Answer::Ready(Response::message(ctx, &response));
    }
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let ctx = ctx.clone();
    Answer::Later(Box::pin(async move {
        await_all(&mut response, pending, timeout).await;
        Response::message(&ctx, &response)
    }))
}

/// The partition of a request, by the name or the id of its topic.
fn find<'a>(
    ctx: &RequestContext,
    served: &'a Served,
    name: &str,
    topic_id: Uuid,
    index: i32,
) -> Result<&'a Arc<Partition>, NotServed> {
    if TOPIC_ID_VERSION <= ctx.api_version {
        served.partition_by_id(topic_id, index)
    } else {
        served.partition(name, index)
    }
}

/// Whether the client may not write to the partition because its topic is the broker's own.
fn is_refused(ctx: &RequestContext, partition: &Partition) -> bool {
    is_internal(partition.topic()) && ctx.client_id() != ADMIN_CLIENT_ID
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

/// Answers every batch with the same error.
fn fail_all(
    ctx: &RequestContext,
    request: &ProduceRequest,
    acks: Acks,
    error: ResponseError,
) -> Answer {
    let mut response = ProduceResponse::default();
    for topic in &request.topic_data {
        let partitions = topic
            .partition_data
            .iter()
            .map(|data| failed(data.index, error, None))
            .collect();
        response.responses.push(
            TopicProduceResponse::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partition_responses(partitions),
        );
    }
    Answer::Ready(if acks == Acks::Never {
        silence(&response)
    } else {
        Response::message(ctx, &response)
    })
}

/// Appends one partition's batch: its answer if all goes well, and what has to be awaited first.
fn append(
    ctx: &RequestContext,
    partition: &Arc<Partition>,
    data: PartitionProduceData,
    acks: Acks,
    verdict: Verdict,
) -> (PartitionProduceResponse, Option<Wait>) {
    if is_refused(ctx, partition) {
        return (
            failed(data.index, ResponseError::InvalidTopicException, None),
            None,
        );
    }
    let guard = match verdict {
        Ok(guard) => guard,
        Err(error) => {
            let support = TransactionSupport::of_produce(ctx.api_version);
            let (error, text) = transactional::refusal(error, support);
            return (failed(data.index, error, text), None);
        }
    };
    let records = data.records.unwrap_or_default();
    match partition.append_verified(records, Origin::Client, ctx.now_ms(), guard) {
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
