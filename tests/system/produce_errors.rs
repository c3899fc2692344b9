//! Every refusal of Produce, Fetch and ListOffsets that a client can provoke, with Kafka's code.

use std::iter;

use bytes::{Bytes, BytesMut};
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ringbrook_protocol::messages::{BrokerId, ListOffsetsRequest, OffsetForLeaderEpochRequest};
use ringbrook_record::{BatchHeader, Codec, Header, TimestampType, batch_header};
use ringbrook_tests::{
    Client, SharedBroker, batch, batch_of_bytes, builder, by_id, by_name, compressed, error,
    fetch_request, now_ms, produce_request, single_fetched, single_produced, topic_name, unique,
};
use uuid::Uuid;

use crate::group::find_coordinator;

/// A batch with its header changed and the CRC made right again.
fn with_header(batch: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> anyhow::Result<Bytes> {
    let mut header = BatchHeader::parse(batch)?;
    change(&mut header);
    let mut bytes = BytesMut::from(&batch[..]);
    bytes[..batch_header::HEADER_BYTES].copy_from_slice(&header.encode());
    let crc = crc32c::crc32c(&bytes[batch_header::ATTRIBUTES_POSITION..]);
    bytes[batch_header::CRC_POSITION..batch_header::ATTRIBUTES_POSITION]
        .copy_from_slice(&crc.to_be_bytes());
    Ok(bytes.freeze())
}

fn codes(
    client: &mut Client,
    topic: &str,
    cases: Vec<(&str, Bytes, ResponseError)>,
) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for (name, records, expected) in cases {
        let produced = client.try_produce(topic, 0, records)?;
        let found = error(produced.error_code);
        if found != Some(expected) || produced.base_offset != -1 {
            wrong.push(format!(
                "{name}: {found:?} instead of {expected:?}, {produced:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        client.list_offset(topic, 0, -1)?.offset,
        0,
        "something was stored"
    );
    Ok(())
}

#[test]
fn bad_batches_are_refused_with_kafkas_codes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("bad-batches");
    client.create_topic(&topic, 1, &[])?;
    let good = batch(&["one", "two"]);
    let mut damaged = good.to_vec();
    damaged[70] ^= 1;
    let mut longer = good.to_vec();
    longer.extend_from_slice(&batch(&["another batch"]));
    let (invalid, corrupt) = (ResponseError::InvalidRecord, ResponseError::CorruptMessage);
    let cases = vec![
        ("one bit changed", Bytes::from(damaged), corrupt),
        ("cut short", good.slice(..good.len() - 1), invalid),
        ("no bytes", Bytes::new(), invalid),
        ("two batches", longer.into(), invalid),
        (
            "base offset 5",
            with_header(&good, |it| it.base_offset = 5)?,
            invalid,
        ),
        (
            "count too high",
            with_header(&good, |it| it.records_count = 3)?,
            invalid,
        ),
        (
            "count negative",
            with_header(&good, |it| it.records_count = -1)?,
            invalid,
        ),
        (
            "last delta too high",
            with_header(&good, |it| it.last_offset_delta = 7)?,
            invalid,
        ),
        (
            "a control batch",
            with_header(&good, |it| it.attributes = it.attributes.with_control(true))?,
            invalid,
        ),
        (
            "a batch without a sequence",
            { with_header(&good, |it| it.producer_id = 77)? },
            invalid,
        ),
        (
            "too large",
            batch_of_bytes(1_048_589),
            ResponseError::MessageTooLarge,
        ),
    ];
    codes(&mut client, &topic, cases)
}

#[test]
fn unknown_magic_and_codecs_are_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("bad-formats");
    client.create_topic(&topic, 1, &[])?;
    let good = batch(&["one", "two"]);
    let mut found = Vec::new();
    for magic in [0, 1, 3, -1, 127_i8] {
        let mut bytes = good.to_vec();
        bytes[batch_header::MAGIC_POSITION] = magic.to_be_bytes()[0];
        let produced = client.try_produce(&topic, 0, bytes.into())?;
        found.push((format!("magic {magic}"), error(produced.error_code)));
    }
    for codec in 5..8 {
        let records = with_header(&good, |it| it.attributes.0 |= codec)?;
        let produced = client.try_produce(&topic, 0, records)?;
        found.push((format!("codec {codec}"), error(produced.error_code)));
    }
    let (invalid, corrupt) = (ResponseError::InvalidRecord, ResponseError::CorruptMessage);
    let expected = [invalid, invalid, corrupt, corrupt, corrupt].map(Some);
    assert_eq!(
        found[..5]
            .iter()
            .map(|(_, found)| *found)
            .collect::<Vec<_>>(),
        expected
    );
    // Apache Kafka answers UNKNOWN_SERVER_ERROR here, for want of a check.
    let refusals = [
        Some(ResponseError::UnsupportedCompressionType),
        Some(ResponseError::UnknownServerError),
    ];
    assert!(
        found[5..].iter().all(|(_, found)| refusals.contains(found)),
        "{found:#?}"
    );
    assert_eq!(
        client.list_offset(&topic, 0, -1)?.offset,
        0,
        "something was stored"
    );
    Ok(())
}

#[test]
fn records_are_checked_inside_every_codec() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("bad-records");
    client.create_topic(&topic, 1, &[])?;
    let mut wrong = Vec::new();
    for codec in Codec::ALL {
        let good = compressed(codec, &["one", "two", "three"]);
        // The stream is intact and holds another number of records than the header says.
        let fewer = with_header(&good, |it| {
            it.records_count = 2;
            it.last_offset_delta = 1;
        })?;
        let more = with_header(&good, |it| {
            it.records_count = 4;
            it.last_offset_delta = 3;
        })?;
        for (name, records) in [("fewer", fewer), ("more", more)] {
            let produced = client.try_produce(&topic, 0, records)?;
            let found = error(produced.error_code);
            if found != Some(ResponseError::InvalidRecord) {
                wrong.push(format!("{codec:?} with {name}: {found:?}"));
            }
        }
        if codec != Codec::None {
            let half = good.len() - 10;
            let torn = with_header(&good.slice(..half), |it| it.batch_length -= 10)?;
            if client.try_produce(&topic, 0, torn)?.error_code == 0 {
                wrong.push(format!("{codec:?} with a torn stream"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        client.list_offset(&topic, 0, -1)?.offset,
        0,
        "something was stored"
    );
    Ok(())
}

#[test]
fn a_compacted_topic_wants_keys_and_names_the_records_without() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("bad-keys");
    client.create_topic(&topic, 1, &[("cleanup.policy", "compact")])?;
    let mut builder = builder::<&str>(&[]);
    for key in [Some(&b"key"[..]), None, Some(&b""[..]), None] {
        builder.append(now_ms(), key, Some(b"value"), iter::empty::<Header<'_>>())?;
    }
    let records = builder.finish(Codec::Lz4, None)?.freeze();
    let refused = client.try_produce(&topic, 0, records)?;
    assert_eq!(
        error(refused.error_code),
        Some(ResponseError::InvalidRecord)
    );
    let indexes: Vec<_> = refused
        .record_errors
        .iter()
        .map(|it| it.batch_index)
        .collect();
    assert_eq!(indexes, [1, 3]);
    assert!(refused.error_message.is_some());
    Ok(())
}

#[test]
fn a_batch_may_not_claim_the_brokers_timestamps() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("bad-times");
    client.create_topic(&topic, 1, &[("message.timestamp.type", "LogAppendTime")])?;
    let claimed = with_header(&batch(&["value"]), |it| {
        it.attributes = it
            .attributes
            .with_timestamp_type(TimestampType::LogAppendTime);
    })?;
    let cases = vec![(
        "claims append time",
        claimed,
        ResponseError::InvalidTimestamp,
    )];
    codes(&mut client, &topic, cases)
}

#[test]
fn bad_produce_requests_are_refused_with_kafkas_codes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("bad-produce");
    client.create_topic(&topic, 1, &[])?;
    let good = || batch(&["value"]);
    let unknown = ResponseError::UnknownTopicOrPartition;
    let absent = unique("absent");
    let cases = [
        (
            "acks 2",
            produce_request(by_name(&topic), 0, 2, good()),
            ResponseError::InvalidRequiredAcks,
        ),
        (
            "acks -2",
            produce_request(by_name(&topic), 0, -2, good()),
            ResponseError::InvalidRequiredAcks,
        ),
        (
            "an unknown topic",
            produce_request(by_name(&absent), 0, -1, good()),
            unknown,
        ),
        (
            "an unknown partition",
            produce_request(by_name(&topic), 1, -1, good()),
            unknown,
        ),
        (
            "a negative partition",
            produce_request(by_name(&topic), -1, -1, good()),
            unknown,
        ),
    ];
    for (name, request, expected) in cases {
        let produced = single_produced(client.call(&request, 9)?)?;
        assert_eq!(error(produced.error_code), Some(expected), "{name}");
        assert_eq!(produced.base_offset, -1, "{name}");
    }
    let request = produce_request(by_id(Uuid::new_v4()), 0, -1, good());
    let produced = single_produced(client.call(&request, 13)?)?;
    assert_eq!(
        error(produced.error_code),
        Some(ResponseError::UnknownTopicId)
    );
    assert_eq!(client.texts(&topic, 0, 0)?, [""; 0]);
    Ok(())
}

/// A producer may name a topic before it asks for metadata: no topic comes from that.
#[test]
fn producing_to_an_unknown_topic_does_not_create_it() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let absent = unique("absent");
    for _ in 0..2 {
        let refused = client.try_produce(&absent, 0, batch(&["value"]))?;
        assert_eq!(
            error(refused.error_code),
            Some(ResponseError::UnknownTopicOrPartition)
        );
    }
    Ok(())
}

#[test]
fn only_the_admin_client_may_write_internal_topics() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    find_coordinator(&mut client, "creates-the-offsets-topic")?;
    let refused = client.try_produce("__consumer_offsets", 0, batch(&["no"]))?;
    assert_eq!(
        error(refused.error_code),
        Some(ResponseError::InvalidTopicException)
    );
    // A compacted topic wants keys, which is checked only once the topic may be written.
    let mut admin = broker.client()?.named("__admin_client");
    let refused = admin.try_produce("__consumer_offsets", 0, batch(&["no key"]))?;
    assert_eq!(
        error(refused.error_code),
        Some(ResponseError::InvalidRecord)
    );
    Ok(())
}

#[test]
fn bad_fetches_are_refused_with_kafkas_codes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("bad-fetch");
    client.create_topic(&topic, 1, &[])?;
    let named = |name: &str| FetchTopic::default().with_topic(topic_name(name));
    let unknown = ResponseError::UnknownTopicOrPartition;
    let cases = [
        (
            "an unknown topic",
            fetch_request(named(&unique("absent")), &[(0, 0)]),
            unknown,
        ),
        (
            "an unknown partition",
            fetch_request(named(&topic), &[(1, 0)]),
            unknown,
        ),
        (
            "behind the end",
            fetch_request(named(&topic), &[(0, 1)]),
            ResponseError::OffsetOutOfRange,
        ),
    ];
    for (name, request, expected) in cases {
        let fetched = single_fetched(client.call(&request, 12)?)?;
        assert_eq!(error(fetched.error_code), Some(expected), "{name}");
        assert_eq!(
            fetched
                .records
                .map(|records| records.len())
                .unwrap_or_default(),
            0,
            "{name}"
        );
    }
    let by_id = FetchTopic::default().with_topic_id(Uuid::new_v4());
    let fetched = single_fetched(client.call(&fetch_request(by_id, &[(0, 0)]), 13)?)?;
    assert_eq!(
        error(fetched.error_code),
        Some(ResponseError::UnknownTopicId)
    );
    Ok(())
}

#[test]
fn offsets_are_listed_or_refused_with_kafkas_codes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("bad-offsets");
    client.create_topic(&topic, 1, &[])?;
    let listed = |client: &mut Client, name: &str, index, epoch, timestamp| {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_current_leader_epoch(epoch)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name(name))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic]);
        let response = client.call(&request, 9)?;
        let listed = &response.topics[0].partitions[0];
        anyhow::Ok((error(listed.error_code), listed.offset, listed.timestamp))
    };
    // Empty: begin and end are offset 0, and no timestamp is found.
    for (timestamp, offset) in [(-1, 0), (-2, 0), (-3, -1), (-4, 0), (-5, -1), (0, -1)] {
        let found = listed(&mut client, &topic, 0, -1, timestamp)?;
        assert_eq!(found, (None, offset, -1), "timestamp {timestamp}");
    }
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(listed(&mut client, &topic, 4, -1, -1)?, (unknown, -1, -1));
    assert_eq!(
        listed(&mut client, &unique("absent"), 0, -1, -1)?,
        (unknown, -1, -1)
    );
    let epoch = client.list_offset(&topic, 0, -1)?.leader_epoch;
    let newer = Some(ResponseError::UnknownLeaderEpoch);
    assert_eq!(
        listed(&mut client, &topic, 0, epoch + 1, -1)?,
        (newer, -1, -1)
    );
    Ok(())
}

#[test]
fn leader_epochs_end_where_the_log_ends() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("epochs");
    client.create_topic(&topic, 1, &[])?;
    client.produce(&topic, 0, batch(&["a", "b", "c"]))?;
    let current = client.list_offset(&topic, 0, -1)?.leader_epoch;
    let mut ask = |index, current_epoch, epoch| {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(index)
            .with_current_leader_epoch(current_epoch)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(topic_name(&topic))
            .with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic]);
        let response = client.call(&request, 4)?;
        let end = &response.topics[0].partitions[0];
        anyhow::Ok((error(end.error_code), end.leader_epoch, end.end_offset))
    };
    assert_eq!(ask(0, current, current)?, (None, current, 3));
    assert_eq!(ask(0, -1, current + 1)?, (None, -1, -1));
    let newer = Some(ResponseError::UnknownLeaderEpoch);
    assert_eq!(ask(0, current + 1, current)?, (newer, -1, -1));
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(ask(3, -1, current)?, (unknown, -1, -1));
    Ok(())
}
