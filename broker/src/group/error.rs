//! The errors of the group coordinator, one variant per Kafka error code, under Kafka's names.
//!
//! Not here: the mapping onto response structs (`broker/src/api`). Storage errors reach the
//! coordinator as the codes the offsets log ran into; `as_coordinator_error` turns those into what
//! a group member may see.

use thiserror::Error;

use crate::coordinator::CoordinatorLogError;

/// An outcome of a group request other than success. Each variant is one Kafka error code.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupError {
    /// An error of the broker itself, for which Kafka has no better code.
    #[error("unknown server error")]
    UnknownServerError,
    /// The partition does not exist (also: `__consumer_offsets` is missing).
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// This broker does not lead the partition of `__consumer_offsets`.
    #[error("not leader or follower")]
    NotLeaderOrFollower,
    /// The write was not committed in time.
    #[error("request timed out")]
    RequestTimedOut,
    /// The records do not fit one message of `__consumer_offsets`.
    #[error("message too large")]
    MessageTooLarge,
    /// The metadata string of a committed offset is longer than `offset.metadata.max.bytes`.
    #[error("offset metadata too large")]
    OffsetMetadataTooLarge,
    /// The partition of `__consumer_offsets` is still being read back.
    #[error("coordinator load in progress")]
    CoordinatorLoadInProgress,
    /// The coordinator cannot serve the group now; the client looks for it again.
    #[error("coordinator not available")]
    CoordinatorNotAvailable,
    /// Another broker coordinates the group.
    #[error("not coordinator")]
    NotCoordinator,
    /// The records do not fit one segment of `__consumer_offsets`.
    #[error("record list too large")]
    RecordListTooLarge,
    /// Too few in-sync replicas; nothing was written.
    #[error("not enough replicas")]
    NotEnoughReplicas,
    /// Too few in-sync replicas after the write.
    #[error("not enough replicas after append")]
    NotEnoughReplicasAfterAppend,
    /// The generation of the request is not the group's.
    #[error("illegal generation")]
    IllegalGeneration,
    /// The member's protocols or protocol type do not fit the group's.
    #[error("inconsistent group protocol")]
    InconsistentGroupProtocol,
    /// The group id is empty where it must not be.
    #[error("invalid group id")]
    InvalidGroupId,
    /// The member is not (or no longer) in the group.
    #[error("unknown member id")]
    UnknownMemberId,
    /// The session timeout is outside the configured range.
    #[error("invalid session timeout")]
    InvalidSessionTimeout,
    /// The group is rebalancing; the member has to rejoin.
    #[error("rebalance in progress")]
    RebalanceInProgress,
    /// The producer has a newer epoch.
    #[error("invalid producer epoch")]
    InvalidProducerEpoch,
    /// The request does not fit the state of the producer's transaction.
    #[error("invalid transaction state")]
    InvalidTxnState,
    /// The transaction coordinator has been replaced by another one.
    #[error("transaction coordinator fenced")]
    TransactionCoordinatorFenced,
    /// The log dir of the partition of `__consumer_offsets` is offline.
    #[error("storage error")]
    KafkaStorageError,
    /// The group has members.
    #[error("non-empty group")]
    NonEmptyGroup,
    /// A transaction has written an offset of the partition and has not ended.
    #[error("unstable offset commit")]
    UnstableOffsetCommit,
    /// The group does not exist.
    #[error("group id not found")]
    GroupIdNotFound,
    /// The member has to join again with the member id it was given.
    #[error("member id required")]
    MemberIdRequired,
    /// The group has `group.max.size` members.
    #[error("group max size reached")]
    GroupMaxSizeReached,
    /// Another member has joined with the same group instance id since.
    #[error("fenced instance id")]
    FencedInstanceId,
    /// The request contradicts itself, or lacks what it needs.
    #[error("invalid request")]
    InvalidRequest,
    /// The version of the request is not one the member's protocol uses.
    #[error("unsupported version")]
    UnsupportedVersion,
    /// The member's epoch is not the group's; it gives up its partitions and joins again.
    #[error("fenced member epoch")]
    FencedMemberEpoch,
    /// Another member with the same group instance id is still in the group.
    #[error("unreleased instance id")]
    UnreleasedInstanceId,
    /// The group does not know the server-side assignor.
    #[error("unsupported assignor")]
    UnsupportedAssignor,
    /// The member's epoch is not the group's, or no longer; it tries again with the new one.
    #[error("stale member epoch")]
    StaleMemberEpoch,
    /// The regular expression cannot be used.
    #[error("invalid regular expression")]
    InvalidRegularExpression,
    /// Offsets of a subscribed topic cannot be deleted.
    #[error("group subscribed to topic")]
    GroupSubscribedToTopic,
}

impl GroupError {
    /// The number of the error on the wire (Kafka's `Errors`).
    pub const fn kafka_code(self) -> i16 {
        match self {
            Self::UnknownServerError => -1,
            Self::UnknownTopicOrPartition => 3,
            Self::NotLeaderOrFollower => 6,
            Self::RequestTimedOut => 7,
            Self::MessageTooLarge => 10,
            Self::OffsetMetadataTooLarge => 12,
            Self::CoordinatorLoadInProgress => 14,
            Self::CoordinatorNotAvailable => 15,
            Self::NotCoordinator => 16,
            Self::RecordListTooLarge => 18,
            Self::NotEnoughReplicas => 19,
            Self::NotEnoughReplicasAfterAppend => 20,
            Self::IllegalGeneration => 22,
            Self::InconsistentGroupProtocol => 23,
            Self::InvalidGroupId => 24,
            Self::UnknownMemberId => 25,
            Self::InvalidSessionTimeout => 26,
            Self::RebalanceInProgress => 27,
            Self::InvalidProducerEpoch => 47,
            Self::InvalidTxnState => 48,
            Self::TransactionCoordinatorFenced => 52,
            Self::UnsupportedVersion => 35,
            Self::InvalidRequest => 42,
            Self::KafkaStorageError => 56,
            Self::NonEmptyGroup => 68,
            Self::GroupIdNotFound => 69,
            Self::MemberIdRequired => 79,
            Self::GroupMaxSizeReached => 81,
            Self::FencedInstanceId => 82,
            Self::GroupSubscribedToTopic => 86,
            Self::UnstableOffsetCommit => 88,
            Self::FencedMemberEpoch => 110,
            Self::UnreleasedInstanceId => 111,
            Self::UnsupportedAssignor => 112,
            Self::StaleMemberEpoch => 113,
            Self::InvalidRegularExpression => 128,
        }
    }

    /// What a client sees when an append to `__consumer_offsets` failed with this error, as in
    /// Kafka's `CoordinatorOperationExceptionHelper`.
    #[must_use]
    pub const fn as_coordinator_error(self) -> Self {
        match self {
            Self::UnknownTopicOrPartition
            | Self::NotEnoughReplicas
            | Self::NotEnoughReplicasAfterAppend
            | Self::RequestTimedOut => Self::CoordinatorNotAvailable,
            Self::NotLeaderOrFollower | Self::KafkaStorageError => Self::NotCoordinator,
            Self::MessageTooLarge | Self::RecordListTooLarge => Self::UnknownServerError,
            other => other,
        }
    }
}

impl From<CoordinatorLogError> for GroupError {
    fn from(error: CoordinatorLogError) -> Self {
        match error {
            CoordinatorLogError::UnknownServerError => Self::UnknownServerError,
            CoordinatorLogError::UnknownTopicOrPartition => Self::UnknownTopicOrPartition,
            CoordinatorLogError::NotLeaderOrFollower => Self::NotLeaderOrFollower,
            CoordinatorLogError::RequestTimedOut => Self::RequestTimedOut,
            CoordinatorLogError::MessageTooLarge => Self::MessageTooLarge,
            CoordinatorLogError::RecordListTooLarge => Self::RecordListTooLarge,
            CoordinatorLogError::NotEnoughReplicas => Self::NotEnoughReplicas,
            CoordinatorLogError::NotEnoughReplicasAfterAppend => Self::NotEnoughReplicasAfterAppend,
            CoordinatorLogError::KafkaStorageError => Self::KafkaStorageError,
            CoordinatorLogError::InvalidProducerEpoch => Self::InvalidProducerEpoch,
            CoordinatorLogError::InvalidTxnState => Self::InvalidTxnState,
            CoordinatorLogError::TransactionCoordinatorFenced => Self::TransactionCoordinatorFenced,
        }
    }
}
