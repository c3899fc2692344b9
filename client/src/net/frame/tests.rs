//! Frames are what kafka-protocol would write, and records in them are not copied.

use proptest::prelude::*;
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::{ApiKey, MetadataRequest};
use ringbrook_protocol::{Decodable, Message};
use uuid::Uuid;

use super::*;

fn client_id() -> StrBytes {
    StrBytes::from_static_str("client")
}

fn joined(frame: Frame) -> Vec<u8> {
    let mut pieces = Vec::new();
    frame.append_to(&mut pieces);
    pieces.concat()
}

/// As kafka-protocol writes it.
fn expected<R: Request>(request: &R, version: i16) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(client_id()));
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    header
        .encode(&mut frame, R::header_version(version))
        .unwrap();
    request.encode(&mut frame, version).unwrap();
    let length = i32::try_from(frame.len() - LENGTH_BYTES).unwrap();
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    frame.to_vec()
}

fn records() -> impl Strategy<Value = Option<Bytes>> {
    let bytes = prop_oneof![
        Just(0),
        1..200usize,
        Just(BY_REFERENCE_BYTES_MIN - 1),
        Just(BY_REFERENCE_BYTES_MIN),
        BY_REFERENCE_BYTES_MIN..3 * BY_REFERENCE_BYTES_MIN,
    ];
    let records = bytes.prop_map(|bytes| Bytes::from(vec![b'r'; bytes]));
    prop::option::weighted(0.9, records)
}

fn topic() -> impl Strategy<Value = (String, Vec<Option<Bytes>>, bool)> {
    (
        "[a-z]{0,200}",
        prop::collection::vec(records(), 0..5),
        any::<bool>(),
    )
}

fn request(version: i16) -> impl Strategy<Value = ProduceRequest> {
    let topics = prop::collection::vec(topic(), 0..4);
    let transactional_id = prop::option::of("[a-z]{0,9}");
    (transactional_id, -1..=1i16, any::<i32>(), topics).prop_map(
        move |(transactional_id, acks, timeout_ms, topics)| {
            let topics = topics.into_iter().map(|(name, records, is_tagged)| {
                let is_tagged = is_tagged && FLEXIBLE_FROM <= version;
                let partitions = (0..).zip(records).map(|(index, records)| {
                    let data = PartitionProduceData::default().with_index(index);
                    let data = data.with_records(records);
                    if is_tagged {
                        data.with_unknown_tagged_field(1_000, Bytes::from_static(b"tag"))
                    } else {
                        data
                    }
                });
                let topic = TopicProduceData::default().with_partition_data(partitions.collect());
                if version <= 12 {
                    topic.with_name(StrBytes::from_string(name).into())
                } else {
                    topic.with_topic_id(Uuid::from_u128(name.len() as u128))
                }
            });
            ProduceRequest::default()
                .with_transactional_id(transactional_id.map(|id| StrBytes::from_string(id).into()))
                .with_acks(acks)
                .with_timeout_ms(timeout_ms)
                .with_topic_data(topics.collect())
        },
    )
}

const FLEXIBLE_FROM: i16 = 9;

fn versions() -> impl Strategy<Value = i16> {
    ProduceRequest::VERSIONS.min..=ProduceRequest::VERSIONS.max
}

proptest! {
    #[test]
    fn produce_is_what_kafka_protocol_writes(
        (version, request) in versions().prop_flat_map(|version| (Just(version), request(version))),
    ) {
        let frame = encode(&request, version, 7, &client_id()).unwrap();
        prop_assert_eq!(joined(frame), expected(&request, version));
    }
}

#[test]
fn long_records_are_not_copied() {
    let records = Bytes::from(vec![1; BY_REFERENCE_BYTES_MIN]);
    let short = Bytes::from(vec![2; BY_REFERENCE_BYTES_MIN - 1]);
    let partitions = [&records, &short, &records]
        .map(|records| PartitionProduceData::default().with_records(Some(records.clone())));
    let topic = TopicProduceData::default().with_partition_data(partitions.to_vec());
    let request = ProduceRequest::default().with_topic_data(vec![topic]);
    let Frame::Pieces(pieces) = encode(&request, 13, 7, &client_id()).unwrap() else {
        panic!("one piece");
    };
    let is_same = |piece: &Bytes| piece.as_ptr() == records.as_ptr();
    let by_reference: Vec<_> = pieces.iter().map(is_same).collect();
    assert_eq!(by_reference, [false, true, false, true, false]);
}

#[test]
fn all_other_requests_are_one_piece() {
    let request = MetadataRequest::default();
    let frame = encode(&request, 12, 7, &client_id()).unwrap();
    let Frame::Whole(bytes) = frame else {
        panic!("several pieces");
    };
    assert_eq!(bytes, expected(&request, 12));
    let mut body = bytes.slice(LENGTH_BYTES..);
    let header_version = ApiKey::Metadata.request_header_version(12);
    let header = RequestHeader::decode(&mut body, header_version).unwrap();
    assert_eq!(header.correlation_id, 7);
    assert_eq!(MetadataRequest::decode(&mut body, 12).unwrap(), request);
}

#[test]
fn what_a_version_cannot_express_is_an_error() {
    let request = ProduceRequest::default();
    for version in [2, 14] {
        encode(&request, version, 7, &client_id()).unwrap_err();
    }
    let name = StrBytes::from_string("x".repeat(40_000));
    let topic = TopicProduceData::default().with_name(name.into());
    let request = request.with_topic_data(vec![topic]);
    encode(&request, 8, 7, &client_id()).unwrap_err();
}
