//! What can go wrong between the caller and a broker.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::ApiKey;

use crate::config::ConfigError;
use crate::headers::Headers;
use crate::serialization::SerializationError;
use crate::topic_partition::TopicPartition;

/// An error of the client. Cheap to clone: one failed batch answers all its records.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The configuration is unusable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No connection could be made.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port as configured or as the cluster announced it.
        address: String,
        /// What the operating system or the connector said.
        source: Arc<io::Error>,
    },
    /// None of the bootstrap servers could be reached.
    #[error(
        "no broker of {bootstrap} could be reached; the last said: {last}. \
         Check bootstrap.servers and that a broker runs there"
    )]
    NoBroker {
        /// `bootstrap.servers`.
        bootstrap: String,
        /// The last attempt's error.
        last: String,
    },
    /// The connection ended before the answer came.
    #[error("the connection to {address} ended before the answer came: {reason}")]
    Disconnected {
        /// Host and port.
        address: String,
        /// How it ended.
        reason: String,
    },
    /// No answer, or no success, in time.
    #[error("{what} took longer than {after:?}{}", last_of(last.as_deref()))]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// The last retriable error meanwhile.
        last: Option<Box<ClientError>>,
    },
    /// A broker answered with an error.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The broker serves no version of a request that this client can use.
    #[error(
        "the broker at {address} does not serve {api:?} in a version this client knows{}",
        served_of(*served)
    )]
    UnsupportedVersion {
        /// Host and port.
        address: String,
        /// The API.
        api: ApiKey,
        /// What it serves, if it serves the API at all.
        served: Option<(i16, i16)>,
    },
    /// Bytes from a broker are not what the protocol says.
    #[error("the answer of {address} to {api:?} cannot be read: {reason}")]
    Protocol {
        /// Host and port.
        address: String,
        /// The API.
        api: ApiKey,
        /// What is wrong.
        reason: String,
    },
    /// A request cannot be expressed in a version that the broker serves.
    #[error("{0}")]
    Unsupported(String),
    /// The caller asked for something that makes no sense.
    #[error("{0}")]
    InvalidArgument(String),
    /// The caller asked for something at a moment when it is not allowed.
    #[error("{0}")]
    IllegalState(String),
    /// A key or value cannot become bytes, or bytes not a key or value.
    #[error("the {part} of a record of topic {topic}: {source}")]
    Serialization {
        /// The topic's name.
        topic: String,
        /// Key or value.
        part: &'static str,
        /// Why.
        source: crate::serialization::SerializationError,
    },
    /// The record was not sent because its transaction was aborted.
    #[error("the transaction was aborted before the record was sent")]
    TransactionAborted,
    /// The transaction can only be aborted; then the producer goes on (KIP-1050).
    #[error("the transaction has to be aborted, with abort_transaction, because {0}")]
    TransactionAbortable(#[source] Box<ClientError>),
    /// The transactional producer can only be closed, and another one be made in its place
    /// (KIP-1050).
    #[error("the producer has to be closed, as its transactions cannot go on, because {0}")]
    TransactionFatal(#[source] Box<ClientError>),
    /// The object has been closed.
    #[error("the {0} is closed")]
    Closed(&'static str),
    /// A partition has no position: nothing is committed, and `auto.offset.reset` is none.
    #[error("{partition} has no position: seek, commit one, or set auto.offset.reset")]
    NoOffset {
        /// The partition.
        partition: TopicPartition,
    },
    /// The log has no such offset, and `auto.offset.reset` is none.
    #[error("{partition} has no offset {offset}: seek to one it has, or set auto.offset.reset")]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The offset that was asked for.
        offset: i64,
    },
    /// The log no longer holds what was read before the position: it was truncated (KIP-320).
    #[error("the log of {partition} was truncated before offset {offset}{}", end_of(*end_offset))]
    LogTruncation {
        /// The partition.
        partition: TopicPartition,
        /// The consumer's position.
        offset: i64,
        /// Where the common part ends, if the broker knows it.
        end_offset: Option<i64>,
    },
    /// A batch or record that cannot be read. To go on behind it, seek.
    #[error("the record of {partition} at offset {offset} cannot be read: {reason}")]
    CorruptRecord {
        /// The partition.
        partition: TopicPartition,
        /// The offset to seek beyond.
        offset: i64,
        /// What is wrong.
        reason: String,
    },
    /// A deserializer does not take a key or value. To go on behind the record, seek.
    #[error(transparent)]
    Deserialization(Arc<DeserializationError>),
    /// `wakeup` was called.
    #[error("woken up")]
    Wakeup,
}

fn last_of(last: Option<&ClientError>) -> String {
    last.map(|last| format!("; the last error was: {last}"))
        .unwrap_or_default()
}

fn end_of(end_offset: Option<i64>) -> String {
    end_offset.map_or_else(String::new, |end| {
        format!(": the same records end at {end}")
    })
}

fn served_of(served: Option<(i16, i16)>) -> String {
    served.map_or_else(
        || ": it does not serve it at all; use a broker that does".to_owned(),
        |(min, max)| format!(": it serves {min} to {max}; use a broker of another release"),
    )
}

/// Which part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPart {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// A record that a deserializer does not take, as it was read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the {part:?} of {partition} at offset {offset} cannot be deserialized: {error}")]
pub struct DeserializationError {
    /// The partition.
    pub partition: TopicPartition,
    /// The record's offset; seek to the next one to go on.
    pub offset: i64,
    /// The record's timestamp, in milliseconds since the epoch.
    pub timestamp: i64,
    /// What is not taken.
    pub part: RecordPart,
    /// The key's bytes.
    pub key: Option<Bytes>,
    /// The value's bytes.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
    /// What the deserializer said.
    pub error: SerializationError,
}

/// An error code in a broker's answer, with where it stood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BrokerError {
    /// The code's number, also when this client does not know it.
    pub code: i16,
    /// What it is about: a topic, a partition, a group, a request.
    pub subject: String,
    /// The broker's own words, if it gave any.
    pub message: Option<String>,
}

impl BrokerError {
    /// An error without words of the broker.
    pub fn new(code: i16, subject: impl Into<String>) -> Self {
        Self {
            code,
            subject: subject.into(),
            message: None,
        }
    }

    /// With the broker's own words; empty ones count as none.
    #[must_use]
    pub fn with_message(mut self, message: Option<impl Into<String>>) -> Self {
        self.message = message.map(Into::into).filter(|text| !text.is_empty());
        self
    }

    /// `Ok` for code 0.
    ///
    /// # Errors
    /// Any other code.
    pub fn check(code: i16, subject: impl Into<String>) -> Result<(), Self> {
        if code == 0 {
            return Ok(());
        }
        Err(Self::new(code, subject))
    }

    /// The error by name, if this client knows it.
    #[must_use]
    pub fn error(&self) -> Option<ResponseError> {
        let error = ResponseError::try_from_code(self.code);
        error.filter(|error| !matches!(error, ResponseError::Unknown(_)))
    }

    /// Whether the code is that of `error`.
    #[must_use]
    pub fn is(&self, error: ResponseError) -> bool {
        self.code == error.code()
    }

    /// Whether the same request may succeed later, as Kafka's `RetriableException`.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.error().is_some_and(is_retriable)
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error() {
            Some(error) => write!(f, "{}: {error:?} ({})", self.subject, self.code)?,
            None => write!(f, "{}: unknown error {}", self.subject, self.code)?,
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl ClientError {
    /// The broker's error code, if a broker answered.
    #[must_use]
    pub fn response_error(&self) -> Option<ResponseError> {
        match self {
            Self::Broker(error) => error.error(),
            Self::Timeout { last, .. } => last.as_ref()?.response_error(),
            Self::TransactionAbortable(source) | Self::TransactionFatal(source) => {
                source.response_error()
            }
            _ => None,
        }
    }

    /// Whether a transaction can go no other way than to be aborted, after which the producer goes
    /// on.
    #[must_use]
    pub fn is_abortable(&self) -> bool {
        matches!(self, Self::TransactionAbortable(_))
    }

    /// Whether a transactional producer can go no other way than to be closed.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::TransactionFatal(_))
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::NoBroker { .. } | Self::Disconnected { .. } => true,
            Self::Timeout { .. } => true,
            Self::Broker(error) => error.is_retriable(),
            _ => false,
        }
    }
}

/// Whether Kafka's exception for an error is a `RetriableException`. kafka-protocol does not yet
/// know that CONCURRENT_TRANSACTIONS has become one.
pub(crate) fn is_retriable(error: ResponseError) -> bool {
    error.is_retriable() || error == ResponseError::ConcurrentTransactions
}

#[cfg(test)]
mod tests;
