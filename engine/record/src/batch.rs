//! A whole record batch in memory, and the walk over batches that lie one behind the other.
//!
//! Nothing is copied: both are views of the caller's bytes. Walking checks shape only; whoever
//! takes bytes from outside calls [`Batch::verify_crc`] too.
//!
//! Source: Kafka `ByteBufferLogInputStream`, `DefaultRecordBatch.ensureValid`.

use crate::batch_header::{
    ATTRIBUTES_POSITION, BATCH_LENGTH_POSITION, BatchHeader, HEADER_BYTES, LEGACY_BATCH_LENGTH_MIN,
    LOG_OVERHEAD_BYTES, MAGIC_END_BYTES, MAGIC_POSITION, check_magic,
};
use crate::error::RecordError;

/// One record batch: the parsed header and all of its bytes, header included.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The header, parsed.
    pub header: BatchHeader,
    /// The batch from base offset to last record: exactly `header.size_bytes()` bytes.
    pub bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The batch at the start of `bytes`; what follows it is left alone.
    ///
    /// # Errors
    /// Those of [`BatchHeader::parse`], and [`RecordError::Truncated`] when the batch runs past
    /// the end of `bytes`.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Batch<'a>, RecordError> {
        let header = BatchHeader::parse(bytes)?;
        let size_bytes = header.size_bytes();
        let Some(bytes) = bytes.get(..size_bytes) else {
            return Err(RecordError::Truncated {
                what: "batch",
                expected_bytes: size_bytes,
                found_bytes: bytes.len(),
            });
        };
        Ok(Batch { header, bytes })
    }

    /// Compares the stored CRC with that of the bytes. Costs one pass over the batch.
    ///
    /// # Errors
    /// [`RecordError::CrcMismatch`].
    #[inline]
    pub fn verify_crc(&self) -> Result<(), RecordError> {
        let covered = self.bytes.get(ATTRIBUTES_POSITION..).unwrap_or_default();
        let computed = crc32c::crc32c(covered);
        if computed != self.header.crc {
            return Err(RecordError::CrcMismatch {
                stored: self.header.crc,
                computed,
            });
        }
        Ok(())
    }

    /// The records as stored: compressed when the attributes say so.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }
}

/// Iterator over batches lying one behind the other, by the rules of Kafka's memory reader:
///
/// - the end of the bytes, fewer bytes than length and magic need, and a batch that runs past the
///   end all end the walk without an error, as a fetch response may be cut anywhere;
/// - a length below the smallest of any format or above the maximum, and an unknown magic, are
///   errors, so zeroes are corrupt rather than an end.
///
/// It ends after the first error. [`Batches::position`] says how far it came.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    size_bytes_max: usize,
    is_done: bool,
}

impl<'a> Batches<'a> {
    /// Walks `bytes` with no limit on the size of a batch.
    #[must_use]
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Batches<'a> {
        Batches::with_size_max(bytes, usize::MAX)
    }

    /// Walks `bytes`, taking a batch of more than `size_bytes_max` bytes (its header included)
    /// for corrupt.
    #[must_use]
    #[inline]
    pub const fn with_size_max(bytes: &'a [u8], size_bytes_max: usize) -> Batches<'a> {
        Batches {
            bytes,
            position: 0,
            size_bytes_max,
            is_done: false,
        }
    }

    /// Bytes of the whole batches returned so far: where the next one starts, and after the walk
    /// the number of bytes that form whole, well-shaped batches.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    #[inline]
    fn advance(&mut self) -> Result<Option<Batch<'a>>, RecordError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(length_field) = rest
            .get(BATCH_LENGTH_POSITION..)
            .and_then(<[u8]>::first_chunk::<4>)
        else {
            return Ok(None);
        };
        let batch_length = i32::from_be_bytes(*length_field);
        if batch_length < LEGACY_BATCH_LENGTH_MIN {
            return Err(RecordError::BatchLengthTooSmall {
                length: batch_length,
                minimum: LEGACY_BATCH_LENGTH_MIN,
            });
        }
        let size_bytes = usize::try_from(batch_length)
            .unwrap_or(0)
            .saturating_add(LOG_OVERHEAD_BYTES);
        if self.size_bytes_max < size_bytes {
            let size_bytes_max = self.size_bytes_max;
            return Err(RecordError::BatchTooLarge {
                size_bytes,
                size_bytes_max,
            });
        }
        if rest.len() < MAGIC_END_BYTES {
            return Ok(None);
        }
        if let Some(magic) = rest.get(MAGIC_POSITION) {
            check_magic(i8::from_be_bytes([*magic]))?;
        }
        let Some(bytes) = rest.get(..size_bytes) else {
            return Ok(None);
        };
        let batch = Batch::parse(bytes)?;
        self.position = self.position.saturating_add(size_bytes);
        Ok(Some(batch))
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let step = self.advance();
        self.is_done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

impl std::iter::FusedIterator for Batches<'_> {}

#[cfg(test)]
mod tests;
