//! What isolation `read_committed` shows, and when: Fetch, ListOffsets, DeleteRecords, and the same
//! after the broker was killed, after compaction and after retention. All but the last three hold
//! for Apache Kafka too.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::fetch_response::PartitionData;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::{BrokerId, FetchRequest, ListOffsetsRequest};
use ringbrook_record::{BatchBuilder, Codec, Header};
use ringbrook_tests::{
    BrokerOptions, Client, SharedBroker, TestBroker, batch, by_name, fetch_request,
    produce_request, read_committed, single_fetched, single_produced, topic_name, unique,
    wait_until,
};

use crate::deletion::delete_records;
use crate::transaction::{
    Producer, Protocol, fetched, transactional_id, visible, visible_at_the_end,
};

const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// The newest version of Fetch that names topics.
const FETCH: i16 = 12;
const DEADLINE: Duration = Duration::from_secs(60);
const PROTOCOLS: [Protocol; 2] = [Protocol::V1, Protocol::V2];

fn producer(client: Client, protocol: Protocol) -> anyhow::Result<Producer> {
    Producer::init(client, &unique("read-committed"), protocol)
}

/// A shared broker, a client and a topic with one partition.
fn start(configs: &[(&str, &str)]) -> anyhow::Result<(Arc<SharedBroker>, Client, String)> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("read-committed");
    client.create_topic(&topic, 1, configs)?;
    Ok((broker, client, topic))
}

/// The offset and the timestamp that ListOffsets answers with.
fn listed(
    client: &mut Client,
    topic: &str,
    timestamp: i64,
    isolation: i8,
) -> anyhow::Result<(i64, i64)> {
    let partition = ListOffsetsPartition::default()
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    let response = client.call(&request, 9)?;
    let topic = response.topics.first().context("a topic")?;
    let partition = topic.partitions.first().context("a partition")?;
    ensure!(partition.error_code == 0, "error {}", partition.error_code);
    Ok((partition.offset, partition.timestamp))
}

fn fetch(topic: &str, offset: i64) -> FetchRequest {
    let topic = FetchTopic::default().with_topic(topic_name(topic));
    fetch_request(topic, &[(0, offset)]).with_isolation_level(READ_COMMITTED)
}

/// A fetch that waits for `min_bytes` for a minute, on a connection of its own.
fn waiting(
    mut client: Client,
    topic: &str,
    offset: i64,
    min_bytes: usize,
) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<PartitionData>>> {
    let request = fetch(topic, offset)
        .with_min_bytes(i32::try_from(min_bytes)?)
        .with_max_wait_ms(60_000);
    // Sent before this returns; the answer is awaited elsewhere.
    let id = client.wire().send(&request, FETCH)?;
    Ok(std::thread::spawn(move || {
        single_fetched(client.wire().receive::<FetchRequest>(id, FETCH)?)
    }))
}

#[test]
fn nothing_behind_an_open_transaction_is_seen_or_listed() -> anyhow::Result<()> {
    for protocol in PROTOCOLS {
        let (broker, mut client, topic) = start(&[])?;
        client.produce(&topic, 0, batch(&["before"]))?;
        let mut producer = producer(broker.client()?, protocol)?.on(&broker);
        assert_eq!(producer.send(&topic, 0, &["in", "side"])?, 1);
        client.produce(&topic, 0, batch(&["behind"]))?;

        let seen = fetched(&mut client, &topic, 0)?;
        assert_eq!((seen.last_stable_offset, seen.high_watermark), (1, 4));
        assert_eq!(visible(&mut client, &topic, 0)?, ["before"]);
        assert_eq!(
            client.texts(&topic, 0, 0)?,
            ["before", "in", "side", "behind"]
        );
        // Between the two limits there is nothing, and that is no error.
        let between = read_committed(client.wire(), &topic, 0, 2)?;
        assert!(between.records.is_empty() && between.next_offset == 2);

        let latest = |client: &mut Client, isolation| listed(client, &topic, LATEST, isolation);
        assert_eq!(latest(&mut client, READ_COMMITTED)?.0, 1);
        assert_eq!(latest(&mut client, READ_UNCOMMITTED)?.0, 4);
        assert_eq!(listed(&mut client, &topic, EARLIEST, READ_COMMITTED)?.0, 0);

        producer.end(true)?;
        assert_eq!(
            visible_at_the_end(&mut client, &topic, 0)?,
            ["before", "in", "side", "behind"]
        );
        assert_eq!(
            latest(&mut client, READ_COMMITTED)?.0,
            5,
            "behind the marker"
        );
    }
    Ok(())
}

/// One record of a producer's transaction, at a time.
fn stamped(producer: &Producer, sequence: i32, timestamp: i64) -> anyhow::Result<Bytes> {
    let mut builder = BatchBuilder::new()
        .producer(producer.id, producer.epoch, sequence)
        .transactional();
    let none = std::iter::empty::<Header<'_>>();
    builder.append(timestamp, None, Some(b"stamped"), none)?;
    Ok(builder.finish(Codec::None, None)?.freeze())
}

#[test]
fn records_that_are_not_stable_are_not_found_by_their_time() -> anyhow::Result<()> {
    const T: i64 = 1_700_000_000_000;
    let (broker, mut client, topic) = start(&[])?;
    let mut builder = BatchBuilder::new();
    let none = std::iter::empty::<Header<'_>>();
    builder.append(T, None, Some(b"stable"), none)?;
    client.produce(&topic, 0, builder.finish(Codec::None, None)?.freeze())?;
    let mut producer = producer(broker.client()?, Protocol::V2)?.on(&broker);
    for (sequence, timestamp) in [(0, T + 10), (1, T + 20)] {
        let request = produce_request(
            by_name(&topic),
            0,
            -1,
            stamped(&producer, sequence, timestamp)?,
        )
        .with_transactional_id(Some(transactional_id(&producer.transactional_id)));
        let produced = single_produced(producer.client.call(&request, 12)?)?;
        assert_eq!(produced.error_code, 0);
    }
    for (timestamp, isolation, expected) in [
        (T, READ_COMMITTED, (0, T)),
        (T + 1, READ_COMMITTED, (-1, -1)),
        (T + 1, READ_UNCOMMITTED, (1, T + 10)),
        (MAX_TIMESTAMP, READ_COMMITTED, (-1, -1)),
        (MAX_TIMESTAMP, READ_UNCOMMITTED, (2, T + 20)),
    ] {
        let found = listed(&mut client, &topic, timestamp, isolation)?;
        assert_eq!(found, expected, "{timestamp} at level {isolation}");
    }
    producer.end(true)?;
    visible_at_the_end(&mut client, &topic, 0)?;
    for (timestamp, expected) in [(T + 1, (1, T + 10)), (T + 11, (2, T + 20))] {
        assert_eq!(
            listed(&mut client, &topic, timestamp, READ_COMMITTED)?,
            expected
        );
    }
    Ok(())
}

/// A consumer waits at the last stable offset. Records behind it change nothing, the marker does.
#[test]
fn a_waiting_fetch_is_woken_by_the_end_of_the_transaction() -> anyhow::Result<()> {
    for is_commit in [true, false] {
        let (broker, mut client, topic) = start(&[])?;
        let mut producer = producer(broker.client()?, Protocol::V2)?.on(&broker);
        producer.send(&topic, 0, &["in"])?;
        let waits = waiting(broker.client()?, &topic, 0, 1)?;
        // Woken by this, it would answer with nothing.
        client.produce(&topic, 0, batch(&["behind"]))?;
        producer.end(is_commit)?;
        let answer = waits.join().expect("the thread does not panic")?;
        let aborted = answer.aborted_transactions.context("a list")?;
        assert_eq!(aborted.len(), usize::from(!is_commit));
        assert_eq!(answer.last_stable_offset, 3);
        assert!(!answer.records.context("records")?.is_empty());
    }
    Ok(())
}

#[test]
fn bytes_that_are_not_stable_do_not_count_as_enough() -> anyhow::Result<()> {
    let (broker, mut client, topic) = start(&[])?;
    client.produce(&topic, 0, batch(&["before"]))?;
    let mut producer = producer(broker.client()?, Protocol::V2)?.on(&broker);
    let large = "x".repeat(20_000);
    producer.send(&topic, 0, &[large.as_str()])?;
    // There are as many below the high watermark.
    let waits = waiting(broker.client()?, &topic, 0, 20_000)?;
    client.produce(&topic, 0, batch(&[large.as_str()]))?;
    producer.end(true)?;
    let answer = waits.join().expect("the thread does not panic")?;
    let bytes = answer.records.context("records")?;
    assert!(20_000 <= bytes.len(), "{} bytes", bytes.len());
    Ok(())
}

/// Aborted transactions of several producers, some of them over segments, and committed ones in
/// between; read from every offset.
#[test]
fn aborted_records_are_told_from_any_offset() -> anyhow::Result<()> {
    let (broker, mut client, topic) = start(&[("segment.bytes", "1048576")])?;
    let filler = "f".repeat(400_000);
    let mut producers = Vec::new();
    for protocol in [Protocol::V1, Protocol::V2, Protocol::V2] {
        producers.push(producer(broker.client()?, protocol)?.on(&broker));
    }
    for round in 0..3 {
        for (index, producer) in producers.iter_mut().enumerate() {
            producer.send(&topic, 0, &[format!("{round}-{index}").as_str()])?;
        }
        client.produce(&topic, 0, batch(&[filler.as_str()]))?;
        client.produce(&topic, 0, batch(&[filler.as_str()]))?;
        for (index, producer) in producers.iter_mut().enumerate() {
            producer.send(&topic, 0, &[format!("{round}-{index}+").as_str()])?;
            producer.end((index + round) % 3 == 0)?;
        }
    }
    visible_at_the_end(&mut client, &topic, 0)?;
    let end = listed(&mut client, &topic, LATEST, READ_COMMITTED)?.0;
    let all = client.read_all(&topic, 0, 0)?;
    for from in 0..end {
        let mut shown = Vec::new();
        let mut at = from;
        while at < end {
            let read = read_committed(client.wire(), &topic, 0, at)?;
            ensure!(at < read.next_offset, "no progress at {at}");
            shown.extend(read.records.iter().map(|record| record.offset));
            at = read.next_offset;
        }
        let expected = all.iter().filter(|record| from <= record.offset);
        let expected = expected.filter(|record| {
            let text = record.text();
            let Some((round, index)) = text.trim_end_matches('+').split_once('-') else {
                // A plain record, or a marker.
                return text.starts_with('f');
            };
            let numbers = round.parse::<usize>().ok().zip(index.parse::<usize>().ok());
            numbers.is_some_and(|(round, index)| (index + round) % 3 == 0)
        });
        let expected: Vec<i64> = expected.map(|record| record.offset).collect();
        assert_eq!(shown, expected, "from {from}");
    }
    Ok(())
}

#[test]
fn records_of_an_open_transaction_can_be_deleted() -> anyhow::Result<()> {
    for is_commit in [true, false] {
        let (broker, mut client, topic) = start(&[])?;
        let mut producer = producer(broker.client()?, Protocol::V2)?.on(&broker);
        producer.send(&topic, 0, &["gone"])?;
        client.produce(&topic, 0, batch(&["gone too"]))?;
        producer.send(&topic, 0, &["stays"])?;
        let deleted = delete_records(&mut client, &topic, 0, 2)?;
        assert_eq!((deleted.error_code, deleted.low_watermark), (0, 2));
        // The transaction began below what is left.
        assert_eq!(listed(&mut client, &topic, LATEST, READ_COMMITTED)?.0, 2);
        let seen = read_committed(client.wire(), &topic, 0, 2)?;
        assert!(seen.records.is_empty());
        assert_eq!(seen.last_stable_offset, 2);
        producer.end(is_commit)?;
        let mut last = seen;
        let is_stable = wait_until(DEADLINE, || {
            let read = read_committed(client.wire(), &topic, 0, 2);
            read.is_ok_and(|read| {
                last = read;
                last.last_stable_offset == 4
            })
        });
        assert!(is_stable, "{last:?}");
        assert_eq!(last.records.len(), usize::from(is_commit));
        // All of it: nothing is left to be stable or not.
        let deleted = delete_records(&mut client, &topic, 0, -1)?;
        assert_eq!((deleted.error_code, deleted.low_watermark), (0, 4));
        assert_eq!(listed(&mut client, &topic, LATEST, READ_COMMITTED)?.0, 4);
    }
    Ok(())
}

/// The last stable offset, the lists and the open transaction are the same after a kill; then the
/// producer commits as if nothing had happened.
#[test]
fn a_killed_broker_knows_what_is_committed() -> anyhow::Result<()> {
    for protocol in PROTOCOLS {
        let mut broker = TestBroker::start_with(BrokerOptions::fast())?;
        let mut client = broker.client()?;
        client.create_topic("t", 1, &[])?;
        let mut ended = producer(broker.client()?, protocol)?;
        for (value, is_commit) in [("committed", true), ("aborted", false)] {
            ended.send("t", 0, &[value])?;
            ended.end(is_commit)?;
        }
        let mut open = producer(broker.client()?, protocol)?;
        let first = open.send("t", 0, &["open"])?;
        client.produce("t", 0, batch(&["behind"]))?;
        for _ in 0..2 {
            broker = broker.kill_and_restart()?;
            client = broker.client()?;
            let is_read = wait_until(DEADLINE, || {
                fetched(&mut client, "t", 0).is_ok_and(|read| read.last_stable_offset == first)
            });
            assert!(is_read, "the last stable offset is not {first}");
            assert_eq!(visible(&mut client, "t", 0)?, ["committed"]);
        }
        let mut open = open.twin(broker.client()?);
        open.send("t", 0, &["still open"])?;
        open.end(true)?;
        assert_eq!(
            visible_at_the_end(&mut client, "t", 0)?,
            ["committed", "open", "behind", "still open"]
        );
        broker.stop()?;
    }
    Ok(())
}

/// Records with keys, as a compacted topic wants them, in a producer's transaction.
fn keyed(producer: &Producer, sequence: i32, key: &str, value: &str) -> anyhow::Result<Bytes> {
    let mut builder = BatchBuilder::new()
        .producer(producer.id, producer.epoch, sequence)
        .transactional();
    let padded = format!("{value:.<60000}");
    let none = std::iter::empty::<Header<'_>>();
    builder.append(
        ringbrook_tests::now_ms(),
        Some(key.as_bytes()),
        Some(padded.as_bytes()),
        none,
    )?;
    Ok(builder.finish(Codec::None, None)?.freeze())
}

fn send_keyed(
    producer: &mut Producer,
    sequence: i32,
    key: &str,
    value: &str,
) -> anyhow::Result<()> {
    let records = keyed(producer, sequence, key, value)?;
    let request = produce_request(by_name("t"), 0, -1, records)
        .with_transactional_id(Some(transactional_id(&producer.transactional_id)));
    let mut code = 0;
    let is_produced = wait_until(DEADLINE, || {
        let answer = producer.client.call(&request, 12);
        let produced = answer
            .map_err(anyhow::Error::from)
            .and_then(single_produced);
        produced.is_ok_and(|produced| {
            code = produced.error_code;
            code == 0
        })
    });
    ensure!(is_produced, "{value} not produced: error {code}");
    Ok(())
}

/// The values that a `read_committed` consumer shows of topic `t`, without their padding.
fn values_of(client: &mut Client) -> anyhow::Result<Vec<String>> {
    let mut values = Vec::new();
    let mut at = 0;
    loop {
        let read = read_committed(client.wire(), "t", 0, at)?;
        let texts = read.records.iter().map(|record| {
            let text = String::from_utf8_lossy(&record.value).into_owned();
            text.trim_end_matches('.').to_owned()
        });
        values.extend(texts);
        if read.next_offset == at {
            return Ok(values);
        }
        at = read.next_offset;
    }
}

/// Compaction takes aborted records and what later committed ones replace, but nothing that an open
/// transaction may yet decide about.
#[test]
fn compaction_leaves_what_is_committed_and_what_is_open() -> anyhow::Result<()> {
    let options = BrokerOptions::fast()
        .set("log.cleaner.backoff.ms", "20")
        .set("log.initial.task.delay.ms", "0");
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    client.create_topic(
        "t",
        1,
        &[
            ("cleanup.policy", "compact"),
            ("segment.bytes", "1048576"),
            ("min.cleanable.dirty.ratio", "0.01"),
            ("file.delete.delay.ms", "10"),
        ],
    )?;
    let mut aborter = producer(broker.client()?, Protocol::V2)?;
    let mut committer = producer(broker.client()?, Protocol::V2)?;
    for round in 0..20 {
        send_keyed(&mut aborter, 0, "a", &format!("aborted-{round}"))?;
        aborter.end(false)?;
        send_keyed(&mut committer, 0, "a", &format!("committed-{round}"))?;
        committer.end(true)?;
    }
    let mut open = producer(broker.client()?, Protocol::V2)?;
    send_keyed(&mut open, 0, "a", "open")?;
    let first_open = fetched(&mut client, "t", 0)?.last_stable_offset;
    // Enough behind it for the cleaner to have segments to clean.
    for round in 20..60 {
        send_keyed(&mut committer, 0, "a", &format!("committed-{round}"))?;
        committer.end(true)?;
    }
    let mut values = values_of(&mut client)?;
    let is_cleaned = wait_until(DEADLINE, || {
        values_of(&mut client).is_ok_and(|read| {
            values = read;
            values.len() < 20
        })
    });
    assert!(is_cleaned, "{values:?}");
    assert_eq!(values.last().map(String::as_str), Some("committed-19"));
    assert!(
        values.iter().all(|value| value.starts_with("committed")),
        "{values:?}"
    );
    let stable = read_committed(client.wire(), "t", 0, 0)?.last_stable_offset;
    assert_eq!(
        stable, first_open,
        "the open transaction holds everything back"
    );

    open.end(true)?;
    let is_decided = wait_until(DEADLINE, || {
        values_of(&mut client).is_ok_and(|read| {
            values = read;
            values.last().map(String::as_str) == Some("committed-59")
        })
    });
    assert!(is_decided, "{values:?}");
    assert!(
        values.iter().all(|value| !value.starts_with("aborted")),
        "{values:?}"
    );
    broker.stop()
}

/// Retention removes the segment with a transaction's records and the one with its marker later;
/// what is left is told right at every moment.
#[test]
fn retention_takes_lists_and_records_together() -> anyhow::Result<()> {
    let options = BrokerOptions::fast()
        .set("log.retention.check.interval.ms", "50")
        .set("log.initial.task.delay.ms", "0");
    let broker = TestBroker::start_with(options)?;
    let mut client = broker.client()?;
    let configs = [
        ("segment.bytes", "1048576"),
        ("retention.bytes", "3145728"),
        ("file.delete.delay.ms", "1"),
    ];
    client.create_topic("t", 1, &configs)?;
    let mut producer = producer(broker.client()?, Protocol::V2)?;
    let value = "v".repeat(100_000);
    for round in 0..60 {
        let is_commit = round % 3 == 0;
        let kind = if is_commit { "committed" } else { "aborted" };
        for _ in 0..3 {
            producer.send("t", 0, &[format!("{kind}-{round}-{value}").as_str()])?;
        }
        producer.end(is_commit)?;
        let start = listed(&mut client, "t", EARLIEST, READ_COMMITTED)?.0;
        // The start may rise between the two requests.
        let Ok(read) = read_committed(client.wire(), "t", 0, start) else {
            continue;
        };
        for record in &read.records {
            let is_committed = record.value.starts_with(b"committed");
            assert!(is_committed, "offset {} in round {round}", record.offset);
        }
    }
    let has_begun = wait_until(DEADLINE, || {
        listed(&mut client, "t", EARLIEST, READ_COMMITTED).is_ok_and(|(start, _)| 0 < start)
    });
    assert!(has_begun, "retention removed nothing");
    broker.stop()
}
