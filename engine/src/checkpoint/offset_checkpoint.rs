//! Checkpoints with one offset a partition, one file a log dir: recovery points, log start offsets
//! and high watermarks. Read at start and written by the log manager. (Kafka
//! `OffsetCheckpointFile`.)

use std::collections::BTreeMap;
use std::path::Path;

use super::FILE_BYTES_MAX;
use super::text_file::{parse_entries, render_entries};
use crate::error::EngineError;
use crate::io::Disk;

/// Which of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetCheckpoint {
    /// First offset not known to be on disk with its index.
    RecoveryPoint,
    /// Log start offset.
    LogStart,
    /// High watermark.
    HighWatermark,
}

/// Topic and partition to offset.
pub(crate) type PartitionOffsets = BTreeMap<(String, i32), i64>;

impl OffsetCheckpoint {
    /// Kafka's file name.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::RecoveryPoint => "recovery-point-offset-checkpoint",
            Self::LogStart => "log-start-offset-checkpoint",
            Self::HighWatermark => "replication-offset-checkpoint",
        }
    }

    /// Reads the file of a log dir; a missing or malformed one counts as empty, as in Kafka: every
    /// value in it only saves work or is bounded by the log itself.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub(crate) fn read<D: Disk>(
        self,
        disk: &D,
        dir: &Path,
    ) -> Result<PartitionOffsets, EngineError> {
        let path = dir.join(self.file_name());
        let content = disk
            .read_file(&path, FILE_BYTES_MAX)
            .map_err(|source| EngineError::io("read", &path, source))?
            .unwrap_or_default();
        match parse(&content) {
            Ok(offsets) => Ok(offsets),
            Err(problem) => {
                tracing::warn!(file = %path.display(), problem, "checkpoint is ignored");
                Ok(PartitionOffsets::new())
            }
        }
    }

    /// Replaces the file of a log dir durably.
    ///
    /// # Errors
    /// When it cannot be written; the old one still stands.
    pub(crate) fn write<D: Disk>(
        self,
        disk: &D,
        dir: &Path,
        offsets: &PartitionOffsets,
    ) -> Result<(), EngineError> {
        let path = dir.join(self.file_name());
        disk.replace_file(&path, render(offsets).as_bytes())
            .map_err(|source| EngineError::io("replace", &path, source))
    }
}

pub(super) fn parse(content: &[u8]) -> Result<PartitionOffsets, String> {
    let entries = parse_entries(content, |fields| match fields {
        [topic, partition, offset] => {
            let offset: i64 = offset.parse().ok()?;
            let partition: i32 = partition.parse().ok()?;
            (0 <= offset).then(|| (((*topic).to_owned(), partition), offset))
        }
        _ => None,
    })?;
    Ok(entries.into_iter().collect())
}

pub(super) fn render(offsets: &PartitionOffsets) -> String {
    render_entries(
        offsets
            .iter()
            .map(|((topic, partition), offset)| format!("{topic} {partition} {offset}")),
    )
}
