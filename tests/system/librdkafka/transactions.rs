//! librdkafka's transactional producer, and what its readers see of committed, aborted and open
//! transactions.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use ringbrook_tests::{BrokerOptions, TestBroker, now, unique};

use super::{CODECS, Cluster, DEADLINE, options, payload, poll};

impl Cluster {
    /// A producer that has got its producer id.
    pub(super) fn transactional(
        &self,
        id: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<FutureProducer> {
        let mut all = vec![
            ("transactional.id", id),
            // The broker goes away and comes back in some tests.
            ("reconnect.backoff.max.ms", "500"),
        ];
        all.extend(settings);
        let producer = self.producer(&all)?;
        retried(|| producer.init_transactions(DEADLINE))?;
        Ok(producer)
    }

    /// Sends the values to one partition, and returns their offsets.
    pub(super) fn send_all(
        &self,
        producer: &FutureProducer,
        topic: &str,
        partition: i32,
        values: &[String],
    ) -> anyhow::Result<Vec<i64>> {
        let records = values.iter().map(|value| {
            FutureRecord::to(topic)
                .partition(partition)
                .payload(value.as_bytes())
        });
        let delivered = self.send(producer, records.collect())?;
        Ok(delivered.into_iter().map(|(_, offset)| offset).collect())
    }

    /// One transaction in partition 0; returns the offsets of its records.
    pub(super) fn transact(
        &self,
        producer: &FutureProducer,
        topic: &str,
        values: &[String],
        is_commit: bool,
    ) -> anyhow::Result<Vec<i64>> {
        producer.begin_transaction()?;
        let offsets = self.send_all(producer, topic, 0, values)?;
        end(producer, is_commit)?;
        Ok(offsets)
    }

    /// A consumer of one partition from its beginning on, without a group.
    fn reader(&self, topic: &str, partition: i32, level: &str) -> anyhow::Result<BaseConsumer> {
        let consumer = self.consumer_with("unused", &[("isolation.level", level)])?;
        let mut start = TopicPartitionList::new();
        start.add_partition_offset(topic, partition, Offset::Offset(0))?;
        consumer.assign(&start)?;
        Ok(consumer)
    }

    /// Reads `count` records of partition 0 from the beginning.
    pub(super) fn read(
        &self,
        topic: &str,
        level: &str,
        count: usize,
    ) -> anyhow::Result<Vec<(i64, String)>> {
        let found = poll(&self.reader(topic, 0, level)?, count)?;
        Ok(found.iter().map(placed).collect())
    }

    /// The last stable offset or, for `read_uncommitted`, the high watermark.
    fn end_offset(&self, topic: &str, partition: i32, level: &str) -> anyhow::Result<i64> {
        let consumer = self.consumer_with("unused", &[("isolation.level", level)])?;
        Ok(consumer.fetch_watermarks(topic, partition, DEADLINE)?.1)
    }

    /// Waits until the last stable offset is `offset`: markers may come after the answer to the
    /// producer.
    pub(super) fn await_stable(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> anyhow::Result<()> {
        let end = now() + DEADLINE;
        loop {
            let found = self.end_offset(topic, partition, COMMITTED)?;
            if found == offset {
                return Ok(());
            }
            ensure!(
                now() < end,
                "the last stable offset is {found}, not {offset}"
            );
        }
    }
}

pub(super) const COMMITTED: &str = "read_committed";
pub(super) const UNCOMMITTED: &str = "read_uncommitted";

/// librdkafka asks its user to repeat a call that ended with a retriable error.
pub(super) fn retried(call: impl Fn() -> KafkaResult<()>) -> anyhow::Result<()> {
    let end = now() + DEADLINE;
    loop {
        match call() {
            Err(KafkaError::Transaction(error)) if error.is_retriable() && now() < end => {}
            result => return Ok(result?),
        }
    }
}

pub(super) fn end(producer: &FutureProducer, is_commit: bool) -> anyhow::Result<()> {
    retried(|| match is_commit {
        true => producer.commit_transaction(DEADLINE),
        false => producer.abort_transaction(DEADLINE),
    })
}

fn placed(message: &OwnedMessage) -> (i64, String) {
    (message.offset(), payload(message))
}

pub(super) fn values(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|index| format!("{prefix}-{index}"))
        .collect()
}

/// The values with offsets from `first` on.
pub(super) fn at(first: i64, values: &[String]) -> Vec<(i64, String)> {
    (first..).zip(values.iter().cloned()).collect()
}

/// The error is librdkafka's word for a producer whose transactional id somebody else has now, or
/// whose transaction the coordinator has aborted.
fn assert_fenced(result: anyhow::Result<()>) -> anyhow::Result<()> {
    let error = result.err().context("it was not fenced")?;
    let error: KafkaError = error.downcast()?;
    assert_eq!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::Fenced),
        "{error}"
    );
    Ok(())
}

#[test]
fn aborted_records_are_passed_over_in_every_codec() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    for codec in CODECS {
        let topic = unique(&format!("rdkafka-txn-{codec}"));
        cluster.create_topic(&topic, 1)?;
        let producer = cluster.transactional(&topic, &[("compression.type", codec)])?;
        let (kept, lost, more) = (values("kept", 50), values("lost", 50), values("more", 50));
        let offsets = cluster.transact(&producer, &topic, &kept, true)?;
        assert_eq!(offsets, (0..50).collect::<Vec<_>>(), "{codec}");
        let offsets = cluster.transact(&producer, &topic, &lost, false)?;
        assert_eq!(offsets, (51..101).collect::<Vec<_>>(), "{codec}");
        cluster.await_stable(&topic, 0, 102)?;
        cluster.send_values(&topic, 0, &values("plain", 1))?;
        let offsets = cluster.transact(&producer, &topic, &more, true)?;
        assert_eq!(offsets, (103..153).collect::<Vec<_>>(), "{codec}");
        cluster.await_stable(&topic, 0, 154)?;
        let plain = at(102, &values("plain", 1));
        let committed = [at(0, &kept), plain.clone(), at(103, &more)].concat();
        assert_eq!(cluster.read(&topic, COMMITTED, 101)?, committed, "{codec}");
        let every = [at(0, &kept), at(51, &lost), plain, at(103, &more)].concat();
        assert_eq!(cluster.read(&topic, UNCOMMITTED, 151)?, every, "{codec}");
    }
    Ok(())
}

#[test]
fn an_open_transaction_holds_back_and_then_wakes_readers() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let topic = unique("rdkafka-txn-open");
    cluster.create_topic(&topic, 1)?;
    let slow = cluster.transactional(&unique("slow"), &[])?;
    let quick = cluster.transactional(&unique("quick"), &[])?;
    cluster.send_values(&topic, 0, &values("before", 3))?;
    slow.begin_transaction()?;
    let offsets = cluster.send_all(&slow, &topic, 0, &values("late", 5))?;
    assert_eq!(offsets, [3, 4, 5, 6, 7]);
    let offsets = cluster.transact(&quick, &topic, &values("behind", 4), true)?;
    assert_eq!(offsets, [8, 9, 10, 11]);
    assert_eq!(cluster.end_offset(&topic, 0, COMMITTED)?, 3);
    let (before, within, behind) = (
        at(0, &values("before", 3)),
        at(3, &values("late", 5)),
        at(8, &values("behind", 4)),
    );
    let every = [before.clone(), within, behind].concat();
    assert_eq!(cluster.read(&topic, UNCOMMITTED, 12)?, every);
    // The reader waits at the last stable offset until the transaction ends.
    let reader = cluster.reader(&topic, 0, COMMITTED)?;
    let mut read: Vec<_> = poll(&reader, 3)?.iter().map(placed).collect();
    assert_eq!(read, before);
    let early = reader.poll(Duration::from_millis(300));
    assert!(early.is_none(), "{early:?}");
    end(&slow, true)?;
    read.extend(poll(&reader, 9)?.iter().map(placed));
    assert_eq!(read, every);
    cluster.await_stable(&topic, 0, 14)
}

#[test]
fn a_second_producer_with_the_same_id_fences_the_first() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let (topic, id) = (unique("rdkafka-txn-fenced"), unique("rdkafka-txn-fenced"));
    cluster.create_topic(&topic, 1)?;
    let first = cluster.transactional(&id, &[])?;
    first.begin_transaction()?;
    cluster.send_all(&first, &topic, 0, &values("lost", 5))?;
    let second = cluster.transactional(&id, &[])?;
    assert_fenced(end(&first, true))?;
    let kept = values("kept", 5);
    // Behind five aborted records and their marker.
    let offsets = cluster.transact(&second, &topic, &kept, true)?;
    assert_eq!(offsets, [6, 7, 8, 9, 10]);
    cluster.await_stable(&topic, 0, 12)?;
    assert_eq!(cluster.read(&topic, COMMITTED, 5)?, at(6, &kept));
    Ok(())
}

#[test]
fn a_transaction_past_its_timeout_is_aborted() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let (topic, id) = (unique("rdkafka-txn-late"), unique("rdkafka-txn-late"));
    cluster.create_topic(&topic, 1)?;
    let late = cluster.transactional(&id, &[("transaction.timeout.ms", "1000")])?;
    late.begin_transaction()?;
    cluster.send_all(&late, &topic, 0, &values("late", 5))?;
    cluster.await_stable(&topic, 0, 6)?;
    assert_fenced(end(&late, true))?;
    let next = cluster.transactional(&id, &[])?;
    let kept = values("kept", 5);
    assert_eq!(cluster.transact(&next, &topic, &kept, true)?[0], 6);
    cluster.await_stable(&topic, 0, 12)?;
    assert_eq!(cluster.read(&topic, COMMITTED, 5)?, at(6, &kept));
    Ok(())
}

#[test]
fn a_transaction_timeout_above_the_limit_is_refused() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let settings = [("transaction.timeout.ms", "900001")];
    let refused = cluster.transactional(&unique("rdkafka-txn-long"), &settings);
    let error: KafkaError = refused.err().context("it was accepted")?.downcast()?;
    assert_eq!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::InvalidTransactionTimeout),
        "{error}"
    );
    Ok(())
}

#[test]
fn transactions_of_several_producers_interleave_in_one_partition() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let topic = unique("rdkafka-txn-interleaved");
    cluster.create_topic(&topic, 1)?;
    let producers = (0..3)
        .map(|_| cluster.transactional(&unique("interleaved"), &[]))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (mut committed, mut every) = (BTreeMap::new(), BTreeMap::new());
    let mut marker_count = 0;
    for round in 0..4 {
        for producer in &producers {
            producer.begin_transaction()?;
        }
        let mut sent = vec![Vec::new(); producers.len()];
        // Each sends twice, with the batches of the others in between.
        for part in 0..2 {
            for (index, producer) in producers.iter().enumerate() {
                let values = values(&format!("{round}-{part}-{index}"), index + 1);
                let offsets = cluster.send_all(producer, &topic, 0, &values)?;
                sent[index].extend(offsets.into_iter().zip(values));
            }
        }
        for (index, producer) in producers.iter().enumerate() {
            let is_commit = (round + index) % 2 == 0;
            end(producer, is_commit)?;
            marker_count += 1;
            every.extend(sent[index].clone());
            if is_commit {
                committed.extend(sent[index].clone());
            }
        }
    }
    let end = i64::try_from(every.len())? + marker_count;
    cluster.await_stable(&topic, 0, end)?;
    cluster.send_values(&topic, 0, &values("last", 1))?;
    for (level, mut expected) in [(COMMITTED, committed), (UNCOMMITTED, every)] {
        expected.insert(end, "last-0".to_owned());
        let found = cluster.read(&topic, level, expected.len())?;
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{level}");
    }
    Ok(())
}

#[test]
fn one_transaction_spans_many_partitions() -> anyhow::Result<()> {
    const PARTITIONS: i32 = 30;
    let cluster = Cluster::current()?;
    let topics = [unique("rdkafka-txn-wide"), unique("rdkafka-txn-wide")];
    let admin = cluster.admin()?;
    for topic in &topics {
        let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
        let created = cluster
            .runtime
            .block_on(admin.create_topics([&new], &options()))?;
        ensure!(created == [Ok(topic.clone())], "{created:?}");
    }
    let producer = cluster.transactional(&unique("wide"), &[])?;
    for (prefix, is_commit) in [("first", true), ("lost", false), ("last", true)] {
        producer.begin_transaction()?;
        for topic in &topics {
            for partition in 0..PARTITIONS {
                cluster.send_all(&producer, topic, partition, &values(prefix, 2))?;
            }
        }
        end(&producer, is_commit)?;
    }
    let expected = [at(0, &values("first", 2)), at(6, &values("last", 2))].concat();
    for topic in &topics {
        for partition in 0..PARTITIONS {
            cluster.await_stable(topic, partition, 9)?;
            let reader = cluster.reader(topic, partition, COMMITTED)?;
            let found: Vec<_> = poll(&reader, 4)?.iter().map(placed).collect();
            assert_eq!(found, expected, "{topic}-{partition}");
        }
    }
    Ok(())
}

/// A broker that is killed, or stopped, in the middle of two transactions: the one goes on and is
/// committed, the other is aborted by its producer's successor.
#[test]
fn transactions_outlive_the_broker() -> anyhow::Result<()> {
    if std::env::var_os("RINGBROOK_TEST_BOOTSTRAP").is_some() {
        eprintln!("not run: only our own broker can be killed here; the client matrix kills both");
        return Ok(());
    }
    let mut broker = TestBroker::start()?;
    let (address, data_dir) = (broker.address(), broker.data_dir());
    let again = BrokerOptions::fast().set("listeners", &format!("PLAINTEXT://{address}"));
    let cluster = Cluster::at(address)?;
    cluster.create_topic("outlives", 1)?;
    let mut expected = Vec::new();
    let mut next = 0;
    for round in 0..4 {
        let lost = cluster.transactional("lost", &[])?;
        lost.begin_transaction()?;
        cluster.send_all(&lost, "outlives", 0, &values("lost", 2))?;
        let producer = cluster.transactional(&format!("kept-{round}"), &[])?;
        producer.begin_transaction()?;
        let (before, after) = (values("before", 3), values("after", 3));
        cluster.send_all(&producer, "outlives", 0, &before)?;
        if round % 2 == 0 {
            broker.kill()?;
        } else {
            broker.stop()?;
        }
        broker = TestBroker::start_in(again.clone(), data_dir.clone())?;
        cluster.send_all(&producer, "outlives", 0, &after)?;
        end(&producer, true)?;
        let successor = cluster.transactional("lost", &[])?;
        assert_fenced(end(&lost, true))?;
        drop(successor);
        expected.extend(at(next + 2, &[before, after].concat()));
        next += 2 + 6 + 2;
        cluster.await_stable("outlives", 0, next)?;
        let found = cluster.read("outlives", COMMITTED, expected.len())?;
        assert_eq!(found, expected, "round {round}");
    }
    broker.stop()
}
