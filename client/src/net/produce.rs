//! The Produce request, whose records stay where they are.
//!
//! Follows Kafka's ProduceRequest definition, versions 3 to 13. kafka-protocol's encoder is generic
//! over its sink, but a sink of our own would need an unsafe impl of `BufMut`; a test holds this
//! one to kafka-protocol's bytes in every version.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes};
use ringbrook_protocol::messages::ProduceRequest;
use ringbrook_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ringbrook_protocol::{Encodable, Message};

use super::frame::{BY_REFERENCE_BYTES_MIN, Splicer, explained};

/// From this version on lengths are varints and structures end in tagged fields.
const FLEXIBLE_FROM: i16 = 9;
/// The last version that names topics; later ones give their ids.
const LAST_BY_NAME: i16 = 12;

/// How many bytes [`encode`] puts into memory, records by reference aside.
pub(super) fn in_memory_bytes(request: &ProduceRequest, version: i16) -> Result<usize, String> {
    let all_bytes = explained(request.compute_size(version))?;
    let partitions = request
        .topic_data
        .iter()
        .flat_map(|topic| &topic.partition_data);
    let records = partitions.filter_map(|partition| partition.records.as_ref());
    let by_reference = records
        .map(Bytes::len)
        .filter(|bytes| BY_REFERENCE_BYTES_MIN <= *bytes);
    Ok(all_bytes - by_reference.sum::<usize>())
}

/// Writes the body.
pub(super) fn encode(
    request: &ProduceRequest,
    version: i16,
    splicer: &mut Splicer,
) -> Result<(), String> {
    if !(ProduceRequest::VERSIONS.min..=ProduceRequest::VERSIONS.max).contains(&version) {
        return Err(format!("Produce has no version {version}"));
    }
    let mut writer = Writer {
        splicer,
        version,
        is_flexible: FLEXIBLE_FROM <= version,
    };
    writer.string(request.transactional_id.as_ref().map(|id| id.as_str()))?;
    writer.splicer.out().put_i16(request.acks);
    writer.splicer.out().put_i32(request.timeout_ms);
    writer.length(Some(request.topic_data.len()))?;
    for topic in &request.topic_data {
        writer.topic(topic)?;
    }
    writer.tags(&request.unknown_tagged_fields)
}

struct Writer<'a> {
    splicer: &'a mut Splicer,
    version: i16,
    is_flexible: bool,
}

impl Writer<'_> {
    fn topic(&mut self, topic: &TopicProduceData) -> Result<(), String> {
        if self.version <= LAST_BY_NAME {
            self.string(Some(topic.name.as_str()))?;
        } else {
            self.splicer.out().put_slice(topic.topic_id.as_bytes());
        }
        self.length(Some(topic.partition_data.len()))?;
        for partition in &topic.partition_data {
            self.partition(partition)?;
        }
        self.tags(&topic.unknown_tagged_fields)
    }

    fn partition(&mut self, partition: &PartitionProduceData) -> Result<(), String> {
        self.splicer.out().put_i32(partition.index);
        self.length(partition.records.as_ref().map(Bytes::len))?;
        if let Some(records) = &partition.records {
            self.splicer.put_records(records);
        }
        self.tags(&partition.unknown_tagged_fields)
    }

    fn string(&mut self, text: Option<&str>) -> Result<(), String> {
        if self.is_flexible {
            self.length(text.map(str::len))?;
        } else {
            let length = text.map_or(Ok(-1), |text| i16::try_from(text.len()));
            self.splicer.out().put_i16(explained(length)?);
        }
        self.splicer
            .out()
            .put_slice(text.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// The length of an array or of records; `None` is null.
    fn length(&mut self, length: Option<usize>) -> Result<(), String> {
        if self.is_flexible {
            let plus_one = length.map_or(Ok(0), |length| u32::try_from(length + 1));
            self.varint(explained(plus_one)?);
        } else {
            let length = length.map_or(Ok(-1), i32::try_from);
            self.splicer.out().put_i32(explained(length)?);
        }
        Ok(())
    }

    fn tags(&mut self, tags: &BTreeMap<i32, Bytes>) -> Result<(), String> {
        if !self.is_flexible {
            return Ok(());
        }
        self.varint(explained(u32::try_from(tags.len()))?);
        for (tag, content) in tags {
            self.varint(tag.cast_unsigned());
            self.varint(explained(u32::try_from(content.len()))?);
            self.splicer.out().put_slice(content);
        }
        Ok(())
    }

    fn varint(&mut self, mut value: u32) {
        while let low @ 0x80.. = value {
            let [byte, ..] = low.to_le_bytes();
            self.splicer.out().put_u8(byte | 0x80);
            value = low >> 7;
        }
        let [byte, ..] = value.to_le_bytes();
        self.splicer.out().put_u8(byte);
    }
}
