//! Kafka's property names as typed settings.
//!
//! Each client has a configuration whose fields are Kafka's properties, and a table of
//! [`Property`]: name, default, meaning, and how a text is checked and stored. `from_properties`
//! takes [`Properties`], from a file or by hand; unknown names are errors. Both roads end in
//! `check`, which says whether values go together.

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
