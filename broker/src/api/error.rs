//! The one place where what went wrong becomes Kafka's error code.

use ringbrook_engine::{AppendError, EngineError, ReadError};
use ringbrook_protocol::{ResponseError, StrBytes};

use crate::controller::{ControllerError, MetadataError};
use crate::replica::{EpochCheck, NotReached, NotServed};
use crate::server::TopicCreationError;

/// The code for "no error".
pub(crate) const NONE: i16 = 0;

/// A failure that has a code in Kafka's protocol.
pub(crate) trait KafkaError {
    /// The error that the client is told.
    fn kafka_error(&self) -> ResponseError;

    /// Its code on the wire.
    fn code(&self) -> i16 {
        self.kafka_error().code()
    }
}

impl KafkaError for NotServed {
    fn kafka_error(&self) -> ResponseError {
        match self {
            NotServed::UnknownTopicOrPartition => ResponseError::UnknownTopicOrPartition,
            NotServed::UnknownTopicId => ResponseError::UnknownTopicId,
            NotServed::StorageFailed => ResponseError::KafkaStorageError,
        }
    }
}

impl KafkaError for AppendError {
    fn kafka_error(&self) -> ResponseError {
        match self {
            AppendError::CorruptMessage { .. } => ResponseError::CorruptMessage,
            AppendError::MessageTooLarge { .. } => ResponseError::MessageTooLarge,
            AppendError::RecordListTooLarge { .. } => ResponseError::RecordListTooLarge,
            AppendError::InvalidRecord { .. } => ResponseError::InvalidRecord,
            AppendError::InvalidTimestamp { .. } => ResponseError::InvalidTimestamp,
            AppendError::UnsupportedCompression { .. } => ResponseError::UnsupportedCompressionType,
            AppendError::OutOfOrderSequence { .. } => ResponseError::OutOfOrderSequenceNumber,
            AppendError::InvalidProducerEpoch { .. } => ResponseError::InvalidProducerEpoch,
            AppendError::InvalidTxnState { .. } | AppendError::TransactionNotVerified { .. } => {
                ResponseError::InvalidTxnState
            }
            AppendError::TransactionCoordinatorFenced { .. } => {
                ResponseError::TransactionCoordinatorFenced
            }
            AppendError::LogDeleted => ResponseError::UnknownTopicOrPartition,
            AppendError::LogDirOffline | AppendError::LogDirFull => {
                ResponseError::KafkaStorageError
            }
            _ => ResponseError::UnknownServerError,
        }
    }
}

impl KafkaError for ReadError {
    fn kafka_error(&self) -> ResponseError {
        match self {
            ReadError::OffsetOutOfRange { .. } => ResponseError::OffsetOutOfRange,
            _ => ResponseError::KafkaStorageError,
        }
    }
}

impl KafkaError for EngineError {
    fn kafka_error(&self) -> ResponseError {
        match self {
            EngineError::OffsetOutOfRange { .. } => ResponseError::OffsetOutOfRange,
            EngineError::CorruptRecords { .. } => ResponseError::CorruptMessage,
            EngineError::UnknownLogDir { .. } => ResponseError::LogDirNotFound,
            EngineError::InvalidTopicName { .. } => ResponseError::InvalidTopicException,
            EngineError::UnknownPartition { .. } => ResponseError::UnknownTopicOrPartition,
            _ => ResponseError::KafkaStorageError,
        }
    }
}

impl KafkaError for MetadataError {
    fn kafka_error(&self) -> ResponseError {
        match self {
            MetadataError::TopicExists(_) => ResponseError::TopicAlreadyExists,
            MetadataError::UnknownTopic(_) | MetadataError::UnknownPartition { .. } => {
                ResponseError::UnknownTopicOrPartition
            }
            MetadataError::UnknownTopicId(_) => ResponseError::UnknownTopicId,
            MetadataError::InvalidTopicName(_) | MetadataError::TopicCollision { .. } => {
                ResponseError::InvalidTopicException
            }
            MetadataError::InvalidPartitions(_) => ResponseError::InvalidPartitions,
            MetadataError::InvalidReplicationFactor(_) => ResponseError::InvalidReplicationFactor,
            MetadataError::InvalidReplicaAssignment(_) => ResponseError::InvalidReplicaAssignment,
            MetadataError::InvalidRequest(_) => ResponseError::InvalidRequest,
            MetadataError::TooManyPartitions => ResponseError::PolicyViolation,
            MetadataError::BrokerNotRegistered(_) => ResponseError::BrokerIdNotRegistered,
            MetadataError::FencedLeaderEpoch { .. } => ResponseError::FencedLeaderEpoch,
            MetadataError::InvalidUpdateVersion { .. }
            | MetadataError::InvalidFeatureUpdate(_)
            | MetadataError::FeatureLevelChanged { .. } => ResponseError::InvalidUpdateVersion,
            _ => ResponseError::UnknownServerError,
        }
    }
}

impl KafkaError for ControllerError {
    fn kafka_error(&self) -> ResponseError {
        match self {
            ControllerError::Storage(_) => ResponseError::KafkaStorageError,
            ControllerError::CommandTooLarge { .. } => ResponseError::PolicyViolation,
            _ => ResponseError::NotController,
        }
    }
}

impl KafkaError for TopicCreationError {
    fn kafka_error(&self) -> ResponseError {
        match self {
            TopicCreationError::Refused(error) => error.kafka_error(),
            TopicCreationError::Controller(error) => error.kafka_error(),
        }
    }
}

/// The error of an epoch that is not the current one.
pub(crate) fn epoch_error(check: EpochCheck) -> Option<ResponseError> {
    match check {
        EpochCheck::Current => None,
        EpochCheck::Fenced => Some(ResponseError::FencedLeaderEpoch),
        EpochCheck::Unknown => Some(ResponseError::UnknownLeaderEpoch),
    }
}

impl KafkaError for NotReached {
    fn kafka_error(&self) -> ResponseError {
        match self {
            NotReached::StorageFailed => ResponseError::KafkaStorageError,
            NotReached::Gone => ResponseError::NotLeaderOrFollower,
        }
    }
}

/// An error that is answered together with a text.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The error.
    pub(crate) error: ResponseError,
    text: String,
}

impl Failure {
    pub(crate) fn new(error: ResponseError, text: impl Into<String>) -> Self {
        Self {
            error,
            text: text.into(),
        }
    }

    /// The text for the client, if there is one.
    pub(crate) fn message(&self) -> Option<StrBytes> {
        (!self.text.is_empty()).then(|| StrBytes::from_string(self.text.clone()))
    }
}

impl From<ResponseError> for Failure {
    fn from(error: ResponseError) -> Self {
        Self::new(error, "")
    }
}

impl From<&MetadataError> for Failure {
    fn from(error: &MetadataError) -> Self {
        Self::new(error.kafka_error(), error.to_string())
    }
}
