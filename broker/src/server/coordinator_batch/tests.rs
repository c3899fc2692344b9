//! Round trips of every kind of batch, and damaged ones.

use super::*;
use crate::coordinator::TransactionMarker;

const NOW_MS: i64 = 1_700_000_000_000;

fn record(key: &'static str, value: Option<&'static str>) -> CoordinatorRecord {
    CoordinatorRecord {
        key: Bytes::from_static(key.as_bytes()),
        value: value.map(|value| Bytes::from_static(value.as_bytes())),
    }
}

fn marker(is_commit: bool) -> CoordinatorBatch {
    CoordinatorBatch::Marker(TransactionMarker {
        producer_id: 7,
        producer_epoch: 4,
        coordinator_epoch: 9,
        is_commit,
        transaction_version: 2,
    })
}

/// What is read back, in words.
fn visited(bytes: &[u8], from: i64) -> Result<(i64, Vec<String>), RecordError> {
    let mut seen = Vec::new();
    let next = visit_batches(bytes, from, &mut |entry| {
        seen.push(match entry {
            LoadedEntry::Record {
                offset,
                key,
                value,
                producer,
            } => {
                let text = |bytes: Option<&[u8]>| {
                    bytes.map_or("null".into(), |bytes| {
                        String::from_utf8(bytes.to_vec()).unwrap()
                    })
                };
                format!("{offset} {}={} {producer:?}", text(key), text(value))
            }
            LoadedEntry::Marker {
                offset,
                producer_id,
                producer_epoch,
                is_commit,
            } => format!("{offset} end {producer_id} {producer_epoch} {is_commit}"),
        });
    })?;
    Ok((next, seen))
}

/// The batches one after the other, with the offsets an append would give them.
fn log(batches: &[CoordinatorBatch], codec: Codec) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut base_offset = 0_i64;
    for batch in batches {
        let mut encoded = encode(batch, codec, NOW_MS).unwrap().to_vec();
        encoded[..8].copy_from_slice(&base_offset.to_be_bytes());
        base_offset = Batch::parse(&encoded).unwrap().header.last_offset() + 1;
        bytes.extend(encoded);
    }
    bytes
}

fn every_kind() -> Vec<CoordinatorBatch> {
    vec![
        CoordinatorBatch::Records(vec![record("a", Some("1")), record("b", None)]),
        CoordinatorBatch::Transactional {
            records: vec![record("c", Some("2")), record("d", Some("3"))],
            producer_id: 7,
            producer_epoch: 3,
            guard: None,
        },
        marker(true),
        marker(false),
    ]
}

#[test]
fn every_kind_of_batch_reads_back_as_it_was_written() {
    for codec in Codec::ALL {
        let (next, seen) = visited(&log(&every_kind(), codec), 0).unwrap();
        let expected = [
            "0 a=1 None",
            "1 b=null None",
            "2 c=2 Some((7, 3))",
            "3 d=3 Some((7, 3))",
            "4 end 7 4 true",
            "5 end 7 4 false",
        ];
        assert_eq!(seen, expected, "{codec:?}");
        assert_eq!(next, 6);
    }
}

#[test]
fn reading_begins_at_the_offset_even_inside_a_batch() {
    let (next, seen) = visited(&log(&every_kind(), Codec::None), 3).unwrap();
    assert_eq!(
        seen,
        ["3 d=3 Some((7, 3))", "4 end 7 4 true", "5 end 7 4 false"]
    );
    assert_eq!(next, 6);
}

#[test]
fn transactional_batches_have_their_producer_and_no_sequence() {
    let batches = every_kind();
    let bytes = encode(&batches[1], Codec::None, NOW_MS).unwrap();
    let header = Batch::parse(&bytes).unwrap().header;
    assert!(header.attributes.is_transactional() && !header.attributes.is_control());
    assert_eq!((header.producer_id, header.producer_epoch), (7, 3));
    assert_eq!(header.base_sequence, NO_SEQUENCE);
    let bytes = encode(&batches[2], Codec::Zstd, NOW_MS).unwrap();
    let header = Batch::parse(&bytes).unwrap().header;
    assert!(header.attributes.is_transactional() && header.attributes.is_control());
    assert_eq!(header.attributes.codec().unwrap(), Codec::None);
    assert_eq!(header.max_timestamp, NOW_MS);
}

#[test]
fn a_batch_cut_short_is_an_error_or_left_for_the_next_read() {
    let whole = log(&every_kind(), Codec::None);
    let first_bytes = encode(&every_kind()[0], Codec::None, NOW_MS).unwrap().len();
    for len in 0..whole.len() {
        match visited(&whole[..len], 0) {
            Ok((next, seen)) => assert_eq!(usize::try_from(next).unwrap(), seen.len()),
            Err(_) => assert_ne!(len, first_bytes, "a whole batch can be read"),
        }
    }
}
