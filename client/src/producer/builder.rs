//! How a producer is made.

use std::sync::Arc;

use bytes::Bytes;

use super::sender::Sender;
use super::shared::Shared;
use super::{Handle, Interceptors, Partitioner, Producer, ProducerInterceptor};
use crate::cluster::Cluster;
use crate::config::{ConfigError, ProducerConfig};
use crate::net::{Connector, TcpConnector};
use crate::serialization::{BytesSerializer, Serializer};

/// Gathers what a producer is made of. Serializers come before interceptors, which see records of
/// their types.
pub struct ProducerBuilder<K, V> {
    config: ProducerConfig,
    connector: Arc<dyn Connector>,
    key_serializer: Arc<dyn Serializer<K>>,
    value_serializer: Arc<dyn Serializer<V>>,
    partitioner: Option<Arc<dyn Partitioner>>,
    interceptors: Vec<Arc<dyn ProducerInterceptor<K, V>>>,
}

impl ProducerBuilder<Bytes, Bytes> {
    pub(super) fn new(config: ProducerConfig) -> Self {
        Self {
            config,
            connector: Arc::new(TcpConnector),
            key_serializer: Arc::new(BytesSerializer),
            value_serializer: Arc::new(BytesSerializer),
            partitioner: None,
            interceptors: Vec::new(),
        }
    }
}

impl<K: 'static, V: 'static> ProducerBuilder<K, V> {
    /// `key.serializer`. Interceptors given before are dropped: their records had other keys.
    #[must_use]
    pub fn key_serializer<T: 'static>(
        self,
        serializer: impl Serializer<T> + 'static,
    ) -> ProducerBuilder<T, V> {
        ProducerBuilder {
            config: self.config,
            connector: self.connector,
            key_serializer: Arc::new(serializer),
            value_serializer: self.value_serializer,
            partitioner: self.partitioner,
            interceptors: Vec::new(),
        }
    }

    /// `value.serializer`. Interceptors given before are dropped: their records had other values.
    #[must_use]
    pub fn value_serializer<T: 'static>(
        self,
        serializer: impl Serializer<T> + 'static,
    ) -> ProducerBuilder<K, T> {
        ProducerBuilder {
            config: self.config,
            connector: self.connector,
            key_serializer: self.key_serializer,
            value_serializer: Arc::new(serializer),
            partitioner: self.partitioner,
            interceptors: Vec::new(),
        }
    }

    /// `partitioner.class`: chooses the partition of every record that names none.
    #[must_use]
    pub fn partitioner(mut self, partitioner: impl Partitioner + 'static) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// `interceptor.classes`: one more, behind those given before.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl ProducerInterceptor<K, V> + 'static) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Connects in another way than plain TCP.
    #[must_use]
    pub fn connector(mut self, connector: Arc<dyn Connector>) -> Self {
        self.connector = connector;
        self
    }

    /// Makes the producer. Nothing is asked of brokers yet. Must be called within a tokio runtime,
    /// on which the producer's task runs from now on.
    ///
    /// # Errors
    /// The configuration is unusable.
    pub fn build(self) -> Result<Producer<K, V>, ConfigError> {
        self.config.check()?;
        let cluster = Cluster::new(self.config.client.clone(), self.connector)?;
        let shared = Arc::new(Shared::new(self.config, cluster));
        tokio::spawn(Sender::new(Arc::clone(&shared)).run());
        Ok(Producer {
            handle: Arc::new(Handle { shared }),
            key_serializer: self.key_serializer,
            value_serializer: self.value_serializer,
            partitioner: self.partitioner,
            interceptors: Interceptors::new(self.interceptors),
        })
    }
}
