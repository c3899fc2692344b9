//! The Produce request.

use std::ops::Range;

use bytes::{Buf, Bytes};
use uuid::Uuid;

use super::{FLEXIBLE_FROM, Few, TOPIC_ID_FROM};
use crate::StrBytes;
use crate::error::ProtocolError;
use crate::messages::ApiKey;
use crate::request::decoded_bytes_max;
use crate::versions;
use crate::walk::Walk;

/// A produce request. Its text and records are slices of the frame and keep it alive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Whose transaction the batches are part of, if of any.
    pub transactional_id: Option<StrBytes>,
    /// Who has to have the batches before the answer: 0 nobody, 1 the leader, -1 all in-sync
    /// replicas. As sent, so it may be anything.
    pub acks: i16,
    /// How long other replicas may take, in milliseconds.
    pub timeout_ms: i32,
    /// What to append, by topic.
    pub topics: Few<TopicData>,
}

/// What to append to one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicData {
    /// The topic's name; empty from version 13 on.
    pub name: StrBytes,
    /// The topic's id; zero before version 13.
    pub topic_id: Uuid,
    /// What to append, by partition.
    pub partitions: Few<PartitionData>,
}

/// What to append to one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionData {
    /// The partition's number.
    pub index: i32,
    /// Record batches; null is none.
    pub records: Option<Bytes>,
}

impl Request {
    /// Becomes what a request body (what follows the header) says: filled where it lies, as moving
    /// it would cost as much as reading it. The lists take at most [`decoded_bytes_max`] of memory;
    /// tagged fields are dropped, as Kafka defines none, and so is what follows the last field.
    ///
    /// # Errors
    /// [`ProtocolError::VersionNotServed`], or what is wrong with the bytes; what is read until
    /// then stays.
    pub fn decode(&mut self, body: Bytes, version: i16) -> Result<(), ProtocolError> {
        let api_key = ApiKey::Produce as i16;
        let served = versions::served_versions(api_key);
        if !served.is_some_and(|range| range.contains(version)) {
            return Err(ProtocolError::VersionNotServed {
                api_key,
                api_version: version,
            });
        }
        let is_flexible = FLEXIBLE_FROM <= version;
        let mut decoder = Decoder {
            walk: Walk::new(&body, version, is_flexible, decoded_bytes_max(body.len())),
            body: &body,
            version,
            is_flexible,
            is_one_topic: false,
            only_records: None,
        };
        decoder.request(self)?;
        if let Some(range) = decoder.only_records {
            self.give_only_records(body, range);
        }
        Ok(())
    }

    /// What is left of the body becomes the records of the only partition: another reference to
    /// its memory would cost a small request more than all of its other fields.
    fn give_only_records(&mut self, mut body: Bytes, range: Range<usize>) {
        body.truncate(range.end);
        body.advance(range.start);
        let topic = self.topics.first_mut();
        let partition = topic.and_then(|topic| topic.partitions.first_mut());
        if let Some(partition) = partition {
            partition.records = Some(body);
        }
    }
}

struct Decoder<'a> {
    walk: Walk<'a>,
    body: &'a Bytes,
    version: i16,
    is_flexible: bool,
    is_one_topic: bool,
    /// Where the records are in the body if there is only one partition.
    only_records: Option<Range<usize>>,
}

impl Decoder<'_> {
    fn request(&mut self, request: &mut Request) -> Result<(), ProtocolError> {
        request.transactional_id = self.text("transactional_id")?;
        request.acks = i16::from_be_bytes(self.walk.chunk("acks")?);
        request.timeout_ms = i32::from_be_bytes(self.walk.chunk("timeout_ms")?);
        let count = self.begin("topic_data", &mut request.topics)?;
        self.is_one_topic = count == 1;
        for _ in 0..count {
            self.topic(&mut request.topics)?;
        }
        self.end("request")
    }

    fn topic(&mut self, topics: &mut Few<TopicData>) -> Result<(), ProtocolError> {
        let (name, topic_id) = if self.version < TOPIC_ID_FROM {
            let name = self.text("name")?.ok_or_else(|| null("name"))?;
            (name, Uuid::nil())
        } else {
            let id = Uuid::from_bytes(self.walk.chunk("topic_id")?);
            (StrBytes::new(), id)
        };
        topics.push(TopicData {
            name,
            topic_id,
            partitions: Few::new(),
        });
        if let Some(TopicData { partitions, .. }) = topics.last_mut() {
            let count = self.begin("partition_data", partitions)?;
            let is_only = self.is_one_topic && count == 1;
            for _ in 0..count {
                partitions.push(self.partition(is_only)?);
            }
        }
        self.end("topic_data")
    }

    fn partition(&mut self, is_only: bool) -> Result<PartitionData, ProtocolError> {
        let index = i32::from_be_bytes(self.walk.chunk("index")?);
        let mut records = None;
        if let Some(length) = self.walk.length("records")? {
            let bytes = self.walk.take(length, "records")?;
            if is_only {
                let end = self.body.len().saturating_sub(self.walk.rest().len());
                self.only_records = Some(end.saturating_sub(length)..end);
            } else {
                records = Some(self.body.slice_ref(bytes));
            }
        }
        self.end("partition_data")?;
        Ok(PartitionData { index, records })
    }

    /// Empties the list, makes room for as many elements as there will be, and tells how many.
    fn begin<T>(&mut self, name: &'static str, list: &mut Few<T>) -> Result<usize, ProtocolError> {
        let count = self.walk.count(name, size_of::<T>())?;
        let count = count.ok_or_else(|| null(name))?;
        list.clear();
        list.reserve_exact(count);
        Ok(count)
    }

    fn text(&mut self, name: &'static str) -> Result<Option<StrBytes>, ProtocolError> {
        let Some(bytes) = self.walk.string(name)? else {
            return Ok(None);
        };
        let text = StrBytes::from_utf8(self.body.slice_ref(bytes));
        let malformed = |error| ProtocolError::Malformed(format!("{name}: {error}"));
        text.map(Some).map_err(malformed)
    }

    fn end(&mut self, name: &'static str) -> Result<(), ProtocolError> {
        if self.is_flexible {
            self.walk.skip_tags(name)
        } else {
            Ok(())
        }
    }
}

fn null(name: &'static str) -> ProtocolError {
    ProtocolError::Malformed(format!("{name} is null"))
}
