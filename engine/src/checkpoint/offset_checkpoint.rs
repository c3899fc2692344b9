//! Checkpoints with one offset a partition, one file a log dir: recovery points, log start offsets
//! and high watermarks. Read at start and written by the log manager. (Kafka
//! `OffsetCheckpointFile`.)

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::FILE_BYTES_MAX;
use super::text_file::{parse_entries, render_head};
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
    /// How far the cleaner came: first offset that is not clean.
    Cleaner,
}

/// Topic and partition to offset.
pub(crate) type PartitionOffsets = BTreeMap<(String, i32), i64>;

impl OffsetCheckpoint {
    /// Every one of them.
    pub(crate) const ALL: [Self; 3] = [Self::RecoveryPoint, Self::LogStart, Self::HighWatermark];

    /// Kafka's file name.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::RecoveryPoint => "recovery-point-offset-checkpoint",
            Self::LogStart => "log-start-offset-checkpoint",
            Self::HighWatermark => "replication-offset-checkpoint",
            Self::Cleaner => "cleaner-offset-checkpoint",
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

    /// Replaces the file of a log dir durably by what [`render_offsets`] made.
    ///
    /// # Errors
    /// When it cannot be written; the old one still stands.
    pub(crate) fn replace<D: Disk>(
        self,
        disk: &D,
        dir: &Path,
        content: &[u8],
    ) -> Result<(), EngineError> {
        let path = dir.join(self.file_name());
        disk.replace_file(&path, content)
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

/// The whole file, from topics, partitions and offsets.
pub(crate) fn render_offsets<'a>(offsets: impl Iterator<Item = (&'a str, i32, i64)>) -> String {
    let mut lines = String::new();
    let mut count = 0_usize;
    for (topic, partition, offset) in offsets {
        writeln!(lines, "{topic} {partition} {offset}").expect("writing to a String cannot fail");
        count += 1;
    }
    format!("{}{lines}", render_head(count))
}
