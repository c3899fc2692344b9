//! Commands as protobuf messages.

use std::collections::BTreeMap;

use super::{RecordError, uuid};
use crate::controller::command::{
    BrokerRegistration, Command, ConfigAction, ConfigAlteration, ConfigChange, ConfigOperation,
    FeatureLevel, NewPartitions, NewTopic, PartitionChange, TopicSelector,
};
use crate::controller::image::{ConfigResource, Endpoint, ResourceType};

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::controller) struct CommandRecord {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub(super) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Kind {
    #[prost(message, tag = "1")]
    CreateTopics(CreateTopics),
    #[prost(message, tag = "2")]
    DeleteTopics(DeleteTopics),
    #[prost(message, tag = "3")]
    CreatePartitions(CreatePartitions),
    #[prost(message, tag = "4")]
    ChangePartitions(ChangePartitions),
    #[prost(message, tag = "5")]
    AlterConfigs(AlterConfigs),
    #[prost(message, tag = "6")]
    AllocateProducerIds(BrokerId),
    #[prost(message, tag = "7")]
    RegisterBroker(RegisterBroker),
    #[prost(message, tag = "8")]
    UpdateFeatures(UpdateFeatures),
    #[prost(message, tag = "9")]
    RenewLeaderships(BrokerId),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CreateTopics {
    #[prost(message, repeated, tag = "1")]
    topics: Vec<NewTopicRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct NewTopicRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    assignments: Vec<Replicas>,
    #[prost(btree_map = "string, string", tag = "4")]
    configs: BTreeMap<String, String>,
}

/// Broker ids, the preferred leader first.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Replicas {
    #[prost(sint32, repeated, tag = "1")]
    ids: Vec<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DeleteTopics {
    #[prost(message, repeated, tag = "1")]
    selectors: Vec<SelectorRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SelectorRecord {
    #[prost(oneof = "Selector", tags = "1, 2")]
    selector: Option<Selector>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Selector {
    #[prost(string, tag = "1")]
    Name(String),
    #[prost(bytes = "vec", tag = "2")]
    Id(Vec<u8>),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CreatePartitions {
    #[prost(message, repeated, tag = "1")]
    additions: Vec<NewPartitionsRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct NewPartitionsRecord {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(bytes = "vec", tag = "2")]
    topic_id: Vec<u8>,
    #[prost(int32, tag = "3")]
    first_partition: i32,
    #[prost(message, repeated, tag = "4")]
    assignments: Vec<Replicas>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ChangePartitions {
    #[prost(message, repeated, tag = "1")]
    changes: Vec<PartitionChangeRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PartitionChangeRecord {
    #[prost(bytes = "vec", tag = "1")]
    topic_id: Vec<u8>,
    #[prost(int32, tag = "2")]
    partition: i32,
    #[prost(int32, tag = "3")]
    leader_epoch: i32,
    #[prost(int32, tag = "4")]
    partition_epoch: i32,
    #[prost(sint32, optional, tag = "5")]
    leader: Option<i32>,
    #[prost(message, optional, tag = "6")]
    isr: Option<Replicas>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AlterConfigs {
    #[prost(message, repeated, tag = "1")]
    alterations: Vec<ConfigAlterationRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConfigAlterationRecord {
    #[prost(int32, tag = "1")]
    resource_type: i32,
    #[prost(string, tag = "2")]
    resource_name: String,
    #[prost(oneof = "ConfigChangeKind", tags = "3, 4")]
    change: Option<ConfigChangeKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum ConfigChangeKind {
    #[prost(message, tag = "3")]
    Replace(ConfigMap),
    #[prost(message, tag = "4")]
    Incremental(ConfigOperations),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConfigMap {
    #[prost(btree_map = "string, string", tag = "1")]
    configs: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConfigOperations {
    #[prost(message, repeated, tag = "1")]
    operations: Vec<ConfigOperationRecord>,
}

/// Numbers of `action` are those of IncrementalAlterConfigs: 0 set, 1 delete, 2 append, 3 subtract.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConfigOperationRecord {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(int32, tag = "2")]
    action: i32,
    #[prost(string, tag = "3")]
    value: String,
    #[prost(string, tag = "4")]
    default: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BrokerId {
    #[prost(int32, tag = "1")]
    id: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RegisterBroker {
    #[prost(int32, tag = "1")]
    id: i32,
    #[prost(bytes = "vec", tag = "2")]
    incarnation_id: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    endpoints: Vec<EndpointRecord>,
    #[prost(string, optional, tag = "4")]
    rack: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::controller) struct EndpointRecord {
    #[prost(string, tag = "1")]
    listener: String,
    #[prost(string, tag = "2")]
    host: String,
    #[prost(uint32, tag = "3")]
    port: u32,
    #[prost(int32, tag = "4")]
    security_protocol: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct UpdateFeatures {
    #[prost(message, repeated, tag = "1")]
    levels: Vec<FeatureUpdateRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FeatureUpdateRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    level: i32,
    #[prost(int32, optional, tag = "3")]
    seen: Option<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::controller) struct FeatureRecord {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    pub(super) level: i32,
}

fn collect<T, R, E>(records: Vec<R>, convert: impl Fn(R) -> Result<T, E>) -> Result<Vec<T>, E> {
    records.into_iter().map(convert).collect()
}

fn replicas(ids: &[Vec<i32>]) -> Vec<Replicas> {
    ids.iter()
        .map(|ids| Replicas { ids: ids.clone() })
        .collect()
}

impl From<&Command> for CommandRecord {
    fn from(command: &Command) -> Self {
        let kind = match command {
            Command::CreateTopics(topics) => Kind::CreateTopics(CreateTopics {
                topics: topics.iter().map(Into::into).collect(),
            }),
            Command::DeleteTopics(selectors) => Kind::DeleteTopics(DeleteTopics {
                selectors: selectors.iter().map(Into::into).collect(),
            }),
            Command::CreatePartitions(additions) => Kind::CreatePartitions(CreatePartitions {
                additions: additions.iter().map(Into::into).collect(),
            }),
            Command::ChangePartitions(changes) => Kind::ChangePartitions(ChangePartitions {
                changes: changes.iter().map(Into::into).collect(),
            }),
            Command::AlterConfigs(alterations) => Kind::AlterConfigs(AlterConfigs {
                alterations: alterations.iter().map(Into::into).collect(),
            }),
            Command::AllocateProducerIds { broker_id } => {
                Kind::AllocateProducerIds(BrokerId { id: *broker_id })
            }
            Command::RegisterBroker(registration) => Kind::RegisterBroker(registration.into()),
            Command::RenewLeaderships { broker_id } => {
                Kind::RenewLeaderships(BrokerId { id: *broker_id })
            }
            Command::UpdateFeatures(levels) => Kind::UpdateFeatures(UpdateFeatures {
                levels: levels
                    .iter()
                    .map(|feature| FeatureUpdateRecord {
                        name: feature.name.clone(),
                        level: feature.level.into(),
                        seen: feature.seen.map(Into::into),
                    })
                    .collect(),
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<CommandRecord> for Command {
    type Error = RecordError;

    fn try_from(record: CommandRecord) -> Result<Self, RecordError> {
        Ok(
            match record
                .kind
                .ok_or(RecordError::Unknown { what: "command" })?
            {
                Kind::CreateTopics(record) => {
                    Self::CreateTopics(collect(record.topics, TryInto::try_into)?)
                }
                Kind::DeleteTopics(record) => {
                    Self::DeleteTopics(collect(record.selectors, TryInto::try_into)?)
                }
                Kind::CreatePartitions(record) => {
                    Self::CreatePartitions(collect(record.additions, TryInto::try_into)?)
                }
                Kind::ChangePartitions(record) => {
                    Self::ChangePartitions(collect(record.changes, TryInto::try_into)?)
                }
                Kind::AlterConfigs(record) => {
                    Self::AlterConfigs(collect(record.alterations, TryInto::try_into)?)
                }
                Kind::AllocateProducerIds(record) => Self::AllocateProducerIds {
                    broker_id: record.id,
                },
                Kind::RegisterBroker(record) => Self::RegisterBroker(record.try_into()?),
                Kind::RenewLeaderships(record) => Self::RenewLeaderships {
                    broker_id: record.id,
                },
                Kind::UpdateFeatures(record) => {
                    Self::UpdateFeatures(collect(record.levels, TryInto::try_into)?)
                }
            },
        )
    }
}

/// A feature's level out of a stored number.
pub(super) fn feature_level(level: i32) -> Result<i16, RecordError> {
    i16::try_from(level).map_err(|_| RecordError::Invalid {
        field: "feature level",
    })
}

impl TryFrom<FeatureUpdateRecord> for FeatureLevel {
    type Error = RecordError;

    fn try_from(record: FeatureUpdateRecord) -> Result<Self, RecordError> {
        Ok(Self {
            name: record.name,
            level: feature_level(record.level)?,
            seen: record.seen.map(feature_level).transpose()?,
        })
    }
}

impl From<&NewTopic> for NewTopicRecord {
    fn from(topic: &NewTopic) -> Self {
        Self {
            name: topic.name.clone(),
            id: topic.id.as_bytes().to_vec(),
            assignments: replicas(&topic.assignments),
            configs: topic.configs.clone(),
        }
    }
}

impl TryFrom<NewTopicRecord> for NewTopic {
    type Error = RecordError;

    fn try_from(record: NewTopicRecord) -> Result<Self, RecordError> {
        Ok(Self {
            name: record.name,
            id: uuid(&record.id)?,
            assignments: record
                .assignments
                .into_iter()
                .map(|replicas| replicas.ids)
                .collect(),
            configs: record.configs,
        })
    }
}

impl From<&TopicSelector> for SelectorRecord {
    fn from(selector: &TopicSelector) -> Self {
        let selector = match selector {
            TopicSelector::Name(name) => Selector::Name(name.clone()),
            TopicSelector::Id(id) => Selector::Id(id.as_bytes().to_vec()),
        };
        Self {
            selector: Some(selector),
        }
    }
}

impl TryFrom<SelectorRecord> for TopicSelector {
    type Error = RecordError;

    fn try_from(record: SelectorRecord) -> Result<Self, RecordError> {
        match record.selector.ok_or(RecordError::Unknown {
            what: "topic selector",
        })? {
            Selector::Name(name) => Ok(Self::Name(name)),
            Selector::Id(id) => Ok(Self::Id(uuid(&id)?)),
        }
    }
}

impl From<&NewPartitions> for NewPartitionsRecord {
    fn from(addition: &NewPartitions) -> Self {
        Self {
            topic: addition.topic.clone(),
            topic_id: addition.topic_id.as_bytes().to_vec(),
            first_partition: addition.first_partition,
            assignments: replicas(&addition.assignments),
        }
    }
}

impl TryFrom<NewPartitionsRecord> for NewPartitions {
    type Error = RecordError;

    fn try_from(record: NewPartitionsRecord) -> Result<Self, RecordError> {
        Ok(Self {
            topic: record.topic,
            topic_id: uuid(&record.topic_id)?,
            first_partition: record.first_partition,
            assignments: record
                .assignments
                .into_iter()
                .map(|replicas| replicas.ids)
                .collect(),
        })
    }
}

impl From<&PartitionChange> for PartitionChangeRecord {
    fn from(change: &PartitionChange) -> Self {
        Self {
            topic_id: change.topic_id.as_bytes().to_vec(),
            partition: change.partition,
            leader_epoch: change.leader_epoch,
            partition_epoch: change.partition_epoch,
            leader: change.leader,
            isr: change.isr.clone().map(|ids| Replicas { ids }),
        }
    }
}

impl TryFrom<PartitionChangeRecord> for PartitionChange {
    type Error = RecordError;

    fn try_from(record: PartitionChangeRecord) -> Result<Self, RecordError> {
        Ok(Self {
            topic_id: uuid(&record.topic_id)?,
            partition: record.partition,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            leader: record.leader,
            isr: record.isr.map(|replicas| replicas.ids),
        })
    }
}

pub(super) fn resource(type_code: i32, name: String) -> Result<ConfigResource, RecordError> {
    let resource_type = i8::try_from(type_code)
        .ok()
        .and_then(ResourceType::from_code)
        .ok_or(RecordError::Unknown {
            what: "configuration resource type",
        })?;
    Ok(ConfigResource {
        resource_type,
        name,
    })
}

impl From<&ConfigAlteration> for ConfigAlterationRecord {
    fn from(alteration: &ConfigAlteration) -> Self {
        let change = match &alteration.change {
            ConfigChange::Replace(configs) => ConfigChangeKind::Replace(ConfigMap {
                configs: configs.clone(),
            }),
            ConfigChange::Incremental(operations) => {
                ConfigChangeKind::Incremental(ConfigOperations {
                    operations: operations.iter().map(Into::into).collect(),
                })
            }
        };
        Self {
            resource_type: alteration.resource.resource_type.code().into(),
            resource_name: alteration.resource.name.clone(),
            change: Some(change),
        }
    }
}

impl TryFrom<ConfigAlterationRecord> for ConfigAlteration {
    type Error = RecordError;

    fn try_from(record: ConfigAlterationRecord) -> Result<Self, RecordError> {
        let change = record.change.ok_or(RecordError::Unknown {
            what: "configuration change",
        })?;
        Ok(Self {
            resource: resource(record.resource_type, record.resource_name)?,
            change: match change {
                ConfigChangeKind::Replace(map) => ConfigChange::Replace(map.configs),
                ConfigChangeKind::Incremental(record) => {
                    ConfigChange::Incremental(collect(record.operations, TryInto::try_into)?)
                }
            },
        })
    }
}

impl From<&ConfigOperation> for ConfigOperationRecord {
    fn from(operation: &ConfigOperation) -> Self {
        let (action, value, default) = match &operation.action {
            ConfigAction::Set(value) => (0, value.clone(), String::new()),
            ConfigAction::Delete => (1, String::new(), String::new()),
            ConfigAction::Append { items, default } => (2, items.clone(), default.clone()),
            ConfigAction::Subtract { items, default } => (3, items.clone(), default.clone()),
        };
        Self {
            key: operation.key.clone(),
            action,
            value,
            default,
        }
    }
}

impl TryFrom<ConfigOperationRecord> for ConfigOperation {
    type Error = RecordError;

    fn try_from(record: ConfigOperationRecord) -> Result<Self, RecordError> {
        let ConfigOperationRecord {
            key,
            action,
            value,
            default,
        } = record;
        let action = match action {
            0 => ConfigAction::Set(value),
            1 => ConfigAction::Delete,
            2 => ConfigAction::Append {
                items: value,
                default,
            },
            3 => ConfigAction::Subtract {
                items: value,
                default,
            },
            _ => {
                return Err(RecordError::Unknown {
                    what: "configuration action",
                });
            }
        };
        Ok(Self { key, action })
    }
}

impl From<&BrokerRegistration> for RegisterBroker {
    fn from(registration: &BrokerRegistration) -> Self {
        Self {
            id: registration.id,
            incarnation_id: registration.incarnation_id.as_bytes().to_vec(),
            endpoints: registration.endpoints.iter().map(Into::into).collect(),
            rack: registration.rack.clone(),
        }
    }
}

impl TryFrom<RegisterBroker> for BrokerRegistration {
    type Error = RecordError;

    fn try_from(record: RegisterBroker) -> Result<Self, RecordError> {
        Ok(Self {
            id: record.id,
            incarnation_id: uuid(&record.incarnation_id)?,
            endpoints: collect(record.endpoints, TryInto::try_into)?,
            rack: record.rack,
        })
    }
}

impl From<&Endpoint> for EndpointRecord {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            listener: endpoint.listener.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
            security_protocol: endpoint.security_protocol.into(),
        }
    }
}

impl TryFrom<EndpointRecord> for Endpoint {
    type Error = RecordError;

    fn try_from(record: EndpointRecord) -> Result<Self, RecordError> {
        Ok(Self {
            listener: record.listener,
            host: record.host,
            port: u16::try_from(record.port).map_err(|_| RecordError::Invalid { field: "port" })?,
            security_protocol: i16::try_from(record.security_protocol).map_err(|_| {
                RecordError::Invalid {
                    field: "security protocol",
                }
            })?,
        })
    }
}
