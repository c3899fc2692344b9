//! The settings of one partition log, typed. Not the place where they are parsed or merged: the
//! broker's configuration does that and hands the result in.

use ringbrook_record::{Codec, TimestampType};

/// What a topic's `compression.type` asks the broker to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetCompression {
    /// Keep what the producer sent.
    Producer,
    /// Store every batch in this codec, compressing again when it differs.
    Codec {
        /// The codec to store.
        codec: Codec,
        /// The codec's level; `None` for its default.
        level: Option<i32>,
    },
}

/// What a topic's `cleanup.policy` contains. Both may be set, and both may be absent (KIP-1030).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are removed by time and size.
    pub delete: bool,
    /// Only the last record of each key is kept.
    pub compact: bool,
}

/// The effective settings of one partition log; the defaults are Kafka 4.3's. Names follow the
/// topic configs (`segment.bytes`, ...). The engine accepts smaller values than Kafka's validators
/// do, because tests need small segments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment file never grows past this; at most `i32::MAX`.
    pub segment_bytes: u32,
    /// `segment.ms`: record time after which an append rolls.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to this much is taken off `segment_ms`, drawn per segment.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: the size at which an index is full.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: bytes of log between two index entries.
    pub index_interval_bytes: u32,
    /// `retention.ms`: -1 keeps for ever.
    pub retention_ms: i64,
    /// `retention.bytes`: -1 is without limit.
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`: time between the renaming of a file and its removal.
    pub file_delete_delay_ms: i64,
    /// `max.message.bytes`: largest batch as stored, header included.
    pub max_message_bytes: u32,
    /// `flush.messages`: with this many messages not yet synced, an append syncs before it is
    /// acknowledged.
    pub flush_messages: i64,
    /// `flush.ms`: the longest a message stays unsynced; the background flush looks at it.
    pub flush_ms: i64,
    /// `flush.before.ack` (ours): nothing is acknowledged or visible before it is on disk.
    pub flush_before_ack: bool,
    /// `recovery.unflushed.bytes.max` (ours): about the most bytes that an unclean open has to
    /// walk; the recovery point follows the log end in the background, so that not more are above.
    pub recovery_unflushed_bytes_max: u64,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type` with its level.
    pub compression: TargetCompression,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how old a record may claim to be.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far in the future a record may claim to be.
    pub timestamp_after_max_ms: i64,
    /// `preallocate`: reserve a whole segment's blocks when it is created.
    pub preallocate: bool,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: how long tombstones stay after compaction.
    pub delete_retention_ms: i64,
    /// `transaction.partition.verification.enable`: the first batch of a transaction is refused
    /// without proof of its verification. Off by default, as the engine has no coordinator to ask.
    pub transaction_verification: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            max_message_bytes: (1 << 20) + 12,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            flush_before_ack: true,
            recovery_unflushed_bytes_max: 64 << 20,
            cleanup_policy: CleanupPolicy {
                delete: true,
                compact: false,
            },
            compression: TargetCompression::Producer,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            preallocate: false,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: DAY_MS,
            transaction_verification: false,
        }
    }
}

impl LogConfig {
    /// `segment.bytes`, but never more than positions in an index can name.
    #[must_use]
    pub fn segment_bytes_max(&self) -> u32 {
        self.segment_bytes.min(i32::MAX.cast_unsigned())
    }

    /// The record time after which an append rolls: `segment.ms`, capped by
    /// `max.compaction.lag.ms` on a compacted topic (Kafka's `LogConfig.segmentMs`).
    #[must_use]
    pub fn roll_after_ms(&self) -> i64 {
        if self.cleanup_policy.compact {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }
}
