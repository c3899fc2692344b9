//! What is known of a record after it was sent.

use std::fmt;
use std::sync::Arc;

/// Where a record is, as Kafka's `RecordMetadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The record's offset; -1 when nobody knows it: with acks=0, and when the broker has only
    /// said that it has the record already.
    pub offset: i64,
    /// Milliseconds since the epoch: the broker's when the topic has LogAppendTime, else the
    /// record's own.
    pub timestamp: i64,
    /// Bytes of the serialized key, unless it is null.
    pub serialized_key_size: Option<u32>,
    /// Bytes of the serialized value, unless it is null.
    pub serialized_value_size: Option<u32>,
}

impl RecordMetadata {
    /// Whether the offset is known.
    #[must_use]
    pub fn has_offset(&self) -> bool {
        0 <= self.offset
    }
}

/// As Kafka writes it: `topic-partition@offset`.
impl fmt::Display for RecordMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}@{}", self.topic, self.partition, self.offset)
    }
}
