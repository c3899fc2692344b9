//! The engine's configuration for a topic, from the broker's and the topic's own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ringbrook_engine::LogConfig;

use crate::config::{BrokerConfig, DynamicConfigs, TopicConfig};
use crate::controller::MetadataImage;
use crate::controller::image::{ConfigResource, Configs};

/// The dynamic configurations of a broker in an image.
pub(crate) struct DynamicBrokerConfigs {
    broker: Arc<Configs>,
    cluster: Arc<Configs>,
}

impl DynamicBrokerConfigs {
    /// What `image` has for broker `node_id` and for all brokers.
    pub(crate) fn of(image: &MetadataImage, node_id: i32) -> Self {
        let configs =
            |resource: ConfigResource| image.config(&resource).cloned().unwrap_or_default();
        let broker = configs(ConfigResource::broker(node_id));
        Self {
            broker,
            cluster: configs(ConfigResource::broker_default()),
        }
    }

    /// As the configuration takes them.
    pub(crate) fn as_configs(&self) -> DynamicConfigs<'_> {
        DynamicConfigs {
            broker: &self.broker,
            cluster: &self.cluster,
        }
    }
}

/// Gives each topic's configuration for its logs.
#[derive(Clone)]
pub(crate) struct TopicLogConfig {
    broker: Arc<ArcSwap<BrokerConfig>>,
}

impl TopicLogConfig {
    pub(crate) fn new(broker: &Arc<ArcSwap<BrokerConfig>>) -> Self {
        Self {
            broker: Arc::clone(broker),
        }
    }

    /// The configuration of `topic` under `image`.
    pub(crate) fn of(&self, image: &MetadataImage, topic: &str) -> LogConfig {
        let broker = self.broker.load();
        let dynamic = DynamicBrokerConfigs::of(image, broker.node_id);
        let none = Configs::new();
        let overrides = image.topic_config(topic).map_or(&none, |configs| configs);
        TopicConfig::resolve(&broker, dynamic.as_configs(), overrides).log
    }
}
