//! The broker's parts, as request handlers see them.

use std::sync::{Arc, Weak};

use arc_swap::{ArcSwap, Guard};
use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{Clock, LogManager};
use ringbrook_protocol::FrameLimits;
use tokio::sync::watch;

use super::coordinator_log::{CoordinatorLogOptions, PartitionCoordinatorLog};
use super::group_cluster::GroupCluster;
use super::internal_topics::InternalTopic;
use super::topic_log_config::DynamicBrokerConfigs;
use super::transactions;
use crate::api::FetchSessions;
use crate::config::{BrokerConfig, ConsumerGroupsConfig};
use crate::controller::{Controller, MetadataImage, ProducerIdAllocator};
use crate::group::{
    ClusterView, ConsumerGroupConfig, GroupConfig, GroupCoordinator, MigrationPolicy,
    assignor_by_name,
};
use crate::metrics::Metrics;
use crate::net::core_thread::CoreSender;
use crate::net::listener::ConnectionLimits;
use crate::net::request_memory::RequestMemory;
use crate::replica::ReplicaManager;
use crate::txn::TransactionCoordinator;

/// `queued.max.request.bytes` when it is not set: Kafka has no limit then, this broker always has.
const REQUEST_BYTES_MAX_DEFAULT: usize = 512 * 1024 * 1024;

/// Everything that a request handler may reach. Shared by all cores; nothing in it belongs to one.
pub struct Broker {
    config: Arc<ArcSwap<BrokerConfig>>,
    pub(crate) listener_names: Vec<String>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) logs: Arc<LogManager<UringDisk>>,
    pub(crate) replicas: ReplicaManager,
    pub(crate) controller: Controller,
    pub(crate) producer_ids: ProducerIdAllocator,
    pub(crate) groups: GroupCoordinator,
    pub(crate) transactions: TransactionCoordinator,
    group_cluster: Arc<GroupCluster>,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) frame_limits: FrameLimits,
    pub(crate) request_memory: RequestMemory,
    pub(crate) connection_limits: ConnectionLimits,
    pub(crate) cores: Vec<CoreSender>,
    /// Version of the metadata that the replicas are in step with.
    applied: watch::Receiver<u64>,
}

/// What a broker is made of; the rest follows from the configuration.
pub(super) struct BrokerParts {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) logs: Arc<LogManager<UringDisk>>,
    pub(super) replicas: ReplicaManager,
    pub(super) controller: Controller,
    pub(super) cores: Vec<CoreSender>,
    pub(super) applied: watch::Receiver<u64>,
}

impl Broker {
    pub(super) fn new(
        config: Arc<ArcSwap<BrokerConfig>>,
        parts: BrokerParts,
        listener_names: Vec<String>,
        broker: &Weak<Self>,
    ) -> Self {
        let now = config.load();
        let network = &now.network;
        let request_bytes_max = network.queued_max_request_bytes;
        let BrokerParts {
            clock,
            logs,
            replicas,
            controller,
            cores,
            applied,
        } = parts;
        let offsets_log = PartitionCoordinatorLog::new(
            Weak::clone(broker),
            InternalTopic::ConsumerOffsets,
            CoordinatorLogOptions {
                partitions_default: now.offsets.topic_partitions,
                codec: now.offsets.topic_compression,
                load_bytes: now.offsets.load_buffer_bytes,
            },
        );
        let image = replicas.image();
        let group_cluster = Arc::new(GroupCluster::new(Arc::clone(&config), image));
        let groups = GroupCoordinator::new(
            group_config(&now),
            Arc::new(offsets_log),
            Arc::clone(&group_cluster) as Arc<dyn ClusterView>,
            Arc::clone(&clock),
        );
        let transactions = transactions::coordinator(broker, &now.transactions, Arc::clone(&clock));
        Self {
            groups,
            transactions,
            group_cluster,
            listener_names,
            metrics: Metrics::default(),
            producer_ids: ProducerIdAllocator::new(controller.clone(), now.node_id),
            fetch_sessions: FetchSessions::new(network.fetch_session_cache_slots),
            frame_limits: FrameLimits::new(network.socket_request_max_bytes),
            request_memory: RequestMemory::new(
                request_bytes_max.unwrap_or(REQUEST_BYTES_MAX_DEFAULT),
            ),
            connection_limits: ConnectionLimits::default(),
            config,
            clock,
            logs,
            replicas,
            controller,
            cores,
            applied,
        }
    }

    /// The configuration that holds now, dynamic changes included.
    pub(crate) fn config(&self) -> Guard<Arc<BrokerConfig>> {
        self.config.load()
    }

    /// The metadata that clients are told: topics whose partitions are being served.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.replicas.image()
    }

    /// The dynamic configurations of this broker in `image`.
    pub(crate) fn dynamic_configs(&self, image: &MetadataImage) -> DynamicBrokerConfigs {
        DynamicBrokerConfigs::of(image, self.config().node_id)
    }

    /// Brings configuration and replicas in step with `image`. Blocks on the file system.
    pub(crate) fn apply_metadata(&self, image: &Arc<MetadataImage>) {
        let config = self.config.load_full();
        let dynamic = self.dynamic_configs(image);
        match config.with_dynamic(dynamic.as_configs()) {
            Ok(changed) if changed != *config => {
                let cleaner = changed.log.cleaner;
                self.config.store(Arc::new(changed));
                if let Err(error) = self.logs.configure_cleaner(cleaner) {
                    tracing::error!(%error, "the log cleaner has fewer threads than configured");
                }
            }
            Ok(_) => {}
            // Checked before it was set: it contradicts a static configuration changed since.
            Err(error) => tracing::error!(%error, "dynamic broker configuration not applied"),
        }
        let bytes_per_s = self.config().log.alter_log_dirs_bytes_per_s;
        self.logs.limit_moves(bytes_per_s);
        let expiration = self.config().log.producer_id_expiration;
        let expiration_ms = i64::try_from(expiration.as_millis()).unwrap_or(i64::MAX);
        self.logs.expire_producers_after(expiration_ms);
        self.replicas.apply(image);
        self.group_cluster.update(self.image());
    }

    /// Waits until this broker serves what the controller has committed so far.
    pub(crate) async fn metadata_applied(&self) {
        let version = self.controller.image().version();
        let mut applied = self.applied.clone();
        // The sender lives as long as the broker; an error means that it is stopping.
        if applied
            .wait_for(|applied| version <= *applied)
            .await
            .is_err()
        {
            tracing::debug!("metadata committed while the broker stops");
        }
    }
}

fn group_config(config: &BrokerConfig) -> GroupConfig {
    let (groups, offsets) = (&config.groups, &config.offsets);
    GroupConfig {
        min_session_timeout: groups.min_session_timeout,
        max_session_timeout: groups.max_session_timeout,
        initial_rebalance_delay: groups.initial_rebalance_delay,
        group_max_size: groups.max_size,
        offset_metadata_max_bytes: offsets.metadata_max_bytes,
        offsets_retention: offsets.retention,
        offsets_retention_check_interval: offsets.retention_check_interval,
        offsets_commit_timeout: offsets.commit_timeout,
        consumer: consumer_group_config(&groups.consumer),
    }
}

fn consumer_group_config(groups: &ConsumerGroupsConfig) -> ConsumerGroupConfig {
    let named = groups.assignors.iter();
    ConsumerGroupConfig {
        session_timeout: groups.session_timeout,
        heartbeat_interval_ms: groups.heartbeat_interval_ms,
        assignment_interval_ms: i64::from(groups.assignment_interval_ms),
        max_size: groups.max_size,
        // A name that is none is refused at the start, too.
        migration_policy: MigrationPolicy::parse(&groups.migration_policy).unwrap_or_default(),
        regex_refresh_interval_ms: i64::from(groups.regex_refresh_interval_ms),
        // Names that are none are refused at the start.
        assignors: named.filter_map(|name| assignor_by_name(name)).collect(),
    }
}
