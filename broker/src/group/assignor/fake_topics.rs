//! Topics of tests: a map instead of the metadata image.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::{DescribedTopic, TopicId, TopicsImage};

/// Some topics by name.
#[derive(Debug, Default)]
pub(crate) struct FakeTopics {
    pub(crate) version: u64,
    pub(crate) topics: BTreeMap<Arc<str>, DescribedTopic>,
    pub(crate) racks: Vec<Arc<str>>,
}

impl FakeTopics {
    /// Topics with these names and partition counts, with ids 1, 2, ... in that order.
    pub(crate) fn new(topics: &[(&str, i32)]) -> Self {
        let mut fake = Self::default();
        for (name, partition_count) in topics {
            let id = u128::try_from(fake.topics.len()).unwrap() + 1;
            fake.insert(name, id, *partition_count);
        }
        fake
    }

    /// Adds or changes a topic.
    pub(crate) fn insert(&mut self, name: &str, id: u128, partition_count: i32) {
        let name: Arc<str> = name.into();
        let topic = DescribedTopic {
            name: Arc::clone(&name),
            id: Uuid::from_u128(id),
            partition_count,
        };
        self.topics.insert(name, topic);
        self.version += 1;
    }
}

impl TopicsImage for FakeTopics {
    fn version(&self) -> u64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<DescribedTopic> {
        self.topics.get(name).cloned()
    }

    fn topic_by_id(&self, id: TopicId) -> Option<DescribedTopic> {
        self.topics.values().find(|topic| topic.id == id).cloned()
    }

    fn visit_names(&self, visit: &mut dyn FnMut(&Arc<str>)) {
        self.topics.keys().for_each(visit);
    }

    fn partition_racks(&self, _id: TopicId, _partition: i32) -> Vec<Arc<str>> {
        self.racks.clone()
    }
}
