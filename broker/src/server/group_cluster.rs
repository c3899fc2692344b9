//! The cluster as groups see it: topics, configurations of groups, and whether the consumer
//! protocol is on. Follows the metadata that is applied; asked on every heartbeat.

use std::sync::Arc;

use arc_swap::ArcSwap;
use uuid::Uuid;

use crate::config::{BrokerConfig, consumer_configs};
use crate::controller::MetadataImage;
use crate::controller::image::{BrokerImage, ConfigResource, TopicImage};
use crate::group::assignor::{DescribedTopic, TopicsImage};
use crate::group::{ClusterView, GroupOverrides};

/// The feature that consumer groups need, at this level at least (KIP-848).
const GROUP_VERSION: &str = "group.version";
const CONSUMER_GROUPS_LEVEL: i16 = 1;

/// The metadata, and since when its topics are as they are.
pub(crate) struct GroupCluster {
    config: Arc<ArcSwap<BrokerConfig>>,
    topics: ArcSwap<GroupTopics>,
}

impl GroupCluster {
    /// Follows `config`; the metadata is that of `image` until told otherwise.
    pub(crate) fn new(config: Arc<ArcSwap<BrokerConfig>>, image: Arc<MetadataImage>) -> Self {
        let version = image.version();
        Self {
            config,
            topics: ArcSwap::from_pointee(GroupTopics { image, version }),
        }
    }

    /// Takes over newer metadata. Called by one task only.
    pub(crate) fn update(&self, image: Arc<MetadataImage>) {
        let before = self.topics.load();
        let is_same =
            image.topics_delta(&before.image).is_empty() && have_same_racks(&image, &before.image);
        let version = if is_same {
            before.version
        } else {
            image.version()
        };
        self.topics.store(Arc::new(GroupTopics { image, version }));
    }
}

fn have_same_racks(one: &MetadataImage, other: &MetadataImage) -> bool {
    let racks = |broker: &Arc<BrokerImage>| broker.rack.clone();
    one.brokers().map(racks).eq(other.brokers().map(racks))
}

impl ClusterView for GroupCluster {
    fn topics(&self) -> Arc<dyn TopicsImage + Send + Sync> {
        self.topics.load_full()
    }

    fn group_overrides(&self, group_id: &str) -> GroupOverrides {
        let topics = self.topics.load();
        let Some(overrides) = topics.image.config(&ConfigResource::group(group_id)) else {
            return GroupOverrides::default();
        };
        let configs = consumer_configs(&self.config.load().groups.consumer, overrides);
        GroupOverrides {
            session_timeout: configs.session_timeout,
            heartbeat_interval_ms: configs.heartbeat_interval_ms,
            assignment_interval_ms: configs.assignment_interval_ms.map(i64::from),
        }
    }

    fn allows_consumer_protocol(&self) -> bool {
        let level = self.topics.load().image.feature_level(GROUP_VERSION);
        CONSUMER_GROUPS_LEVEL <= level && self.config.load().groups.consumer.is_enabled
    }
}

/// The topics of one image.
struct GroupTopics {
    image: Arc<MetadataImage>,
    /// The image's version when topics or racks last changed.
    version: u64,
}

impl TopicsImage for GroupTopics {
    fn version(&self) -> u64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<DescribedTopic> {
        self.image.topic(name).map(described)
    }

    fn topic_by_id(&self, id: Uuid) -> Option<DescribedTopic> {
        self.image.topic_by_id(id).map(described)
    }

    fn visit_names(&self, visit: &mut dyn FnMut(&Arc<str>)) {
        self.image.topics().for_each(|topic| visit(&topic.name));
    }

    fn partition_racks(&self, id: Uuid, partition: i32) -> Vec<Arc<str>> {
        let topic = self.image.topic_by_id(id);
        let partition = topic.and_then(|topic| topic.partition(partition));
        let replicas = partition.map(|it| &it.replicas[..]).unwrap_or_default();
        let racks = replicas.iter().filter_map(|id| {
            let broker = self.image.broker(*id)?;
            broker.rack.as_deref().map(Arc::from)
        });
        racks.collect()
    }
}

fn described(topic: &Arc<TopicImage>) -> DescribedTopic {
    DescribedTopic {
        name: Arc::clone(&topic.name),
        id: topic.id,
        partition_count: topic.partition_count(),
    }
}
