//! Topics: create, delete, list, describe, and more partitions for one.

mod create;
mod delete;
mod describe;
mod list;
mod partitions;

pub use create::{CreateTopicsOptions, CreatedTopic, NewTopic};
pub use describe::{TopicDescription, TopicPartitionInfo};
pub use list::TopicListing;
pub use partitions::NewPartitions;
