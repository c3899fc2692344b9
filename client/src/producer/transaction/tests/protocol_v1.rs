//! Partitions and offsets announced to the coordinator.

use super::*;

#[test]
fn partitions_are_added_before_batches_and_the_end_waits_for_batches() {
    let mut bench = Bench::begun(1);
    bench.0.add_partition(&partition(1)).unwrap();
    bench.0.add_partition(&partition(0)).unwrap();
    bench.0.add_partition(&partition(1)).unwrap();
    let request = bench.next();
    let RequestKind::AddPartitions(asked) = &request.kind else {
        panic!("{request:?}");
    };
    assert_eq!(*asked, [partition(0), partition(1)]);
    // While the request is under way another partition comes, and the commit.
    bench.0.add_partition(&partition(2)).unwrap();
    let outcome = bench.0.commit_transaction().unwrap();
    assert!(bench.0.is_completing());
    let answer = Answer::AddPartitions(codes(&[(0, 0), (1, 0)]));
    assert_eq!(bench.0.handle(request, Ok(answer)), Next::Now);
    assert!(bench.0.is_send_allowed(&partition(1)));
    assert!(!bench.0.is_send_allowed(&partition(2)));
    let request = bench.0.next_request(true).unwrap();
    assert_eq!(name(&request), "AddPartitionsToTxn");
    bench
        .0
        .handle(request, Ok(Answer::AddPartitions(codes(&[(2, 0)]))));
    assert!(bench.0.next_request(true).is_none());
    let request = bench.0.next_request(false).unwrap();
    let end = RequestKind::EndTxn {
        is_commit: true,
        is_v2: false,
    };
    assert_eq!(format!("{:?}", request.kind), format!("{end:?}"));
    bench.0.handle(request, Ok(Answer::EndTxn(None)));
    bench.ok(&outcome);
    assert_eq!(
        (bench.0.state(), bench.0.producer()),
        (State::Ready, Some(FIRST))
    );
    assert!(!bench.0.is_send_allowed(&partition(1)));
}

#[test]
fn an_empty_transaction_ends_without_a_request() {
    let mut bench = Bench::begun(1);
    let outcome = bench.0.commit_transaction().unwrap();
    assert!(bench.0.next_request(false).is_none());
    bench.ok(&outcome);
    bench.0.begin_transaction().unwrap();
    // A partition that was never announced need not be announced for an abort.
    bench.0.add_partition(&partition(0)).unwrap();
    let outcome = bench.0.abort_transaction().unwrap();
    assert!(bench.0.next_request(false).is_none());
    bench.ok(&outcome);
    assert_eq!(bench.0.state(), State::Ready);
}

#[test]
fn offsets_are_announced_and_then_committed_until_all_are_in() {
    let mut bench = Bench::begun(1);
    let outcome = bench.0.send_offsets(offsets(3), group()).unwrap();
    let end = bench.0.commit_transaction().unwrap();
    let request = bench.next();
    assert_eq!(name(&request), "AddOffsetsToTxn");
    bench.0.handle(request, Ok(Answer::AddOffsets));
    assert!(outcome.result().is_none());
    let loading = ResponseError::CoordinatorLoadInProgress.code();
    let answer = Answer::CommitOffsets(codes(&[(0, 0), (1, loading), (2, 0)]));
    assert_eq!(bench.answer(Ok(answer)), Next::AfterBackoff);
    let request = bench.next();
    let RequestKind::CommitOffsets(remaining) = &request.kind else {
        panic!("{request:?}");
    };
    assert_eq!(
        remaining.offsets,
        [(partition(1), OffsetAndMetadata::new(1))]
    );
    bench
        .0
        .handle(request, Ok(Answer::CommitOffsets(codes(&[(1, 0)]))));
    bench.ok(&outcome);
    bench.answer(Ok(Answer::EndTxn(None)));
    bench.ok(&end);
}

#[test]
fn the_first_partitions_are_tried_again_soon_while_the_last_transaction_ends() {
    let mut bench = Bench::begun(1);
    let concurrent = ResponseError::ConcurrentTransactions.code();
    bench.0.add_partition(&partition(0)).unwrap();
    let answer = || Ok(Answer::AddPartitions(codes(&[(0, concurrent)])));
    assert_eq!(bench.answer(answer()), Next::Soon);
    bench.answer(Ok(Answer::AddPartitions(codes(&[(0, 0)]))));
    bench.0.add_partition(&partition(1)).unwrap();
    let answer = Ok(Answer::AddPartitions(codes(&[(1, concurrent)])));
    assert_eq!(bench.answer(answer), Next::AfterBackoff);
}

#[test]
fn a_refused_partition_has_the_transaction_aborted() {
    let mut bench = Bench::begun(1).with_partition();
    bench.0.add_partition(&partition(1)).unwrap();
    bench.0.add_partition(&partition(2)).unwrap();
    let denied = ResponseError::TopicAuthorizationFailed.code();
    let untried = ResponseError::OperationNotAttempted.code();
    bench.answer(Ok(Answer::AddPartitions(codes(&[
        (1, untried),
        (2, denied),
    ]))));
    assert_eq!(bench.0.state(), State::AbortableError);
    let error = bench.0.add_partition(&partition(0)).unwrap_err();
    assert!(error.is_abortable());
    assert_eq!(
        error.response_error(),
        Some(ResponseError::TopicAuthorizationFailed)
    );
    let outcome = bench.0.abort_transaction().unwrap();
    bench.answer(Ok(Answer::EndTxn(None)));
    bench.ok(&outcome);
    assert_eq!(bench.0.state(), State::Ready);
}

/// A batch that failed leaves a gap in its partition's sequence numbers: the next transaction needs
/// an epoch of its own.
#[test]
fn after_a_failed_batch_the_abort_is_followed_by_a_new_epoch() {
    let mut bench = Bench::begun(1).with_partition();
    bench
        .0
        .fail_batch(&broker_error(ResponseError::MessageTooLarge));
    let commit = bench.0.commit_transaction().unwrap_err();
    assert_eq!(
        commit.response_error(),
        Some(ResponseError::MessageTooLarge)
    );
    assert!(bench.0.abort_reason().is_some());
    let outcome = bench.0.abort_transaction().unwrap();
    assert!(matches!(
        bench.0.abort_reason(),
        Some(ClientError::TransactionAborted)
    ));
    bench.answer(Ok(Answer::EndTxn(None)));
    assert_eq!(bench.0.state(), State::Initializing);
    assert!(outcome.result().is_none());
    let request = bench.next();
    assert!(matches!(request.kind, RequestKind::InitProducerId));
    let bumped = ProducerId { epoch: 1, ..FIRST };
    bench.0.handle(request, Ok(Answer::InitProducerId(bumped)));
    bench.ok(&outcome);
    assert_eq!(
        (bench.0.state(), bench.0.producer()),
        (State::Ready, Some(bumped))
    );
}

#[test]
fn lost_sequences_are_fatal_with_a_coordinator_that_bumps_no_epochs() {
    let mut bench = Bench::begun(1).with_partition();
    bench.0.note_bump_support(false);
    bench.0.lose_sequences();
    assert_eq!(bench.0.state(), State::FatalError);
    assert!(bench.0.abort_transaction().unwrap_err().is_fatal());
}

#[test]
fn an_upgrade_takes_effect_with_the_next_transaction_and_a_new_epoch() {
    let mut bench = Bench::begun(1).with_partition();
    bench.0.note_features(2, 2);
    assert!(!bench.0.is_v2());
    let outcome = bench.0.commit_transaction().unwrap();
    let request = bench.next();
    assert!(matches!(
        request.kind,
        RequestKind::EndTxn { is_v2: false, .. }
    ));
    assert!(!bench.0.is_v2());
    bench.0.handle(request, Ok(Answer::EndTxn(None)));
    let bumped = ProducerId { epoch: 1, ..FIRST };
    bench.answer(Ok(Answer::InitProducerId(bumped)));
    bench.ok(&outcome);
    bench.0.begin_transaction().unwrap();
    assert!(bench.0.is_v2());
    bench.0.add_partition(&partition(0)).unwrap();
}

#[test]
fn what_is_older_than_known_features_counts_for_nothing() {
    let mut bench = Bench::ready(2);
    bench.0.note_features(1, 1);
    bench.0.note_features(0, 0);
    bench.0.begin_transaction().unwrap();
    assert!(bench.0.is_v2());
}
