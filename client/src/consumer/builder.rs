//! How a consumer is made.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::Consumer;
use super::assignor::Assignor;
use super::coordinator::Coordinator;
use super::decode::Decode;
use super::fetch_task::FetchTask;
use super::group_coordinator::GroupCoordinator;
use super::interceptor::{ConsumerInterceptor, Interceptors};
use super::shared::Shared;
use crate::cluster::Cluster;
use crate::config::{ConfigError, ConsumerConfig};
use crate::net::{Connector, TcpConnector};
use crate::serialization::{BytesSerializer, Deserializer};

/// Gathers what a consumer is made of. Deserializers come before interceptors, which see records of
/// their types.
pub struct ConsumerBuilder<K, V> {
    config: ConsumerConfig,
    connector: Arc<dyn Connector>,
    assignors: Vec<Arc<dyn Assignor>>,
    decode: Decode<K, V>,
    interceptors: Vec<Arc<dyn ConsumerInterceptor<K, V>>>,
}

impl ConsumerBuilder<Bytes, Bytes> {
    pub(super) fn new(config: ConsumerConfig) -> Self {
        Self {
            config,
            connector: Arc::new(TcpConnector),
            assignors: Vec::new(),
            decode: Decode {
                key: Box::new(BytesSerializer),
                value: Box::new(BytesSerializer),
            },
            interceptors: Vec::new(),
        }
    }
}

impl<K: 'static, V: 'static> ConsumerBuilder<K, V> {
    /// `key.deserializer`. Interceptors given before are dropped: their records had other keys.
    #[must_use]
    pub fn key_deserializer<T: 'static>(
        self,
        deserializer: impl Deserializer<T> + 'static,
    ) -> ConsumerBuilder<T, V> {
        let value = self.decode.value;
        ConsumerBuilder {
            config: self.config,
            connector: self.connector,
            assignors: self.assignors,
            decode: Decode {
                key: Box::new(deserializer),
                value,
            },
            interceptors: Vec::new(),
        }
    }

    /// `value.deserializer`. Interceptors given before are dropped: their records had other values.
    #[must_use]
    pub fn value_deserializer<T: 'static>(
        self,
        deserializer: impl Deserializer<T> + 'static,
    ) -> ConsumerBuilder<K, T> {
        let key = self.decode.key;
        ConsumerBuilder {
            config: self.config,
            connector: self.connector,
            assignors: self.assignors,
            decode: Decode {
                key,
                value: Box::new(deserializer),
            },
            interceptors: Vec::new(),
        }
    }

    /// `interceptor.classes`: one more, behind those given before.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl ConsumerInterceptor<K, V> + 'static) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// An assignor of the application's own, behind those given before: they replace
    /// `partition.assignment.strategy`, and all members of the group have to know one of them.
    #[must_use]
    pub fn assignor(mut self, assignor: impl Assignor + 'static) -> Self {
        self.assignors.push(Arc::new(assignor));
        self
    }

    /// Connects in another way than plain TCP.
    #[must_use]
    pub fn connector(mut self, connector: Arc<dyn Connector>) -> Self {
        self.connector = connector;
        self
    }

    /// Makes the consumer. Nothing is asked of brokers yet. Must be called within a tokio runtime,
    /// on which the consumer's tasks run from now on.
    ///
    /// # Errors
    /// The configuration is unusable.
    pub fn build(self) -> Result<Consumer<K, V>, ConfigError> {
        let Self {
            config,
            connector,
            assignors,
            decode,
            interceptors,
        } = self;
        config.check()?;
        let cluster = Cluster::new(config.client.clone(), connector)?;
        cluster.allow_topic_creation(config.allow_auto_create_topics);
        let shared = Arc::new(Shared::new(cluster, config));
        let interceptors = Interceptors(interceptors);
        let coordinator = match shared.config.group_id.clone() {
            None => None,
            Some(group_id) => {
                let on_commit = interceptors.on_commit();
                let shared = Arc::clone(&shared);
                let group = GroupCoordinator::new(shared, &group_id, assignors, on_commit)?;
                Some(Arc::new(group))
            }
        };
        let for_fetching = coordinator.clone().map(|it| it as Arc<dyn Coordinator>);
        let fetch_task = FetchTask::new(Arc::clone(&shared), for_fetching);
        Ok(Consumer {
            fetch_task: Mutex::new(Some(tokio::spawn(fetch_task.run()))),
            shared,
            coordinator,
            decode,
            interceptors,
            drain: Mutex::default(),
        })
    }
}
