//! The Produce response.

use bytes::BufMut;
use uuid::Uuid;

use super::{FLEXIBLE_FROM, Few, TOPIC_ID_FROM};
use crate::error::ProtocolError;
use crate::sink::{EncodeBody, ResponseSink, Writer};
use crate::{HeaderVersion, StrBytes};

/// From this version on answers tell the log start offset.
const LOG_START_OFFSET_FROM: i16 = 5;
/// From this version on answers tell why records were refused.
const REFUSAL_FROM: i16 = 8;
/// Never told to wait.
const THROTTLE_TIME_MS: i32 = 0;
/// Index, error code, base offset, append time and log start offset of a partition.
const FIXED_BYTES: usize = 4 + 2 + 8 + 8 + 8;

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

impl EncodeBody for Response {
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
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), ProtocolError> {
        let version = writer.version();
        let mut fixed = [0; FIXED_BYTES];
        let mut rest = fixed.as_mut_slice();
        rest.put_i32(self.index);
        rest.put_i16(self.error_code);
        rest.put_i64(self.base_offset);
        rest.put_i64(self.log_append_time_ms);
        rest.put_i64(self.log_start_offset);
        debug_assert!(rest.is_empty(), "{} fixed bytes not written", rest.len());
        if LOG_START_OFFSET_FROM <= version {
            writer.out().put_slice(&fixed);
        } else {
            let fixed = fixed.split_last_chunk::<{ size_of::<i64>() }>();
            writer.out().put_slice(fixed.map_or(&[], |(rest, _)| rest));
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
