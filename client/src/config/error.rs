//! Why a configuration cannot be used, and what to do about it.

fn hint(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nobody knows the property.
    #[error("unknown property {name}{}", hint(*near))]
    Unknown {
        /// As it was given.
        name: String,
        /// The nearest known name.
        near: Option<&'static str>,
    },
    /// Kafka's Java client knows the property, this one has no use for it.
    #[error("{name} does not apply to this client: {instead}")]
    NotApplicable {
        /// The property.
        name: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A value that the property does not take.
    #[error("{name}={value} is not valid: {expected}")]
    Invalid {
        /// The property.
        name: &'static str,
        /// As it was given.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// A property that has to be set.
    #[error("{name} has to be set{hint}")]
    Missing {
        /// The property.
        name: &'static str,
        /// Such as an example; begins with a comma or is empty.
        hint: &'static str,
    },
    /// Values that exclude each other.
    #[error("{0}")]
    Contradiction(String),
    /// The properties file cannot be read.
    #[error("cannot read {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}
