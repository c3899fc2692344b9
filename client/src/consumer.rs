//! The consumer: what Kafka's `KafkaConsumer` does.
//!
//! A [`Consumer`] reads partitions that are assigned to it, by hand or by its group. One task per
//! consumer fetches ahead of the application (`fetch_task`) into a bounded buffer, `poll` takes
//! records out of it. All of it may be used from any task; who wants records from several tasks at
//! once gives each of them a consumer, or hands records on.
//!
//! Groups plug in through the trait in `coordinator`, which says where.

mod aborted_transactions;
mod assignment;
pub mod assignor;
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
mod leader_epochs;
mod list_offsets;
mod listener;
mod offset;
mod offsets;
mod partition_state;
mod poll;
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
use assignor::Assignor;
pub use commit::Offsets;
use coordinator::Coordinator;
use decode::Decode;
use fetch_task::FetchTask;
pub use group::settings::GroupMembershipOperation;
use group_coordinator::GroupCoordinator;
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
use crate::net::{Connector, TcpConnector};
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
    drain: Mutex<Drain>,
    fetch_task: Mutex<Option<JoinHandle<()>>>,
}

impl<K, V> Consumer<K, V> {
    /// A consumer over plain TCP. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The configuration is unusable.
    pub fn new(
        config: ConsumerConfig,
        key_deserializer: impl Deserializer<K> + 'static,
        value_deserializer: impl Deserializer<V> + 'static,
    ) -> Result<Self, ConfigError> {
        let connector = Arc::new(TcpConnector);
        Self::with_connector(config, connector, key_deserializer, value_deserializer)
    }

    /// A consumer over another kind of connection.
    ///
    /// # Errors
    /// The configuration is unusable.
    pub fn with_connector(
        config: ConsumerConfig,
        connector: Arc<dyn Connector>,
        key_deserializer: impl Deserializer<K> + 'static,
        value_deserializer: impl Deserializer<V> + 'static,
    ) -> Result<Self, ConfigError> {
        let assignors = Vec::new();
        Self::with_assignors(
            config,
            connector,
            assignors,
            key_deserializer,
            value_deserializer,
        )
    }

    /// A consumer whose group's members agree on assignors of the application's own, in place of
    /// `partition.assignment.strategy`; the preferred one comes first.
    ///
    /// # Errors
    /// The configuration is unusable.
    pub fn with_assignors(
        config: ConsumerConfig,
        connector: Arc<dyn Connector>,
        assignors: Vec<Arc<dyn Assignor>>,
        key_deserializer: impl Deserializer<K> + 'static,
        value_deserializer: impl Deserializer<V> + 'static,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let cluster = Cluster::new(config.client.clone(), connector)?;
        cluster.allow_topic_creation(config.allow_auto_create_topics);
        let shared = Arc::new(Shared::new(cluster, config));
        let coordinator = match shared.config.group_id.clone() {
            None => None,
            Some(group_id) => {
                let shared = Arc::clone(&shared);
                let group = GroupCoordinator::new(shared, &group_id, assignors)?;
                Some(Arc::new(group))
            }
        };
        let for_fetching = coordinator.clone().map(|it| it as Arc<dyn Coordinator>);
        let fetch_task = FetchTask::new(Arc::clone(&shared), for_fetching);
        let decode = Decode {
            key: Box::new(key_deserializer),
            value: Box::new(value_deserializer),
        };
        Ok(Self {
            fetch_task: Mutex::new(Some(tokio::spawn(fetch_task.run()))),
            shared,
            coordinator,
            decode,
            drain: Mutex::default(),
        })
    }

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

    /// Commits what is to be committed, leaves the group, and ends fetching, within 30 s.
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
        self.shared.close();
        let task = self.fetch_task.lock();
        let task = task.unwrap_or_else(PoisonError::into_inner).take();
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
