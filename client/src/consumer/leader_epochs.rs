//! Whether a log still holds what was read before a position: OffsetForLeaderEpoch to the leaders
//! (KIP-320).

use std::sync::Arc;

use hashbrown::HashMap;
use ringbrook_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ringbrook_protocol::messages::{BrokerId, OffsetForLeaderEpochRequest, TopicName};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::subscription_state::FetchPosition;
use crate::cluster::{Cluster, Target};
use crate::error::{BrokerError, ClientError};
use crate::topic_partition::TopicPartition;

/// The newest version whose meaning is known here.
const VERSION_MAX: i16 = 4;
/// The first version that consumers may ask with: before it only replicas could.
const VERSION_MIN: i16 = 3;

/// A partition and the position that is to be confirmed.
pub(super) type Question = (TopicPartition, FetchPosition);
/// The end of the position's epoch in the leader's log; nothing when it has no such epoch.
pub(super) type Answer = Result<Option<i64>, BrokerError>;

/// Asks one broker once; nothing when it cannot be asked by consumers.
///
/// # Errors
/// It does not answer. Errors of single partitions are in the answers.
pub(super) async fn ask(
    cluster: &Cluster,
    node: i32,
    questions: &[Question],
) -> Result<Option<Vec<(TopicPartition, Answer)>>, ClientError> {
    let connection = cluster.connection(node).await?;
    let version = connection.version_up_to::<OffsetForLeaderEpochRequest>(VERSION_MAX);
    let Some(version) = version.ok().filter(|version| VERSION_MIN <= *version) else {
        return Ok(None);
    };
    let answered = connection.call(version, &request_of(questions)).await;
    let target = Target::Node(node);
    let answer = answered.inspect_err(|error| cluster.note_error(target, error))?;
    let mut found: HashMap<TopicPartition, Answer> = HashMap::new();
    for topic in answer.topics {
        let name: Arc<str> = topic.topic.as_str().into();
        for it in topic.partitions {
            let partition = TopicPartition::new(Arc::clone(&name), it.partition);
            let answer = match it.error_code {
                0 => Ok(Some(it.end_offset).filter(|end| 0 <= *end && 0 <= it.leader_epoch)),
                code => Err(about(&partition, code)),
            };
            found.insert(partition, answer);
        }
    }
    let answers = questions.iter().map(|(partition, _)| {
        let missing = || {
            Err(about(
                partition,
                ResponseError::UnknownTopicOrPartition.code(),
            ))
        };
        (
            partition.clone(),
            found.remove(partition).unwrap_or_else(missing),
        )
    });
    Ok(Some(answers.collect()))
}

fn about(partition: &TopicPartition, code: i16) -> BrokerError {
    BrokerError::new(code, format!("leader epochs of {partition}"))
}

fn request_of(questions: &[Question]) -> OffsetForLeaderEpochRequest {
    let mut topics: Vec<OffsetForLeaderTopic> = Vec::new();
    let mut indexes: HashMap<Arc<str>, usize> = HashMap::new();
    for (partition, position) in questions {
        let index = *indexes
            .entry(Arc::clone(&partition.topic))
            .or_insert_with(|| {
                let name = TopicName(StrBytes::from_string(partition.topic.to_string()));
                topics.push(OffsetForLeaderTopic::default().with_topic(name));
                topics.len() - 1
            });
        let asked = OffsetForLeaderPartition::default()
            .with_partition(partition.partition)
            .with_current_leader_epoch(position.current_leader.epoch.unwrap_or(-1))
            .with_leader_epoch(position.offset_epoch.unwrap_or(-1));
        if let Some(topic) = topics.get_mut(index) {
            topic.partitions.push(asked);
        }
    }
    OffsetForLeaderEpochRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(topics)
}
