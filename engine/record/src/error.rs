//! The one error type of this crate: why some bytes are not a record batch, or why a batch could
//! not be built.
//!
//! It knows nothing of Kafka's error codes; `broker/src/api` maps it. Every fallible function of
//! the crate returns it.

use std::io;

use crate::codec::Codec;

/// Why bytes could not be read as record batches, or records could not be written as one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Fewer bytes than the part being read needs.
    #[error("{what} needs {expected_bytes} bytes, found {found_bytes}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes it needs.
        expected_bytes: usize,
        /// Bytes there are.
        found_bytes: usize,
    },
    /// The batch length field is below what a batch needs (Kafka: corrupt message).
    #[error("batch length {length} is below the minimum of {minimum}")]
    BatchLengthTooSmall {
        /// The length field: bytes after it.
        length: i32,
        /// The smallest legal value in this place.
        minimum: i32,
    },
    /// The whole batch is larger than the reader's maximum (Kafka: corrupt message).
    #[error("batch of {size_bytes} bytes exceeds the maximum of {size_bytes_max}")]
    BatchTooLarge {
        /// Size of the batch with its 12 bytes of log overhead.
        size_bytes: usize,
        /// The caller's maximum.
        size_bytes_max: usize,
    },
    /// The magic byte is none of 0, 1, 2 (Kafka: corrupt message).
    #[error("magic byte {magic} is not a message format")]
    InvalidMagic {
        /// The magic byte.
        magic: i8,
    },
    /// A message of format 0 or 1, which is not served (Kafka: invalid record).
    #[error("message format {magic} is not supported")]
    UnsupportedMagic {
        /// The magic byte: 0 or 1.
        magic: i8,
    },
    /// The stored CRC is not that of the bytes (Kafka: corrupt message).
    #[error("crc is {stored:#010x} in the batch header but {computed:#010x} over its bytes")]
    CrcMismatch {
        /// The CRC in the header.
        stored: u32,
        /// The CRC-32C over the bytes from the attributes on.
        computed: u32,
    },
    /// The codec bits of the attributes name no codec.
    #[error("compression codec id {id} is unknown")]
    UnknownCodec {
        /// The three codec bits: 5, 6 or 7.
        id: u8,
    },
    /// The records count of the header is negative, or not the number of records in the batch.
    #[error("batch header claims {expected} records, found {found}")]
    RecordsCountMismatch {
        /// The count in the header.
        expected: i32,
        /// Records that were there.
        found: i32,
    },
    /// Bytes are left after the last record.
    #[error("bytes are left after the last of {records_count} records")]
    TrailingBytes {
        /// The count in the header.
        records_count: i32,
    },
    /// One record is malformed.
    #[error("record {index} is malformed: {problem}")]
    MalformedRecord {
        /// Index of the record in its batch.
        index: i32,
        /// What is wrong with it.
        problem: RecordProblem,
    },
    /// A control record's key or value is malformed.
    #[error("control record is malformed: {what}")]
    MalformedControlRecord {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The decompressed records are larger than the caller's limit.
    #[error("decompressed records exceed the limit of {limit_bytes} bytes")]
    DecompressedTooLarge {
        /// The caller's limit.
        limit_bytes: usize,
    },
    /// The compressed bytes are not a valid stream of their codec.
    #[error("{codec} stream is invalid")]
    Decompress {
        /// The codec of the batch.
        codec: Codec,
        /// What the decoder said.
        #[source]
        source: io::Error,
    },
    /// Compression failed.
    #[error("{codec} compression failed")]
    Compress {
        /// The codec asked for.
        codec: Codec,
        /// What the encoder said.
        #[source]
        source: io::Error,
    },
    /// The compression level is outside the codec's range, or the codec has no levels.
    #[error("level {level} is not a {codec} compression level")]
    InvalidLevel {
        /// The codec asked for.
        codec: Codec,
        /// The level asked for.
        level: i32,
    },
    /// A batch to be built has no records.
    #[error("batch has no records")]
    BatchEmpty,
    /// A batch under construction passed a limit of the format: a length or count over `i32::MAX`,
    /// or an offset or timestamp too far from the batch's first.
    #[error("batch cannot hold the record: {what}")]
    BatchFull {
        /// The field that would overflow.
        what: &'static str,
    },
}

/// What is wrong with one record. See [`RecordError::MalformedRecord`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordProblem {
    /// A varint runs over 5 bytes or a varlong over 10.
    #[error("a variable-length integer is too long")]
    VarintTooLong,
    /// The record's length field is negative or too small for its fixed fields.
    #[error("its length is invalid")]
    InvalidLength,
    /// The record, or a field of it, runs past the end of the record or of the batch.
    #[error("it runs past its end")]
    Truncated,
    /// The fields end before the length of the record does.
    #[error("its length is larger than its fields")]
    LengthMismatch,
    /// The header count is negative or larger than the bytes left.
    #[error("its header count is invalid")]
    InvalidHeaderCount,
    /// A header key's length is negative.
    #[error("a header key is null")]
    NullHeaderKey,
}
