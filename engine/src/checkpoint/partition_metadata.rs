//! `partition.metadata`: the topic id of a partition directory. Written once, durably, before the
//! first append. (Kafka `PartitionMetadataFile`.)

use std::path::Path;

use uuid::Uuid;

use super::topic_id::{decode_id, encode_id};
use crate::error::EngineError;
use crate::io::Disk;

/// The file's name.
const PARTITION_METADATA: &str = "partition.metadata";
const BYTES_MAX: u64 = 4096;

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionMetadata {
    pub(crate) topic_id: Uuid,
}

impl PartitionMetadata {
    /// Reads the file of a partition directory; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is malformed.
    pub(crate) fn read<D: Disk>(disk: &D, dir: &Path) -> Result<Option<Self>, EngineError> {
        let path = dir.join(PARTITION_METADATA);
        let content = disk
            .read_file(&path, BYTES_MAX)
            .map_err(|source| EngineError::io("read", &path, source))?;
        match content {
            None => Ok(None),
            Some(content) => match Self::parse(&content) {
                Some(metadata) => Ok(Some(metadata)),
                None => Err(EngineError::corrupt(
                    &path,
                    "expected version 0 and a topic id",
                )),
            },
        }
    }

    /// Writes the file durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write<D: Disk>(self, disk: &D, dir: &Path) -> Result<(), EngineError> {
        let path = dir.join(PARTITION_METADATA);
        disk.replace_file(&path, self.render().as_bytes())
            .map_err(|source| EngineError::io("replace", &path, source))
    }

    pub(super) fn parse(content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok()?;
        let mut lines = text.lines();
        let version = lines.next()?.strip_prefix("version:")?.trim();
        let topic_id = decode_id(lines.next()?.strip_prefix("topic_id:")?.trim())?;
        (version == "0").then_some(Self { topic_id })
    }

    pub(super) fn render(self) -> String {
        format!("version: 0\ntopic_id: {}\n", encode_id(self.topic_id))
    }
}
