//! The settings of the group coordinator, already validated. Filled from the broker's
//! configuration (`group.*`, `offset.*`, `offsets.*`) by whoever starts the coordinator.

use std::time::Duration;

use super::consumer::settings::ConsumerGroupConfig;

/// How long a member that has never completed a join may wait in one, and so how long a client
/// that vanished during its first join stays in the group (Kafka's fixed 5 minutes).
pub(crate) const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Member ids handed out and not yet used, per group. Kafka has no limit here; without one, join
/// requests with an empty member id would fill the memory.
pub(crate) const PENDING_MEMBERS_MAX: usize = 10_000;

/// Settings of the group coordinator; the default is Kafka's.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout: Duration,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`, members.
    pub group_max_size: usize,
    /// `offset.metadata.max.bytes`; compared with UTF-16 units, as Kafka does.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Duration,
    /// `offsets.commit.timeout.ms`.
    pub offsets_commit_timeout: Duration,
    /// `group.consumer.*`.
    pub consumer: ConsumerGroupConfig,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(30 * 60),
            initial_rebalance_delay: Duration::from_secs(3),
            group_max_size: 2_147_483_647,
            offset_metadata_max_bytes: 4096,
            offsets_retention: Duration::from_secs(10_080 * 60),
            offsets_retention_check_interval: Duration::from_secs(600),
            offsets_commit_timeout: Duration::from_secs(5),
            consumer: ConsumerGroupConfig::default(),
        }
    }
}
