//! The producer: records go in, are gathered into batches per partition, and become requests.
//!
//! The road of a record: [`Producer::send`] asks interceptors, serializers and the partitioner, and
//! writes the record into the last batch of its partition (`accumulator`). One task per producer
//! (`sender`) takes batches that are ready, numbers them (`sequences`) and sends them to the
//! leaders of their partitions; the answer to a batch (`outcome`) is what the [`Delivery`] of each
//! of its records waits for. A record costs no allocation of its own, no task and no channel.
//!
//! ```no_run
//! use ringbrook_client::config::ProducerConfig;
//! use ringbrook_client::producer::{Producer, ProducerRecord};
//! use ringbrook_client::serialization::StringSerializer;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = ProducerConfig::new(vec!["localhost:9092".parse()?]);
//! let producer: Producer<String, String> = Producer::builder(config)
//!     .key_serializer(StringSerializer)
//!     .value_serializer(StringSerializer)
//!     .build()?;
//! let record = ProducerRecord::new("orders", "two apples".to_owned());
//! let delivery = producer.send(record).await?;
//! println!("it is at {}", delivery.await?);
//! producer.close().await?;
//! # Ok(())
//! # }
//! ```

mod accumulator;
mod batch;
mod builder;
mod compression_ratio;
mod counters;
mod delivery;
mod interceptor;
mod outcome;
pub mod partitioner;
#[doc(hidden)]
pub mod probe;
mod producer_record;
mod record_metadata;
mod sender;
mod sequences;
mod shared;
mod transaction;
mod transactional;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use accumulator::Destination;
use batch::RawRecord;
pub use builder::ProducerBuilder;
pub use counters::{ProducerCounters, SendReason};
use delivery::Callback;
pub use delivery::Delivery;
pub use interceptor::{Interceptors, ProducerInterceptor};
use partitioner::{Partitioner, partition_for_key};
pub use producer_record::ProducerRecord;
pub use record_metadata::RecordMetadata;
use shared::Shared;

use crate::clock;
use crate::cluster::Cluster;
use crate::config::ProducerConfig;
use crate::error::ClientError;
use crate::metadata::{PartitionMetadata, TopicMetadata};
use crate::serialization::Serializer;
use crate::topic_partition::TopicPartition;

/// A producer of records with keys `K` and values `V`. Cheap to clone, and all clones are the same
/// producer; any number of tasks may send at once.
///
/// When the last clone is dropped, what is buffered is still sent as long as the runtime lives;
/// [`Producer::close`] waits for it.
pub struct Producer<K, V> {
    handle: Arc<Handle>,
    key_serializer: Arc<dyn Serializer<K>>,
    value_serializer: Arc<dyn Serializer<V>>,
    partitioner: Option<Arc<dyn Partitioner>>,
    interceptors: Interceptors<K, V>,
}

/// Tells the sender when nobody can send any more.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.begin_close();
    }
}

impl<K, V> Clone for Producer<K, V> {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
            key_serializer: Arc::clone(&self.key_serializer),
            value_serializer: Arc::clone(&self.value_serializer),
            partitioner: self.partitioner.clone(),
            interceptors: self.interceptors.clone(),
        }
    }
}

impl Producer<Bytes, Bytes> {
    /// A producer is built from its configuration; keys and values are bytes unless serializers
    /// say otherwise.
    #[must_use]
    pub fn builder(config: ProducerConfig) -> ProducerBuilder<Bytes, Bytes> {
        ProducerBuilder::new(config)
    }
}

impl<K: 'static, V: 'static> Producer<K, V> {
    /// Puts a record into a batch. It comes back as soon as the record is there, which takes
    /// longer than a moment only when metadata or memory has to be waited for, for at most
    /// `max.block.ms`. Await the [`Delivery`] to know where the record is, or drop it.
    ///
    /// Records to one partition are written in the order of these calls. Dropping the future
    /// before it is ready leaves the record unsent.
    ///
    /// # Errors
    /// The record cannot be serialized, is too large, names a partition that does not exist, there
    /// is no metadata or memory in time, or the producer is closed. The record is not sent then.
    pub async fn send(&self, record: ProducerRecord<K, V>) -> Result<Delivery, ClientError> {
        self.send_inner(record, None).await
    }

    /// As [`Producer::send`], with a function that is told where the record is. It runs in the
    /// producer's own task, so it must be quick and must not block; callbacks of one partition run
    /// in the order of its records. It is not called when this returns an error.
    ///
    /// # Errors
    /// See [`Producer::send`].
    pub async fn send_with(
        &self,
        record: ProducerRecord<K, V>,
        callback: impl FnOnce(Result<RecordMetadata, ClientError>) + Send + 'static,
    ) -> Result<(), ClientError> {
        let callback: Callback = Box::new(callback);
        self.send_inner(record, Some(callback)).await.map(drop)
    }

    async fn send_inner(
        &self,
        record: ProducerRecord<K, V>,
        callback: Option<Callback>,
    ) -> Result<Delivery, ClientError> {
        // Whoever sends without a pause lets the sender work now and then, on one thread too.
        tokio::task::coop::consume_budget().await;
        if self.interceptors.is_empty() {
            return self.send_record(record, callback).await;
        }
        let record = self.interceptors.on_send(record);
        let topic = Arc::clone(&record.topic);
        let partition = record.partition.unwrap_or(-1);
        let interceptors = self.interceptors.clone();
        let acknowledged: Callback = Box::new(move |outcome| {
            let partition = match &outcome {
                Ok(metadata) => {
                    TopicPartition::new(Arc::clone(&metadata.topic), metadata.partition)
                }
                Err(_) => TopicPartition::new(topic, partition),
            };
            interceptors.on_acknowledgement(&partition, outcome.as_ref());
            if let Some(callback) = callback {
                callback(outcome);
            }
        });
        let (topic, partition) = (Arc::clone(&record.topic), record.partition.unwrap_or(-1));
        let sent = self.send_record(record, Some(acknowledged)).await;
        if let Err(error) = &sent {
            let partition = TopicPartition::new(topic, partition);
            self.interceptors.on_acknowledgement(&partition, Err(error));
        }
        sent
    }

    async fn send_record(
        &self,
        record: ProducerRecord<K, V>,
        callback: Option<Callback>,
    ) -> Result<Delivery, ClientError> {
        let appended = self.append_record(record, callback).await;
        appended.inspect_err(|error| self.handle.shared.refused(error))
    }

    async fn append_record(
        &self,
        record: ProducerRecord<K, V>,
        callback: Option<Callback>,
    ) -> Result<Delivery, ClientError> {
        let shared = &self.handle.shared;
        let mut deadline = None;
        let topic = self
            .topic(&record.topic, record.partition, &mut deadline)
            .await?;
        let name = &*record.topic;
        let mut headers = record.headers;
        let cannot = |part, source| ClientError::Serialization {
            topic: name.to_owned(),
            part,
            source,
        };
        let key = record.key.map(|key| {
            let key = self.key_serializer.serialize(name, &mut headers, key);
            key.map_err(|error| cannot("key", error))
        });
        let key = key.transpose()?;
        let value = record.value.map(|value| {
            let value = self.value_serializer.serialize(name, &mut headers, value);
            value.map_err(|error| cannot("value", error))
        });
        let value = value.transpose()?;
        let raw = RawRecord {
            timestamp: record.timestamp.unwrap_or_else(clock::now_ms),
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &headers,
        };
        check_record(&raw, &shared.config)?;
        let destination = self.destination(&topic, record.partition, &raw)?;
        shared
            .append(&topic, destination, &raw, callback, &mut deadline)
            .await
    }

    /// The topic's metadata, waiting for it, and for the partition to be in it, if need be.
    async fn topic(
        &self,
        name: &Arc<str>,
        partition: Option<i32>,
        deadline: &mut Option<Instant>,
    ) -> Result<Arc<TopicMetadata>, ClientError> {
        let shared = &self.handle.shared;
        let has_partition =
            |topic: &TopicMetadata| partition.is_none_or(|it| topic.partition(it).is_some());
        let metadata = shared.cluster.metadata();
        let known = metadata.topic(name).filter(|topic| topic.error_code == 0);
        if let Some(topic) = known.filter(|topic| has_partition(topic)) {
            return Ok(Arc::clone(topic));
        }
        if let Some(partition) = partition.filter(|it| *it < 0) {
            let text = format!("a record for {name} names the partition {partition}");
            return Err(ClientError::InvalidArgument(text));
        }
        let max_block = shared.config.max_block;
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + max_block);
        let topic = shared.cluster.topic(name, deadline).await?;
        if has_partition(&topic) {
            return Ok(topic);
        }
        self.wait_for_partition(name, has_partition, deadline).await
    }

    /// The topic may just have got more partitions.
    async fn wait_for_partition(
        &self,
        name: &str,
        has_partition: impl Fn(&TopicMetadata) -> bool,
        deadline: Instant,
    ) -> Result<Arc<TopicMetadata>, ClientError> {
        let cluster = &self.handle.shared.cluster;
        let what = format!("waiting for a partition that {name} does not have");
        let attempt = || async {
            let metadata = cluster.refresh().await?;
            let topic = metadata.topic(name).filter(|topic| has_partition(topic));
            topic.cloned().ok_or_else(|| ClientError::Timeout {
                what: what.clone(),
                after: Duration::ZERO,
                last: None,
            })
        };
        cluster.retry(&what, deadline, attempt).await
    }

    fn destination(
        &self,
        topic: &TopicMetadata,
        partition: Option<i32>,
        record: &RawRecord<'_>,
    ) -> Result<Destination, ClientError> {
        if let Some(partition) = partition {
            return Ok(Destination::Partition(partition));
        }
        if let Some(partitioner) = &self.partitioner {
            let partition = partitioner.partition(topic, record.key, record.value)?;
            if topic.partition(partition).is_none() {
                return Err(ClientError::InvalidArgument(format!(
                    "the partitioner chose the partition {partition} of {}, which has {}",
                    topic.name,
                    topic.partitions_count()
                )));
            }
            return Ok(Destination::Partition(partition));
        }
        let ignores_keys = self.handle.shared.config.partitioner_ignore_keys;
        let key = record.key.filter(|_| !ignores_keys);
        Ok(default_destination(topic, key))
    }

    /// Waits until every record sent before is written or given up. Batches do not linger
    /// meanwhile. Whether they were written, their deliveries tell.
    pub async fn flush(&self) {
        self.handle.shared.flush().await;
    }

    /// The partitions of a topic.
    ///
    /// # Errors
    /// The topic is not there within `max.block.ms`.
    pub async fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionMetadata>, ClientError> {
        let shared = &self.handle.shared;
        let deadline = shared.cluster.deadline(shared.config.max_block);
        let topic = shared.cluster.topic(topic, deadline).await?;
        Ok(topic.partitions.clone())
    }

    /// Takes no more records, from any clone, and waits until everything buffered is written or
    /// given up, which takes at most `delivery.timeout.ms`. Closing twice is no error.
    ///
    /// # Errors
    /// None as yet.
    pub async fn close(&self) -> Result<(), ClientError> {
        let shared = &self.handle.shared;
        shared.begin_close();
        let mut ended = shared.ended.subscribe();
        // The sender says when it ends, however it does.
        ended
            .wait_for(|ended| *ended)
            .await
            .map(drop)
            .unwrap_or_default();
        self.interceptors.close();
        Ok(())
    }

    /// As [`Producer::close`], for at most `timeout`: what is not written then is given up.
    ///
    /// # Errors
    /// Time was up; records may be lost.
    pub async fn close_within(&self, timeout: Duration) -> Result<(), ClientError> {
        match tokio::time::timeout(timeout, self.close()).await {
            Ok(closed) => closed,
            Err(_) => {
                self.handle.shared.force_close();
                self.close().await?;
                Err(ClientError::Timeout {
                    what: "sending what was buffered at the close".to_owned(),
                    after: timeout,
                    last: None,
                })
            }
        }
    }

    /// What the producer has done so far.
    #[must_use]
    pub fn counters(&self) -> ProducerCounters {
        let accumulator = self.handle.shared.accumulator();
        let mut counters = accumulator.counters.clone();
        counters.buffered_bytes = accumulator.used_bytes();
        counters
    }

    /// What it knows of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.handle.shared.cluster
    }
}

/// Where a record goes that names no partition, with no partitioner set.
fn default_destination(topic: &TopicMetadata, key: Option<&[u8]>) -> Destination {
    match key {
        Some(key) if 0 < topic.partitions_count() => {
            Destination::Partition(partition_for_key(key, topic.partitions_count()))
        }
        _ => Destination::Sticky,
    }
}

/// What no batch could ever take.
fn check_record(record: &RawRecord<'_>, config: &ProducerConfig) -> Result<(), ClientError> {
    let size_bytes = record.size_bytes_max() + ringbrook_record::HEADER_BYTES;
    let too_large = |limit: &str, bytes: usize| {
        Err(ClientError::InvalidArgument(format!(
            "a record of up to {size_bytes} bytes is larger than {limit} ({bytes})"
        )))
    };
    if config.max_request_size < size_bytes {
        return too_large("max.request.size", config.max_request_size);
    }
    if config.buffer_memory < size_bytes {
        return too_large("buffer.memory", config.buffer_memory);
    }
    if record.timestamp < 0 {
        let text = format!("a record has the timestamp {}", record.timestamp);
        return Err(ClientError::InvalidArgument(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
