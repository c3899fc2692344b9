//! The broker's own decoder of produce requests against kafka-protocol's: the same values, the same
//! bytes refused, no panic, memory within the limit.

use ringbrook_protocol::messages::ProduceRequest;
use ringbrook_protocol::produce::{PartitionData, Request, TopicData};
use ringbrook_protocol::{ApiKey, ProtocolError, decode, decoded_bytes_max};
use stats_alloc::Region;

use super::*;

/// What kafka-protocol decoded, as the broker has it.
fn ours(theirs: ProduceRequest) -> Request {
    let topics = theirs.topic_data.into_iter().map(|topic| TopicData {
        name: topic.name.0,
        topic_id: topic.topic_id,
        partitions: topic
            .partition_data
            .into_iter()
            .map(|data| PartitionData {
                index: data.index,
                records: data.records,
            })
            .collect(),
    });
    Request {
        transactional_id: theirs.transactional_id.map(|id| id.0),
        acks: theirs.acks,
        timeout_ms: theirs.timeout_ms,
        topics: topics.collect(),
    }
}

#[test]
fn produce_requests_decode_as_kafka_protocol_decodes_them() {
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut random = seeded("produce_requests_decode_as_kafka_protocol_decodes_them");
    let is_produce = |case: &Case| case.key == ApiKey::Produce && case.what == "request";
    let (mut decoded, mut refused) = (0u64, 0u64);
    let mut request = Request::default();
    for case in cases().into_iter().filter(is_produce) {
        for iteration in 0..iterations() * 4 {
            let body = fuzz_body(&case, iteration, &mut random);
            let region = Region::new(ALLOCATOR);
            // Over what the one before left.
            let found = request.decode(body.clone(), case.version);
            let allocated_bytes = region.change().bytes_allocated;
            let allowed_bytes = decoded_bytes_max(body.len()) + ERROR_BYTES;
            assert!(allocated_bytes <= allowed_bytes, "{}", case.title(&body));
            match decode::<ProduceRequest>(body.clone(), case.version) {
                Ok(theirs) => {
                    assert_eq!(found, Ok(()), "{}", case.title(&body));
                    assert_eq!(request, ours(theirs), "{}", case.title(&body));
                    decoded += 1;
                }
                // Its structures take more memory than ours.
                Err(ProtocolError::DecodedTooLarge { .. }) => {}
                Err(error) => {
                    assert!(found.is_err(), "{error}: {}", case.title(&body));
                    refused += 1;
                }
            }
        }
    }
    assert!(
        1000 < decoded && 1000 < refused,
        "{decoded} decoded, {refused} refused"
    );
}
