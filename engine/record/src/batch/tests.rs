//! Tests of the batch view and of the walk, with batches written by hand.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "test arithmetic is on small constants"
)]

use super::*;
use crate::attributes::Attributes;

/// A header-only batch followed by `payload`, with a right length and CRC.
fn batch_bytes(base_offset: i64, payload: &[u8]) -> Vec<u8> {
    let mut header = BatchHeader {
        base_offset,
        batch_length: 49 + i32::try_from(payload.len()).unwrap(),
        partition_leader_epoch: 0,
        magic: 2,
        crc: 0,
        attributes: Attributes(0),
        last_offset_delta: 0,
        base_timestamp: 1,
        max_timestamp: 1,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records_count: 0,
    };
    let covered = [header.encode().split_at(21).1, payload].concat();
    header.crc = crc32c::crc32c(&covered);
    [header.encode().as_slice(), payload].concat()
}

#[test]
fn the_crc_covers_everything_from_the_attributes_on_and_nothing_before() {
    let good = batch_bytes(5, b"records");
    Batch::parse(&good).unwrap().verify_crc().unwrap();
    for position in 0..good.len() {
        let mut bad = good.clone();
        bad.get_mut(position).map(|byte| *byte ^= 0x40).unwrap();
        let Ok(batch) = Batch::parse(&bad) else {
            assert!((8..12).contains(&position) || position == 16, "{position}");
            continue;
        };
        let is_outside_crc = position < 8 || (12..16).contains(&position);
        assert_eq!(
            batch.verify_crc().is_ok(),
            is_outside_crc,
            "byte {position}"
        );
    }
}

#[test]
fn crc_is_castagnoli() {
    // RFC 3720, B.4: CRC-32C of 32 zero bytes.
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8A91_36AA);
}

#[test]
fn the_walk_returns_every_batch_and_stops_silently_where_one_is_cut() {
    let first = batch_bytes(0, b"abc");
    let second = batch_bytes(1, b"defgh");
    let both = [first.clone(), second].concat();
    let offsets: Vec<i64> = Batches::new(&both)
        .map(|batch| batch.unwrap().header.base_offset)
        .collect();
    assert_eq!(offsets, [0, 1]);
    for cut in 0..both.len() {
        let mut walk = Batches::new(both.get(..cut).unwrap());
        let found: Vec<_> = walk.by_ref().collect::<Result<_, _>>().unwrap();
        let expected = usize::from(first.len() <= cut);
        assert_eq!(found.len(), expected, "cut at {cut}");
        assert_eq!(walk.position(), expected * first.len());
        assert!(walk.next().is_none());
    }
}

#[test]
fn a_zeroed_tail_is_corrupt_and_ends_the_walk() {
    let bytes = [batch_bytes(0, b"abc"), vec![0; 40]].concat();
    let mut walk = Batches::new(&bytes);
    assert!(walk.next().unwrap().is_ok());
    let error = walk.next().unwrap().unwrap_err();
    assert!(matches!(
        error,
        RecordError::BatchLengthTooSmall {
            length: 0,
            minimum: 14
        }
    ));
    assert!(walk.next().is_none());
    assert_eq!(walk.position(), 64);
}

#[test]
fn length_is_checked_with_twelve_bytes_and_magic_with_seventeen() {
    let mut bytes = batch_bytes(0, b"abc");
    bytes.splice(8..12, 13_i32.to_be_bytes());
    assert!(Batches::new(bytes.get(..11).unwrap()).next().is_none());
    assert!(
        Batches::new(bytes.get(..12).unwrap())
            .next()
            .unwrap()
            .is_err()
    );
    let mut bytes = batch_bytes(0, b"abc");
    bytes.splice(16..17, [9]);
    assert!(Batches::new(bytes.get(..16).unwrap()).next().is_none());
    let error = Batches::new(bytes.get(..17).unwrap())
        .next()
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, RecordError::InvalidMagic { magic: 9 }));
}

#[test]
fn a_legacy_batch_and_one_over_the_maximum_are_refused() {
    let mut bytes = batch_bytes(0, b"abc");
    let mut limited = Batches::with_size_max(&bytes, 63);
    let error = limited.next().unwrap().unwrap_err();
    assert!(matches!(
        error,
        RecordError::BatchTooLarge {
            size_bytes: 64,
            size_bytes_max: 63
        }
    ));
    assert!(Batches::with_size_max(&bytes, 64).next().unwrap().is_ok());
    bytes.splice(16..17, [1]);
    let error = Batches::new(&bytes).next().unwrap().unwrap_err();
    assert!(matches!(error, RecordError::UnsupportedMagic { magic: 1 }));
}

#[test]
fn parse_leaves_what_follows_alone_and_wants_the_whole_batch() {
    let bytes = [batch_bytes(0, b"abc"), vec![7; 9]].concat();
    let batch = Batch::parse(&bytes).unwrap();
    assert_eq!(batch.bytes.len(), 64);
    assert_eq!(batch.payload(), b"abc");
    assert!(matches!(
        Batch::parse(bytes.get(..63).unwrap()),
        Err(RecordError::Truncated {
            expected_bytes: 64,
            found_bytes: 63,
            ..
        })
    ));
}
