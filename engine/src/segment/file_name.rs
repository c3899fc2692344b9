//! Names of segment files and partition directories, exactly Kafka's. (Kafka `LogFileUtils`,
//! `LocalLog`.) Pure; used wherever a path is made or a listing is read.

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Appended to a file's name when it waits for its removal.
pub(crate) const DELETED_SUFFIX: &str = ".deleted";
/// Appended to a file's name while it is written to replace another.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
/// Appended to a file's name while it takes the place of another.
pub(crate) const SWAP_SUFFIX: &str = ".swap";
const DELETE_DIR_SUFFIX: &str = "-delete";
const FUTURE_DIR_SUFFIX: &str = "-future";
const STRAY_DIR_SUFFIX: &str = "-stray";
/// Kafka's metadata log, which is no partition of a topic.
const CLUSTER_METADATA_DIR: &str = "__cluster_metadata-0";
const NAME_BYTES_MAX: usize = 255;
const TOPIC_BYTES_MAX: usize = 249;
const OFFSET_DIGITS: usize = 20;

/// The kinds of files named after a base offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    /// The batches.
    Log,
    /// Offset to position.
    OffsetIndex,
    /// Timestamp to offset.
    TimeIndex,
    /// Aborted transactions.
    TxnIndex,
    /// Producer state before this offset.
    Snapshot,
}

impl FileKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 5] = [
        Self::Log,
        Self::OffsetIndex,
        Self::TimeIndex,
        Self::TxnIndex,
        Self::Snapshot,
    ];

    fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }

    /// The kind and base offset of a file name; `None` for any other file.
    pub(crate) fn parse(name: &str) -> Option<(Self, i64)> {
        let (digits, _) = name.split_once('.')?;
        let kind = Self::ALL
            .into_iter()
            .find(|kind| name[digits.len()..] == *kind.suffix())?;
        if digits.len() != OFFSET_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some((kind, digits.parse().ok()?))
    }
}

/// The name of a segment's file: the base offset in 20 digits and the kind's suffix.
pub(crate) fn segment_file_name(base_offset: i64, kind: FileKind) -> String {
    format!("{base_offset:020}{}", kind.suffix())
}

/// The path with `suffix` appended to its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The directory of a partition; `None` when the topic's name is not legal in Kafka.
pub(crate) fn partition_dir_name(topic: &str, partition: i32) -> Option<String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_legal = !topic.is_empty()
        && topic.len() <= TOPIC_BYTES_MAX
        && topic != "."
        && topic != ".."
        && topic.bytes().all(legal)
        && 0 <= partition;
    is_legal.then(|| format!("{topic}-{partition}"))
}

/// The name a partition's directory gets when it is deleted: unique, and short enough.
pub(crate) fn deleted_dir_name(topic: &str, partition: i32, unique: Uuid) -> String {
    renamed_dir_name(topic, partition, unique, DELETE_DIR_SUFFIX)
}

/// The name a partition's directory gets when it belongs to no partition of this broker.
pub(crate) fn stray_dir_name(topic: &str, partition: i32, unique: Uuid) -> String {
    renamed_dir_name(topic, partition, unique, STRAY_DIR_SUFFIX)
}

/// The name a partition's directory has while it is copied into another log dir; `None` when the
/// topic's name leaves no room for it (Kafka refuses such a move).
pub(crate) fn future_dir_name(topic: &str, partition: i32, unique: Uuid) -> Option<String> {
    let name = format!("{topic}-{partition}.{}{FUTURE_DIR_SUFFIX}", unique.simple());
    (name.len() <= NAME_BYTES_MAX).then_some(name)
}

fn renamed_dir_name(topic: &str, partition: i32, unique: Uuid, suffix: &str) -> String {
    let rest = format!("-{partition}.{}{suffix}", unique.simple());
    let topic_bytes = topic.len().min(NAME_BYTES_MAX - rest.len());
    format!("{}{rest}", &topic[..topic_bytes])
}

/// What a directory in a log dir is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DirKind {
    /// A partition that is served.
    Partition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A deleted partition whose files are still to be removed.
    Deleted,
    /// A partition on its way here from another log dir.
    Future {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A partition that does not belong here, or Kafka's metadata log; not served.
    NotServed,
    /// No directory of a log.
    Foreign,
}

impl DirKind {
    /// The meaning of a directory's name.
    pub(crate) fn parse(name: &str) -> Self {
        if name.ends_with(DELETE_DIR_SUFFIX) {
            return Self::Deleted;
        }
        if name.ends_with(STRAY_DIR_SUFFIX) || name == CLUSTER_METADATA_DIR {
            return Self::NotServed;
        }
        if let Some(name) = name.strip_suffix(FUTURE_DIR_SUFFIX) {
            let partition = name.rsplit_once('.').map(|(name, _)| Self::parse(name));
            return match partition {
                Some(Self::Partition { topic, partition }) => Self::Future { topic, partition },
                _ => Self::NotServed,
            };
        }
        let parsed = name
            .rsplit_once('-')
            .and_then(|(topic, partition)| Some((topic, partition.parse::<i32>().ok()?)));
        match parsed {
            Some((topic, partition))
                if partition_dir_name(topic, partition).as_deref() == Some(name) =>
            {
                Self::Partition {
                    topic: topic.to_owned(),
                    partition,
                }
            }
            _ => Self::Foreign,
        }
    }
}
