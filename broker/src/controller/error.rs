//! What can go wrong: with one item of a command ([`MetadataError`], the state machine's verdict,
//! decided in log order) and with the controller itself ([`ControllerError`]).
//!
//! `api/error.rs` maps both to Kafka's error codes; the texts of `MetadataError` are Kafka's.

use std::path::PathBuf;

use uuid::Uuid;

use super::storage::StorageError;

/// Why the state machine refused one item of a command. Nothing of the item was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// `TOPIC_ALREADY_EXISTS`.
    #[error("Topic '{0}' already exists.")]
    TopicExists(String),
    /// `UNKNOWN_TOPIC_OR_PARTITION`, asked by name.
    #[error("The topic '{0}' does not exist.")]
    UnknownTopic(String),
    /// `UNKNOWN_TOPIC_ID`.
    #[error("This server does not host a topic with id {0}.")]
    UnknownTopicId(Uuid),
    /// `UNKNOWN_TOPIC_OR_PARTITION`: the topic exists, the partition does not.
    #[error("No such partition as {topic}-{partition}")]
    UnknownPartition {
        /// The topic's name.
        topic: String,
        /// The index asked for.
        partition: i32,
    },
    /// `INVALID_TOPIC_EXCEPTION`: the name itself.
    #[error("{0}")]
    InvalidTopicName(String),
    /// `INVALID_TOPIC_EXCEPTION`: the name collides in metric names.
    #[error("Topic '{name}' collides with existing topic: {existing}")]
    TopicCollision {
        /// The name asked for.
        name: String,
        /// The topic it collides with.
        existing: String,
    },
    /// `INVALID_PARTITIONS`.
    #[error("{0}")]
    InvalidPartitions(String),
    /// `INVALID_REPLICATION_FACTOR`.
    #[error("{0}")]
    InvalidReplicationFactor(String),
    /// `INVALID_REPLICA_ASSIGNMENT`.
    #[error("{0}")]
    InvalidReplicaAssignment(String),
    /// `INVALID_REQUEST`.
    #[error("{0}")]
    InvalidRequest(String),
    /// `POLICY_VIOLATION`: more partitions in one request than Kafka takes.
    #[error("Excessively large number of partitions per request.")]
    TooManyPartitions,
    /// `BROKER_ID_NOT_REGISTERED`.
    #[error("No node with id {0} found.")]
    BrokerNotRegistered(i32),
    /// `FENCED_LEADER_EPOCH`: the change was made for another leader epoch.
    #[error("The leader epoch is {current}, not {given}.")]
    FencedLeaderEpoch {
        /// The partition's leader epoch.
        current: i32,
        /// The one in the command.
        given: i32,
    },
    /// `INVALID_UPDATE_VERSION`: the partition changed since the submitter looked.
    #[error("The partition epoch is {current}, not {given}.")]
    InvalidUpdateVersion {
        /// The partition's epoch.
        current: i32,
        /// The one in the command.
        given: i32,
    },
    /// `INVALID_UPDATE_VERSION`: a feature cannot have the level asked for.
    #[error("{0}")]
    InvalidFeatureUpdate(String),
    /// `INVALID_UPDATE_VERSION`: a feature's level changed since the submitter looked.
    #[error("The level of feature {name} is {current}, not {seen}.")]
    FeatureLevelChanged {
        /// The feature.
        name: String,
        /// Its finalized level.
        current: i16,
        /// The one in the command.
        seen: i16,
    },
    /// No producer id is left (2^63 were handed out).
    #[error("no producer ids are left")]
    ProducerIdsExhausted,
}

/// Why the controller could not start or could not carry out a command. When a submitted command
/// ends so, it is unknown whether it was or will be applied, except for `CommandTooLarge`.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// The controller was shut down.
    #[error("the controller is shut down")]
    Stopped,
    /// The log or the snapshot could not be read or written. Final until restart.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Raft gave up, after a storage failure for instance. Final until restart.
    #[error("the controller failed: {0}")]
    Failed(String),
    /// Another node leads the controller quorum.
    #[error("this node is not the active controller")]
    NotController {
        /// The leader, if known.
        leader: Option<i32>,
    },
    /// The command would not fit into one log entry; it was not submitted.
    #[error("a command of {bytes} bytes is larger than the {bytes_max} allowed")]
    CommandTooLarge {
        /// Encoded size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The metadata directory belongs to another node.
    #[error("metadata in {dir} belongs to node {found:?}, but node.id is {expected}")]
    WrongNode {
        /// The metadata directory.
        dir: PathBuf,
        /// This node.
        expected: i32,
        /// The voters found there.
        found: Vec<u64>,
    },
    /// More than one log directory holds metadata.
    #[error("metadata found in both {first} and {second}; only one of them can be right")]
    AmbiguousDirectory {
        /// One of them.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
}
