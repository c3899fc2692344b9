//! What a request costs beside its records: header, limits, decoding, encoding of the answer.
//!
//! Explains the broker's CPU time per request: `cargo bench -p ringbrook-bench --bench protocol`.

use std::hint::black_box;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
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
    Encodable, Request, StrBytes, decode, decode_request_header, encode_response, placeholder,
};
use ringbrook_record::{BatchBuilder, Codec};
use uuid::Uuid;

const PRODUCE_VERSION: i16 = 13;
const FETCH_VERSION: i16 = 17;
const TOPIC: Uuid = Uuid::from_u128(7);

/// A request frame without its length field.
fn frame<Q: Request>(request: &Q, version: i16) -> Bytes {
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

fn decode_frame<Q: Request>(frame: &Bytes, version: i16) -> Q {
    let mut body = frame.clone();
    let header = decode_request_header(&mut body, Q::header_version(version));
    header.expect("a header");
    assert!(body.has_remaining(), "a body follows");
    decode(body, version).expect("a body")
}

fn produce(c: &mut Criterion) {
    let mut builder = BatchBuilder::new();
    builder
        .append(1, None, Some(&[7; 200]), [])
        .expect("the batch is small");
    let batch = builder.finish(Codec::None, None).expect("no codec");
    let data = PartitionProduceData::default().with_records(Some(batch.freeze()));
    let topic = TopicProduceData::default()
        .with_topic_id(TOPIC)
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_topic_data(vec![topic]);
    let frame = frame(&request, PRODUCE_VERSION);
    c.bench_function("produce/decode request, 1 partition", |b| {
        b.iter(|| decode_frame::<ProduceRequest>(black_box(&frame), PRODUCE_VERSION));
    });
    let topic = TopicProduceResponse::default()
        .with_topic_id(TOPIC)
        .with_partition_responses(vec![PartitionProduceResponse::default()]);
    let response = ProduceResponse::default().with_responses(vec![topic]);
    c.bench_function("produce/encode response, 1 partition", |b| {
        b.iter(|| encode_response(7, black_box(&response), PRODUCE_VERSION));
    });
}

fn fetch(c: &mut Criterion) {
    for partitions in [1, 100] {
        let wanted = (0..partitions).map(|index| {
            FetchPartition::default()
                .with_partition(index)
                .with_partition_max_bytes(1 << 20)
        });
        let topic = FetchTopic::default()
            .with_topic_id(TOPIC)
            .with_partitions(wanted.collect());
        let request = FetchRequest::default().with_topics(vec![topic]);
        let frame = frame(&request, FETCH_VERSION);
        c.bench_function(
            &format!("fetch/decode request, {partitions} partitions"),
            |b| {
                b.iter(|| decode_frame::<FetchRequest>(black_box(&frame), FETCH_VERSION));
            },
        );
        let data = (0..partitions).map(|index| {
            PartitionData::default()
                .with_partition_index(index)
                .with_records(Some(placeholder(64 << 10)))
        });
        let topic = FetchableTopicResponse::default()
            .with_topic_id(TOPIC)
            .with_partitions(data.collect());
        let response = FetchResponse::default().with_responses(vec![topic]);
        c.bench_function(
            &format!("fetch/encode response, {partitions} partitions"),
            |b| {
                b.iter(|| encode_response(7, black_box(&response), FETCH_VERSION));
            },
        );
    }
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! {
    name = benches;
    config = quick();
    targets = produce, fetch
}
criterion_main!(benches);
