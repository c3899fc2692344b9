//! Commands: what a client of the controller submits, and what it gets back.
//!
//! A command carries everything that is chosen (topic ids, assignments, sizes), so that applying it
//! is deterministic: every node that applies the same log reaches the same image. Whether it is
//! allowed is decided when it is applied, against the state at that place of the log; racing
//! commands are so decided by log order. Items of one command are decided one by one, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::error::MetadataError;
use super::image::{ConfigResource, Endpoint, PartitionImage, TopicImage};

/// Producer ids in one block; Kafka's `ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`.
pub const PRODUCER_ID_BLOCK_LEN: i64 = 1000;

/// A change of the cluster's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Creates topics; answered by [`Applied::TopicsCreated`].
    CreateTopics(Vec<NewTopic>),
    /// Deletes topics with their configurations; answered by [`Applied::TopicsDeleted`].
    DeleteTopics(Vec<TopicSelector>),
    /// Adds partitions to topics; answered by [`Applied::PartitionsCreated`].
    CreatePartitions(Vec<NewPartitions>),
    /// Changes leader or ISR of partitions; answered by [`Applied::PartitionsChanged`].
    ChangePartitions(Vec<PartitionChange>),
    /// Changes configurations; answered by [`Applied::ConfigsAltered`].
    AlterConfigs(Vec<ConfigAlteration>),
    /// Gives a broker [`PRODUCER_ID_BLOCK_LEN`] producer ids; answered by
    /// [`Applied::ProducerIdsAllocated`].
    AllocateProducerIds {
        /// The broker that will hand them out.
        broker_id: i32,
    },
    /// Registers a broker that started; answered by [`Applied::BrokerRegistered`].
    RegisterBroker(BrokerRegistration),
    /// Raises the leader epoch of every partition the broker leads, because it may have lost
    /// records at an unclean shutdown; answered by [`Applied::LeadershipsRenewed`].
    RenewLeaderships {
        /// The broker that lost records.
        broker_id: i32,
    },
    /// Sets finalized feature levels, all or none; answered by [`Applied::FeaturesUpdated`].
    /// Which levels are allowed is planned before, by `features.rs`: a later version with other
    /// rules must reach the same image from this log.
    UpdateFeatures(Vec<FeatureLevel>),
}

/// One topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// The name; validated when applied.
    pub name: String,
    /// A fresh id from [`super::topic_name::new_topic_id`].
    pub id: Uuid,
    /// Replicas of each partition, preferred leader first.
    pub assignments: Vec<Vec<i32>>,
    /// Configuration to set with it; keys and values are validated by the submitter.
    pub configs: BTreeMap<String, String>,
}

/// Names a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSelector {
    /// By name.
    Name(String),
    /// By id.
    Id(Uuid),
}

/// Partitions to add to one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// The topic's name.
    pub topic: String,
    /// The topic the submitter looked at; if the name has another id by now, it is unknown.
    pub topic_id: Uuid,
    /// How many partitions the topic had when the submitter looked: index of the first assignment.
    pub first_partition: i32,
    /// Replicas of the partitions from `first_partition` on. The topic shall have
    /// `first_partition + assignments.len()` partitions in the end.
    pub assignments: Vec<Vec<i32>>,
}

/// A change of one partition, made against a known state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionChange {
    /// The topic.
    pub topic_id: Uuid,
    /// Index of the partition.
    pub partition: i32,
    /// The leader epoch the submitter saw.
    pub leader_epoch: i32,
    /// The partition epoch the submitter saw.
    pub partition_epoch: i32,
    /// The new leader, or [`super::image::NO_LEADER`]; `None` keeps it. Setting it, also to the
    /// same broker, raises the leader epoch.
    pub leader: Option<i32>,
    /// The new in-sync replicas; `None` keeps them.
    pub isr: Option<Vec<i32>>,
}

/// A change of one resource's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigAlteration {
    /// What is configured.
    pub resource: ConfigResource,
    /// How.
    pub change: ConfigChange,
}

/// How a configuration changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// These become all that is set (AlterConfigs).
    Replace(BTreeMap<String, String>),
    /// These are carried out in order, the rest stays (IncrementalAlterConfigs).
    Incremental(Vec<ConfigOperation>),
}

/// One step of an incremental change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigOperation {
    /// The configuration's key.
    pub key: String,
    /// What to do with it.
    pub action: ConfigAction,
}

/// What an incremental change does to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigAction {
    /// Sets the value.
    Set(String),
    /// Unsets it.
    Delete,
    /// Adds what is missing to a list.
    Append {
        /// Comma-separated items to add.
        items: String,
        /// The list to start from when the key is not set.
        default: String,
    },
    /// Takes items off a list.
    Subtract {
        /// Comma-separated items to remove.
        items: String,
        /// The list to start from when the key is not set.
        default: String,
    },
}

/// A broker that started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// Its node id.
    pub id: i32,
    /// Random id of its process.
    pub incarnation_id: Uuid,
    /// Where it can be reached.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`, if set.
    pub rack: Option<String>,
}

/// A feature's finalized level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureLevel {
    /// The feature, such as `group.version`.
    pub name: String,
    /// Its level; 0 removes it.
    pub level: i16,
    /// The level the submitter saw; the command is refused if it is another by now. `None` does
    /// not ask.
    pub seen: Option<i16>,
}

/// A range of producer ids that belongs to one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first id.
    pub first: i64,
    /// How many ids follow each other from there.
    pub len: i64,
}

/// The outcome of a command; results of items are in the command's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Each topic as it was created.
    TopicsCreated(Vec<Result<Arc<TopicImage>, MetadataError>>),
    /// Each topic as it last was.
    TopicsDeleted(Vec<Result<Arc<TopicImage>, MetadataError>>),
    /// Each topic as it is now.
    PartitionsCreated(Vec<Result<Arc<TopicImage>, MetadataError>>),
    /// Each partition as it is now.
    PartitionsChanged(Vec<Result<PartitionImage, MetadataError>>),
    /// Whether each resource was changed.
    ConfigsAltered(Vec<Result<(), MetadataError>>),
    /// The block, never given to anybody else.
    ProducerIdsAllocated(Result<ProducerIdBlock, MetadataError>),
    /// The broker's epoch.
    BrokerRegistered(Result<i64, MetadataError>),
    /// How many partitions have a new leader epoch.
    LeadershipsRenewed(Result<usize, MetadataError>),
    /// Whether the features were set.
    FeaturesUpdated(Result<(), MetadataError>),
}
