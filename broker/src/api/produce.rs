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

use bytes::Bytes;
use ringbrook_engine::AppendError;
use ringbrook_protocol::produce::{
    Few, PartitionData, PartitionResponse, RecordError, Refusal, Request, TopicData, TopicResponse,
};
use ringbrook_protocol::{ApiKey, ProtocolError, ResponseError};
use uuid::Uuid;

use super::error::{KafkaError, NONE};
use super::transaction_check::{TransactionSupport, Verdict};
use super::{Answer, RequestContext, Response, dispatch};
use crate::controller::topic_name::is_internal;
use crate::replica::{NotServed, Partition, Served};

mod produced;
mod transactional;
mod wait;

pub(crate) use produced::Produced;
use transactional::Verdicts;
use wait::Wait;

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

/// Decodes the request and appends its batches; the answer waits for what `acks` names.
///
/// # Errors
/// The body is no produce request: nothing was appended.
pub(crate) fn handle(ctx: RequestContext, body: Bytes) -> Result<Answer, ProtocolError> {
    let mut request = Request::default();
    let decoded = request.decode(body, ctx.api_version);
    dispatch::decoded(&ctx, ApiKey::Produce as i16, decoded)?;
    let Some(acks) = Acks::parse(request.acks) else {
        // Not `acks=0`, so there is an answer.
        let error = ResponseError::InvalidRequiredAcks;
        return Ok(fail_all(&ctx, &request, Acks::Leader, error));
    };
    Ok(if transactional::has_transactional(&request) {
        transactional::handle(ctx, request, acks)
    } else {
        append_all(&ctx, &mut request, acks, Verdicts::default())
    })
}

/// Appends every batch that no verdict forbids.
fn append_all(
    ctx: &RequestContext,
    request: &mut Request,
    acks: Acks,
    mut verdicts: Verdicts,
) -> Answer {
    let mut produced = Produced::new(ctx, request);
    let served = ctx.turn_served();
    for (topic_index, topic) in request.topics.iter_mut().enumerate() {
        let TopicData {
            name,
            topic_id,
            partitions,
        } = topic;
        let mut answers = Few::with_capacity(partitions.len());
        for (partition_index, data) in partitions.iter_mut().enumerate() {
            let verdict = verdicts.take(topic_index, partition_index);
            let answer = match find(ctx, &served, name, *topic_id, data.index) {
                Ok(partition) => match append(ctx, partition, data, acks, verdict) {
                    Ok((answer, None)) => answer,
                    Ok((answer, Some(wait))) => {
                        produced.wait_for(topic_index, partition_index, wait);
                        answer
                    }
                    Err(answer) => answer,
                },
                Err(error) => failed(data.index, error.kafka_error(), None),
            };
            answers.push(answer);
        }
        produced.push(TopicResponse {
            name: std::mem::take(name),
            topic_id: *topic_id,
            partitions: answers,
        });
    }
    answer(produced, acks)
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
        served.replica_by_id(topic_id, index)
    } else {
        served.replica(name, index)
    }
}

/// Whether the client may not write to the partition because its topic is the broker's own.
fn is_refused(ctx: &RequestContext, partition: &Partition) -> bool {
    is_internal(partition.topic()) && ctx.client_id() != ADMIN_CLIENT_ID
}

/// `acks=0` has no response: an error can only be shown by closing the connection.
fn answer(produced: Box<Produced>, acks: Acks) -> Answer {
    if acks != Acks::Never {
        Answer::Produced(produced)
    } else if produced.has_errors() {
        Answer::Ready(Response::Close("a produce request with acks=0 failed"))
    } else {
        Answer::Ready(Response::Nothing)
    }
}

/// Answers every batch with the same error.
fn fail_all(ctx: &RequestContext, request: &Request, acks: Acks, error: ResponseError) -> Answer {
    let mut produced = Produced::new(ctx, request);
    let failure = |data: &PartitionData| failed(data.index, error, None);
    for topic in &request.topics {
        produced.push(TopicResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(failure).collect(),
        });
    }
    answer(produced, acks)
}

/// Appends one partition's batch: its answer if all goes well, and what has to be awaited first.
///
/// # Errors
/// The answer when nothing was appended.
fn append(
    ctx: &RequestContext,
    partition: &Arc<Partition>,
    data: &mut PartitionData,
    acks: Acks,
    verdict: Verdict,
) -> Result<(PartitionResponse, Option<Wait>), PartitionResponse> {
    let index = data.index;
    if is_refused(ctx, partition) {
        return Err(failed(index, ResponseError::InvalidTopicException, None));
    }
    let guard = verdict.map_err(|error| {
        let support = TransactionSupport::of_produce(ctx.api_version);
        let (error, text) = transactional::refusal(error, support);
        failed(index, error, text)
    })?;
    let records = data.records.take().unwrap_or_default();
    let wants_wait = acks != Acks::Never;
    let (appended, offsets) = partition
        .produce(records, ctx.turn_ms(), guard, wants_wait)
        .map_err(|error| refused(index, error))?;
    let answer = PartitionResponse {
        index,
        error_code: NONE,
        base_offset: appended.base_offset,
        log_append_time_ms: appended.log_append_time_ms,
        log_start_offset: appended.log_start_offset,
        refusal: None,
    };
    let end = appended.last_offset + 1;
    Ok((answer, offsets.map(|it| Wait::new(it, end, acks))))
}

fn failed(index: i32, error: ResponseError, message: Option<String>) -> PartitionResponse {
    let refusal = message.map(|message| Refusal {
        message,
        record_errors: Vec::new(),
    });
    PartitionResponse {
        index,
        error_code: error.code(),
        base_offset: NO_OFFSET,
        log_append_time_ms: NO_OFFSET,
        log_start_offset: NO_OFFSET,
        refusal: refusal.map(Box::new),
    }
}

/// The answer for a batch that the log refused, with the records at fault where it names them.
fn refused(index: i32, error: AppendError) -> PartitionResponse {
    let answer = failed(index, error.kafka_error(), None);
    let message = error.to_string();
    let record_errors = match error {
        AppendError::InvalidRecord { record_errors, .. }
        | AppendError::InvalidTimestamp { record_errors, .. } => record_errors,
        _ => Vec::new(),
    };
    let record_errors = record_errors
        .into_iter()
        .map(|(batch_index, message)| RecordError {
            batch_index,
            message,
        })
        .collect();
    PartitionResponse {
        refusal: Some(Box::new(Refusal {
            message,
            record_errors,
        })),
        ..answer
    }
}
