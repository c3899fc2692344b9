//! What can go wrong in the engine, typed. Kafka's error codes are not named here: the broker's
//! `api` maps each variant to one.

use std::io;
use std::path::{Path, PathBuf};

use ringbrook_record::RecordError;

/// Opening, closing and maintaining logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A file operation failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: `open`, `read`, `rename`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The process may not use the path.
    #[error("no permission to {operation} {}; run as its owner or change its mode", path.display())]
    PermissionDenied {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
    },
    /// Another process holds the directory's `.lock`.
    #[error("log directory {} is in use by another process, which holds its .lock", path.display())]
    DirLocked {
        /// The log directory.
        path: PathBuf,
    },
    /// The same log directory is listed twice.
    #[error("log directory {} is listed more than once", path.display())]
    DirListedTwice {
        /// The log directory.
        path: PathBuf,
    },
    /// `meta.properties` belongs to another node.
    #[error("{} belongs to node {found}, but this node's id is {expected}", path.display())]
    NodeIdMismatch {
        /// The `meta.properties` file.
        path: PathBuf,
        /// The id it holds.
        found: i32,
        /// The id this process was given.
        expected: i32,
    },
    /// `meta.properties` belongs to another cluster.
    #[error("{} belongs to cluster {found}, but this cluster is {expected}", path.display())]
    ClusterIdMismatch {
        /// The `meta.properties` file.
        path: PathBuf,
        /// The id it holds.
        found: String,
        /// The id of the other directories, or the configured one.
        expected: String,
    },
    /// A metadata file does not follow its format.
    #[error("{} is corrupt: {problem}", path.display())]
    CorruptFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, in one clause.
        problem: String,
    },
    /// A segment holds a message format older than record batch v2.
    #[error(
        "{} holds message format v{magic} at byte {position}; only v2 can be read",
        path.display()
    )]
    UnsupportedFormat {
        /// The segment file.
        path: PathBuf,
        /// The batch's magic byte.
        magic: i8,
        /// Where the batch starts.
        position: u64,
    },
    /// No log directory was given or none can be used.
    #[error("no usable log directory")]
    NoUsableDir,
    /// The log directory failed earlier and is offline until restart (L6).
    #[error("log directory {} is offline: {reason}", path.display())]
    LogDirOffline {
        /// The log directory.
        path: PathBuf,
        /// The first failure.
        reason: String,
    },
    /// The partition's directory cannot be named after this topic.
    #[error("topic name {topic:?} cannot name a directory")]
    InvalidTopicName {
        /// The name.
        topic: String,
    },
    /// The path is none of the log directories.
    #[error("{} is no log directory of this broker", path.display())]
    UnknownLogDir {
        /// The path.
        path: PathBuf,
    },
    /// There is no log of the partition.
    #[error("there is no log of partition {partition} of topic {topic}")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A log directory has no room for what is to be put there.
    #[error(
        "log directory {} has {usable_bytes} bytes free, {needed_bytes} are needed",
        path.display()
    )]
    NoSpace {
        /// The log directory.
        path: PathBuf,
        /// Bytes its file system has left.
        usable_bytes: u64,
        /// Bytes it should have.
        needed_bytes: u64,
    },
    /// A batch could not be copied into another log directory.
    #[error("cannot copy into {}: {source}", path.display())]
    NotCopied {
        /// The directory copied to.
        path: PathBuf,
        /// What the copy refused.
        source: AppendError,
    },
    /// The partition already exists under another topic id.
    #[error("{} belongs to topic id {found}, not {expected}", path.display())]
    TopicIdMismatch {
        /// The partition directory.
        path: PathBuf,
        /// The id in `partition.metadata`.
        found: uuid::Uuid,
        /// The id asked for.
        expected: uuid::Uuid,
    },
    /// A write was still under way when the log was to be closed.
    #[error("a write to {} did not end in time", path.display())]
    WriteInFlight {
        /// The partition directory.
        path: PathBuf,
    },
    /// The log was closed, deleted or moved before its files could be changed.
    #[error("the log in {} was closed, deleted or moved", path.display())]
    LogGone {
        /// The partition directory.
        path: PathBuf,
    },
    /// Segments that were to be replaced are no longer those of the log.
    #[error("segments of {} changed before they could be replaced", path.display())]
    SegmentsChanged {
        /// The partition directory.
        path: PathBuf,
    },
    /// The offset is outside of what the operation accepts.
    #[error("offset {offset} is outside of {lowest} to {highest}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// Lowest accepted.
        lowest: i64,
        /// Highest accepted.
        highest: i64,
    },
    /// Stored records cannot be decoded.
    #[error("{} cannot be decoded at byte {position}: {source}", path.display())]
    CorruptRecords {
        /// The segment file.
        path: PathBuf,
        /// Where the batch starts.
        position: u64,
        /// What the decoder found.
        source: RecordError,
    },
}

impl EngineError {
    /// Wraps an I/O error with what was tried, and gives missing permission its own variant.
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::PermissionDenied {
                operation,
                path: path.to_owned(),
            },
            _ => Self::Io {
                operation,
                path: path.to_owned(),
                source,
            },
        }
    }

    pub(crate) fn corrupt(path: &Path, problem: impl Into<String>) -> Self {
        Self::CorruptFile {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// Why an append was refused; one variant per Kafka outcome. Nothing of a refused append is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A batch's size field or CRC is wrong (`CORRUPT_MESSAGE`).
    #[error("corrupt batch: {0}")]
    CorruptMessage(String),
    /// A batch is larger than `max.message.bytes` (`MESSAGE_TOO_LARGE`).
    #[error("batch of {bytes} bytes exceeds max.message.bytes {max_bytes}")]
    MessageTooLarge {
        /// Size of the batch as it would be stored.
        bytes: usize,
        /// The topic's limit.
        max_bytes: u32,
    },
    /// The append does not fit into one segment (`RECORD_LIST_TOO_LARGE`).
    #[error("append of {bytes} bytes exceeds segment.bytes {segment_bytes}")]
    RecordListTooLarge {
        /// Size of the whole append.
        bytes: usize,
        /// The topic's segment size.
        segment_bytes: u32,
    },
    /// The batch or records in it break a rule (`INVALID_RECORD`).
    #[error("{message}")]
    InvalidRecord {
        /// Index and reason of each offending record; empty when the batch itself is wrong.
        record_errors: Vec<(i32, String)>,
        /// The reason for the whole batch.
        message: String,
    },
    /// A timestamp is out of range or of the wrong type (`INVALID_TIMESTAMP`).
    #[error("{message}")]
    InvalidTimestamp {
        /// Index and reason of each offending record; empty when the batch itself is wrong.
        record_errors: Vec<(i32, String)>,
        /// The reason for the whole batch.
        message: String,
    },
    /// The batch names a codec that does not exist (`UNSUPPORTED_COMPRESSION_TYPE`).
    #[error("unsupported compression: {0}")]
    UnsupportedCompression(String),
    /// A sequence number does not follow the last one (`OUT_OF_ORDER_SEQUENCE_NUMBER`).
    #[error(
        "producer {producer_id} sent sequence {found} where {expected} was expected at epoch \
         {producer_epoch}"
    )]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// Its epoch in the batch.
        producer_epoch: i16,
        /// The batch's first sequence number.
        found: i32,
        /// The one that had to come.
        expected: i32,
    },
    /// The producer was fenced by a newer epoch (`INVALID_PRODUCER_EPOCH`).
    #[error("producer {producer_id} wrote with epoch {found}, its epoch here is {current}")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// The batch's epoch.
        found: i16,
        /// The epoch known here.
        current: i16,
    },
    /// A non-transactional write inside an open transaction (`INVALID_TXN_STATE`).
    #[error("producer {producer_id} wrote outside of its open transaction")]
    InvalidTxnState {
        /// The producer.
        producer_id: i64,
    },
    /// The first batch of a transaction without proof that the coordinator knows of the
    /// transaction here; the proof may have lost its validity meanwhile (`INVALID_TXN_STATE`).
    #[error("producer {producer_id} wrote outside of a verified transaction")]
    TransactionNotVerified {
        /// The producer.
        producer_id: i64,
    },
    /// A marker from an old coordinator (`TRANSACTION_COORDINATOR_FENCED`).
    #[error(
        "marker for producer {producer_id} has coordinator epoch {found}, {current} is known here"
    )]
    TransactionCoordinatorFenced {
        /// The producer.
        producer_id: i64,
        /// The marker's coordinator epoch.
        found: i32,
        /// The highest epoch seen.
        current: i32,
    },
    /// A replica's batches do not continue the log.
    #[error("replica append starts at {found}, the log ends at {log_end}")]
    OffsetNotMonotonic {
        /// The first offset of the offending batch.
        found: i64,
        /// The lowest offset it could have.
        log_end: i64,
    },
    /// The file system of the log dir is nearly full; passes when room is made
    /// (`KAFKA_STORAGE_ERROR`).
    #[error("the file system of the log directory is nearly full (log.dir.min.free.bytes)")]
    LogDirFull,
    /// The log dir is offline until restart (`KAFKA_STORAGE_ERROR`).
    #[error("the log directory is offline")]
    LogDirOffline,
    /// The log was deleted (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("the log was deleted")]
    LogDeleted,
}

/// Why a read was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The offset is below the log start offset or above the log end offset.
    #[error("offset {offset} is outside of {log_start} to {log_end}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// The log start offset.
        log_start: i64,
        /// The log end offset.
        log_end: i64,
    },
    /// The log dir is offline until restart (`KAFKA_STORAGE_ERROR`).
    #[error("the log directory is offline")]
    LogDirOffline,
    /// The log was deleted.
    #[error("the log was deleted")]
    LogDeleted,
    /// A file could not be read. A failed read does not take the log dir offline.
    #[error("cannot read a segment: {0}")]
    Io(#[from] io::Error),
    /// The bytes found are no batches.
    #[error("segment {base_offset} is corrupt at byte {position}: {problem}")]
    Corrupt {
        /// The segment's base offset.
        base_offset: i64,
        /// Where the bad batch starts.
        position: u64,
        /// What is wrong.
        problem: String,
    },
}
