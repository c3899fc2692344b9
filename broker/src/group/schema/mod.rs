//! The record schemas of `__consumer_offsets`, byte for byte as Kafka writes them. Pure: bytes in,
//! values out. Called by the coordinator's shards to persist and to load.

mod consumer_group;
mod consumer_member;
mod consumer_protocol;
mod group_metadata;
mod key;
mod offset_commit;
mod subscription;

pub use crate::coordinator::SchemaError;
pub use consumer_group::{
    ConsumerGroupMetadataValue, RegularExpressionValue, TargetAssignmentMemberValue,
    TargetAssignmentMetadataValue,
};
pub use consumer_member::{
    ClassicMemberMetadata, ConsumerMemberMetadataValue, CurrentAssignmentValue, EpochAssignment,
};
pub use group_metadata::{GroupMetadataValue, MemberMetadata};
pub use key::{
    ConsumerGroupKey, OffsetCommitKey, RecordKey, encode_group_metadata_key,
    encode_offset_commit_key,
};
pub use offset_commit::OffsetCommitValue;

pub(crate) use consumer_protocol::{ConsumerAssignment, NamedPartitions, Subscription};
pub(crate) use subscription::subscribed_topics;

#[cfg(test)]
mod tests;
