//! The consumer: what Kafka's `KafkaConsumer` does.
//!
//! A [`Consumer`] reads partitions that are assigned to it, by hand or by its group. One task per
//! consumer fetches ahead of the application (`fetch_task`) into a bounded buffer, `poll` takes
//! records out of it. All of it may be used from any task; who wants records from several tasks at
//! once gives each of them a consumer, or hands records on.
//!
//! Groups plug in through the trait in `coordinator`, which says where.
//!
//! Every future may be dropped at any moment; what then becomes of the call is said with each.

mod aborted_transactions;
mod assignment;
pub mod assignor;
mod builder;
mod commit;
mod commits;
mod completed_fetch;
mod coordinator;
mod decode;
mod fetch_buffer;
mod fetch_plan;
mod fetch_request;
mod fetch_session;
mod fetch_task;
pub(crate) mod group;
mod group_coordinator;
mod interceptor;
mod leader_epochs;
mod list_offsets;
mod listener;
mod offset;
mod offsets;
mod partition_state;
mod poll;
#[doc(hidden)]
pub mod probe;
mod rebalance_context;
mod record;
mod shared;
mod stream;
mod subscribe;
mod subscription_state;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use crate::group_metadata::ConsumerGroupMetadata;
pub use builder::ConsumerBuilder;
pub use commit::Offsets;
use decode::Decode;
pub use group::settings::GroupMembershipOperation;
use group_coordinator::GroupCoordinator;
pub use interceptor::ConsumerInterceptor;
use interceptor::Interceptors;
pub use listener::RebalanceListener;
pub use offset::{OffsetAndMetadata, OffsetAndTimestamp};
use poll::Drain;
pub use rebalance_context::RebalanceContext;
pub use record::{ConsumerRecord, ConsumerRecords, TimestampType};
use shared::Shared;
pub use stream::RecordStream;
pub use subscription_state::{
    FetchPosition, FetchState, LeaderAndEpoch, Subscription, SubscriptionState,
};

use crate::cluster::Cluster;
use crate::config::{ConfigError, ConsumerConfig};
use crate::error::ClientError;
use crate::serialization::Deserializer;

/// How long `close` waits when it is not told.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads records.
///
/// ```no_run
/// # use std::time::Duration;
/// # use ringbrook_client::{TopicPartition, config::ConsumerConfig, consumer::Consumer};
/// # use ringbrook_client::serialization::{BytesSerializer, StringSerializer};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ConsumerConfig::new(vec!["localhost:9092".parse()?]);
/// let consumer = Consumer::<String, String>::new(config, StringSerializer, StringSerializer)?;
/// consumer.assign([TopicPartition::new("orders", 0)])?;
/// loop {
///     for record in consumer.poll(Duration::from_secs(1)).await? {
///         println!("{}: {:?}", record.offset, record.value);
///     }
/// }
/// # }
/// ```
pub struct Consumer<K = Bytes, V = Bytes> {
    shared: Arc<Shared>,
    /// The group's side; nothing without `group.id`.
    coordinator: Option<Arc<GroupCoordinator>>,
    decode: Decode<K, V>,
    interceptors: Interceptors<K, V>,
    drain: Mutex<Drain>,
    fetch_task: Mutex<Option<JoinHandle<()>>>,
}

impl Consumer<Bytes, Bytes> {
    /// A consumer is built from its configuration; keys and values are bytes unless deserializers
    /// say otherwise.
    #[must_use]
    pub fn builder(config: ConsumerConfig) -> ConsumerBuilder<Bytes, Bytes> {
        ConsumerBuilder::new(config)
    }
}

impl<K: 'static, V: 'static> Consumer<K, V> {
    /// A consumer with these deserializers; [`Consumer::builder`] has more to choose. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// The configuration is unusable.
    pub fn new(
        config: ConsumerConfig,
        key_deserializer: impl Deserializer<K> + 'static,
        value_deserializer: impl Deserializer<V> + 'static,
    ) -> Result<Self, ConfigError> {
        ConsumerBuilder::new(config)
            .key_deserializer(key_deserializer)
            .value_deserializer(value_deserializer)
            .build()
    }
}

impl<K, V> Consumer<K, V> {
    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &ConsumerConfig {
        &self.shared.config
    }

    /// What it knows of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.shared.cluster
    }

    /// Ends the call that waits now, or the next one that would, with [`ClientError::Wakeup`].
    pub fn wakeup(&self) {
        self.shared.wakeup();
    }

    /// Commits what is to be committed, leaves the group, and ends fetching, within 30 s. Dropping
    /// the future closes the consumer at once: what is not committed by then is not, listeners may
    /// not be told, and a group that is not left yet notices when the session times out.
    ///
    /// # Errors
    /// See [`Consumer::close_within`].
    pub async fn close(&self) -> Result<(), ClientError> {
        self.close_within(CLOSE_TIMEOUT).await
    }

    /// As [`Consumer::close`], within another time. The consumer is closed in any case; calls after
    /// it fail, a second close does nothing.
    ///
    /// # Errors
    /// The group could not be left in order.
    pub async fn close_within(&self, timeout: Duration) -> Result<(), ClientError> {
        self.close_with(GroupMembershipOperation::Default, timeout)
            .await
    }

    async fn stop_within(&self, deadline: Instant) {
        let task = self.fetch_task.lock();
        let task = task.unwrap_or_else(PoisonError::into_inner).take();
        if task.is_some() {
            self.interceptors.close();
        }
        if let Some(task) = task
            && let Ok(Err(panicked)) = tokio::time::timeout_at(deadline, task).await
        {
            tracing::error!(error = %panicked, "the fetch task failed");
        }
    }
}

impl<K, V> Drop for Consumer<K, V> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

#[cfg(test)]
mod tests;
