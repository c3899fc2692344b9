//! Fetch on the wire: one request of a session, and the answer's partitions by name.

use std::sync::Arc;

use hashbrown::HashMap;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use ringbrook_protocol::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};
use uuid::Uuid;

use super::fetch_session::{SessionRequest, Wanted};
use crate::cluster::Cluster;
use crate::config::ConsumerConfig;
use crate::error::ClientError;
use crate::net::{Connection, api_of};
use crate::topic_partition::TopicPartition;

/// The first version with fetch sessions: Kafka 1.1.
const VERSION_MIN: i16 = 7;
/// The last version that names topics.
const VERSION_MAX_WITH_NAMES: i16 = 12;
/// The newest version whose meaning is known here.
const VERSION_MAX: i16 = 17;

/// Sends a request of a session to its broker and awaits the answer, its time included that the
/// broker may wait for data.
///
/// # Errors
/// The broker cannot be reached or does not answer.
pub(super) async fn ask(
    cluster: &Cluster,
    node: i32,
    config: &ConsumerConfig,
    request: &SessionRequest,
) -> Result<FetchResponse, ClientError> {
    let connection = cluster.connection(node).await?;
    let (version, message) = message_of(&connection, config, request)?;
    let timeout = config.client.request_timeout + config.fetch_max_wait;
    connection.send_within(version, &message, timeout)?.await
}

/// Sends the last request of a session, whose answer says nothing.
///
/// # Errors
/// The connection has ended, and the session with it.
pub(super) fn end(
    connection: &Connection,
    config: &ConsumerConfig,
    request: &SessionRequest,
) -> Result<(), ClientError> {
    let (version, message) = message_of(connection, config, request)?;
    connection.send(version, &message).map(drop)
}

fn message_of(
    connection: &Connection,
    config: &ConsumerConfig,
    request: &SessionRequest,
) -> Result<(i16, FetchRequest), ClientError> {
    let version_max = if request.has_topic_ids {
        VERSION_MAX
    } else {
        VERSION_MAX_WITH_NAMES
    };
    let version = connection.version_up_to::<FetchRequest>(version_max)?;
    if version < VERSION_MIN {
        return Err(ClientError::UnsupportedVersion {
            address: connection.address().to_string(),
            api: api_of::<FetchRequest>(),
            served: Some((0, version)),
        });
    }
    let max_wait_ms = i32::try_from(config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX);
    let mut message = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(config.fetch_min_bytes)
        .with_max_bytes(config.fetch_max_bytes)
        .with_isolation_level(config.isolation_level.id())
        .with_session_id(request.session_id)
        .with_session_epoch(request.session_epoch)
        .with_topics(topics_of(&request.to_send, version))
        .with_forgotten_topics_data(forgotten_of(&request.to_forget, version));
    // The rack came with version 11 (KIP-392).
    if 11 <= version {
        message.rack_id = StrBytes::from_string(config.client.client_rack.clone());
    }
    Ok((version, message))
}

fn is_by_id(version: i16) -> bool {
    VERSION_MAX_WITH_NAMES < version
}

fn name_of(partition: &TopicPartition) -> TopicName {
    TopicName(StrBytes::from_string(partition.topic.to_string()))
}

fn topics_of(to_send: &[(TopicPartition, Wanted)], version: i16) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut indexes: HashMap<&str, usize> = HashMap::new();
    for (partition, wanted) in to_send {
        let index = *indexes.entry(&partition.topic).or_insert_with(|| {
            topics.push(if is_by_id(version) {
                FetchTopic::default().with_topic_id(wanted.topic_id)
            } else {
                FetchTopic::default().with_topic(name_of(partition))
            });
            topics.len() - 1
        });
        let mut asked = FetchPartition::default()
            .with_partition(partition.partition)
            .with_fetch_offset(wanted.fetch_offset)
            .with_partition_max_bytes(wanted.partition_max_bytes);
        // The leader's epoch came with version 9 (KIP-320).
        if 9 <= version {
            asked.current_leader_epoch = wanted.current_leader_epoch;
        }
        if let Some(topic) = topics.get_mut(index) {
            topic.partitions.push(asked);
        }
    }
    topics
}

fn forgotten_of(to_forget: &[(TopicPartition, Uuid)], version: i16) -> Vec<ForgottenTopic> {
    let mut topics: Vec<ForgottenTopic> = Vec::new();
    let mut indexes: HashMap<(&str, Uuid), usize> = HashMap::new();
    for (partition, topic_id) in to_forget {
        let index = *indexes
            .entry((&partition.topic, *topic_id))
            .or_insert_with(|| {
                topics.push(if is_by_id(version) {
                    ForgottenTopic::default().with_topic_id(*topic_id)
                } else {
                    ForgottenTopic::default().with_topic(name_of(partition))
                });
                topics.len() - 1
            });
        if let Some(topic) = topics.get_mut(index) {
            topic.partitions.push(partition.partition);
        }
    }
    topics
}

/// The name of an answer's topic: as it says, or by the id it says.
pub(super) fn topic_name<'a>(
    name: &str,
    id: Uuid,
    name_of_id: impl Fn(Uuid) -> Option<&'a Arc<str>>,
) -> Option<Arc<str>> {
    if name.is_empty() {
        return name_of_id(id).cloned();
    }
    Some(name.into())
}
