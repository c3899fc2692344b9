//! Partitions that belong to the transaction by themselves, and an epoch for each transaction.

use super::*;

#[test]
fn nothing_is_announced_and_every_end_brings_an_epoch() {
    let mut bench = Bench::begun(2).with_partition();
    let sent = bench.0.send_offsets(offsets(1), group()).unwrap();
    let request = bench.next();
    assert_eq!(name(&request), "TxnOffsetCommit");
    bench
        .0
        .handle(request, Ok(Answer::CommitOffsets(codes(&[(0, 0)]))));
    bench.ok(&sent);
    let outcome = bench.0.commit_transaction().unwrap();
    let request = bench.next();
    assert!(matches!(
        request.kind,
        RequestKind::EndTxn {
            is_commit: true,
            is_v2: true
        }
    ));
    let bumped = ProducerId { epoch: 1, ..FIRST };
    bench.0.handle(request, Ok(Answer::EndTxn(Some(bumped))));
    bench.ok(&outcome);
    assert_eq!(
        (bench.0.state(), bench.0.producer()),
        (State::Ready, Some(bumped))
    );
    assert!(bench.0.next_request(false).is_none());
}

#[test]
fn an_empty_transaction_ends_without_a_request() {
    let mut bench = Bench::begun(2);
    let outcome = bench.0.abort_transaction().unwrap();
    assert!(bench.0.next_request(false).is_none());
    bench.ok(&outcome);
    assert_eq!(bench.0.producer(), Some(FIRST));
}

#[test]
fn a_failed_batch_needs_no_other_epoch_than_that_of_the_abort() {
    let mut bench = Bench::begun(2).with_partition();
    bench
        .0
        .fail_batch(&broker_error(ResponseError::OutOfOrderSequenceNumber));
    assert_eq!(bench.0.state(), State::AbortableError);
    let outcome = bench.0.abort_transaction().unwrap();
    let bumped = ProducerId { epoch: 1, ..FIRST };
    bench.answer(Ok(Answer::EndTxn(Some(bumped))));
    bench.ok(&outcome);
    assert_eq!(
        (bench.0.state(), bench.0.producer()),
        (State::Ready, Some(bumped))
    );
}

#[test]
fn an_exhausted_epoch_brings_another_producer_id() {
    let mut bench = Bench::begun(2).with_partition();
    let outcome = bench.0.commit_transaction().unwrap();
    let other = ProducerId { id: 8, epoch: 0 };
    bench.answer(Ok(Answer::EndTxn(Some(other))));
    bench.ok(&outcome);
    assert_eq!(bench.0.producer(), Some(other));
}

#[test]
fn a_downgrade_takes_effect_with_the_next_transaction() {
    let mut bench = Bench::begun(2).with_partition();
    bench.0.note_features(2, 1);
    let outcome = bench.0.commit_transaction().unwrap();
    let request = bench.next();
    assert!(matches!(
        request.kind,
        RequestKind::EndTxn { is_v2: true, .. }
    ));
    bench.0.handle(request, Ok(Answer::EndTxn(Some(FIRST))));
    bench.ok(&outcome);
    bench.0.begin_transaction().unwrap();
    bench.0.add_partition(&partition(0)).unwrap();
}

#[test]
fn lost_sequences_can_be_aborted() {
    let mut bench = Bench::begun(2).with_partition();
    bench.0.note_bump_support(false);
    bench.0.lose_sequences();
    assert_eq!(bench.0.state(), State::AbortableError);
}
