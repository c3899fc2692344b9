//! The native client reads, transforms and writes in transactions that commit the offsets of its
//! group, of both protocols: while members come and go every input becomes one output.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_client::config::{ConsumerConfig, Properties};
use ringbrook_client::consumer::{Consumer, OffsetAndMetadata};
use ringbrook_client::serialization::StringSerializer;
use ringbrook_client::{ClientError, TopicPartition};
use ringbrook_tests::unique;

use crate::client_admin::Ground;
use crate::client_groups::{CLASSIC, COOPERATIVE, DEADLINE, Member, NEXT, indexes, poll_until};
use crate::client_transactions::{BytesProducer, committed, committed_offset, grounds, producer};

const PARTITIONS: i32 = 4;
const COUNT: usize = 400;
const READING: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("isolation.level", "read_committed"),
    ("max.poll.records", "10"),
];

/// One worker of a group.
struct Worker<'a> {
    member: Member,
    producer: BytesProducer,
    output: &'a str,
    done: &'a AtomicUsize,
    rounds: usize,
}

impl<'a> Worker<'a> {
    async fn start(
        ground: &Ground,
        pair: (&str, &'a str),
        group: &str,
        protocol: &[(&str, &str)],
        done: &'a AtomicUsize,
    ) -> anyhow::Result<Self> {
        let member = ground.member(group, &[protocol, READING].concat())?;
        let producer = producer(&ground.broker.address().to_string(), &unique("worker"))?;
        producer.init_transactions().await?;
        member.subscribe([pair.0])?;
        Ok(Self {
            member,
            producer,
            output: pair.1,
            done,
            rounds: 0,
        })
    }

    /// Works until it is told to stop. Every fifth transaction is aborted.
    async fn work(mut self, is_over: &AtomicBool) -> anyhow::Result<()> {
        while !is_over.load(Ordering::Relaxed) {
            let records = self.member.poll(Duration::from_millis(50)).await?;
            if records.is_empty() {
                continue;
            }
            self.rounds += 1;
            let positions = records.next_offsets();
            let firsts: BTreeMap<_, _> = records
                .partitions()
                .into_iter()
                .filter_map(|it| Some((it.clone(), records.records(&it).next()?.offset)))
                .collect();
            self.producer.begin_transaction()?;
            for record in &records {
                let value = record.value.clone().unwrap_or_default();
                let record = ringbrook_client::producer::ProducerRecord::new(
                    self.output,
                    Bytes::from(value),
                );
                drop(self.producer.send(record.with_partition(0)).await?);
            }
            let metadata = self.member.group_metadata()?;
            let sent = self
                .producer
                .send_offsets_to_transaction(positions, &metadata)
                .await;
            let ended = match sent {
                Ok(()) if self.rounds.is_multiple_of(5) => Err(ClientError::TransactionAborted),
                Ok(()) => self.producer.commit_transaction().await,
                Err(error) => Err(error),
            };
            match ended {
                Ok(()) => {
                    self.done.fetch_add(records.count(), Ordering::Relaxed);
                }
                Err(error) => {
                    ensure!(!error.is_fatal(), "{error}");
                    self.producer.abort_transaction().await?;
                    self.go_back(&firsts)?;
                }
            }
        }
        self.member.close().await?;
        self.producer.close().await?;
        Ok(())
    }

    /// What was aborted is read again by whoever has the partition now.
    fn go_back(&self, firsts: &BTreeMap<TopicPartition, i64>) -> Result<(), ClientError> {
        let owned = self.member.assignment();
        for (partition, offset) in firsts.iter().filter(|(it, _)| owned.contains(it)) {
            self.member.seek(partition, *offset)?;
        }
        Ok(())
    }
}

async fn transform(ground: &Ground, protocol: &[(&str, &str)]) -> anyhow::Result<()> {
    let input = ground.topic("client-input", PARTITIONS).await?;
    let output = ground.topic("client-output", 1).await?;
    let group = unique("client-transform");
    let values: Vec<_> = (0..COUNT).map(|it| format!("{it:04}")).collect();
    let share = COUNT / usize::try_from(PARTITIONS)?;
    for (partition, values) in (0..PARTITIONS).zip(values.chunks(share)) {
        ground.produce(&input, partition, values).await?;
    }
    let done = AtomicUsize::new(0);
    let (first_over, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let start = || Worker::start(ground, (&input, &output), &group, protocol, &done);
    let (first, second) = (start().await?, start().await?);
    let third = async {
        while done.load(Ordering::Relaxed) < COUNT / 4 {
            tokio::task::yield_now().await;
        }
        // One member more, then one less.
        let third = start().await?;
        first_over.store(true, Ordering::Relaxed);
        third.work(&over).await
    };
    let watch = async {
        while done.load(Ordering::Relaxed) < COUNT {
            tokio::task::yield_now().await;
        }
        over.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    let all = async { tokio::try_join!(first.work(&first_over), second.work(&over), third, watch) };
    tokio::time::timeout(DEADLINE, all).await??;
    let mut written = committed(ground, &output, 0)?;
    written.sort();
    assert_eq!(written, values, "{protocol:?}: each once");
    // Of partition 0.
    let offset = committed_offset(ground, &group, &input)?;
    assert_eq!(offset, i64::try_from(share)?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_transform_for_classic_groups() -> anyhow::Result<()> {
    for ground in grounds().await? {
        for protocol in [CLASSIC, COOPERATIVE] {
            transform(&ground, protocol).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_transform_for_groups_of_the_consumer_protocol() -> anyhow::Result<()> {
    for ground in grounds().await? {
        transform(&ground, NEXT).await?;
    }
    Ok(())
}

/// Who has been replaced in the group cannot commit offsets of what it read before: the transaction
/// has to be aborted, and the producer goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_refuse_members_that_were_replaced() -> anyhow::Result<()> {
    for ground in grounds().await? {
        for protocol in [CLASSIC, NEXT] {
            let topic = ground.topic("client-replaced", 2).await?;
            let group = unique("client-replaced");
            let (old, new) = (
                ground.member(&group, protocol)?,
                ground.member(&group, protocol)?,
            );
            let producer = producer(&ground.broker.address().to_string(), &unique("id"))?;
            producer.init_transactions().await?;
            old.subscribe([topic.as_str()])?;
            poll_until(&[&old], |_| indexes(&old).len() == 2).await?;
            let before = old.group_metadata()?;
            let offset = |partition, offset| {
                let partition = TopicPartition::new(topic.as_str(), partition);
                [(partition, OffsetAndMetadata::new(offset))]
            };
            producer.begin_transaction()?;
            producer
                .send_offsets_to_transaction(offset(0, 1), &before)
                .await?;
            producer.commit_transaction().await?;
            new.subscribe([topic.as_str()])?;
            poll_until(&[&old, &new], |_| {
                indexes(&old).len() == 1 && indexes(&new).len() == 1
            })
            .await?;
            // Of a partition that it keeps, members of the consumer protocol may commit (KIP-1251).
            let moved = indexes(&new).into_iter().next().context("it has one")?;
            producer.begin_transaction()?;
            let sent = producer
                .send_offsets_to_transaction(offset(moved, 2), &before)
                .await;
            let error = sent.expect_err("the generation is over");
            assert!(error.is_abortable(), "{protocol:?}: {error}");
            producer.abort_transaction().await?;
            let now = old.group_metadata()?;
            assert!(before.generation_id < now.generation_id, "{now:?}");
            producer.begin_transaction()?;
            producer
                .send_offsets_to_transaction(offset(0, 3), &now)
                .await?;
            producer.commit_transaction().await?;
            assert_eq!(committed_offset(&ground, &group, &topic)?, 3);
            old.close().await?;
            new.close().await?;
        }
    }
    Ok(())
}

/// The native consumer sees what is committed, not what is aborted, and nothing behind what is
/// open; with `read_uncommitted` it sees everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_transactions_are_read_as_the_isolation_level_says() -> anyhow::Result<()> {
    for ground in grounds().await? {
        let topic = ground.topic("client-isolation", 1).await?;
        let address = ground.broker.address().to_string();
        let (ended, open) = (
            producer(&address, &unique("id"))?,
            producer(&address, &unique("id"))?,
        );
        ended.init_transactions().await?;
        open.init_transactions().await?;
        let write = async |producer: &BytesProducer, value: &str| {
            crate::client_transactions::send(producer, &topic, 0, value).await?;
            producer.flush().await;
            anyhow::Ok(())
        };
        for (value, is_commit) in [("a", true), ("b", false), ("c", true)] {
            ended.begin_transaction()?;
            write(&ended, value).await?;
            if is_commit {
                ended.commit_transaction().await?;
            } else {
                ended.abort_transaction().await?;
            }
        }
        open.begin_transaction()?;
        write(&open, "d").await?;
        ended.begin_transaction()?;
        write(&ended, "e").await?;
        ended.commit_transaction().await?;
        let read = async |isolation: &str, count: usize| {
            let mut properties = Properties::default();
            properties.set("bootstrap.servers", address.as_str());
            properties.set("isolation.level", isolation);
            properties.set("auto.offset.reset", "earliest");
            let config = ConsumerConfig::from_properties(&properties)?;
            let consumer =
                Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
            consumer.assign([TopicPartition::new(topic.as_str(), 0)])?;
            let read = poll_until(&[&consumer], |read| count <= read.len()).await?;
            // What must not be seen would be behind.
            let more = consumer.poll(Duration::from_millis(300)).await?;
            let values = read.into_iter().chain(more).filter_map(|it| it.value);
            anyhow::Ok(values.collect::<Vec<_>>())
        };
        assert_eq!(read("read_committed", 2).await?, ["a", "c"]);
        let all = ["a", "b", "c", "d", "e"];
        assert_eq!(read("read_uncommitted", 5).await?, all);
        open.abort_transaction().await?;
        assert_eq!(read("read_committed", 3).await?, ["a", "c", "e"]);
    }
    Ok(())
}
