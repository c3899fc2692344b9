//! Tests of the variable-length integers: known bytes, identity, refusals.

use proptest::prelude::*;

use super::*;

/// Value and bytes, from the zigzag and LEB128 definitions (protobuf's documentation has the
/// same pairs).
const KNOWN: &[(i32, &[u8])] = &[
    (0, &[0x00]),
    (-1, &[0x01]),
    (1, &[0x02]),
    (63, &[0x7E]),
    (-64, &[0x7F]),
    (64, &[0x80, 0x01]),
    (-65, &[0x81, 0x01]),
    (8191, &[0xFE, 0x7F]),
    (-8192, &[0xFF, 0x7F]),
    (8192, &[0x80, 0x80, 0x01]),
    (i32::MAX, &[0xFE, 0xFF, 0xFF, 0xFF, 0x0F]),
    (i32::MIN, &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
];

#[test]
fn known_values_have_their_known_bytes() {
    for (value, bytes) in KNOWN {
        let mut written = Vec::new();
        put_varint(&mut written, *value);
        assert_eq!(written, *bytes, "{value}");
        assert_eq!(varint_bytes(*value), bytes.len());
        let mut rest = *bytes;
        assert_eq!(read_varint(&mut rest).unwrap(), *value);
        assert!(rest.is_empty());
    }
    let mut written = Vec::new();
    put_varlong(&mut written, i64::MIN);
    assert_eq!(
        written,
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]
    );
    assert_eq!(read_varlong(&mut written.as_slice()).unwrap(), i64::MIN);
}

#[test]
fn too_long_and_truncated_are_told_apart() {
    let endless = [0x80; 11];
    assert_eq!(
        read_varint(&mut &endless[..]),
        Err(RecordProblem::VarintTooLong)
    );
    assert_eq!(
        read_varlong(&mut &endless[..]),
        Err(RecordProblem::VarintTooLong)
    );
    assert_eq!(
        read_varint(&mut endless.split_at(4).0),
        Err(RecordProblem::Truncated)
    );
    assert_eq!(
        read_varlong(&mut endless.split_at(9).0),
        Err(RecordProblem::Truncated)
    );
    assert_eq!(
        read_varint(&mut [].as_slice()),
        Err(RecordProblem::Truncated)
    );
}

#[test]
fn bits_beyond_the_integer_are_dropped_as_java_does() {
    assert_eq!(
        read_varint(&mut [0xFE, 0xFF, 0xFF, 0xFF, 0x7F].as_slice()),
        Ok(i32::MAX)
    );
}

proptest! {
    #[test]
    fn varints_read_back(value: i32, tail: Vec<u8>) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        prop_assert_eq!(bytes.len(), varint_bytes(value));
        bytes.extend_from_slice(&tail);
        let mut rest = bytes.as_slice();
        prop_assert_eq!(read_varint(&mut rest), Ok(value));
        prop_assert_eq!(rest, tail.as_slice());
    }

    #[test]
    fn varlongs_read_back(value: i64, shift in 0_u32..64, tail: Vec<u8>) {
        let value = value >> shift;
        let mut bytes = Vec::new();
        put_varlong(&mut bytes, value);
        prop_assert_eq!(bytes.len(), varlong_bytes(value));
        bytes.extend_from_slice(&tail);
        let mut rest = bytes.as_slice();
        prop_assert_eq!(read_varlong(&mut rest), Ok(value));
        prop_assert_eq!(rest, tail.as_slice());
    }
}
