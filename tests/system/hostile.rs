//! Bad input on the wire: an error answer or a closed connection, memory bounded, and healthy
//! clients none the worse.

use std::time::Duration;

use anyhow::ensure;
use bytes::{BufMut, Bytes, BytesMut};
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::{ApiVersionsRequest, FetchRequest, MetadataRequest};
use ringbrook_protocol::{Decodable, ResponseError};
use ringbrook_tests::{
    BrokerOptions, Client, TestBroker, Wire, batch, batch_of_bytes, error, fetch_request,
    resident_bytes, single_fetched, topic_name, wait_until,
};

const MEBIBYTE: u64 = 1 << 20;

/// A broker with a client that produced before the hostility and still must afterwards.
struct Victim {
    broker: TestBroker,
    healthy: Client,
    produced: i64,
    resident_before: u64,
}

impl Victim {
    fn begin(options: BrokerOptions) -> anyhow::Result<Self> {
        let broker = TestBroker::start_with(options)?;
        let mut healthy = broker.client()?;
        healthy.create_topic("healthy", 1, &[])?;
        let mut victim = Self {
            broker,
            healthy,
            produced: 0,
            resident_before: 0,
        };
        victim.assert_healthy()?;
        victim.resident_before = resident_bytes(victim.broker.pid())?;
        Ok(victim)
    }

    fn wire(&self) -> anyhow::Result<Wire> {
        Ok(Wire::connect(self.broker.address())?)
    }

    /// The old connection still works, and so does a new one.
    fn assert_healthy(&mut self) -> anyhow::Result<()> {
        for _ in 0..3 {
            let offset = self.healthy.produce("healthy", 0, batch(&["value"]))?;
            assert_eq!(offset, self.produced);
            self.produced += 1;
        }
        let read = self.broker.client()?.texts("healthy", 0, 0)?;
        assert_eq!(i64::try_from(read.len())?, self.produced);
        Ok(())
    }

    fn assert_memory_grew_less_than(&self, bytes: u64) -> anyhow::Result<()> {
        let resident = resident_bytes(self.broker.pid())?;
        let grown = resident.saturating_sub(self.resident_before);
        ensure!(
            grown < bytes,
            "{grown} bytes more than {} at first",
            self.resident_before
        );
        Ok(())
    }
}

fn framed(body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    frame.put_slice(body);
    frame.freeze()
}

/// API key, version, correlation id 7 and a null client id.
fn header(api_key: i16, version: i16) -> Vec<u8> {
    let mut header = Vec::new();
    header.put_i16(api_key);
    header.put_i16(version);
    header.put_i32(7);
    header.put_i16(-1);
    header
}

#[test]
fn impossible_frame_lengths_close_the_connection() -> anyhow::Result<()> {
    let mut victim = Victim::begin(BrokerOptions::fast())?;
    for length in [i32::MIN, -1, 0, 1, 7, 100 * 1024 * 1024 + 1, i32::MAX] {
        let mut wire = victim.wire()?;
        // The broker may close before everything is sent.
        drop(wire.send_raw(&[&length.to_be_bytes()[..], &[0; 16]].concat()));
        assert!(wire.is_closed_by_broker(), "length {length}");
    }
    victim.assert_healthy()?;
    victim.assert_memory_grew_less_than(16 * MEBIBYTE)
}

#[test]
fn truncated_frames_harm_nobody() -> anyhow::Result<()> {
    let mut victim = Victim::begin(BrokerOptions::fast())?;
    let request = MetadataRequest::default().with_topics(None);
    let (_, frame) = victim.wire()?.frame(&request, 12)?;
    for len in 0..frame.len() {
        let mut wire = victim.wire()?;
        wire.send_raw(&frame[..len])?;
        wire.end_sending()?;
        assert!(wire.is_closed_by_broker(), "{len} of {} bytes", frame.len());
    }
    // Whole frames whose bodies end early.
    for len in 10..frame.len() - 1 {
        let mut wire = victim.wire()?;
        wire.send_raw(&framed(&frame[4..len]))?;
        assert!(wire.is_closed_by_broker(), "body of {len} bytes");
    }
    victim.assert_healthy()
}

#[test]
fn unknown_keys_and_versions_close_the_connection() -> anyhow::Result<()> {
    let mut victim = Victim::begin(BrokerOptions::fast())?;
    let unknown = [
        (-1, 0),
        (4, 0),
        (999, 0),
        (i16::MAX, i16::MAX),
        (0, 2),
        (0, 14),
        (0, -1),
        (1, 3),
        (1, 99),
        (3, 99),
        (52, 0),
    ];
    for (api_key, version) in unknown {
        let mut wire = victim.wire()?;
        wire.send_raw(&framed(&header(api_key, version)))?;
        assert!(
            wire.is_closed_by_broker(),
            "API {api_key} version {version}"
        );
    }
    victim.assert_healthy()
}

/// KIP-511: how a newer client finds out what an older broker can do.
#[test]
fn api_versions_of_an_unknown_version_is_answered_in_version_0() -> anyhow::Result<()> {
    let victim = Victim::begin(BrokerOptions::fast())?;
    let mut wire = victim.wire()?;
    for version in [5, 99, i16::MAX, -1] {
        wire.send_raw(&framed(&header(18, version)))?;
        let mut frame = wire.read_frame()?;
        assert_eq!(bytes::Buf::get_i32(&mut frame), 7, "correlation id");
        let response = ringbrook_protocol::messages::ApiVersionsResponse::decode(&mut frame, 0)?;
        assert!(frame.is_empty(), "not a version 0 body");
        assert_eq!(
            error(response.error_code),
            Some(ResponseError::UnsupportedVersion)
        );
        // Nothing else, or franz-go would take the list and never learn of the features.
        let ranges = response.api_keys.iter();
        let ranges = ranges.map(|range| (range.api_key, range.min_version, range.max_version));
        assert_eq!(ranges.collect::<Vec<_>>(), [(18, 0, 4)]);
    }
    // The connection stays open.
    let response = wire.call(&ApiVersionsRequest::default(), 0)?;
    assert_eq!(response.error_code, 0);
    let produce = response.api_keys.iter().find(|range| range.api_key == 0);
    let produce = produce.map(|range| (range.min_version, range.max_version));
    assert_eq!(
        produce,
        Some((0, 13)),
        "old librdkafka wants Produce from 0"
    );
    Ok(())
}

/// Each claims billions of elements or bytes in a frame of some bytes.
#[test]
fn absurd_lengths_inside_requests_are_refused_without_memory() -> anyhow::Result<()> {
    let mut victim = Victim::begin(BrokerOptions::fast())?;
    let huge = i32::MAX.to_be_bytes();
    let compact = [0xff, 0xff, 0xff, 0xff, 0x07];
    let mut bodies = Vec::new();
    for (api_key, version, prefix) in [
        (3, 1, &[][..]),                         // Metadata: topics
        (0, 3, &[0xff, 0xff, 0, 1, 0, 0, 0, 0]), // Produce: topics
        (2, 1, &[0xff, 0xff, 0xff, 0xff]),       // ListOffsets: topics
        (19, 2, &[]),                            // CreateTopics: topics
        (32, 1, &[]),                            // DescribeConfigs: resources
        (42, 0, &[]),                            // DeleteGroups: groups
    ] {
        bodies.push([&header(api_key, version)[..], prefix, &huge].concat());
    }
    for (api_key, version) in [(3, 12), (19, 7), (32, 4), (42, 2)] {
        // No tagged fields in the header, then a compact array.
        bodies.push([&header(api_key, version)[..], &[0], &compact].concat());
        // Two billion tagged fields in the header.
        bodies.push([&header(api_key, version)[..], &compact].concat());
    }
    for _ in 0..50 {
        for body in &bodies {
            let mut wire = victim.wire()?;
            wire.send_raw(&framed(body))?;
            assert!(wire.is_closed_by_broker(), "{body:?}");
        }
    }
    victim.assert_healthy()?;
    victim.assert_memory_grew_less_than(24 * MEBIBYTE)
}

#[test]
fn a_byte_at_a_time_is_a_request_like_any_other() -> anyhow::Result<()> {
    let mut victim = Victim::begin(BrokerOptions::fast())?;
    let mut wire = victim.wire()?;
    let request = MetadataRequest::default().with_topics(None);
    let (sent, frame) = wire.frame(&request, 12)?;
    for byte in frame {
        wire.send_raw(&[byte])?;
        // Passes a little time and shows that nothing is answered early.
        ensure!(victim.broker.client().is_ok());
    }
    let response = wire.receive::<MetadataRequest>(sent, 12)?;
    assert_eq!(response.topics.len(), 1);
    victim.assert_healthy()
}

#[test]
fn five_thousand_idle_connections_leave_others_alone() -> anyhow::Result<()> {
    const CONNECTIONS: u64 = 5000;
    TestBroker::raise_open_files(CONNECTIONS + 2000)?;
    let mut victim = Victim::begin(BrokerOptions::fast())?;
    let mut idle = Vec::new();
    for index in 0..CONNECTIONS {
        let mut wire = victim.wire()?;
        // Half of them have said something once.
        if index % 2 == 0 {
            wire.call(&ApiVersionsRequest::default(), 0)?;
        }
        idle.push(wire);
    }
    victim.assert_healthy()?;
    victim.assert_memory_grew_less_than(120 * MEBIBYTE)?;
    // All are still served.
    for wire in idle.iter_mut().step_by(500) {
        assert_eq!(wire.call(&ApiVersionsRequest::default(), 0)?.error_code, 0);
    }
    drop(idle);
    victim.assert_healthy()
}

#[test]
fn announced_bytes_cost_no_memory_until_they_come() -> anyhow::Result<()> {
    let mut victim = Victim::begin(BrokerOptions::fast())?;
    let announced = i32::to_be_bytes(100 * 1024 * 1024);
    // Produce version 9, for which frames may be long, and as many bytes of it as nothing.
    let begun = [&announced[..], &header(0, 9), &[0; 32]].concat();
    let mut waiting = Vec::new();
    for _ in 0..300 {
        let mut wire = victim.wire()?;
        wire.send_raw(&begun)?;
        waiting.push(wire);
    }
    victim.assert_healthy()?;
    victim.assert_memory_grew_less_than(64 * MEBIBYTE)?;
    drop(waiting);
    victim.assert_healthy()
}

/// More is sent than `queued.max.request.bytes` allows to be held; what is above it stays in the
/// sockets until there is room.
#[test]
fn bytes_of_unfinished_requests_are_bounded() -> anyhow::Result<()> {
    const BOUND: u64 = 32 * MEBIBYTE;
    let options = BrokerOptions::fast()
        .set("socket.request.max.bytes", &BOUND.to_string())
        .set("queued.max.request.bytes", &BOUND.to_string());
    let mut victim = Victim::begin(options)?;
    let length = 8 * 1024 * 1024_usize;
    let announced = u32::try_from(length)?.to_be_bytes();
    let address = victim.broker.address();
    let mut senders = Vec::new();
    for _ in 0..32 {
        // All but the last byte of 8 MiB each, 256 MiB in all. Sending blocks when the broker does
        // not read; it ends when the connection does.
        let begun = [&announced[..], &header(0, 9), &vec![0; length - 200]].concat();
        senders.push(std::thread::spawn(move || {
            let mut wire = Wire::connect(address)?;
            wire.send_raw(&begun).map(|()| wire)
        }));
    }
    let bound = victim.resident_before + BOUND + 48 * MEBIBYTE;
    let pid = victim.broker.pid();
    let is_exceeded = wait_until(Duration::from_secs(3), || {
        resident_bytes(pid).is_ok_and(|resident| bound < resident)
    });
    assert!(!is_exceeded, "{} bytes resident", resident_bytes(pid)?);
    // Ends the connections that still wait, and with them the threads.
    victim.broker.kill()?;
    for sender in senders {
        // An error is the ordinary end of a sender that was not read.
        drop(sender.join());
    }
    Ok(())
}

/// A client that asks for much and reads nothing holds up nobody but itself.
#[test]
fn answers_that_nobody_reads_are_bounded() -> anyhow::Result<()> {
    let mut victim = Victim::begin(BrokerOptions::fast())?;
    let mut client = victim.broker.client()?;
    client.create_topic("wanted", 1, &[])?;
    for _ in 0..16 {
        client.produce("wanted", 0, batch_of_bytes(1_000_000))?;
    }
    let topic = FetchTopic::default().with_topic(topic_name("wanted"));
    let request = fetch_request(topic, &[(0, 0)]);
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut wire = victim.wire()?;
        let mut sent = Vec::new();
        for _ in 0..20 {
            sent.push(wire.send(&request, 12)?);
        }
        readers.push((wire, sent));
    }
    victim.assert_healthy()?;
    // 20 times 20 answers of 16 MB would be 6 GB.
    victim.assert_memory_grew_less_than(200 * MEBIBYTE)?;
    // Read late, the answers are right all the same.
    let (mut wire, sent) = readers.swap_remove(0);
    for sent in sent.into_iter().take(3) {
        let fetched = single_fetched(wire.receive::<FetchRequest>(sent, 12)?)?;
        assert_eq!(
            fetched.records.map(|records| records.len()),
            Some(16_000_000)
        );
    }
    drop(readers);
    victim.assert_healthy()
}
