//! Names and units arrive in the engine's fields.

use super::*;
use crate::config::{ConfigSources, definition};

fn resolve(overrides: &[(&str, &str)]) -> TopicConfig {
    let (config, _) = BrokerConfig::load(ConfigSources::default()).expect("valid");
    let overrides = overrides
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    TopicConfig::resolve(&config, DynamicConfigs::none(), &overrides)
}

#[test]
fn the_defaults_are_the_engines_but_transactions_are_verified() {
    let expected = TopicConfig {
        log: LogConfig {
            transaction_verification: true,
            ..LogConfig::default()
        },
        min_insync_replicas: 1,
    };
    assert_eq!(resolve(&[]), expected);
}

#[test]
fn every_override_reaches_its_own_field() {
    let log = resolve(&[
        ("segment.bytes", "1048577"),
        ("segment.ms", "2"),
        ("segment.jitter.ms", "3"),
        ("segment.index.bytes", "5"),
        ("index.interval.bytes", "6"),
        ("retention.ms", "7"),
        ("retention.bytes", "8"),
        ("file.delete.delay.ms", "9"),
        ("max.message.bytes", "10"),
        ("flush.messages", "11"),
        ("flush.ms", "12"),
        ("flush.before.ack", "false"),
        ("cleanup.policy", "compact"),
        ("compression.type", "gzip"),
        ("compression.gzip.level", "4"),
        ("message.timestamp.type", "LogAppendTime"),
        ("message.timestamp.before.max.ms", "13"),
        ("message.timestamp.after.max.ms", "14"),
        ("preallocate", "true"),
        ("min.cleanable.dirty.ratio", "0.25"),
        ("min.compaction.lag.ms", "15"),
        ("max.compaction.lag.ms", "16"),
        ("delete.retention.ms", "17"),
    ])
    .log;
    let expected = LogConfig {
        segment_bytes: 1_048_577,
        segment_ms: 2,
        segment_jitter_ms: 3,
        segment_index_bytes: 5,
        index_interval_bytes: 6,
        retention_ms: 7,
        retention_bytes: 8,
        file_delete_delay_ms: 9,
        max_message_bytes: 10,
        flush_messages: 11,
        flush_ms: 12,
        flush_before_ack: false,
        recovery_unflushed_bytes_max: 64 << 20,
        cleanup_policy: CleanupPolicy {
            delete: false,
            compact: true,
        },
        compression: TargetCompression::Codec {
            codec: Codec::Gzip,
            level: Some(4),
        },
        timestamp_type: TimestampType::LogAppendTime,
        timestamp_before_max_ms: 13,
        timestamp_after_max_ms: 14,
        preallocate: true,
        min_cleanable_dirty_ratio: 0.25,
        min_compaction_lag_ms: 15,
        max_compaction_lag_ms: 16,
        delete_retention_ms: 17,
        transaction_verification: true,
    };
    assert_eq!(log, expected);
    assert_eq!(
        resolve(&[("min.insync.replicas", "2")]).min_insync_replicas,
        2
    );
}

#[test]
fn both_policies_may_hold_and_neither() {
    let policy = |value| resolve(&[("cleanup.policy", value)]).log.cleanup_policy;
    assert_eq!(
        policy("compact, delete"),
        CleanupPolicy {
            delete: true,
            compact: true
        }
    );
    assert_eq!(
        policy(""),
        CleanupPolicy {
            delete: false,
            compact: false
        }
    );
}

/// Every word of `compression.type` is understood: none falls through to `producer`.
#[test]
fn each_compression_type_names_its_codec_and_level() {
    let target = |value| resolve(&[("compression.type", value)]).log.compression;
    let codec = |codec, level| TargetCompression::Codec { codec, level };
    assert_eq!(target("producer"), TargetCompression::Producer);
    assert_eq!(target("uncompressed"), codec(Codec::None, None));
    assert_eq!(target("snappy"), codec(Codec::Snappy, None));
    assert_eq!(target("gzip"), codec(Codec::Gzip, Some(-1)));
    assert_eq!(target("lz4"), codec(Codec::Lz4, Some(9)));
    assert_eq!(target("zstd"), codec(Codec::Zstd, Some(3)));
}

#[test]
fn levels_are_checked_as_the_codecs_check_them() {
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd] {
        let name = format!("compression.{}.level", codec.name());
        let level = definition::topic_config(&name).expect("defined");
        let range = codec.levels().expect("these have levels");
        for value in [
            *range.start() - 1,
            *range.start(),
            *range.end(),
            *range.end() + 1,
            -1,
            0,
        ] {
            let is_allowed = level.parse(&value.to_string()).is_ok();
            assert_eq!(is_allowed, codec.accepts_level(value), "{name}={value}");
        }
    }
}
