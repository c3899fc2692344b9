//! Tests of what is kept, one claim a rule.

use bytes::BytesMut;
use ringbrook_record::{Batch, BatchBuilder, Codec, EndTransactionMarker, RecordBuffer};

use super::*;

const NOW_MS: i64 = 50_000;

/// Up to offset 99 everything is in the map: key `a` last at 40, key `b` last at 120.
fn map() -> OffsetMap {
    let mut map = OffsetMap::new(2400, 0.9);
    map.put(b"a", 40);
    map.put(b"b", 120);
    map.set_latest_offset(99);
    map
}

fn rules(map: &OffsetMap) -> RetainRules<'_> {
    RetainRules {
        map,
        now_ms: NOW_MS,
        first_uncleanable_offset: 200,
        producers: HashMap::new(),
    }
}

fn batch(offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> BytesMut {
    let mut builder = BatchBuilder::new().base_offset(offset).producer(7, 3, 0);
    builder.append(1, key, value, []).unwrap();
    builder.finish(Codec::None, None).unwrap()
}

fn keeps(bytes: &[u8], horizon_ms: Option<i64>) -> bool {
    let map = map();
    let batch = Batch::parse(bytes).unwrap();
    let mut header = batch.header;
    if let Some(horizon_ms) = horizon_ms {
        header.attributes = header.attributes.with_delete_horizon(true);
        header.base_timestamp = horizon_ms;
    }
    let mut buffer = RecordBuffer::new();
    let record = batch.records(&mut buffer, 1000).unwrap().next().unwrap();
    rules(&map).keeps(&header, &record.unwrap())
}

#[test]
fn the_last_record_of_a_key_stays_and_earlier_ones_go() {
    assert!(!keeps(&batch(39, Some(b"a"), Some(b"v")), None));
    assert!(keeps(&batch(40, Some(b"a"), Some(b"v")), None));
    assert!(keeps(&batch(41, Some(b"a"), Some(b"v")), None));
}

#[test]
fn a_key_that_is_not_in_the_map_stays() {
    assert!(keeps(&batch(1, Some(b"other"), Some(b"v")), None));
}

#[test]
fn a_key_superseded_past_the_end_of_the_map_goes() {
    assert!(!keeps(&batch(99, Some(b"b"), Some(b"v")), None));
    assert!(keeps(&batch(120, Some(b"b"), Some(b"v")), None));
}

#[test]
fn a_record_without_a_key_goes_once_the_map_covers_it() {
    assert!(!keeps(&batch(99, None, Some(b"v")), None));
    assert!(keeps(&batch(100, None, Some(b"v")), None));
}

#[test]
fn a_tombstone_stays_until_its_delete_horizon() {
    let tombstone = batch(40, Some(b"a"), None);
    assert!(keeps(&tombstone, None));
    assert!(keeps(&tombstone, Some(NOW_MS + 1)));
    assert!(!keeps(&tombstone, Some(NOW_MS)));
    assert!(!keeps(&batch(39, Some(b"a"), None), None), "superseded");
    let value = batch(40, Some(b"a"), Some(b"v"));
    assert!(keeps(&value, Some(NOW_MS)), "not a tombstone");
}

#[test]
fn a_batch_past_the_map_is_not_looked_into() {
    let map = map();
    assert!(!rules(&map).is_past_map(&data_header(99)));
    assert!(rules(&map).is_past_map(&data_header(100)));
}

fn data_header(offset: i64) -> BatchHeader {
    Batch::parse(&batch(offset, None, None)).unwrap().header
}

fn marker_header(offset: i64, horizon_ms: Option<i64>) -> BatchHeader {
    let marker = EndTransactionMarker {
        is_commit: true,
        coordinator_epoch: 0,
    };
    let bytes = marker.build_batch(7, 3, 1).unwrap();
    let mut header = Batch::parse(&bytes).unwrap().header;
    header.base_offset = offset;
    if let Some(horizon_ms) = horizon_ms {
        header.attributes = header.attributes.with_delete_horizon(true);
        header.base_timestamp = horizon_ms;
    }
    header
}

#[test]
fn aborted_data_goes_at_once() {
    let map = map();
    let plan = rules(&map).plan(&data_header(5), true);
    let expected = BatchPlan {
        drops_records: true,
        stays_empty: false,
        is_horizon_due: false,
    };
    assert_eq!(plan, expected);
    assert!(!rules(&map).plan(&data_header(5), false).drops_records);
}

#[test]
fn a_discardable_marker_gets_a_horizon_and_goes_when_it_has_passed() {
    let map = map();
    let plan = |horizon_ms, is_discardable| {
        let plan = rules(&map).plan(&marker_header(5, horizon_ms), is_discardable);
        (plan.drops_records, plan.is_horizon_due)
    };
    assert_eq!(plan(None, true), (false, true));
    assert_eq!(plan(Some(NOW_MS + 1), true), (false, true));
    assert_eq!(plan(Some(NOW_MS), true), (true, true));
    assert_eq!(plan(Some(NOW_MS), false), (false, false));
}

#[test]
fn the_last_batch_before_the_end_stays_although_empty() {
    let map = map();
    assert!(rules(&map).plan(&data_header(199), true).stays_empty);
    assert!(!rules(&map).plan(&data_header(198), true).stays_empty);
}

#[test]
fn the_batch_with_a_producers_last_sequence_stays_although_empty() {
    let map = map();
    let mut rules = rules(&map);
    let last = LastBatch {
        data_offset: Some(5),
        epoch: 3,
    };
    rules.producers.insert(7, last);
    assert!(rules.plan(&data_header(5), true).stays_empty);
    assert!(!rules.plan(&data_header(4), true).stays_empty);
    assert!(!rules.plan(&marker_header(6, None), true).stays_empty);
    rules.producers = HashMap::from([(8, last)]);
    assert!(!rules.plan(&data_header(5), true).stays_empty, "forgotten");
    let mut nobody = data_header(5);
    nobody.producer_id = -1;
    rules.producers = HashMap::from([(-1, last)]);
    assert!(!rules.plan(&nobody, true).stays_empty);
}

#[test]
fn a_marker_stays_although_empty_while_it_alone_knows_the_epoch() {
    let map = map();
    let mut rules = rules(&map);
    let only_marker = |epoch| LastBatch {
        data_offset: None,
        epoch,
    };
    rules.producers.insert(7, only_marker(3));
    assert!(rules.plan(&marker_header(5, None), true).stays_empty);
    assert!(!rules.plan(&data_header(5), true).stays_empty);
    rules.producers.insert(7, only_marker(4));
    assert!(!rules.plan(&marker_header(5, None), true).stays_empty);
}
