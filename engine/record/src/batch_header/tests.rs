//! Tests of the header view: golden bytes, shape checks, sequence arithmetic.

use super::*;

/// Golden bytes written by hand from the layout table of Kafka's documentation, every field with
/// a distinct value. Equal to this Python, run independently of the crate:
/// `struct.pack(">qiibIhiqqqhii", 0x0102030405060708, 49, 7, 2, 0xA1B2C3D4, 0x58, 9, 1000, 2000,
/// 3000, 12, 77, 10)`.
const GOLDEN: [u8; HEADER_BYTES] = [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, // base offset
    0x00, 0x00, 0x00, 0x31, // batch length
    0x00, 0x00, 0x00, 0x07, // leader epoch
    0x02, // magic
    0xA1, 0xB2, 0xC3, 0xD4, // crc
    0x00, 0x58, // attributes
    0x00, 0x00, 0x00, 0x09, // last offset delta
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xE8, // base timestamp
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0xD0, // max timestamp
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0B, 0xB8, // producer id
    0x00, 0x0C, // producer epoch
    0x00, 0x00, 0x00, 0x4D, // base sequence
    0x00, 0x00, 0x00, 0x0A, // records count
];

#[test]
fn golden_bytes_parse_field_by_field_and_encode_back() {
    let header = BatchHeader::parse(&GOLDEN).unwrap();
    let expected = BatchHeader {
        base_offset: 0x0102_0304_0506_0708,
        batch_length: 49,
        partition_leader_epoch: 7,
        magic: 2,
        crc: 0xA1B2_C3D4,
        attributes: Attributes(0x58),
        last_offset_delta: 9,
        base_timestamp: 1000,
        max_timestamp: 2000,
        producer_id: 3000,
        producer_epoch: 12,
        base_sequence: 77,
        records_count: 10,
    };
    assert_eq!(header, expected);
    assert_eq!(header.encode(), GOLDEN);
    assert_eq!(header.size_bytes(), 61);
    assert_eq!(header.payload_bytes(), 0);
    assert_eq!(header.last_offset(), 0x0102_0304_0506_0711);
    assert_eq!(header.last_sequence(), 86);
    assert_eq!(header.delete_horizon_ms(), Some(1000));
    assert_eq!(
        header.record_timestamp(5),
        2000,
        "LogAppendTime: the max timestamp"
    );
    assert!(header.attributes.is_transactional() && !header.attributes.is_control());
}

#[test]
fn positions_are_those_of_the_golden_bytes() {
    let field = |position: usize, value: u8| assert_eq!(GOLDEN.get(position), Some(&value));
    field(BATCH_LENGTH_POSITION + 3, 0x31);
    field(PARTITION_LEADER_EPOCH_POSITION + 3, 7);
    field(MAGIC_POSITION, 2);
    field(CRC_POSITION, 0xA1);
    field(ATTRIBUTES_POSITION + 1, 0x58);
    field(LAST_OFFSET_DELTA_POSITION + 3, 9);
    field(BASE_TIMESTAMP_POSITION + 7, 0xE8);
    field(MAX_TIMESTAMP_POSITION + 7, 0xD0);
    field(PRODUCER_ID_POSITION + 7, 0xB8);
    field(PRODUCER_EPOCH_POSITION + 1, 0x0C);
    field(BASE_SEQUENCE_POSITION + 3, 0x4D);
    field(RECORDS_COUNT_POSITION + 3, 0x0A);
}

#[test]
fn bad_headers_are_refused_by_name() {
    let with = |position: usize, bytes: &[u8]| {
        let mut changed = GOLDEN.to_vec();
        changed.splice(position..position + bytes.len(), bytes.iter().copied());
        BatchHeader::parse(&changed)
    };
    assert!(matches!(
        BatchHeader::parse(GOLDEN.split_at(60).0),
        Err(RecordError::Truncated {
            expected_bytes: 61,
            found_bytes: 60,
            ..
        })
    ));
    assert!(matches!(
        with(16, &[1]),
        Err(RecordError::UnsupportedMagic { magic: 1 })
    ));
    assert!(matches!(
        with(16, &[3]),
        Err(RecordError::InvalidMagic { magic: 3 })
    ));
    assert!(matches!(
        with(16, &[0xFF]),
        Err(RecordError::InvalidMagic { magic: -1 })
    ));
    assert!(matches!(
        with(8, &[0, 0, 0, 48]),
        Err(RecordError::BatchLengthTooSmall {
            length: 48,
            minimum: 49
        })
    ));
    assert!(matches!(
        with(8, &[0x80, 0, 0, 0]),
        Err(RecordError::BatchLengthTooSmall {
            length: i32::MIN,
            ..
        })
    ));
}

#[test]
fn sequence_numbers_wrap_to_zero_after_the_maximum() {
    assert_eq!(next_sequence(0, 0), 0);
    assert_eq!(next_sequence(5, 3), 8);
    assert_eq!(next_sequence(i32::MAX, 0), i32::MAX);
    assert_eq!(next_sequence(i32::MAX, 1), 0);
    assert_eq!(next_sequence(i32::MAX - 1, 3), 1);
    assert_eq!(next_sequence(i32::MAX, i32::MAX), i32::MAX - 1);
}

#[test]
fn a_batch_without_sequence_has_no_last_sequence() {
    let mut header = BatchHeader::parse(&GOLDEN).unwrap();
    header.base_sequence = NO_SEQUENCE;
    assert_eq!(header.last_sequence(), NO_SEQUENCE);
}
