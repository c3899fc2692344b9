//! What encoding a response allocates.

use std::sync::PoisonError;

use ringbrook_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use ringbrook_protocol::messages::{ApiVersionsResponse, FetchResponse, HeartbeatResponse};
use ringbrook_protocol::{
    ResponseBody, StrBytes, encode_response, encode_response_into, placeholder, produce,
};
use stats_alloc::{Region, Stats};

use crate::{ALLOCATOR, TURN};

/// The fewest allocations of several runs: the test harness may allocate meanwhile.
fn allocated<T: ResponseBody>(body: &T, version: i16) -> Stats {
    let runs = (0..20).map(|_| {
        let region = Region::new(ALLOCATOR);
        let encoded = encode_response(1, body, version);
        let stats = region.change();
        drop(encoded.expect("an encodable response"));
        stats
    });
    runs.min_by_key(|stats| stats.allocations + stats.reallocations)
        .expect("several runs")
}

fn assert_one_allocation<T: ResponseBody>(body: &T, version: i16) {
    let stats = allocated(body, version);
    assert_eq!(
        (stats.allocations, stats.reallocations),
        (1, 0),
        "version {version}"
    );
}

#[test]
fn a_produce_response_behind_others_costs_no_allocation() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let refusal = produce::Refusal {
        message: "refused".repeat(20),
        record_errors: vec![produce::RecordError {
            batch_index: 3,
            message: "no key".repeat(30),
        }],
    };
    let partition = produce::PartitionResponse {
        index: 0,
        error_code: 0,
        base_offset: 1,
        log_append_time_ms: -1,
        log_start_offset: 0,
        refusal: Some(Box::new(refusal)),
    };
    let topic = produce::TopicResponse {
        name: StrBytes::from_string("topic".repeat(40)),
        topic_id: uuid::Uuid::nil(),
        partitions: vec![partition; 3].into(),
    };
    let produce = produce::Response {
        topics: vec![topic].into(),
    };
    let mut frames = Vec::with_capacity(1 << 14);
    for version in 3..=13 {
        let allocations = (0..20).map(|_| {
            let region = Region::new(ALLOCATOR);
            let encoded = encode_response_into(&mut frames, 1, &produce, version);
            let stats = region.change();
            encoded.expect("an encodable response");
            frames.clear();
            stats.allocations + stats.reallocations
        });
        assert_eq!(allocations.min(), Some(0), "version {version}");
    }
}

#[test]
fn a_response_without_regions_costs_one_allocation() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    (0..=4).for_each(|version| assert_one_allocation(&HeartbeatResponse::default(), version));
    (0..=4).for_each(|version| assert_one_allocation(&ApiVersionsResponse::default(), version));
    let empty = FetchableTopicResponse::default().with_partitions(vec![PartitionData::default()]);
    let fetch = FetchResponse::default().with_responses(vec![empty]);
    (4..=18).for_each(|version| assert_one_allocation(&fetch, version));
}

#[test]
fn regions_cost_memory_by_their_number_not_by_their_length() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let data = PartitionData::default().with_records(Some(placeholder(50_000_000)));
    let topic = FetchableTopicResponse::default().with_partitions(vec![data; 4]);
    let fetch = FetchResponse::default().with_responses(vec![topic]);
    for version in 4..=18 {
        let stats = allocated(&fetch, version);
        assert!(stats.bytes_allocated < 2000, "version {version}: {stats:?}");
    }
}
