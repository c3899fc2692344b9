//! librdkafka, the client below most languages' clients, through the rdkafka crate, unmodified.
//!
//! States Kafka's behaviour only: `RINGBROOK_TEST_BOOTSTRAP=host:port` runs it against any broker.

mod next_groups;
mod transactional_offsets;
mod transactions;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;
use ringbrook_tests::{SharedBroker, now, now_ms, unique};

const DEADLINE: Duration = Duration::from_secs(60);
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// A broker and the clients made for it.
struct Cluster {
    address: SocketAddr,
    /// Kept alive while the test needs it, unless it is the test's own.
    _shared: Option<Arc<SharedBroker>>,
    runtime: tokio::runtime::Runtime,
}

impl Cluster {
    fn current() -> anyhow::Result<Self> {
        let shared = SharedBroker::current()?;
        let mut cluster = Self::at(shared.address())?;
        cluster._shared = Some(shared);
        Ok(cluster)
    }

    /// Clients of a broker that the test has started itself.
    fn at(address: SocketAddr) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            address,
            _shared: None,
            runtime,
        })
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address.to_string());
        config.set("broker.address.family", "v4");
        config
    }

    fn admin(&self) -> anyhow::Result<AdminClient<DefaultClientContext>> {
        Ok(self.config().create()?)
    }

    fn create_topic(&self, name: &str, partitions: i32) -> anyhow::Result<()> {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let created = self
            .runtime
            .block_on(self.admin()?.create_topics([&topic], &options()))?;
        ensure!(created == [Ok(name.to_owned())], "not created: {created:?}");
        Ok(())
    }

    fn producer(&self, settings: &[(&str, &str)]) -> anyhow::Result<FutureProducer> {
        let mut config = self.config();
        config.set("linger.ms", "5");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        Ok(config.create()?)
    }

    fn consumer(&self, group: &str) -> anyhow::Result<BaseConsumer> {
        let classic = [
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "200"),
        ];
        self.consumer_with(group, &classic)
    }

    fn consumer_with(
        &self,
        group: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<BaseConsumer> {
        let mut config = self.config();
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "100")
            .set("topic.metadata.refresh.interval.ms", "500");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        Ok(config.create()?)
    }

    /// Sends all records and waits for their acknowledgements; partition and offset of each.
    fn send(
        &self,
        producer: &FutureProducer,
        records: Vec<FutureRecord<'_, [u8], [u8]>>,
    ) -> anyhow::Result<Vec<(i32, i64)>> {
        self.runtime.block_on(async {
            let mut queued = Vec::new();
            for record in records {
                let delivery = producer.send_result(record).map_err(|(error, _)| error)?;
                queued.push(delivery);
            }
            let mut delivered = Vec::new();
            for delivery in queued {
                let delivery = delivery.await?.map_err(|(error, _)| error)?;
                delivered.push((delivery.partition, delivery.offset));
            }
            Ok(delivered)
        })
    }

    fn send_values(&self, topic: &str, partition: i32, values: &[String]) -> anyhow::Result<()> {
        let producer = self.producer(&[])?;
        let records = values.iter().map(|value| {
            FutureRecord::to(topic)
                .partition(partition)
                .payload(value.as_bytes())
        });
        self.send(&producer, records.collect()).map(drop)
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Timeout::After(DEADLINE)))
}

/// Polls until `count` records have come.
fn poll(consumer: &BaseConsumer, count: usize) -> anyhow::Result<Vec<OwnedMessage>> {
    let end = now() + DEADLINE;
    let mut messages = Vec::new();
    while messages.len() < count {
        ensure!(now() < end, "{} of {count} records came", messages.len());
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            messages.push(message?.detach());
        }
    }
    Ok(messages)
}

fn payload(message: &OwnedMessage) -> String {
    String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned()
}

fn assigned(consumer: &BaseConsumer) -> anyhow::Result<BTreeSet<i32>> {
    Ok(consumer
        .assignment()?
        .elements()
        .iter()
        .map(|it| it.partition())
        .collect())
}

#[test]
fn every_codec_key_header_and_null_comes_back() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    for codec in CODECS {
        let topic = unique(&format!("rdkafka-{codec}"));
        cluster.create_topic(&topic, 1)?;
        let producer = cluster.producer(&[("compression.type", codec)])?;
        let value = format!("{codec} ").repeat(500);
        // Not so old that retention takes it.
        let hour_ago = now_ms() - 3_600_000;
        let headers = OwnedHeaders::new()
            .insert(Header {
                key: "same",
                value: Some("1"),
            })
            .insert(Header {
                key: "none",
                value: None::<&str>,
            })
            .insert(Header {
                key: "same",
                value: Some("2"),
            });
        let records = vec![
            FutureRecord::to(&topic)
                .payload(value.as_bytes())
                .key(&b"key"[..])
                .headers(headers),
            FutureRecord::to(&topic).key(&b"tombstone"[..]),
            FutureRecord::to(&topic)
                .payload(value.as_bytes())
                .timestamp(hour_ago),
        ];
        let delivered = cluster.send(&producer, records)?;
        assert_eq!(delivered, [(0, 0), (0, 1), (0, 2)], "{codec}");

        let consumer = cluster.consumer(&unique("rdkafka-reader"))?;
        consumer.subscribe(&[&topic])?;
        let messages = poll(&consumer, 3)?;
        assert_eq!(payload(&messages[0]), value, "{codec}");
        assert_eq!(messages[0].key(), Some(&b"key"[..]));
        let headers = messages[0].headers().context("headers")?;
        let headers: Vec<_> = headers.iter().map(|it| (it.key, it.value)).collect();
        let expected: [(&str, Option<&[u8]>); 3] =
            [("same", Some(b"1")), ("none", None), ("same", Some(b"2"))];
        assert_eq!(headers, expected, "{codec}");
        assert_eq!(
            (messages[1].key(), messages[1].payload()),
            (Some(&b"tombstone"[..]), None)
        );
        assert_eq!(messages[2].key(), None);
        assert_eq!(messages[2].timestamp().to_millis(), Some(hour_ago));
    }
    Ok(())
}

#[test]
fn an_idempotent_producer_keeps_order_under_load() -> anyhow::Result<()> {
    const COUNT: usize = 20_000;
    let cluster = Cluster::current()?;
    let topic = unique("rdkafka-idempotent");
    cluster.create_topic(&topic, 1)?;
    let producer = cluster.producer(&[
        ("enable.idempotence", "true"),
        ("batch.num.messages", "500"),
        ("linger.ms", "1"),
    ])?;
    let values: Vec<_> = (0..COUNT).map(|index| index.to_string()).collect();
    let records = values
        .iter()
        .map(|value| FutureRecord::to(&topic).payload(value.as_bytes()))
        .collect();
    let delivered = cluster.send(&producer, records)?;
    let offsets: Vec<_> = delivered.iter().map(|(_, offset)| *offset).collect();
    assert_eq!(offsets, (0..i64::try_from(COUNT)?).collect::<Vec<_>>());
    let consumer = cluster.consumer(&unique("rdkafka-idempotent"))?;
    consumer.subscribe(&[&topic])?;
    let read: Vec<_> = poll(&consumer, COUNT)?.iter().map(payload).collect();
    assert_eq!(read, values);
    Ok(())
}

#[test]
fn a_group_shares_partitions_and_rebalances() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let (topic, group) = (unique("rdkafka-shared"), unique("rdkafka-group"));
    cluster.create_topic(&topic, 4)?;
    let all: BTreeSet<_> = (0..4).collect();

    let first = cluster.consumer(&group)?;
    first.subscribe(&[&topic])?;
    poll_until(&[&first], || Ok(assigned(&first)? == all))?;
    let second = cluster.consumer(&group)?;
    second.subscribe(&[&topic])?;
    poll_until(&[&first, &second], || {
        let (one, two) = (assigned(&first)?, assigned(&second)?);
        Ok(one.len() == 2 && two.len() == 2 && &one | &two == all)
    })?;

    for partition in 0..4 {
        cluster.send_values(&topic, partition, &[format!("to {partition}")])?;
    }
    let mut read: Vec<_> = poll(&first, 2)?;
    read.extend(poll(&second, 2)?);
    let read: BTreeSet<_> = read.iter().map(payload).collect();
    assert_eq!(
        read,
        (0..4).map(|partition| format!("to {partition}")).collect()
    );
    // Both have read, neither has committed beyond what it owns.
    first.commit_consumer_state(CommitMode::Sync)?;
    second.commit_consumer_state(CommitMode::Sync)?;
    second.unsubscribe();
    drop(second);
    poll_until(&[&first], || Ok(assigned(&first)? == all))?;
    let committed = first.committed(DEADLINE)?;
    assert!(
        committed
            .elements()
            .iter()
            .all(|it| it.offset() == Offset::Offset(1)),
        "{committed:?}"
    );
    Ok(())
}

/// Polls all consumers in turn, which is what drives their groups, until `condition` holds.
fn poll_until(
    consumers: &[&BaseConsumer],
    condition: impl Fn() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let end = now() + DEADLINE;
    while !condition()? {
        ensure!(now() < end, "the group does not settle");
        for consumer in consumers {
            if let Some(message) = consumer.poll(Duration::from_millis(20)) {
                message?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_group_goes_on_where_it_committed() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let (topic, group) = (unique("rdkafka-commit"), unique("rdkafka-commit"));
    cluster.create_topic(&topic, 1)?;
    let values: Vec<_> = (0..10).map(|index| index.to_string()).collect();
    cluster.send_values(&topic, 0, &values)?;
    let consumer = cluster.consumer(&group)?;
    consumer.subscribe(&[&topic])?;
    let read = poll(&consumer, 10)?;
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 0, Offset::Offset(read[3].offset() + 1))?;
    consumer.commit(&offsets, CommitMode::Sync)?;
    drop(consumer);
    let consumer = cluster.consumer(&group)?;
    consumer.subscribe(&[&topic])?;
    let read: Vec<_> = poll(&consumer, 6)?.iter().map(payload).collect();
    assert_eq!(read, values[4..]);
    let listed = consumer.fetch_group_list(Some(&group), DEADLINE)?;
    let described = listed.groups().first().context("the group is listed")?;
    assert_eq!(
        (described.state(), described.protocol_type()),
        ("Stable", "consumer")
    );
    assert_eq!(described.members().len(), 1);
    drop(consumer);
    let deleted = cluster.runtime.block_on(async {
        let admin = cluster.admin()?;
        anyhow::Ok(admin.delete_groups(&[&group], &options()).await?)
    })?;
    assert_eq!(deleted, [Ok(group.clone())]);
    Ok(())
}

#[test]
fn offsets_are_found_by_timestamp() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let topic = unique("rdkafka-times");
    cluster.create_topic(&topic, 1)?;
    let producer = cluster.producer(&[])?;
    let base = now_ms() - 3_600_000;
    let records = (0..50).map(|index| {
        FutureRecord::to(&topic)
            .payload(&b"v"[..])
            .timestamp(base + index * 1000)
    });
    cluster.send(&producer, records.collect())?;
    let consumer = cluster.consumer(&unique("rdkafka-times"))?;
    let cases = [
        (base, Offset::Offset(0)),
        (base + 1, Offset::Offset(1)),
        (base + 20_000, Offset::Offset(20)),
        (base + 48_999, Offset::Offset(49)),
        (base + 49_001, Offset::End),
    ];
    for (timestamp, expected) in cases {
        let mut times = TopicPartitionList::new();
        times.add_partition_offset(&topic, 0, Offset::Offset(timestamp))?;
        let found = consumer.offsets_for_times(times, DEADLINE)?;
        assert_eq!(found.elements()[0].offset(), expected, "at {timestamp}");
    }
    assert_eq!(consumer.fetch_watermarks(&topic, 0, DEADLINE)?, (0, 50));
    let mut start = TopicPartitionList::new();
    start.add_partition_offset(&topic, 0, Offset::Offset(47))?;
    consumer.assign(&start)?;
    let offsets: Vec<_> = poll(&consumer, 3)?.iter().map(Message::offset).collect();
    assert_eq!(offsets, [47, 48, 49]);
    consumer.seek(&topic, 0, Offset::Beginning, DEADLINE)?;
    assert_eq!(poll(&consumer, 1)?[0].offset(), 0);
    Ok(())
}

#[test]
fn topics_are_listed_described_changed_and_deleted() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let topic = unique("rdkafka-admin");
    cluster.create_topic(&topic, 2)?;
    let (admin, runtime) = (cluster.admin()?, &cluster.runtime);
    let twice = NewTopic::new(&topic, 2, TopicReplication::Fixed(1));
    let refused = runtime.block_on(admin.create_topics([&twice], &options()))?;
    assert_eq!(
        refused,
        [Err((topic.clone(), RDKafkaErrorCode::TopicAlreadyExists))]
    );
    let metadata = admin.inner().fetch_metadata(None, DEADLINE)?;
    let listed = metadata
        .topics()
        .iter()
        .find(|it| it.name() == topic)
        .context("is listed")?;
    assert_eq!(listed.partitions().len(), 2);

    let grown = NewPartitions::new(&topic, 3);
    let done = runtime.block_on(admin.create_partitions([&grown], &options()))?;
    assert_eq!(done, [Ok(topic.clone())]);
    let resource = ResourceSpecifier::Topic(&topic);
    let change = AlterConfig::new(resource).set("retention.ms", "7777777");
    let done = runtime.block_on(admin.alter_configs([&change], &options()))?;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let described = runtime.block_on(admin.describe_configs([&resource], &options()))?;
    let described = described.into_iter().next().context("described")?;
    let described = described.map_err(|error| anyhow::anyhow!("{error}"))?;
    let values: BTreeMap<_, _> = described
        .entries
        .into_iter()
        .map(|entry| (entry.name, entry.value))
        .collect();
    assert_eq!(values["retention.ms"].as_deref(), Some("7777777"));
    assert_eq!(values["cleanup.policy"].as_deref(), Some("delete"));

    let done = runtime.block_on(admin.delete_topics(&[&topic], &options()))?;
    assert_eq!(done, [Ok(topic.clone())]);
    let refused = runtime.block_on(admin.delete_topics(&[&topic], &options()))?;
    assert_eq!(
        refused,
        [Err((topic, RDKafkaErrorCode::UnknownTopicOrPartition))]
    );
    Ok(())
}

#[test]
fn producing_creates_a_topic_that_is_not_there() -> anyhow::Result<()> {
    let cluster = Cluster::current()?;
    let topic = unique("rdkafka-created");
    cluster.send_values(&topic, rdkafka_unassigned(), &["first".to_owned()])?;
    let consumer = cluster.consumer(&unique("rdkafka-created"))?;
    consumer.subscribe(&[&topic])?;
    assert_eq!(payload(&poll(&consumer, 1)?[0]), "first");
    Ok(())
}

/// librdkafka's word for "any partition".
const fn rdkafka_unassigned() -> i32 {
    -1
}
