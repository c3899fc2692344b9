//! Fetch (1): byte ranges of partition logs, as they lie in the segment files.
//!
//! The road of a fetch: resolve the session to a list of partitions (`fetch/session.rs`), find
//! their byte ranges in the logs (`fetch/read.rs`; nothing is decoded), and if there are too few
//! bytes wait until an append wakes the fetch or `max_wait_ms` is over. The answer holds file
//! regions instead of records; `net/send.rs` sends them with `sendfile`.
//!
//! Versions 4-18; sessions are KIP-227, topic ids (from 13) KIP-516. Kafka:
//! `KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages`, `DelayedFetch`.

mod read;
mod session;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringbrook_engine::FileRegion;
use ringbrook_engine::io::UringDisk;
use ringbrook_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData,
};
use ringbrook_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ProducerId};
use ringbrook_protocol::placeholder;

use super::{RequestContext, Response};
use crate::replica::{FetchWait, Partition, Served};
use read::{Interest, Limits, PartitionRead};
pub(crate) use session::FetchSessions;
use session::SessionContext;

/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;

/// Answers with what is there, or waits for more.
pub(crate) async fn handle(ctx: RequestContext, mut request: FetchRequest) -> Response {
    let sessions = &ctx.broker().fetch_sessions;
    let uses_topic_ids = TOPIC_ID_VERSION <= ctx.api_version;
    let session = match sessions.begin(&mut request, uses_topic_ids, ctx.now_ms()) {
        Ok(session) => session,
        Err(error) => {
            let response = FetchResponse::default().with_error_code(error.code());
            return Response::message(&ctx, &response);
        }
    };
    let limits = Limits::of(&request, ctx.broker().config().network.fetch_max_bytes);
    let interests = session.interests(&request);
    let reads = read_or_wait(&ctx, &request, &interests, &limits).await;
    respond(&ctx, &session, interests, reads)
}

/// Reads; when that is too little, waits for appends until there is enough or time is up.
async fn read_or_wait(
    ctx: &RequestContext,
    request: &FetchRequest,
    interests: &[Interest],
    limits: &Limits,
) -> Vec<PartitionRead> {
    let served = ctx.broker().replicas.served().clone();
    let reads = read::read_all(&served, interests, limits).await;
    let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    if max_wait.is_zero() || interests.is_empty() || read::is_enough(&reads, limits) {
        return reads;
    }
    drop(reads);
    let registration = Registration::new(&served, interests);
    let deadline = tokio::time::Instant::now() + max_wait;
    loop {
        let served = ctx.broker().replicas.served().clone();
        if read::may_complete(&served, interests, limits) {
            let reads = read::read_all(&served, interests, limits).await;
            if read::is_enough(&reads, limits) {
                return reads;
            }
        }
        let advanced = registration.wait.advanced.notified();
        if tokio::time::timeout_at(deadline, advanced).await.is_err() {
            return read::read_all(&served, interests, limits).await;
        }
    }
}

/// A waiting fetch's entries in its partitions' lists; taken out when it ends or is dropped.
struct Registration {
    wait: Arc<FetchWait>,
    partitions: Vec<Arc<Partition>>,
}

impl Registration {
    fn new(served: &Served, interests: &[Interest]) -> Self {
        let wait = Arc::<FetchWait>::default();
        let partitions: Vec<_> = interests
            .iter()
            .filter_map(|it| it.partition(served).ok())
            .cloned()
            .collect();
        for partition in &partitions {
            partition.fetches().register(&wait);
        }
        Self { wait, partitions }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        for partition in &self.partitions {
            partition.fetches().deregister(&self.wait);
        }
    }
}

/// Builds the response; partitions in which nothing changed are left out of incremental ones.
fn respond(
    ctx: &RequestContext,
    session: &SessionContext,
    interests: Vec<Interest>,
    reads: Vec<PartitionRead>,
) -> Response {
    let mut regions = VecDeque::new();
    let mut response = FetchResponse::default().with_session_id(session.response_id());
    let included = session.end(&interests, &reads);
    for ((interest, read), is_included) in interests.into_iter().zip(reads).zip(included) {
        if !is_included {
            continue;
        }
        let data = partition_data(interest.index, read, &mut regions);
        match response.responses.last_mut() {
            Some(last) if last.topic == interest.topic && last.topic_id == interest.topic_id => {
                last.partitions.push(data);
            }
            _ => response.responses.push(
                FetchableTopicResponse::default()
                    .with_topic(interest.topic)
                    .with_topic_id(interest.topic_id)
                    .with_partitions(vec![data]),
            ),
        }
    }
    Response::with_regions(ctx, &response, regions)
}

fn partition_data(
    index: i32,
    read: PartitionRead,
    regions: &mut VecDeque<FileRegion<UringDisk>>,
) -> PartitionData {
    // Never null: librdkafka fails the whole response on null records.
    let records = if read.bytes == 0 {
        Bytes::new()
    } else {
        placeholder(read.bytes)
    };
    regions.extend(read.regions);
    let mut data = PartitionData::default()
        .with_partition_index(index)
        .with_error_code(read.error_code)
        .with_high_watermark(read.high_watermark)
        .with_last_stable_offset(read.last_stable_offset)
        .with_log_start_offset(read.log_start_offset)
        .with_preferred_read_replica(BrokerId(-1))
        .with_aborted_transactions(read.aborted.map(|aborted| {
            aborted
                .into_iter()
                .map(|transaction| {
                    AbortedTransaction::default()
                        .with_producer_id(ProducerId(transaction.producer_id))
                        .with_first_offset(transaction.first_offset)
                })
                .collect()
        }))
        .with_records(Some(records));
    if let Some(diverging) = read.diverging {
        data.diverging_epoch = EpochEndOffset::default()
            .with_epoch(diverging.epoch)
            .with_end_offset(diverging.end_offset);
    }
    data
}
