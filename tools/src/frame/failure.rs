//! How a tool ends when it does not succeed.

use std::fmt;
use std::io;

use ringbrook_client::config::ConfigError;
use ringbrook_client::{BrokerError, ClientError};
use ringbrook_protocol::messages::ApiKey;

use super::kafka_error::{default_message, exception_name};

/// Why a tool did not succeed. All but [`Failure::Exit`] and a closed pipe end with code 1, as
/// Kafka's tools do.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong: said on standard error, with where to find help.
    Usage(String),
    /// Said on standard error as it stands.
    Message(String),
    /// The client failed; said on standard error.
    Client(ClientError),
    /// All was said already; the process ends with this code.
    Exit(u8),
    /// Nobody reads the output any more: a quiet end, as of Kafka's tools.
    ClosedPipe,
    /// The output cannot be written.
    Output(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Message(text) => f.write_str(text),
            Self::Client(error) => f.write_str(&message_of(error)),
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::ClosedPipe => f.write_str("nobody reads the output any more"),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Output(error),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        Self::Client(error.into())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Client(error.into())
    }
}

impl Failure {
    /// As Java writes the exception: its class, and its message.
    #[must_use]
    pub fn exception(&self) -> String {
        match self {
            Self::Client(ClientError::Broker(error)) => {
                format!("{}: {}", exception_name(error.code), broker_message(error))
            }
            Self::Client(ClientError::UnsupportedVersion { api, .. }) => {
                format!("{}: {}", exception_name(35), unsupported(*api))
            }
            _ => self.to_string(),
        }
    }

    /// Whether it is about what was asked of the broker, not about the output: then a tool may put
    /// words of its own before it.
    #[must_use]
    pub fn is_told(&self) -> bool {
        !matches!(self, Self::Exit(_) | Self::ClosedPipe | Self::Output(_))
    }
}

/// What Kafka's exception would say: a broker's own words, or Kafka's for the code.
#[must_use]
pub fn message_of(error: &ClientError) -> String {
    match error {
        ClientError::Broker(error) => broker_message(error),
        // Kafka's words first, then what to do.
        ClientError::UnsupportedVersion { api, .. } => format!("{}\n{error}", unsupported(*api)),
        _ => error.to_string(),
    }
}

/// `The node does not support DESCRIBE_ACLS`.
fn unsupported(api: ApiKey) -> String {
    let mut name = String::new();
    for (index, c) in format!("{api:?}").char_indices() {
        if c.is_ascii_uppercase() && 0 < index {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    format!("The node does not support {name}")
}

/// What a broker said, or what Kafka's client says for the code.
#[must_use]
pub fn broker_message(error: &BrokerError) -> String {
    match (&error.message, default_message(error.code)) {
        (Some(message), _) => message.clone(),
        (None, Some(message)) => message.to_owned(),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brokers_words_come_before_kafkas() {
        let error = BrokerError::new(36, "topic t");
        assert_eq!(
            broker_message(&error),
            "Topic with this name already exists."
        );
        let error = error.with_message(Some("Topic 't' already exists."));
        assert_eq!(broker_message(&error), "Topic 't' already exists.");
        let unknown = BrokerError::new(9999, "topic t");
        assert!(broker_message(&unknown).starts_with("topic t: "));
    }

    #[test]
    fn what_is_not_served_is_said_as_kafka_says_it() {
        assert_eq!(
            unsupported(ApiKey::DescribeUserScramCredentials),
            "The node does not support DESCRIBE_USER_SCRAM_CREDENTIALS"
        );
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::from(closed), Failure::ClosedPipe));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Failure::from(full), Failure::Output(_)));
    }
}
