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
    let consumer = consumer(bootstrap, workload, Some(group), isolation(workload))?;
    consumer.subscribe(topics.iter().map(Arc::clone))?;
    Ok(consumer)
}

const READ_COMMITTED: &str = "read_committed";
const READ_UNCOMMITTED: &str = "read_uncommitted";

/// What consumers should see: what is committed, where there are transactions.
fn isolation(workload: &Workload) -> &'static str {
    if workload.is_transactional() {
        READ_COMMITTED
    } else {
        READ_UNCOMMITTED
    }
}

/// A consumer that sees what `isolation` says, unless it is one of a group and the workload says
/// otherwise.
fn consumer(
    bootstrap: &str,
    workload: &Workload,
    group: Option<&str>,
    isolation: &str,
) -> anyhow::Result<Consumer> {
    let mut properties = Properties::new()
        .with("bootstrap.servers", bootstrap)
        .with("isolation.level", isolation)
        .with("auto.offset.reset", "earliest");
    for (name, value) in &workload.consumer {
        properties.set(name, value);
    }
    match group {
        Some(group) => properties.set("group.id", group),
        None => {
            drop(properties.remove("group.id"));
            properties.set("isolation.level", isolation);
        }
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
    let partitions = topics.iter().flat_map(|topic| {
        (0..workload.partitions_per_topic).map(|it| TopicPartition::new(Arc::clone(topic), it))
    });
    let partitions: Vec<_> = partitions.collect();
    // For those who read what is committed, a partition ends where the markers of the last
    // transactions are not written yet.
    let all = consumer(bootstrap, workload, None, READ_UNCOMMITTED)?;
    let mut unfinished = all.end_offsets(&partitions).await?;
    all.close().await?;
    let consumer = consumer(bootstrap, workload, None, isolation(workload))?;
    unfinished.retain(|_, end| 0 < *end);
    consumer.assign(unfinished.keys().cloned())?;
    let mut deadline = now() + SILENCE_MAX;
    while !unfinished.is_empty() {
        let records = consumer.poll(POLL).await?;
        reader.note(&records);
        let next = records.next_offsets().into_iter();
        let mut reached: Vec<_> = next.map(|(it, next)| (it, next.offset)).collect();
        if records.is_empty() {
            // Markers of transactions move positions and are no records.
            reached = positions(&consumer, unfinished.keys()).await?;
        } else {
            deadline = now() + SILENCE_MAX;
        }
        for (partition, offset) in reached {
            if unfinished.get(&partition).is_some_and(|end| *end <= offset) {
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

/// Where each partition is read next.
async fn positions(
    consumer: &Consumer,
    partitions: impl Iterator<Item = &TopicPartition>,
) -> anyhow::Result<Vec<(TopicPartition, i64)>> {
    let mut positions = Vec::new();
    for partition in partitions {
        positions.push((partition.clone(), consumer.position(partition).await?));
    }
    Ok(positions)
}
