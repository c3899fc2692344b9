//! The records of a consumer group: what an event changes is said in records, and a group is what
//! its records, applied in their order, make of it. So what is written and what is in memory cannot
//! differ. Applied by `group`; encoded by the shard; decoded when a partition is loaded.

use std::sync::Arc;

use crate::coordinator::{CoordinatorRecord, SchemaError};
use crate::group::assignor::MemberId;
use crate::group::schema::{
    ConsumerGroupKey, ConsumerGroupMetadataValue, ConsumerMemberMetadataValue,
    CurrentAssignmentValue, RegularExpressionValue, TargetAssignmentMemberValue,
    TargetAssignmentMetadataValue,
};

/// One change of a consumer group; no value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerRecord {
    Metadata(Option<ConsumerGroupMetadataValue>),
    /// The record of Kafka before 4.1 that the metadata hash replaced: only ever removed. Whether
    /// there is one.
    LegacyPartitionMetadata(bool),
    Member(MemberId, Option<ConsumerMemberMetadataValue>),
    TargetAssignment(Option<TargetAssignmentMetadataValue>),
    TargetAssignmentMember(MemberId, Option<TargetAssignmentMemberValue>),
    CurrentAssignment(MemberId, Option<CurrentAssignmentValue>),
    RegularExpression(Arc<str>, Option<RegularExpressionValue>),
}

impl ConsumerRecord {
    /// The record as it is written.
    ///
    /// # Errors
    /// When a field is too long, or for a partition metadata record that is no tombstone: nobody
    /// writes these any more.
    pub(crate) fn encode(&self, group_id: &str) -> Result<CoordinatorRecord, SchemaError> {
        let (key, value) = match self {
            Self::Metadata(value) => (
                ConsumerGroupKey::Metadata,
                value.as_ref().map(ConsumerGroupMetadataValue::encode),
            ),
            Self::LegacyPartitionMetadata(_) => (ConsumerGroupKey::LegacyPartitionMetadata, None),
            Self::Member(id, value) => (
                ConsumerGroupKey::Member(Arc::clone(id)),
                value.as_ref().map(ConsumerMemberMetadataValue::encode),
            ),
            Self::TargetAssignment(value) => (
                ConsumerGroupKey::TargetAssignment,
                value.as_ref().map(TargetAssignmentMetadataValue::encode),
            ),
            Self::TargetAssignmentMember(id, value) => (
                ConsumerGroupKey::TargetAssignmentMember(Arc::clone(id)),
                value.as_ref().map(TargetAssignmentMemberValue::encode),
            ),
            Self::CurrentAssignment(id, value) => (
                ConsumerGroupKey::CurrentAssignment(Arc::clone(id)),
                value.as_ref().map(CurrentAssignmentValue::encode),
            ),
            Self::RegularExpression(regex, value) => (
                ConsumerGroupKey::RegularExpression(Arc::clone(regex)),
                value.as_ref().map(RegularExpressionValue::encode),
            ),
        };
        Ok(CoordinatorRecord {
            key: key.encode(group_id)?,
            value: value.transpose()?,
        })
    }

    /// The record of a key and value that were read back.
    ///
    /// # Errors
    /// When the value cannot be decoded.
    pub(crate) fn decode(key: ConsumerGroupKey, value: Option<&[u8]>) -> Result<Self, SchemaError> {
        Ok(match key {
            ConsumerGroupKey::Metadata => {
                Self::Metadata(value.map(ConsumerGroupMetadataValue::decode).transpose()?)
            }
            ConsumerGroupKey::LegacyPartitionMetadata => {
                Self::LegacyPartitionMetadata(value.is_some())
            }
            ConsumerGroupKey::Member(id) => Self::Member(
                id,
                value.map(ConsumerMemberMetadataValue::decode).transpose()?,
            ),
            ConsumerGroupKey::TargetAssignment => Self::TargetAssignment(
                value
                    .map(TargetAssignmentMetadataValue::decode)
                    .transpose()?,
            ),
            ConsumerGroupKey::TargetAssignmentMember(id) => Self::TargetAssignmentMember(
                id,
                value.map(TargetAssignmentMemberValue::decode).transpose()?,
            ),
            ConsumerGroupKey::CurrentAssignment(id) => {
                Self::CurrentAssignment(id, value.map(CurrentAssignmentValue::decode).transpose()?)
            }
            ConsumerGroupKey::RegularExpression(regex) => Self::RegularExpression(
                regex,
                value.map(RegularExpressionValue::decode).transpose()?,
            ),
        })
    }
}
