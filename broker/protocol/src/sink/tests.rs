//! Tests of response encoding: byte for byte what kafka-protocol encodes, with the regions filled
//! in.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::indexing_slicing,
    reason = "random test values"
)]

use proptest::prelude::*;
use proptest::test_runner::TestRng;

use super::*;
use crate::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData, SnapshotId,
};
use crate::messages::{ApiVersionsResponse, BrokerId, FetchResponse, HeartbeatResponse, TopicName};
use crate::{Encodable, Message, StrBytes};

const FETCH_VERSIONS: std::ops::RangeInclusive<i16> =
    FetchResponse::VERSIONS.min..=FetchResponse::VERSIONS.max;

fn below(rng: &mut TestRng, limit: u64) -> usize {
    (rng.next_u64() % limit) as usize
}

fn int64(rng: &mut TestRng) -> i64 {
    rng.next_u64() as i64
}

fn int32(rng: &mut TestRng) -> i32 {
    rng.next_u32() as i32
}

fn records(rng: &mut TestRng) -> Option<Bytes> {
    let copied = |rng: &mut TestRng, len| Bytes::from(vec![rng.next_u32() as u8; len]);
    Some(match rng.next_u32() % 5 {
        0 => Bytes::new(),
        1 => placeholder(below(rng, 20_000)),
        2 => placeholder(1),
        3 => copied(rng, BY_REFERENCE_BYTES_MIN - 1),
        _ => copied(rng, BY_REFERENCE_BYTES_MIN),
    })
}

fn partition(rng: &mut TestRng, version: i16) -> PartitionData {
    let mut data = PartitionData::default()
        .with_partition_index(int32(rng))
        .with_error_code(rng.next_u32() as i16)
        .with_high_watermark(int64(rng))
        .with_last_stable_offset(int64(rng))
        .with_log_start_offset(int64(rng))
        .with_records(records(rng));
    let aborted = |rng: &mut TestRng| {
        AbortedTransaction::default()
            .with_producer_id(int64(rng).into())
            .with_first_offset(int64(rng))
    };
    data.aborted_transactions = rng
        .random_bool(0.5)
        .then(|| (0..below(rng, 3)).map(|_| aborted(rng)).collect());
    if 11 <= version {
        data.preferred_read_replica = BrokerId(int32(rng));
    }
    if 12 <= version {
        if rng.random_bool(0.3) {
            data.diverging_epoch = EpochEndOffset::default()
                .with_epoch(int32(rng))
                .with_end_offset(int64(rng));
        }
        if rng.random_bool(0.3) {
            data.current_leader = LeaderIdAndEpoch::default()
                .with_leader_id(int32(rng).into())
                .with_leader_epoch(int32(rng));
        }
        if rng.random_bool(0.3) {
            data.snapshot_id = SnapshotId::default()
                .with_end_offset(int64(rng))
                .with_epoch(int32(rng));
        }
        if rng.random_bool(0.2) {
            data.unknown_tagged_fields
                .insert(200, Bytes::from_static(b"later"));
        }
    }
    data
}

fn fetch_response(rng: &mut TestRng, version: i16) -> FetchResponse {
    let mut response = FetchResponse::default()
        .with_throttle_time_ms(int32(rng))
        .with_error_code(rng.next_u32() as i16);
    if 7 <= version {
        response.session_id = int32(rng);
    }
    for _ in 0..below(rng, 4) {
        let mut topic = FetchableTopicResponse::default();
        topic.topic = TopicName(StrBytes::from("t".repeat(below(rng, 249))));
        topic.topic_id = uuid::Uuid::from_u128(rng.next_u64().into());
        topic.partitions = (0..below(rng, 4))
            .map(|_| partition(rng, version))
            .collect();
        response.responses.push(topic);
    }
    if 16 <= version {
        response.node_endpoints = (0..below(rng, 3))
            .map(|_| {
                NodeEndpoint::default()
                    .with_node_id(int32(rng).into())
                    .with_host(StrBytes::from_static_str("localhost"))
                    .with_port(9092)
                    .with_rack(rng.random_bool(0.5).then(|| StrBytes::from_static_str("a")))
            })
            .collect();
    }
    response
}

/// The frame as kafka-protocol encodes it, placeholders as the zeroes that they are.
fn plain_frame<T: ResponseBody + Encodable>(
    correlation_id: i32,
    body: &T,
    version: i16,
) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.put_i32(correlation_id);
    if T::header_version(version) == 1 {
        frame.put_u8(0);
    }
    body.encode(&mut frame, version).unwrap();
    let length = i32::try_from(frame.len() - 4).unwrap();
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn joined(response: EncodedResponse) -> Vec<u8> {
    let mut frame = Vec::new();
    for part in response.into_parts() {
        match part {
            Part::Bytes(bytes) => frame.extend_from_slice(&bytes),
            Part::Region(bytes) => frame.resize(frame.len() + bytes, 0),
        }
    }
    frame
}

proptest! {
    #[test]
    fn fetch_responses_equal_kafka_protocols_bytes_in_every_version(
        correlation_id: i32,
        mut rng in any::<()>().prop_perturb(|(), rng| rng),
    ) {
        for version in FETCH_VERSIONS {
            let response = fetch_response(&mut rng, version);
            let encoded = encode_response(correlation_id, &response, version).unwrap();
            let size_bytes = encoded.size_bytes();
            let frame = joined(encoded);
            prop_assert_eq!(size_bytes, frame.len());
            prop_assert!(frame == plain_frame(correlation_id, &response, version), "{}", version);
        }
    }
}

fn one_partition(records: Option<Bytes>) -> FetchResponse {
    let data = PartitionData::default().with_records(records);
    let topic = FetchableTopicResponse::default().with_partitions(vec![data]);
    FetchResponse::default().with_responses(vec![topic])
}

#[test]
fn regions_come_in_order_and_are_not_copied() {
    let data = |len| PartitionData::default().with_records(Some(placeholder(len)));
    let partitions = vec![data(REGION_BYTES_MAX), data(0), data(7)];
    let topic = FetchableTopicResponse::default().with_partitions(partitions);
    let response = FetchResponse::default().with_responses(vec![topic]);
    let encoded = encode_response(1, &response, 4).unwrap();
    assert!(encoded.clone().into_bytes().is_err());
    let regions: Vec<_> = encoded
        .into_parts()
        .filter(|part| matches!(part, Part::Region(_)))
        .collect();
    assert_eq!(regions, [Part::Region(REGION_BYTES_MAX), Part::Region(7)]);
}

#[test]
fn records_by_reference_cannot_be_put_behind_other_bytes() {
    let records = Bytes::from(vec![7; BY_REFERENCE_BYTES_MIN]);
    let mut frames = vec![1, 2, 3];
    let refused = encode_response_into(&mut frames, 1, &one_partition(Some(records)), 17);
    assert!(matches!(refused, Err(ProtocolError::Unencodable(_))));
    assert_eq!(frames, [1, 2, 3]);
}

#[test]
fn long_records_in_memory_are_sent_by_reference() {
    let records = Bytes::from(vec![7; BY_REFERENCE_BYTES_MIN]);
    let encoded = encode_response(1, &one_partition(Some(records.clone())), 17).unwrap();
    let shares_memory = encoded
        .into_parts()
        .any(|part| matches!(part, Part::Bytes(bytes) if bytes.as_ptr() == records.as_ptr()));
    assert!(shares_memory);
}

/// librdkafka fails a whole Fetch whose empty partition has null records.
#[test]
fn absent_records_are_sent_as_empty_never_as_null() {
    for version in FETCH_VERSIONS {
        let absent = encode_response(1, &one_partition(None), version).unwrap();
        let empty = plain_frame(1, &one_partition(Some(Bytes::new())), version);
        assert_eq!(joined(absent), empty, "version {version}");
    }
}

#[test]
fn in_memory_bytes_are_exact_so_that_the_buffer_never_grows() {
    for version in FETCH_VERSIONS {
        let response = one_partition(Some(placeholder(100_000)));
        let body_bytes = response.in_memory_bytes(version).unwrap();
        let encoded = encode_response(1, &response, version).unwrap();
        let header_bytes = if 12 <= version { 9 } else { 8 };
        assert_eq!(encoded.bytes.len(), header_bytes + body_bytes);
    }
}

#[test]
fn a_field_that_the_version_lacks_is_refused() {
    let with_session = FetchResponse::default().with_session_id(1);
    let refused = encode_response(1, &with_session, 6);
    assert!(
        matches!(refused, Err(ProtocolError::Unencodable(_))),
        "{refused:?}"
    );
    assert!(encode_response(1, &with_session, 7).is_ok());
    let old_version = encode_response(1, &FetchResponse::default(), 3);
    assert!(
        matches!(old_version, Err(ProtocolError::Unencodable(_))),
        "{old_version:?}"
    );
    let long_name = TopicName(StrBytes::from("t".repeat(40_000)));
    let topic = FetchableTopicResponse::default().with_topic(long_name);
    let long = encode_response(1, &FetchResponse::default().with_responses(vec![topic]), 4);
    assert!(
        matches!(long, Err(ProtocolError::Unencodable(_))),
        "{long:?}"
    );
}

#[test]
fn a_frame_beyond_an_i32_is_refused() {
    let data = || PartitionData::default().with_records(Some(placeholder(REGION_BYTES_MAX)));
    let partitions = (0..8).map(|_| data()).collect();
    let topic = FetchableTopicResponse::default().with_partitions(partitions);
    let encoded = encode_response(1, &FetchResponse::default().with_responses(vec![topic]), 4);
    assert!(
        matches!(encoded, Err(ProtocolError::Unencodable(_))),
        "{encoded:?}"
    );
}

#[test]
fn api_versions_always_has_response_header_zero() {
    for version in 0..=4 {
        let encoded = encode_response(9, &ApiVersionsResponse::default(), version).unwrap();
        let frame = joined(encoded);
        assert_eq!(frame.get(4..10), Some([0, 0, 0, 9, 0, 0].as_slice()));
        assert_eq!(
            frame,
            plain_frame(9, &ApiVersionsResponse::default(), version)
        );
    }
}

#[test]
fn small_responses_are_one_part() {
    let heartbeat = encode_response(5, &HeartbeatResponse::default(), 4).unwrap();
    let frame = plain_frame(5, &HeartbeatResponse::default(), 4);
    assert_eq!(heartbeat.clone().into_bytes().unwrap(), frame);
    let parts: Vec<_> = heartbeat.into_parts().collect();
    assert_eq!(parts, [Part::Bytes(Bytes::from(frame))]);
}

#[test]
#[should_panic(expected = "exceeds")]
fn a_placeholder_beyond_the_maximum_is_a_programmers_error() {
    drop(placeholder(REGION_BYTES_MAX + 1));
}
