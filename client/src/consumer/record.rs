//! What a consumer returns: records, and what `poll` makes of several.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
pub use ringbrook_record::TimestampType;

use super::offset::OffsetAndMetadata;
use crate::headers::Headers;
use crate::topic_partition::TopicPartition;

/// A record as it was read.
///
/// With [`Bytes`] as key or value nothing is copied: they are parts of the broker's answer, which
/// stays in memory as long as one of its records does. Copy what is kept for long.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerRecord<K = Bytes, V = Bytes> {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's index.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// In milliseconds since the epoch; -1 when the record has none.
    pub timestamp: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// The epoch of the leader that appended it, if known.
    pub leader_epoch: Option<i32>,
    /// Bytes of the key as it was sent; nothing for a null key.
    pub serialized_key_bytes: Option<usize>,
    /// Bytes of the value as it was sent; nothing for a null value.
    pub serialized_value_bytes: Option<usize>,
    /// The headers.
    pub headers: Headers,
    /// The key; nothing is Kafka's null.
    pub key: Option<K>,
    /// The value; nothing is Kafka's null, a tombstone in a compacted topic.
    pub value: Option<V>,
}

impl<K, V> ConsumerRecord<K, V> {
    /// The partition it was read from.
    #[must_use]
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition::new(Arc::clone(&self.topic), self.partition)
    }
}

/// What one `poll` returned: records of one partition lie together, in the order of their offsets.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerRecords<K = Bytes, V = Bytes> {
    records: Vec<ConsumerRecord<K, V>>,
    reached: Vec<Reached>,
}

/// How far one partition was read by one poll.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reached {
    pub(super) partition: TopicPartition,
    pub(super) next: OffsetAndMetadata,
}

impl<K, V> ConsumerRecords<K, V> {
    pub(super) fn new(records: Vec<ConsumerRecord<K, V>>, reached: Vec<Reached>) -> Self {
        Self { records, reached }
    }

    /// Where each partition is read next: what to commit when all of these are processed. It may
    /// be behind the last record by offsets that hold nothing for the application.
    #[must_use]
    pub fn next_offsets(&self) -> HashMap<TopicPartition, OffsetAndMetadata> {
        let next = self.reached.iter();
        next.map(|it| (it.partition.clone(), it.next.clone()))
            .collect()
    }

    /// Keeps the records that `is_kept` says, for [`super::ConsumerInterceptor`]; where partitions
    /// are read next stays the same.
    pub fn retain(&mut self, is_kept: impl FnMut(&ConsumerRecord<K, V>) -> bool) {
        self.records.retain(is_kept);
    }

    /// All of them, to be changed.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, ConsumerRecord<K, V>> {
        self.records.iter_mut()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, ConsumerRecord<K, V>> {
        self.records.iter()
    }

    /// The partitions that records are from, each once.
    #[must_use]
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.by_partition().map(|(it, _)| it).collect()
    }

    /// The records of each partition, in one piece.
    pub fn by_partition(
        &self,
    ) -> impl Iterator<Item = (TopicPartition, &[ConsumerRecord<K, V>])> + '_ {
        let is_same = |a: &ConsumerRecord<K, V>, b: &ConsumerRecord<K, V>| {
            a.partition == b.partition && a.topic == b.topic
        };
        let pieces = self.records.chunk_by(is_same);
        pieces.filter_map(|piece| Some((piece.first()?.topic_partition(), piece)))
    }

    /// The records of one partition.
    pub fn records<'a>(
        &'a self,
        partition: &'a TopicPartition,
    ) -> impl Iterator<Item = &'a ConsumerRecord<K, V>> {
        self.records.iter().filter(move |record| {
            record.partition == partition.partition && record.topic == partition.topic
        })
    }
}

impl<K, V> IntoIterator for ConsumerRecords<K, V> {
    type Item = ConsumerRecord<K, V>;
    type IntoIter = std::vec::IntoIter<ConsumerRecord<K, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a ConsumerRecords<K, V> {
    type Item = &'a ConsumerRecord<K, V>;
    type IntoIter = std::slice::Iter<'a, ConsumerRecord<K, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.iter()
    }
}
