//! Validation of a batch's records without their contents: the broker's look at produced data.
//!
//! A [`Skim`] walks over all records, checks their structure as strictly as [`crate::Records`],
//! and returns what validation and offset assignment need. Keys, values and headers are skipped,
//! not copied. Uncompressed batches are walked where they lie; compressed ones piece by piece
//! through the buffer of a [`DecoderContext`], so a batch needs no memory of its decompressed
//! size. Nothing is allocated per record.
//!
//! Source: Kafka `DefaultRecordBatch.skipKeyValueIterator`, `DefaultRecord.readPartiallyFrom`.
//! Kafka does not hold a record's length against its fields there; this does.

use crate::batch::Batch;
use crate::decoder::{Decoder, DecoderContext};
use crate::error::{RecordError, RecordProblem};
use crate::varint::{read_varint, read_varint_from, read_varlong_from};

/// What validation needs to know of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordShape {
    /// Index of the record in its batch, from 0.
    pub index: i32,
    /// The attributes byte. Its low bits named a codec in formats 0 and 1; in this format all bits
    /// are unused, and Kafka takes any value.
    pub attributes: i8,
    /// Timestamp minus the batch's base timestamp, in ms.
    pub timestamp_delta: i64,
    /// Offset minus the batch's base offset.
    pub offset_delta: i32,
    /// Whether there is a key, if an empty one.
    pub has_key: bool,
    /// Whether there is a value, if an empty one; a record without is a tombstone.
    pub has_value: bool,
}

/// Iterator over the shapes of a batch's records. See the module's documentation.
///
/// Exactly as many records as the header's count must be there, with no bytes behind the last:
/// anything else is an error, returned as the last item. It ends after the first error.
#[derive(Debug)]
pub struct Skim<'a> {
    decoder: Decoder<'a>,
    records_count: i32,
    /// Index of the next record.
    index: i32,
    is_done: bool,
}

impl<'a> Batch<'a> {
    /// Starts to skim the records; `limit_bytes` bounds their size after decompression.
    ///
    /// # Errors
    /// [`RecordError::UnknownCodec`], [`RecordError::RecordsCountMismatch`] for a negative count,
    /// and those of [`DecoderContext::decoder`].
    #[inline]
    pub fn skim<'b>(
        &self,
        context: &'b mut DecoderContext,
        limit_bytes: usize,
    ) -> Result<Skim<'b>, RecordError>
    where
        'a: 'b,
    {
        let records_count = self.header.records_count;
        if records_count < 0 {
            return Err(RecordError::RecordsCountMismatch {
                expected: records_count,
                found: 0,
            });
        }
        let mut codec = self.header.attributes.codec()?;
        if self.payload().is_empty() {
            // A batch emptied by compaction keeps its codec but has no stream.
            codec = crate::codec::Codec::None;
        }
        let decoder = context.decoder(codec, self.payload(), limit_bytes)?;
        Ok(Skim {
            decoder,
            records_count,
            index: 0,
            is_done: false,
        })
    }
}

impl Skim<'_> {
    #[inline]
    fn advance(&mut self) -> Result<Option<RecordShape>, RecordError> {
        let (records_count, index) = (self.records_count, self.index);
        let piece = self.decoder.fill()?;
        if records_count <= index {
            return match piece {
                [] => Ok(None),
                _ => Err(RecordError::TrailingBytes { records_count }),
            };
        }
        if piece.is_empty() {
            return Err(RecordError::RecordsCountMismatch {
                expected: records_count,
                found: index,
            });
        }
        let shape = match split_record(piece) {
            Some((mut body, size_bytes)) => {
                let shape = read_shape(index, &mut body);
                self.decoder.consume(size_bytes);
                shape.map_err(Fault::Problem)
            }
            None => self.read_across_pieces(),
        };
        self.index = index.saturating_add(1);
        shape.map(Some).map_err(|fault| match fault {
            Fault::Problem(problem) => RecordError::MalformedRecord { index, problem },
            Fault::Stream(error) => error,
        })
    }

    /// Reads a record that does not lie in one piece of the stream, or not at all.
    #[cold]
    fn read_across_pieces(&mut self) -> Result<RecordShape, Fault> {
        let decoder = &mut self.decoder;
        let mut length_source = PiecewiseBytes {
            decoder,
            left: usize::MAX,
        };
        let length = read_varint_from(|| length_source.byte())?;
        let left = usize::try_from(length).map_err(|_| RecordProblem::InvalidLength)?;
        read_shape(
            self.index,
            &mut PiecewiseBytes {
                decoder: &mut self.decoder,
                left,
            },
        )
    }
}

impl Iterator for Skim<'_> {
    type Item = Result<RecordShape, RecordError>;

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

impl std::iter::FusedIterator for Skim<'_> {}

/// The body of the record at the start of `piece`, and the record's size with its length field,
/// when all of it is there.
#[inline]
fn split_record(piece: &[u8]) -> Option<(&[u8], usize)> {
    let mut rest = piece;
    let length = usize::try_from(read_varint(&mut rest).ok()?).ok()?;
    let body = rest.get(..length)?;
    let length_bytes = piece.len().saturating_sub(rest.len());
    Some((body, length_bytes.saturating_add(length)))
}

/// Why a record could not be read.
enum Fault {
    /// It is malformed.
    Problem(RecordProblem),
    /// The stream it comes from failed.
    Stream(RecordError),
}

impl From<RecordProblem> for Fault {
    fn from(problem: RecordProblem) -> Fault {
        Fault::Problem(problem)
    }
}

/// The bytes of one record's body, in memory or in pieces.
trait BodyBytes {
    type Error: From<RecordProblem>;

    fn byte(&mut self) -> Result<u8, Self::Error>;
    fn skip(&mut self, count: usize) -> Result<(), Self::Error>;
    /// Bytes of the body not yet read.
    fn left(&self) -> usize;
}

impl BodyBytes for &[u8] {
    type Error = RecordProblem;

    #[inline]
    fn byte(&mut self) -> Result<u8, RecordProblem> {
        let (first, rest) = self.split_first().ok_or(RecordProblem::Truncated)?;
        *self = rest;
        Ok(*first)
    }

    #[inline]
    fn skip(&mut self, count: usize) -> Result<(), RecordProblem> {
        *self = self.get(count..).ok_or(RecordProblem::Truncated)?;
        Ok(())
    }

    #[inline]
    fn left(&self) -> usize {
        self.len()
    }
}

struct PiecewiseBytes<'s, 'a> {
    decoder: &'s mut Decoder<'a>,
    left: usize,
}

impl BodyBytes for PiecewiseBytes<'_, '_> {
    type Error = Fault;

    fn byte(&mut self) -> Result<u8, Fault> {
        self.left = self.left.checked_sub(1).ok_or(RecordProblem::Truncated)?;
        let piece = self.decoder.fill().map_err(Fault::Stream)?;
        let byte = *piece.first().ok_or(RecordProblem::Truncated)?;
        self.decoder.consume(1);
        Ok(byte)
    }

    fn skip(&mut self, count: usize) -> Result<(), Fault> {
        self.left = self
            .left
            .checked_sub(count)
            .ok_or(RecordProblem::Truncated)?;
        let mut to_skip = count;
        while 0 < to_skip {
            let piece = self.decoder.fill().map_err(Fault::Stream)?;
            if piece.is_empty() {
                return Err(RecordProblem::Truncated.into());
            }
            let skipped = piece.len().min(to_skip);
            self.decoder.consume(skipped);
            to_skip = to_skip.saturating_sub(skipped);
        }
        Ok(())
    }

    fn left(&self) -> usize {
        self.left
    }
}

#[inline]
fn read_shape<B: BodyBytes>(index: i32, body: &mut B) -> Result<RecordShape, B::Error> {
    let attributes = i8::from_be_bytes([body.byte()?]);
    let timestamp_delta = read_varlong_from(|| body.byte())?;
    let offset_delta = read_varint_from(|| body.byte())?;
    let has_key = skip_nullable(body)?;
    let has_value = skip_nullable(body)?;
    let header_count = usize::try_from(read_varint_from(|| body.byte())?)
        .map_err(|_| RecordProblem::InvalidHeaderCount)?;
    if body.left() < header_count {
        return Err(RecordProblem::InvalidHeaderCount.into());
    }
    for _ in 0..header_count {
        if !skip_nullable(body)? {
            return Err(RecordProblem::NullHeaderKey.into());
        }
        skip_nullable(body)?;
    }
    if body.left() != 0 {
        return Err(RecordProblem::LengthMismatch.into());
    }
    Ok(RecordShape {
        index,
        attributes,
        timestamp_delta,
        offset_delta,
        has_key,
        has_value,
    })
}

/// Skips a length and its bytes; whether they are there, that is, the length is not negative.
#[inline]
fn skip_nullable<B: BodyBytes>(body: &mut B) -> Result<bool, B::Error> {
    match usize::try_from(read_varint_from(|| body.byte())?) {
        Ok(length) => body.skip(length).map(|()| true),
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests;
