//! Requests and responses of Produce and Fetch, and the metadata that a client has of a topic.

use bytes::{Buf, Bytes, BytesMut};
use ringbrook_client::metadata::{PartitionMetadata, TopicMetadata};
use ringbrook_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ringbrook_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::produce_response::{
    PartitionProduceResponse, TopicProduceResponse,
};
use ringbrook_protocol::messages::{
    FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, RequestHeader,
};
use ringbrook_protocol::{
    Encodable, Request, StrBytes, decode, decode_request_header, placeholder,
};
use uuid::Uuid;

/// Topics by id.
pub const PRODUCE_VERSION: i16 = 13;
/// Topics by id.
pub const FETCH_VERSION: i16 = 17;
/// The id of the topic.
pub const TOPIC: Uuid = Uuid::from_u128(7);

/// A request frame without its length field.
///
/// # Panics
/// The request does not fit the version.
pub fn frame<Q: Request>(request: &Q, version: i16) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(Q::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("producer-1")));
    let mut bytes = BytesMut::new();
    header
        .encode(&mut bytes, Q::header_version(version))
        .and_then(|()| request.encode(&mut bytes, version))
        .expect("the request fits its version");
    bytes.freeze()
}

/// Header, limits and body, as the broker reads them.
///
/// # Panics
/// The frame is not of this request.
#[must_use]
pub fn decode_frame<Q: Request>(frame: &Bytes, version: i16) -> Q {
    let mut body = frame.clone();
    let header = decode_request_header(&mut body, Q::header_version(version));
    header.expect("a header");
    assert!(body.has_remaining(), "a body follows");
    decode(body, version).expect("a body")
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
pub fn produce_response(partitions: i32) -> ProduceResponse {
    let answer = |index| PartitionProduceResponse::default().with_index(index);
    let topic = TopicProduceResponse::default()
        .with_topic_id(TOPIC)
        .with_partition_responses((0..partitions).map(answer).collect());
    ProduceResponse::default().with_responses(vec![topic])
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
