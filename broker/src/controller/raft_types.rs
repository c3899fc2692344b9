//! The types openraft is instantiated with.

use std::sync::Arc;

use openraft::EmptyNode;

use super::command::{Applied, Command};

/// What one log entry carries: commands that were submitted while the entry before was written.
/// Together they cost one write to disk; each is decided for itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CommandBatch(pub(super) Arc<[Command]>);

/// The outcomes of a batch's commands in their order; empty for entries of Raft itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BatchOutcome(pub(super) Vec<Applied>);

/// A snapshot on its way between nodes: the content of a snapshot file without its header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SnapshotBytes(pub(super) Vec<u8>);

openraft::declare_raft_types!(
    /// Binds openraft to the metadata commands.
    pub(super) TypeConfig:
        D = CommandBatch,
        R = BatchOutcome,
        NodeId = u64,
        Node = EmptyNode,
        SnapshotData = SnapshotBytes,
);

pub(super) type Entry = openraft::Entry<TypeConfig>;
pub(super) type LogId = openraft::LogId<u64>;
pub(super) type Membership = openraft::Membership<u64, EmptyNode>;
pub(super) type Raft = openraft::Raft<TypeConfig>;
pub(super) type RaftStorageError = openraft::StorageError<u64>;
pub(super) type Snapshot = openraft::Snapshot<TypeConfig>;
pub(super) type SnapshotMeta = openraft::SnapshotMeta<u64, EmptyNode>;
pub(super) type StoredMembership = openraft::StoredMembership<u64, EmptyNode>;
pub(super) type Vote = openraft::Vote<u64>;
