//! Question: how many records per second does the native consumer read, and what does a record cost
//! it, beside librdkafka?
//!
//! Workload: a topic that was filled before is read from its beginning to its end by a consumer
//! with assigned partitions, over and over. Both sides look at every record's value. Settings that
//! matter are the same: checksums are checked, 1 MiB per partition and 50 MiB per answer at most,
//! fetch.min.bytes 1, fetch.max.wait.ms 500; librdkafka keeps its default queue of up to 64 MiB.
//! Expected bound: at least librdkafka's rate, at most its CPU time per record.

use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use ringbrook_client::TopicPartition;
use ringbrook_client::config::{AutoOffsetReset, ConsumerConfig};
use ringbrook_client::consumer::Consumer;
use ringbrook_client::serialization::BytesSerializer;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::create_topics_request::CreatableTopic;
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::messages::{CreateTopicsRequest, ProduceRequest, TopicName};
use ringbrook_record::{BatchBuilder, Codec, Header};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::rival::{self, RivalArgs, Side, Took, measure};

const NAME: &str = "client-consume";
const TOPIC: &str = "client-consume";
/// As a producer with linger.ms and the default batch.size makes them.
const BATCH_BYTES: usize = 16 * 1024;
const PRODUCE_VERSION: i16 = 9;
const CREATE_TOPICS_VERSION: i16 = 5;
const TIMEOUT_MS: i32 = 30_000;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the rounds, and reports.
///
/// # Errors
/// A broker or a client failed, or a side did not read exactly what was produced.
pub(crate) fn run(args: &RivalArgs) -> anyhow::Result<()> {
    let round = |side, bootstrap: &str| match side {
        Side::Native => native(args, bootstrap),
        Side::Librdkafka => librdkafka(args, bootstrap, TOPIC),
    };
    rival::run(
        NAME,
        &json!({}),
        args,
        |bootstrap| fill(args, bootstrap),
        round,
    )
}

/// Reads the `records` of a topic with librdkafka: what it took.
///
/// # Errors
/// The broker or the client failed, or there are other records.
pub(crate) fn once(
    bootstrap: &str,
    topic: &str,
    partitions: u16,
    records: u32,
    value_bytes: usize,
) -> anyhow::Result<Took> {
    let args = RivalArgs::of_round(partitions, records, value_bytes);
    librdkafka(&args, bootstrap, topic)
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn config(bootstrap: &str) -> anyhow::Result<ConsumerConfig> {
    let server = bootstrap.parse().map_err(anyhow::Error::msg)?;
    let config = ConsumerConfig::new(vec![server]);
    Ok(config.with_auto_offset_reset(AutoOffsetReset::Earliest))
}

fn native(args: &RivalArgs, bootstrap: &str) -> anyhow::Result<Took> {
    let config = config(bootstrap)?;
    let mut values_bytes = 0;
    let mut count = 0;
    let took = measure(|| {
        runtime()?.block_on(async {
            let consumer = Consumer::<bytes::Bytes>::new(config, BytesSerializer, BytesSerializer)?;
            let partitions = 0..i32::from(args.partitions);
            consumer.assign(partitions.map(|it| TopicPartition::new(TOPIC, it)))?;
            while count < args.records {
                let records = consumer.poll(TIMEOUT).await?;
                ensure!(!records.is_empty(), "only {count} records came");
                for record in records {
                    values_bytes += record.value.map_or(0, |value| value.len());
                    count += 1;
                }
            }
            Ok(consumer.close().await?)
        })
    })?;
    check(args, count, values_bytes)?;
    Ok(took)
}

fn librdkafka(args: &RivalArgs, bootstrap: &str, topic: &str) -> anyhow::Result<Took> {
    let mut values_bytes = 0;
    let mut count = 0;
    let took = measure(|| {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", NAME)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("check.crcs", "true")
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", "500")
            .set("max.partition.fetch.bytes", "1048576")
            .set("fetch.max.bytes", "52428800")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..i32::from(args.partitions) {
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        while count < args.records {
            let message = consumer.poll(TIMEOUT);
            let message = message.with_context(|| format!("only {count} records came"))??;
            values_bytes += message.payload().map_or(0, <[u8]>::len);
            count += 1;
        }
        Ok(())
    })?;
    check(args, count, values_bytes)?;
    Ok(took)
}

fn check(args: &RivalArgs, count: u32, values_bytes: usize) -> anyhow::Result<()> {
    ensure!(
        count == args.records,
        "{count} records instead of {}",
        args.records
    );
    let expected = usize::try_from(args.records)? * args.value_bytes;
    ensure!(
        values_bytes == expected,
        "{values_bytes} bytes of values instead of {expected}"
    );
    Ok(())
}

/// Creates the topic anew and fills its partitions in turn.
fn fill(args: &RivalArgs, bootstrap: &str) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let config = config(bootstrap)?;
        let consumer = Consumer::<bytes::Bytes>::new(config, BytesSerializer, BytesSerializer)?;
        let topic_name = TopicName(StrBytes::from_static_str(TOPIC));
        let topic = CreatableTopic::default()
            .with_name(topic_name.clone())
            .with_num_partitions(args.partitions.into())
            .with_replication_factor(1);
        let create = CreateTopicsRequest::default()
            .with_timeout_ms(TIMEOUT_MS)
            .with_topics(vec![topic]);
        let connection = consumer.cluster().any_connection().await?;
        let created = connection.call(CREATE_TOPICS_VERSION, &create).await?;
        ensure!(
            created.topics.iter().all(|it| it.error_code == 0),
            "{created:?}"
        );
        consumer.partitions_for(TOPIC).await?;
        let mut left = usize::try_from(args.records)?;
        let mut partitions = (0..i32::from(args.partitions)).cycle();
        while left != 0 {
            let (batch, records_count) = batch(args, left)?;
            left -= records_count;
            let data = PartitionProduceData::default()
                .with_index(partitions.next().context("at least one partition")?)
                .with_records(Some(batch));
            let topic = TopicProduceData::default()
                .with_name(topic_name.clone())
                .with_partition_data(vec![data]);
            let request = ProduceRequest::default()
                .with_acks(1)
                .with_timeout_ms(TIMEOUT_MS)
                .with_topic_data(vec![topic]);
            let produced = connection.call(PRODUCE_VERSION, &request).await?;
            let mut answers = produced
                .responses
                .iter()
                .flat_map(|it| &it.partition_responses);
            ensure!(answers.all(|it| it.error_code == 0), "{produced:?}");
        }
        Ok(consumer.close().await?)
    })
}

/// A batch of up to `count_max` records, and how many they are.
fn batch(args: &RivalArgs, count_max: usize) -> anyhow::Result<(bytes::Bytes, usize)> {
    let codec = Codec::from_name(&args.compression);
    let codec = codec.with_context(|| format!("{} is no codec", args.compression))?;
    let count = (BATCH_BYTES / (args.value_bytes + 8)).clamp(1, count_max);
    let mut batch = BatchBuilder::new();
    let mut value = vec![0; args.value_bytes];
    for index in 0..count {
        // Letters that compress about as text does.
        for (byte, letter) in value.iter_mut().zip((index * 7..).map(|it| it * it / 3)) {
            *byte = b'a' + u8::try_from(letter % 26)?;
        }
        let timestamp = i64::try_from(index)?;
        batch.append(
            timestamp,
            None,
            Some(&value),
            std::iter::empty::<Header<'_>>(),
        )?;
    }
    Ok((batch.finish(codec, None)?.freeze(), count))
}
