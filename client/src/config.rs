//! Kafka's property names as typed settings.
//!
//! Each client has a table of [`Property`]: name, default, meaning, and how a text is checked and
//! stored. A builder method sets the same field as the property does, so both roads meet in one
//! place, [`Properties::apply`] reads a properties file, and unknown names are errors.

mod admin;
mod connection;
mod consumer;
mod error;
mod parse;
mod producer;
mod properties;
mod property;

pub use admin::AdminConfig;
pub use connection::{ClientConfig, MetadataRecovery};
pub(crate) use connection::{HasClient, connection_properties, retry_properties};
pub use consumer::{AutoOffsetReset, ConsumerConfig, GroupProtocol, IsolationLevel};
pub use error::ConfigError;
pub(crate) use parse::Parse;
pub use producer::{Acks, ProducerConfig};
pub use properties::Properties;
pub use property::Property;
pub(crate) use property::apply;

#[cfg(test)]
mod tests;
