//! Every request decoder in every version: its shape agrees with kafka-protocol, and no bytes make
//! it panic or take more memory than [`decoded_bytes_max`] allows. Module `encoding` counts what
//! responses allocate.
//!
//! `RINGBROOK_FUZZ_SEED` repeats a run, `RINGBROOK_FUZZ_ITERATIONS` sets the inputs per API and
//! version. Allocations are counted for the whole process, so the tests here take turns.

#![expect(clippy::cast_possible_truncation, reason = "random test values")]

mod encoding;
mod generator;
mod mutation;
mod random;

use std::alloc::System;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use bytes::Bytes;
use ringbrook_protocol::request::decoded_bytes_max;
use ringbrook_protocol::{
    API_VERSIONS, ApiKey, ProtocolError, Request, check_limits, decode, decode_request_header,
    messages,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use generator::{Generator, Style};
use random::Random;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static TURN: Mutex<()> = Mutex::new(());

/// Inputs per API and version, about 3 s in all in a debug build.
const ITERATIONS_DEFAULT: u64 = 200;

/// What an error's text, and a backtrace when `RUST_BACKTRACE` asks for one, may allocate besides
/// the request.
const ERROR_BYTES: usize = 64 * 1024;

/// Decodes a body as one request type and measures it.
type Probe = fn(Bytes, i16) -> Outcome;

struct Outcome {
    allocated_bytes: usize,
    /// The request encoded again.
    encoded: Result<Vec<u8>, ProtocolError>,
}

fn probe<T: Request>(body: Bytes, version: i16) -> Outcome {
    let region = Region::new(ALLOCATOR);
    let decoded = decode::<T>(body, version);
    let allocated_bytes = region.change().bytes_allocated;
    let encoded = decoded.map(|request| {
        let mut bytes = Vec::new();
        request
            .encode(&mut bytes, version)
            .expect("what was decoded can be encoded");
        bytes
    });
    Outcome {
        allocated_bytes,
        encoded,
    }
}

macro_rules! probes {
    ($($request:ident)*) => {
        [$((messages::$request::KEY, probe::<messages::$request> as Probe)),*]
    };
}

/// All request types by API key. A test holds this list to [`API_VERSIONS`].
fn probes() -> [(i16, Probe); 41] {
    probes! {
        ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest
        OffsetFetchRequest FindCoordinatorRequest JoinGroupRequest HeartbeatRequest
        LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest
        ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest
        InitProducerIdRequest OffsetForLeaderEpochRequest AddPartitionsToTxnRequest
        AddOffsetsToTxnRequest EndTxnRequest WriteTxnMarkersRequest TxnOffsetCommitRequest
        DescribeConfigsRequest AlterConfigsRequest AlterReplicaLogDirsRequest
        DescribeLogDirsRequest CreatePartitionsRequest DeleteGroupsRequest
        IncrementalAlterConfigsRequest OffsetDeleteRequest UpdateFeaturesRequest
        DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest
        ListTransactionsRequest ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest
        ListConfigResourcesRequest DescribeTopicPartitionsRequest
    }
}

/// One API in one version.
struct Case {
    key: ApiKey,
    version: i16,
    probe: Probe,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (range, (key, probe)) in API_VERSIONS.iter().zip(probes()) {
        assert_eq!(range.key as i16, key, "probes are in the table's order");
        let versions = range.min..=range.max;
        cases.extend(versions.map(|version| Case {
            key: range.key,
            version,
            probe,
        }));
    }
    cases
}

/// A random sequence for one test, its seed printed.
fn seeded(test: &str) -> Random {
    let random = Random::from_environment();
    eprintln!("{test}: RINGBROOK_FUZZ_SEED={}", random.seed());
    random
}

fn iterations() -> u64 {
    let given = std::env::var("RINGBROOK_FUZZ_ITERATIONS").ok();
    given.map_or(ITERATIONS_DEFAULT, |text| {
        text.parse().expect("a number of iterations")
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[test]
fn every_served_api_is_probed() {
    assert_eq!(API_VERSIONS.len(), probes().len());
    assert!(!cases().is_empty());
}

/// Bytes made from a shape decode, and encode again to the same bytes: the shape lacks no field,
/// invents none, and knows every tagged field that kafka-protocol knows. No shorter prefix passes
/// the limits.
#[test]
fn shapes_agree_with_kafka_protocol_in_every_version() {
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut random = seeded("shapes_agree_with_kafka_protocol_in_every_version");
    for Case {
        key,
        version,
        probe,
    } in cases()
    {
        for _ in 0..50 {
            let body = Generator::new(key, version, Style::Canonical).body(&mut random);
            let context = || format!("{key:?} version {version}: {}", hex(&body));
            assert_eq!(check_limits(key, version, &body), Ok(()), "{}", context());
            let encoded = probe(Bytes::from(body.clone()), version).encoded;
            assert_eq!(encoded.as_deref(), Ok(body.as_slice()), "{}", context());
            for len in 0..body.len() {
                let prefix = body.get(..len).expect("a prefix");
                assert!(
                    check_limits(key, version, prefix).is_err(),
                    "{len} of {}",
                    context()
                );
            }
        }
    }
}

#[test]
fn decoding_never_panics_and_stays_within_its_memory() {
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut random = seeded("decoding_never_panics_and_stays_within_its_memory");
    let (mut decoded, mut refused) = (0u64, 0u64);
    for Case {
        key,
        version,
        probe,
    } in cases()
    {
        for iteration in 0..iterations() {
            let body = fuzz_body(key, version, iteration, &mut random);
            let body_bytes = body.len();
            let outcome = catch_unwind(AssertUnwindSafe(|| probe(body.clone(), version)));
            let context = || {
                let head = body.get(..body_bytes.min(2000)).unwrap_or_default();
                format!(
                    "{key:?} version {version}, {body_bytes} bytes: {}",
                    hex(head)
                )
            };
            let Ok(outcome) = outcome else {
                panic!("decoding panicked: {}", context())
            };
            let allowed_bytes = decoded_bytes_max(body_bytes) + ERROR_BYTES;
            let allocated_bytes = outcome.allocated_bytes;
            assert!(
                allocated_bytes <= allowed_bytes,
                "{allocated_bytes} by {}",
                context()
            );
            *(if outcome.encoded.is_ok() {
                &mut decoded
            } else {
                &mut refused
            }) += 1;
        }
    }
    assert!(
        0 < decoded && 0 < refused,
        "{decoded} decoded, {refused} refused"
    );
}

/// A body for one iteration: mostly a mutated valid one, now and then large, or noise.
fn fuzz_body(key: ApiKey, version: i16, iteration: u64, random: &mut Random) -> Bytes {
    if iteration.is_multiple_of(64) {
        return Bytes::from(Generator::new(key, version, Style::Bulk).body(random));
    }
    if iteration % 16 == 1 {
        return Bytes::from(random.bytes(200));
    }
    let mut body = Generator::new(key, version, Style::Loose).body(random);
    mutation::mutate(&mut body, random);
    Bytes::from(body)
}

#[test]
fn header_decoding_never_panics() {
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut random = seeded("header_decoding_never_panics");
    for _ in 0..iterations() * 10 {
        let mut frame = b"\0\x03\0\x0c\0\0\0\x07\0\x06client\x02\x05\x01x\x09\x03abc".to_vec();
        mutation::mutate(&mut frame, &mut random);
        for header_version in 1..=2 {
            let mut bytes = Bytes::from(frame.clone());
            let region = Region::new(ALLOCATOR);
            let header = decode_request_header(&mut bytes, header_version);
            let allocated_bytes = region.change().bytes_allocated;
            assert!(
                allocated_bytes < ERROR_BYTES,
                "{allocated_bytes} by {}",
                hex(&frame)
            );
            drop(header);
        }
    }
}
