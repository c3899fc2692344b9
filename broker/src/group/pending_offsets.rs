//! Offsets that transactions have committed and that count once the transaction does: written to
//! `__consumer_offsets`, not yet visible. Pure data of one group, kept by `offsets`.
//!
//! **Invariant:** `by_partition` and `by_producer` hold the same triples of producer, topic and
//! partition.
//!
//! Kafka: `pendingTransactionalOffsets` and `OpenTransactions` of `OffsetMetadataManager`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::offsets::CommittedOffset;

/// The pending offsets of one partition, by producer id.
type ByProducer = BTreeMap<i64, CommittedOffset>;

/// The offsets of one group that wait for the ends of transactions.
#[derive(Debug, Default)]
pub(crate) struct PendingOffsets {
    by_partition: HashMap<Arc<str>, BTreeMap<i32, ByProducer>>,
    by_producer: HashMap<i64, BTreeSet<(Arc<str>, i32)>>,
}

impl PendingOffsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_partition.is_empty()
    }

    /// Whether any transaction has an offset of the partition.
    pub(crate) fn contains(&self, topic: &str, partition: i32) -> bool {
        self.by_partition
            .get(topic)
            .is_some_and(|partitions| partitions.contains_key(&partition))
    }

    /// The partitions of the topic that have a pending offset.
    pub(crate) fn partitions_of(&self, topic: &str) -> impl Iterator<Item = i32> {
        let partitions = self.by_partition.get(topic).into_iter();
        partitions.flat_map(|partitions| partitions.keys().copied())
    }

    /// All topics with their partitions that have a pending offset, in no order.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (&Arc<str>, i32)> {
        self.by_partition.iter().flat_map(|(topic, partitions)| {
            partitions.keys().map(move |partition| (topic, *partition))
        })
    }

    /// The producers with a transaction here, in no order.
    pub(crate) fn producers(&self) -> impl Iterator<Item = i64> {
        self.by_producer.keys().copied()
    }

    /// Takes an offset over that `producer_id` has written in its transaction; it replaces the one
    /// the producer wrote before.
    pub(crate) fn add(
        &mut self,
        producer_id: i64,
        topic: &Arc<str>,
        partition: i32,
        committed: CommittedOffset,
    ) {
        self.by_partition
            .entry(Arc::clone(topic))
            .or_default()
            .entry(partition)
            .or_default()
            .insert(producer_id, committed);
        self.by_producer
            .entry(producer_id)
            .or_default()
            .insert((Arc::clone(topic), partition));
    }

    /// Takes a tombstone of the partition over: no transaction has an offset of it any more.
    pub(crate) fn remove(&mut self, topic: &str, partition: i32) {
        let Some(partitions) = self.by_partition.get_mut(topic) else {
            return;
        };
        let Some(producers) = partitions.remove(&partition) else {
            return;
        };
        if partitions.is_empty() {
            self.by_partition.remove(topic);
        }
        let key = (Arc::from(topic), partition);
        for producer_id in producers.into_keys() {
            if let Some(written) = self.by_producer.get_mut(&producer_id) {
                written.remove(&key);
                if written.is_empty() {
                    self.by_producer.remove(&producer_id);
                }
            }
        }
    }

    /// The transaction of `producer_id` ends: gives what it wrote, in the order of topics and
    /// partitions.
    pub(crate) fn take(&mut self, producer_id: i64) -> Vec<(Arc<str>, i32, CommittedOffset)> {
        let written = self.by_producer.remove(&producer_id).unwrap_or_default();
        let mut taken = Vec::with_capacity(written.len());
        for (topic, partition) in written {
            if let Some(committed) = self.take_one(producer_id, &topic, partition) {
                taken.push((topic, partition, committed));
            }
        }
        taken
    }

    fn take_one(
        &mut self,
        producer_id: i64,
        topic: &Arc<str>,
        partition: i32,
    ) -> Option<CommittedOffset> {
        let partitions = self.by_partition.get_mut(topic)?;
        let producers = partitions.get_mut(&partition)?;
        let committed = producers.remove(&producer_id);
        if producers.is_empty() {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.by_partition.remove(topic);
            }
        }
        committed
    }
}

#[cfg(test)]
mod tests;
