//! Consumed offsets in librdkafka's transactions, and the consume-transform-produce loop.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use ringbrook_tests::{now, unique};

use super::transactions::{COMMITTED, UNCOMMITTED, end, retried, values};
use super::{Cluster, DEADLINE, payload, poll};

impl Cluster {
    /// The committed offset of partition 0, also while a transaction has a pending one.
    fn committed(&self, group: &str, topic: &str) -> anyhow::Result<Option<i64>> {
        let consumer = self.consumer_with(group, &[("isolation.level", UNCOMMITTED)])?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, 0);
        let found = consumer.committed_offsets(asked, DEADLINE)?;
        Ok(match found.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
    }

    fn await_committed(
        &self,
        group: &str,
        topic: &str,
        expected: Option<i64>,
    ) -> anyhow::Result<()> {
        let end = now() + DEADLINE;
        loop {
            let found = self.committed(group, topic)?;
            if found == expected {
                return Ok(());
            }
            ensure!(now() < end, "{found:?} is committed, not {expected:?}");
        }
    }
}

/// Makes an offset of each partition part of the open transaction.
fn send_offsets(
    producer: &FutureProducer,
    consumer: &BaseConsumer,
    topic: &str,
    offsets: &BTreeMap<i32, i64>,
) -> anyhow::Result<()> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    let metadata = consumer.group_metadata().context("a group")?;
    retried(|| producer.send_offsets_to_transaction(&list, &metadata, DEADLINE))
}

#[test]
fn offsets_count_only_once_their_transaction_is_committed() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let (topic, group) = (unique("rdkafka-txn-offsets"), unique("rdkafka-txn-offsets"));
    cluster.create_topic(&topic, 1)?;
    cluster.send_values(&topic, 0, &values("value", 10))?;
    let consumer = cluster.consumer(&group)?;
    consumer.subscribe(&[&topic])?;
    poll(&consumer, 10)?;
    let producer = cluster.transactional(&unique("offsets"), &[])?;
    let steps = [
        (4, false, None, None),
        (5, true, None, Some(5)),
        (7, false, Some(5), Some(5)),
        (8, true, Some(5), Some(8)),
    ];
    for (offset, is_commit, before, after) in steps {
        producer.begin_transaction()?;
        send_offsets(&producer, &consumer, &topic, &BTreeMap::from([(0, offset)]))?;
        assert_eq!(
            cluster.committed(&group, &topic)?,
            before,
            "{offset} is pending"
        );
        end(&producer, is_commit)?;
        cluster.await_committed(&group, &topic, after)?;
    }
    drop(consumer);
    let successor = cluster.consumer(&group)?;
    successor.subscribe(&[&topic])?;
    let read: Vec<_> = poll(&successor, 2)?.iter().map(Message::offset).collect();
    assert_eq!(read, [8, 9]);
    Ok(())
}

/// Moves what has come to the sink in one transaction; every third is aborted. Returns whether it
/// was committed.
fn transform(
    cluster: &Cluster,
    producer: &FutureProducer,
    consumer: &BaseConsumer,
    (source, sink): (&str, &str),
    (messages, number): (&[OwnedMessage], usize),
) -> anyhow::Result<bool> {
    producer.begin_transaction()?;
    let texts: Vec<_> = messages.iter().map(payload).collect();
    let records = messages.iter().zip(&texts).map(|(message, text)| {
        FutureRecord::to(sink)
            .partition(message.partition())
            .payload(text.as_bytes())
    });
    cluster.send(producer, records.collect())?;
    let next = messages.iter().map(|it| (it.partition(), it.offset() + 1));
    send_offsets(producer, consumer, source, &next.collect())?;
    let is_commit = number % 3 != 2;
    end(producer, is_commit)?;
    if !is_commit {
        let firsts = messages
            .iter()
            .rev()
            .map(|it| (it.partition(), it.offset()));
        for (partition, offset) in firsts.collect::<BTreeMap<_, _>>() {
            consumer.seek(source, partition, Offset::Offset(offset), DEADLINE)?;
        }
    }
    Ok(is_commit)
}

#[test]
fn transformed_records_arrive_exactly_once() -> anyhow::Result<()> {
    const PARTITIONS: i32 = 3;
    const COUNT: usize = 40;
    let cluster = Cluster::current()?;
    let (source, sink) = (unique("rdkafka-source"), unique("rdkafka-sink"));
    let (group, id) = (unique("rdkafka-transforms"), unique("rdkafka-transforms"));
    for topic in [&source, &sink] {
        cluster.create_topic(topic, PARTITIONS)?;
    }
    let mut expected = Vec::new();
    for partition in 0..PARTITIONS {
        let sent = values(&format!("value-{partition}"), COUNT);
        cluster.send_values(&source, partition, &sent)?;
        expected.extend(sent);
    }
    let (mut moved, mut number) = (0, 0);
    // Each worker ends with an open transaction, which its successor aborts.
    for worker in 0..3 {
        let producer = cluster.transactional(&id, &[])?;
        let consumer = cluster.consumer(&group)?;
        consumer.subscribe(&[&source])?;
        let stop_at = expected.len() * (worker + 1) / 3;
        while moved < stop_at {
            let messages = up_to(&consumer, 10)?;
            let topics = (source.as_str(), sink.as_str());
            let what = (messages.as_slice(), number);
            if transform(&cluster, &producer, &consumer, topics, what)? {
                moved += messages.len();
            }
            number += 1;
        }
        producer.begin_transaction()?;
        cluster.send_all(&producer, &sink, 0, &values("of a lost worker", 2))?;
    }
    drop(cluster.transactional(&id, &[])?);
    for partition in 0..PARTITIONS {
        cluster.send_values(&sink, partition, &["last".to_owned()])?;
        expected.push("last".to_owned());
    }
    let reader = cluster.consumer_with("unused", &[("isolation.level", COMMITTED)])?;
    let mut start = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        start.add_partition_offset(&sink, partition, Offset::Offset(0))?;
    }
    reader.assign(&start)?;
    let mut found: Vec<_> = poll(&reader, expected.len())?.iter().map(payload).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    Ok(())
}

/// One to `count_max` records.
fn up_to(consumer: &BaseConsumer, count_max: usize) -> anyhow::Result<Vec<OwnedMessage>> {
    let mut messages = poll(consumer, 1)?;
    while messages.len() < count_max {
        match consumer.poll(Duration::from_millis(20)) {
            Some(message) => messages.push(message?.detach()),
            None => break,
        }
    }
    Ok(messages)
}
