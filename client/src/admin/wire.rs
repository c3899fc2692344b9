//! Between this module's types and the protocol's: names, ids, groups by topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::{BrokerId, GroupId, TopicName, TransactionalId};

use crate::TopicPartition;

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

pub(super) fn group_id(id: &str) -> GroupId {
    GroupId(text(id))
}

pub(super) fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

pub(super) fn broker_ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

pub(super) fn ids(ids: Vec<BrokerId>) -> Vec<i32> {
    ids.into_iter().map(|id| id.0).collect()
}

/// Partitions by topic, as most requests want them.
pub(super) fn by_topic<'a>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
) -> BTreeMap<Arc<str>, Vec<i32>> {
    let mut topics = BTreeMap::<_, Vec<i32>>::new();
    for it in partitions {
        topics
            .entry(Arc::clone(&it.topic))
            .or_default()
            .push(it.partition);
    }
    topics
}
