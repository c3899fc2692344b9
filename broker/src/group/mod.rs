//! Consumer groups: pure state machines over `__consumer_offsets`.
//!
//! Reading order: `classic` is the group as a state machine (events and time in, actions out);
//! `offsets` the committed offsets; `schema` the records of both; `shard` runs the groups of one
//! partition under one lock; `drain` writes what they queue; `coordinator` with `commit`,
//! `transactional` and `admin` is what the API handlers call. The newer group protocols (KIP-848)
//! are not here.
//!
//! **Invariant:** what must survive a restart is written before anybody is told. An assignment is
//! on disk before the group is Stable and any SyncGroup is answered; an offset before its commit
//! is answered or fetched; tombstones before a group or an offset is gone.

mod admin;
pub mod assignor;
mod classic;
mod commit;
mod config;
mod coordinator;
mod drain;
mod entry;
mod error;
mod loading;
mod offsets;
mod pending_offsets;
mod removal;
pub mod schema;
mod shard;
mod timers;
mod transactional;
mod write;

pub use admin::{CLASSIC_GROUP_TYPE, DescribedGroup, DescribedMember, ListedGroup};
pub use classic::request::{
    JoinRefused, JoinRequest, JoinResult, Joined, JoinedMember, LeavingMember, MemberIdentity,
    Protocol, SyncRequest, SyncResult, Synced,
};
pub use classic::state::{CONSUMER_PROTOCOL_TYPE, GroupState};
pub use commit::{
    FetchedOffset, FetchedTopic, OffsetCommit, OffsetSelection, OffsetToCommit, TopicToFetch,
};
pub use config::GroupConfig;
pub use coordinator::GroupCoordinator;
pub use error::GroupError;
pub use loading::LoadSummary;
pub use offsets::CommittedOffset;
pub use transactional::TxnOffsetCommit;
