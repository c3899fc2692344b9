//! Responses are byte for byte kafka-protocol's; tests/fuzz holds requests to its decoder.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "random test values"
)]

use proptest::prelude::*;
use proptest::test_runner::TestRng;
use smallvec::smallvec;
use uuid::Uuid;

use super::*;
use crate::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use crate::messages::{ProduceResponse, TopicName};
use crate::{HeaderVersion, Message, ProtocolError, StrBytes, encode_response_into};

fn text(rng: &mut TestRng, length_max: u64) -> String {
    let length = rng.next_u64() % length_max;
    "a string with some length "
        .chars()
        .cycle()
        .take(length as usize)
        .collect()
}

fn partition(rng: &mut TestRng) -> PartitionResponse {
    let record_error = |rng: &mut TestRng| RecordError {
        batch_index: rng.next_u32() as i32,
        message: text(rng, 200),
    };
    let refusal = |rng: &mut TestRng| Refusal {
        message: text(rng, 300),
        record_errors: (0..rng.next_u32() % 3).map(|_| record_error(rng)).collect(),
    };
    PartitionResponse {
        index: rng.next_u32() as i32,
        error_code: rng.next_u32() as i16,
        base_offset: rng.next_u64() as i64,
        log_append_time_ms: rng.next_u64() as i64,
        log_start_offset: rng.next_u64() as i64,
        refusal: rng.random_bool(0.3).then(|| Box::new(refusal(rng))),
    }
}

fn topic(rng: &mut TestRng) -> TopicResponse {
    TopicResponse {
        name: StrBytes::from_string(text(rng, 250)),
        topic_id: Uuid::from_u128(u128::from(rng.next_u64())),
        partitions: (0..rng.next_u32() % 4).map(|_| partition(rng)).collect(),
    }
}

/// The same as kafka-protocol has it.
fn theirs(response: &Response, version: i16) -> ProduceResponse {
    let partition = |ours: &PartitionResponse| {
        let mut theirs = PartitionProduceResponse::default()
            .with_index(ours.index)
            .with_error_code(ours.error_code)
            .with_base_offset(ours.base_offset)
            .with_log_append_time_ms(ours.log_append_time_ms)
            .with_log_start_offset(ours.log_start_offset);
        let Some(refusal) = ours.refusal.as_ref().filter(|_| 8 <= version) else {
            return theirs;
        };
        let text = |text: &String| Some(StrBytes::from_string(text.clone()));
        theirs.error_message = text(&refusal.message);
        let error = |error: &RecordError| {
            BatchIndexAndErrorMessage::default()
                .with_batch_index(error.batch_index)
                .with_batch_index_error_message(text(&error.message))
        };
        theirs.record_errors = refusal.record_errors.iter().map(error).collect();
        theirs
    };
    let topic = |ours: &TopicResponse| {
        TopicProduceResponse::default()
            .with_name(TopicName(ours.name.clone()))
            .with_topic_id(ours.topic_id)
            .with_partition_responses(ours.partitions.iter().map(partition).collect())
    };
    ProduceResponse::default().with_responses(response.topics.iter().map(topic).collect())
}

proptest! {
    #[test]
    fn responses_are_those_of_kafka_protocol(
        mut rng in any::<[u8; 32]>().prop_map(|seed| {
            TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed)
        }),
        version in ProduceResponse::VERSIONS.min..=ProduceResponse::VERSIONS.max,
    ) {
        let ours = Response {
            topics: (0..rng.next_u32() % 4).map(|_| topic(&mut rng)).collect(),
        };
        let theirs = theirs(&ours, version);
        let header_version = ProduceResponse::header_version(version);
        prop_assert_eq!(Response::header_version(version), header_version);
        let mut expected = Vec::new();
        crate::Encodable::encode(&theirs, &mut expected, version).unwrap();
        let mut frames = b"before".to_vec();
        encode_response_into(&mut frames, 7, &ours, version).unwrap();
        let frame = frames.strip_prefix(b"before").unwrap();
        let header: &[u8] = if version < 9 { &[0, 0, 0, 7] } else { &[0, 0, 0, 7, 0] };
        let length = (header.len() + expected.len()) as i32;
        let expected = [&length.to_be_bytes(), header, expected.as_slice()].concat();
        prop_assert_eq!(frame, expected);
    }
}

#[test]
fn a_name_that_no_length_can_hold_is_an_error() {
    let topic = TopicResponse {
        name: StrBytes::from_string("n".repeat(40_000)),
        topic_id: Uuid::nil(),
        partitions: smallvec![],
    };
    let response = Response {
        topics: smallvec![topic],
    };
    let mut frames = b"before".to_vec();
    let refused = encode_response_into(&mut frames, 0, &response, 8);
    assert!(
        matches!(refused, Err(ProtocolError::Unencodable(_))),
        "{refused:?}"
    );
    assert_eq!(frames, b"before", "nothing is left of what was begun");
    assert!(encode_response_into(&mut frames, 0, &response, 9).is_ok());
}

#[test]
fn only_served_versions_are_decoded() {
    let refused = Request::default().decode(bytes::Bytes::from_static(&[0; 64]), 2);
    let not_served = ProtocolError::VersionNotServed {
        api_key: 0,
        api_version: 2,
    };
    assert_eq!(refused, Err(not_served));
    assert!(
        Request::default()
            .decode(bytes::Bytes::from_static(&[0; 64]), 14)
            .is_err()
    );
}
