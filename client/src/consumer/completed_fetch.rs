//! One partition's part of a broker's answer, on its way to the application: batches are opened one
//! after the other when their records are wanted.
//!
//! Nothing of an uncompressed batch is copied. Pure but for the decompression's memory.

use bytes::Bytes;
use ringbrook_record::{Batch, BatchHeader, Batches, Codec, DecoderContext, RecordError, Records};

use super::aborted_transactions::AbortedTransactions;
use super::decode::{Decode, Origin};
use super::record::ConsumerRecord;
use crate::config::{ConsumerConfig, IsolationLevel};
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// What the records of one batch may take when decompressed. Kafka has no limit; this one keeps a
/// malformed batch from taking all memory.
const BATCH_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Beyond this many records memory is set aside as they come.
const HINT_MAX: usize = 10_000;

/// How batches are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadSettings {
    pub(super) is_checking_crcs: bool,
    pub(super) isolation: IsolationLevel,
}

impl ReadSettings {
    pub(super) fn of(config: &ConsumerConfig) -> Self {
        Self {
            is_checking_crcs: config.check_crcs,
            isolation: config.isolation_level,
        }
    }
}

/// Where an answer's whole batches end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The offset behind the last batch.
    pub(super) offset: i64,
    /// The last batch's leader epoch, if it has one.
    pub(super) epoch: Option<i32>,
}

/// Where the whole batches in `bytes` end; nothing when there are none.
///
/// # Errors
/// They are not batches.
pub(super) fn end_of(bytes: &[u8]) -> Result<Option<End>, RecordError> {
    let mut end = None;
    for batch in Batches::new(bytes) {
        let header = batch?.header;
        end = Some(End {
            offset: header.last_offset().saturating_add(1),
            epoch: epoch_of(&header),
        });
    }
    Ok(end)
}

fn epoch_of(header: &BatchHeader) -> Option<i32> {
    Some(header.partition_leader_epoch).filter(|epoch| 0 <= *epoch)
}

/// The batches of one partition in one answer.
#[derive(Debug)]
pub(super) struct CompletedFetch {
    pub(super) partition: TopicPartition,
    /// The partition's generation when it was asked for.
    pub(super) generation: u64,
    /// The broker that answered.
    pub(super) node: i32,
    /// The batches that are not opened yet.
    unopened: Bytes,
    /// The next record to hand out.
    next_offset: i64,
    /// The leader epoch of the batch before that.
    last_epoch: Option<i32>,
    aborted: AbortedTransactions,
    opened: Option<OpenBatch>,
}

#[derive(Debug)]
struct OpenBatch {
    header: BatchHeader,
    /// The records that are left, decompressed.
    records: Bytes,
    records_left: i32,
}

impl CompletedFetch {
    pub(super) fn new(
        partition: TopicPartition,
        generation: u64,
        node: i32,
        (fetch_offset, last_epoch): (i64, Option<i32>),
        batches: Bytes,
        aborted: AbortedTransactions,
    ) -> Self {
        Self {
            partition,
            generation,
            node,
            unopened: batches,
            next_offset: fetch_offset,
            last_epoch,
            aborted,
            opened: None,
        }
    }

    /// Bytes that are not opened yet.
    pub(super) fn unopened_bytes(&self) -> usize {
        self.unopened.len()
    }

    /// Offset of the next record to hand out, and the leader epoch before it.
    pub(super) fn position(&self) -> (i64, Option<i32>) {
        (self.next_offset, self.last_epoch)
    }

    /// About how many records are left: what memory to set aside for.
    pub(super) fn records_count_hint(&self) -> usize {
        let opened = self.opened.as_ref().map(|opened| opened.records_left);
        let first = || BatchHeader::parse(&self.unopened).ok();
        let count = opened.or_else(|| Some(first()?.records_count));
        count
            .and_then(|it| usize::try_from(it).ok())
            .unwrap_or(1)
            .min(HINT_MAX)
    }

    /// Whether everything has been handed out.
    pub(super) fn is_drained(&self) -> bool {
        self.opened.is_none() && self.unopened.is_empty()
    }

    /// Appends up to `count_max` records to `out`.
    ///
    /// # Errors
    /// A batch or a record cannot be read; what stands before it has been appended, and the same
    /// error comes again until the position is moved.
    pub(super) fn drain<K, V>(
        &mut self,
        out: &mut Vec<ConsumerRecord<K, V>>,
        count_max: usize,
        decode: &Decode<K, V>,
        settings: ReadSettings,
        decoder: &mut DecoderContext,
    ) -> Result<(), ClientError> {
        let count_max = out.len().saturating_add(count_max);
        while out.len() < count_max {
            if self.opened.is_none() && !self.open_next(settings, decoder)? {
                return Ok(());
            }
            self.drain_batch(out, count_max, decode)?;
        }
        Ok(())
    }

    /// Opens the next batch with records for the application; says whether there is one.
    fn open_next(
        &mut self,
        settings: ReadSettings,
        decoder: &mut DecoderContext,
    ) -> Result<bool, ClientError> {
        loop {
            let unopened = self.unopened.clone();
            let next = Batches::new(&unopened).next().transpose();
            let next = next.map_err(|error| self.corrupt(&error))?;
            let Some(batch) = next else {
                // What is left is a batch that the answer's size cut off.
                self.unopened.clear();
                return Ok(false);
            };
            if settings.is_checking_crcs {
                batch.verify_crc().map_err(|error| self.corrupt(&error))?;
            }
            let is_passed = self.is_passed(&batch, settings.isolation);
            if !is_passed {
                let records = records_of(&batch, &unopened, decoder);
                let records = records.map_err(|error| self.corrupt(&error))?;
                self.opened = Some(OpenBatch {
                    header: batch.header,
                    records,
                    records_left: batch.header.records_count,
                });
            }
            self.unopened = unopened.slice(batch.bytes.len()..);
            if !is_passed {
                return Ok(true);
            }
            self.finish_batch(&batch.header);
        }
    }

    /// Whether a batch has nothing for the application.
    fn is_passed(&mut self, batch: &Batch<'_>, isolation: IsolationLevel) -> bool {
        let is_aborted =
            isolation == IsolationLevel::ReadCommitted && self.aborted.is_aborted(batch);
        let header = &batch.header;
        is_aborted || header.attributes.is_control() || header.last_offset() < self.next_offset
    }

    fn finish_batch(&mut self, header: &BatchHeader) {
        let end = header.last_offset().saturating_add(1);
        self.next_offset = self.next_offset.max(end);
        self.last_epoch = epoch_of(header);
        self.opened = None;
    }

    fn drain_batch<K, V>(
        &mut self,
        out: &mut Vec<ConsumerRecord<K, V>>,
        count_max: usize,
        decode: &Decode<K, V>,
    ) -> Result<(), ClientError> {
        let Some(mut batch) = self.opened.take() else {
            return Ok(());
        };
        let drained = self.drain_open(&mut batch, out, count_max, decode);
        match drained {
            Ok(true) => self.finish_batch(&batch.header),
            Ok(false) | Err(_) => self.opened = Some(batch),
        }
        drained.map(|_| ())
    }

    /// Says whether the batch is done.
    fn drain_open<K, V>(
        &mut self,
        batch: &mut OpenBatch,
        out: &mut Vec<ConsumerRecord<K, V>>,
        count_max: usize,
        decode: &Decode<K, V>,
    ) -> Result<bool, ClientError> {
        let bytes = batch.records.clone();
        let records = Records::new(&bytes, batch.records_left);
        let mut records = records.map_err(|error| self.corrupt(&error))?;
        let origin = Origin {
            header: &batch.header,
            epoch: epoch_of(&batch.header),
            bytes: &bytes,
        };
        // What is read again after an error begins at the record that has it.
        let (rest, result) = loop {
            let rest = records.rest();
            if count_max <= out.len() {
                break (rest, Ok(false));
            }
            let record = match records.next() {
                Some(Ok(record)) => record,
                Some(Err(error)) => break (rest, Err(self.corrupt(&error))),
                None => break (rest, Ok(true)),
            };
            let offset = batch.header.record_offset(record.offset_delta);
            if self.next_offset <= offset {
                match decode.record(&self.partition, offset, &record, &origin) {
                    Ok(decoded) => out.push(decoded),
                    Err(error) => break (rest, Err(error)),
                }
                self.next_offset = offset.saturating_add(1);
                self.last_epoch = origin.epoch;
            }
            batch.records_left = batch.records_left.saturating_sub(1);
        };
        batch.records = bytes.slice_ref(rest);
        result
    }

    fn corrupt(&self, error: &RecordError) -> ClientError {
        ClientError::CorruptRecord {
            partition: self.partition.clone(),
            offset: self.next_offset,
            reason: error.to_string(),
        }
    }
}

/// The records of a batch that lies at the start of `bytes`, decompressed.
fn records_of(
    batch: &Batch<'_>,
    bytes: &Bytes,
    decoder: &mut DecoderContext,
) -> Result<Bytes, RecordError> {
    let codec = batch.header.attributes.codec()?;
    let payload = batch.payload();
    // A batch emptied by compaction has no stream, whatever codec it names.
    if codec == Codec::None || payload.is_empty() {
        return Ok(bytes.slice_ref(payload));
    }
    let mut decompressed = Vec::new();
    decoder.decompress(codec, payload, BATCH_BYTES_MAX, &mut decompressed)?;
    Ok(decompressed.into())
}

#[cfg(test)]
mod tests;
