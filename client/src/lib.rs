//! A Kafka client in plain tokio: producer, consumer and admin, against Ringbrook and Apache Kafka
//! alike, with the internals under their Kafka names.
//!
//! ```no_run
//! use std::time::Duration;
//! use ringbrook_client::config::{AutoOffsetReset, ConsumerConfig, ProducerConfig};
//! use ringbrook_client::consumer::Consumer;
//! use ringbrook_client::producer::{Producer, ProducerRecord};
//! use ringbrook_client::serialization::StringSerializer;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let producer: Producer<String, String> =
//!     Producer::builder(ProducerConfig::new(vec!["localhost:9092".parse()?]))
//!         .key_serializer(StringSerializer)
//!         .value_serializer(StringSerializer)
//!         .build()?;
//! let record = ProducerRecord::new("orders", "two apples".to_owned());
//! println!("it is at {}", producer.send(record).await?.await?);
//! producer.close().await?;
//!
//! let config = ConsumerConfig::new(vec!["localhost:9092".parse()?])
//!     .with_group_id("kitchen")
//!     .with_auto_offset_reset(AutoOffsetReset::Earliest);
//! let consumer = Consumer::builder(config)
//!     .value_deserializer(StringSerializer)
//!     .build()?;
//! consumer.subscribe(["orders"])?;
//! for record in consumer.poll(Duration::from_secs(10)).await? {
//!     let value: Option<String> = record.value;
//!     println!("{value:?}");
//! }
//! consumer.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | for | look at |
//! |---|---|
//! | sending, transactions | [`producer::Producer`] |
//! | partitioners, also one's own | [`producer::partitioner`] |
//! | reading, groups, commits | [`consumer::Consumer`] |
//! | assignors, also one's own | [`consumer::assignor`] |
//! | topics, configurations, offsets, groups and so on | [`Admin`] |
//! | keys and values as types | [`serialization`] |
//! | Kafka's properties, from a file too | [`config`] |
//! | what went wrong | [`ClientError`] |
//! | TLS, SASL, tunnels | [`net::Connector`] |
//! | requests of one's own, to the right broker | [`cluster::Cluster`] |
//!
//! The `examples` directory has twelve short programs.
//!
//! # What to expect
//!
//! - Producers, consumers and admin clients may be used from several tasks at once, and all futures
//!   can be spawned. Dropping a future gives up the call, never the client; each call says what
//!   then becomes of what it was about.
//! - Errors that may pass are tried again, with growing pauses, until the time limit of the call:
//!   `delivery.timeout.ms`, `max.block.ms`, `default.api.timeout.ms` or a limit given to it. What
//!   then comes is [`ClientError::Timeout`] with the last error. All others come at once.
//! - Properties have Kafka's names, defaults and meanings. An unknown name, a value that is not
//!   valid or values that contradict each other are errors that say what to do.
//! - Nothing here starts a thread; tasks run on the caller's tokio runtime and end with the object
//!   that started them. `close` sends what is buffered and leaves groups; who drops a client
//!   without it gives that up.
//! - Connections are plain TCP unless a [`net::Connector`] makes them: it has an example.
//!
//! # Inside
//!
//! Layers, each knowing only those to its right: `{producer, consumer, admin} -> cluster ->
//! {metadata, net} -> protocol`. The codecs of messages are ringbrook-protocol's, those of record
//! batches ringbrook-record's.

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
