//! The topics an assignor distributes: names, how many partitions, and the racks of replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

/// The racks that hold replicas of a partition.
pub(super) type Racks = BTreeSet<Arc<str>>;

/// Topics by name, and of each partition the racks of its replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssignableTopics(BTreeMap<Arc<str>, Vec<Racks>>);

impl AssignableTopics {
    /// No topics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of `names` that exist in the metadata.
    #[must_use]
    pub fn of_metadata<'a>(
        metadata: &Metadata,
        names: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Self {
        let rack_of = |node: &i32| metadata.node(*node)?.rack.as_deref().map(Arc::from);
        let mut topics = Self::new();
        for name in names {
            if let Some(topic) = metadata.topic(name).filter(|topic| topic.error_code == 0) {
                let racks = topic
                    .partitions
                    .iter()
                    .map(|partition| partition.replicas.iter().filter_map(rack_of).collect());
                topics.insert_with_racks(Arc::clone(name), racks.collect());
            }
        }
        topics
    }

    /// Adds a topic of which no racks are known. A topic without partitions does not exist.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, partitions_count: usize) {
        self.insert_with_racks(name, vec![Racks::new(); partitions_count]);
    }

    /// Adds a topic with the racks of each partition.
    pub fn insert_with_racks(&mut self, name: impl Into<Arc<str>>, racks: Vec<BTreeSet<Arc<str>>>) {
        if !racks.is_empty() {
            self.0.insert(name.into(), racks);
        }
    }

    /// How many partitions a topic has; 0 if it does not exist.
    #[must_use]
    pub fn partitions_count(&self, topic: &str) -> usize {
        self.0.get(topic).map_or(0, Vec::len)
    }

    /// Whether the topics and their numbers of partitions are the same.
    #[must_use]
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let counts = |topics: &Self| -> Vec<_> {
            let topics = topics.0.iter();
            topics
                .map(|(name, racks)| (Arc::clone(name), racks.len()))
                .collect()
        };
        counts(self) == counts(other)
    }

    /// Topics by name, with the racks of each partition.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &[BTreeSet<Arc<str>>])> {
        self.0.iter().map(|(name, racks)| (name, racks.as_slice()))
    }

    /// The partitions of a topic, in order.
    pub fn partitions<'a>(
        &self,
        topic: &'a Arc<str>,
    ) -> impl Iterator<Item = TopicPartition> + use<'a> {
        (0..self.partitions_count(topic)).map(|index| partition_of(topic, index))
    }
}

/// The partition with this index. Indexes come from metadata, whose count is an i32.
pub(super) fn partition_of(topic: &Arc<str>, index: usize) -> TopicPartition {
    TopicPartition::new(Arc::clone(topic), i32::try_from(index).unwrap_or(i32::MAX))
}
