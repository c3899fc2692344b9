//! Record batches: half of each value is random and half text, so that codecs find something and
//! not everything.

use bytes::Bytes;
use ringbrook_record::{Batch, BatchBuilder, Codec, HEADER_BYTES, Header, HeaderPatch};

/// The time of all records and appends, in milliseconds since the epoch.
pub const NOW_MS: i64 = 1_700_000_000_000;
/// More than any batch here has when decompressed.
pub const LIMIT_BYTES: usize = 1 << 30;

/// Values of records, one after the other, the same in each run.
#[derive(Debug, Clone)]
pub struct RecordSource {
    state: u64,
}

impl Default for RecordSource {
    fn default() -> Self {
        Self { state: 1 }
    }
}

impl RecordSource {
    /// The next value, of `bytes` bytes.
    pub fn value(&mut self, bytes: usize) -> Vec<u8> {
        let mut value = Vec::with_capacity(bytes + 16);
        while value.len() < bytes {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            value.extend_from_slice(&self.state.to_le_bytes());
            value.extend_from_slice(b"orderid=");
        }
        value.truncate(bytes);
        value
    }
}

/// A value of `bytes` bytes.
#[must_use]
pub fn value(bytes: usize) -> Vec<u8> {
    RecordSource::default().value(bytes)
}

fn filled(mut builder: BatchBuilder, records: usize, record_bytes: usize) -> BatchBuilder {
    let mut source = RecordSource::default();
    for _ in 0..records {
        let header = Header {
            key: b"trace",
            value: Some(b"0123456789abcdef"),
        };
        let value = source.value(record_bytes);
        builder
            .append(NOW_MS, Some(b"customer-1"), Some(&value), [header])
            .expect("the batch is small");
    }
    builder
}

/// A batch of records with a key, a header and a value of `record_bytes`.
///
/// # Panics
/// The batch would be larger than a batch can be.
#[must_use]
pub fn batch(records: usize, record_bytes: usize, codec: Codec) -> Bytes {
    let builder = filled(BatchBuilder::new(), records, record_bytes);
    let bytes = builder.finish(codec, None).expect("the codec compresses");
    bytes.freeze()
}

/// `count` batches of one record each, as an idempotent producer sends them one after the other.
///
/// # Panics
/// `count` is no sequence number.
#[must_use]
pub fn numbered_batches(count: usize, record_bytes: usize) -> Vec<Bytes> {
    let batch = |sequence| {
        let builder = filled(BatchBuilder::new(), 1, record_bytes).producer(4711, 0, sequence);
        let bytes = builder.finish(Codec::None, None).expect("no codec");
        bytes.freeze()
    };
    let count = i32::try_from(count).expect("a sequence number");
    (0..count).map(batch).collect()
}

/// `count` times the same batch with the offsets that a log gives, as a fetch returns them.
///
/// # Panics
/// As [`batch`].
#[must_use]
pub fn fetched(count: usize, records: usize, record_bytes: usize, codec: Codec) -> Bytes {
    let bytes = batch(records, record_bytes, codec);
    let batch = Batch::parse(&bytes).expect("it was just built");
    let mut log = Vec::with_capacity(count * bytes.len());
    let mut base_offset = 0;
    for _ in 0..count {
        let patch = HeaderPatch::new(&batch.header).base_offset(base_offset);
        log.extend_from_slice(&patch.encode(batch.payload()));
        log.extend_from_slice(&bytes[HEADER_BYTES..]);
        base_offset += i64::from(batch.header.last_offset_delta) + 1;
    }
    log.into()
}
