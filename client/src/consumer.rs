//! The consumer: what Kafka's `KafkaConsumer` does.

pub mod assignor;
pub(crate) mod group;
