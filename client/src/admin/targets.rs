//! Which brokers a round has to ask: leaders of partitions, coordinators of groups and
//! transactional ids, all brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::MetadataRequest;
use ringbrook_protocol::messages::metadata_request::MetadataRequestTopic;
use ringbrook_protocol::messages::metadata_response::MetadataResponseTopic;

use super::driver::{Answers, Call, checked, to_each};
use super::wire::topic_name;
use super::{Admin, PerItem};
use crate::TopicPartition;
use crate::cluster::{CoordinatorKind, Target};
use crate::error::{BrokerError, ClientError};
use crate::metadata::Node;

/// Items by the broker to ask, and those for which there is none now.
pub(super) struct ByNode<K, V> {
    pub(super) nodes: BTreeMap<i32, Vec<K>>,
    pub(super) failed: Answers<K, V>,
}

impl<K: Clone, V> ByNode<K, V> {
    fn new(found: impl IntoIterator<Item = (K, Result<i32, ClientError>)>) -> Self {
        let mut nodes = BTreeMap::<_, Vec<_>>::new();
        let mut failed = Vec::new();
        for (item, node) in found {
            match node {
                Ok(node) => nodes.entry(node).or_default().push(item),
                Err(error) => failed.push((item, Err(error))),
            }
        }
        Self { nodes, failed }
    }

    fn none(items: &[K], error: &ClientError) -> Self {
        Self {
            nodes: BTreeMap::new(),
            failed: to_each(items, error),
        }
    }

    /// Asks all nodes at the same time.
    pub(super) async fn ask<F: Future<Output = Answers<K, V>>>(
        self,
        with: impl Fn(i32, Vec<K>) -> F,
    ) -> Answers<K, V> {
        let nodes = self.nodes.into_iter();
        let asked = join_all(nodes.map(|(node, items)| with(node, items))).await;
        let asked = asked.into_iter().flatten();
        self.failed.into_iter().chain(asked).collect()
    }
}

impl Admin {
    /// The leaders of partitions, as any broker knows them. A topic that is not there fails its
    /// partitions; it is for the call to say whether it may come.
    pub(super) async fn leaders<V>(
        &self,
        call: Call,
        partitions: &[TopicPartition],
    ) -> ByNode<TopicPartition, V> {
        let topics: BTreeSet<&Arc<str>> = partitions.iter().map(|it| &it.topic).collect();
        let build = |_| {
            let topics = topics
                .iter()
                .map(|topic| MetadataRequestTopic::default().with_name(Some(topic_name(topic))));
            Ok(MetadataRequest::default()
                .with_topics(Some(topics.collect()))
                .with_allow_auto_topic_creation(false))
        };
        let answer = match self.ask_one(call, Target::Any, build).await {
            Ok(answer) => answer,
            Err(error) => return ByNode::none(partitions, &error),
        };
        let topics = answer.topics.into_iter();
        let topics = topics.filter_map(|topic| Some((topic.name.clone()?, topic)));
        let topics: BTreeMap<String, MetadataResponseTopic> = topics
            .map(|(name, topic)| (name.to_string(), topic))
            .collect();
        ByNode::new(partitions.iter().map(|it| {
            let leader = leader_of(topics.get(&*it.topic), it);
            (it.clone(), leader)
        }))
    }

    /// Rounds of requests to the coordinators of `keys`: groups or transactional ids.
    pub(super) async fn at_coordinators<V, F: Future<Output = Answers<String, V>>>(
        &self,
        call: Call,
        kind: CoordinatorKind,
        keys: impl IntoIterator<Item = String>,
        with: impl Fn(i32, Vec<String>) -> F,
    ) -> PerItem<String, V> {
        self.drive(call, keys, async |open: Vec<String>| {
            let coordinators = self.coordinators(call, kind, &open).await;
            let answers = coordinators.ask(&with).await;
            for (key, result) in &answers {
                if let Err(error) = result {
                    self.cluster
                        .note_error(Target::Coordinator(kind, key), error);
                }
            }
            answers
        })
        .await
    }

    /// A broker that has just answered, for descriptions that name it.
    ///
    /// # Errors
    /// It has left the cluster meanwhile: retriable.
    pub(super) fn node(&self, id: i32) -> Result<Node, ClientError> {
        let metadata = self.cluster.metadata();
        metadata.node(id).cloned().ok_or_else(|| {
            let code = ResponseError::CoordinatorNotAvailable.code();
            BrokerError::new(code, format!("node {id}")).into()
        })
    }

    async fn coordinators<V>(
        &self,
        call: Call,
        kind: CoordinatorKind,
        keys: &[String],
    ) -> ByNode<String, V> {
        let finding = self.cluster.coordinators(kind, keys);
        match tokio::time::timeout_at(call.deadline, finding).await {
            Ok(found) => ByNode::new(found),
            Err(_) => ByNode::none(keys, &self.timed_out(call)),
        }
    }

    /// The ids of all brokers, as one of them knows them.
    ///
    /// # Errors
    /// No broker answers in time.
    pub(super) async fn all_nodes(&self, call: Call) -> Result<Vec<i32>, ClientError> {
        let refresh = || self.cluster.refresh();
        let refreshing = self.cluster.retry(call.what, call.deadline, refresh);
        let metadata = refreshing.await?;
        Ok(metadata.nodes().into_iter().map(|node| node.id).collect())
    }
}

fn leader_of(
    topic: Option<&MetadataResponseTopic>,
    wanted: &TopicPartition,
) -> Result<i32, ClientError> {
    let unknown = || {
        let code = ResponseError::UnknownTopicOrPartition.code();
        ClientError::from(BrokerError::new(code, format!("partition {wanted}")))
    };
    let topic = topic.ok_or_else(unknown)?;
    checked(topic.error_code, None, || format!("topic {}", wanted.topic))?;
    let partitions = topic.partitions.iter();
    let mut partitions = partitions.filter(|it| it.partition_index == wanted.partition);
    let partition = partitions.next().ok_or_else(unknown)?;
    if 0 <= partition.leader_id.0 {
        return Ok(partition.leader_id.0);
    }
    let code = match partition.error_code {
        0 => ResponseError::LeaderNotAvailable.code(),
        code => code,
    };
    Err(BrokerError::new(code, format!("partition {wanted}")).into())
}
