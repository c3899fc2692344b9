//! A batch of records for one partition, from its first record until it is answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ringbrook_record::batch_header::HEADER_BYTES;
use ringbrook_record::{
    Batch as BatchView, BatchBuilder, BatchHeader, Codec, Header as HeaderView, HeaderPatch,
    RecordBuffer, RecordError,
};
use tokio::time::Instant;
use tracing::error;

use super::delivery::{Callback, Delivery, PendingCallback, RecordShape};
use super::outcome::{Acknowledged, Failure, Outcome};
use super::sequences::Assigned;
use crate::headers::Headers;

/// The most that a record of the given parts takes beside them: length, attributes, two deltas and
/// three counts.
const RECORD_OVERHEAD_BYTES_MAX: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
/// The most that a header takes beside its key and value: two lengths.
const HEADER_OVERHEAD_BYTES_MAX: usize = 5 + 5;
/// The longest list of records that is unpacked to split a batch.
const SPLIT_BYTES_MAX: usize = 1 << 30;

/// The place of a batch in the order of its partition: when it was begun, and, for a part of a
/// batch that was split, which of its records comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BatchKey {
    pub(super) serial: u64,
    pub(super) first_record: u32,
}

/// A batch.
pub(super) struct Batch {
    pub(super) key: BatchKey,
    /// Its partition's number in the accumulator.
    pub(super) slot: usize,
    content: Content,
    records_count: u32,
    pub(super) outcome: Arc<Outcome>,
    callbacks: Vec<PendingCallback>,
    pub(super) created_at: Instant,
    /// How often it was tried again.
    pub(super) attempts: u32,
    /// Not to be sent again before; unless there is a new leader.
    pub(super) retry_at: Option<Instant>,
    /// The epoch of the leader that it was last sent to.
    pub(super) leader_epoch: i32,
    /// What it counts for in `buffer.memory`.
    pub(super) reserved_bytes: usize,
    /// Whether it ever went to a broker.
    pub(super) was_sent: bool,
}

enum Content {
    /// Takes records.
    Open(Box<BatchBuilder>),
    /// As it is sent.
    Sealed(Bytes),
}

/// A record's parts as bytes.
pub(super) struct RawRecord<'a> {
    pub(super) timestamp: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a Headers,
}

impl RawRecord<'_> {
    /// The most bytes that it takes in a batch.
    pub(super) fn size_bytes_max(&self) -> usize {
        let of = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers = self.headers.iter().map(|header| {
            let value = header.value().map_or(0, Bytes::len);
            header.key().len() + value + HEADER_OVERHEAD_BYTES_MAX
        });
        RECORD_OVERHEAD_BYTES_MAX + of(self.key) + of(self.value) + headers.sum::<usize>()
    }
}

fn size_field(bytes: Option<&[u8]>) -> Option<u32> {
    bytes.map(|bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

impl Batch {
    pub(super) fn new(
        key: BatchKey,
        slot: usize,
        outcome: Arc<Outcome>,
        created_at: Instant,
        buffer: Vec<u8>,
    ) -> Self {
        Self {
            key,
            slot,
            content: Content::Open(Box::new(BatchBuilder::new().in_buffer(buffer))),
            records_count: 0,
            outcome,
            callbacks: Vec::new(),
            created_at,
            attempts: 0,
            retry_at: None,
            leader_epoch: -1,
            reserved_bytes: 0,
            was_sent: false,
        }
    }

    /// How many records it has.
    pub(super) fn records_count(&self) -> u32 {
        self.records_count
    }

    /// Its size as it is: before compression as long as it takes records.
    pub(super) fn size_bytes(&self) -> usize {
        match &self.content {
            Content::Open(builder) => builder.size_bytes(),
            Content::Sealed(bytes) => bytes.len(),
        }
    }

    /// Whether it still takes records.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.content, Content::Open(_))
    }

    /// Adds a record.
    pub(super) fn append(
        &mut self,
        record: &RawRecord<'_>,
        callback: Option<Callback>,
    ) -> Result<Delivery, RecordError> {
        let Content::Open(builder) = &mut self.content else {
            let what = "sealed batch";
            return Err(RecordError::BatchFull { what });
        };
        let headers = record.headers.iter().map(|header| HeaderView {
            key: header.key().as_bytes(),
            value: header.value().map(Bytes::as_ref),
        });
        builder.append(record.timestamp, record.key, record.value, headers)?;
        let shape = RecordShape {
            index: self.records_count,
            timestamp: record.timestamp,
            key_size: size_field(record.key),
            value_size: size_field(record.value),
        };
        self.records_count += 1;
        if let Some(call) = callback {
            let record = shape;
            self.callbacks.push(PendingCallback { record, call });
        }
        Ok(Delivery::new(Arc::clone(&self.outcome), shape))
    }

    /// Compresses it and writes its header; it takes no more records. Returns memory that is not
    /// needed any more.
    pub(super) fn seal(
        &mut self,
        codec: Codec,
        level: Option<i32>,
        buffer: Vec<u8>,
        is_transactional: bool,
    ) -> Result<Vec<u8>, RecordError> {
        let Content::Open(builder) = &mut self.content else {
            return Ok(buffer);
        };
        let mut builder = std::mem::take(&mut **builder);
        if is_transactional {
            builder = builder.transactional();
        }
        let finished = builder.finish_in(codec, level, buffer)?;
        self.content = Content::Sealed(finished.batch.into());
        Ok(finished.spare)
    }

    /// The bytes to be sent, under these sequence numbers.
    pub(super) fn bytes_as(&mut self, assigned: Option<Assigned>) -> Result<Bytes, RecordError> {
        let Content::Sealed(bytes) = &mut self.content else {
            let what = "open batch";
            return Err(RecordError::BatchFull { what });
        };
        if let Some(assigned) = assigned {
            restamp(bytes, assigned)?;
        }
        Ok(bytes.clone())
    }

    /// Tells everybody that the records are written, callbacks before those who await, so that
    /// callbacks are over when a flush is; returns the memory if it can be used again.
    pub(super) fn acknowledge(self, acknowledged: Acknowledged) -> Option<Vec<u8>> {
        for PendingCallback { record, call } in self.callbacks {
            let offset = match acknowledged.base_offset {
                -1 => -1,
                base_offset => base_offset + i64::from(record.index),
            };
            let time = acknowledged.log_append_time;
            let metadata = record.metadata(&self.outcome, offset, time);
            run(move || call(Ok(metadata)));
        }
        self.outcome.acknowledge(acknowledged);
        self.content.into_buffer()
    }

    /// Tells everybody that the records are given up, in the same order; returns the memory if it
    /// can be used again.
    pub(super) fn fail(self, failure: Failure) -> Option<Vec<u8>> {
        for PendingCallback { record, call } in self.callbacks {
            let error = failure.of_record(record.index);
            run(move || call(Err(error)));
        }
        self.outcome.fail(failure);
        self.content.into_buffer()
    }

    /// The records as the contents of several batches of at most `batch_size` before compression,
    /// or of one record each when this batch is no larger (KIP-126).
    pub(super) fn unpack(&self, batch_size: usize) -> Result<Vec<BatchBuilder>, RecordError> {
        let Content::Sealed(bytes) = &self.content else {
            let what = "open batch";
            return Err(RecordError::BatchFull { what });
        };
        let is_within = self.reserved_bytes <= batch_size;
        split_records(bytes, if is_within { 0 } else { batch_size })
    }

    /// The batches of these contents, which are this one's. Deliveries and callbacks go with them.
    pub(super) fn split(self, parts: Vec<BatchBuilder>) -> Vec<Self> {
        let outcome = || Outcome::new(Arc::clone(&self.outcome.topic), self.outcome.partition);
        let mut first = 0;
        let mut callbacks = self.callbacks.into_iter().peekable();
        let mut batches = Vec::with_capacity(parts.len());
        let mut outcomes = Vec::with_capacity(parts.len());
        for builder in parts {
            let part = outcome();
            outcomes.push((first, Arc::clone(&part)));
            let key = BatchKey {
                serial: self.key.serial,
                first_record: self.key.first_record + first,
            };
            let mut batch = Self::new(key, self.slot, part, self.created_at, Vec::new());
            batch.records_count = builder.records_count().unsigned_abs();
            batch.reserved_bytes = builder.size_bytes();
            batch.content = Content::Open(Box::new(builder));
            let end = first + batch.records_count;
            while let Some(mut it) = callbacks.next_if(|it| it.record.index < end) {
                it.record.index -= first;
                batch.callbacks.push(it);
            }
            first = end;
            batches.push(batch);
        }
        self.outcome.split(outcomes);
        batches
    }
}

impl Content {
    fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Self::Open(_) => None,
            Self::Sealed(bytes) => bytes.try_into_mut().ok().map(|mut bytes| {
                // Otherwise the contents would be moved to where they are.
                bytes.clear();
                Vec::from(bytes)
            }),
        }
    }
}

/// Sets producer and sequence number, unless they are set already.
fn restamp(bytes: &mut Bytes, assigned: Assigned) -> Result<(), RecordError> {
    let header = BatchHeader::parse(bytes)?;
    let (id, epoch) = (assigned.producer.id, assigned.producer.epoch);
    let wanted = (id, epoch, assigned.base_sequence);
    if (
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
    ) == wanted
    {
        return Ok(());
    }
    let payload = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let patch = HeaderPatch::new(&header).producer(id, epoch, assigned.base_sequence);
    let header = patch.encode(payload);
    // An earlier attempt may still hold the bytes: then they are copied.
    let mut own = std::mem::take(bytes)
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    own[..HEADER_BYTES].copy_from_slice(&header);
    *bytes = own.freeze();
    Ok(())
}

fn split_records(bytes: &[u8], size_bytes_max: usize) -> Result<Vec<BatchBuilder>, RecordError> {
    let view = BatchView::parse(bytes)?;
    let like = || {
        let builder = BatchBuilder::new();
        if view.header.attributes.is_transactional() {
            return builder.transactional();
        }
        builder
    };
    let mut buffer = RecordBuffer::new();
    let mut parts = Vec::new();
    let mut part = like();
    for record in view.records(&mut buffer, SPLIT_BYTES_MAX)? {
        let record = record?;
        let timestamp = view.header.record_timestamp(record.timestamp_delta);
        let size_bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        if !part.is_empty() && size_bytes_max < part.size_bytes() + size_bytes {
            parts.push(std::mem::replace(&mut part, like()));
        }
        part.append(timestamp, record.key, record.value, record.headers)?;
    }
    parts.push(part);
    Ok(parts)
}

/// A callback is the user's: its panic must not end the producer.
fn run(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        error!("a callback of a send has panicked");
    }
}
