//! The configuration of a consumer.

use std::time::Duration;

use super::{
    ClientConfig, ConfigError, HasClient, Properties, Property, apply, connection_properties,
    retry_properties,
};
use crate::net::HostPort;

mod properties;

use properties::{FETCH_PROPERTIES, GROUP_PROPERTIES};

/// Where a consumer begins that has no position: no committed offset, or one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// At the log start offset.
    Earliest,
    /// Behind the last record.
    Latest,
    /// At the first record that is not older than this (KIP-1106).
    ByDuration(Duration),
    /// Nowhere: `poll` says that there is no position.
    None,
}

/// Which records of transactions a consumer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationLevel {
    /// All, also of transactions that are open or aborted.
    ReadUncommitted,
    /// Those of committed transactions, up to the first open one.
    ReadCommitted,
}

impl IsolationLevel {
    /// As requests carry it.
    #[must_use]
    pub const fn id(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// Who assigns a group's partitions to its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The members, one of whom leads.
    Classic,
    /// The broker (KIP-848).
    Consumer,
}

/// The configuration of a consumer. Fields have the names and defaults of Kafka's properties.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// Brokers, connections, retries.
    pub client: ClientConfig,
    /// `group.id`; without one only `assign` is possible, and nothing can be committed.
    pub group_id: Option<String>,
    /// `group.instance.id`: a static member, which keeps its partitions through a restart.
    pub group_instance_id: Option<String>,
    /// `group.protocol`.
    pub group_protocol: GroupProtocol,
    /// `group.remote.assignor`: the broker's assignor, by name; of the consumer protocol.
    pub group_remote_assignor: Option<String>,
    /// `session.timeout.ms`; of the classic protocol.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`; of the classic protocol.
    pub heartbeat_interval: Duration,
    /// `partition.assignment.strategy`: names of assignors, the preferred one first; of the classic
    /// protocol.
    pub partition_assignment_strategy: Vec<String>,
    /// `max.poll.interval.ms`: a member that does not poll for longer leaves its group.
    pub max_poll_interval: Duration,
    /// `enable.auto.commit`.
    pub enable_auto_commit: bool,
    /// `auto.commit.interval.ms`.
    pub auto_commit_interval: Duration,
    /// `auto.offset.reset`.
    pub auto_offset_reset: AutoOffsetReset,
    /// `fetch.min.bytes`: the broker waits for so many bytes, up to `fetch_max_wait`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes` of one response; a first batch may be longer.
    pub fetch_max_bytes: i32,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait: Duration,
    /// `max.partition.fetch.bytes`; a first batch may be longer.
    pub max_partition_fetch_bytes: i32,
    /// `max.poll.records`: what one `poll` returns at most.
    pub max_poll_records: usize,
    /// `isolation.level`.
    pub isolation_level: IsolationLevel,
    /// `check.crcs`: whether batches are compared with their checksums.
    pub check_crcs: bool,
    /// `default.api.timeout.ms`: how long a call may take that is not given a time.
    pub default_api_timeout: Duration,
    /// `exclude.internal.topics`: whether patterns pass over the broker's own topics.
    pub exclude_internal_topics: bool,
    /// `allow.auto.create.topics`: whether reading a topic may create it.
    pub allow_auto_create_topics: bool,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            client: ClientConfig::default(),
            group_id: None,
            group_instance_id: None,
            group_protocol: GroupProtocol::Classic,
            group_remote_assignor: None,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            partition_assignment_strategy: vec!["range".into(), "cooperative-sticky".into()],
            max_poll_interval: Duration::from_mins(5),
            enable_auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            auto_offset_reset: AutoOffsetReset::Latest,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            fetch_max_wait: Duration::from_millis(500),
            max_partition_fetch_bytes: 1024 * 1024,
            max_poll_records: 500,
            isolation_level: IsolationLevel::ReadUncommitted,
            check_crcs: true,
            default_api_timeout: Duration::from_mins(1),
            exclude_internal_topics: true,
            allow_auto_create_topics: true,
        }
    }
}

impl HasClient for ConsumerConfig {
    fn client(&mut self) -> &mut ClientConfig {
        &mut self.client
    }
}

fn tables() -> [&'static [Property<ConsumerConfig>]; 4] {
    [
        connection_properties(),
        retry_properties(),
        GROUP_PROPERTIES,
        FETCH_PROPERTIES,
    ]
}

impl ConsumerConfig {
    /// With Kafka's defaults, for these brokers.
    #[must_use]
    pub fn new(bootstrap_servers: Vec<HostPort>) -> Self {
        let mut config = Self::default();
        config.client.bootstrap_servers = bootstrap_servers;
        config
    }

    /// In a group.
    #[must_use]
    pub fn with_group_id(mut self, group_id: impl Into<String>) -> Self {
        self.group_id = Some(group_id.into());
        self
    }

    /// With `auto.offset.reset`.
    #[must_use]
    pub fn with_auto_offset_reset(mut self, auto_offset_reset: AutoOffsetReset) -> Self {
        self.auto_offset_reset = auto_offset_reset;
        self
    }

    /// From Kafka's property names.
    ///
    /// # Errors
    /// An unknown name, a value that is not valid, values that contradict each other, or no
    /// `bootstrap.servers`.
    pub fn from_properties(properties: &Properties) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        apply(&mut config, &tables(), properties)?;
        // Kafka's default depends on whether there is a group.
        if config.group_id.is_none() && properties.value("enable.auto.commit").is_none() {
            config.enable_auto_commit = false;
        }
        config.check()?;
        config.check_protocol(properties)?;
        Ok(config)
    }

    /// All properties of a consumer, with defaults and meanings.
    pub fn properties() -> impl Iterator<Item = &'static Property<Self>> {
        tables().into_iter().flatten()
    }

    /// Checks what no single property can.
    ///
    /// # Errors
    /// `bootstrap.servers` is missing, or values contradict each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.client.check()?;
        let contradiction = |text: String| Err(ConfigError::Contradiction(text));
        if self.group_id.as_ref().is_some_and(String::is_empty) {
            return Err(ConfigError::Invalid {
                name: "group.id",
                value: String::new(),
                expected: "a name; leave it away to read without a group".to_owned(),
            });
        }
        if self.group_protocol == GroupProtocol::Classic {
            if self.session_timeout <= self.heartbeat_interval {
                return contradiction(format!(
                    "heartbeat.interval.ms ({}) has to be below session.timeout.ms ({}), by \
                     Kafka's advice at most a third of it",
                    self.heartbeat_interval.as_millis(),
                    self.session_timeout.as_millis()
                ));
            }
            if self.group_remote_assignor.is_some() {
                return contradiction(
                    "group.remote.assignor needs group.protocol=consumer; for the classic protocol \
                     set partition.assignment.strategy"
                        .to_owned(),
                );
            }
        }
        if self.group_instance_id.is_some() && self.group_id.is_none() {
            return contradiction(
                "group.instance.id needs group.id: set the group it is a member of".to_owned(),
            );
        }
        Ok(())
    }

    /// What the broker decides in the consumer protocol must not be set here (KIP-848).
    fn check_protocol(&self, properties: &Properties) -> Result<(), ConfigError> {
        if self.group_protocol == GroupProtocol::Classic {
            return Ok(());
        }
        for name in [
            "session.timeout.ms",
            "heartbeat.interval.ms",
            "partition.assignment.strategy",
        ] {
            if properties.value(name).is_some() {
                return Err(ConfigError::Contradiction(format!(
                    "{name} cannot be set with group.protocol=consumer, where the broker decides \
                     it: leave it away, or set group.protocol=classic"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
