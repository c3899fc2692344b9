//! The committed offsets of one group. Pure data; the shard writes the records and applies them
//! here once they are committed, in the order of the log.
//!
//! Every offset remembers where in the log its record is: one committed by a transaction becomes
//! visible later than its record was written, and still the later record of the log has to win, as
//! it will when the compacted log is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use uuid::Uuid;

use super::classic::membership::RetentionStart;
use super::pending_offsets::PendingOffsets;
use super::schema::{OffsetCommitValue, SchemaError};

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The committed offset: the next record to consume.
    pub offset: i64,
    /// Leader epoch of the last consumed record; -1 when unknown.
    pub leader_epoch: i32,
    /// Opaque text of the client.
    pub metadata: Arc<str>,
    /// When it was committed, ms since the epoch.
    pub commit_timestamp_ms: i64,
    /// When it expires, ms since the epoch, if the client said so itself.
    pub expire_timestamp_ms: Option<i64>,
    /// The topic's id; nil when unknown.
    pub topic_id: Uuid,
    /// Offset of its record in `__consumer_offsets`.
    pub log_offset: i64,
}

impl CommittedOffset {
    /// The offset a record holds.
    pub(crate) fn from_record(log_offset: i64, record: OffsetCommitValue) -> Self {
        Self {
            offset: record.offset,
            leader_epoch: record.leader_epoch.max(-1),
            metadata: record.metadata,
            commit_timestamp_ms: record.commit_timestamp_ms,
            expire_timestamp_ms: (0 <= record.expire_timestamp_ms)
                .then_some(record.expire_timestamp_ms),
            topic_id: record.topic_id,
            log_offset,
        }
    }

    /// The value of the record that holds the offset.
    ///
    /// # Errors
    /// When the metadata is too long to be written.
    pub(crate) fn to_value(&self) -> Result<Bytes, SchemaError> {
        let value = OffsetCommitValue {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: Arc::clone(&self.metadata),
            commit_timestamp_ms: self.commit_timestamp_ms,
            expire_timestamp_ms: self.expire_timestamp_ms.unwrap_or(-1),
            topic_id: self.topic_id,
        };
        value.encode()
    }

    /// Whether the offset may be removed at `now_ms`.
    fn is_expired(&self, start: RetentionStart, retention: Duration, now_ms: i64) -> bool {
        let base_ms = match start {
            RetentionStart::Never => return false,
            _ if self
                .expire_timestamp_ms
                .is_some_and(|expire_ms| expire_ms <= now_ms) =>
            {
                return true;
            }
            _ if self.expire_timestamp_ms.is_some() => return false,
            RetentionStart::At(since_ms) => since_ms,
            RetentionStart::Commit => self.commit_timestamp_ms,
        };
        let age_ms = i128::from(now_ms) - i128::from(base_ms);
        i128::try_from(retention.as_millis()).is_ok_and(|retention_ms| retention_ms <= age_ms)
    }

    /// Whether the offset belongs to the topic that has `topic_id` now, as far as that is known.
    fn is_of_topic(&self, topic_id: Uuid) -> bool {
        self.topic_id.is_nil() || topic_id.is_nil() || self.topic_id == topic_id
    }
}

/// The committed offsets of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupOffsets {
    by_topic: HashMap<Arc<str>, BTreeMap<i32, CommittedOffset>>,
    /// What open transactions have written.
    pending: PendingOffsets,
}

impl GroupOffsets {
    /// The offset of a partition, unless it was committed for an earlier topic of that name.
    /// A nil `topic_id` matches any.
    pub(crate) fn committed(
        &self,
        topic: &str,
        topic_id: Uuid,
        partition: i32,
    ) -> Option<&CommittedOffset> {
        let committed = self.by_topic.get(topic)?.get(&partition)?;
        committed.is_of_topic(topic_id).then_some(committed)
    }

    /// Whether the group has neither committed offsets nor open transactions.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_topic.is_empty() && self.pending.is_empty()
    }

    /// Whether an open transaction has written an offset of the partition, so that the committed
    /// one may be about to change.
    pub(crate) fn is_unstable(&self, topic: &str, partition: i32) -> bool {
        self.pending.contains(topic, partition)
    }

    /// The producers that have open transactions with offsets of this group.
    pub(crate) fn open_transactions(&self) -> impl Iterator<Item = i64> {
        self.pending.producers()
    }

    /// Takes over an offset that `producer_id` has written in a transaction.
    pub(crate) fn add_pending(
        &mut self,
        producer_id: i64,
        topic: &Arc<str>,
        partition: i32,
        committed: CommittedOffset,
    ) {
        self.pending.add(producer_id, topic, partition, committed);
    }

    /// Ends the transaction of `producer_id`: its offsets are committed, unless a later record has
    /// been, or forgotten.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, is_commit: bool) {
        for (topic, partition, committed) in self.pending.take(producer_id) {
            if is_commit {
                self.apply(&topic, partition, committed);
            }
        }
    }

    /// All offsets, topic by topic in the order of their names.
    pub(crate) fn by_topic(&self) -> Vec<(&Arc<str>, &BTreeMap<i32, CommittedOffset>)> {
        let mut topics: Vec<_> = self.by_topic.iter().collect();
        topics.sort_unstable_by_key(|(topic, _)| *topic);
        topics
    }

    /// Takes a committed record over, unless a later one has been.
    pub(crate) fn apply(&mut self, topic: &Arc<str>, partition: i32, committed: CommittedOffset) {
        let partitions = self.by_topic.entry(Arc::clone(topic)).or_default();
        let is_older = partitions
            .get(&partition)
            .is_some_and(|existing| committed.log_offset < existing.log_offset);
        if !is_older {
            partitions.insert(partition, committed);
        }
    }

    /// Takes a tombstone over, which is for open transactions too; returns whether there was a
    /// committed offset.
    pub(crate) fn remove(&mut self, topic: &str, partition: i32) -> bool {
        self.pending.remove(topic, partition);
        let Some(partitions) = self.by_topic.get_mut(topic) else {
            return false;
        };
        let was_there = partitions.remove(&partition).is_some();
        if partitions.is_empty() {
            self.by_topic.remove(topic);
        }
        was_there
    }

    /// The partitions of the given topic that have an offset, committed or pending.
    pub(crate) fn partitions_of(&self, topic: &str) -> Vec<i32> {
        let committed = self.by_topic.get(topic).into_iter();
        let committed = committed.flat_map(|found| found.keys().copied());
        let all: BTreeSet<i32> = committed.chain(self.pending.partitions_of(topic)).collect();
        all.into_iter().collect()
    }

    /// All partitions that have an offset, committed or pending, by topic.
    pub(crate) fn partitions(&self) -> BTreeMap<Arc<str>, BTreeSet<i32>> {
        let committed = self.by_topic.iter().flat_map(|(topic, partitions)| {
            partitions.keys().map(move |partition| (topic, *partition))
        });
        let mut all: BTreeMap<Arc<str>, BTreeSet<i32>> = BTreeMap::new();
        for (topic, partition) in committed.chain(self.pending.partitions()) {
            all.entry(Arc::clone(topic)).or_default().insert(partition);
        }
        all
    }

    /// The offsets that may be removed now, and whether these are all the group has. Those that an
    /// open transaction is about to replace stay.
    pub(crate) fn expired(
        &self,
        start: RetentionStart,
        is_subscribed: impl Fn(&str) -> bool,
        retention: Duration,
        now_ms: i64,
    ) -> (Vec<(Arc<str>, i32)>, bool) {
        let mut expired = Vec::new();
        let mut is_all = self.pending.is_empty();
        for (topic, partitions) in self.by_topic() {
            if is_subscribed(topic) {
                is_all = false;
                continue;
            }
            for (partition, committed) in partitions {
                if committed.is_expired(start, retention, now_ms)
                    && !self.pending.contains(topic, *partition)
                {
                    expired.push((Arc::clone(topic), *partition));
                } else {
                    is_all = false;
                }
            }
        }
        (expired, is_all)
    }
}

#[cfg(test)]
mod tests;
