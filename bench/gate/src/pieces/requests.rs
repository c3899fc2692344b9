//! Requests and responses of Produce and Fetch, and the metadata that a client has of a topic.

use bytes::{Buf, Bytes, BytesMut};
use ringbrook_client::metadata::{PartitionMetadata, TopicMetadata};
use ringbrook_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ringbrook_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::{FetchRequest, FetchResponse, ProduceRequest, RequestHeader};
use ringbrook_protocol::{
    Encodable, Request, StrBytes, decode, decode_request_header, placeholder, produce,
};
use uuid::Uuid;

/// Topics by id.
pub const PRODUCE_VERSION: i16 = 13;
/// Topics by id.
pub const FETCH_VERSION: i16 = 17;
/// The id of the topic.
pub const TOPIC: Uuid = Uuid::from_u128(7);
const CLIENT_ID: StrBytes = StrBytes::from_static_str("producer-1");

/// A request frame without its length field.
///
/// # Panics
/// The request does not fit the version.
pub fn frame<Q: Request>(request: &Q, version: i16) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(Q::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(CLIENT_ID));
    let mut bytes = BytesMut::new();
    header
        .encode(&mut bytes, Q::header_version(version))
        .and_then(|()| request.encode(&mut bytes, version))
        .expect("the request fits its version");
    bytes.freeze()
}

/// What follows the header, which is read as the broker reads it.
fn body<Q: Request>(frame: &Bytes, version: i16) -> Bytes {
    let mut body = frame.clone();
    let header_version = Q::header_version(version);
    let header = decode_request_header(frame, header_version).expect("a header");
    let client_id = header.client_id.map(|it| it.as_bytes());
    assert_eq!(client_id, Some(CLIENT_ID.as_bytes()));
    body.advance(header.size_bytes);
    assert!(body.has_remaining(), "a body follows");
    body
}

/// Header, limits and body of a fetch request, as the broker reads them.
///
/// # Panics
/// The frame is not of this request.
#[must_use]
pub fn decode_fetch(frame: &Bytes) -> FetchRequest {
    decode(body::<FetchRequest>(frame, FETCH_VERSION), FETCH_VERSION).expect("a body")
}

/// The same of a produce request, which is filled where it lies.
///
/// # Panics
/// The frame is not of this request.
pub fn decode_produce(frame: &Bytes, request: &mut produce::Request) {
    let body = body::<ProduceRequest>(frame, PRODUCE_VERSION);
    request.decode(body, PRODUCE_VERSION).expect("a body");
}

/// One batch for each of `partitions` partitions.
#[must_use]
pub fn produce_request(partitions: i32, batch: &Bytes) -> ProduceRequest {
    let data = (0..partitions).map(|index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(batch.clone()))
    });
    let topic = TopicProduceData::default()
        .with_topic_id(TOPIC)
        .with_partition_data(data.collect());
    ProduceRequest::default()
        .with_acks(-1)
        .with_topic_data(vec![topic])
}

/// Every batch is written.
#[must_use]
pub fn produce_response(partitions: i32) -> produce::Response {
    let answer = |index| produce::PartitionResponse {
        index,
        error_code: 0,
        base_offset: 0,
        log_append_time_ms: -1,
        log_start_offset: 0,
        refusal: None,
    };
    let topic = produce::TopicResponse {
        name: StrBytes::new(),
        topic_id: TOPIC,
        partitions: (0..partitions).map(answer).collect(),
    };
    produce::Response {
        topics: std::iter::once(topic).collect(),
    }
}

/// A fetch from `partitions` partitions.
#[must_use]
pub fn fetch_request(partitions: i32) -> FetchRequest {
    let wanted = (0..partitions).map(|index| {
        FetchPartition::default()
            .with_partition(index)
            .with_partition_max_bytes(1 << 20)
    });
    let topic = FetchTopic::default()
        .with_topic_id(TOPIC)
        .with_partitions(wanted.collect());
    FetchRequest::default().with_topics(vec![topic])
}

/// An answer with gaps of these many bytes for the records of each partition.
#[must_use]
pub fn fetch_response(bytes: impl Iterator<Item = usize>) -> FetchResponse {
    let data = (0..).zip(bytes).map(|(index, bytes)| {
        PartitionData::default()
            .with_partition_index(index)
            .with_records(Some(placeholder(bytes)))
    });
    let topic = FetchableTopicResponse::default()
        .with_topic_id(TOPIC)
        .with_partitions(data.collect());
    FetchResponse::default().with_responses(vec![topic])
}

/// A topic whose partitions three brokers lead in turn.
#[must_use]
pub fn topic_metadata(partitions: i32) -> TopicMetadata {
    let partition = |partition| PartitionMetadata {
        partition,
        leader: Some(partition % 3),
        leader_epoch: 0,
        replicas: vec![partition % 3],
        isr: vec![partition % 3],
        offline_replicas: Vec::new(),
        error_code: 0,
    };
    TopicMetadata {
        name: "orders".into(),
        id: TOPIC,
        is_internal: false,
        partitions: (0..partitions).map(partition).collect(),
        error_code: 0,
    }
}
