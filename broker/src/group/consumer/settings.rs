//! The settings of consumer groups: those of the broker (`group.consumer.*`), those of one group
//! (the `GROUP` configuration resource), and what an event of a group is told of the world.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::group::assignor::{GroupAssignor, RangeAssignor, TopicsImage, UniformAssignor};
use crate::group::classic::state::GroupLimits;
use crate::group::migration::MigrationPolicy;

/// Settings of consumer groups; the default is Kafka's.
#[derive(Clone)]
pub struct ConsumerGroupConfig {
    /// `group.consumer.session.timeout.ms`.
    pub session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.assignment.interval.ms`.
    pub assignment_interval_ms: i64,
    /// `group.consumer.max.size`, members.
    pub max_size: usize,
    /// `group.consumer.migration.policy`.
    pub migration_policy: MigrationPolicy,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub regex_refresh_interval_ms: i64,
    /// `group.consumer.assignors`; the first is the default. Never empty.
    pub assignors: Vec<Arc<dyn GroupAssignor>>,
}

impl fmt::Debug for ConsumerGroupConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.assignors.iter().map(|it| it.name()).collect();
        formatter
            .debug_struct("ConsumerGroupConfig")
            .field("session_timeout", &self.session_timeout)
            .field("heartbeat_interval_ms", &self.heartbeat_interval_ms)
            .field("assignment_interval_ms", &self.assignment_interval_ms)
            .field("max_size", &self.max_size)
            .field("migration_policy", &self.migration_policy)
            .field("regex_refresh_interval_ms", &self.regex_refresh_interval_ms)
            .field("assignors", &names)
            .finish()
    }
}

impl Default for ConsumerGroupConfig {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(45),
            heartbeat_interval_ms: 5000,
            assignment_interval_ms: 1000,
            max_size: 2_147_483_647,
            migration_policy: MigrationPolicy::Bidirectional,
            regex_refresh_interval_ms: 600_000,
            assignors: vec![Arc::new(UniformAssignor), Arc::new(RangeAssignor)],
        }
    }
}

/// The assignor of the broker with this name, if there is one.
pub fn assignor_by_name(name: &str) -> Option<Arc<dyn GroupAssignor>> {
    ConsumerGroupConfig::default()
        .assignors
        .into_iter()
        .find(|assignor| assignor.name() == name)
}

/// What is set for one group (`consumer.*` of the `GROUP` resource); the rest is the broker's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupOverrides {
    /// `consumer.session.timeout.ms`.
    pub session_timeout: Option<Duration>,
    /// `consumer.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: Option<i32>,
    /// `consumer.assignment.interval.ms`.
    pub assignment_interval_ms: Option<i64>,
}

impl ConsumerGroupConfig {
    /// The settings of a group with these overrides.
    pub(crate) fn with(&self, overrides: GroupOverrides) -> Self {
        Self {
            session_timeout: overrides.session_timeout.unwrap_or(self.session_timeout),
            heartbeat_interval_ms: overrides
                .heartbeat_interval_ms
                .unwrap_or(self.heartbeat_interval_ms),
            assignment_interval_ms: overrides
                .assignment_interval_ms
                .unwrap_or(self.assignment_interval_ms),
            ..self.clone()
        }
    }

    /// Whether members may ask for the assignor.
    pub(crate) fn has_assignor(&self, name: &str) -> bool {
        self.assignors
            .iter()
            .any(|assignor| assignor.name() == name)
    }

    /// The assignor with this name, or else the default.
    ///
    /// # Panics
    /// When there are no assignors at all, which the configuration refuses.
    pub(crate) fn assignor(&self, name: Option<&str>) -> &dyn GroupAssignor {
        let named = self.assignors.iter().find(|it| Some(it.name()) == name);
        let assignor = named.or(self.assignors.first());
        &**assignor.expect("group.consumer.assignors is not empty")
    }
}

/// What an event of a group is told of the world.
pub(crate) struct Surroundings<'a> {
    pub(crate) now_ms: i64,
    pub(crate) topics: &'a dyn TopicsImage,
    /// The settings of this group.
    pub(crate) settings: &'a ConsumerGroupConfig,
    /// The limits of the classic group it may become.
    pub(crate) classic_limits: GroupLimits,
}
