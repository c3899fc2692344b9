//! Requests to coordinators that the state machine wants sent.

use std::sync::Arc;

use super::operation::Outcome;
use crate::group_metadata::ConsumerGroupMetadata;
use crate::offset_and_metadata::OffsetAndMetadata;
use crate::topic_partition::TopicPartition;

/// Offsets of a group, to be committed with the transaction.
#[derive(Debug, Clone)]
pub(in crate::producer) struct GroupOffsets {
    pub(in crate::producer) group: Arc<ConsumerGroupMetadata>,
    /// Those that the group's coordinator has not taken yet.
    pub(in crate::producer) offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
}

/// What is asked. Producer id and epoch are those at the time of sending.
#[derive(Debug, Clone)]
pub(in crate::producer) enum RequestKind {
    /// A producer id, or a new epoch of the one there is.
    InitProducerId,
    /// Version 1 only.
    AddPartitions(Vec<TopicPartition>),
    /// Version 1 only: that the offsets' partition belongs to the transaction.
    AddOffsets(GroupOffsets),
    CommitOffsets(GroupOffsets),
    EndTxn {
        is_commit: bool,
        /// The version that the transaction began with.
        is_v2: bool,
    },
}

impl RequestKind {
    /// Lower ones go first: the transaction's end after all that belongs to it.
    pub(super) const fn priority(&self) -> u8 {
        match self {
            Self::InitProducerId => 0,
            Self::AddPartitions(_) | Self::AddOffsets(_) | Self::CommitOffsets(_) => 1,
            Self::EndTxn { .. } => 2,
        }
    }

    pub(super) const fn is_end(&self) -> bool {
        matches!(self, Self::EndTxn { .. })
    }

    /// Whether it is an abort.
    pub(super) const fn is_abort(&self) -> bool {
        matches!(
            self,
            Self::EndTxn {
                is_commit: false,
                ..
            }
        )
    }

    /// As an error's text names it.
    pub(in crate::producer) const fn name(&self) -> &'static str {
        match self {
            Self::InitProducerId => "InitProducerId",
            Self::AddPartitions(_) => "AddPartitionsToTxn",
            Self::AddOffsets(_) => "AddOffsetsToTxn",
            Self::CommitOffsets(_) => "TxnOffsetCommit",
            Self::EndTxn { .. } => "EndTxn",
        }
    }
}

/// A request and whom its end is told.
#[derive(Debug, Clone)]
pub(in crate::producer) struct Request {
    pub(in crate::producer) kind: RequestKind,
    pub(super) outcome: Outcome,
}
