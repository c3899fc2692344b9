//! What is sent: a record for a topic, before it is serialized.

use std::sync::Arc;

use crate::headers::{Header, Headers};

/// A record to be sent, as Kafka's `ProducerRecord`.
///
/// ```
/// use ringbrook_client::producer::ProducerRecord;
///
/// let record = ProducerRecord::new("orders", "two apples")
///     .with_key("customer 7")
///     .with_header("source", "web");
/// assert_eq!(record.key, Some("customer 7"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerRecord<K, V> {
    /// The topic's name. Whoever sends many records keeps an `Arc<str>` and clones it.
    pub topic: Arc<str>,
    /// The partition; the partitioner chooses when there is none.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch; the time of sending when there is none.
    pub timestamp: Option<i64>,
    /// The key: records with the same key go to the same partition.
    pub key: Option<K>,
    /// The value; none is a tombstone in a compacted topic.
    pub value: Option<V>,
    /// The headers.
    pub headers: Headers,
}

impl<K, V> ProducerRecord<K, V> {
    /// A record with a value and no key.
    pub fn new(topic: impl Into<Arc<str>>, value: V) -> Self {
        Self::of(topic, None, Some(value))
    }

    /// A record with a key and no value: it deletes the key from a compacted topic.
    pub fn tombstone(topic: impl Into<Arc<str>>, key: K) -> Self {
        Self::of(topic, Some(key), None)
    }

    /// A record of a key and a value, either of which may be null.
    pub fn of(topic: impl Into<Arc<str>>, key: Option<K>, value: Option<V>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            timestamp: None,
            key,
            value,
            headers: Headers::new(),
        }
    }

    /// With a key.
    #[must_use]
    pub fn with_key(mut self, key: K) -> Self {
        self.key = Some(key);
        self
    }

    /// For one partition, whatever the partitioner says.
    #[must_use]
    pub fn with_partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// With a timestamp in milliseconds since the epoch.
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, key: impl Into<String>, value: impl Into<bytes::Bytes>) -> Self {
        self.headers.add(Header::new(key, value));
        self
    }

    /// With these headers instead of those it has.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }
}
