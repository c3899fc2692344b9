//! Reads the groups of a partition of `__consumer_offsets` back: later records of a key replace
//! earlier ones, tombstones remove, offsets of transactions wait for their markers. Entries are fed
//! in the order of the log.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::classic::state::ClassicGroup;
use super::config::GroupConfig;
use super::consumer::group::ConsumerGroup;
use super::consumer::record::ConsumerRecord;
use super::entry::{Group, GroupEntry};
use super::offsets::{CommittedOffset, GroupOffsets};
use super::schema::{GroupMetadataValue, OffsetCommitValue, RecordKey, SchemaError};
use super::shard::ShardState;
use crate::coordinator::LoadedEntry;

/// What a load found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// Records read.
    pub records: u64,
    /// Groups there are now.
    pub groups: usize,
    /// Records of types this broker does not know.
    pub unknown: u64,
    /// Records that could not be decoded.
    pub damaged: u64,
}

/// A group as far as it has been read.
#[derive(Default)]
struct LoadedGroup {
    /// As a classic group.
    metadata: Option<GroupMetadataValue>,
    /// As a consumer group. A group is one of both at most, whichever has records left.
    consumer: Option<Box<ConsumerGroup>>,
    offsets: GroupOffsets,
}

/// Collects the records of a partition.
#[derive(Default)]
pub(crate) struct Loader {
    groups: HashMap<Arc<str>, LoadedGroup>,
    /// The groups that each producer's open transaction has written to.
    transactions: HashMap<i64, HashSet<Arc<str>>>,
    summary: LoadSummary,
}

impl Loader {
    /// Takes one entry. Records that are unknown or damaged are counted and skipped: the groups
    /// they belong to are no worse off than without a coordinator.
    pub(crate) fn visit(&mut self, entry: LoadedEntry<'_>) {
        match entry {
            LoadedEntry::Record {
                offset,
                key,
                value,
                producer,
            } => {
                self.summary.records += 1;
                let producer_id = producer.map(|(id, _)| id);
                if let Err(error) = self.take(offset, key, value, producer_id) {
                    self.summary.damaged += 1;
                    tracing::warn!(offset, %error, "skipping a damaged record");
                }
            }
            LoadedEntry::Marker {
                producer_id,
                is_commit,
                ..
            } => {
                let groups = self.transactions.remove(&producer_id);
                for group_id in groups.unwrap_or_default() {
                    if let Some(group) = self.groups.get_mut(&group_id) {
                        group.offsets.end_transaction(producer_id, is_commit);
                    }
                }
            }
        }
    }

    fn take(
        &mut self,
        offset: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        producer_id: Option<i64>,
    ) -> Result<(), SchemaError> {
        match RecordKey::decode(key.unwrap_or_default())? {
            RecordKey::OffsetCommit(key) => {
                let Some(value) = value else {
                    if let Some(group) = self.groups.get_mut(&key.group_id) {
                        group.offsets.remove(&key.topic, key.partition);
                    }
                    return Ok(());
                };
                let value = OffsetCommitValue::decode(value)?;
                let committed = CommittedOffset::from_record(offset, value);
                let group = self.groups.entry(Arc::clone(&key.group_id)).or_default();
                let Some(producer_id) = producer_id else {
                    group.offsets.apply(&key.topic, key.partition, committed);
                    return Ok(());
                };
                let (topic, partition) = (&key.topic, key.partition);
                group
                    .offsets
                    .add_pending(producer_id, topic, partition, committed);
                let groups = self.transactions.entry(producer_id).or_default();
                groups.insert(key.group_id);
            }
            RecordKey::GroupMetadata(group_id) => {
                let value = value.map(GroupMetadataValue::decode).transpose()?;
                match value {
                    Some(value) => {
                        self.groups.entry(group_id).or_default().metadata = Some(value);
                    }
                    None => {
                        // Offsets have tombstones of their own.
                        if let Some(group) = self.groups.get_mut(&group_id) {
                            group.metadata = None;
                        }
                    }
                }
            }
            RecordKey::ConsumerGroup { group_id, part } => {
                let record = ConsumerRecord::decode(part, value)?;
                self.take_consumer(group_id, record, value.is_some());
            }
            RecordKey::Unknown(_) => self.summary.unknown += 1,
        }
        Ok(())
    }

    fn take_consumer(&mut self, group_id: Arc<str>, record: ConsumerRecord, has_value: bool) {
        let is_over = matches!(record, ConsumerRecord::Metadata(None));
        if !has_value && !self.groups.contains_key(&group_id) {
            return;
        }
        let loaded = self.groups.entry(Arc::clone(&group_id)).or_default();
        if is_over {
            loaded.consumer = None;
        } else if has_value || loaded.consumer.is_some() {
            let group = loaded
                .consumer
                .get_or_insert_with(|| Box::new(ConsumerGroup::new(group_id)));
            group.apply(record);
        }
    }

    /// The groups that were read, as the state of a shard. A group that only has tombstones of
    /// offsets left is none.
    pub(crate) fn finish(
        self,
        config: &GroupConfig,
        now_ms: i64,
    ) -> (HashMap<Arc<str>, GroupEntry>, LoadSummary) {
        let limits = ShardState::limits(config);
        let mut groups = HashMap::with_capacity(self.groups.len());
        for (group_id, loaded) in self.groups {
            let id = Arc::clone(&group_id);
            let group = match (loaded.consumer, loaded.metadata) {
                (Some(group), _) => Group::Consumer(group),
                (None, Some(record)) => {
                    Group::Classic(Box::new(ClassicGroup::from_record(id, limits, record)))
                }
                (None, None) if loaded.offsets.is_empty() => continue,
                (None, None) => Group::Classic(Box::new(ClassicGroup::new(id, limits, now_ms))),
            };
            groups.insert(group_id, GroupEntry::new(group, loaded.offsets));
        }
        let summary = LoadSummary {
            groups: groups.len(),
            ..self.summary
        };
        (groups, summary)
    }
}
