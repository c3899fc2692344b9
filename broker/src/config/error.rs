//! What can be wrong with configuration. Not the mapping to Kafka's error codes: `api` does that.

use std::path::PathBuf;

/// Why a configuration, or a change to one, was refused.
///
/// The texts follow those of Kafka's `ConfigException`, because they travel to clients: people and
/// their scripts know them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The properties file could not be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file as it was named.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The properties file is not in Java's properties syntax.
    #[error("cannot parse the configuration file {}: {reason}", path.display())]
    Syntax {
        /// The file as it was named.
        path: PathBuf,
        /// What is wrong, with the line where known.
        reason: String,
    },
    /// A value is of the wrong type or outside its range.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    InvalidValue {
        /// The key.
        name: String,
        /// The value as given; a password's is hidden.
        value: String,
        /// The type or range it should have.
        reason: String,
    },
    /// No topic config has this name.
    #[error("Unknown topic config name: {name}")]
    UnknownTopicConfig {
        /// The name as given.
        name: String,
    },
    /// No broker config has this name.
    #[error("Unknown broker config name: {name}")]
    UnknownBrokerConfig {
        /// The name as given.
        name: String,
    },
    /// No group config has this name.
    #[error("Unknown group config name: {name}")]
    UnknownGroupConfig {
        /// The name as given.
        name: String,
    },
    /// A broker config that takes effect at the start only.
    #[error("Cannot update these configs dynamically: Set({name})")]
    NotDynamic {
        /// The key.
        name: String,
    },
    /// A security config, which changes only under a listener's prefix.
    #[error(
        "These security configs can be dynamically updated only per-listener using the listener \
         prefix: Set({name})"
    )]
    NeedsListenerPrefix {
        /// The key.
        name: String,
    },
    /// A config of one broker, changed for the whole cluster.
    #[error(
        "Cannot update these configs at default cluster level, broker id must be specified: \
         Set({name})"
    )]
    PerBrokerOnly {
        /// The key.
        name: String,
    },
    /// Two settings that do not go together, or one that Ringbrook cannot serve yet.
    #[error("{0}")]
    Conflict(String),
}

impl ConfigError {
    /// An [`ConfigError::InvalidValue`] for `name`.
    pub(super) fn invalid(name: &str, value: &str, reason: impl Into<String>) -> Self {
        Self::InvalidValue {
            name: name.to_owned(),
            value: value.to_owned(),
            reason: reason.into(),
        }
    }
}
