//! The settings of everything but the network, grouped by the part of the broker that uses them.
//! A field is called as its key, short of what the group says. Plain data: `broker.rs` reads it
//! from the layers, `cross_check.rs` looks for contradictions.

use std::{path::PathBuf, time::Duration};

use ringbrook_engine::{CleanerOptions, ScrubOptions};
use ringbrook_record::Codec;

use super::{error::ConfigError, layers::Layers};

/// Log directories and the background work on logs. Settings of single logs are topic configs.
#[derive(Debug, Clone, PartialEq)]
pub struct LogsConfig {
    /// What `flush.before.ack` is for topics that do not say; told in the line of the start.
    pub flush_before_ack: bool,
    /// The directories of partition logs; never empty.
    pub dirs: Vec<PathBuf>,
    /// The directory of the metadata; the first of `dirs` unless set.
    pub metadata_dir: PathBuf,
    /// Threads per directory that open logs at the start and close them at the stop; at least 1.
    pub recovery_threads_per_data_dir: usize,
    /// Delay before the first background task on logs.
    pub initial_task_delay: Duration,
    /// Time between two searches for segments to delete.
    pub retention_check_interval: Duration,
    /// Time between two writes of `recovery-point-offset-checkpoint`.
    pub recovery_point_checkpoint_interval: Duration,
    /// Time between two writes of `log-start-offset-checkpoint`.
    pub log_start_offset_checkpoint_interval: Duration,
    /// Time between two writes of `replication-offset-checkpoint`.
    pub high_watermark_checkpoint_interval: Duration,
    /// How long an idle producer's state is kept.
    pub producer_id_expiration: Duration,
    /// Time between two searches for expired producers.
    pub producer_id_expiration_check_interval: Duration,
    /// The log cleaner; without threads when it is disabled.
    pub cleaner: CleanerOptions,
    /// How old segments are read again to find damage; `None` when they are not.
    pub scrub: Option<ScrubOptions>,
    /// Bytes per second that may move between log directories; may change at run time.
    pub alter_log_dirs_bytes_per_s: u64,
    /// Room that a log directory's file system must have for produce to be taken.
    pub dir_min_free_bytes: u64,
}

impl LogsConfig {
    pub(super) fn read(layers: &Layers<'_>) -> Self {
        let dirs = layers
            .optional_list("log.dirs")
            .unwrap_or_else(|| layers.list("log.dir"));
        let dirs: Vec<PathBuf> = dirs.into_iter().map(PathBuf::from).collect();
        let metadata_dir = match layers.optional_text("metadata.log.dir") {
            Some(dir) => PathBuf::from(dir),
            None => dirs.first().cloned().unwrap_or_default(),
        };
        Self {
            flush_before_ack: layers.boolean("log.flush.before.ack"),
            dirs,
            metadata_dir,
            recovery_threads_per_data_dir: layers.size("num.recovery.threads.per.data.dir"),
            initial_task_delay: layers.millis("log.initial.task.delay.ms"),
            retention_check_interval: layers.millis("log.retention.check.interval.ms"),
            recovery_point_checkpoint_interval: layers
                .millis("log.flush.offset.checkpoint.interval.ms"),
            log_start_offset_checkpoint_interval: layers
                .millis("log.flush.start.offset.checkpoint.interval.ms"),
            high_watermark_checkpoint_interval: layers
                .millis("replica.high.watermark.checkpoint.interval.ms"),
            producer_id_expiration: layers.millis("producer.id.expiration.ms"),
            producer_id_expiration_check_interval: layers
                .millis("producer.id.expiration.check.interval.ms"),
            cleaner: cleaner_options(layers),
            scrub: layers.boolean("log.scrub.enable").then(|| ScrubOptions {
                interval: layers.millis("log.scrub.interval.ms"),
                bytes_per_s: layers
                    .long("log.scrub.io.max.bytes.per.second")
                    .cast_unsigned(),
            }),
            alter_log_dirs_bytes_per_s: layers
                .long("replica.alter.log.dirs.io.max.bytes.per.second")
                .max(0)
                .cast_unsigned(),
            dir_min_free_bytes: layers.long("log.dir.min.free.bytes").max(0).cast_unsigned(),
        }
    }
}

fn cleaner_options(layers: &Layers<'_>) -> CleanerOptions {
    let threads = if layers.boolean("log.cleaner.enable") {
        layers.size("log.cleaner.threads")
    } else {
        0
    };
    CleanerOptions {
        threads,
        dedupe_buffer_bytes: layers.size("log.cleaner.dedupe.buffer.size"),
        dedupe_load_factor: layers.double("log.cleaner.io.buffer.load.factor"),
        io_buffer_bytes: layers.size("log.cleaner.io.buffer.size"),
        io_bytes_per_s_max: layers.double("log.cleaner.io.max.bytes.per.second"),
        backoff: layers.millis("log.cleaner.backoff.ms"),
    }
}

/// Creation and deletion of topics, and what is told about them.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicsConfig {
    /// Partitions of a topic that does not say; at least 1.
    pub num_partitions: i32,
    /// Replicas of a partition that does not say; at least 1.
    pub default_replication_factor: i16,
    /// Whether a request for an unknown topic creates it.
    pub auto_create_enable: bool,
    /// Whether topics may be deleted.
    pub delete_enable: bool,
    /// Most partitions in one answer to DescribeTopicPartitions; at least 1.
    pub max_request_partition_size_limit: usize,
}

impl TopicsConfig {
    pub(super) fn read(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        let key = "default.replication.factor";
        let factor = layers.int(key);
        let default_replication_factor = match i16::try_from(factor) {
            Ok(factor) if 1 <= factor => factor,
            _ => {
                let reason = "Value must lie between 1 and 32767";
                return Err(ConfigError::invalid(key, &factor.to_string(), reason));
            }
        };
        Ok(Self {
            num_partitions: layers.int("num.partitions"),
            default_replication_factor,
            auto_create_enable: layers.boolean("auto.create.topics.enable"),
            delete_enable: layers.boolean("delete.topic.enable"),
            max_request_partition_size_limit: layers.size("max.request.partition.size.limit"),
        })
    }
}

/// Membership of classic groups.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupsConfig {
    /// How long an empty group waits for more members before its first rebalance.
    pub initial_rebalance_delay: Duration,
    /// Shortest session timeout a member may ask for.
    pub min_session_timeout: Duration,
    /// Longest session timeout a member may ask for.
    pub max_session_timeout: Duration,
    /// Most members of a group; at least 1.
    pub max_size: usize,
    /// Consumer groups (KIP-848).
    pub consumer: ConsumerGroupsConfig,
}

impl GroupsConfig {
    pub(super) fn read(layers: &Layers<'_>) -> Self {
        Self {
            initial_rebalance_delay: layers.millis("group.initial.rebalance.delay.ms"),
            min_session_timeout: layers.millis("group.min.session.timeout.ms"),
            max_session_timeout: layers.millis("group.max.session.timeout.ms"),
            max_size: layers.size("group.max.size"),
            consumer: ConsumerGroupsConfig::read(layers),
        }
    }
}

/// Membership of consumer groups (KIP-848), and the bounds of what single groups may set.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerGroupsConfig {
    /// Whether `group.coordinator.rebalance.protocols` names them.
    pub is_enabled: bool,
    /// How long a member that is not heard of is in the group.
    pub session_timeout: Duration,
    /// How often a member is to be heard of, ms.
    pub heartbeat_interval_ms: i32,
    /// Shortest time between two assignments, ms.
    pub assignment_interval_ms: i32,
    /// Most members of a group; at least 1.
    pub max_size: usize,
    /// Which way groups may change their protocol: the name of a policy, in any case.
    pub migration_policy: String,
    /// Server-side assignors, the default first; never empty.
    pub assignors: Vec<String>,
    /// Longest time between two evaluations of regular expressions, ms.
    pub regex_refresh_interval_ms: i32,
    /// Lowest and highest session timeout of a group, ms.
    pub session_timeout_bounds_ms: (i32, i32),
    /// Lowest and highest heartbeat interval of a group, ms.
    pub heartbeat_interval_bounds_ms: (i32, i32),
    /// Lowest and highest assignment interval of a group, ms.
    pub assignment_interval_bounds_ms: (i32, i32),
}

impl ConsumerGroupsConfig {
    pub(super) fn read(layers: &Layers<'_>) -> Self {
        let bounds = |what: &str| {
            let bound = |end| layers.int(&format!("group.consumer.{end}.{what}"));
            (bound("min"), bound("max"))
        };
        let protocols = layers.list("group.coordinator.rebalance.protocols");
        Self {
            is_enabled: protocols.iter().any(|protocol| protocol == "consumer"),
            session_timeout: layers.millis("group.consumer.session.timeout.ms"),
            heartbeat_interval_ms: layers.int("group.consumer.heartbeat.interval.ms"),
            assignment_interval_ms: layers.int("group.consumer.assignment.interval.ms"),
            max_size: layers.size("group.consumer.max.size"),
            migration_policy: layers.text("group.consumer.migration.policy"),
            assignors: layers.list("group.consumer.assignors"),
            regex_refresh_interval_ms: layers.int("group.consumer.regex.refresh.interval.ms"),
            session_timeout_bounds_ms: bounds("session.timeout.ms"),
            heartbeat_interval_bounds_ms: bounds("heartbeat.interval.ms"),
            assignment_interval_bounds_ms: bounds("assignment.interval.ms"),
        }
    }
}

/// Committed offsets and their topic, `__consumer_offsets`.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetsConfig {
    /// Largest metadata string of a committed offset.
    pub metadata_max_bytes: usize,
    /// How long a commit waits for replication.
    pub commit_timeout: Duration,
    /// Bytes read at a time when offsets are loaded.
    pub load_buffer_bytes: usize,
    /// How long offsets outlive their group's last use.
    pub retention: Duration,
    /// Time between two searches for expired offsets.
    pub retention_check_interval: Duration,
    /// Partitions of the topic; at least 1.
    pub topic_partitions: i32,
    /// Replicas of each partition asked for; fewer brokers mean fewer replicas.
    pub topic_replication_factor: i16,
    /// Segment size of the topic.
    pub topic_segment_bytes: usize,
    /// Codec of the topic's batches.
    pub topic_compression: Codec,
}

impl OffsetsConfig {
    pub(super) fn read(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        let key = "offsets.topic.compression.codec";
        let id = layers.int(key);
        let topic_compression = match u8::try_from(id).map(Codec::from_id) {
            Ok(Ok(codec)) => codec,
            _ => {
                let reason = "Value must lie between 0 (none) and 4 (zstd)";
                return Err(ConfigError::invalid(key, &id.to_string(), reason));
            }
        };
        let retention_minutes = layers
            .int("offsets.retention.minutes")
            .max(0)
            .unsigned_abs();
        Ok(Self {
            metadata_max_bytes: layers.size("offset.metadata.max.bytes"),
            commit_timeout: layers.millis("offsets.commit.timeout.ms"),
            load_buffer_bytes: layers.size("offsets.load.buffer.size"),
            retention: Duration::from_secs(60 * u64::from(retention_minutes)),
            retention_check_interval: layers.millis("offsets.retention.check.interval.ms"),
            topic_partitions: layers.int("offsets.topic.num.partitions"),
            topic_replication_factor: layers.short("offsets.topic.replication.factor"),
            topic_segment_bytes: layers.size("offsets.topic.segment.bytes"),
            topic_compression,
        })
    }
}
