//! The consumers of a load: they look at the stamp of every record.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_client::TopicPartition;
use ringbrook_client::config::{ConsumerConfig, Properties};
use ringbrook_client::consumer::{Consumer, ConsumerRecords};
use ringbrook_client::serialization::BytesSerializer;
use tokio::sync::watch;

use super::payload::Stamp;
use super::recorder::{GroupRecords, Recorder};
use super::workload::Workload;
use crate::process::now;

const POLL: Duration = Duration::from_millis(100);
/// Reading back gives up when so long nothing comes.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The names of the topics of a load, by which records tell their topic's index.
pub(crate) type TopicIndexes = HashMap<Arc<str>, u32>;

/// The indexes of topics.
pub(crate) fn indexes(topics: &[Arc<str>]) -> TopicIndexes {
    topics.iter().cloned().zip(0..).collect()
}

/// What one consumer reads into.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) topics: Arc<TopicIndexes>,
    pub(crate) records: GroupRecords,
    pub(crate) recorder: Recorder,
}

impl Reader {
    fn note(&self, records: &ConsumerRecords) {
        if records.is_empty() {
            return;
        }
        let now_ns = self.recorder.elapsed_ns();
        let mut read = self.records.lock();
        for record in records.iter() {
            let value = record.value.as_deref().unwrap_or_default();
            let topic = self.topics.get(&record.topic);
            let (Some(stamp), Some(topic)) = (Stamp::read(value), topic) else {
                read.note_damaged();
                continue;
            };
            read.note(*topic, record.partition, stamp.producer, stamp.sequence);
            let value_bytes = u64::try_from(value.len()).unwrap_or_default();
            self.recorder
                .note_read(now_ns, stamp.intended_ns, value_bytes);
        }
    }
}

/// A member of the group `group` of a load, subscribed.
///
/// # Errors
/// Its settings are not valid.
pub(crate) fn member(
    bootstrap: &str,
    workload: &Workload,
    group: &str,
    topics: &[Arc<str>],
) -> anyhow::Result<Consumer> {
    let consumer = consumer(bootstrap, workload, Some(group))?;
    consumer.subscribe(topics.iter().map(Arc::clone))?;
    Ok(consumer)
}

fn consumer(bootstrap: &str, workload: &Workload, group: Option<&str>) -> anyhow::Result<Consumer> {
    let mut properties = Properties::new()
        .with("bootstrap.servers", bootstrap)
        .with("auto.offset.reset", "earliest");
    for (name, value) in &workload.consumer {
        properties.set(name, value);
    }
    match group {
        Some(group) => properties.set("group.id", group),
        None => drop(properties.remove("group.id")),
    }
    let config = ConsumerConfig::from_properties(&properties)?;
    Ok(Consumer::<Bytes>::new(
        config,
        BytesSerializer,
        BytesSerializer,
    )?)
}

/// Reads until `is_over`, telling how many partitions the member has.
///
/// # Errors
/// The group or the broker failed.
pub(crate) async fn read_as_member(
    consumer: Consumer,
    reader: Reader,
    assigned_count: Arc<AtomicUsize>,
    is_over: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut known = 0;
    while !*is_over.borrow() {
        let records = consumer
            .poll(POLL)
            .await
            .context("a consumer of the load")?;
        reader.note(&records);
        let count = consumer.assignment().len();
        assigned_count.fetch_add(count, Ordering::Relaxed);
        assigned_count.fetch_sub(known, Ordering::Relaxed);
        known = count;
    }
    Ok(consumer.close().await?)
}

/// Reads everything that topics hold now, without a group.
///
/// # Errors
/// The broker failed, or nothing came although there should be more.
pub(crate) async fn read_back(
    bootstrap: &str,
    workload: &Workload,
    topics: &[Arc<str>],
    reader: &Reader,
) -> anyhow::Result<()> {
    let consumer = consumer(bootstrap, workload, None)?;
    let partitions = topics.iter().flat_map(|topic| {
        (0..workload.partitions_per_topic).map(|it| TopicPartition::new(Arc::clone(topic), it))
    });
    let partitions: Vec<_> = partitions.collect();
    let mut unfinished = consumer.end_offsets(&partitions).await?;
    unfinished.retain(|_, end| 0 < *end);
    consumer.assign(unfinished.keys().cloned())?;
    let mut deadline = now() + SILENCE_MAX;
    while !unfinished.is_empty() {
        let records = consumer.poll(POLL).await?;
        reader.note(&records);
        for (partition, next) in records.next_offsets() {
            deadline = now() + SILENCE_MAX;
            if unfinished
                .get(&partition)
                .is_some_and(|end| *end <= next.offset)
            {
                unfinished.remove(&partition);
            }
        }
        ensure!(
            now() < deadline,
            "reading back: nothing came for {} s of {} partitions",
            SILENCE_MAX.as_secs(),
            unfinished.len()
        );
    }
    Ok(consumer.close().await?)
}
