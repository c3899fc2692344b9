//! Keys and values to bytes and back, as `org.apache.kafka.common.serialization`: the same bytes as
//! Kafka's own serializers, so that both sides may be of either client.
//!
//! Missing keys and values (Kafka's null) never come here: records hold an `Option`.

mod deserializer;
mod number;
mod serializer;
mod text;

pub use deserializer::Deserializer;
pub use number::{
    BooleanSerializer, DoubleSerializer, FloatSerializer, IntegerSerializer, LongSerializer,
    ShortSerializer,
};
pub use serializer::Serializer;
pub use text::{BytesSerializer, StringSerializer, UuidSerializer};

/// Why a value cannot become bytes, or bytes not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SerializationError {
    reason: String,
}

impl SerializationError {
    /// For a reason in words.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl From<&str> for SerializationError {
    fn from(reason: &str) -> Self {
        Self::new(reason)
    }
}

impl From<String> for SerializationError {
    fn from(reason: String) -> Self {
        Self::new(reason)
    }
}

#[cfg(test)]
mod tests;
