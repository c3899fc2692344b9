//! Metadata (3): brokers, topics, partitions and who leads them.
//!
//! Versions 0-13. Topics may be asked for by name, from version 10 on by id; no list means all (in
//! version 0 the empty list does). A missing topic is created when the client and
//! `auto.create.topics.enable` allow it, and the answer waits for it: the client needs no second
//! request. Kafka: `KafkaApis.handleTopicMetadataRequest`.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringbrook_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ringbrook_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use super::error::KafkaError;
use super::offline_partitions::OfflinePartitions;
use crate::controller::MetadataImage;
use crate::controller::image::{PartitionImage, TopicImage};
use crate::controller::topic_name::is_internal;
use crate::server::Broker;

/// Before this version an empty list of topics means all.
const NULL_MEANS_ALL_VERSION: i16 = 1;
/// Before this version clients cannot forbid the creation of topics.
const AUTO_CREATION_FLAG_VERSION: i16 = 4;
/// Authorized operations were not asked for.
const NO_AUTHORIZED_OPERATIONS: i32 = i32::MIN;
/// Without an authorizer everything is allowed: the bits of the ACL operations of a topic
/// (read 3, write 4, create 5, delete 6, alter 7, describe 8, describe configs 10,
/// alter configs 11).
pub(super) const ALL_TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// Likewise for the cluster (create 5, alter 7, describe 8, cluster action 9, describe configs 10,
/// alter configs 11, idempotent write 12).
pub(super) const ALL_CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// Answers from the metadata whose partitions are being served.
pub(crate) async fn handle(ctx: RequestContext, request: MetadataRequest) -> MetadataResponse {
    let broker = ctx.broker();
    let is_all = match &request.topics {
        None => true,
        Some(topics) => topics.is_empty() && ctx.api_version < NULL_MEANS_ALL_VERSION,
    };
    let mut topics = Vec::new();
    if is_all {
        let image = broker.image();
        topics.extend(image.topics().map(|topic| found(broker, topic, &request)));
    } else {
        let may_create = broker.config().topics.auto_create_enable
            && (request.allow_auto_topic_creation || ctx.api_version < AUTO_CREATION_FLAG_VERSION);
        let mut seen = BTreeSet::new();
        for wanted in request.topics.iter().flatten() {
            if !seen.insert((wanted.name.clone(), wanted.topic_id)) {
                continue;
            }
            // With an id the name does not count: the Java client sends an empty one.
            let name = wanted.name.as_ref().filter(|_| wanted.topic_id.is_nil());
            topics.push(match name {
                Some(name) => by_name(&ctx, &request, name, may_create).await,
                None => match broker.image().topic_by_id(wanted.topic_id) {
                    Some(topic) => found(broker, topic, &request),
                    None => {
                        missing(None, ResponseError::UnknownTopicId).with_topic_id(wanted.topic_id)
                    }
                },
            });
        }
    }
    let image = broker.image();
    let mut response = MetadataResponse::default()
        .with_brokers(brokers(&ctx, &image))
        .with_cluster_id(Some(StrBytes::from_string(image.cluster_id().to_owned())))
        .with_controller_id(BrokerId(image.controller_id()))
        .with_topics(topics)
        .with_cluster_authorized_operations(NO_AUTHORIZED_OPERATIONS);
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = ALL_CLUSTER_OPERATIONS;
    }
    response
}

async fn by_name(
    ctx: &RequestContext,
    request: &MetadataRequest,
    name: &TopicName,
    may_create: bool,
) -> MetadataResponseTopic {
    if let Some(topic) = ctx.broker().image().topic(name) {
        return found(ctx.broker(), topic, request);
    }
    if !may_create {
        let error = match crate::controller::topic_name::validate(name) {
            Ok(()) => ResponseError::UnknownTopicOrPartition,
            Err(error) => error.kafka_error(),
        };
        return missing(Some(name.clone()), error);
    }
    match ctx.broker().create_topic_on_first_use(name).await {
        Ok(topic) => found(ctx.broker(), &topic, request),
        Err(error) => missing(Some(name.clone()), error.kafka_error()),
    }
}

fn brokers(ctx: &RequestContext, image: &MetadataImage) -> Vec<MetadataResponseBroker> {
    let listener = ctx.listener_name();
    let endpoints = image.brokers().filter_map(|broker| {
        let endpoint = broker.endpoint(listener)?;
        Some(
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(broker.id))
                .with_host(StrBytes::from_string(endpoint.host.clone()))
                .with_port(i32::from(endpoint.port))
                .with_rack(broker.rack.clone().map(StrBytes::from_string)),
        )
    });
    endpoints.collect()
}

fn found(
    broker: &Broker,
    topic: &Arc<TopicImage>,
    request: &MetadataRequest,
) -> MetadataResponseTopic {
    let offline = OfflinePartitions::of(broker, topic);
    let partitions = topic
        .partitions
        .iter()
        .zip(0..)
        .map(|(it, index)| partition(it, index, &offline));
    let mut answer = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(
            topic.name.to_string(),
        ))))
        .with_topic_id(topic.id)
        .with_is_internal(is_internal(&topic.name))
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(NO_AUTHORIZED_OPERATIONS);
    if request.include_topic_authorized_operations {
        answer.topic_authorized_operations = ALL_TOPIC_OPERATIONS;
    }
    answer
}

fn missing(name: Option<TopicName>, error: ResponseError) -> MetadataResponseTopic {
    let is_internal = name.as_ref().is_some_and(|name| is_internal(name));
    MetadataResponseTopic::default()
        .with_name(name)
        .with_error_code(error.code())
        .with_is_internal(is_internal)
        .with_topic_authorized_operations(NO_AUTHORIZED_OPERATIONS)
}

fn partition(
    partition: &PartitionImage,
    index: i32,
    offline: &OfflinePartitions,
) -> MetadataResponsePartition {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let shown = offline.shown(partition, index);
    MetadataResponsePartition::default()
        .with_error_code(shown.error_code)
        .with_partition_index(index)
        .with_leader_id(BrokerId(shown.leader))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(ids(&partition.replicas))
        .with_isr_nodes(ids(&partition.isr))
        .with_offline_replicas(ids(&shown.offline_replicas))
}
