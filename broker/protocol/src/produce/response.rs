//! The Produce response.

use bytes::BufMut;
use uuid::Uuid;

use super::{FLEXIBLE_FROM, Few, TOPIC_ID_FROM};
use crate::error::ProtocolError;
use crate::sink::{ResponseBody, ResponseSink, Writer};
use crate::{HeaderVersion, StrBytes};

/// From this version on answers tell the log start offset.
const LOG_START_OFFSET_FROM: i16 = 5;
/// From this version on answers tell why records were refused.
const REFUSAL_FROM: i16 = 8;
/// Never told to wait.
const THROTTLE_TIME_MS: i32 = 0;
/// Longest varint.
const VARINT_BYTES: usize = 5;

/// The answer to a produce request, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// By topic.
    pub topics: Few<TopicResponse>,
}

/// The answer for one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicResponse {
    /// The topic's name; not sent from version 13 on.
    pub name: StrBytes,
    /// The topic's id; not sent before version 13.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Few<PartitionResponse>,
}

/// The answer for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionResponse {
    /// The partition's number.
    pub index: i32,
    /// Kafka's error code, or 0.
    pub error_code: i16,
    /// The offset of the first record, or -1.
    pub base_offset: i64,
    /// When the records were appended, with LogAppendTime, or -1.
    pub log_append_time_ms: i64,
    /// The log start offset, or -1.
    pub log_start_offset: i64,
    /// More about the error. Sent from version 8 on.
    pub refusal: Option<Box<Refusal>>,
}

/// Why records were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The common cause.
    pub message: String,
    /// The records at fault, where they are known.
    pub record_errors: Vec<RecordError>,
}

/// What is wrong with one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// The record's place in its batch.
    pub batch_index: i32,
    /// What is wrong.
    pub message: String,
}

impl HeaderVersion for Response {
    fn header_version(version: i16) -> i16 {
        i16::from(FLEXIBLE_FROM <= version)
    }
}

impl ResponseBody for Response {
    /// An upper bound: lengths count as if they were as long as they can be.
    fn in_memory_bytes(&self, _version: i16) -> Result<usize, ProtocolError> {
        let topics = self.topics.iter().map(TopicResponse::bytes_max);
        let frame = [2 * VARINT_BYTES, size_of::<i32>()];
        Ok(frame.into_iter().chain(topics).sum())
    }

    fn encode_body(&self, sink: &mut ResponseSink, version: i16) -> Result<(), ProtocolError> {
        let mut writer = Writer::new(sink, version, FLEXIBLE_FROM <= version);
        writer.length(Some(self.topics.len()))?;
        for topic in &self.topics {
            topic.encode(&mut writer)?;
        }
        writer.out().put_i32(THROTTLE_TIME_MS);
        writer.no_tags();
        Ok(())
    }
}

impl TopicResponse {
    fn bytes_max(&self) -> usize {
        let partitions = self.partitions.iter().map(PartitionResponse::bytes_max);
        let own = [self.name.len(), size_of::<Uuid>(), 3 * VARINT_BYTES];
        own.into_iter().chain(partitions).sum()
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), ProtocolError> {
        if writer.version() < TOPIC_ID_FROM {
            writer.string(Some(&self.name))?;
        } else {
            writer.out().put_slice(self.topic_id.as_bytes());
        }
        writer.length(Some(self.partitions.len()))?;
        for partition in &self.partitions {
            partition.encode(writer)?;
        }
        writer.no_tags();
        Ok(())
    }
}

impl PartitionResponse {
    fn bytes_max(&self) -> usize {
        const OWN: usize = size_of::<(i32, i16, i64, i64, i64)>() + 3 * VARINT_BYTES;
        let Some(refusal) = &self.refusal else {
            return OWN;
        };
        let record = |error: &RecordError| {
            [error.message.len(), size_of::<i32>(), 2 * VARINT_BYTES]
                .iter()
                .sum::<usize>()
        };
        let records = refusal.record_errors.iter().map(record);
        [OWN, refusal.message.len()]
            .into_iter()
            .chain(records)
            .sum()
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), ProtocolError> {
        let version = writer.version();
        let out = writer.out();
        out.put_i32(self.index);
        out.put_i16(self.error_code);
        out.put_i64(self.base_offset);
        out.put_i64(self.log_append_time_ms);
        if LOG_START_OFFSET_FROM <= version {
            out.put_i64(self.log_start_offset);
        }
        if REFUSAL_FROM <= version {
            self.encode_refusal(writer)?;
        }
        writer.no_tags();
        Ok(())
    }

    fn encode_refusal(&self, writer: &mut Writer<'_>) -> Result<(), ProtocolError> {
        let Some(refusal) = &self.refusal else {
            writer.length(Some(0))?;
            return writer.string(None);
        };
        writer.length(Some(refusal.record_errors.len()))?;
        for error in &refusal.record_errors {
            writer.out().put_i32(error.batch_index);
            writer.string(Some(&error.message))?;
            writer.no_tags();
        }
        writer.string(Some(&refusal.message))
    }
}
