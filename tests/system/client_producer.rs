//! The native producer: what it writes, what it tells of it, when it sends, and what it refuses.
//! `client_producer_faults` shares its helpers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use rdkafka::producer::{FutureProducer, FutureRecord};
use ringbrook_client::admin::{CreateTopicsOptions, NewTopic};
use ringbrook_client::config::{ProducerConfig, Properties};
use ringbrook_client::metadata::TopicMetadata;
use ringbrook_client::producer::partitioner::{Partitioner, RoundRobinPartitioner};
use ringbrook_client::producer::{
    Producer, ProducerBuilder, ProducerInterceptor, ProducerRecord, RecordMetadata, SendReason,
};
use ringbrook_client::serialization::StringSerializer;
use ringbrook_client::{ClientError, TopicPartition};
use ringbrook_protocol::ResponseError;
use ringbrook_tests::{now, unique};

use crate::client_admin::Ground;
use crate::client_consumer::{DEADLINE, Text, expect_numbers, read};

pub(crate) type Texts = Producer<String, String>;
type Settings<'a> = &'a [(&'a str, &'a str)];

/// A producer of strings, to be built.
pub(crate) fn builder_at(
    address: &str,
    settings: Settings<'_>,
) -> anyhow::Result<ProducerBuilder<String, String>> {
    let mut properties: Properties = settings.iter().copied().collect();
    properties.set("bootstrap.servers", address);
    let config = ProducerConfig::from_properties(&properties)?;
    let builder = Producer::builder(config).key_serializer(StringSerializer);
    Ok(builder.value_serializer(StringSerializer))
}

pub(crate) fn builder(
    ground: &Ground,
    settings: Settings<'_>,
) -> anyhow::Result<ProducerBuilder<String, String>> {
    builder_at(&ground.broker.address().to_string(), settings)
}

/// Sends the numbers of a range to partition 0 without waiting for answers.
pub(crate) async fn numbers(
    producer: &Texts,
    topic: &str,
    range: std::ops::Range<i64>,
) -> anyhow::Result<Vec<ringbrook_client::producer::Delivery>> {
    let mut deliveries = Vec::new();
    for number in range {
        let record = Text::new(topic, number.to_string()).with_partition(0);
        deliveries.push(producer.send(record).await?);
    }
    Ok(deliveries)
}

async fn topic_with(ground: &Ground, config: Settings<'_>) -> anyhow::Result<String> {
    let name = unique("producer");
    let topic = NewTopic::new(&name).partitions(1).replication_factor(1);
    let topic = config
        .iter()
        .fold(topic, |topic, (key, value)| topic.config(*key, *value));
    let options = CreateTopicsOptions::default();
    ground.admin.create_topics(&[topic], options).await.all()?;
    Ok(name)
}

/// Every codec at its least, default and greatest level; what is smaller says that it was used.
#[tokio::test]
async fn client_producer_compresses_with_every_codec_and_level() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let levels: [(&str, &[&str]); 5] = [
        ("none", &[]),
        ("snappy", &[]),
        ("gzip", &["1", "9", "-1"]),
        ("lz4", &["1", "9", "17"]),
        ("zstd", &["-7", "1", "3", "22"]),
    ];
    for (codec, levels) in levels {
        let topic = ground.topic("producer-codec", 1).await?;
        let level_name = format!("compression.{codec}.level");
        let mut settings = vec![vec![("compression.type", codec)]];
        for level in levels {
            settings.push(vec![("compression.type", codec), (&level_name, *level)]);
        }
        let mut next = 0;
        for settings in settings {
            let producer = builder(&ground, &settings)?.build()?;
            let sent = numbers(&producer, &topic, next..next + 500).await?;
            for (offset, metadata) in (next..).zip(try_join_all(sent).await?) {
                assert_eq!(metadata.offset, offset, "{settings:?}");
            }
            producer.close().await?;
            let ratio = producer.counters().compression_ratio();
            assert_eq!(ratio < 0.9, codec != "none", "{settings:?}: {ratio}");
            next += 500;
        }
        let reader = ground.reader(&[], &topic, [0])?;
        expect_numbers(&reader, 0..next).await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_producer_tells_where_each_record_is() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for acks in ["0", "1", "all"] {
        let topic = ground.topic("producer-acks", 2).await?;
        let producer = builder(&ground, &[("acks", acks)])?.build()?;
        let told = Arc::<Mutex<Vec<RecordMetadata>>>::default();
        for offset in 0..10_i64 {
            let record = Text::new(topic.as_str(), "\u{ac00}\u{b098}".to_owned())
                .with_key("key".to_owned())
                .with_partition(1)
                .with_timestamp(1_000 + offset)
                .with_header("h", "1");
            let metadata = producer.send(record.clone()).await?.await?;
            let expected = if acks == "0" { -1 } else { 3 * offset };
            assert_eq!(metadata.offset, expected, "acks={acks}");
            assert_eq!(metadata.has_offset(), acks != "0");
            assert_eq!((&*metadata.topic, metadata.partition), (topic.as_str(), 1));
            assert_eq!(metadata.timestamp, 1_000 + offset);
            let sizes = (metadata.serialized_key_size, metadata.serialized_value_size);
            assert_eq!(sizes, (Some(3), Some(6)));
            let note = Arc::clone(&told);
            let note = move |outcome: Result<RecordMetadata, ClientError>| {
                let mut told = note.lock().expect("no callback panics");
                told.extend(outcome);
            };
            producer.send_with(record.clone(), note).await?;
            // Nobody looks at this one's answer.
            drop(producer.send(record).await?);
        }
        producer.close().await?;
        let told = std::mem::take(&mut *told.lock().expect("no callback panics"));
        let offsets: Vec<_> = told.iter().map(|it| it.offset).collect();
        let expected = (0..10).map(|it| if acks == "0" { -1 } else { 3 * it + 1 });
        assert_eq!(offsets, expected.collect::<Vec<_>>(), "acks={acks}");
        let reader = ground.reader(&[], &topic, [0, 1])?;
        let records = read(&reader, 30).await?;
        for (index, record) in (0..).zip(&records) {
            assert_eq!((record.partition, record.offset), (1, index));
            assert_eq!(record.timestamp, 1_000 + index / 3);
            assert_eq!(record.key.as_deref(), Some("key"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn client_producer_tells_the_brokers_time_of_log_append_time() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let config = [("message.timestamp.type", "LogAppendTime")];
    let topic = topic_with(&ground, &config).await?;
    let producer = builder(&ground, &[])?.build()?;
    let record = Text::new(topic.as_str(), "x".to_owned()).with_timestamp(1_000);
    let metadata = producer.send(record).await?.await?;
    let reader = ground.reader(&[], &topic, [0])?;
    let records = read(&reader, 1).await?;
    assert_eq!(metadata.timestamp, records[0].timestamp);
    assert!(1_600_000_000_000 < metadata.timestamp);
    Ok(())
}

/// One batch is full by its bytes, another goes when its time has come, another when somebody
/// flushes, another at the close.
#[tokio::test]
async fn client_producer_sends_when_full_or_lingered_or_flushed() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("producer-linger", 1).await?;
    let linger = Duration::from_millis(1_500);
    let settings = [("linger.ms", "1500"), ("batch.size", "4000")];
    let producer = builder(&ground, &settings)?.build()?;
    let count = |reason| producer.counters().batches_for(reason);
    let begin = now();
    numbers(&producer, &topic, 0..1).await?.remove(0).await?;
    assert!(linger <= now() - begin, "sent after {:?}", now() - begin);
    assert_eq!(count(SendReason::Linger), 1);

    let value = "v".repeat(1_000);
    let record = Text::new(topic.as_str(), value).with_partition(0);
    let mut large = Vec::new();
    for _ in 0..4 {
        large.push(producer.send(record.clone()).await?);
    }
    // Three of them are a full batch; the fourth is in the next one.
    let last = large.pop().context("four were sent")?;
    let first = try_join_all(large).await?;
    assert_eq!(first.iter().map(|it| it.offset).max(), Some(3));
    assert!(1 <= count(SendReason::Full));
    assert_eq!(last.await?.offset, 4);

    let begin = now();
    let flushed = numbers(&producer, &topic, 5..8).await?;
    producer.flush().await;
    for (offset, delivery) in (5..).zip(flushed) {
        let metadata = delivery
            .now_or_never()
            .context("flush has waited for it")??;
        assert_eq!(metadata.offset, offset);
    }
    assert_eq!(count(SendReason::Flush), 1, "after {:?}", now() - begin);

    let closed = numbers(&producer, &topic, 8..10).await?;
    producer.close().await?;
    for delivery in closed {
        delivery
            .now_or_never()
            .context("close has waited for it")??;
    }
    assert_eq!(count(SendReason::Close), 1);
    let counters = producer.counters();
    assert_eq!(counters.records_acknowledged, 10);
    assert_eq!((counters.buffered_bytes, counters.records_failed), (0, 0));
    let late = producer.send(record).await.map(drop);
    assert!(matches!(late, Err(ClientError::Closed(_))), "{late:?}");
    Ok(())
}

/// Many records share a batch with linger.ms, and each is alone with batch.size=0.
#[tokio::test]
async fn client_producer_batches_as_its_settings_say() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for (batch_size, per_batch) in [("0", 1..2), ("1000000", 100..501)] {
        let topic = ground.topic("producer-batches", 1).await?;
        let settings = [("linger.ms", "200"), ("batch.size", batch_size)];
        let producer = builder(&ground, &settings)?.build()?;
        try_join_all(numbers(&producer, &topic, 0..500).await?).await?;
        let counters = producer.counters();
        let batches = counters.batches();
        assert!(per_batch.contains(&(500 / batches)), "{batches} batches");
        let reader = ground.reader(&[], &topic, [0])?;
        expect_numbers(&reader, 0..500).await?;
    }
    Ok(())
}

/// Memory that is full makes senders wait until there is some again; nothing is lost.
#[tokio::test]
async fn client_producer_keeps_within_buffer_memory() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("producer-memory", 1).await?;
    // Room for little more than one batch, so that whoever fills one waits for its answer,
    // however fast that is.
    let settings = [
        ("buffer.memory", "4100"),
        ("batch.size", "4000"),
        ("linger.ms", "1000"),
    ];
    let producer = builder(&ground, &settings)?.build()?;
    let deliveries = numbers(&producer, &topic, 0..5_000).await?;
    assert!(producer.counters().buffered_bytes <= 4_100);
    assert!(1 <= producer.counters().buffer_waits);
    try_join_all(deliveries).await?;
    let reader = ground.reader(&[], &topic, [0])?;
    expect_numbers(&reader, 0..5_000).await
}

#[tokio::test]
async fn client_producer_refuses_what_is_too_large() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = topic_with(&ground, &[("max.message.bytes", "2000")]).await?;
    let settings = [("max.request.size", "100000"), ("linger.ms", "1500")];
    let producer = builder(&ground, &settings)?.build()?;
    let of = |bytes: usize| Text::new(topic.as_str(), "v".repeat(bytes)).with_partition(0);
    let refused = producer.send(of(100_000)).await.map(drop);
    let refused = refused.expect_err("it is larger than max.request.size");
    assert!(
        refused.to_string().contains("max.request.size"),
        "{refused}"
    );
    let refused = producer.send(of(3_000)).await?.await;
    let refused = refused.expect_err("the topic takes no such record");
    let too_large = ResponseError::MessageTooLarge;
    assert_eq!(refused.response_error(), Some(too_large), "{refused}");
    // Together they are too large, one by one they are not.
    let mut deliveries = Vec::new();
    for _ in 0..8 {
        deliveries.push(producer.send(of(500)).await?);
    }
    for (offset, metadata) in (0..).zip(try_join_all(deliveries).await?) {
        assert_eq!(metadata.offset, offset);
    }
    assert!(1 <= producer.counters().batches_split);
    Ok(())
}

/// Keys go where librdkafka's copy of Java's murmur2 sends them.
#[tokio::test]
async fn client_producer_sends_keys_where_others_do() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("producer-keys", 7).await?;
    let producer = builder(&ground, &[])?.build()?;
    let other: FutureProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", ground.broker.address().to_string())
        .set("partitioner", "murmur2_random")
        .create()?;
    for number in 0..100 {
        let key = format!("\u{d0a4} {number}");
        let record = Text::new(topic.as_str(), "native".to_owned()).with_key(key.clone());
        let native = producer.send(record).await?;
        let record = FutureRecord::to(&topic).key(&key).payload("other");
        let theirs = other.send(record, DEADLINE).await;
        let theirs = theirs.map_err(|(error, _)| error)?;
        assert_eq!(native.await?.partition, theirs.partition, "{key}");
    }
    Ok(())
}

/// Partitions by the first letter of the value; none for a value without letters.
struct ByLetter;

impl Partitioner for ByLetter {
    fn partition(
        &self,
        topic: &TopicMetadata,
        _key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<i32, ClientError> {
        let first = value.and_then(<[u8]>::first);
        let letter = first.context("a value has letters");
        let letter = letter.map_err(|error| ClientError::InvalidArgument(error.to_string()))?;
        Ok(i32::from(*letter) % topic.partitions_count())
    }
}

#[tokio::test]
async fn client_producer_partitions_in_turn_stickily_or_as_told() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("producer-partitions", 3).await?;
    let record = || Text::new(topic.as_str(), "x".to_owned());
    let counts = async |producer: Texts| {
        let mut counts = BTreeMap::<i32, u32>::new();
        let mut deliveries = Vec::new();
        for _ in 0..30 {
            deliveries.push(producer.send(record()).await?);
        }
        for metadata in try_join_all(deliveries).await? {
            *counts.entry(metadata.partition).or_default() += 1;
        }
        anyhow::Ok(counts)
    };
    let in_turn = builder(&ground, &[])?.partitioner(RoundRobinPartitioner::new());
    let expected = BTreeMap::from([(0, 10), (1, 10), (2, 10)]);
    assert_eq!(counts(in_turn.build()?).await?, expected);
    let sticky = counts(builder(&ground, &[("linger.ms", "200")])?.build()?).await?;
    assert_eq!(sticky.into_values().collect::<Vec<_>>(), [30]);
    // A batch per record: a partition is left after each of them.
    let spread = counts(builder(&ground, &[("batch.size", "0")])?.build()?).await?;
    assert!(1 < spread.len(), "{spread:?}");
    let by_letter = builder(&ground, &[])?.partitioner(ByLetter).build()?;
    assert_eq!(counts(by_letter.clone()).await?, BTreeMap::from([(0, 30)]));
    let without = Text::new(topic.as_str(), String::new());
    let refused = by_letter.send(without).await.map(drop);
    let refused = refused.expect_err("the partitioner has none for it");
    assert!(refused.to_string().contains("letters"), "{refused}");
    let beyond = producer_partition_error(&ground, &topic, -1).await?;
    assert!(beyond.contains("partition -1"), "{beyond}");
    let beyond = producer_partition_error(&ground, &topic, 3).await?;
    assert!(beyond.contains("longer than"), "{beyond}");
    Ok(())
}

/// What is said of a record for a partition that is not there.
async fn producer_partition_error(
    ground: &Ground,
    topic: &str,
    partition: i32,
) -> anyhow::Result<String> {
    let producer = builder(ground, &[("max.block.ms", "500")])?.build()?;
    let record = Text::new(topic, "x".to_owned()).with_partition(partition);
    let begin = now();
    let refused = producer.send(record).await.map(drop);
    ensure!(now() - begin < Duration::from_secs(20), "max.block.ms");
    let refused = refused.err().context("there is no such partition")?;
    Ok(refused.to_string())
}

/// Marks records, and counts what it is told.
#[derive(Default)]
struct Marking {
    told: Mutex<Vec<(i32, Option<i64>)>>,
}

struct Shares(Arc<Marking>);

impl ProducerInterceptor<String, String> for Shares {
    fn on_send(&self, record: ProducerRecord<String, String>) -> ProducerRecord<String, String> {
        record.with_header("seen", Bytes::from_static(b"yes"))
    }

    fn on_acknowledgement(
        &self,
        partition: &TopicPartition,
        outcome: Result<&RecordMetadata, &ClientError>,
    ) {
        let offset = outcome.ok().map(|it| it.offset);
        let mut told = self.0.told.lock().expect("nothing panics here");
        told.push((partition.partition, offset));
    }
}

#[tokio::test]
async fn client_producer_asks_and_tells_interceptors() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("producer-interceptors", 1).await?;
    let marking = Arc::<Marking>::default();
    let interceptor = Shares(Arc::clone(&marking));
    let settings = [("max.request.size", "1000")];
    let producer = builder(&ground, &settings)?.interceptor(interceptor);
    let producer = producer.build()?;
    let sent = numbers(&producer, &topic, 0..3).await?;
    try_join_all(sent).await?;
    let large = Text::new(topic.as_str(), "v".repeat(2_000)).with_partition(0);
    let refused = producer.send(large).await.map(drop);
    refused.expect_err("it is too large");
    producer.close().await?;
    let told = std::mem::take(&mut *marking.told.lock().expect("nothing panics here"));
    assert_eq!(told, [(0, Some(0)), (0, Some(1)), (0, Some(2)), (0, None)]);
    let reader = ground.reader(&[], &topic, [0])?;
    for record in read(&reader, 3).await? {
        let seen = record.headers.last("seen").context("it was seen")?;
        assert_eq!(seen.value().map(Bytes::as_ref), Some(&b"yes"[..]));
    }
    Ok(())
}
