//! Requests as a client's library would encode them, built once before the load begins.

use anyhow::Context;
use bytes::{BufMut, Bytes, BytesMut};
use ringbrook_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::{FetchRequest, ProduceRequest, RequestHeader, TransactionalId};
use ringbrook_protocol::{Encodable, Request, StrBytes};
use ringbrook_record::{BatchBuilder, Codec};
use uuid::Uuid;

use crate::admin::topic_name;

/// Version of the produce requests: the newest, which current Java clients send.
pub(crate) const PRODUCE_VERSION: i16 = 13;
/// Version of the fetch requests.
pub(crate) const FETCH_VERSION: i16 = 17;

/// Produce requests name topics by their ids from this version on (KIP-516), others by their names.
const PRODUCE_VERSION_TOPIC_ID: i16 = 13;
/// The same of fetch requests.
const FETCH_VERSION_TOPIC_ID: i16 = 13;

/// Versions of the requests that a load is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) produce: i16,
    pub(crate) fetch: i16,
}

impl Versions {
    /// Those of current Java clients.
    pub(crate) const NEWEST: Self = Self {
        produce: PRODUCE_VERSION,
        fetch: FETCH_VERSION,
    };
}

/// A topic as requests of any version name it.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
}

const CLIENT_ID: &str = "ringbrook-bench";
/// Wait for all in-sync replicas: the default of current producers.
const ACKS_ALL: i16 = -1;
const TIMEOUT_MS: i32 = 30_000;
/// Bytes of the records that large batches are made of.
const RECORD_BYTES: usize = 1024;
/// Most that a record adds to its value, with an empty key and no headers.
const RECORD_OVERHEAD_BYTES_MAX: usize = 16;

/// A frame with its length field.
///
/// # Errors
/// The request holds what `version` cannot express.
pub(crate) fn encode<Q: Request>(
    request: &Q,
    version: i16,
    correlation_id: i32,
) -> anyhow::Result<Bytes> {
    let header = RequestHeader::default()
        .with_request_api_key(Q::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
    let mut frame = BytesMut::new();
    frame.put_u32(0);
    header
        .encode(&mut frame, Q::header_version(version))
        .and_then(|()| request.encode(&mut frame, version))
        .map_err(|error| anyhow::anyhow!("cannot encode a request: {error}"))?;
    let length = u32::try_from(frame.len() - 4)?;
    let field = frame.first_chunk_mut().context("4 bytes")?;
    *field = length.to_be_bytes();
    Ok(frame.freeze())
}

/// A batch of exactly `batch_bytes` bytes, of records of about 1 KiB that do not compress.
///
/// # Errors
/// `batch_bytes` is too small for a record.
pub(crate) fn batch(batch_bytes: usize, now_ms: i64) -> anyhow::Result<Bytes> {
    let mut values = Values::new();
    let mut builder = BatchBuilder::new();
    while builder.size_bytes() + 2 * (RECORD_BYTES + RECORD_OVERHEAD_BYTES_MAX) <= batch_bytes {
        builder.append(now_ms, None, Some(values.next(RECORD_BYTES)), [])?;
    }
    // The last one fills up; its length field takes a byte more or less with its length.
    let room = batch_bytes - builder.size_bytes();
    for value_bytes in (1..room).rev() {
        let mut filled = builder.clone();
        filled.append(now_ms, None, Some(values.next(value_bytes)), [])?;
        if filled.size_bytes() == batch_bytes {
            return Ok(filled.finish(Codec::None, None)?.freeze());
        }
    }
    anyhow::bail!("no batch has {batch_bytes} bytes")
}

/// A batch of one record of `record_bytes` bytes of value.
///
/// # Errors
/// None in practice.
pub(crate) fn one_record(record_bytes: usize, now_ms: i64) -> anyhow::Result<Bytes> {
    let mut builder = BatchBuilder::new();
    builder.append(now_ms, None, Some(Values::new().next(record_bytes)), [])?;
    Ok(builder.finish(Codec::None, None)?.freeze())
}

/// A request that appends `batch` to one partition. The correlation id is the partition's number.
///
/// # Errors
/// None in practice.
pub(crate) fn produce(topic: Uuid, partition: i32, batch: &Bytes) -> anyhow::Result<Bytes> {
    produce_as(None, topic, partition, batch)
}

/// The same for a producer with a transactional id.
///
/// # Errors
/// None in practice.
pub(crate) fn produce_as(
    transactional_id: Option<&str>,
    topic: Uuid,
    partition: i32,
    batch: &Bytes,
) -> anyhow::Result<Bytes> {
    let transactional_id = transactional_id.map(|id| StrBytes::from_string(id.to_owned()));
    let topic = TopicProduceData::default().with_topic_id(topic);
    let request = ProduceRequest::default()
        .with_transactional_id(transactional_id.map(TransactionalId))
        .with_acks(ACKS_ALL)
        .with_timeout_ms(TIMEOUT_MS)
        .with_topic_data(vec![topic.with_partition_data(data(partition, batch))]);
    encode(&request, PRODUCE_VERSION, partition)
}

/// The same without one, in a version that the broker is known to serve.
///
/// # Errors
/// None in practice.
pub(crate) fn produce_in(
    version: i16,
    topic: &Topic,
    partition: i32,
    batch: &Bytes,
) -> anyhow::Result<Bytes> {
    if PRODUCE_VERSION_TOPIC_ID <= version {
        return produce(topic.id, partition, batch);
    }
    let topic = TopicProduceData::default().with_name(topic_name(&topic.name));
    let request = ProduceRequest::default()
        .with_acks(ACKS_ALL)
        .with_timeout_ms(TIMEOUT_MS)
        .with_topic_data(vec![topic.with_partition_data(data(partition, batch))]);
    encode(&request, version, partition)
}

fn data(partition: i32, batch: &Bytes) -> Vec<PartitionProduceData> {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch.clone()));
    vec![data]
}

/// A request outside of any session for up to `bytes` bytes of one partition.
///
/// # Errors
/// None in practice.
pub(crate) fn fetch(
    topic: Uuid,
    partition: i32,
    offset: i64,
    bytes: usize,
) -> anyhow::Result<Bytes> {
    let topic = FetchTopic::default().with_topic_id(topic);
    fetch_of(FETCH_VERSION, topic, partition, offset, bytes)
}

/// The same in a version that the broker is known to serve.
///
/// # Errors
/// None in practice.
pub(crate) fn fetch_in(
    version: i16,
    topic: &Topic,
    partition: i32,
    offset: i64,
    bytes: usize,
) -> anyhow::Result<Bytes> {
    let topic = if FETCH_VERSION_TOPIC_ID <= version {
        FetchTopic::default().with_topic_id(topic.id)
    } else {
        FetchTopic::default().with_topic(topic_name(&topic.name))
    };
    fetch_of(version, topic, partition, offset, bytes)
}

fn fetch_of(
    version: i16,
    topic: FetchTopic,
    partition: i32,
    offset: i64,
    bytes: usize,
) -> anyhow::Result<Bytes> {
    let bytes = i32::try_from(bytes)?;
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(bytes);
    let request = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(bytes)
        .with_session_epoch(-1)
        .with_topics(vec![topic.with_partitions(vec![wanted])]);
    encode(&request, version, partition)
}

/// A request to a null server for a range of its file.
pub(crate) fn null_fetch(position: u64, bytes: u64) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u32(16);
    frame.put_u64(position);
    frame.put_u64(bytes);
    frame.freeze()
}

/// Bytes that do not compress, the same in every run (xorshift).
pub(crate) struct Values {
    state: u64,
    bytes: Vec<u8>,
}

impl Values {
    pub(crate) fn new() -> Self {
        Self {
            state: 0x9e37_79b9_7f4a_7c15,
            bytes: Vec::new(),
        }
    }

    /// The next `count` bytes.
    pub(crate) fn next(&mut self, count: usize) -> &[u8] {
        self.bytes.clear();
        while self.bytes.len() < count {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            self.bytes.extend_from_slice(&self.state.to_le_bytes());
        }
        self.bytes.get(..count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use ringbrook_record::Batch;

    use super::*;

    #[test]
    fn requests_of_older_versions_name_the_topic() {
        let topic = Topic {
            name: "bench-old".to_owned(),
            id: Uuid::from_u128(7),
        };
        let batch = batch(4096, 1_700_000_000_000).unwrap();
        let names_it = |frame: &Bytes| frame.windows(9).any(|it| it == b"bench-old");
        for (version, is_named) in [(3, true), (12, true), (13, false)] {
            let frame = produce_in(version, &topic, 0, &batch).unwrap();
            assert_eq!(names_it(&frame), is_named, "produce {version}");
        }
        for (version, is_named) in [(4, true), (12, true), (13, false), (17, false)] {
            let frame = fetch_in(version, &topic, 0, 0, 4096).unwrap();
            assert_eq!(names_it(&frame), is_named, "fetch {version}");
        }
    }

    #[test]
    fn a_batch_has_exactly_the_bytes_asked_for() {
        for batch_bytes in [4096, 65_536, 1_048_576] {
            let bytes = batch(batch_bytes, 1_700_000_000_000).unwrap();
            assert_eq!(bytes.len(), batch_bytes);
            Batch::parse(&bytes).unwrap().verify_crc().unwrap();
        }
    }
}
