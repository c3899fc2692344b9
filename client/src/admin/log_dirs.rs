//! Directories that brokers keep their logs in: what lies where, and moving it.

mod alter;
mod describe;

pub use describe::{LogDirDescription, ReplicaInfo, ReplicaLogDirInfo, TopicPartitionReplica};
