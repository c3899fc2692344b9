//! Tests of the transactions of a pass.

use bytes::BytesMut;
use ringbrook_record::{BatchBuilder, Codec, EndTransactionMarker};

use super::*;

fn data(producer_id: i64, offset: i64) -> BatchHeader {
    let mut builder = BatchBuilder::new()
        .base_offset(offset)
        .producer(producer_id, 0, 0)
        .transactional();
    builder.append(1, Some(b"k"), Some(b"v"), []).unwrap();
    header_of(&builder.finish(Codec::None, None).unwrap())
}

fn marker_batch(producer_id: i64, is_commit: bool) -> BytesMut {
    let marker = EndTransactionMarker {
        is_commit,
        coordinator_epoch: 0,
    };
    marker.build_batch(producer_id, 0, 1).unwrap()
}

fn marker(producer_id: i64, offset: i64) -> BatchHeader {
    BatchHeader {
        base_offset: offset,
        ..header_of(&marker_batch(producer_id, true))
    }
}

fn header_of(bytes: &[u8]) -> BatchHeader {
    BatchHeader::parse(bytes).unwrap()
}

fn aborted(producer_id: i64, first_offset: i64, last_offset: i64) -> AbortedTransaction {
    AbortedTransaction {
        producer_id,
        first_offset,
        last_offset,
        last_stable_offset: last_offset + 1,
    }
}

#[test]
fn data_of_an_aborted_transaction_is_told_from_the_rest() {
    let mut pass = CleanedTransactions::default();
    pass.add_aborted(vec![aborted(1, 10, 12)]);
    assert!(!pass.on_data(&data(1, 5)), "before it began");
    assert!(
        !pass
            .on_control(&marker(1, 6), ControlKind::Commit)
            .is_discardable
    );
    assert!(pass.on_data(&data(1, 10)));
    assert!(!pass.on_data(&data(2, 11)), "another producer");
    let verdict = pass.on_control(&marker(1, 12), ControlKind::Abort);
    assert_eq!(
        verdict,
        MarkerVerdict {
            is_discardable: false,
            aborted: Some(aborted(1, 10, 12)),
        }
    );
    assert!(!pass.on_data(&data(1, 13)), "after its marker");
}

#[test]
fn a_marker_without_data_before_it_is_discardable() {
    let mut pass = CleanedTransactions::default();
    pass.add_aborted(vec![aborted(1, 10, 12)]);
    for (offset, kind) in [(11, ControlKind::Commit), (12, ControlKind::Abort)] {
        let verdict = pass.on_control(&marker(1, offset), kind);
        assert!(
            verdict.is_discardable && verdict.aborted.is_none(),
            "{kind:?}"
        );
    }
}

#[test]
fn a_commit_marker_stays_while_data_of_its_producer_was_seen() {
    let mut pass = CleanedTransactions::default();
    pass.on_data(&data(1, 3));
    assert!(
        !pass
            .on_control(&marker(1, 4), ControlKind::Commit)
            .is_discardable
    );
    assert!(
        pass.on_control(&marker(1, 5), ControlKind::Commit)
            .is_discardable
    );
}

#[test]
fn data_outside_of_transactions_holds_no_marker() {
    let mut pass = CleanedTransactions::default();
    let mut header = data(1, 3);
    header.attributes = header.attributes.with_transactional(false);
    assert!(!pass.on_data(&header));
    assert!(
        pass.on_control(&marker(1, 4), ControlKind::Commit)
            .is_discardable
    );
}

#[test]
fn a_transaction_that_is_added_twice_counts_once() {
    let mut pass = CleanedTransactions::default();
    pass.add_aborted(vec![aborted(1, 10, 20)]);
    assert!(pass.on_data(&data(1, 10)));
    // The next segment's index names it again.
    pass.add_aborted(vec![aborted(1, 10, 20)]);
    assert!(pass.on_data(&data(1, 15)));
    assert!(
        pass.on_control(&marker(1, 20), ControlKind::Abort)
            .aborted
            .is_some()
    );
    assert!(!pass.on_data(&data(1, 21)));
}

#[test]
fn a_lost_marker_does_not_hide_the_next_transaction() {
    let mut pass = CleanedTransactions::default();
    pass.add_aborted(vec![aborted(1, 10, 12), aborted(1, 20, 22)]);
    assert!(pass.on_data(&data(1, 10)));
    assert!(pass.on_data(&data(1, 20)));
    let verdict = pass.on_control(&marker(1, 22), ControlKind::Abort);
    assert_eq!(verdict.aborted, Some(aborted(1, 20, 22)));
}

#[test]
fn an_index_that_does_not_fit_the_log_is_not_copied() {
    let mut pass = CleanedTransactions::default();
    pass.add_aborted(vec![aborted(1, 10, 30)]);
    pass.on_data(&data(1, 10));
    let verdict = pass.on_control(&marker(1, 12), ControlKind::Abort);
    assert!(!verdict.is_discardable && verdict.aborted.is_none());
}

#[test]
fn the_kind_of_a_control_batch_is_read_from_its_key() {
    let mut buffer = RecordBuffer::new();
    for (is_commit, kind) in [(true, ControlKind::Commit), (false, ControlKind::Abort)] {
        let bytes = marker_batch(1, is_commit);
        let batch = Batch::parse(&bytes).unwrap();
        assert_eq!(ControlKind::of(&batch, &mut buffer).unwrap(), kind);
    }
    let bytes = marker_batch(1, true);
    let (_, empty) = ringbrook_record::empty_batch(&header_of(&bytes));
    let batch = Batch::parse(&empty).unwrap();
    assert_eq!(
        ControlKind::of(&batch, &mut buffer).unwrap(),
        ControlKind::Empty
    );
    let mut builder = BatchBuilder::new().control();
    builder.append(1, Some(&[0, 0, 0, 2]), None, []).unwrap();
    let bytes = builder.finish(Codec::None, None).unwrap();
    let batch = Batch::parse(&bytes).unwrap();
    let kind = ControlKind::of(&batch, &mut buffer).unwrap();
    assert_eq!(kind, ControlKind::Other);
    let mut pass = CleanedTransactions::default();
    assert!(!pass.on_control(&batch.header, kind).is_discardable);
}
