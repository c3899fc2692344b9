//! Consumer groups: pure state machines over `__consumer_offsets`.
//!
//! Reading order: `classic` and `consumer` (KIP-848) are the two kinds of groups as state machines
//! (events and time in, actions out), `assignor` who gets what in the latter, `migration` how one
//! becomes the other; `offsets` the committed offsets; `schema` the records of all; `shard` with
//! `consumer_shard` and `migration_shard` runs the groups of one partition under one lock; `drain`
//! writes what they queue; `coordinator` with `consumer_coordinator`, `commit`, `transactional` and
//! `admin` is what the API handlers call. Share and streams groups are not here.
//!
//! **Invariant:** what must survive a restart is written before anybody is told. An assignment is
//! on disk before the group is Stable and any SyncGroup is answered; what a heartbeat changed
//! before it is answered; an offset before its commit is answered or fetched; tombstones before a
//! group or an offset is gone.

mod admin;
pub mod assignor;
mod classic;
mod cluster_view;
mod commit;
mod config;
mod consumer;
mod consumer_coordinator;
mod consumer_shard;
mod coordinator;
mod drain;
mod entry;
mod error;
mod loading;
mod migration;
mod migration_shard;
mod offsets;
mod pending_offsets;
mod removal;
pub mod schema;
mod shard;
#[cfg(test)]
mod testing;
mod timers;
mod transactional;
mod write;

pub use admin::{
    CLASSIC_GROUP_TYPE, CONSUMER_GROUP_TYPE, DescribedGroup, DescribedMember, ListedGroup,
};
pub use classic::request::{
    JoinRefused, JoinRequest, JoinResult, Joined, JoinedMember, LeavingMember, MemberIdentity,
    Protocol, SyncRequest, SyncResult, Synced,
};
pub use classic::state::{CONSUMER_PROTOCOL_TYPE, GroupState};
pub use cluster_view::ClusterView;
pub use commit::{
    FetchedOffset, FetchedTopic, FetchingMember, OffsetCommit, OffsetSelection, OffsetToCommit,
    TopicToFetch,
};
pub use config::GroupConfig;
pub use consumer::describe::{DescribedConsumerGroup, DescribedConsumerMember};
pub use consumer::request::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, Refused};
pub use consumer::settings::{ConsumerGroupConfig, GroupOverrides, assignor_by_name};
pub use coordinator::GroupCoordinator;
pub use error::GroupError;
pub use loading::LoadSummary;
pub use migration::MigrationPolicy;
pub use offsets::CommittedOffset;
pub use transactional::TxnOffsetCommit;
