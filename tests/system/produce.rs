//! Produce: acknowledgements, order, and that stored bytes are the produced ones.

use std::iter;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::produce_request::PartitionProduceData;
use ringbrook_protocol::messages::{ApiVersionsRequest, FetchRequest, ProduceRequest};
use ringbrook_record::{Batch, BatchBuilder, Codec, Header};
use ringbrook_tests::{
    Client, SharedBroker, batch, batch_of_bytes, builder, by_id, by_name, compressed, error,
    fetch_request, now_ms, produce_request, read, single_produced, stored_as, unique,
};

/// The raw bytes that a partition holds from `offset`, and the leader epoch in their first header.
fn stored(client: &mut Client, topic: &str, offset: i64) -> anyhow::Result<(Bytes, i32)> {
    let fetched = client.try_fetch(topic, 0, offset)?;
    anyhow::ensure!(
        fetched.error_code == 0,
        "not fetched: {:?}",
        error(fetched.error_code)
    );
    let bytes = fetched.records.context("records are null")?;
    let epoch = Batch::parse(&bytes)?.header.partition_leader_epoch;
    Ok((bytes, epoch))
}

#[test]
fn every_version_stores_the_produced_bytes() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-versions");
    let id = client.create_topic(&topic, 1, &[])?;
    let mut expected_offset = 0;
    for version in 3..=13 {
        let batch = batch(&[format!("one of version {version}"), "two".to_owned()]);
        let named = if version < 13 {
            by_name(&topic)
        } else {
            by_id(id)
        };
        let response = client.call(&produce_request(named, 0, -1, batch.clone()), version)?;
        assert_eq!(response.throttle_time_ms, 0);
        let topic_id = response.responses[0].topic_id;
        assert_eq!(topic_id, if version < 13 { uuid::Uuid::nil() } else { id });
        let produced = single_produced(response)?;
        assert_eq!(error(produced.error_code), None, "version {version}");
        assert_eq!(produced.base_offset, expected_offset, "version {version}");
        assert_eq!(produced.log_append_time_ms, -1, "version {version}");
        if 5 <= version {
            assert_eq!(produced.log_start_offset, 0, "version {version}");
        }
        let (bytes, epoch) = stored(&mut client, &topic, expected_offset)?;
        assert_eq!(
            bytes,
            stored_as(&batch, expected_offset, epoch),
            "version {version}"
        );
        expected_offset += 2;
    }
    Ok(())
}

#[test]
fn acks_one_and_all_are_answered_with_the_base_offset() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-acks");
    client.create_topic(&topic, 1, &[])?;
    for (acks, offset) in [(1, 0), (-1, 1), (1, 2)] {
        let request = produce_request(by_name(&topic), 0, acks, batch(&["value"]));
        let produced = single_produced(client.call(&request, 9)?)?;
        assert_eq!(
            (error(produced.error_code), produced.base_offset),
            (None, offset)
        );
    }
    Ok(())
}

#[test]
fn acks_zero_is_stored_without_an_answer() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-acks-0");
    client.create_topic(&topic, 1, &[])?;
    let request = produce_request(by_name(&topic), 0, 0, batch(&["silent"]));
    client.wire().send(&request, 9)?;
    // The next answer on the connection belongs to the next request.
    let versions = client.call(&ApiVersionsRequest::default(), 0)?;
    assert_eq!(versions.error_code, 0);
    let offset = client.produce(&topic, 0, batch(&["loud"]))?;
    assert_eq!(offset, 1);
    assert_eq!(client.texts(&topic, 0, 0)?, ["silent", "loud"]);
    Ok(())
}

#[test]
fn a_failed_acks_zero_closes_the_connection() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let request = produce_request(by_name(&unique("absent")), 0, 0, batch(&["lost"]));
    client.wire().send(&request, 9)?;
    assert!(client.wire().is_closed_by_broker());
    Ok(())
}

#[test]
fn pipelined_produces_are_stored_and_answered_in_order() -> anyhow::Result<()> {
    const REQUESTS: i64 = 300;
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-pipelined");
    client.create_topic(&topic, 1, &[])?;
    let mut frames = BytesMut::new();
    let mut sent = Vec::new();
    for index in 0..REQUESTS {
        let records = batch(&[index.to_string()]);
        // Every acknowledgement mode that is answered, so that none overtakes another.
        let acks = if index % 2 == 0 { -1 } else { 1 };
        let request = produce_request(by_name(&topic), 0, acks, records);
        let (correlation_id, frame) = client.wire().frame(&request, 9)?;
        frames.extend_from_slice(&frame);
        sent.push(correlation_id);
    }
    client.wire().send_raw(&frames)?;
    for (offset, correlation_id) in (0..).zip(sent) {
        let response = client.wire().receive::<ProduceRequest>(correlation_id, 9)?;
        let produced = single_produced(response)?;
        assert_eq!(
            (error(produced.error_code), produced.base_offset),
            (None, offset)
        );
    }
    let expected: Vec<_> = (0..REQUESTS).map(|index| index.to_string()).collect();
    assert_eq!(client.texts(&topic, 0, 0)?, expected);
    Ok(())
}

#[test]
fn large_batches_come_back_byte_for_byte() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-large");
    client.create_topic(&topic, 1, &[])?;
    for (offset, size_bytes) in [(0, 64 << 10), (1, 1 << 20), (2, 100), (3, (1 << 20) + 12)] {
        let batch = batch_of_bytes(size_bytes);
        assert_eq!(client.produce(&topic, 0, batch.clone())?, offset);
        let (bytes, epoch) = stored(&mut client, &topic, offset)?;
        assert!(
            bytes == stored_as(&batch, offset, epoch),
            "{size_bytes} bytes came back otherwise"
        );
    }
    Ok(())
}

#[test]
fn the_largest_batch_is_max_message_bytes_as_stored() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-max");
    client.create_topic(&topic, 1, &[])?;
    let refused = client.try_produce(&topic, 0, batch_of_bytes(1_048_589))?;
    assert_eq!(
        error(refused.error_code),
        Some(ResponseError::MessageTooLarge)
    );
    assert_eq!(client.produce(&topic, 0, batch_of_bytes(1_048_588))?, 0);
    // Small once compressed, whatever it is decompressed.
    let big = vec![b'x'; 4 << 20];
    assert_eq!(
        client.produce(&topic, 0, compressed(Codec::Zstd, &[big]))?,
        1
    );
    Ok(())
}

#[test]
fn every_codec_is_stored_as_produced() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-codecs");
    client.create_topic(&topic, 1, &[])?;
    for (offset, codec) in (0..).map(|index| index * 3).zip(Codec::ALL) {
        let values = [format!("{codec:?}"), "b".repeat(2000), "c".to_owned()];
        let batch = compressed(codec, &values);
        assert_eq!(
            client.produce(&topic, 0, batch.clone())?,
            offset,
            "{codec:?}"
        );
        let (bytes, epoch) = stored(&mut client, &topic, offset)?;
        assert_eq!(bytes, stored_as(&batch, offset, epoch), "{codec:?}");
        assert_eq!(client.texts(&topic, 0, offset)?, values, "{codec:?}");
    }
    Ok(())
}

#[test]
fn a_topic_with_a_codec_converts_what_is_produced() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-converted");
    client.create_topic(&topic, 1, &[("compression.type", "zstd")])?;
    let values = ["first".repeat(100), "second".repeat(100)];
    for (offset, codec) in (0..).map(|index| index * 2).zip(Codec::ALL) {
        assert_eq!(
            client.produce(&topic, 0, compressed(codec, &values))?,
            offset,
            "{codec:?}"
        );
        let (bytes, _) = stored(&mut client, &topic, offset)?;
        let header = Batch::parse(&bytes)?.header;
        assert_eq!(header.attributes.codec()?, Codec::Zstd, "{codec:?}");
        assert_eq!(header.base_offset, offset);
        assert_eq!(client.texts(&topic, 0, offset)?, values, "{codec:?}");
    }
    let plain = unique("produce-uncompressed");
    client.create_topic(&plain, 1, &[("compression.type", "uncompressed")])?;
    client.produce(&plain, 0, compressed(Codec::Gzip, &values))?;
    let (bytes, _) = stored(&mut client, &plain, 0)?;
    assert_eq!(
        Batch::parse(&bytes)?.header.attributes.codec()?,
        Codec::None
    );
    assert_eq!(client.texts(&plain, 0, 0)?, values);
    Ok(())
}

#[test]
fn a_log_append_time_topic_stamps_every_record() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-append-time");
    client.create_topic(&topic, 1, &[("message.timestamp.type", "LogAppendTime")])?;
    let begin = now_ms();
    // A producer's own timestamps, even absurd ones, do not matter.
    let none = iter::empty::<Header<'_>>();
    let mut builder = BatchBuilder::new();
    builder.append(1, None, Some(b"old"), none.clone())?;
    builder.append(begin + 999_999_999, None, Some(b"far"), none)?;
    let produced = client.try_produce(&topic, 0, builder.finish(Codec::Lz4, None)?.freeze())?;
    assert_eq!(error(produced.error_code), None);
    let stamped = produced.log_append_time_ms;
    assert!(
        (begin - 1000..=now_ms() + 1000).contains(&stamped),
        "stamped {stamped}"
    );
    let records = client.read_all(&topic, 0, 0)?;
    assert_eq!(
        records
            .iter()
            .map(|record| record.timestamp)
            .collect::<Vec<_>>(),
        [stamped; 2]
    );
    Ok(())
}

/// What is handled together shares one look at the clock; what waits ends that.
#[test]
fn a_produce_behind_a_long_fetch_is_stamped_with_the_time_of_then() -> anyhow::Result<()> {
    const WAIT_MS: i32 = 300;
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let (stamped, empty) = (unique("produce-turns"), unique("produce-turns-empty"));
    client.create_topic(&stamped, 1, &[("message.timestamp.type", "LogAppendTime")])?;
    let id = client.create_topic(&empty, 1, &[])?;
    let produce = produce_request(by_name(&stamped), 0, -1, batch(&["one"]));
    let fetch = fetch_request(FetchTopic::default().with_topic_id(id), &[(0, 0)])
        .with_max_wait_ms(WAIT_MS)
        .with_min_bytes(1);
    let wire = client.wire();
    let (before, first) = wire.frame(&produce, 9)?;
    let (waiting, second) = wire.frame(&fetch, 13)?;
    let (behind, third) = wire.frame(&produce, 9)?;
    wire.send_raw(&[first, second, third].concat())?;
    let before = single_produced(wire.receive::<ProduceRequest>(before, 9)?)?;
    wire.receive::<FetchRequest>(waiting, 13)?;
    let behind = single_produced(wire.receive::<ProduceRequest>(behind, 9)?)?;
    let passed_ms = behind.log_append_time_ms - before.log_append_time_ms;
    assert!(i64::from(WAIT_MS) - 50 <= passed_ms, "{passed_ms} ms");
    Ok(())
}

#[test]
fn timestamps_too_far_in_the_future_are_refused() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-future");
    client.create_topic(&topic, 1, &[])?;
    let at = |timestamp| -> anyhow::Result<Bytes> {
        let mut builder = builder(&["now"]);
        builder.append(timestamp, None, Some(b"later"), iter::empty::<Header<'_>>())?;
        Ok(builder.finish(Codec::None, None)?.freeze())
    };
    let refused = client.try_produce(&topic, 0, at(now_ms() + 2 * 3_600_000)?)?;
    assert_eq!(
        error(refused.error_code),
        Some(ResponseError::InvalidTimestamp)
    );
    assert_eq!(refused.base_offset, -1);
    assert_eq!(refused.record_errors.len(), 1);
    assert_eq!(refused.record_errors[0].batch_index, 1);
    assert_eq!(client.produce(&topic, 0, at(now_ms() + 1_800_000)?)?, 0);
    Ok(())
}

#[test]
fn keys_nulls_and_duplicate_headers_survive_in_order() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-headers");
    client.create_topic(&topic, 1, &[])?;
    let headers = [
        Header {
            key: b"trace",
            value: Some(b"1"),
        },
        Header {
            key: b"other",
            value: None,
        },
        Header {
            key: b"trace",
            value: Some(b"2"),
        },
        Header {
            key: b"trace",
            value: Some(b"1"),
        },
        Header {
            key: b"",
            value: Some(b""),
        },
    ];
    let mut builder = BatchBuilder::new();
    builder.append(5, Some(b"key"), None, headers)?;
    builder.append(6, Some(b""), Some(b""), iter::empty())?;
    client.produce(&topic, 0, builder.finish(Codec::Snappy, None)?.freeze())?;
    let records = client.read_all(&topic, 0, 0)?;
    let read: Vec<_> = records[0]
        .headers
        .iter()
        .map(|(key, value)| (key.as_ref(), value.as_deref()))
        .collect();
    let sent: Vec<_> = headers
        .iter()
        .map(|header| (header.key, header.value))
        .collect();
    assert_eq!(read, sent);
    assert_eq!(
        (records[0].key.as_deref(), records[0].value.as_deref()),
        (Some(&b"key"[..]), None)
    );
    assert_eq!((records[0].timestamp, records[1].timestamp), (5, 6));
    assert_eq!(records[1].key.as_deref(), Some(&b""[..]));
    assert_eq!(records[1].value.as_deref(), Some(&b""[..]));
    Ok(())
}

#[test]
fn a_bad_partition_fails_alone() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("produce-partial");
    client.create_topic(&topic, 2, &[])?;
    let partition = |index, records| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(records))
    };
    let mut damaged = BytesMut::from(&batch(&["damaged"])[..]);
    let last = damaged.len() - 2;
    damaged[last] ^= 1;
    let partitions = vec![
        partition(0, batch(&["good"])),
        partition(1, damaged.freeze()),
        partition(7, batch(&["absent"])),
    ];
    let absent = by_name(&unique("absent")).with_partition_data(vec![partition(0, batch(&["x"]))]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![
            by_name(&topic).with_partition_data(partitions),
            absent,
        ]);
    let response = client.call(&request, 9)?;
    let mut codes: Vec<_> = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses)
        .map(|partition| (partition.index, error(partition.error_code)))
        .collect();
    codes.sort_by_key(|(index, error)| (*index, error.is_some()));
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    let expected = [
        (0, None),
        (0, unknown),
        (1, Some(ResponseError::CorruptMessage)),
        (7, unknown),
    ];
    assert_eq!(codes, expected);
    assert_eq!(client.texts(&topic, 0, 0)?, ["good"]);
    assert_eq!(
        read(&client.try_fetch(&topic, 1, 0)?.records.context("null")?)?,
        []
    );
    Ok(())
}

#[test]
fn many_producers_on_one_partition_get_dense_offsets() -> anyhow::Result<()> {
    const PRODUCERS: usize = 8;
    const BATCHES: usize = 40;
    let broker = SharedBroker::current()?;
    let topic = unique("produce-concurrent");
    broker.client()?.create_topic(&topic, 1, &[])?;
    let produced = std::thread::scope(|scope| {
        let produce = |producer: usize| {
            let mut client = broker.client()?;
            let values = |index| {
                [
                    format!("{producer}/{index}/a"),
                    format!("{producer}/{index}/b"),
                ]
            };
            let offsets = (0..BATCHES).map(|index| {
                let offset = client.produce(&topic, 0, batch(&values(index)))?;
                Ok((offset, values(index)))
            });
            offsets.collect::<anyhow::Result<Vec<_>>>()
        };
        let threads: Vec<_> = (0..PRODUCERS)
            .map(|producer| scope.spawn(move || produce(producer)))
            .collect();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        results.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut batches: Vec<_> = produced.into_iter().flatten().collect();
    batches.sort();
    let offsets: Vec<_> = batches.iter().map(|(offset, _)| *offset).collect();
    let dense: Vec<_> = (0..).step_by(2).take(PRODUCERS * BATCHES).collect();
    assert_eq!(offsets, dense);
    let expected: Vec<_> = batches.into_iter().flat_map(|(_, values)| values).collect();
    assert_eq!(broker.client()?.texts(&topic, 0, 0)?, expected);
    Ok(())
}
