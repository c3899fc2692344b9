//! The fake cluster's topics: who leads which partition, and what is in it.

use std::collections::BTreeMap;

use bytes::Bytes;
use ringbrook_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};
use ringbrook_protocol::messages::{MetadataRequest, TopicName};
use ringbrook_protocol::{ResponseError, StrBytes};
use ringbrook_record::{BatchBuilder, Codec, Header};
use uuid::Uuid;

use super::log::Log;

/// Topics by name.
#[derive(Default)]
pub(crate) struct Topics {
    topics: BTreeMap<String, Topic>,
    /// How many partitions a topic gets that is created by being asked for.
    auto_created_partitions_count: Option<i32>,
    created_count: u128,
}

/// A topic.
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<Partition>,
    /// What metadata says about it.
    pub(crate) error: Option<ResponseError>,
}

/// A partition.
pub(crate) struct Partition {
    /// -1 for none.
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) log: Log,
}

impl Topics {
    /// Creates a topic, or replaces one by another with a new id, whose partitions are led by the
    /// nodes in turn.
    pub(crate) fn create(&mut self, name: &str, partitions_count: i32, nodes: &[i32]) {
        self.created_count += 1;
        let leaders = nodes.iter().cycle();
        let partitions = (0..partitions_count)
            .zip(leaders)
            .map(|(_, leader)| Partition {
                leader: *leader,
                leader_epoch: 0,
                replicas: vec![*leader],
                log: Log::default(),
            });
        let topic = Topic {
            id: Uuid::from_u128(self.created_count),
            partitions: partitions.collect(),
            error: None,
        };
        self.topics.insert(name.to_owned(), topic);
    }

    /// Deletes a topic.
    pub(crate) fn delete(&mut self, name: &str) {
        self.topics.remove(name);
    }

    /// Topics that clients ask for are created with so many partitions, if they allow it.
    pub(crate) fn auto_create(&mut self, partitions_count: i32) {
        self.auto_created_partitions_count = Some(partitions_count);
    }

    /// A topic.
    ///
    /// # Panics
    /// There is none of this name.
    pub(crate) fn topic(&mut self, name: &str) -> &mut Topic {
        let topic = self.topics.get_mut(name);
        topic.unwrap_or_else(|| panic!("the fake cluster has no topic {name}"))
    }

    /// A partition.
    ///
    /// # Panics
    /// There is none.
    pub(crate) fn partition(&mut self, name: &str, partition: i32) -> &mut Partition {
        let index = usize::try_from(partition).expect("an index");
        let partition = self.topic(name).partitions.get_mut(index);
        partition.unwrap_or_else(|| panic!("topic {name} has fewer partitions"))
    }

    /// Makes another node lead a partition, in a new epoch; -1 for none.
    pub(crate) fn move_leader(&mut self, name: &str, partition: i32, leader: i32) {
        let partition = self.partition(name, partition);
        partition.leader = leader;
        partition.leader_epoch += 1;
        if 0 <= leader && !partition.replicas.contains(&leader) {
            partition.replicas.push(leader);
        }
    }

    /// Appends uncompressed records of keys and values in one batch, and returns its base offset.
    pub(crate) fn append(
        &mut self,
        name: &str,
        partition: i32,
        records: &[(Option<&str>, &str)],
    ) -> i64 {
        let mut batch = BatchBuilder::new();
        for (index, (key, value)) in (0..).zip(records) {
            let key = key.map(str::as_bytes);
            let headers = std::iter::empty::<Header<'_>>();
            batch
                .append(1_000 + index, key, Some(value.as_bytes()), headers)
                .unwrap();
        }
        let batch = batch.finish(Codec::None, None).unwrap().freeze();
        self.append_batch(name, partition, &batch)
    }

    /// Appends a batch as the leader would, and returns its base offset.
    pub(crate) fn append_batch(&mut self, name: &str, partition: i32, batch: &Bytes) -> i64 {
        let partition = self.partition(name, partition);
        partition.log.append(batch, partition.leader_epoch)
    }

    /// The values in a partition, decompressed, in order.
    pub(crate) fn values(&mut self, name: &str, partition: i32) -> Vec<String> {
        self.partition(name, partition).log.values()
    }

    pub(super) fn by_id_mut(&mut self, id: Uuid) -> Option<(&String, &mut Topic)> {
        self.topics.iter_mut().find(|(_, topic)| topic.id == id)
    }

    pub(super) fn by_name_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.topics.get_mut(name)
    }

    pub(super) fn metadata(
        &mut self,
        request: &MetadataRequest,
        version: i16,
        nodes: &[i32],
    ) -> Vec<MetadataResponseTopic> {
        let is_all = match &request.topics {
            None => true,
            Some(topics) => version == 0 && topics.is_empty(),
        };
        if is_all {
            let described = self
                .topics
                .iter()
                .map(|(name, topic)| described(name, topic));
            return described.collect();
        }
        let mut answers = Vec::new();
        for asked in request.topics.iter().flatten() {
            let Some(name) = &asked.name else {
                answers.push(self.metadata_by_id(asked.topic_id));
                continue;
            };
            if request.allow_auto_topic_creation
                && !self.topics.contains_key(name.as_str())
                && let Some(partitions_count) = self.auto_created_partitions_count
            {
                self.create(name, partitions_count, nodes);
            }
            let unknown = MetadataResponseTopic::default()
                .with_error_code(ResponseError::UnknownTopicOrPartition.code())
                .with_name(Some(name.clone()));
            let topic = self.topics.get(name.as_str());
            answers.push(topic.map_or(unknown, |topic| described(name, topic)));
        }
        answers
    }

    fn metadata_by_id(&mut self, id: Uuid) -> MetadataResponseTopic {
        let unknown = MetadataResponseTopic::default()
            .with_error_code(ResponseError::UnknownTopicId.code())
            .with_name(None)
            .with_topic_id(id);
        let found = self.by_id_mut(id);
        found.map_or(unknown, |(name, topic)| described(name, topic))
    }
}

fn described(name: &str, topic: &Topic) -> MetadataResponseTopic {
    let partitions = (0..).zip(&topic.partitions).map(|(index, partition)| {
        let replicas: Vec<_> = partition.replicas.iter().map(|id| (*id).into()).collect();
        let no_leader = ResponseError::LeaderNotAvailable.code();
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_error_code(if partition.leader < 0 { no_leader } else { 0 })
            .with_leader_id(partition.leader.into())
            .with_leader_epoch(partition.leader_epoch)
            .with_isr_nodes(replicas.clone())
            .with_replica_nodes(replicas)
    });
    MetadataResponseTopic::default()
        .with_error_code(topic.error.map_or(0, |error| error.code()))
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
}
