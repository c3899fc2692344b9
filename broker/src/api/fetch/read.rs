//! Reading the partitions of a fetch: limits, errors, byte ranges.

use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{AbortedTransaction, EpochEndOffset, FileRegion};
use ringbrook_protocol::messages::{FetchRequest, TopicName};
use ringbrook_protocol::{REGION_BYTES_MAX, ResponseError};
use uuid::Uuid;

use super::super::error::{KafkaError, NONE, epoch_error};
use crate::replica::{NotServed, Partition, Served};
use std::sync::Arc;

/// Isolation level of a consumer that wants committed transactions only.
const READ_COMMITTED: i8 = 1;
/// Offset and epoch of an answer without one.
const UNKNOWN: i64 = -1;
/// Replica id of a consumer.
const CONSUMER_REPLICA_ID: i32 = -1;

/// A partition that a fetch asks for.
#[derive(Debug, Clone)]
pub(super) struct Interest {
    /// Name of the topic; empty when it is named by id.
    pub(super) topic: TopicName,
    /// Id of the topic; nil when it is named by name.
    pub(super) topic_id: Uuid,
    pub(super) index: i32,
    pub(super) fetch_offset: i64,
    pub(super) max_bytes: i32,
    pub(super) current_leader_epoch: i32,
    pub(super) last_fetched_epoch: i32,
}

impl Interest {
    /// The partition, if it is served here.
    pub(super) fn partition<'a>(
        &self,
        served: &'a Served,
    ) -> Result<&'a Arc<Partition>, NotServed> {
        if self.topic_id.is_nil() {
            served.partition(&self.topic, self.index)
        } else {
            served.partition_by_id(self.topic_id, self.index)
        }
    }
}

/// What a fetch may see, and how much of it.
pub(super) struct Limits {
    max_bytes: usize,
    min_bytes: usize,
    isolation_level: i8,
    is_replica: bool,
}

impl Limits {
    /// The request's limits, cut to the broker's `fetch.max.bytes`.
    pub(super) fn of(request: &FetchRequest, fetch_max_bytes: usize) -> Self {
        let max_bytes = usize::try_from(request.max_bytes)
            .unwrap_or(0)
            .min(fetch_max_bytes);
        let replica_id = request.replica_id.0.max(request.replica_state.replica_id.0);
        Self {
            max_bytes,
            min_bytes: usize::try_from(request.min_bytes)
                .unwrap_or(0)
                .min(max_bytes),
            isolation_level: request.isolation_level,
            is_replica: CONSUMER_REPLICA_ID < replica_id,
        }
    }

    /// Whether a consumer asks for committed transactions only.
    fn is_committed(&self) -> bool {
        self.isolation_level == READ_COMMITTED && !self.is_replica
    }

    /// First offset that the fetch may not see.
    fn upper(&self, partition: &Partition) -> i64 {
        let offsets = partition.log().offsets();
        if self.is_replica {
            offsets.log_end
        } else if self.is_committed() {
            offsets.last_stable
        } else {
            offsets.high_watermark
        }
    }
}

/// What reading one partition gave.
pub(super) struct PartitionRead {
    pub(super) error_code: i16,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) log_start_offset: i64,
    pub(super) diverging: Option<EpochEndOffset>,
    pub(super) aborted: Option<Vec<AbortedTransaction>>,
    pub(super) regions: Vec<FileRegion<UringDisk>>,
    pub(super) bytes: usize,
}

impl PartitionRead {
    /// Nothing known and nothing read.
    pub(super) fn empty() -> Self {
        Self {
            error_code: NONE,
            high_watermark: UNKNOWN,
            last_stable_offset: UNKNOWN,
            log_start_offset: UNKNOWN,
            diverging: None,
            aborted: None,
            regions: Vec::new(),
            bytes: 0,
        }
    }

    fn failed(error: ResponseError) -> Self {
        Self {
            error_code: error.code(),
            ..Self::empty()
        }
    }
}

/// Reads the partitions in order. Until one has yielded data a whole first batch is returned even
/// if it is larger than the limits, so that a consumer always makes progress; then limits are hard.
pub(super) async fn read_all(
    served: &Served,
    interests: &[Interest],
    limits: &Limits,
) -> Vec<PartitionRead> {
    let mut reads = Vec::with_capacity(interests.len());
    let mut remaining = limits.max_bytes;
    let mut has_data = false;
    for interest in interests {
        let read = match interest.partition(served) {
            Ok(partition) => read(partition, interest, limits, remaining, !has_data).await,
            Err(error) => PartitionRead::failed(error.kafka_error()),
        };
        remaining = remaining.saturating_sub(read.bytes);
        has_data |= read.bytes != 0;
        reads.push(read);
    }
    reads
}

async fn read(
    partition: &Partition,
    interest: &Interest,
    limits: &Limits,
    remaining: usize,
    min_one_batch: bool,
) -> PartitionRead {
    if let Some(error) = epoch_error(partition.check_epoch(interest.current_leader_epoch)) {
        return PartitionRead::failed(error);
    }
    let upper = limits.upper(partition);
    let log = partition.log();
    let mut read = PartitionRead::empty();
    match diverging(partition, interest) {
        Ok(diverging) => read.diverging = diverging,
        Err(error) => return PartitionRead::failed(error),
    }
    if read.diverging.is_none() {
        let partition_max_bytes = usize::try_from(interest.max_bytes).unwrap_or(0);
        let max_bytes = partition_max_bytes.min(remaining).min(REGION_BYTES_MAX);
        let offset = interest.fetch_offset;
        let slice = if limits.is_committed() {
            log.read_committed(offset, max_bytes, upper, min_one_batch)
                .await
        } else {
            log.read(offset, max_bytes, upper, min_one_batch).await
        };
        match slice {
            Ok(slice) => {
                for region in &slice.regions {
                    if let Err(error) = log.ensure_cached(region).await {
                        return PartitionRead::failed(error.kafka_error());
                    }
                }
                read.bytes = slice.bytes;
                read.regions = slice.regions;
                read.aborted = limits.is_committed().then_some(slice.aborted);
            }
            Err(error) => return PartitionRead::failed(error.kafka_error()),
        }
    }
    let offsets = log.offsets();
    read.high_watermark = offsets.high_watermark;
    read.last_stable_offset = offsets.last_stable;
    read.log_start_offset = offsets.log_start;
    read
}

/// Where the fetcher's log parts from this one, if it does (KIP-595; followers ask from v12 on).
fn diverging(
    partition: &Partition,
    interest: &Interest,
) -> Result<Option<EpochEndOffset>, ResponseError> {
    if interest.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let Some(end) = partition
        .log()
        .end_offset_for_epoch(interest.last_fetched_epoch)
    else {
        return Err(ResponseError::OffsetOutOfRange);
    };
    let is_diverging =
        end.epoch < interest.last_fetched_epoch || end.end_offset < interest.fetch_offset;
    Ok(is_diverging.then_some(end))
}

/// Whether the answer can go out now.
pub(super) fn is_enough(reads: &[PartitionRead], limits: &Limits) -> bool {
    let bytes: usize = reads.iter().map(|read| read.bytes).sum();
    limits.min_bytes <= bytes
        || reads
            .iter()
            .any(|read| read.error_code != NONE || read.diverging.is_some())
}

/// Whether reading again may give enough; an estimate that costs no system call.
pub(super) fn may_complete(served: &Served, interests: &[Interest], limits: &Limits) -> bool {
    let mut bytes = 0usize;
    for interest in interests {
        let Ok(partition) = interest.partition(served) else {
            return true;
        };
        if epoch_error(partition.check_epoch(interest.current_leader_epoch)).is_some() {
            return true;
        }
        let upper = limits.upper(partition);
        let Some(available) = partition
            .log()
            .bytes_available(interest.fetch_offset, upper)
        else {
            return true;
        };
        let available = usize::try_from(available).unwrap_or(usize::MAX);
        bytes =
            bytes.saturating_add(available.min(usize::try_from(interest.max_bytes).unwrap_or(0)));
    }
    limits.min_bytes <= bytes
}
