//! Offsets by time, by beginning and by end: ListOffsets to the leaders.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::{BrokerId, ListOffsetsRequest, ListOffsetsResponse, TopicName};
use ringbrook_protocol::{ResponseError, StrBytes};
use tokio::time::{Instant, timeout_at};

use super::offset::OffsetAndTimestamp;
use super::subscription_state::{LeaderAndEpoch, leader_of};
use crate::cluster::{Cluster, Retries, Target};
use crate::config::IsolationLevel;
use crate::error::{BrokerError, ClientError};
use crate::topic_partition::TopicPartition;

/// The timestamp that asks for the end.
pub(super) const LATEST: i64 = -1;
/// The timestamp that asks for the log start offset.
pub(super) const EARLIEST: i64 = -2;
/// The newest version whose meaning is known here.
const VERSION_MAX: i16 = 11;

/// A partition, its leader's epoch as known, and the time looked for.
pub(super) type Question = (TopicPartition, LeaderAndEpoch, i64);
/// An answer; nothing when there is no record of that time.
pub(super) type Answer = Result<Option<OffsetAndTimestamp>, BrokerError>;

/// Asks one broker once.
///
/// # Errors
/// It cannot be asked. Errors of single partitions are in the answers.
pub(super) async fn ask(
    cluster: &Cluster,
    node: i32,
    isolation: IsolationLevel,
    questions: &[Question],
) -> Result<Vec<(TopicPartition, Answer)>, ClientError> {
    let target = Target::Node(node);
    let build = |_| Ok(request_of(cluster, isolation, questions));
    let answered = cluster.call::<ListOffsetsRequest>(target, VERSION_MAX, build);
    let answer = answered
        .await
        .inspect_err(|error| cluster.note_error(target, error))?;
    let mut found = answers_of(answer);
    let answers = questions.iter().map(|(partition, _, _)| {
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
    Ok(answers.collect())
}

fn about(partition: &TopicPartition, code: i16) -> BrokerError {
    BrokerError::new(code, format!("offsets of {partition}"))
}

fn request_of(
    cluster: &Cluster,
    isolation: IsolationLevel,
    questions: &[Question],
) -> ListOffsetsRequest {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    let mut indexes: HashMap<Arc<str>, usize> = HashMap::new();
    for (partition, leader, timestamp) in questions {
        let index = *indexes
            .entry(Arc::clone(&partition.topic))
            .or_insert_with(|| {
                let name = TopicName(StrBytes::from_string(partition.topic.to_string()));
                topics.push(ListOffsetsTopic::default().with_name(name));
                topics.len() - 1
            });
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition.partition)
            .with_current_leader_epoch(leader.epoch.unwrap_or(-1))
            .with_timestamp(*timestamp);
        if let Some(topic) = topics.get_mut(index) {
            topic.partitions.push(asked);
        }
    }
    let timeout_ms = cluster.config().request_timeout.as_millis();
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation.id())
        .with_timeout_ms(i32::try_from(timeout_ms).unwrap_or(i32::MAX))
        .with_topics(topics)
}

fn answers_of(answer: ListOffsetsResponse) -> HashMap<TopicPartition, Answer> {
    let mut found = HashMap::new();
    for topic in answer.topics {
        let name: Arc<str> = topic.name.as_str().into();
        for it in topic.partitions {
            let partition = TopicPartition::new(Arc::clone(&name), it.partition_index);
            let answer = if it.error_code == 0 {
                Ok((0 <= it.offset).then_some(OffsetAndTimestamp {
                    offset: it.offset,
                    timestamp: it.timestamp,
                    leader_epoch: Some(it.leader_epoch).filter(|epoch| 0 <= *epoch),
                }))
            } else {
                Err(about(&partition, it.error_code))
            };
            found.insert(partition, answer);
        }
    }
    found
}

/// Asks the leaders of all partitions until `deadline`, whatever moves meanwhile.
///
/// # Errors
/// A partition's error that is not retriable, or time is up.
pub(super) async fn ask_until(
    cluster: &Cluster,
    isolation: IsolationLevel,
    mut wanted: HashMap<TopicPartition, i64>,
    deadline: Instant,
) -> Result<HashMap<TopicPartition, Option<OffsetAndTimestamp>>, ClientError> {
    let mut found = HashMap::with_capacity(wanted.len());
    let topics: BTreeSet<_> = wanted.keys().map(|it| Arc::clone(&it.topic)).collect();
    let held: Vec<_> = topics.iter().map(|it| cluster.hold_topic(it)).collect();
    let mut retries = Retries::new(cluster, deadline);
    loop {
        let asking = ask_once(cluster, isolation, &mut wanted, &mut found, deadline);
        let outcome = timeout_at(deadline, asking).await;
        if let Some(settled) = retries.settle(outcome) {
            drop(held);
            return settled.map(|()| found);
        }
        retries.pause("looking up offsets").await?;
    }
}

/// Asks all leaders once; what is answered goes from `wanted` to `found`.
async fn ask_once(
    cluster: &Cluster,
    isolation: IsolationLevel,
    wanted: &mut HashMap<TopicPartition, i64>,
    found: &mut HashMap<TopicPartition, Option<OffsetAndTimestamp>>,
    deadline: Instant,
) -> Result<(), ClientError> {
    let mut last = None;
    for (node, questions) in by_leader(cluster, wanted, deadline).await? {
        for (partition, answer) in ask(cluster, node, isolation, &questions).await? {
            match answer {
                Ok(answer) => {
                    wanted.remove(&partition);
                    found.insert(partition, answer);
                }
                Err(error) => {
                    let error = ClientError::from(error);
                    cluster.note_error(Target::Node(node), &error);
                    last = Some(error);
                }
            }
        }
    }
    last.map_or(Ok(()), Err)
}

async fn by_leader(
    cluster: &Cluster,
    wanted: &HashMap<TopicPartition, i64>,
    deadline: Instant,
) -> Result<HashMap<i32, Vec<Question>>, ClientError> {
    let mut by_leader: HashMap<i32, Vec<Question>> = HashMap::new();
    for (partition, timestamp) in wanted {
        let topic = cluster.held_topic(&partition.topic, deadline).await?;
        if topic.partition(partition.partition).is_none() {
            let unknown = ResponseError::UnknownTopicOrPartition.code();
            cluster.request_refresh();
            return Err(about(partition, unknown).into());
        }
        let leader = leader_of(&cluster.metadata(), partition);
        let Some(node) = leader.leader else {
            cluster.request_refresh();
            return Err(about(partition, ResponseError::LeaderNotAvailable.code()).into());
        };
        let question = (partition.clone(), leader, *timestamp);
        by_leader.entry(node).or_default().push(question);
    }
    Ok(by_leader)
}
