//! A Kafka client in plain tokio: producer, consumer and admin, against Ringbrook and Apache Kafka
//! alike, with the internals under their Kafka names.
//!
//! Layers, each knowing only those to its right: `{producer, consumer, admin} -> cluster ->
//! {metadata, net} -> protocol`. Nothing here starts a thread; tasks run on the caller's tokio
//! runtime and end with the object that started them. The codecs of messages are
//! ringbrook-protocol's, those of record batches ringbrook-record's.

pub mod admin;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod consumer;
mod error;
mod group_metadata;
mod headers;
pub mod metadata;
pub mod net;
mod offset_and_metadata;
pub mod producer;
pub mod serialization;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod topic_partition;

pub use admin::Admin;
pub use error::{BrokerError, ClientError, DeserializationError, RecordPart};
pub use headers::{Header, Headers};
pub use offset_and_metadata::OffsetAndMetadata;
pub use topic_partition::TopicPartition;
