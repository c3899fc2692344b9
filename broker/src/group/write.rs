//! What waits to be written to a partition of `__consumer_offsets`, in the order in which it
//! happened. Data only: `shard` fills the queue and applies what was written, `drain` writes.
//!
//! Commits, group metadata and consumer groups know their records when they are queued. Removals
//! do not: what they
//! remove depends on everything queued before them, so their tombstones are computed when their
//! turn comes.

use std::sync::Arc;

use ringbrook_engine::VerificationGuard;
use tokio::sync::oneshot;

use super::classic::action::Persisted;
use super::classic::request::{JoinRefused, JoinResult, SyncResult};
use super::consumer_shard::HeartbeatResult;
use super::error::GroupError;
use super::migration_shard::LeaveResults;
use super::offsets::CommittedOffset;
use crate::coordinator::{CoordinatorRecord, TransactionMarker};

/// Bytes of records after which a batch is closed: far below the default `max.message.bytes`, far
/// above what one sync to disk costs. A single commit may be larger.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

/// Bytes of records that may wait in one shard. Beyond it commits are turned away; group metadata
/// and removals, which clients cannot multiply, are not.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Batches of transactions that are appended before the first is waited for. Enough that they
/// share syncs to disk, few enough that other writes get their turn.
pub(crate) const TRANSACTIONAL_BATCHES_MAX: usize = 128;

/// Tells a request how its write went.
pub(crate) type Done<T> = oneshot::Sender<Result<T, GroupError>>;

/// One entry of the queue.
#[derive(Debug)]
pub(crate) enum Write {
    /// Committed offsets; written in one batch or not at all.
    Commit(Commit),
    /// The metadata of a classic group.
    Group(GroupWrite),
    /// The end of a transaction.
    Marker(Marker),
    /// Records of a consumer group; they hold already.
    Consumer(ConsumerWrite),
    /// Offsets or groups to be removed.
    Removal(Removal),
    /// Nothing to write: resolves once everything before it is applied.
    Barrier(Done<()>),
}

impl Write {
    /// Whether it is written as a batch of its own, which belongs to a producer; none when it is
    /// not written at all.
    pub(crate) const fn is_transactional(&self) -> Option<bool> {
        match self {
            Self::Commit(commit) => Some(commit.transaction.is_some()),
            Self::Marker(_) => Some(true),
            Self::Group(_) | Self::Consumer(_) | Self::Removal(_) => Some(false),
            Self::Barrier(_) => None,
        }
    }
}

/// Offsets to be committed.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) group_id: Arc<str>,
    /// One per offset.
    pub(crate) records: Vec<CoordinatorRecord>,
    pub(crate) size_bytes: usize,
    /// Topic, partition and offset; the log offset is set when it is known.
    pub(crate) offsets: Vec<(Arc<str>, i32, CommittedOffset)>,
    /// Whose transaction the offsets belong to, if anybody's.
    pub(crate) transaction: Option<TransactionProducer>,
    pub(crate) done: Done<()>,
}

/// The producer of a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransactionProducer {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) guard: Option<VerificationGuard>,
}

/// The end of a transaction, to be written.
#[derive(Debug)]
pub(crate) struct Marker {
    pub(crate) marker: TransactionMarker,
    pub(crate) done: Done<()>,
}

/// Group metadata to be written.
#[derive(Debug)]
pub(crate) struct GroupWrite {
    pub(crate) group_id: Arc<str>,
    /// The error when the metadata cannot be encoded.
    pub(crate) record: Result<CoordinatorRecord, GroupError>,
    pub(crate) then: Persisted,
}

/// Records of a consumer group to be written; maybe none, when only an answer has to wait for the
/// writes before it.
#[derive(Debug)]
pub(crate) struct ConsumerWrite {
    pub(crate) group_id: Arc<str>,
    /// The error when a record cannot be encoded.
    pub(crate) records: Result<Vec<CoordinatorRecord>, GroupError>,
    pub(crate) size_bytes: usize,
    pub(crate) reply: Option<ConsumerReply>,
}

/// The answer of a consumer group, to be given once what it says is on disk.
#[derive(Debug)]
pub(crate) enum ConsumerReply {
    /// To ConsumerGroupHeartbeat.
    Heartbeat {
        sender: oneshot::Sender<HeartbeatResult>,
        result: HeartbeatResult,
    },
    /// To JoinGroup.
    Join {
        sender: oneshot::Sender<JoinResult>,
        result: JoinResult,
    },
    /// To SyncGroup.
    Sync {
        sender: oneshot::Sender<SyncResult>,
        result: SyncResult,
    },
    /// To LeaveGroup.
    Leave {
        sender: oneshot::Sender<Result<LeaveResults, GroupError>>,
        result: Result<LeaveResults, GroupError>,
    },
}

impl ConsumerReply {
    /// Answers, or tells why what the answer says could not be written; a member that is gone need
    /// not be told.
    pub(crate) fn send(self, written: Result<(), GroupError>) {
        match self {
            Self::Heartbeat { sender, result } => {
                drop(sender.send(written.map_err(Into::into).and(result)));
            }
            Self::Join { sender, result } => {
                let refused = |error| JoinRefused {
                    error,
                    member_id: Arc::from(""),
                };
                drop(sender.send(written.map_err(refused).and(result)));
            }
            Self::Sync { sender, result } => drop(sender.send(written.and(result))),
            Self::Leave { sender, result } => drop(sender.send(written.and(result))),
        }
    }

    /// Whether the answer says something that has to be on disk.
    pub(crate) const fn is_ok(&self) -> bool {
        match self {
            Self::Heartbeat { result, .. } => result.is_ok(),
            Self::Join { result, .. } => result.is_ok(),
            Self::Sync { result, .. } => result.is_ok(),
            Self::Leave { result, .. } => result.is_ok(),
        }
    }
}

/// A request to remove offsets or groups.
#[derive(Debug)]
pub(crate) enum Removal {
    /// DeleteGroups: the group with all its offsets.
    Group { group_id: Arc<str>, done: Done<()> },
    /// OffsetDelete: some offsets of a group, by topic.
    Offsets {
        group_id: Arc<str>,
        topics: Vec<(Arc<str>, Vec<i32>)>,
        done: Done<TopicResults>,
    },
    /// The offsets of deleted topics, in all groups.
    Topics {
        topics: Vec<Arc<str>>,
        done: Done<usize>,
    },
    /// Offsets past their retention, and groups that have nothing left.
    Expired { done: Done<usize> },
}

/// Outcome of an OffsetDelete for each topic, in the order of the request. The error concerns every
/// partition of the topic.
pub(crate) type TopicResults = Vec<Result<(), GroupError>>;

/// Something that a tombstone removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    Offset {
        group_id: Arc<str>,
        topic: Arc<str>,
        partition: i32,
    },
    Group {
        group_id: Arc<str>,
    },
    /// A part of a group that goes before the group itself does.
    GroupPart,
}

/// A removal whose turn has come: the tombstones, and whom to tell.
#[derive(Debug)]
pub(crate) struct RemovalPlan {
    /// Each tombstone with what it removes.
    pub(crate) tombstones: Vec<(CoordinatorRecord, Removed)>,
    /// Why nothing is removed.
    pub(crate) refusal: Option<GroupError>,
    pub(crate) reply: RemovalReply,
}

/// The answer to a removal, once its tombstones are written.
#[derive(Debug)]
pub(crate) enum RemovalReply {
    Unit(Done<()>),
    Topics(Done<TopicResults>, TopicResults),
    Count(Done<usize>, usize),
}

impl RemovalReply {
    /// Tells the request; one that is gone need not be told.
    pub(crate) fn send(self, result: Result<(), GroupError>) {
        match self {
            Self::Unit(done) => tell(done, result),
            Self::Topics(done, topics) => tell(done, result.map(|()| topics)),
            Self::Count(done, count) => tell(done, result.map(|()| count)),
        }
    }
}

/// Tells a request how its write went; its connection may be gone by now, which changes nothing.
pub(crate) fn tell<T>(done: Done<T>, result: Result<T, GroupError>) {
    drop(done.send(result));
}

/// What the drain writes next.
#[derive(Debug)]
pub(crate) enum Batch {
    /// Commits, group metadata and barriers, to be written as one batch.
    Writes(Vec<Write>),
    /// Commits of transactions, markers and barriers: a batch each, appended one right after the
    /// other.
    Transactional(Vec<Write>),
    /// A removal, written in as many batches as it takes.
    Removal(RemovalPlan),
}
