//! One record of a batch, as a view of the (decompressed) bytes, and its headers.
//!
//! ```text
//! length          varint    bytes that follow this field
//! attributes      i8        unused
//! timestampDelta  varlong
//! offsetDelta     varint
//! keyLength       varint    negative = null; then the key
//! valueLength     varint    negative = null; then the value
//! headerCount     varint    then per header:
//!   headerKeyLength    varint (negative = invalid), key
//!   headerValueLength  varint (negative = null), value
//! ```
//!
//! Source: Kafka `DefaultRecord.readFrom`. Writers use -1 for null; Kafka's reader takes any
//! negative length for null, and so does this one. Nothing says whether a key, value or header
//! key is UTF-8. Used through [`crate::Records`].

use crate::error::RecordProblem;
use crate::varint::{read_varint, read_varlong};

/// One record. Offset and timestamp are relative to its batch: see
/// [`crate::BatchHeader::record_offset`] and [`crate::BatchHeader::record_timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The attributes byte; all of its bits are unused.
    pub attributes: i8,
    /// Timestamp minus the batch's base timestamp, in ms; may be negative.
    pub timestamp_delta: i64,
    /// Offset minus the batch's base offset.
    pub offset_delta: i32,
    /// The key, or none.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// Reads the record at the start of `bytes` and moves `bytes` behind it. The whole record is
    /// checked, its headers too.
    pub(crate) fn read(bytes: &mut &'a [u8]) -> Result<Record<'a>, RecordProblem> {
        let length = read_varint(bytes)?;
        let length = usize::try_from(length).map_err(|_| RecordProblem::InvalidLength)?;
        let mut body = take(bytes, length)?;
        let [attributes] = *body.first_chunk::<1>().ok_or(RecordProblem::Truncated)?;
        take(&mut body, 1)?;
        let timestamp_delta = read_varlong(&mut body)?;
        let offset_delta = read_varint(&mut body)?;
        let key = read_nullable(&mut body)?;
        let value = read_nullable(&mut body)?;
        let headers = Headers::read(&mut body)?;
        if !body.is_empty() {
            return Err(RecordProblem::LengthMismatch);
        }
        Ok(Record {
            attributes: i8::from_be_bytes([attributes]),
            timestamp_delta,
            offset_delta,
            key,
            value,
            headers,
        })
    }
}

/// One header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key, never null; UTF-8 by convention, unchecked.
    pub key: &'a [u8],
    /// The value, or null.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, in their order, duplicates kept. Iterate it (it is `Copy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    /// The headers not yet returned; checked when the record was read.
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Headers<'a> {
    /// Reads and checks the header count and the headers.
    fn read(bytes: &mut &'a [u8]) -> Result<Headers<'a>, RecordProblem> {
        let count = read_varint(bytes)?;
        let count = usize::try_from(count).map_err(|_| RecordProblem::InvalidHeaderCount)?;
        if bytes.len() < count {
            return Err(RecordProblem::InvalidHeaderCount);
        }
        let start = *bytes;
        for _ in 0..count {
            read_header(bytes)?;
        }
        let size_bytes = start.len().saturating_sub(bytes.len());
        let bytes = start.get(..size_bytes).unwrap_or_default();
        Ok(Headers { bytes, count })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        let header = read_header(&mut self.bytes);
        debug_assert!(
            header.is_ok(),
            "headers were checked when the record was read"
        );
        header.ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}

fn read_header<'a>(bytes: &mut &'a [u8]) -> Result<Header<'a>, RecordProblem> {
    let key = read_nullable(bytes)?.ok_or(RecordProblem::NullHeaderKey)?;
    let value = read_nullable(bytes)?;
    Ok(Header { key, value })
}

fn read_nullable<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordProblem> {
    match usize::try_from(read_varint(bytes)?) {
        Ok(length) => take(bytes, length).map(Some),
        Err(_) => Ok(None),
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], RecordProblem> {
    let (taken, rest) = bytes
        .split_at_checked(count)
        .ok_or(RecordProblem::Truncated)?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests;
