//! Tests of rewriting: which bytes stand, which fields stay, and a property over every codec.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "test arithmetic is on small constants; a panic is a failed test"
)]

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::batch_builder::BatchBuilder;
use crate::record::Header;

const LIMIT_BYTES: usize = 1 << 20;
const TIME_MS: i64 = 1_700_000_000_000;
const HORIZON_MS: i64 = TIME_MS + 86_400_000;

const IF_NEEDED: NewHorizon = NewHorizon {
    time_ms: HORIZON_MS,
    is_due: false,
};

/// A record as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn read(bytes: &[u8]) -> Vec<Seen> {
    let batch = Batch::parse(bytes).unwrap();
    assert_eq!(batch.bytes.len(), bytes.len());
    batch.verify_crc().unwrap();
    let header = batch.header;
    let mut buffer = RecordBuffer::new();
    let records = batch.records(&mut buffer, LIMIT_BYTES).unwrap();
    let seen = records.map(|record| {
        let record = record.unwrap();
        Seen {
            offset: header.record_offset(record.offset_delta),
            timestamp: header.record_timestamp(record.timestamp_delta),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .map(|it| (it.key.to_vec(), it.value.map(<[u8]>::to_vec)))
                .collect(),
        }
    });
    seen.collect()
}

/// Four records with the keys 0 to 3, a millisecond apart; that with key 2 is a tombstone if asked.
fn four(has_tombstone: bool, codec: Codec) -> BytesMut {
    let mut builder = BatchBuilder::new()
        .base_offset(100)
        .partition_leader_epoch(7)
        .producer(9, 3, 40)
        .transactional();
    for n in 0..4_u8 {
        let value = (!has_tombstone || n != 2).then_some(&b"value"[..]);
        let header = Header {
            key: b"h",
            value: Some(b"1"),
        };
        builder
            .append(TIME_MS + i64::from(n), Some(&[n]), value, [header])
            .unwrap();
    }
    builder.finish(codec, None).unwrap()
}

fn rewrite(bytes: &[u8], horizon: NewHorizon, keys: &[u8]) -> Option<Vec<u8>> {
    let batch = Batch::parse(bytes).unwrap();
    let mut rewriter = BatchRewriter::new();
    let result = rewriter.rewrite(&batch, horizon, LIMIT_BYTES, |record| {
        keys.contains(&record.key.unwrap()[0])
    });
    match result.unwrap() {
        Rewritten::Unchanged => None,
        Rewritten::Changed { header, bytes } => {
            assert_eq!(BatchHeader::parse(bytes).unwrap(), header);
            Some(bytes.to_vec())
        }
        Rewritten::Emptied => Some(Vec::new()),
    }
}

#[test]
fn a_batch_whose_records_are_all_kept_stands() {
    for codec in Codec::ALL {
        assert_eq!(
            rewrite(&four(false, codec), IF_NEEDED, &[0, 1, 2, 3]),
            None,
            "{codec}"
        );
    }
}

#[test]
fn a_batch_of_which_nothing_is_kept_is_reported_as_emptied() {
    for codec in Codec::ALL {
        assert_eq!(
            rewrite(&four(true, codec), IF_NEEDED, &[]),
            Some(Vec::new())
        );
    }
}

#[test]
fn dropping_records_keeps_offsets_sequences_producer_and_codec() {
    for codec in Codec::ALL {
        let bytes = four(false, codec);
        let old = BatchHeader::parse(&bytes).unwrap();
        let rewritten = rewrite(&bytes, IF_NEEDED, &[1, 2]).unwrap();
        let new = BatchHeader::parse(&rewritten).unwrap();
        let expected = BatchHeader {
            batch_length: new.batch_length,
            crc: new.crc,
            base_timestamp: TIME_MS + 1,
            max_timestamp: TIME_MS + 2,
            records_count: 2,
            ..old
        };
        assert_eq!(new, expected, "{codec}");
        assert_eq!(read(&rewritten), read(&bytes)[1..3], "{codec}");
    }
}

#[test]
fn a_kept_tombstone_sets_the_delete_horizon_once() {
    for codec in Codec::ALL {
        let bytes = four(true, codec);
        let first = rewrite(&bytes, IF_NEEDED, &[0, 1, 2, 3]).unwrap();
        let header = BatchHeader::parse(&first).unwrap();
        assert_eq!(header.delete_horizon_ms(), Some(HORIZON_MS));
        assert_eq!(header.max_timestamp, TIME_MS + 3);
        assert_eq!(read(&first), read(&bytes), "{codec}");
        let later = NewHorizon {
            time_ms: HORIZON_MS + 5,
            is_due: true,
        };
        assert_eq!(rewrite(&first, later, &[0, 1, 2, 3]), None);
        let second = rewrite(&first, later, &[2, 3]).unwrap();
        let header = BatchHeader::parse(&second).unwrap();
        assert_eq!(header.delete_horizon_ms(), Some(HORIZON_MS));
        assert_eq!(read(&second), read(&bytes)[2..], "{codec}");
    }
}

#[test]
fn a_dropped_tombstone_sets_no_horizon() {
    let rewritten = rewrite(&four(true, Codec::None), IF_NEEDED, &[0, 3]).unwrap();
    let header = BatchHeader::parse(&rewritten).unwrap();
    assert_eq!(header.delete_horizon_ms(), None);
}

#[test]
fn a_due_horizon_is_set_without_a_tombstone() {
    let due = NewHorizon {
        is_due: true,
        ..IF_NEEDED
    };
    let bytes = four(false, Codec::None);
    let rewritten = rewrite(&bytes, due, &[0, 1, 2, 3]).unwrap();
    let header = BatchHeader::parse(&rewritten).unwrap();
    assert_eq!(header.delete_horizon_ms(), Some(HORIZON_MS));
    assert_eq!(read(&rewritten), read(&bytes));
}

#[test]
fn log_append_time_stays_whatever_is_kept() {
    let mut builder = BatchBuilder::new().log_append_time(TIME_MS + 50);
    for (n, value) in [(0_u8, Some(&b"v"[..])), (1, None), (2, Some(b"v"))] {
        builder
            .append(TIME_MS + i64::from(n), Some(&[n]), value, [])
            .unwrap();
    }
    let bytes = builder.finish(Codec::None, None).unwrap();
    for keys in [&[0][..], &[1, 2], &[2]] {
        let rewritten = rewrite(&bytes, IF_NEEDED, keys).unwrap();
        let header = BatchHeader::parse(&rewritten).unwrap();
        assert_eq!(header.max_timestamp, TIME_MS + 50);
        assert_eq!(header.attributes.has_delete_horizon(), keys.contains(&1));
        assert!(
            read(&rewritten)
                .iter()
                .all(|record| record.timestamp == TIME_MS + 50)
        );
    }
}

#[test]
fn an_empty_batch_stands_for_offsets_and_sequences_only() {
    let bytes = four(true, Codec::Zstd);
    let old = BatchHeader::parse(&bytes).unwrap();
    let (header, encoded) = empty_batch(&old);
    assert_eq!(BatchHeader::parse(&encoded).unwrap(), header);
    let expected = BatchHeader {
        batch_length: BATCH_LENGTH_MIN,
        crc: header.crc,
        attributes: old.attributes.with_codec(Codec::None),
        base_timestamp: NO_TIMESTAMP,
        records_count: 0,
        ..old
    };
    assert_eq!(header, expected);
    assert_eq!(header.last_sequence(), 43);
    assert_eq!(read(&encoded), []);
    assert_eq!(empty_batch(&header), (header, encoded));
    assert_eq!(rewrite(&encoded, IF_NEEDED, &[]), Some(Vec::new()));
}

#[test]
fn an_empty_batch_has_no_delete_horizon() {
    let bytes = rewrite(&four(true, Codec::None), IF_NEEDED, &[2]).unwrap();
    let old = BatchHeader::parse(&bytes).unwrap();
    assert!(old.attributes.has_delete_horizon());
    assert_eq!(empty_batch(&old).0.delete_horizon_ms(), None);
}

#[test]
fn damage_is_an_error_although_nothing_is_kept() {
    let bytes = four(false, Codec::None);
    let batch = Batch::parse(&bytes).unwrap();
    let mut rewriter = BatchRewriter::new();
    for change in [-1, 1] {
        let mut damaged = batch;
        damaged.header.records_count += change;
        let result = rewriter.rewrite(&damaged, IF_NEEDED, LIMIT_BYTES, |_| false);
        assert!(result.is_err(), "{change}");
    }
    let small = rewriter.rewrite(&batch, IF_NEEDED, 10, |_| true);
    assert!(matches!(
        small,
        Err(RecordError::DecompressedTooLarge { .. })
    ));
}

#[test]
fn timestamps_far_from_the_horizon_come_out_right() {
    let mut builder = BatchBuilder::new();
    for (n, time) in [(0, i64::MAX - 1), (1, i64::MAX)] {
        builder.append(time, Some(&[n]), None, []).unwrap();
    }
    let bytes = builder.finish(Codec::None, None).unwrap();
    let near = NewHorizon {
        time_ms: 1,
        is_due: false,
    };
    let rewritten = rewrite(&bytes, near, &[0, 1]).unwrap();
    assert_eq!(read(&rewritten), read(&bytes));
}

type Input = (i64, Option<Vec<u8>>, Option<Vec<u8>>, bool, bool);

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let bytes = || prop::option::weighted(0.8, prop::collection::vec(any::<u8>(), 0..200));
    let input = (
        -1_i64..4_000_000_000_000,
        bytes(),
        bytes(),
        any::<bool>(),
        any::<bool>(),
    );
    prop::collection::vec(input, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Two rewritings, one behind the other, show a reader exactly what both kept.
    #[test]
    fn a_reader_sees_exactly_what_was_kept(
        records in inputs(),
        codec in prop::sample::select(&Codec::ALL[..]),
        append_time in prop::option::of(0_i64..4_000_000_000_000),
        times in (1_i64..4_000_000_000_000, 1_i64..4_000_000_000_000),
        due in any::<(bool, bool)>(),
    ) {
        let mut builder = BatchBuilder::new().base_offset(5000).producer(1, 2, 3);
        if let Some(time_ms) = append_time {
            builder = builder.log_append_time(time_ms);
        }
        for (n, (time, key, value, has_header, _)) in (0..).zip(&records) {
            let header = Header { key: b"name", value: None };
            let headers = has_header.then_some(header);
            // Gaps, as an earlier compaction leaves them.
            builder.append_at(n * 3, *time, key.as_deref(), value.as_deref(), headers).unwrap();
        }
        let mut bytes = builder.finish(codec, None).unwrap().to_vec();
        let mut expected = read(&bytes);
        let mut rewriter = BatchRewriter::new();
        let rounds = [(times.0, due.0), (times.1, due.1)];
        for (round, (time_ms, is_due)) in rounds.into_iter().enumerate() {
            let batch = Batch::parse(&bytes).unwrap();
            let old = batch.header;
            let is_kept = |offset: i64| {
                let n = usize::try_from((offset - 5000) / 3).unwrap();
                if round == 0 { records[n].4 } else { n % 3 != 0 }
            };
            expected.retain(|record| is_kept(record.offset));
            let rewritten = rewriter
                .rewrite(&batch, NewHorizon { time_ms, is_due }, LIMIT_BYTES, |record| {
                    is_kept(old.record_offset(record.offset_delta))
                })
                .unwrap();
            let new = match rewritten {
                Rewritten::Emptied => {
                    prop_assert!(expected.is_empty());
                    return Ok(());
                }
                Rewritten::Unchanged => old,
                Rewritten::Changed { header, bytes: new } => {
                    bytes = new.to_vec();
                    header
                }
            };
            prop_assert_eq!(&read(&bytes), &expected);
            prop_assert_eq!(usize::try_from(new.records_count).unwrap(), expected.len());
            let has_tombstone = expected.iter().any(|record| record.value.is_none());
            let horizon = old
                .delete_horizon_ms()
                .or((has_tombstone || is_due).then_some(time_ms));
            prop_assert_eq!(new.delete_horizon_ms(), horizon);
            let max = expected.iter().map(|record| record.timestamp).max().unwrap();
            prop_assert_eq!(new.max_timestamp, append_time.unwrap_or(max));
            prop_assert_eq!(new.attributes.codec().unwrap(), codec);
            prop_assert_eq!(
                (new.base_offset, new.last_offset(), new.last_sequence()),
                (old.base_offset, old.last_offset(), old.last_sequence())
            );
        }
    }
}
