//! Kafka record batches of format version 2 (magic 2): header view, record iterator, validation
//! without allocation, builder, rewriting for compaction, compression codecs.
//!
//! Everything here works on byte slices in memory: no I/O, no clock, no knowledge of topics,
//! offsets in a log or error codes of the protocol. The engine uses it on both sides of the disk,
//! the broker to build and read the records of its internal topics, tests and tools to speak
//! Kafka's format. Message formats 0 and 1 are recognised and refused, never decoded.
//!
//! Invariants:
//! - No function panics, loops without bound or allocates more than its caller's limit, whatever
//!   the bytes are.
//! - Bytes that are only inspected are never copied or changed.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod attributes;
pub mod batch;
pub mod batch_builder;
pub mod batch_header;
pub mod codec;
pub mod control_record;
pub mod decoder;
pub mod error;
pub mod header_patch;
pub mod record;
pub mod records;
pub mod rewrite;
pub mod skim;
pub mod varint;

pub use attributes::{Attributes, TimestampType};
pub use batch::{Batch, Batches};
pub use batch_builder::{BatchBuilder, FinishedBatch};
pub use batch_header::{
    BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, next_sequence,
};
pub use codec::{Codec, compress};
pub use control_record::{ControlRecordType, EndTransactionMarker};
pub use decoder::{Decoder, DecoderContext, decompress};
pub use error::{RecordError, RecordProblem};
pub use header_patch::HeaderPatch;
pub use record::{Header, Headers, Record};
pub use records::{RecordBuffer, Records};
pub use rewrite::{BatchRewriter, NewHorizon, Rewritten, empty_batch};
pub use skim::{RecordShape, Skim};
