//! Tests of the builder: golden batches, and every record read back through every codec.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "test arithmetic is on small constants"
)]

use proptest::prelude::*;

use super::*;
use crate::batch::Batch;
use crate::decoder::DecoderContext;
use crate::records::RecordBuffer;

pub(crate) fn header<'a>(key: &'a str, value: Option<&'a str>) -> Header<'a> {
    Header {
        key: key.as_bytes(),
        value: value.map(str::as_bytes),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TIME_MS: i64 = 1_700_000_000_000;

fn golden_records(mut builder: BatchBuilder) -> BytesMut {
    let headers = [header("h", Some("1")), header("h", None)];
    builder
        .append(TIME_MS, Some(b"key"), Some(b"value"), headers)
        .unwrap();
    builder.append(TIME_MS - 7, None, None, []).unwrap();
    builder
        .append(TIME_MS + 300, Some(b""), Some(&[b'x'; 70]), [])
        .unwrap();
    builder.finish(Codec::None, None).unwrap()
}

/// The batches below come from an encoder of a few lines in Python, written from Kafka's
/// documentation alone: struct.pack for the header, zigzag varints, and a bitwise CRC-32C that
/// gives 0xE3069283 for "123456789".
#[test]
fn a_producers_batch_has_the_golden_bytes() {
    let expected = "00000000000000000000009effffffff02d3b9e65e0000000000020000018bcfe5680000000\
                    18bcfe5692cffffffffffffffffffffffffffff000000032a000000066b65790a76616c7565\
                    04026802310268010c000d020101009c0100d80404008c01"
        .to_owned()
        + &"78".repeat(70)
        + "00";
    assert_eq!(hex(&golden_records(BatchBuilder::new())), expected);
}

#[test]
fn a_transactional_batch_has_the_golden_bytes() {
    let expected = "000000000000002a0000009e0000000502c400000a0010000000020000018bcfe5680000000\
                    18bcfe5692c0000000000000fa0000300000011000000032a000000066b65790a76616c7565\
                    04026802310268010c000d020101009c0100d80404008c01"
        .to_owned()
        + &"78".repeat(70)
        + "00";
    let builder = BatchBuilder::new()
        .base_offset(42)
        .partition_leader_epoch(5)
        .producer(4000, 3, 17)
        .transactional();
    assert_eq!(hex(&golden_records(builder)), expected);
}

#[test]
fn size_bytes_is_that_of_the_uncompressed_batch() {
    let mut builder = BatchBuilder::new();
    assert_eq!((builder.size_bytes(), builder.is_empty()), (61, true));
    builder
        .append(1, None, Some(b"value"), [header("a", Some("b"))])
        .unwrap();
    let size_bytes = builder.size_bytes();
    assert_eq!(builder.records_count(), 1);
    assert_eq!(builder.finish(Codec::None, None).unwrap().len(), size_bytes);
}

#[test]
fn log_append_time_is_every_records_timestamp() {
    let mut builder = BatchBuilder::new().log_append_time(9_000);
    builder.append(10, None, None, []).unwrap();
    builder.append(20, None, None, []).unwrap();
    let bytes = builder.finish(Codec::None, None).unwrap();
    let batch = Batch::parse(&bytes).unwrap();
    batch.verify_crc().unwrap();
    assert_eq!(
        batch.header.attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(
        (batch.header.base_timestamp, batch.header.max_timestamp),
        (10, 9_000)
    );
    let mut buffer = RecordBuffer::new();
    for record in batch.records(&mut buffer, 1000).unwrap() {
        assert_eq!(
            batch
                .header
                .record_timestamp(record.unwrap().timestamp_delta),
            9_000
        );
    }
}

#[test]
fn offsets_may_have_gaps_but_must_rise() {
    let mut builder = BatchBuilder::new().base_offset(100);
    builder.append_at(3, 1, None, None, []).unwrap();
    let error = builder.append_at(3, 1, None, None, []).unwrap_err();
    assert!(matches!(
        error,
        RecordError::BatchFull {
            what: "offset delta"
        }
    ));
    builder.append_at(i32::MAX, 1, None, None, []).unwrap();
    assert!(matches!(
        builder.append(1, None, None, []),
        Err(RecordError::BatchFull { .. })
    ));
    let bytes = builder.finish(Codec::None, None).unwrap();
    let header = Batch::parse(&bytes).unwrap().header;
    assert_eq!(
        (header.records_count, header.last_offset_delta),
        (2, i32::MAX)
    );
    assert_eq!(header.last_offset(), 100 + i64::from(i32::MAX));
}

#[test]
fn a_timestamp_too_far_from_the_first_is_refused_and_changes_nothing() {
    let mut builder = BatchBuilder::new();
    builder.append(i64::MAX, None, None, []).unwrap();
    let error = builder.append(-2, None, None, []).unwrap_err();
    assert!(matches!(
        error,
        RecordError::BatchFull {
            what: "timestamp delta"
        }
    ));
    let bytes = builder.finish(Codec::None, None).unwrap();
    assert_eq!(Batch::parse(&bytes).unwrap().header.records_count, 1);
}

#[test]
fn an_empty_batch_is_not_built() {
    let found = BatchBuilder::new().finish(Codec::None, None);
    assert!(matches!(found, Err(RecordError::BatchEmpty)));
}

#[test]
fn like_takes_over_all_but_timestamps_and_codec() {
    let builder = BatchBuilder::new()
        .base_offset(7)
        .partition_leader_epoch(3)
        .producer(1, 2, 3)
        .transactional()
        .log_append_time(5);
    let first = golden_records(builder);
    let first = Batch::parse(&first).unwrap().header;
    let second = golden_records(BatchBuilder::like(&first));
    let second = Batch::parse(&second).unwrap().header;
    let expected = BatchHeader {
        attributes: Attributes(0x10),
        max_timestamp: TIME_MS + 300,
        crc: second.crc,
        ..first
    };
    assert_eq!(second, expected);
}

#[derive(Debug, Clone, PartialEq)]
struct OwnedRecord {
    offset_gap: i32,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn bytes_strategy() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 1_usize..70_000).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

fn record_strategy() -> impl Strategy<Value = OwnedRecord> {
    let headers = prop::collection::vec(
        (
            "[ab]{0,2}".prop_map(String::into_bytes),
            prop::option::of(bytes_strategy()),
        ),
        0..5,
    );
    let timestamp = prop_oneof![0..2_000_i64, Just(-1_i64), 0..i64::MAX];
    (
        prop_oneof![4 => Just(0), 1 => 0..100_000],
        timestamp,
        prop::option::of(bytes_strategy()),
        prop::option::of(bytes_strategy()),
        headers,
    )
        .prop_map(|(offset_gap, timestamp, key, value, headers)| OwnedRecord {
            offset_gap,
            timestamp,
            key,
            value,
            headers,
        })
}

fn build(records: &[OwnedRecord], codec: Codec) -> BytesMut {
    let mut builder = BatchBuilder::new().base_offset(1_000).producer(5, 6, 7);
    let mut offset_delta = -1;
    for record in records {
        offset_delta += 1 + record.offset_gap;
        let headers = record.headers.iter().map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        });
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder
            .append_at(offset_delta, record.timestamp, key, value, headers)
            .unwrap();
    }
    builder.finish(codec, None).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_built_is_read_back(
        records in prop::collection::vec(record_strategy(), 1..12),
        codec in prop::sample::select(Codec::ALL.to_vec()),
    ) {
        let bytes = build(&records, codec);
        let batch = Batch::parse(&bytes).unwrap();
        batch.verify_crc().unwrap();
        prop_assert_eq!(batch.bytes.len(), bytes.len());
        prop_assert_eq!(batch.header.attributes.codec().unwrap(), codec);
        let max = records.iter().map(|record| record.timestamp).max().unwrap();
        prop_assert_eq!(batch.header.max_timestamp, max);

        let mut buffer = RecordBuffer::new();
        let mut context = DecoderContext::new();
        let mut shapes = batch.skim(&mut context, 1 << 24).unwrap();
        let mut next_delta = 0;
        let mut expected = records.iter();
        for record in batch.records(&mut buffer, 1 << 24).unwrap() {
            let record = record.unwrap();
            let expected = expected.next().unwrap();
            let found = OwnedRecord {
                offset_gap: record.offset_delta - next_delta,
                timestamp: batch.header.record_timestamp(record.timestamp_delta),
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record
                    .headers
                    .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                    .collect(),
            };
            prop_assert_eq!(&found, expected);
            next_delta = record.offset_delta + 1;
            let shape = shapes.next().unwrap().unwrap();
            prop_assert_eq!(shape.timestamp_delta, record.timestamp_delta);
            prop_assert_eq!(shape.offset_delta, record.offset_delta);
            prop_assert_eq!(shape.has_key, record.key.is_some());
            prop_assert_eq!(shape.has_value, record.value.is_some());
        }
        prop_assert!(expected.next().is_none() && shapes.next().is_none());
        prop_assert_eq!(batch.header.last_offset(), 1_000 + i64::from(next_delta) - 1);
    }
}

#[test]
fn buffers_are_used_again_and_their_contents_forgotten() {
    let fill = |mut builder: BatchBuilder| {
        builder
            .append(TIME_MS, Some(b"key"), Some(&[b'v'; 2000]), [])
            .unwrap();
        builder
    };
    for codec in Codec::ALL {
        let expected = fill(BatchBuilder::new()).finish(codec, None).unwrap();
        let (used, target) = (Vec::with_capacity(4000), vec![7; 5000]);
        let (used_at, target_at) = (used.as_ptr(), target.as_ptr());
        let builder = fill(BatchBuilder::new().in_buffer(used));
        let finished = builder.finish_in(codec, None, target).unwrap();
        assert_eq!(finished.batch, expected);
        let is_plain = codec == Codec::None;
        assert_eq!(finished.batch.as_ptr() == used_at, is_plain);
        assert_eq!(finished.spare.as_ptr() == target_at, is_plain);
    }
}
