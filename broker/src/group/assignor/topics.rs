//! What consumer groups see of the cluster's topics. A view, not a copy: the server implements it
//! over the metadata image, tests over a map.

use std::sync::Arc;

use super::TopicId;

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedTopic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub id: TopicId,
    /// How many partitions it has, at least 1.
    pub partition_count: i32,
}

/// One state of the cluster's topics. Kafka's `CoordinatorMetadataImage`.
pub trait TopicsImage {
    /// Rises with every change of the metadata, of whatever kind.
    fn version(&self) -> u64;

    /// The topic with this name.
    fn topic(&self, name: &str) -> Option<DescribedTopic>;

    /// The topic with this id.
    fn topic_by_id(&self, id: TopicId) -> Option<DescribedTopic>;

    /// Calls `visit` with the name of every topic, in any order. Costs one call per topic of the
    /// cluster: for resolving patterns only.
    fn visit_names(&self, visit: &mut dyn FnMut(&Arc<str>));

    /// The racks (`broker.rack`) of the brokers that hold replicas of the partition, in any order,
    /// one per replica whose broker names one. Empty for an unknown partition.
    fn partition_racks(&self, id: TopicId, partition: i32) -> Vec<Arc<str>>;
}
