//! Every decoder of requests and responses in every version: its shape agrees with kafka-protocol,
//! and no bytes make it panic or take more memory than [`decoded_bytes_max`] and
//! [`response_decoded_bytes_max`] allow. Module `encoding` counts what responses allocate.
//!
//! `RINGBROOK_FUZZ_SEED` repeats a run, `RINGBROOK_FUZZ_ITERATIONS` sets the inputs per API and
//! version. Allocations are counted for the whole process, so the tests here take turns.

#![expect(clippy::cast_possible_truncation, reason = "random test values")]

mod encoding;
mod generator;
mod mutation;
mod produce;
mod random;

use std::alloc::System;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use bytes::Bytes;
use ringbrook_protocol::response::CORRELATION_ID_BYTES;
use ringbrook_protocol::schema::{Shape, request_shape, response_shape};
use ringbrook_protocol::{
    API_VERSIONS, ApiKey, Encodable, HeaderVersion, Message, ProtocolError, Request, VersionRange,
    check_limits, check_response_limits, decode, decode_request_header, decode_response,
    decoded_bytes_max, messages, response_decoded_bytes_max,
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

/// Checks a body's limits.
type Check = fn(ApiKey, i16, &[u8]) -> Result<(), ProtocolError>;

/// Decodes a body as one type and measures it.
type Probe = fn(Bytes, i16) -> Outcome;

struct Outcome {
    allocated_bytes: usize,
    /// The body encoded again.
    encoded: Result<Vec<u8>, ProtocolError>,
}

fn outcome<T: Encodable>(
    version: i16,
    decode: impl FnOnce() -> Result<T, ProtocolError>,
) -> Outcome {
    let region = Region::new(ALLOCATOR);
    let decoded = decode();
    let allocated_bytes = region.change().bytes_allocated;
    let encoded = decoded.map(|body| {
        let mut bytes = Vec::new();
        body.encode(&mut bytes, version)
            .expect("what was decoded can be encoded");
        bytes
    });
    Outcome {
        allocated_bytes,
        encoded,
    }
}

fn request_probe<T: Request>(body: Bytes, version: i16) -> Outcome {
    outcome(version, || decode::<T>(body, version))
}

/// With the shortest header in front, which no decoder keeps.
fn response_probe<T: Request>(body: Bytes, version: i16) -> Outcome {
    let has_tags = 1 <= T::Response::header_version(version);
    let mut frame = vec![0; CORRELATION_ID_BYTES + usize::from(has_tags)];
    frame.extend_from_slice(&body);
    let frame = Bytes::from(frame);
    outcome(version, || decode_response::<T>(frame, version))
}

/// The types of one API, its response's versions with it.
struct Api {
    key: i16,
    request: Probe,
    response: Probe,
    response_versions: VersionRange,
}

macro_rules! apis {
    ($($request:ident)*) => {
        vec![$(Api {
            key: messages::$request::KEY,
            request: request_probe::<messages::$request>,
            response: response_probe::<messages::$request>,
            response_versions: <messages::$request as Request>::Response::VERSIONS,
        }),*]
    };
}

/// All types by API key. A test holds this list to [`API_VERSIONS`] and to the responses' shapes.
fn apis() -> Vec<Api> {
    apis! {
        ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest
        OffsetFetchRequest FindCoordinatorRequest JoinGroupRequest HeartbeatRequest
        LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest
        SaslHandshakeRequest ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest
        DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest
        AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest WriteTxnMarkersRequest
        TxnOffsetCommitRequest DescribeAclsRequest CreateAclsRequest DeleteAclsRequest
        DescribeConfigsRequest AlterConfigsRequest AlterReplicaLogDirsRequest
        DescribeLogDirsRequest SaslAuthenticateRequest CreatePartitionsRequest
        CreateDelegationTokenRequest RenewDelegationTokenRequest ExpireDelegationTokenRequest
        DescribeDelegationTokenRequest DeleteGroupsRequest ElectLeadersRequest
        IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest
        ListPartitionReassignmentsRequest OffsetDeleteRequest DescribeClientQuotasRequest
        AlterClientQuotasRequest DescribeUserScramCredentialsRequest
        AlterUserScramCredentialsRequest DescribeQuorumRequest UpdateFeaturesRequest
        DescribeClusterRequest DescribeProducersRequest UnregisterBrokerRequest
        DescribeTransactionsRequest ListTransactionsRequest ConsumerGroupHeartbeatRequest
        ConsumerGroupDescribeRequest ListConfigResourcesRequest DescribeTopicPartitionsRequest
        ShareGroupHeartbeatRequest ShareGroupDescribeRequest AddRaftVoterRequest
        RemoveRaftVoterRequest DescribeShareGroupOffsetsRequest AlterShareGroupOffsetsRequest
        DeleteShareGroupOffsetsRequest
    }
}

/// One shape in one version.
struct Case {
    key: ApiKey,
    what: &'static str,
    shape: &'static Shape,
    version: i16,
    check: Check,
    probe: Probe,
    bytes_max: fn(usize) -> usize,
}

impl Case {
    fn title(&self, body: &[u8]) -> String {
        let head = body.get(..body.len().min(2000)).unwrap_or_default();
        format!(
            "{:?} {} version {}, {} bytes: {}",
            self.key,
            self.what,
            self.version,
            body.len(),
            hex(head)
        )
    }
}

/// Requests in the versions that are served, responses in all that are known.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for api in apis() {
        let key = ApiKey::try_from(api.key).expect("a known key");
        let served = API_VERSIONS.iter().find(|range| range.key == key);
        let requests = served
            .map(|range| range.min..=range.max)
            .into_iter()
            .flatten();
        cases.extend(requests.map(|version| Case {
            key,
            what: "request",
            shape: request_shape(key).expect("served APIs have a shape"),
            version,
            check: check_limits,
            probe: api.request,
            bytes_max: decoded_bytes_max,
        }));
        let responses = api.response_versions.min..=api.response_versions.max;
        cases.extend(responses.map(|version| Case {
            key,
            what: "response",
            shape: response_shape(key).expect("a shape of every response"),
            version,
            check: check_response_limits,
            probe: api.response,
            bytes_max: response_decoded_bytes_max,
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
fn every_shape_is_probed() {
    let probed: Vec<_> = apis().iter().map(|api| api.key).collect();
    for range in API_VERSIONS {
        assert!(probed.contains(&(range.key as i16)), "{:?}", range.key);
    }
    for key in (0..=200).filter_map(|key| ApiKey::try_from(key).ok()) {
        let is_probed = probed.contains(&(key as i16));
        assert_eq!(response_shape(key).is_some(), is_probed, "{key:?}");
    }
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
    for case in cases() {
        let Case { key, version, .. } = case;
        for _ in 0..50 {
            let body = Generator::new(case.shape, version, Style::Canonical).body(&mut random);
            let title = || case.title(&body);
            assert_eq!((case.check)(key, version, &body), Ok(()), "{}", title());
            let encoded = (case.probe)(Bytes::from(body.clone()), version).encoded;
            assert_eq!(encoded.as_deref(), Ok(body.as_slice()), "{}", title());
            for len in 0..body.len() {
                let prefix = body.get(..len).expect("a prefix");
                let checked = (case.check)(key, version, prefix);
                assert!(checked.is_err(), "{len} of {}", title());
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
    for case in cases() {
        for iteration in 0..iterations() {
            let body = fuzz_body(&case, iteration, &mut random);
            let probed = AssertUnwindSafe(|| (case.probe)(body.clone(), case.version));
            let Ok(outcome) = catch_unwind(probed) else {
                panic!("decoding panicked: {}", case.title(&body))
            };
            let allowed_bytes = (case.bytes_max)(body.len()) + ERROR_BYTES;
            let allocated_bytes = outcome.allocated_bytes;
            assert!(
                allocated_bytes <= allowed_bytes,
                "{allocated_bytes} by {}",
                case.title(&body)
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
fn fuzz_body(case: &Case, iteration: u64, random: &mut Random) -> Bytes {
    let generator = |style| Generator::new(case.shape, case.version, style);
    if iteration.is_multiple_of(64) {
        return Bytes::from(generator(Style::Bulk).body(random));
    }
    if iteration % 16 == 1 {
        return Bytes::from(random.bytes(200));
    }
    let mut body = generator(Style::Loose).body(random);
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
            let region = Region::new(ALLOCATOR);
            let header = decode_request_header(&frame, header_version);
            let client_id = header.and_then(|it| it.client_id.unwrap_or_default().text());
            let allocated_bytes = region.change().bytes_allocated;
            assert!(
                allocated_bytes < ERROR_BYTES,
                "{allocated_bytes} by {}",
                hex(&frame)
            );
            drop(client_id);
        }
    }
}
