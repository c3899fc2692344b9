//! The native consumer with partitions assigned by hand: what it reads, in which order and how
//! much at once. The other `client_consumer_*` files share its helpers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::{StreamExt, future::try_join_all};
use ringbrook_client::config::{ConsumerConfig, ProducerConfig, Properties};
use ringbrook_client::consumer::{
    Consumer, ConsumerInterceptor, ConsumerRecord, ConsumerRecords, Offsets, TimestampType,
};
use ringbrook_client::producer::{Producer, ProducerRecord, RecordMetadata};
use ringbrook_client::serialization::StringSerializer;
use ringbrook_client::{ClientError, Header, Headers, TopicPartition};

use ringbrook_tests::unique;

use crate::client_admin::Ground;

pub(crate) type Reader = Consumer<String, String>;
pub(crate) type Text = ProducerRecord<String, String>;
type Settings<'a> = &'a [(&'a str, &'a str)];

/// How long what has to happen may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// How long a poll waits for what should not come.
pub(crate) const A_MOMENT: Duration = Duration::from_millis(700);

impl Ground {
    fn properties(&self, settings: Settings) -> Properties {
        let mut properties: Properties = settings.iter().copied().collect();
        properties.set("bootstrap.servers", self.broker.address().to_string());
        properties
    }

    /// A consumer of strings; from the beginning on if `settings` do not say otherwise.
    pub(crate) fn consumer(&self, settings: Settings) -> anyhow::Result<Reader> {
        let mut properties = self.properties(settings);
        properties.set_default("auto.offset.reset", "earliest");
        let config = ConsumerConfig::from_properties(&properties)?;
        Ok(Consumer::new(config, StringSerializer, StringSerializer)?)
    }

    /// As [`Ground::consumer`], with partitions of one topic.
    pub(crate) fn reader(
        &self,
        settings: Settings,
        topic: &str,
        partitions: impl IntoIterator<Item = i32>,
    ) -> anyhow::Result<Reader> {
        let consumer = self.consumer(settings)?;
        let partitions = partitions.into_iter();
        consumer.assign(partitions.map(|it| TopicPartition::new(topic, it)))?;
        Ok(consumer)
    }

    /// Sends records together, so that they share batches.
    pub(crate) async fn send(
        &self,
        settings: Settings<'_>,
        records: Vec<Text>,
    ) -> anyhow::Result<Vec<RecordMetadata>> {
        let config = ProducerConfig::from_properties(&self.properties(settings))?;
        let producer = Producer::builder(config)
            .key_serializer(StringSerializer)
            .value_serializer(StringSerializer)
            .build()?;
        let mut deliveries = Vec::new();
        for record in records {
            deliveries.push(producer.send(record).await?);
        }
        let sent = try_join_all(deliveries).await?;
        producer.close().await?;
        Ok(sent)
    }

    /// Sends the numbers of a range to a partition; each is at the offset of the same number if
    /// the range begins at the log's end.
    pub(crate) async fn send_numbers(
        &self,
        topic: &str,
        partition: i32,
        numbers: std::ops::Range<i64>,
    ) -> anyhow::Result<Vec<RecordMetadata>> {
        let record = |it: i64| Text::new(topic, it.to_string()).with_partition(partition);
        self.send(&[], numbers.map(record).collect()).await
    }
}

/// Polls until so many records have come, or fails.
pub(crate) async fn read(
    consumer: &Reader,
    count: usize,
) -> anyhow::Result<Vec<ConsumerRecord<String, String>>> {
    let mut read = Vec::new();
    let reading = async {
        while read.len() < count {
            read.extend(consumer.poll(DEADLINE).await?);
        }
        anyhow::Ok(())
    };
    let in_time = tokio::time::timeout(DEADLINE, reading).await;
    in_time.with_context(|| format!("only {} of {count} records came", read.len()))??;
    ensure!(read.len() == count, "{} records, not {count}", read.len());
    Ok(read)
}

/// The next so many records are these numbers of one partition, at the offsets of the same number.
pub(crate) async fn expect_numbers(
    consumer: &Reader,
    numbers: std::ops::Range<i64>,
) -> anyhow::Result<()> {
    let count = usize::try_from(numbers.end - numbers.start)?;
    let records = read(consumer, count).await?;
    for (number, record) in numbers.zip(&records) {
        let found = (record.offset, record.value.as_deref());
        ensure!(
            found == (number, Some(number.to_string().as_str())),
            "{found:?} in place of {number}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn client_consumer_reads_all_codecs_with_headers_keys_and_nulls() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = ground.topic("consumer-codec", 1).await?;
        let records = (0..100).map(|number: i64| {
            let headers: Headers = [
                Header::new("number", number.to_string()),
                Header::null("nothing"),
                Header::new("number", "again"),
            ]
            .into_iter()
            .collect();
            let record = match number % 3 {
                0 => Text::tombstone(topic.as_str(), format!("key {number}")),
                1 => Text::new(topic.as_str(), "\u{adf8}\u{b9ac}\u{ace0} ".repeat(20)),
                _ => Text::new(topic.as_str(), String::new()).with_key(String::new()),
            };
            record
                .with_partition(0)
                .with_headers(headers)
                .with_timestamp(1_700_000_000_000 + number)
        });
        let settings = [("compression.type", codec), ("linger.ms", "20")];
        ground.send(&settings, records.collect()).await?;
        let reader = ground.reader(&[], &topic, [0])?;
        for (number, record) in (0_i64..).zip(read(&reader, 100).await?) {
            assert_eq!(record.offset, number, "{codec}");
            assert_eq!(record.timestamp, 1_700_000_000_000 + number);
            assert_eq!(record.timestamp_type, TimestampType::CreateTime);
            assert_eq!(record.leader_epoch, Some(0));
            let expected = match number % 3 {
                0 => (Some(format!("key {number}")), None),
                1 => (None, Some("\u{adf8}\u{b9ac}\u{ace0} ".repeat(20))),
                _ => (Some(String::new()), Some(String::new())),
            };
            assert_eq!(
                record.serialized_value_bytes,
                expected.1.as_ref().map(String::len)
            );
            assert_eq!((record.key, record.value), expected, "{codec}");
            let headers = record.headers.iter();
            let headers: Vec<_> = headers
                .map(|it| (it.key().to_owned(), it.value().cloned()))
                .collect();
            let header =
                |name: &str, value: Option<String>| (name.to_owned(), value.map(Into::into));
            assert_eq!(
                headers,
                [
                    header("number", Some(number.to_string())),
                    header("nothing", None),
                    header("number", Some("again".to_owned())),
                ]
            );
        }
        reader.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn client_consumer_reads_partitions_side_by_side_in_order() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-order", 4).await?;
    for partition in 0..4 {
        ground.send_numbers(&topic, partition, 0..500).await?;
    }
    let reader = ground.reader(&[("max.poll.records", "70")], &topic, 0..4)?;
    let mut next = [0_i64; 4];
    while next.iter().sum::<i64>() < 2_000 {
        let records = reader.poll(DEADLINE).await?;
        ensure!(!records.is_empty(), "no more records after {next:?}");
        ensure!(records.count() <= 70, "{} records", records.count());
        for (partition, records) in records.by_partition() {
            let next = &mut next[usize::try_from(partition.partition)?];
            for record in records {
                assert_eq!(record.offset, *next);
                *next += 1;
            }
        }
        for (partition, offset) in records.next_offsets() {
            assert_eq!(reader.position(&partition).await?, offset.offset);
        }
    }
    assert_eq!(next, [500; 4]);
    assert!(reader.poll(A_MOMENT).await?.is_empty());
    Ok(())
}

/// KIP-74: a first batch comes whole, whatever the limits say.
#[tokio::test]
async fn client_consumer_reads_records_larger_than_its_limits() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-large", 2).await?;
    let sizes = [10, 700_000, 20, 500_000, 30_usize];
    for partition in [0, 1] {
        for size in sizes {
            let record = Text::new(topic.as_str(), "x".repeat(size)).with_partition(partition);
            ground.send(&[], vec![record]).await?;
        }
    }
    let limits = [
        ("max.partition.fetch.bytes", "1000"),
        ("fetch.max.bytes", "2000"),
        ("fetch.max.wait.ms", "20"),
    ];
    let reader = ground.reader(&limits, &topic, [0, 1])?;
    let records = read(&reader, 2 * sizes.len()).await?;
    for partition in [0, 1] {
        let of_partition = records.iter().filter(|it| it.partition == partition);
        let read: Vec<_> = of_partition
            .filter_map(|it| it.serialized_value_bytes)
            .collect();
        assert_eq!(read, sizes);
    }
    Ok(())
}

/// What is fetched ahead of a paused partition is kept, and neither lost nor handed out.
#[tokio::test]
async fn client_consumer_pauses_partitions_with_records_at_hand() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-pause", 2).await?;
    for partition in [0, 1] {
        ground.send_numbers(&topic, partition, 0..300).await?;
    }
    let reader = ground.reader(&[("max.poll.records", "10")], &topic, [0, 1])?;
    let mut next = [0_i64; 2];
    let first = read(&reader, 10).await?;
    let paused = first[0].topic_partition();
    let other = 1 - paused.partition;
    let mut note = |record: &ConsumerRecord<String, String>| {
        let next = &mut next[usize::try_from(record.partition).expect("an index")];
        assert_eq!(record.offset, *next);
        *next += 1;
        *next
    };
    first.iter().for_each(|it| {
        note(it);
    });
    reader.pause(std::slice::from_ref(&paused))?;
    assert_eq!(reader.paused(), BTreeSet::from([paused.clone()]));
    let mut reached = 0;
    while reached < 300 {
        for record in reader.poll(DEADLINE).await? {
            assert_eq!(record.partition, other);
            reached = note(&record);
        }
    }
    assert!(reader.poll(A_MOMENT).await?.is_empty());
    assert_eq!(reader.position(&paused).await?, 10);
    reader.resume(std::slice::from_ref(&paused))?;
    for record in read(&reader, 290).await? {
        assert_eq!(record.partition, paused.partition);
        note(&record);
    }
    assert_eq!(next, [300; 2]);
    Ok(())
}

#[tokio::test]
async fn client_consumer_is_woken_up_once() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-wakeup", 1).await?;
    let reader = ground.reader(&[], &topic, [0])?;
    assert!(reader.poll(A_MOMENT).await?.is_empty());
    let (polled, ()) = tokio::join!(reader.poll(DEADLINE), async { reader.wakeup() });
    assert!(matches!(polled, Err(ClientError::Wakeup)), "{polled:?}");
    ground.send_numbers(&topic, 0, 0..3).await?;
    expect_numbers(&reader, 0..3).await?;
    reader.wakeup();
    let partition = TopicPartition::new(topic.as_str(), 0);
    let position = reader.position(&partition).await;
    assert!(matches!(position, Err(ClientError::Wakeup)), "{position:?}");
    assert_eq!(reader.position(&partition).await?, 3);
    reader.close().await?;
    let closed = reader.poll(DEADLINE).await;
    assert!(matches!(closed, Err(ClientError::Closed(_))), "{closed:?}");
    Ok(())
}

/// Polls and streams that are given up at any moment lose no record and read none twice.
#[tokio::test]
async fn client_consumer_loses_nothing_when_futures_are_dropped() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-dropped", 1).await?;
    ground.send_numbers(&topic, 0, 0..2_000).await?;
    let settings = [
        ("max.poll.records", "7"),
        ("max.partition.fetch.bytes", "900"),
    ];
    let reader = ground.reader(&settings, &topic, [0])?;
    let mut next = 0;
    let mut tries = 0_u64;
    while next < 2_000 {
        tries += 1;
        ensure!(tries < 1_000_000, "stuck at {next}");
        let patience = Duration::from_micros(tries * 37 % 900);
        if tries.is_multiple_of(2) {
            let polled = tokio::time::timeout(patience, reader.poll(DEADLINE)).await;
            for record in polled.into_iter().flatten().flatten() {
                assert_eq!(record.offset, next);
                next += 1;
            }
            continue;
        }
        let mut stream = reader.stream();
        for _ in 0..tries % 11 {
            let Ok(record) = tokio::time::timeout(patience, stream.next()).await else {
                break;
            };
            let record = record.context("the stream goes on")??;
            assert_eq!(record.offset, next);
            next += 1;
        }
    }
    assert!(reader.poll(A_MOMENT).await?.is_empty());
    Ok(())
}

/// Doubles even numbers, leaves odd ones out, and notes what is committed.
#[derive(Clone, Default)]
struct Doubling {
    committed: Arc<Mutex<Vec<i64>>>,
    is_closed: Arc<AtomicBool>,
}

impl ConsumerInterceptor<String, String> for Doubling {
    fn on_consume(
        &self,
        mut records: ConsumerRecords<String, String>,
    ) -> ConsumerRecords<String, String> {
        records.retain(|it| it.offset % 2 == 0);
        for record in records.iter_mut() {
            record.value = Some((2 * record.offset).to_string());
        }
        records
    }

    fn on_commit(&self, offsets: &Offsets) {
        let mut committed = self.committed.lock().expect("nobody panics with it");
        committed.extend(offsets.values().map(|it| it.offset));
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }
}

#[tokio::test]
async fn client_consumer_shows_interceptors_what_it_reads_and_commits() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-interceptor", 1).await?;
    ground.send_numbers(&topic, 0, 0..10).await?;
    let group = unique("consumer-interceptor");
    let settings = [
        ("group.id", group.as_str()),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("max.poll.records", "4"),
    ];
    let config = ConsumerConfig::from_properties(&ground.properties(&settings))?;
    let doubling = Doubling::default();
    let reader = Consumer::builder(config)
        .key_deserializer(StringSerializer)
        .value_deserializer(StringSerializer)
        .interceptor(doubling.clone())
        .build()?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    reader.assign([partition.clone()])?;
    let records = reader.poll(DEADLINE).await?;
    let values = records.iter().filter_map(|it| it.value.as_deref());
    assert_eq!(values.collect::<Vec<_>>(), ["0", "4"]);
    assert_eq!(records.next_offsets()[&partition].offset, 4);
    reader.commit_sync().await?;
    let stream = reader.stream().take(3);
    let rest: Vec<_> = stream.collect().await;
    let rest: Result<Vec<_>, _> = rest.into_iter().collect();
    let rest: Vec<_> = rest?.into_iter().filter_map(|it| it.value).collect();
    assert_eq!(rest, ["8", "12", "16"]);
    reader.commit_sync().await?;
    reader.close().await?;
    let committed = doubling.committed.lock().expect("nobody panics with it");
    assert_eq!(*committed, [4, 9]);
    assert!(doubling.is_closed.load(Ordering::Acquire));
    Ok(())
}

#[tokio::test]
async fn client_consumer_streams_until_it_is_closed() -> anyhow::Result<()> {
    let ground = Ground::new()?;
    let topic = ground.topic("consumer-stream", 1).await?;
    ground.send_numbers(&topic, 0, 0..20).await?;
    let reader = ground.reader(&[("max.poll.records", "3")], &topic, [0])?;
    let stream = reader.stream();
    let read = stream.take(20).map(|it| it.map(|record| record.offset));
    let read: Vec<_> = read.collect().await;
    let read: Result<Vec<_>, _> = read.into_iter().collect();
    assert_eq!(read?, (0..20).collect::<Vec<_>>());
    let mut stream = reader.stream();
    let (ended, closed) = tokio::join!(stream.next(), reader.close());
    closed?;
    assert!(ended.is_none());
    Ok(())
}
