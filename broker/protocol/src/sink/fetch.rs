//! The Fetch response, whose records stay where they are.
//!
//! Follows Kafka's FetchResponse definition, versions 4 to 18; the small structures in tagged
//! fields are left to kafka-protocol. Checks for fields that a version lacks are `compute_size`'s,
//! which runs first.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes};

use super::body::{EncodeBody, ResponseBody, unencodable};
use super::writer::{Writer, fit, put_varint};
use super::{ResponseSink, is_spliced};
use crate::error::ProtocolError;
use crate::messages::FetchResponse;
use crate::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, NodeEndpoint, PartitionData,
};
use crate::{Encodable, Message};

impl ResponseBody for FetchResponse {
    fn in_memory_bytes(&self, version: i16) -> Result<usize, ProtocolError> {
        let all_bytes = self
            .compute_size(version)
            .map_err(|error| unencodable(&error))?;
        let partitions = self.responses.iter().flat_map(|topic| &topic.partitions);
        let records = partitions.filter_map(|partition| partition.records.as_ref());
        let spliced_bytes: usize = records
            .filter(|records| is_spliced(records))
            .map(Bytes::len)
            .sum();
        Ok(all_bytes.saturating_sub(spliced_bytes))
    }
}

impl EncodeBody for FetchResponse {
    fn encode_body(&self, sink: &mut ResponseSink, version: i16) -> Result<(), ProtocolError> {
        if !(Self::VERSIONS.min..=Self::VERSIONS.max).contains(&version) {
            return Err(unencodable(&format_args!("Fetch has no version {version}")));
        }
        Writer::new(sink, version, 12 <= version).fetch_response(self)
    }
}

impl Writer<'_> {
    fn fetch_response(&mut self, response: &FetchResponse) -> Result<(), ProtocolError> {
        self.out().put_i32(response.throttle_time_ms);
        if 7 <= self.version() {
            self.out().put_i16(response.error_code);
            self.out().put_i32(response.session_id);
        }
        self.length(Some(response.responses.len()))?;
        for topic in &response.responses {
            self.topic(topic)?;
        }
        if self.is_flexible() {
            let endpoints = &response.node_endpoints;
            let has_endpoints = 16 <= self.version() && !endpoints.is_empty();
            self.tag_count(usize::from(has_endpoints), &response.unknown_tagged_fields)?;
            if has_endpoints {
                self.node_endpoints(endpoints)?;
            }
            self.unknown_tags(&response.unknown_tagged_fields)?;
        }
        Ok(())
    }

    fn topic(&mut self, topic: &FetchableTopicResponse) -> Result<(), ProtocolError> {
        if self.version() <= 12 {
            self.string(Some(&topic.topic))?;
        } else {
            self.out().put_slice(topic.topic_id.as_bytes());
        }
        self.length(Some(topic.partitions.len()))?;
        for partition in &topic.partitions {
            self.partition(partition)?;
        }
        self.end(&topic.unknown_tagged_fields)
    }

    fn partition(&mut self, partition: &PartitionData) -> Result<(), ProtocolError> {
        self.out().put_i32(partition.partition_index);
        self.out().put_i16(partition.error_code);
        self.out().put_i64(partition.high_watermark);
        self.out().put_i64(partition.last_stable_offset);
        if 5 <= self.version() {
            self.out().put_i64(partition.log_start_offset);
        }
        self.aborted_transactions(partition.aborted_transactions.as_deref())?;
        if 11 <= self.version() {
            self.out().put_i32(partition.preferred_read_replica.0);
        }
        // An empty partition carries zero-length records, never null: librdkafka fails the whole
        // response otherwise.
        let empty = Bytes::new();
        let records = partition.records.as_ref().unwrap_or(&empty);
        self.length(Some(records.len()))?;
        self.sink.put_records(records);
        if self.is_flexible() {
            self.partition_tags(partition)
        } else {
            Ok(())
        }
    }

    fn aborted_transactions(
        &mut self,
        aborted: Option<&[AbortedTransaction]>,
    ) -> Result<(), ProtocolError> {
        self.length(aborted.map(<[_]>::len))?;
        for transaction in aborted.unwrap_or_default() {
            self.out().put_i64(transaction.producer_id.0);
            self.out().put_i64(transaction.first_offset);
            self.end(&transaction.unknown_tagged_fields)?;
        }
        Ok(())
    }

    fn partition_tags(&mut self, partition: &PartitionData) -> Result<(), ProtocolError> {
        let unknown = &partition.unknown_tagged_fields;
        let diverging_epoch = present(&partition.diverging_epoch);
        let current_leader = present(&partition.current_leader);
        let snapshot_id = present(&partition.snapshot_id);
        let known_count = [
            diverging_epoch.is_some(),
            current_leader.is_some(),
            snapshot_id.is_some(),
        ];
        let known_count = known_count.iter().filter(|is_present| **is_present).count();
        self.tag_count(known_count, unknown)?;
        self.tag(0, diverging_epoch)?;
        self.tag(1, current_leader)?;
        self.tag(2, snapshot_id)?;
        self.unknown_tags(unknown)
    }

    fn node_endpoints(&mut self, endpoints: &[NodeEndpoint]) -> Result<(), ProtocolError> {
        let mut content = Vec::new();
        put_varint(&mut content, fit(endpoints.len().saturating_add(1))?);
        for endpoint in endpoints {
            endpoint
                .encode(&mut content, self.version())
                .map_err(|error| unencodable(&error))?;
        }
        self.tag_content(0, &content)
    }

    fn tag<T: Encodable>(&mut self, tag: u32, value: Option<&T>) -> Result<(), ProtocolError> {
        let Some(value) = value else { return Ok(()) };
        let mut content = Vec::new();
        value
            .encode(&mut content, self.version())
            .map_err(|error| unencodable(&error))?;
        self.tag_content(tag, &content)
    }

    fn tag_content(&mut self, tag: u32, content: &[u8]) -> Result<(), ProtocolError> {
        self.varint(tag);
        self.varint(fit(content.len())?);
        self.out().put_slice(content);
        Ok(())
    }

    /// Ends a structure that has no tagged fields of its own.
    fn end(&mut self, unknown: &BTreeMap<i32, Bytes>) -> Result<(), ProtocolError> {
        if !self.is_flexible() {
            return Ok(());
        }
        self.tag_count(0, unknown)?;
        self.unknown_tags(unknown)
    }

    fn tag_count(
        &mut self,
        known_count: usize,
        unknown: &BTreeMap<i32, Bytes>,
    ) -> Result<(), ProtocolError> {
        self.varint(fit(known_count.saturating_add(unknown.len()))?);
        Ok(())
    }

    fn unknown_tags(&mut self, unknown: &BTreeMap<i32, Bytes>) -> Result<(), ProtocolError> {
        for (tag, content) in unknown {
            self.tag_content(tag.cast_unsigned(), content)?;
        }
        Ok(())
    }
}

/// A tagged field is sent unless it equals its default.
fn present<T: Default + PartialEq>(value: &T) -> Option<&T> {
    (*value != T::default()).then_some(value)
}
