//! A cluster in memory for tests of groups.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::assignor::{DescribedTopic, TopicsImage};
use super::cluster_view::ClusterView;
use super::consumer::settings::GroupOverrides;

/// Topics by name; whoever holds one may change it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestTopics {
    version: u64,
    by_name: BTreeMap<Arc<str>, DescribedTopic>,
}

impl TestTopics {
    /// Creates a topic, or gives it more partitions; its id.
    pub(crate) fn put(&mut self, name: &str, partition_count: i32) -> Uuid {
        self.version += 1;
        let version = u128::from(self.version);
        let name: Arc<str> = Arc::from(name);
        let topic = self
            .by_name
            .entry(Arc::clone(&name))
            .or_insert_with(|| DescribedTopic {
                id: Uuid::from_u128(version << 64 | 1),
                name,
                partition_count,
            });
        topic.partition_count = topic.partition_count.max(partition_count);
        topic.id
    }

    /// Deletes a topic.
    pub(crate) fn remove(&mut self, name: &str) {
        self.version += 1;
        self.by_name.remove(name);
    }
}

impl TopicsImage for TestTopics {
    fn version(&self) -> u64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<DescribedTopic> {
        self.by_name.get(name).cloned()
    }

    fn topic_by_id(&self, id: Uuid) -> Option<DescribedTopic> {
        self.by_name.values().find(|topic| topic.id == id).cloned()
    }

    fn visit_names(&self, visit: &mut dyn FnMut(&Arc<str>)) {
        self.by_name.keys().for_each(visit);
    }

    fn partition_racks(&self, _id: Uuid, _partition: i32) -> Vec<Arc<str>> {
        Vec::new()
    }
}

/// A cluster whose topics may change while groups are served.
#[derive(Debug, Default)]
pub(crate) struct TestCluster {
    topics: Mutex<TestTopics>,
}

impl TestCluster {
    /// Changes the topics.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut TestTopics) -> R) -> R {
        change(&mut self.topics.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClusterView for TestCluster {
    fn topics(&self) -> Arc<dyn TopicsImage + Send + Sync> {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(topics.clone())
    }

    fn group_overrides(&self, _group_id: &str) -> GroupOverrides {
        GroupOverrides::default()
    }

    fn allows_consumer_protocol(&self) -> bool {
        true
    }
}
