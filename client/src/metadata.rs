//! What is known of the cluster at one moment: brokers, controller, topics, leaders.
//!
//! A snapshot is immutable; the cluster publishes new ones. Nothing is asked here.

use std::sync::Arc;

use hashbrown::HashMap;
use ringbrook_protocol::messages::MetadataResponse;
use ringbrook_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponseTopic,
};
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

use crate::net::HostPort;
use crate::topic_partition::TopicPartition;

/// A broker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `node.id`.
    pub id: i32,
    /// Where it listens.
    pub address: HostPort,
    /// `broker.rack`.
    pub rack: Option<String>,
}

impl Node {
    /// Nothing for a broker without a port: it does not listen where clients are.
    fn new(broker: MetadataResponseBroker) -> Option<Self> {
        let rack = broker.rack.map(|rack| rack.to_string());
        Self::of(broker.node_id.0, &broker.host, broker.port, rack)
    }

    /// As an answer describes it, if it has a port.
    pub(crate) fn of(id: i32, host: &str, port: i32, rack: Option<String>) -> Option<Self> {
        let Some(port) = u16::try_from(port).ok().filter(|port| *port != 0) else {
            warn!(id, port, "a broker without a port");
            return None;
        };
        let host = host.to_owned();
        Some(Self {
            id,
            address: HostPort { host, port },
            rack,
        })
    }
}

/// A partition: who leads it and who follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Its index.
    pub partition: i32,
    /// The leader's id, if there is one.
    pub leader: Option<i32>,
    /// The leader's epoch; -1 when the broker does not say.
    pub leader_epoch: i32,
    /// The ids of all replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// The ids of replicas in sync.
    pub isr: Vec<i32>,
    /// The ids of replicas whose disk or broker is away.
    pub offline_replicas: Vec<i32>,
    /// The partition's error code; 0 for none.
    pub error_code: i16,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; nil when the broker does not say.
    pub id: Uuid,
    /// Whether it is one of the broker's own.
    pub is_internal: bool,
    /// Its partitions by index, without gaps.
    pub partitions: Vec<PartitionMetadata>,
    /// The topic's error code; 0 for none.
    pub error_code: i16,
}

impl TopicMetadata {
    /// A partition by index.
    #[must_use]
    pub fn partition(&self, partition: i32) -> Option<&PartitionMetadata> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partitions_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    fn new(topic: MetadataResponseTopic) -> Option<Self> {
        let name: Arc<str> = topic.name.as_ref()?.as_str().into();
        let partitions = topic.partitions.into_iter().map(|partition| {
            let ids = |ids: Vec<ringbrook_protocol::messages::BrokerId>| {
                ids.into_iter().map(|id| id.0).collect()
            };
            PartitionMetadata {
                partition: partition.partition_index,
                leader: Some(partition.leader_id.0).filter(|id| 0 <= *id),
                leader_epoch: partition.leader_epoch,
                replicas: ids(partition.replica_nodes),
                isr: ids(partition.isr_nodes),
                offline_replicas: ids(partition.offline_replicas),
                error_code: partition.error_code,
            }
        });
        let mut partitions: Vec<_> = partitions.collect();
        partitions.sort_by_key(|partition| partition.partition);
        // An answer with gaps would put partitions under wrong indexes.
        let is_whole = (0..)
            .zip(&partitions)
            .all(|(index, partition)| partition.partition == index);
        if !is_whole {
            warn!(
                topic = &*name,
                "metadata with gaps between partitions is not used"
            );
        }
        is_whole.then_some(Self {
            name,
            id: topic.topic_id,
            is_internal: topic.is_internal,
            partitions,
            error_code: topic.error_code,
        })
    }
}

/// Leaders that a broker has told beside an error (KIP-951), and where they listen.
#[derive(Debug, Default)]
pub(crate) struct LeaderHints {
    /// Partition, leader's id, leader's epoch.
    pub(crate) leaders: Vec<(TopicPartition, i32, i32)>,
    pub(crate) nodes: Vec<Node>,
}

/// The cluster at one moment.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The broker to send administrative requests to.
    pub controller_id: Option<i32>,
    nodes: HashMap<i32, Node>,
    topics: HashMap<Arc<str>, Arc<TopicMetadata>>,
    names: HashMap<Uuid, Arc<str>>,
    /// When it was received; nothing before the first answer.
    pub received_at: Option<Instant>,
}

impl Metadata {
    /// Nothing is known yet.
    pub(crate) fn unknown() -> Self {
        Self {
            cluster_id: None,
            controller_id: None,
            nodes: HashMap::new(),
            topics: HashMap::new(),
            names: HashMap::new(),
            received_at: None,
        }
    }

    /// From a broker's answer. Topics that the answer does not name are taken from `before` when
    /// the answer is about some topics only and they are still wanted. An older leader epoch never
    /// replaces a newer one of the same topic (KIP-320): brokers learn of elections at different
    /// times.
    pub(crate) fn updated(
        before: &Self,
        answer: MetadataResponse,
        is_all_topics: bool,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Self {
        let nodes = answer.brokers.into_iter().filter_map(Node::new);
        let nodes = nodes.map(|node| (node.id, node));
        let mut topics = HashMap::new();
        if !is_all_topics {
            let kept = before.topics.iter().filter(|(name, _)| is_wanted(name));
            topics.extend(kept.map(|(name, topic)| (Arc::clone(name), Arc::clone(topic))));
        }
        for topic in answer.topics.into_iter().filter_map(TopicMetadata::new) {
            let known = before.topics.get(&topic.name);
            let topic = keep_newer_epochs(topic, known.map(Arc::as_ref));
            topics.insert(Arc::clone(&topic.name), Arc::new(topic));
        }
        let names = topics.values().filter(|topic| !topic.id.is_nil());
        let names = names.map(|topic| (topic.id, Arc::clone(&topic.name)));
        let mut nodes: HashMap<_, _> = nodes.collect();
        // A leader learned from another answer, of which this broker has not heard yet.
        let partitions = topics.values().flat_map(|topic| &topic.partitions);
        for leader in partitions.filter_map(|partition| partition.leader) {
            if let Some(node) = before.nodes.get(&leader) {
                nodes.entry(leader).or_insert_with(|| node.clone());
            }
        }
        Self {
            cluster_id: answer.cluster_id.map(|id| id.to_string()),
            controller_id: Some(answer.controller_id.0).filter(|id| 0 <= *id),
            nodes,
            names: names.collect(),
            topics,
            received_at: Some(Instant::now()),
        }
    }

    /// The same without any broker.
    pub(crate) fn without_nodes(&self) -> Self {
        Self {
            controller_id: None,
            nodes: HashMap::new(),
            ..self.clone()
        }
    }

    /// With leaders of newer epochs; nothing if all that is known already, or is about partitions
    /// or brokers that are not.
    pub(crate) fn with_leaders(&self, hints: &LeaderHints) -> Option<Self> {
        let mut learned: Option<Self> = None;
        for (at, leader, epoch) in &hints.leaders {
            let node = hints.nodes.iter().find(|it| it.id == *leader);
            let known = self.partition(&at.topic, at.partition);
            let is_newer = known.is_some_and(|known| known.leader_epoch < *epoch);
            if !is_newer || (node.is_none() && self.node(*leader).is_none()) {
                continue;
            }
            let learned = learned.get_or_insert_with(|| self.clone());
            if let Some(node) = node {
                learned.nodes.insert(node.id, node.clone());
            }
            let topic = learned.topics.get_mut(&at.topic).map(Arc::make_mut);
            let index = usize::try_from(at.partition).ok();
            let partition = topic.zip(index);
            if let Some(it) = partition.and_then(|(topic, it)| topic.partitions.get_mut(it)) {
                it.leader = Some(*leader);
                it.leader_epoch = *epoch;
                it.error_code = 0;
            }
        }
        learned
    }

    /// A broker by id.
    #[must_use]
    pub fn node(&self, id: i32) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// All brokers, by id.
    #[must_use]
    pub fn nodes(&self) -> Vec<&Node> {
        let mut nodes: Vec<_> = self.nodes.values().collect();
        nodes.sort_by_key(|node| node.id);
        nodes
    }

    /// A topic by name, also one with an error.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicMetadata>> {
        self.topics.get(name)
    }

    /// The name of the topic with an id.
    #[must_use]
    pub fn topic_name(&self, id: Uuid) -> Option<&Arc<str>> {
        self.names.get(&id)
    }

    /// All known topics, by name.
    #[must_use]
    pub fn topics(&self) -> Vec<&Arc<TopicMetadata>> {
        let mut topics: Vec<_> = self.topics.values().collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    /// A partition of a topic.
    #[must_use]
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionMetadata> {
        self.topic(topic)?.partition(partition)
    }
}

fn keep_newer_epochs(mut topic: TopicMetadata, known: Option<&TopicMetadata>) -> TopicMetadata {
    let Some(known) = known.filter(|known| known.id == topic.id) else {
        return topic;
    };
    for (partition, known) in topic.partitions.iter_mut().zip(&known.partitions) {
        if 0 <= partition.leader_epoch && partition.leader_epoch < known.leader_epoch {
            partition.clone_from(known);
        }
    }
    topic
}

#[cfg(test)]
mod tests;
