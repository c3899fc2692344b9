//! Tests of the record view with bytes written by hand.

use super::*;

/// A record with every feature, written by hand from the layout in the module documentation:
/// length 24, timestamp delta -3, offset delta 5, key "k", value "val", headers
/// ("h", "1"), ("h", null), ("", ""), ("h", "22").
const GOLDEN: &[u8] = &[
    0x30, // length 24
    0x00, // attributes
    0x05, // timestamp delta -3
    0x0A, // offset delta 5
    0x02, b'k', // key
    0x06, b'v', b'a', b'l', // value
    0x08, // 4 headers
    0x02, b'h', 0x02, b'1', // h = "1"
    0x02, b'h', 0x01, // h = null
    0x00, 0x00, // "" = ""
    0x02, b'h', 0x04, b'2', b'2', // h = "22"
];

fn read(bytes: &[u8]) -> Result<Record<'_>, RecordProblem> {
    let mut rest = bytes;
    let record = Record::read(&mut rest)?;
    assert!(rest.is_empty());
    Ok(record)
}

/// A record of these body bytes, with the right length in front.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::varint::put_varint(&mut bytes, i32::try_from(body.len()).unwrap());
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn every_field_of_a_golden_record_is_read() {
    let record = read(GOLDEN).unwrap();
    assert_eq!(record.timestamp_delta, -3);
    assert_eq!(record.offset_delta, 5);
    assert_eq!(record.key, Some(b"k".as_slice()));
    assert_eq!(record.value, Some(b"val".as_slice()));
    assert_eq!(record.headers.len(), 4);
}

#[test]
fn headers_keep_order_duplicates_and_null_values() {
    let record = read(GOLDEN).unwrap();
    let headers: Vec<_> = record
        .headers
        .map(|header| (header.key, header.value))
        .collect();
    let expected: [(&[u8], Option<&[u8]>); 4] = [
        (b"h", Some(b"1")),
        (b"h", None),
        (b"", Some(b"")),
        (b"h", Some(b"22")),
    ];
    assert_eq!(headers, expected);
}

#[test]
fn null_and_empty_are_told_apart() {
    let null = framed(&[0, 0, 0, 0x01, 0x01, 0]);
    let record = read(&null).unwrap();
    assert_eq!((record.key, record.value), (None, None));
    let empty = framed(&[0, 0, 0, 0x00, 0x00, 0]);
    let record = read(&empty).unwrap();
    assert_eq!(
        (record.key, record.value),
        (Some([].as_slice()), Some([].as_slice()))
    );
    let minus_two = framed(&[0, 0, 0, 0x03, 0x03, 0]);
    assert_eq!(
        read(&minus_two).unwrap().key,
        None,
        "Kafka reads any negative length as null"
    );
}

#[test]
fn malformed_records_are_refused_by_name() {
    let problem = |body: &[u8]| read(&framed(body)).unwrap_err();
    assert_eq!(problem(&[]), RecordProblem::Truncated);
    assert_eq!(problem(&[0, 0, 0, 1, 1]), RecordProblem::Truncated);
    assert_eq!(
        problem(&[0, 0, 0, 1, 1, 0, 0]),
        RecordProblem::LengthMismatch
    );
    assert_eq!(problem(&[0, 0, 0, 8, b'k', 1, 0]), RecordProblem::Truncated);
    assert_eq!(
        problem(&[0, 0, 0, 1, 1, 1]),
        RecordProblem::InvalidHeaderCount
    );
    assert_eq!(
        problem(&[0, 0, 0, 1, 1, 4, 0]),
        RecordProblem::InvalidHeaderCount
    );
    assert_eq!(
        problem(&[0, 0, 0, 1, 1, 2, 1, 1]),
        RecordProblem::NullHeaderKey
    );
    assert_eq!(problem(&[0, 0, 0, 1, 1, 2, 0]), RecordProblem::Truncated);
    let long = [0x80; 10];
    assert_eq!(read(&long).unwrap_err(), RecordProblem::VarintTooLong);
    assert_eq!(read(&[0x01]).unwrap_err(), RecordProblem::InvalidLength);
    assert_eq!(
        read(&[0x0E, 0, 0, 0, 1, 1, 0]).unwrap_err(),
        RecordProblem::Truncated
    );
}

#[test]
fn a_golden_record_cut_anywhere_is_refused() {
    for cut in 0..GOLDEN.len() {
        assert!(read(GOLDEN.split_at(cut).0).is_err(), "cut at {cut}");
    }
}
