//! The metadata image: one immutable state of the cluster's metadata.
//!
//! The state machine derives each image from the one before and publishes it; everybody else reads
//! the latest through [`super::Controller::image`] and may keep it as long as they like. Cloning
//! costs a few reference counts, a change copies only what it touches. Kafka's `MetadataImage` is
//! the model for names and content.
//!
//! Not here: how an image changes (`apply.rs`) and how it is stored (`record.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::raft_types::LogId;
use super::sharded_map::ShardedMap;
use super::topic_name;

#[cfg(test)]
mod tests;

/// The leader of a partition that has none.
pub const NO_LEADER: i32 = -1;

/// One partition: who holds it and who leads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionImage {
    /// Broker id of the leader, or [`NO_LEADER`].
    pub leader: i32,
    /// Rises by one with every change of leader, from 0.
    pub leader_epoch: i32,
    /// Rises by one with every change of the partition, from 0.
    pub partition_epoch: i32,
    /// Broker ids of the replicas, the preferred leader first. Never empty.
    pub replicas: Vec<i32>,
    /// Broker ids of the in-sync replicas, a subset of `replicas`.
    pub isr: Vec<i32>,
}

impl PartitionImage {
    /// A new partition: every replica in sync, the first one leads.
    pub(super) fn new(replicas: Vec<i32>) -> Self {
        let leader = replicas.first().copied().unwrap_or(NO_LEADER);
        Self {
            leader,
            leader_epoch: 0,
            partition_epoch: 0,
            isr: replicas.clone(),
            replicas,
        }
    }
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    /// The name, valid by [`topic_name::validate`].
    pub name: Arc<str>,
    /// The id: never reused, so a topic deleted and created again is another topic.
    pub id: Uuid,
    /// The partitions by index, without gaps. Never empty.
    pub partitions: Vec<PartitionImage>,
}

impl TopicImage {
    /// The partition with this index.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&PartitionImage> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// How many partitions the topic has.
    ///
    /// # Panics
    /// Never: creation refuses more partitions than the protocol can count.
    #[must_use]
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).expect("partition counts are checked at creation")
    }
}

/// Where one listener of a broker can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Listener name, such as `PLAINTEXT`.
    pub listener: String,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: u16,
    /// Kafka's id of the security protocol: 0 PLAINTEXT, 1 SSL, 2 `SASL_PLAINTEXT`, 3 `SASL_SSL`.
    pub security_protocol: i16,
}

/// One registered broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerImage {
    /// The broker's node id.
    pub id: i32,
    /// Log index of its latest registration; rises with every start of the broker.
    pub epoch: i64,
    /// Random id of the broker's process, new with every start.
    pub incarnation_id: Uuid,
    /// Where clients and brokers reach it.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`, if set.
    pub rack: Option<String>,
}

impl BrokerImage {
    /// The endpoint of the named listener.
    #[must_use]
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.listener == listener)
    }
}

/// What a configuration belongs to; the numbers are those of Kafka's `ConfigResource.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i8)]
pub enum ResourceType {
    /// A topic, by name.
    Topic = 2,
    /// A broker, by id in decimal; the empty name is the default of all brokers.
    Broker = 4,
    /// A client metrics subscription, by name.
    ClientMetrics = 16,
    /// A group, by id.
    Group = 32,
}

impl ResourceType {
    /// The type with this number, if configurations of that type are kept in the metadata.
    #[must_use]
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            2 => Some(Self::Topic),
            4 => Some(Self::Broker),
            16 => Some(Self::ClientMetrics),
            32 => Some(Self::Group),
            _ => None,
        }
    }

    /// The type's number on the wire.
    #[must_use]
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// The key of one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigResource {
    /// What kind of thing is configured.
    pub resource_type: ResourceType,
    /// Its name; empty for the cluster-wide broker default.
    pub name: String,
}

impl ConfigResource {
    /// The configuration of a topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self {
            resource_type: ResourceType::Topic,
            name: name.into(),
        }
    }

    /// The configuration of a group.
    pub fn group(id: impl Into<String>) -> Self {
        Self {
            resource_type: ResourceType::Group,
            name: id.into(),
        }
    }

    /// The configuration of one broker.
    #[must_use]
    pub fn broker(id: i32) -> Self {
        Self {
            resource_type: ResourceType::Broker,
            name: id.to_string(),
        }
    }

    /// The configuration of all brokers.
    #[must_use]
    pub fn broker_default() -> Self {
        Self {
            resource_type: ResourceType::Broker,
            name: String::new(),
        }
    }
}

/// Keys and values explicitly set on one resource.
pub type Configs = BTreeMap<String, String>;

/// How the topics of one image differ from those of an earlier one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TopicsDelta {
    /// Topics whose id the earlier image does not have.
    pub created: Vec<Arc<TopicImage>>,
    /// Topics in both with different content, as they are in the later image.
    pub changed: Vec<Arc<TopicImage>>,
    /// Topics whose id the later image does not have, as they were.
    pub deleted: Vec<Arc<TopicImage>>,
}

/// One state of the cluster's metadata. Immutable once published; see the module's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataImage {
    pub(super) version: u64,
    pub(super) cluster_id: Arc<str>,
    pub(super) controller_id: i32,
    pub(super) brokers: Arc<BTreeMap<i32, Arc<BrokerImage>>>,
    pub(super) features: Arc<BTreeMap<String, i16>>,
    pub(super) next_producer_id: i64,
    pub(super) configs: ShardedMap<ConfigResource, Arc<Configs>>,
    topics_by_name: ShardedMap<Arc<str>, Arc<TopicImage>>,
    topics_by_id: ShardedMap<Uuid, Arc<TopicImage>>,
    /// Names that contain `.` or `_`, by the name with every `.` made `_`: Kafka refuses a second
    /// topic with the same unified name, because metric names would collide.
    names_by_unified_name: ShardedMap<Arc<str>, Arc<str>>,
}

impl TopicsDelta {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.changed.is_empty() && self.deleted.is_empty()
    }
}

impl MetadataImage {
    /// The state before the first command.
    pub(super) fn empty(cluster_id: Arc<str>) -> Self {
        Self {
            version: 0,
            cluster_id,
            controller_id: NO_LEADER,
            brokers: Arc::default(),
            features: Arc::default(),
            next_producer_id: 0,
            configs: ShardedMap::default(),
            topics_by_name: ShardedMap::default(),
            topics_by_id: ShardedMap::default(),
            names_by_unified_name: ShardedMap::default(),
        }
    }

    /// Number of log entries this image is the outcome of; rises with every published image.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The id of the cluster.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Node id of the active controller when this image came to be, or -1 in the empty image.
    #[must_use]
    pub fn controller_id(&self) -> i32 {
        self.controller_id
    }

    /// Registered brokers in the order of their ids.
    pub fn brokers(&self) -> impl ExactSizeIterator<Item = &Arc<BrokerImage>> {
        self.brokers.values()
    }

    /// The registered broker with this id.
    #[must_use]
    pub fn broker(&self, id: i32) -> Option<&Arc<BrokerImage>> {
        self.brokers.get(&id)
    }

    /// The topic with this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics_by_name.get(name)
    }

    /// The topic with this id.
    #[must_use]
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.topics_by_id.get(&id)
    }

    /// The partition of a topic.
    #[must_use]
    pub fn partition(&self, topic: &str, index: i32) -> Option<&PartitionImage> {
        self.topic(topic)?.partition(index)
    }

    /// All topics in no particular order.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics_by_name.iter().map(|(_, topic)| topic)
    }

    /// How many topics there are.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.topics_by_name.len()
    }

    /// The existing topic whose name differs from `name` only in `.` against `_`.
    #[must_use]
    pub fn colliding_topic(&self, name: &str) -> Option<&Arc<str>> {
        if !topic_name::has_collision_chars(name) {
            return None;
        }
        self.names_by_unified_name
            .get(topic_name::unify(name).as_str())
            .filter(|existing| &***existing != name)
    }

    /// What is explicitly set on the resource; `None` if nothing is.
    #[must_use]
    pub fn config(&self, resource: &ConfigResource) -> Option<&Arc<Configs>> {
        self.configs.get(resource)
    }

    /// What is explicitly set on the topic; `None` if nothing is.
    #[must_use]
    pub fn topic_config(&self, name: &str) -> Option<&Arc<Configs>> {
        self.config(&ConfigResource::topic(name))
    }

    /// All resources with something set, in no particular order.
    pub fn configs(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<Configs>)> {
        self.configs.iter()
    }

    /// Finalized feature levels by name.
    #[must_use]
    pub fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// The finalized level of a feature, such as `transaction.version`; 0 if it has none.
    #[must_use]
    pub fn feature_level(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// The first producer id no broker was given yet.
    #[must_use]
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// How the topics differ from those of `earlier`. Costs what changed, not what exists, when
    /// this image was derived from `earlier`.
    #[must_use]
    pub fn topics_delta(&self, earlier: &Self) -> TopicsDelta {
        let mut delta = TopicsDelta::default();
        for (id, topic) in self
            .topics_by_id
            .entries_not_shared_with(&earlier.topics_by_id)
        {
            match earlier.topic_by_id(*id) {
                None => delta.created.push(Arc::clone(topic)),
                Some(before) if Arc::ptr_eq(before, topic) || before == topic => {}
                Some(_) => delta.changed.push(Arc::clone(topic)),
            }
        }
        for (id, topic) in earlier
            .topics_by_id
            .entries_not_shared_with(&self.topics_by_id)
        {
            if !self.topics_by_id.contains_key(id) {
                delta.deleted.push(Arc::clone(topic));
            }
        }
        delta
    }

    /// Resources whose configuration differs from `earlier`, also those gone. Costs what changed.
    #[must_use]
    pub fn configs_delta(&self, earlier: &Self) -> Vec<ConfigResource> {
        let set = self
            .configs
            .entries_not_shared_with(&earlier.configs)
            .filter(|(resource, configs)| earlier.config(resource) != Some(configs));
        let unset = earlier
            .configs
            .entries_not_shared_with(&self.configs)
            .filter(|(resource, _)| !self.configs.contains_key(*resource));
        set.chain(unset)
            .map(|(resource, _)| resource.clone())
            .collect()
    }

    /// Says which log entry, written by which controller, this image is the outcome of.
    pub(super) fn place_at(&mut self, log_id: Option<&LogId>) {
        if let Some(log_id) = log_id {
            self.version = log_id.index + 1;
            self.controller_id = i32::try_from(log_id.leader_id.node_id).unwrap_or(NO_LEADER);
        }
    }

    /// Adds a topic or replaces the one with the same name and id.
    pub(super) fn put_topic(&mut self, topic: TopicImage) -> Arc<TopicImage> {
        let topic = Arc::new(topic);
        if topic_name::has_collision_chars(&topic.name) {
            let unified = Arc::from(topic_name::unify(&topic.name));
            self.names_by_unified_name
                .insert(unified, Arc::clone(&topic.name));
        }
        self.topics_by_id.insert(topic.id, Arc::clone(&topic));
        let former = self
            .topics_by_name
            .insert(Arc::clone(&topic.name), Arc::clone(&topic));
        assert!(
            former.is_none_or(|former| former.id == topic.id),
            "topic {} replaced under another id",
            topic.name
        );
        topic
    }

    /// Takes a topic and its configuration out.
    pub(super) fn remove_topic(&mut self, topic: &TopicImage) {
        self.topics_by_id.remove(&topic.id);
        self.topics_by_name.remove(&topic.name);
        if topic_name::has_collision_chars(&topic.name) {
            self.names_by_unified_name
                .remove(topic_name::unify(&topic.name).as_str());
        }
        self.configs.remove(&ConfigResource::topic(&*topic.name));
    }

    /// Sets the whole configuration of a resource; an empty one removes the resource.
    pub(super) fn put_configs(&mut self, resource: ConfigResource, configs: Configs) {
        if configs.is_empty() {
            self.configs.remove(&resource);
        } else {
            self.configs.insert(resource, Arc::new(configs));
        }
    }
}
