//! The configuration of a producer.

use std::time::Duration;

use ringbrook_record::Codec;

use super::{
    ClientConfig, ConfigError, HasClient, Properties, Property, apply, connection_properties,
    retry_properties,
};
use crate::net::HostPort;

mod table;

/// `max.in.flight.requests.per.connection` at most, with idempotence: what a broker remembers.
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;
/// Kafka's default of `delivery.timeout.ms`.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// `acks`: when a broker answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// It does not answer at all: records may be lost without anybody noticing.
    None,
    /// As soon as the leader has the records.
    Leader,
    /// When all replicas in sync have them.
    All,
}

impl Acks {
    /// As requests carry it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// The configuration of a producer. Fields are Kafka's properties; [`ProducerConfig::check`] says
/// whether they go together.
///
/// ```
/// use std::time::Duration;
/// use ringbrook_client::config::ProducerConfig;
///
/// let mut config = ProducerConfig::new(vec!["localhost:9092".parse()?]);
/// config.linger = Duration::from_millis(20);
/// config.batch_size = 128 * 1024;
/// config.check()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// Brokers, connections, retries.
    pub client: ClientConfig,
    /// `acks`.
    pub acks: Acks,
    /// `batch.size`, in bytes: a batch that has so many is full. 0 for a batch per record.
    pub batch_size: usize,
    /// `linger.ms`: how long a batch waits for more records.
    pub linger: Duration,
    /// `buffer.memory`, in bytes: how much of what is not yet acknowledged is kept.
    pub buffer_memory: usize,
    /// `max.block.ms`: how long `send` waits for metadata and memory.
    pub max_block: Duration,
    /// `max.request.size`, in bytes: the longest record and the longest request.
    pub max_request_size: usize,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight_requests_per_connection: usize,
    /// `retries`: how often a batch is tried again within `delivery.timeout.ms`.
    pub retries: u32,
    /// `delivery.timeout.ms`: how long a record may take in all. When none is given it is 120 s, or
    /// linger and request timeout if that is longer.
    pub delivery_timeout: Option<Duration>,
    /// `compression.type`.
    pub compression_type: Codec,
    /// `compression.gzip.level`.
    pub compression_gzip_level: i32,
    /// `compression.lz4.level`.
    pub compression_lz4_level: i32,
    /// `compression.zstd.level`.
    pub compression_zstd_level: i32,
    /// `enable.idempotence`. When nothing is given it is on if acks, retries and in-flight requests
    /// allow it, as with Kafka's producer.
    pub enable_idempotence: Option<bool>,
    /// `transactional.id`.
    pub transactional_id: Option<String>,
    /// `transaction.timeout.ms`.
    pub transaction_timeout: Duration,
    /// `partitioner.adaptive.partitioning.enable`: whether records without key prefer partitions
    /// with short queues.
    pub partitioner_adaptive_partitioning_enable: bool,
    /// `partitioner.availability.timeout.ms`; zero for never.
    pub partitioner_availability_timeout: Duration,
    /// `partitioner.ignore.keys`.
    pub partitioner_ignore_keys: bool,
    /// `metadata.max.idle.ms`: when metadata of a topic that nobody sends to is given up.
    pub metadata_max_idle: Duration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        let level = |codec: Codec| codec.default_level().unwrap_or_default();
        Self {
            client: ClientConfig::default(),
            acks: Acks::All,
            batch_size: 16_384,
            linger: Duration::from_millis(5),
            buffer_memory: 32 * 1024 * 1024,
            max_block: Duration::from_secs(60),
            max_request_size: 1024 * 1024,
            max_in_flight_requests_per_connection: 5,
            retries: i32::MAX.unsigned_abs(),
            delivery_timeout: None,
            compression_type: Codec::None,
            compression_gzip_level: level(Codec::Gzip),
            compression_lz4_level: level(Codec::Lz4),
            compression_zstd_level: level(Codec::Zstd),
            enable_idempotence: None,
            transactional_id: None,
            transaction_timeout: Duration::from_secs(60),
            partitioner_adaptive_partitioning_enable: true,
            partitioner_availability_timeout: Duration::ZERO,
            partitioner_ignore_keys: false,
            metadata_max_idle: Duration::from_secs(300),
        }
    }
}

impl HasClient for ProducerConfig {
    fn client(&mut self) -> &mut ClientConfig {
        &mut self.client
    }
}

impl ProducerConfig {
    /// With Kafka's defaults, for these brokers.
    #[must_use]
    pub fn new(bootstrap_servers: Vec<HostPort>) -> Self {
        let mut config = Self::default();
        config.client.bootstrap_servers = bootstrap_servers;
        config
    }

    /// From Kafka's property names.
    ///
    /// # Errors
    /// An unknown name, a value that is not valid, or values that contradict each other.
    pub fn from_properties(properties: &Properties) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        apply(&mut config, &Self::tables(), properties)?;
        config.check()?;
        Ok(config)
    }

    /// All properties, with their defaults and meanings.
    #[must_use]
    pub fn tables() -> [&'static [Property<Self>]; 4] {
        [
            connection_properties(),
            retry_properties(),
            table::BATCHING,
            table::DELIVERY,
        ]
    }

    /// Whether records get sequence numbers.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        let demands = self.idempotence_demands().is_ok();
        self.enable_idempotence.unwrap_or(demands)
    }

    /// `delivery.timeout.ms` as it holds.
    #[must_use]
    pub fn effective_delivery_timeout(&self) -> Duration {
        let at_least = self.linger.saturating_add(self.client.request_timeout);
        self.delivery_timeout
            .unwrap_or_else(|| DELIVERY_TIMEOUT.max(at_least))
    }

    /// The level of the chosen codec.
    #[must_use]
    pub fn compression_level(&self) -> Option<i32> {
        match self.compression_type {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(self.compression_gzip_level),
            Codec::Lz4 => Some(self.compression_lz4_level),
            Codec::Zstd => Some(self.compression_zstd_level),
        }
    }

    /// Checks what no single property can.
    ///
    /// # Errors
    /// `bootstrap.servers` is missing, or values contradict each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.client.check()?;
        if self.enable_idempotence == Some(true) {
            self.idempotence_demands()?;
        }
        if self.transactional_id.is_some() {
            self.check_transactional()?;
        }
        let at_least = self.linger.saturating_add(self.client.request_timeout);
        if self.effective_delivery_timeout() < at_least {
            return contradiction(format!(
                "delivery.timeout.ms ({}) must not be below linger.ms + request.timeout.ms ({}): \
                 raise the one or lower the others",
                self.effective_delivery_timeout().as_millis(),
                at_least.as_millis()
            ));
        }
        if self.max_in_flight_requests_per_connection == 0 {
            return contradiction("max.in.flight.requests.per.connection must be at least 1");
        }
        if let Some(level) = self.compression_level()
            && !self.compression_type.accepts_level(level)
        {
            let codec = self.compression_type;
            return contradiction(format!("compression.{codec}.level has no level {level}"));
        }
        Ok(())
    }

    fn check_transactional(&self) -> Result<(), ConfigError> {
        if self.enable_idempotence == Some(false) {
            return contradiction(
                "transactional.id needs idempotence: leave enable.idempotence=false out",
            );
        }
        self.idempotence_demands()?;
        if self.transactional_id.as_deref() == Some("") {
            return contradiction("transactional.id must not be empty: leave it out");
        }
        Ok(())
    }

    fn idempotence_demands(&self) -> Result<(), ConfigError> {
        if self.acks != Acks::All {
            return contradiction("idempotence demands acks=all");
        }
        if self.retries == 0 {
            return contradiction("idempotence demands retries above 0");
        }
        if IDEMPOTENT_IN_FLIGHT_MAX < self.max_in_flight_requests_per_connection {
            return contradiction(
                "idempotence demands max.in.flight.requests.per.connection of at most 5",
            );
        }
        Ok(())
    }
}

fn contradiction(text: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Contradiction(text.into()))
}

#[cfg(test)]
mod tests;
