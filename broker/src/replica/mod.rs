//! Partitions served by this broker, waiting fetches and acknowledgements.
//!
//! Called by `api` and the coordinators; calls the engine.

mod partition;
mod replica_manager;
mod waiters;

pub(crate) use partition::EpochCheck;
pub(crate) use partition::Partition;
pub(crate) use replica_manager::ReplicaManager;
pub(crate) use replica_manager::{NotServed, Served};
pub(crate) use waiters::{FetchWait, NotReached, Progress, Waiting};
