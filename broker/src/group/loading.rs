//! Reads the groups of a partition of `__consumer_offsets` back: later records of a key replace
//! earlier ones, tombstones remove, offsets of transactions wait for their markers. Entries are fed
//! in the order of the log.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::classic::state::ClassicGroup;
use super::config::GroupConfig;
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
    metadata: Option<GroupMetadataValue>,
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
                let Some(value) = value else {
                    self.groups.remove(&group_id);
                    return Ok(());
                };
                let value = GroupMetadataValue::decode(value)?;
                self.groups.entry(group_id).or_default().metadata = Some(value);
            }
            RecordKey::Unknown(_) => self.summary.unknown += 1,
        }
        Ok(())
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
            let group = match loaded.metadata {
                Some(record) => ClassicGroup::from_record(Arc::clone(&group_id), limits, record),
                None if loaded.offsets.is_empty() => continue,
                None => ClassicGroup::new(Arc::clone(&group_id), limits, now_ms),
            };
            groups.insert(
                group_id,
                GroupEntry {
                    group: Group::Classic(Box::new(group)),
                    offsets: loaded.offsets,
                },
            );
        }
        let summary = LoadSummary {
            groups: groups.len(),
            ..self.summary
        };
        (groups, summary)
    }
}
