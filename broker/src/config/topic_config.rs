//! What holds for one topic, typed: the engine's settings of its logs, and the broker's own. The
//! layers beneath are `topic.rs`; resolving costs some 35 lookups, so it is done when something
//! changes and not per request.

use ringbrook_engine::{CleanupPolicy, LogConfig, TargetCompression};
use ringbrook_record::{Codec, TimestampType};

use super::{
    broker::BrokerConfig,
    layers::{DynamicConfigs, Properties},
    topic::TopicLayers,
};

/// The effective configuration of a topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopicConfig {
    /// What the engine needs to know.
    pub log: LogConfig,
    /// In-sync replicas that `acks=all` needs; at least 1.
    pub min_insync_replicas: i32,
}

impl TopicConfig {
    /// Resolves the configuration of a topic with `overrides` under the broker's own settings and
    /// the dynamic ones.
    #[must_use]
    pub fn resolve(
        config: &BrokerConfig,
        dynamic: DynamicConfigs<'_>,
        overrides: &Properties,
    ) -> Self {
        let layers = TopicLayers {
            broker: config.layers(dynamic),
            overrides,
        };
        Self {
            log: log_config(&layers),
            min_insync_replicas: layers.int("min.insync.replicas"),
        }
    }
}

fn log_config(layers: &TopicLayers<'_>) -> LogConfig {
    let policies = layers.list("cleanup.policy");
    LogConfig {
        segment_bytes: layers.bytes("segment.bytes"),
        segment_ms: layers.long("segment.ms"),
        segment_jitter_ms: layers.long("segment.jitter.ms"),
        segment_index_bytes: layers.bytes("segment.index.bytes"),
        index_interval_bytes: layers.bytes("index.interval.bytes"),
        retention_ms: layers.long("retention.ms"),
        retention_bytes: layers.long("retention.bytes"),
        file_delete_delay_ms: layers.long("file.delete.delay.ms"),
        max_message_bytes: layers.bytes("max.message.bytes"),
        flush_messages: layers.long("flush.messages"),
        flush_ms: layers.long("flush.ms"),
        flush_before_ack: layers.boolean("flush.before.ack"),
        recovery_unflushed_bytes_max: layers
            .broker
            .long("recovery.unflushed.bytes.max")
            .unsigned_abs(),
        cleanup_policy: CleanupPolicy {
            delete: policies.iter().any(|policy| policy == "delete"),
            compact: policies.iter().any(|policy| policy == "compact"),
        },
        compression: compression(layers),
        timestamp_type: match layers.text("message.timestamp.type").as_str() {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: layers.long("message.timestamp.before.max.ms"),
        timestamp_after_max_ms: layers.long("message.timestamp.after.max.ms"),
        preallocate: layers.boolean("preallocate"),
        min_cleanable_dirty_ratio: layers.double("min.cleanable.dirty.ratio"),
        min_compaction_lag_ms: layers.long("min.compaction.lag.ms"),
        max_compaction_lag_ms: layers.long("max.compaction.lag.ms"),
        delete_retention_ms: layers.long("delete.retention.ms"),
        transaction_verification: layers
            .broker
            .boolean("transaction.partition.verification.enable"),
    }
}

/// `compression.type` with the level of its codec; `producer`, which is no codec, keeps batches.
fn compression(layers: &TopicLayers<'_>) -> TargetCompression {
    let Some(codec) = Codec::from_name(&layers.text("compression.type")) else {
        return TargetCompression::Producer;
    };
    let level = match codec {
        Codec::Gzip => Some(layers.int("compression.gzip.level")),
        Codec::Lz4 => Some(layers.int("compression.lz4.level")),
        Codec::Zstd => Some(layers.int("compression.zstd.level")),
        Codec::None | Codec::Snappy => None,
    };
    TargetCompression::Codec { codec, level }
}

#[cfg(test)]
mod tests;
