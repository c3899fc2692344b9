//! Random bytes over the wire: whatever comes, the broker answers or closes, and stays up.

use std::cell::Cell;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::{
    ApiVersionsRequest, FindCoordinatorRequest, ListGroupsRequest, MetadataRequest,
    OffsetFetchRequest,
};
use ringbrook_protocol::{API_VERSIONS, StrBytes};
use ringbrook_record::Codec;
use ringbrook_tests::{
    BrokerOptions, TestBroker, Wire, WireError, batch, by_name, compressed, fetch_request,
    produce_request, resident_bytes, topic_name,
};

use crate::seeded::runner;

const CASES: u32 = 1500;
const TOPIC: &str = "fuzzed";

/// Frames that the broker takes, to be damaged.
fn valid_frames(wire: &mut Wire) -> Result<Vec<Bytes>, WireError> {
    let fetched = FetchTopic::default().with_topic(topic_name(TOPIC));
    let plain = produce_request(by_name(TOPIC), 0, -1, batch(&["one", "two"]));
    let frames = [
        wire.frame(&plain, 9)?,
        wire.frame(&plain, 3)?,
        wire.frame(
            &produce_request(by_name(TOPIC), 0, 1, compressed(Codec::Lz4, &["x"])),
            12,
        )?,
        wire.frame(
            &produce_request(by_name(TOPIC), 0, 0, compressed(Codec::Zstd, &["x"])),
            8,
        )?,
        wire.frame(
            &produce_request(by_name(TOPIC), 0, 1, compressed(Codec::Snappy, &["x"])),
            7,
        )?,
        wire.frame(
            &produce_request(by_name(TOPIC), 0, 1, compressed(Codec::Gzip, &["x"])),
            11,
        )?,
        wire.frame(&fetch_request(fetched, &[(0, 0)]), 12)?,
        wire.frame(&MetadataRequest::default().with_topics(None), 12)?,
        wire.frame(&ApiVersionsRequest::default(), 3)?,
        wire.frame(
            &FindCoordinatorRequest::default().with_key(StrBytes::default()),
            3,
        )?,
        wire.frame(&OffsetFetchRequest::default(), 7)?,
        wire.frame(&ListGroupsRequest::default(), 4)?,
    ];
    Ok(frames.into_iter().map(|(_, frame)| frame).collect())
}

#[derive(Debug, Clone)]
enum Input {
    /// A valid frame with some bytes changed behind its length: index of the frame, changes.
    Damaged(usize, Vec<(prop::sample::Index, u8)>),
    /// A served API and version with any bytes behind the header.
    Body(usize, i16, Vec<u8>),
    /// Any bytes, also for the length.
    Bytes(Vec<u8>),
}

fn input() -> impl Strategy<Value = Input> {
    let bytes = |len| prop::collection::vec(any::<u8>(), 0..len);
    let change = (any::<prop::sample::Index>(), any::<u8>());
    prop_oneof![
        4 => (0..12_usize, prop::collection::vec(change, 1..6))
            .prop_map(|(frame, changes)| Input::Damaged(frame, changes)),
        4 => (0..API_VERSIONS.len(), 0..14_i16, bytes(200))
            .prop_map(|(api, version, body)| Input::Body(api, version, body)),
        1 => bytes(300).prop_map(Input::Bytes),
    ]
}

fn encoded(input: &Input, valid: &[Bytes]) -> BytesMut {
    match input {
        Input::Damaged(frame, changes) => {
            let mut frame = BytesMut::from(&valid[*frame][..]);
            for (index, byte) in changes {
                let index = 4 + index.index(frame.len() - 4);
                frame[index] = *byte;
            }
            frame
        }
        Input::Body(api, version, body) => {
            let range = &API_VERSIONS[*api];
            let version = range.min + version % (range.max - range.min + 1);
            let mut frame = BytesMut::new();
            frame.put_u32(u32::try_from(body.len() + 10).unwrap_or(u32::MAX));
            frame.put_i16(range.key as i16);
            frame.put_i16(version);
            frame.put_i32(1);
            frame.put_i16(-1);
            frame.put_slice(body);
            frame
        }
        Input::Bytes(bytes) => BytesMut::from(&bytes[..]),
    }
}

/// Sends `frame` and takes whatever comes: an answer, the end of the connection, or silence where
/// a request waits for time. Whether it was an answer.
fn is_answered(broker: &TestBroker, frame: &[u8]) -> Result<bool, WireError> {
    let mut wire = Wire::connect(broker.address())?;
    // The broker may close before everything is sent.
    drop(wire.send_raw(frame));
    let is_silent = wire.is_silent_for(Duration::from_millis(1)).unwrap_or(true);
    if is_silent {
        // It waits for more bytes than there are; or its answer takes a little longer.
        drop(wire.end_sending());
    }
    let is_silent = is_silent
        && wire
            .is_silent_for(Duration::from_millis(20))
            .unwrap_or(true);
    Ok(!is_silent && wire.read_frame().is_ok())
}

#[test]
fn random_input_harms_nobody() -> anyhow::Result<()> {
    let broker = TestBroker::start_with(BrokerOptions::fast())?;
    let mut healthy = broker.client()?;
    healthy.create_topic(TOPIC, 1, &[])?;
    healthy.create_topic("healthy", 1, &[])?;
    let valid = valid_frames(&mut Wire::connect(broker.address())?)?;
    let before = resident_bytes(broker.pid())?;
    let (answered, refused) = (Cell::new(0), Cell::new(0));
    let outcome = runner(CASES).run(&input(), |input| {
        let frame = encoded(&input, &valid);
        let is_answered = is_answered(&broker, &frame);
        let is_answered = is_answered.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let counter = if is_answered { &answered } else { &refused };
        counter.set(counter.get() + 1);
        Ok(())
    });
    outcome.map_err(|error| anyhow::anyhow!("{error}"))?;
    // Both roads are well trodden: otherwise the input is too tame, or too wild to get anywhere.
    let (answered, refused) = (answered.get(), refused.get());
    eprintln!("{answered} inputs answered, {refused} not");
    let least = (answered + refused) / 30;
    assert!(
        least <= answered.min(refused),
        "{answered} answered, {refused} not"
    );
    for offset in 0..10 {
        assert_eq!(healthy.produce("healthy", 0, batch(&["value"]))?, offset);
    }
    assert_eq!(healthy.texts("healthy", 0, 0)?.len(), 10);
    // Whatever got in is whole.
    healthy.read_all(TOPIC, 0, 0)?;
    let grown = resident_bytes(broker.pid())?.saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more resident");
    assert!(!broker.log().contains("panicked"), "{}", broker.log());
    broker.stop()
}
