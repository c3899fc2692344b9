//! The image as a sequence of protobuf messages: what a snapshot holds.
//!
//! Each message is preceded by its length. The first is a `SnapshotRecord`, the rest are
//! `MetadataRecord`s in no particular order, so that neither writing nor reading needs the whole
//! snapshot as one message.

use std::sync::Arc;

use prost::Message;

use super::commands::{EndpointRecord, FeatureRecord, feature_level, resource};
use super::entry::{LogIdRecord, StoredMembershipRecord};
use super::{RecordError, uuid};
use crate::controller::image::{
    BrokerImage, ConfigResource, Configs, MetadataImage, PartitionImage, TopicImage,
};
use crate::controller::raft_types::{LogId, SnapshotMeta, StoredMembership};

/// Begins a snapshot: where in the log it stands, and the single values of the image.
#[derive(Clone, PartialEq, prost::Message)]
struct SnapshotRecord {
    #[prost(message, optional, tag = "1")]
    last_log_id: Option<LogIdRecord>,
    #[prost(message, optional, tag = "2")]
    last_membership: Option<StoredMembershipRecord>,
    #[prost(int64, tag = "3")]
    next_producer_id: i64,
    #[prost(uint64, tag = "4")]
    record_count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MetadataRecord {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Topic(TopicRecord),
    #[prost(message, tag = "2")]
    Config(ConfigRecord),
    #[prost(message, tag = "3")]
    Broker(BrokerRecord),
    #[prost(message, tag = "4")]
    Feature(FeatureRecord),
}

#[derive(Clone, PartialEq, prost::Message)]
struct TopicRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    partitions: Vec<PartitionRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PartitionRecord {
    #[prost(sint32, tag = "1")]
    leader: i32,
    #[prost(int32, tag = "2")]
    leader_epoch: i32,
    #[prost(int32, tag = "3")]
    partition_epoch: i32,
    #[prost(sint32, repeated, tag = "4")]
    replicas: Vec<i32>,
    #[prost(sint32, repeated, tag = "5")]
    isr: Vec<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ConfigRecord {
    #[prost(int32, tag = "1")]
    resource_type: i32,
    #[prost(string, tag = "2")]
    resource_name: String,
    #[prost(btree_map = "string, string", tag = "3")]
    configs: Configs,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BrokerRecord {
    #[prost(int32, tag = "1")]
    id: i32,
    #[prost(int64, tag = "2")]
    epoch: i64,
    #[prost(bytes = "vec", tag = "3")]
    incarnation_id: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    endpoints: Vec<EndpointRecord>,
    #[prost(string, optional, tag = "5")]
    rack: Option<String>,
}

/// The image as bytes, with its place in the log.
pub(in crate::controller) fn encode_image(
    image: &MetadataImage,
    last_log_id: Option<&LogId>,
    last_membership: &StoredMembership,
) -> Vec<u8> {
    let topics = image.topics().map(|topic| Kind::Topic(topic_record(topic)));
    let configs = image
        .configs()
        .map(|(resource, configs)| Kind::Config(config_record(resource, configs)));
    let brokers = image
        .brokers()
        .map(|broker| Kind::Broker(broker_record(broker)));
    let features = image.features().iter().map(|(name, level)| {
        Kind::Feature(FeatureRecord {
            name: name.clone(),
            level: (*level).into(),
        })
    });
    let mut record_count = 0;
    let mut records = Vec::new();
    for kind in topics.chain(configs).chain(brokers).chain(features) {
        record_count += 1;
        MetadataRecord { kind: Some(kind) }
            .encode_length_delimited(&mut records)
            .expect("a Vec takes any length");
    }
    let first = SnapshotRecord {
        last_log_id: last_log_id.map(Into::into),
        last_membership: Some(last_membership.into()),
        next_producer_id: image.next_producer_id(),
        record_count,
    };
    let mut bytes = first.encode_length_delimited_to_vec();
    bytes.append(&mut records);
    bytes
}

/// The image encoded by [`encode_image`], and its place in the log.
pub(in crate::controller) fn decode_image(
    mut bytes: &[u8],
    cluster_id: Arc<str>,
) -> Result<(MetadataImage, Option<LogId>, StoredMembership), RecordError> {
    let first = SnapshotRecord::decode_length_delimited(&mut bytes)?;
    let last_log_id: Option<LogId> = first.last_log_id.map(Into::into);
    let membership = first
        .last_membership
        .ok_or(RecordError::Invalid {
            field: "membership",
        })?
        .try_into()?;
    let mut image = MetadataImage::empty(cluster_id);
    image.next_producer_id = first.next_producer_id;
    image.place_at(last_log_id.as_ref());
    for _ in 0..first.record_count {
        let record = MetadataRecord::decode_length_delimited(&mut bytes)?;
        put(
            &mut image,
            record.kind.ok_or(RecordError::Unknown {
                what: "metadata record",
            })?,
        )?;
    }
    if !bytes.is_empty() {
        return Err(RecordError::Invalid {
            field: "record count",
        });
    }
    Ok((image, last_log_id, membership))
}

/// The id by which Raft knows a snapshot: one per place in the log.
pub(in crate::controller) fn snapshot_meta(
    last_log_id: Option<LogId>,
    last_membership: StoredMembership,
) -> SnapshotMeta {
    let snapshot_id = last_log_id.map_or_else(
        || "empty".to_owned(),
        |log_id| {
            format!(
                "{}-{}-{}",
                log_id.leader_id.term, log_id.leader_id.node_id, log_id.index
            )
        },
    );
    SnapshotMeta {
        last_log_id,
        last_membership,
        snapshot_id,
    }
}

fn put(image: &mut MetadataImage, kind: Kind) -> Result<(), RecordError> {
    match kind {
        Kind::Topic(record) => {
            let topic = topic_image(record)?;
            if image.topic(&topic.name).is_some() || image.topic_by_id(topic.id).is_some() {
                return Err(RecordError::Invalid { field: "topic" });
            }
            image.put_topic(topic);
        }
        Kind::Config(record) => {
            let resource = resource(record.resource_type, record.resource_name)?;
            image.put_configs(resource, record.configs);
        }
        Kind::Broker(record) => {
            let broker = broker_image(record)?;
            Arc::make_mut(&mut image.brokers).insert(broker.id, Arc::new(broker));
        }
        Kind::Feature(record) => {
            let level = feature_level(record.level)?;
            Arc::make_mut(&mut image.features).insert(record.name, level);
        }
    }
    Ok(())
}

fn topic_record(topic: &TopicImage) -> TopicRecord {
    let partition_record = |partition: &PartitionImage| PartitionRecord {
        leader: partition.leader,
        leader_epoch: partition.leader_epoch,
        partition_epoch: partition.partition_epoch,
        replicas: partition.replicas.clone(),
        isr: partition.isr.clone(),
    };
    TopicRecord {
        name: topic.name.to_string(),
        id: topic.id.as_bytes().to_vec(),
        partitions: topic.partitions.iter().map(partition_record).collect(),
    }
}

fn topic_image(record: TopicRecord) -> Result<TopicImage, RecordError> {
    let partition_image = |record: PartitionRecord| PartitionImage {
        leader: record.leader,
        leader_epoch: record.leader_epoch,
        partition_epoch: record.partition_epoch,
        replicas: record.replicas,
        isr: record.isr,
    };
    Ok(TopicImage {
        name: Arc::from(record.name),
        id: uuid(&record.id)?,
        partitions: record.partitions.into_iter().map(partition_image).collect(),
    })
}

fn config_record(resource: &ConfigResource, configs: &Configs) -> ConfigRecord {
    ConfigRecord {
        resource_type: resource.resource_type.code().into(),
        resource_name: resource.name.clone(),
        configs: configs.clone(),
    }
}

fn broker_record(broker: &BrokerImage) -> BrokerRecord {
    BrokerRecord {
        id: broker.id,
        epoch: broker.epoch,
        incarnation_id: broker.incarnation_id.as_bytes().to_vec(),
        endpoints: broker.endpoints.iter().map(Into::into).collect(),
        rack: broker.rack.clone(),
    }
}

fn broker_image(record: BrokerRecord) -> Result<BrokerImage, RecordError> {
    Ok(BrokerImage {
        id: record.id,
        epoch: record.epoch,
        incarnation_id: uuid(&record.incarnation_id)?,
        endpoints: record
            .endpoints
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_, RecordError>>()?,
        rack: record.rack,
    })
}
