//! A record's bytes to what the application reads, by its deserializers.

use std::sync::Arc;

use bytes::Bytes;
use ringbrook_protocol::StrBytes;
use ringbrook_record::{BatchHeader, Record};

use super::record::ConsumerRecord;
use crate::error::{ClientError, DeserializationError, RecordPart};
use crate::headers::{Header, Headers};
use crate::serialization::Deserializer;
use crate::topic_partition::TopicPartition;

/// The deserializers of keys and values.
pub(super) struct Decode<K, V> {
    pub(super) key: Box<dyn Deserializer<K>>,
    pub(super) value: Box<dyn Deserializer<V>>,
}

/// What a record's bytes are a part of.
pub(super) struct Origin<'a> {
    pub(super) header: &'a BatchHeader,
    pub(super) epoch: Option<i32>,
    /// The batch's records, decompressed.
    pub(super) bytes: &'a Bytes,
}

impl<K, V> Decode<K, V> {
    /// Decodes a record of `origin`; nothing of it is copied but what deserializers copy.
    ///
    /// # Errors
    /// A deserializer does not take the key or the value.
    pub(super) fn record(
        &self,
        partition: &TopicPartition,
        offset: i64,
        record: &Record<'_>,
        origin: &Origin<'_>,
    ) -> Result<ConsumerRecord<K, V>, ClientError> {
        let Origin { header, bytes, .. } = origin;
        let headers = headers_of(record, bytes);
        let timestamp = header.record_timestamp(record.timestamp_delta);
        let failed = |part, error| {
            let part_bytes = |part: Option<&[u8]>| part.map(|part| bytes.slice_ref(part));
            ClientError::Deserialization(Arc::new(DeserializationError {
                partition: partition.clone(),
                offset,
                timestamp,
                part,
                key: part_bytes(record.key),
                value: part_bytes(record.value),
                headers: headers.clone(),
                error,
            }))
        };
        let topic = &partition.topic;
        let key = record.key.map(|key| bytes.slice_ref(key));
        let value = record.value.map(|value| bytes.slice_ref(value));
        let serialized_key_bytes = key.as_ref().map(Bytes::len);
        let serialized_value_bytes = value.as_ref().map(Bytes::len);
        let key = key.map(|key| self.key.deserialize(topic, &headers, key));
        let key = key.transpose().map_err(|it| failed(RecordPart::Key, it))?;
        let value = value.map(|value| self.value.deserialize(topic, &headers, value));
        let value = value.transpose();
        let value = value.map_err(|it| failed(RecordPart::Value, it))?;
        Ok(ConsumerRecord {
            topic: Arc::clone(topic),
            partition: partition.partition,
            offset,
            timestamp,
            timestamp_type: header.attributes.timestamp_type(),
            leader_epoch: origin.epoch,
            serialized_key_bytes,
            serialized_value_bytes,
            headers,
            key,
            value,
        })
    }
}

fn headers_of(record: &Record<'_>, bytes: &Bytes) -> Headers {
    let headers = record.headers.map(|header| {
        // As Java's decoder does it: a name that is not UTF-8 does not stop the reading.
        let lossy = || String::from_utf8_lossy(header.key).into_owned();
        let key = StrBytes::from_utf8(bytes.slice_ref(header.key));
        let key = key.unwrap_or_else(|_| StrBytes::from_string(lossy()));
        Header::of(key, header.value.map(|value| bytes.slice_ref(value)))
    });
    headers.collect()
}
