//! Iterator over the records of a batch, with keys, values and headers.
//!
//! For reading whole records: internal topics, timestamp lookup, rebuilding. A produced batch
//! that only needs validation goes through [`crate::Skim`], which does not hold the decompressed
//! records in memory.
//!
//! Source: Kafka `DefaultRecordBatch.iterator`.

use crate::batch::Batch;
use crate::codec::Codec;
use crate::decoder::{DecoderContext, RETAINED_BYTES_MAX, decompress_with};
use crate::error::RecordError;
use crate::record::Record;

/// Memory that is reused from batch to batch: the decompressed records and the codecs' state.
/// What an unusually large batch made it grow by is given back at the next use.
#[derive(Default)]
pub struct RecordBuffer {
    context: DecoderContext,
    decompressed: Vec<u8>,
}

impl RecordBuffer {
    /// An empty buffer; it allocates when first needed.
    #[must_use]
    pub fn new() -> RecordBuffer {
        RecordBuffer::default()
    }
}

impl std::fmt::Debug for RecordBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordBuffer")
            .field("capacity_bytes", &self.decompressed.capacity())
            .finish_non_exhaustive()
    }
}

/// Iterator over the records of a batch.
///
/// Exactly as many as the header's records count must be there, with no bytes behind the last:
/// anything else is an error, returned as the last item. It ends after the first error.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    records_count: i32,
    /// Index of the next record.
    index: i32,
    is_done: bool,
}

impl<'a> Batch<'a> {
    /// The records, decompressed into `buffer` when the batch is compressed; uncompressed ones are
    /// not copied. `limit_bytes` bounds the size of the records after decompression.
    ///
    /// # Errors
    /// [`RecordError::UnknownCodec`], [`RecordError::DecompressedTooLarge`],
    /// [`RecordError::Decompress`]; and those of [`Records::new`].
    pub fn records<'b>(
        &self,
        buffer: &'b mut RecordBuffer,
        limit_bytes: usize,
    ) -> Result<Records<'b>, RecordError>
    where
        'a: 'b,
    {
        let codec = self.header.attributes.codec()?;
        let payload = self.payload();
        // A batch emptied by compaction has no stream, whatever codec it names.
        if codec == Codec::None || payload.is_empty() {
            if limit_bytes < payload.len() {
                return Err(RecordError::DecompressedTooLarge { limit_bytes });
            }
            return Records::new(payload, self.header.records_count);
        }
        if RETAINED_BYTES_MAX < buffer.decompressed.capacity() {
            buffer.decompressed = Vec::new();
        }
        buffer.decompressed.clear();
        let RecordBuffer {
            context,
            decompressed,
        } = buffer;
        decompress_with(context, codec, payload, limit_bytes, decompressed)?;
        Records::new(decompressed, self.header.records_count)
    }
}

impl<'a> Records<'a> {
    /// Iterates over `bytes`, which are records only: no header, decompressed.
    ///
    /// # Errors
    /// [`RecordError::RecordsCountMismatch`] when the count is negative.
    pub fn new(bytes: &'a [u8], records_count: i32) -> Result<Records<'a>, RecordError> {
        if records_count < 0 {
            return Err(RecordError::RecordsCountMismatch {
                expected: records_count,
                found: 0,
            });
        }
        Ok(Records {
            rest: bytes,
            records_count,
            index: 0,
            is_done: false,
        })
    }

    /// The bytes not yet read: all records at first. Reading can go on there later, with as many
    /// records fewer.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn advance(&mut self) -> Result<Option<Record<'a>>, RecordError> {
        let (records_count, index) = (self.records_count, self.index);
        if records_count <= index {
            return match self.rest {
                [] => Ok(None),
                _ => Err(RecordError::TrailingBytes { records_count }),
            };
        }
        if self.rest.is_empty() {
            return Err(RecordError::RecordsCountMismatch {
                expected: records_count,
                found: index,
            });
        }
        let record = Record::read(&mut self.rest)
            .map_err(|problem| RecordError::MalformedRecord { index, problem })?;
        self.index = index.saturating_add(1);
        Ok(Some(record))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let step = self.advance();
        self.is_done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

impl std::iter::FusedIterator for Records<'_> {}

#[cfg(test)]
mod tests;
