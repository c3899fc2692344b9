//! Tests of header decoding and of the limits that hold before decoding. Every API and version is
//! fuzzed in tests/fuzz.

#![expect(clippy::indexing_slicing, reason = "test bytes")]

use bytes::BufMut;

use super::*;
use crate::messages::metadata_request::MetadataRequestTopic;
use crate::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::messages::{
    ApiVersionsRequest, FetchRequest, HeartbeatRequest, MetadataRequest, ProduceRequest, TopicName,
};
use crate::{Encodable, StrBytes};

fn header(client_id: &[u8], tail: &[u8]) -> Bytes {
    let mut frame = vec![0, 3, 0, 9, 0, 0, 0, 42];
    frame.extend_from_slice(client_id);
    frame.extend_from_slice(tail);
    Bytes::from(frame)
}

fn encoded<T: Encodable>(request: &T, version: i16) -> Bytes {
    let mut bytes = Vec::new();
    request.encode(&mut bytes, version).unwrap();
    Bytes::from(bytes)
}

fn produce_request(record_bytes: usize) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(vec![1; record_bytes].into()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("payments")))
        .with_partition_data(vec![data]);
    ProduceRequest::default().with_topic_data(vec![topic])
}

#[test]
fn header_takes_client_id_and_drops_tagged_fields() {
    let frame = header(b"\0\x04test", b"\x01\x07\x02xxbody");
    let expected = RequestHeader {
        api_key: 3,
        api_version: 9,
        correlation_id: 42,
        client_id: Some(ClientId(b"test")),
        size_bytes: frame.len() - 4,
    };
    assert_eq!(decode_request_header(&frame, 2), Ok(expected));
    assert!(frame[expected.size_bytes..] == *b"body");

    let frame = header(b"\0\x04test", b"body");
    let size_bytes = frame.len() - 4;
    let expected = RequestHeader {
        size_bytes,
        ..expected
    };
    assert_eq!(decode_request_header(&frame, 1), Ok(expected));
}

#[test]
fn header_may_lack_a_client_id() {
    let frame = header(b"\xff\xff", b"");
    let absent = decode_request_header(&frame, 1).unwrap();
    assert_eq!(absent.client_id, None);
    let frame = header(b"\0\0", b"\0");
    let empty = decode_request_header(&frame, 2).unwrap();
    assert_eq!(empty.client_id, Some(ClientId(b"")));
}

#[test]
fn header_truncated_anywhere_is_an_error() {
    let whole = header(b"\0\x04test", b"\x01\x07\x02xx");
    for len in 0..whole.len() {
        let decoded = decode_request_header(&whole[..len], 2);
        assert!(
            matches!(decoded, Err(ProtocolError::Truncated { .. })),
            "{len}: {decoded:?}"
        );
    }
}

#[test]
fn header_with_a_bad_client_id_is_an_error() {
    let frame = header(b"\xff\xfe", b"");
    let negative = decode_request_header(&frame, 1);
    assert_eq!(
        negative,
        Err(ProtocolError::LengthInvalid { field: "client_id" })
    );
    let frame = header(b"\0\x01\xff", b"");
    let header = decode_request_header(&frame, 1).unwrap();
    let not_text = header.client_id.unwrap().text();
    assert!(
        matches!(not_text, Err(ProtocolError::Malformed(_))),
        "{not_text:?}"
    );
}

#[test]
fn decoded_records_are_a_slice_of_the_frame() {
    for version in 3..=12 {
        let body = encoded(&produce_request(1000), version);
        let request: ProduceRequest = decode(body.clone(), version).unwrap();
        let records = request.topic_data[0].partition_data[0]
            .records
            .clone()
            .unwrap();
        assert!(body.as_ptr_range().contains(&records.as_ptr()));
        assert_eq!(records.len(), 1000);
    }
}

/// kafka-protocol alone would reserve memory for two billion topics here.
#[test]
fn a_huge_array_length_is_refused_before_it_is_allocated() {
    let mut body = vec![0xff, 0xff, 0, 1, 0, 0, 0, 0];
    body.put_i32(i32::MAX);
    let refused = check_limits(ApiKey::Produce, 3, &body);
    let decoded_bytes_max = decoded_bytes_max(12);
    let too_large = ProtocolError::DecodedTooLarge {
        field: "topic_data",
        decoded_bytes_max,
    };
    assert_eq!(refused, Err(too_large));
}

#[test]
fn the_limit_of_decoded_bytes_is_reached_and_not_exceeded() {
    let names = |count| {
        let topic = MetadataRequestTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str("t"))));
        encoded(
            &MetadataRequest::default().with_topics(Some(vec![topic; count])),
            1,
        )
    };
    let fits = |count| check_limits(ApiKey::Metadata, 1, &names(count)).is_ok();
    let limit = (1..).step_by(8).find(|count| !fits(*count)).unwrap();
    let limit = (limit - 8..).find(|count| !fits(*count)).unwrap();
    // Three bytes on the wire against a structure of some 80: the free allowance is what they use
    // up.
    let element_bytes = size_of::<MetadataRequestTopic>();
    let allowed = |count: usize| decoded_bytes_max(4 + 3 * count) / element_bytes;
    assert!(
        limit - 1 <= allowed(limit - 1) && allowed(limit) < limit,
        "{limit}"
    );
    assert!(decode::<MetadataRequest>(names(limit - 1), 1).is_ok());
}

#[test]
fn unknown_tagged_fields_count_against_the_limit() {
    let flooded = |count: u32| {
        let mut body = b"\x01\x01".to_vec();
        body.extend(varint(count));
        (0..count).for_each(|_| body.extend_from_slice(b"\x07\0"));
        body
    };
    assert_eq!(check_limits(ApiKey::ApiVersions, 3, &flooded(100)), Ok(()));
    let refused = check_limits(ApiKey::ApiVersions, 3, &flooded(100_000));
    assert!(
        matches!(refused, Err(ProtocolError::DecodedTooLarge { .. })),
        "{refused:?}"
    );
}

fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while 0x80 <= value {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

#[test]
fn a_known_tagged_field_must_fill_its_size() {
    let fetch = FetchRequest::default().with_cluster_id(Some(StrBytes::from_static_str("abc")));
    let body = encoded(&fetch, 12);
    assert_eq!(check_limits(ApiKey::Fetch, 12, &body), Ok(()));
    // The body ends in: one tag, tag 0, size 4, length 3 + 1, "abc".
    let mut longer = body.to_vec();
    let size_at = body.len() - 5;
    assert_eq!(longer[size_at], 4);
    longer[size_at] = 5;
    longer.push(0);
    let refused = check_limits(ApiKey::Fetch, 12, &longer);
    assert_eq!(
        refused,
        Err(ProtocolError::LengthInvalid {
            field: "cluster_id"
        })
    );
}

#[test]
fn a_varint_longer_than_a_u32_is_refused() {
    for varint in [
        b"\xff\xff\xff\xff\x10".as_slice(),
        b"\x80\x80\x80\x80\x80\0",
    ] {
        let refused = check_limits(ApiKey::ApiVersions, 3, varint);
        let invalid = ProtocolError::LengthInvalid {
            field: "client_software_name",
        };
        assert_eq!(refused, Err(invalid));
    }
}

#[test]
fn versions_that_are_not_served_are_refused() {
    for (api_key, version) in [
        (ApiKey::Produce, 2),
        (ApiKey::Produce, 14),
        (ApiKey::Vote, 0),
    ] {
        let refused = check_limits(api_key, version, b"");
        let api_key = api_key as i16;
        let not_served = ProtocolError::VersionNotServed {
            api_key,
            api_version: version,
        };
        assert_eq!(refused, Err(not_served));
    }
}

#[test]
fn every_byte_must_be_there_and_more_are_ignored() {
    let body = encoded(&produce_request(20), 9);
    for len in 0..body.len() {
        assert!(decode::<ProduceRequest>(body.slice(..len), 9).is_err());
    }
    let longer = Bytes::from([&body[..], b"x"].concat());
    assert_eq!(decode::<ProduceRequest>(longer, 9), decode(body, 9));
}

/// librdkafka 2.16 asks for all topics with three bytes too many; Kafka takes no notice.
#[test]
fn metadata_requests_of_librdkafka_are_taken() {
    let body = Bytes::from_static(b"\0\0\0\0\x01\0\0");
    let request = decode::<MetadataRequest>(body, 13).unwrap();
    assert_eq!(request.topics, None);
    assert!(!request.allow_auto_topic_creation);
}

#[test]
fn null_and_bad_text_where_none_may_be_are_malformed() {
    let null_group = Bytes::from_static(b"\xff\xff\0\0\0\x01\0\0");
    let refused = decode::<HeartbeatRequest>(null_group, 0);
    assert!(
        matches!(refused, Err(ProtocolError::Malformed(_))),
        "{refused:?}"
    );
    let not_text = decode::<ApiVersionsRequest>(Bytes::from_static(b"\x02\xff\x01\0"), 3);
    assert!(
        matches!(not_text, Err(ProtocolError::Malformed(_))),
        "{not_text:?}"
    );
}
