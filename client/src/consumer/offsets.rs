//! What the brokers know of partitions: their beginnings and ends, offsets by time, lag.

use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;

use super::Consumer;
use super::list_offsets::{self, EARLIEST, LATEST};
use super::offset::OffsetAndTimestamp;
use crate::error::ClientError;
use crate::metadata::PartitionMetadata;
use crate::topic_partition::TopicPartition;

impl<K, V> Consumer<K, V> {
    /// The log start offsets of partitions, assigned or not. Dropping the future leaves nothing
    /// behind.
    ///
    /// # Errors
    /// A partition does not exist or cannot be asked about within `default.api.timeout.ms`.
    pub async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ClientError> {
        self.ends(partitions, EARLIEST).await
    }

    /// The offsets behind the last record that this consumer may read: the high watermark, or with
    /// `read_committed` the last stable offset. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// A partition does not exist or cannot be asked about within `default.api.timeout.ms`.
    pub async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ClientError> {
        self.ends(partitions, LATEST).await
    }

    async fn ends(
        &self,
        partitions: &[TopicPartition],
        timestamp: i64,
    ) -> Result<HashMap<TopicPartition, i64>, ClientError> {
        let wanted = partitions.iter().map(|it| (it.clone(), timestamp));
        let found = self.list_offsets(wanted.collect()).await?;
        let offset_of = |it: Option<OffsetAndTimestamp>| it.map_or(0, |found| found.offset);
        let ends = found
            .into_iter()
            .map(|(partition, it)| (partition, offset_of(it)));
        Ok(ends.collect())
    }

    /// Of each partition the first record that is not older than a time, in milliseconds since the
    /// epoch; nothing where there is none. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// A time is negative, or a partition does not exist or cannot be asked about within
    /// `default.api.timeout.ms`.
    pub async fn offsets_for_times(
        &self,
        times: &HashMap<TopicPartition, i64>,
    ) -> Result<HashMap<TopicPartition, Option<OffsetAndTimestamp>>, ClientError> {
        if let Some((partition, time)) = times.iter().find(|(_, time)| **time < 0) {
            return Err(ClientError::InvalidArgument(format!(
                "{time} for {partition} is no time: give milliseconds since the epoch"
            )));
        }
        self.list_offsets(times.clone()).await
    }

    async fn list_offsets(
        &self,
        wanted: HashMap<TopicPartition, i64>,
    ) -> Result<HashMap<TopicPartition, Option<OffsetAndTimestamp>>, ClientError> {
        let deadline = Instant::now() + self.shared.config.default_api_timeout;
        let isolation = self.shared.config.isolation_level;
        let cluster = &self.shared.cluster;
        let asking = list_offsets::ask_until(cluster, isolation, wanted, deadline);
        self.shared.unless_woken(asking).await
    }

    /// The partitions of a topic. Waits for the topic up to `default.api.timeout.ms`. Where brokers
    /// create topics by themselves this may create it, unless `allow.auto.create.topics` is off;
    /// dropping the future does not undo that.
    ///
    /// # Errors
    /// The topic does not exist.
    pub async fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionMetadata>, ClientError> {
        let deadline = Instant::now() + self.shared.config.default_api_timeout;
        let _held = self.shared.cluster.hold_topic(topic);
        let asking = self.shared.cluster.held_topic(topic, deadline);
        let found = self.shared.unless_woken(asking).await?;
        Ok(found.partitions.clone())
    }

    /// By how many records the position of a partition is behind the end, by the latest answer of
    /// its broker; nothing before the first. Nothing is asked.
    ///
    /// # Errors
    /// The partition is not assigned.
    pub fn current_lag(&self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        let isolation = self.shared.config.isolation_level;
        self.shared.lock().subscriptions.lag(partition, isolation)
    }

    /// How long calls take at most that are not given a time: `default.api.timeout.ms`.
    #[must_use]
    pub fn default_api_timeout(&self) -> Duration {
        self.shared.config.default_api_timeout
    }
}
