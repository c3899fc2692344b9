//! Partitions served by this broker, waiting fetches and acknowledgements.
//!
//! Called by `api` and the coordinators; calls the engine.

mod fetch_waiters;
mod offset_waiters;
mod partition;
mod replica_manager;

pub(crate) use fetch_waiters::FetchWait;
#[cfg(test)]
pub(crate) use offset_waiters::OwnOffsetWaiters;
pub(crate) use offset_waiters::{Milestone, NotReached, OffsetWait};
pub(crate) use partition::EpochCheck;
pub(crate) use partition::Partition;
pub(crate) use replica_manager::ReplicaManager;
pub(crate) use replica_manager::{NotServed, Served};
