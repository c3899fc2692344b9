//! Raft log entries, membership and log ids as protobuf messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::{CommittedLeaderId, EmptyNode, EntryPayload};

use super::RecordError;
use super::commands::CommandRecord;
use crate::controller::raft_types::{CommandBatch, Entry, LogId, Membership, StoredMembership};

/// The payload of one frame of the log: entries appended by one write.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::controller) struct EntriesRecord {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::controller) entries: Vec<EntryRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::controller) struct EntryRecord {
    #[prost(message, optional, tag = "1")]
    log_id: Option<LogIdRecord>,
    #[prost(oneof = "Payload", tags = "2, 3, 4")]
    payload: Option<Payload>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Payload {
    #[prost(message, tag = "2")]
    Blank(BlankRecord),
    #[prost(message, tag = "3")]
    Commands(CommandsRecord),
    #[prost(message, tag = "4")]
    Membership(MembershipRecord),
}

/// What a new leader writes to commit what it inherited.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BlankRecord {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CommandsRecord {
    #[prost(message, repeated, tag = "1")]
    commands: Vec<CommandRecord>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(in crate::controller) struct LogIdRecord {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node_id: u64,
    #[prost(uint64, tag = "3")]
    index: u64,
}

/// Voter sets (two while membership changes) and every member, voter or learner.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::controller) struct MembershipRecord {
    #[prost(message, repeated, tag = "1")]
    voter_sets: Vec<VoterSet>,
    #[prost(uint64, repeated, tag = "2")]
    member_ids: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VoterSet {
    #[prost(uint64, repeated, tag = "1")]
    ids: Vec<u64>,
}

/// A membership and where in the log it was decided.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::controller) struct StoredMembershipRecord {
    #[prost(message, optional, tag = "1")]
    log_id: Option<LogIdRecord>,
    #[prost(message, optional, tag = "2")]
    membership: Option<MembershipRecord>,
}

impl From<&LogId> for LogIdRecord {
    fn from(log_id: &LogId) -> Self {
        let leader = log_id.leader_id;
        Self {
            term: leader.term,
            node_id: leader.node_id,
            index: log_id.index,
        }
    }
}

impl From<LogIdRecord> for LogId {
    fn from(record: LogIdRecord) -> Self {
        Self::new(
            CommittedLeaderId::new(record.term, record.node_id),
            record.index,
        )
    }
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> Self {
        let voters = membership.get_joint_config().iter();
        Self {
            voter_sets: voters
                .map(|ids| VoterSet {
                    ids: ids.iter().copied().collect(),
                })
                .collect(),
            member_ids: membership.nodes().map(|(id, _)| *id).collect(),
        }
    }
}

impl TryFrom<MembershipRecord> for Membership {
    type Error = RecordError;

    fn try_from(record: MembershipRecord) -> Result<Self, RecordError> {
        let voters: Vec<BTreeSet<u64>> = record
            .voter_sets
            .into_iter()
            .map(|set| set.ids.into_iter().collect())
            .collect();
        let members: BTreeMap<u64, EmptyNode> = record
            .member_ids
            .into_iter()
            .map(|id| (id, EmptyNode {}))
            .collect();
        // A voter that is no member would be added silently.
        if !voters.iter().flatten().all(|id| members.contains_key(id)) {
            return Err(RecordError::Invalid {
                field: "membership",
            });
        }
        Ok(Self::new(voters, members))
    }
}

impl From<&StoredMembership> for StoredMembershipRecord {
    fn from(stored: &StoredMembership) -> Self {
        Self {
            log_id: stored.log_id().as_ref().map(Into::into),
            membership: Some(stored.membership().into()),
        }
    }
}

impl TryFrom<StoredMembershipRecord> for StoredMembership {
    type Error = RecordError;

    fn try_from(record: StoredMembershipRecord) -> Result<Self, RecordError> {
        let membership = record.membership.ok_or(RecordError::Invalid {
            field: "membership",
        })?;
        Ok(Self::new(
            record.log_id.map(Into::into),
            membership.try_into()?,
        ))
    }
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        let payload = match &entry.payload {
            EntryPayload::Blank => Payload::Blank(BlankRecord {}),
            EntryPayload::Normal(CommandBatch(commands)) => Payload::Commands(CommandsRecord {
                commands: commands.iter().map(Into::into).collect(),
            }),
            EntryPayload::Membership(membership) => Payload::Membership(membership.into()),
        };
        Self {
            log_id: Some((&entry.log_id).into()),
            payload: Some(payload),
        }
    }
}

impl TryFrom<EntryRecord> for Entry {
    type Error = RecordError;

    fn try_from(record: EntryRecord) -> Result<Self, RecordError> {
        let log_id = record
            .log_id
            .ok_or(RecordError::Invalid { field: "log id" })?
            .into();
        let payload = match record
            .payload
            .ok_or(RecordError::Unknown { what: "entry" })?
        {
            Payload::Blank(BlankRecord {}) => EntryPayload::Blank,
            Payload::Commands(record) => {
                let commands: Result<Arc<[_]>, _> =
                    record.commands.into_iter().map(TryInto::try_into).collect();
                EntryPayload::Normal(CommandBatch(commands?))
            }
            Payload::Membership(record) => EntryPayload::Membership(record.try_into()?),
        };
        Ok(Self { log_id, payload })
    }
}
