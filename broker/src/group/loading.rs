//! Reads the groups of a partition of `__consumer_offsets` back: later records of a key replace
//! earlier ones, tombstones remove. Records are fed in the order of the log.

use std::sync::Arc;

use hashbrown::HashMap;

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
    summary: LoadSummary,
}

impl Loader {
    /// Takes one entry. Records that are unknown or damaged are counted and skipped: the groups
    /// they belong to are no worse off than without a coordinator.
    pub(crate) fn visit(&mut self, entry: LoadedEntry<'_>) {
        let LoadedEntry::Record {
            offset, key, value, ..
        } = entry
        else {
            return;
        };
        self.summary.records += 1;
        if let Err(error) = self.take(offset, key, value) {
            self.summary.damaged += 1;
            tracing::warn!(offset, %error, "skipping a damaged record");
        }
    }

    fn take(
        &mut self,
        offset: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
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
                let group = self.groups.entry(key.group_id).or_default();
                group.offsets.apply(&key.topic, key.partition, committed);
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
