//! Tests of the consumer against the fake cluster. The clock is paused: they are exact.

mod errors;
mod groups;
mod leaders;
mod lookups;
mod reading;
mod sessions;
mod validation;

use std::time::Duration;

use bytes::Bytes;
use ringbrook_protocol::ResponseError;

use super::*;
use crate::config::AutoOffsetReset;
use crate::serialization::StringSerializer;
use crate::testing::FakeCluster;
use crate::topic_partition::TopicPartition;

pub(super) type TextConsumer = Consumer<Bytes, String>;

/// What leaders of partitions say that passes by itself, whatever they were asked.
pub(super) const PASSING: [ResponseError; 9] = [
    ResponseError::NotLeaderOrFollower,
    ResponseError::ReplicaNotAvailable,
    ResponseError::KafkaStorageError,
    ResponseError::FencedLeaderEpoch,
    ResponseError::UnknownLeaderEpoch,
    ResponseError::OffsetNotAvailable,
    ResponseError::LeaderNotAvailable,
    ResponseError::UnknownTopicOrPartition,
    ResponseError::RequestTimedOut,
];

/// How long tests wait for what has to come.
pub(super) const LONG: Duration = Duration::from_secs(100);
/// Longer than the broker waits for data.
pub(super) const SHORT: Duration = Duration::from_secs(2);

pub(super) fn config(fake: &FakeCluster) -> ConsumerConfig {
    ConsumerConfig {
        client: fake.client_config(),
        auto_offset_reset: AutoOffsetReset::Earliest,
        ..ConsumerConfig::default()
    }
}

pub(super) fn consumer_of(fake: &FakeCluster, config: ConsumerConfig) -> TextConsumer {
    let consumer = Consumer::builder(config).value_deserializer(StringSerializer);
    consumer.connector(fake.connector()).build().unwrap()
}

/// A consumer of topic `t`, from its beginning.
pub(super) fn consumer(fake: &FakeCluster, partitions: &[i32]) -> TextConsumer {
    let consumer = consumer_of(fake, config(fake));
    consumer
        .assign(partitions.iter().map(|it| tp(*it)))
        .unwrap();
    consumer
}

pub(super) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

pub(super) fn append(fake: &FakeCluster, partition: i32, values: &[&str]) {
    let records: Vec<_> = values.iter().map(|value| (None, *value)).collect();
    fake.topics(|topics| topics.append("t", partition, &records));
}

/// Reads so many records: partition, offset, value.
pub(super) async fn read(consumer: &TextConsumer, count: usize) -> Vec<(i32, i64, String)> {
    let mut read = Vec::new();
    while read.len() < count {
        let records = consumer.poll(LONG).await.unwrap();
        assert!(!records.is_empty(), "only {read:?} of {count} records came");
        let records = records.into_iter();
        read.extend(records.map(|it| (it.partition, it.offset, it.value.unwrap())));
    }
    read
}

pub(super) async fn values(consumer: &TextConsumer, count: usize) -> Vec<String> {
    let read = read(consumer, count).await;
    read.into_iter().map(|(_, _, value)| value).collect()
}
