//! Tests of what a batch becomes.

use std::collections::HashMap;

use bytes::BytesMut;
use ringbrook_record::{BatchBuilder, Codec, EndTransactionMarker};

use super::super::offset_map::OffsetMap;
use super::super::retain_rules::LastBatch;
use super::*;

const NOW_MS: i64 = 50_000;
const RETENTION_MS: i64 = 1000;

/// Key `a` was last written at 40; the map covers everything up to 99.
fn map() -> OffsetMap {
    let mut map = OffsetMap::new(2400, 0.9);
    map.put(b"a", 40);
    map.set_latest_offset(99);
    map
}

fn filter(map: &OffsetMap) -> BatchFilter<'_> {
    let last = LastBatch {
        data_offset: Some(7),
        epoch: 0,
    };
    let rules = RetainRules {
        map,
        now_ms: NOW_MS,
        first_uncleanable_offset: 200,
        producers: HashMap::from([(1, last)]),
    };
    BatchFilter::new(rules, RETENTION_MS)
}

fn batch(offset: i64, records: &[(&[u8], Option<&[u8]>)], codec: Codec) -> BytesMut {
    let mut builder = BatchBuilder::new()
        .base_offset(offset)
        .producer(1, 0, 5)
        .transactional();
    for (key, value) in records {
        builder.append(1, Some(key), *value, []).unwrap();
    }
    builder.finish(codec, None).unwrap()
}

fn marker(offset: i64, is_commit: bool) -> BytesMut {
    let marker = EndTransactionMarker {
        is_commit,
        coordinator_epoch: 0,
    };
    let mut bytes = marker.build_batch(1, 0, 1).unwrap();
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes
}

fn pass<'f>(filter: &'f mut BatchFilter<'_>, bytes: &[u8]) -> Filtered<'f> {
    filter.pass(&Batch::parse(bytes).unwrap()).unwrap()
}

#[test]
fn a_batch_that_loses_nothing_stands_compressed_or_not() {
    let map = map();
    for codec in Codec::ALL {
        let bytes = batch(40, &[(b"a", Some(b"1")), (b"b", Some(b"2"))], codec);
        assert_eq!(pass(&mut filter(&map), &bytes).outcome, Outcome::Kept);
    }
}

#[test]
fn a_batch_that_loses_all_goes_unless_it_has_to_stay_empty() {
    let map = map();
    let superseded: [(&[u8], Option<&[u8]>); 1] = [(b"a", Some(b"1"))];
    let bytes = batch(6, &superseded, Codec::Lz4);
    assert_eq!(pass(&mut filter(&map), &bytes).outcome, Outcome::Dropped);
    // The producer's last sequence number.
    let bytes = batch(7, &superseded, Codec::Lz4);
    let old = BatchHeader::parse(&bytes).unwrap();
    let (expected, encoded) = empty_batch(&old);
    let mut filter = filter(&map);
    let outcome = pass(&mut filter, &bytes).outcome;
    let changed = Outcome::Changed {
        header: expected,
        bytes: &encoded,
    };
    assert_eq!(outcome, changed);
    assert_eq!(pass(&mut filter, &encoded).outcome, Outcome::Kept, "again");
}

#[test]
fn aborted_data_goes_and_its_marker_stays_with_the_index_entry() {
    let map = map();
    let mut filter = filter(&map);
    let aborted = AbortedTransaction {
        producer_id: 1,
        first_offset: 50,
        last_offset: 52,
        last_stable_offset: 53,
    };
    filter.transactions.add_aborted(vec![aborted]);
    let bytes = batch(50, &[(b"x", Some(b"1"))], Codec::None);
    assert_eq!(pass(&mut filter, &bytes).outcome, Outcome::Dropped);
    let filtered = pass(&mut filter, &marker(52, false));
    assert_eq!(filtered.outcome, Outcome::Kept);
    assert_eq!(filtered.aborted, Some(aborted));
}

#[test]
fn a_marker_that_nothing_needs_gets_a_horizon_once() {
    let map = map();
    let mut filter = filter(&map);
    let filtered = pass(&mut filter, &marker(52, true));
    let Outcome::Changed { header, bytes } = filtered.outcome else {
        panic!("{filtered:?}");
    };
    assert_eq!(header.delete_horizon_ms(), Some(NOW_MS + RETENTION_MS));
    let bytes = bytes.to_vec();
    assert_eq!(pass(&mut filter, &bytes).outcome, Outcome::Kept);
}

#[test]
fn tombstones_past_the_map_get_no_horizon_yet() {
    let map = map();
    let mut filter = filter(&map);
    let tombstone: [(&[u8], Option<&[u8]>); 1] = [(b"t", None)];
    let bytes = batch(100, &tombstone, Codec::None);
    assert_eq!(pass(&mut filter, &bytes).outcome, Outcome::Kept);
    let bytes = batch(99, &tombstone, Codec::None);
    assert!(matches!(
        pass(&mut filter, &bytes).outcome,
        Outcome::Changed { .. }
    ));
}

#[test]
fn records_that_cannot_be_decoded_are_an_error() {
    let map = map();
    let mut bytes = batch(30, &[(b"a", Some(b"1"))], Codec::None);
    let count = bytes.len() - 1;
    bytes[count] = 200;
    let batch = Batch::parse(&bytes).unwrap();
    assert!(filter(&map).pass(&batch).is_err());
}
