//! Record batches as producers send them, and what consumers read.

use anyhow::ensure;
use bytes::{Bytes, BytesMut};
use ringbrook_record::{
    BatchBuilder, Batches, Codec, HEADER_BYTES, Header, RecordBuffer, TimestampType,
};

use crate::now_ms;

/// What a test's batch may take decompressed.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a batch that a broker changes in any case: base offset and leader epoch.
const BASE_OFFSET: std::ops::Range<usize> = 0..8;
const LEADER_EPOCH: std::ops::Range<usize> = 12..16;

/// A record as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRecord {
    /// The absolute offset.
    pub offset: i64,
    /// The timestamp in ms, by the batch's timestamp type.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// Keys and values of the headers in their order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl TestRecord {
    /// The value as text, empty when there is none.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

/// A batch under construction with `values` in it, without keys and stamped now.
///
/// # Panics
/// The values are more than a batch holds.
#[must_use]
pub fn builder<V: AsRef<[u8]>>(values: &[V]) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    let now_ms = now_ms();
    for value in values {
        append(&mut builder, now_ms, value.as_ref());
    }
    builder
}

fn append(builder: &mut BatchBuilder, now_ms: i64, value: &[u8]) {
    let appended = builder.append(now_ms, None, Some(value), std::iter::empty::<Header<'_>>());
    appended.expect("values of a test fit into a batch");
}

/// An uncompressed batch of `values`.
///
/// # Panics
/// There are none.
#[must_use]
pub fn batch<V: AsRef<[u8]>>(values: &[V]) -> Bytes {
    compressed(Codec::None, values)
}

/// A batch of `values`, compressed with `codec`.
///
/// # Panics
/// There are none.
#[must_use]
pub fn compressed<V: AsRef<[u8]>>(codec: Codec, values: &[V]) -> Bytes {
    finish(builder(values), codec)
}

/// An uncompressed batch of `values` by an idempotent producer.
///
/// # Panics
/// There are none.
#[must_use]
pub fn idempotent<V: AsRef<[u8]>>(
    (producer_id, producer_epoch): (i64, i16),
    base_sequence: i32,
    values: &[V],
) -> Bytes {
    let builder = builder(values).producer(producer_id, producer_epoch, base_sequence);
    finish(builder, Codec::None)
}

fn finish(builder: BatchBuilder, codec: Codec) -> Bytes {
    builder
        .finish(codec, None)
        .expect("a test's batch has records")
        .freeze()
}

/// A batch of one record that is `size_bytes` long with its header.
///
/// # Panics
/// No value gives that size.
#[must_use]
pub fn batch_of_bytes(size_bytes: usize) -> Bytes {
    // Length, attributes, deltas, key, value length and headers of a record take 7 to 20 bytes.
    for overhead in 7..20 {
        let Some(len) = size_bytes.checked_sub(HEADER_BYTES + overhead) else {
            break;
        };
        let builder = builder(&[vec![b'v'; len]]);
        if builder.size_bytes() == size_bytes {
            return finish(builder, Codec::None);
        }
    }
    panic!("no batch of one record has {size_bytes} bytes");
}

/// Reads the whole batches at the start of `bytes`; checks their CRCs.
///
/// # Errors
/// A batch is damaged.
pub fn read(bytes: &[u8]) -> anyhow::Result<Vec<TestRecord>> {
    let mut records = Vec::new();
    let mut buffer = RecordBuffer::new();
    for batch in Batches::new(bytes) {
        let batch = batch?;
        batch.verify_crc()?;
        let header = batch.header;
        let is_append_time = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
        for record in batch.records(&mut buffer, DECOMPRESSED_BYTES_MAX)? {
            let record = record?;
            let timestamp = header.record_timestamp(record.timestamp_delta);
            let copy = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
            let headers = record.headers.into_iter();
            records.push(TestRecord {
                offset: header.record_offset(record.offset_delta),
                timestamp: if is_append_time {
                    header.max_timestamp
                } else {
                    timestamp
                },
                key: copy(record.key),
                value: copy(record.value),
                headers: headers
                    .map(|header| (Bytes::copy_from_slice(header.key), copy(header.value)))
                    .collect(),
            });
        }
    }
    for pair in records.windows(2) {
        ensure!(
            pair[0].offset < pair[1].offset,
            "offsets do not increase: {pair:?}"
        );
    }
    Ok(records)
}

/// `produced` as a log stores it at `base_offset`, in leader epoch `leader_epoch`.
#[must_use]
pub fn stored_as(produced: &[u8], base_offset: i64, leader_epoch: i32) -> Bytes {
    let mut stored = BytesMut::from(produced);
    stored[BASE_OFFSET].copy_from_slice(&base_offset.to_be_bytes());
    stored[LEADER_EPOCH].copy_from_slice(&leader_epoch.to_be_bytes());
    stored.freeze()
}
