//! The Produce request.

use bytes::Bytes;
use uuid::Uuid;

use super::{FLEXIBLE_FROM, Few, TOPIC_ID_FROM};
use crate::StrBytes;
use crate::error::ProtocolError;
use crate::messages::ApiKey;
use crate::request::decoded_bytes_max;
use crate::versions;
use crate::walk::Walk;

/// A produce request. Its text and records are slices of the frame and keep it alive.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Decodes a request body (what follows the header). The lists take at most
    /// [`decoded_bytes_max`] of memory; tagged fields are dropped, as Kafka defines none, and so is
    /// what follows the last field.
    ///
    /// # Errors
    /// [`ProtocolError::VersionNotServed`], or what is wrong with the bytes.
    pub fn decode(body: &Bytes, version: i16) -> Result<Self, ProtocolError> {
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
            walk: Walk::new(body, version, is_flexible, decoded_bytes_max(body.len())),
            body,
            version,
            is_flexible,
        };
        decoder.request()
    }
}

struct Decoder<'a> {
    walk: Walk<'a>,
    body: &'a Bytes,
    version: i16,
    is_flexible: bool,
}

impl Decoder<'_> {
    fn request(&mut self) -> Result<Request, ProtocolError> {
        let transactional_id = self.text("transactional_id")?;
        let acks = i16::from_be_bytes(self.walk.chunk("acks")?);
        let timeout_ms = i32::from_be_bytes(self.walk.chunk("timeout_ms")?);
        let topics = self.list("topic_data", Self::topic)?;
        self.end("request")?;
        Ok(Request {
            transactional_id,
            acks,
            timeout_ms,
            topics,
        })
    }

    fn topic(&mut self) -> Result<TopicData, ProtocolError> {
        let (name, topic_id) = if self.version < TOPIC_ID_FROM {
            let name = self.text("name")?.ok_or_else(|| null("name"))?;
            (name, Uuid::nil())
        } else {
            let id = Uuid::from_bytes(self.walk.chunk("topic_id")?);
            (StrBytes::new(), id)
        };
        let partitions = self.list("partition_data", Self::partition)?;
        self.end("topic_data")?;
        Ok(TopicData {
            name,
            topic_id,
            partitions,
        })
    }

    fn partition(&mut self) -> Result<PartitionData, ProtocolError> {
        let index = i32::from_be_bytes(self.walk.chunk("index")?);
        let records = match self.walk.length("records")? {
            None => None,
            Some(length) => Some(self.body.slice_ref(self.walk.take(length, "records")?)),
        };
        self.end("partition_data")?;
        Ok(PartitionData { index, records })
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, ProtocolError>,
    ) -> Result<Few<T>, ProtocolError> {
        let count = self.walk.count(name, size_of::<T>())?;
        let count = count.ok_or_else(|| null(name))?;
        let mut list = Few::with_capacity(count);
        for _ in 0..count {
            list.push(element(self)?);
        }
        Ok(list)
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
