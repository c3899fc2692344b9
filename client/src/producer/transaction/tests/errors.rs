//! What errors come to, and calls at moments when they are not allowed.

use super::*;
use Fate as F;
use ResponseError as E;

fn kinds() -> [RequestKind; 6] {
    let offsets = || GroupOffsets {
        group: group(),
        offsets: offsets(1),
    };
    [
        RequestKind::InitProducerId,
        RequestKind::AddPartitions(vec![partition(0)]),
        RequestKind::AddOffsets(offsets()),
        RequestKind::CommitOffsets(offsets()),
        RequestKind::EndTxn {
            is_commit: true,
            is_v2: true,
        },
        RequestKind::EndTxn {
            is_commit: false,
            is_v2: true,
        },
    ]
}

/// The handlers of Kafka 4.3.1's TransactionManager: InitProducerId, AddPartitionsToTxn,
/// AddOffsetsToTxn, TxnOffsetCommit, commit, abort.
#[test]
fn errors_come_to_what_they_come_to_in_kafka() {
    let all = |fate| [fate; 6];
    let table = [
        (E::CoordinatorNotAvailable, all(F::Retry)),
        (E::NotCoordinator, all(F::Retry)),
        (E::CoordinatorLoadInProgress, all(F::Retry)),
        (E::RequestTimedOut, all(F::Retry)),
        (E::ConcurrentTransactions, all(F::Retry)),
        (E::InvalidProducerEpoch, all(F::Fenced)),
        (E::ProducerFenced, all(F::Fenced)),
        (
            E::TransactionalIdAuthorizationFailed,
            [
                F::StartAnew,
                F::Fatal,
                F::Fatal,
                F::Fatal,
                F::Fatal,
                F::Fatal,
            ],
        ),
        (
            E::TransactionAbortable,
            [F::Abort, F::Abort, F::Abort, F::Abort, F::Abort, F::Fatal],
        ),
        (E::InvalidTxnState, all(F::Fatal)),
        (E::InvalidProducerIdMapping, all(F::Fatal)),
        (
            E::UnknownProducerId,
            [
                F::Fatal,
                F::AbortAndBump,
                F::AbortAndBump,
                F::Fatal,
                F::AbortAndBump,
                F::Fatal,
            ],
        ),
        (
            E::GroupAuthorizationFailed,
            [F::Fatal, F::Abort, F::Abort, F::Abort, F::Fatal, F::Fatal],
        ),
        (
            E::FencedInstanceId,
            [F::Fatal, F::Abort, F::Fatal, F::Abort, F::Fatal, F::Fatal],
        ),
        (
            E::IllegalGeneration,
            [F::Fatal, F::Abort, F::Fatal, F::Abort, F::Fatal, F::Fatal],
        ),
        (
            E::UnknownServerError,
            [F::Fatal, F::Abort, F::Fatal, F::Fatal, F::Fatal, F::Fatal],
        ),
    ];
    for (error, expected) in table {
        let failure = Failure::Answer(broker_error(error));
        let fates = kinds().map(|kind| super::super::fate::fate(&kind, &failure, false));
        assert_eq!(fates, expected, "{error:?}");
    }
}

#[test]
fn a_coordinator_that_is_not_found_is_looked_for_again() {
    let fate = |failure: &Failure| super::super::fate::fate(&kinds()[4], failure, false);
    let away = ClientError::Disconnected {
        address: "a:1".to_owned(),
        reason: "test".to_owned(),
    };
    assert_eq!(fate(&Failure::Lookup(away.clone())), F::Retry);
    assert_eq!(fate(&Failure::Answer(away)), F::Retry);
    let lookup = |error| fate(&Failure::Lookup(broker_error(error)));
    assert_eq!(lookup(E::CoordinatorNotAvailable), F::Retry);
    assert_eq!(lookup(E::GroupAuthorizationFailed), F::Abort);
    assert_eq!(lookup(E::TransactionalIdAuthorizationFailed), F::Fatal);
}

#[test]
fn whoever_is_fenced_hears_it_from_every_call() {
    let mut bench = Bench::begun(2).with_partition();
    let outcome = bench.0.commit_transaction().unwrap();
    bench.answer(refusal(E::InvalidProducerEpoch));
    let error = bench.failed(&outcome);
    assert!(error.is_fatal());
    assert_eq!(error.response_error(), Some(E::ProducerFenced));
    for error in [
        bench.0.begin_transaction().unwrap_err(),
        bench.0.add_partition(&partition(0)).unwrap_err(),
        bench.0.commit_transaction().unwrap_err(),
        bench.0.abort_transaction().unwrap_err(),
        bench.0.send_offsets(offsets(1), group()).unwrap_err(),
        bench.0.init_transactions().unwrap_err(),
    ] {
        assert_eq!(error.response_error(), Some(E::ProducerFenced));
    }
    assert!(!bench.0.is_send_allowed(&partition(0)));
    assert!(bench.0.abort_reason().is_some());
}

#[test]
fn without_rights_init_transactions_may_be_called_again() {
    let mut bench = Bench::new(2);
    let outcome = bench.0.init_transactions().unwrap();
    bench.answer(refusal(E::TransactionalIdAuthorizationFailed));
    assert_eq!(
        bench.failed(&outcome).response_error(),
        Some(E::TransactionalIdAuthorizationFailed)
    );
    let outcome = bench.0.init_transactions().unwrap();
    bench.answer(Ok(Answer::InitProducerId(FIRST)));
    bench.ok(&outcome);
}

#[test]
fn calls_out_of_turn_are_refused_and_change_nothing() {
    let mut bench = Bench::new(2);
    let text = |error: ClientError| error.to_string();
    assert_eq!(
        text(bench.0.begin_transaction().unwrap_err()),
        "begin_transaction cannot be called while transactions are not initialized \
         (transactional.id id)"
    );
    assert!(bench.0.add_partition(&partition(0)).is_err());
    let mut bench = Bench::ready(2);
    assert!(bench.0.init_transactions().is_err());
    assert!(bench.0.commit_transaction().is_err());
    assert!(bench.0.abort_transaction().is_err());
    assert!(bench.0.send_offsets(offsets(1), group()).is_err());
    assert!(bench.0.add_partition(&partition(0)).is_err());
    assert_eq!(bench.0.state(), State::Ready);
    bench.0.begin_transaction().unwrap();
    assert!(bench.0.begin_transaction().is_err());
    assert_eq!(bench.0.state(), State::InTransaction);
}

/// The future of a commit may be dropped; what became of it is then learnt by calling it again.
#[test]
fn an_operation_that_nobody_waited_for_is_waited_for_again() {
    let mut bench = Bench::begun(2).with_partition();
    bench.0.commit_transaction().unwrap();
    let error = bench.0.abort_transaction().unwrap_err();
    assert_eq!(
        error.to_string(),
        "abort_transaction cannot be called: commit_transaction was not waited for to its end; \
         call it again"
    );
    bench.answer(Ok(Answer::EndTxn(Some(FIRST))));
    assert!(bench.0.begin_transaction().is_err());
    let outcome = bench.0.commit_transaction().unwrap();
    bench.ok(&outcome);
    bench.0.begin_transaction().unwrap();
}

#[test]
fn a_commit_that_failed_unheard_can_be_aborted() {
    let mut bench = Bench::begun(2).with_partition();
    bench.0.commit_transaction().unwrap();
    bench.answer(refusal(E::TransactionAbortable));
    let outcome = bench.0.abort_transaction().unwrap();
    bench.answer(Ok(Answer::EndTxn(Some(FIRST))));
    bench.ok(&outcome);
}

#[test]
fn a_batch_that_fails_while_committing_fails_the_commit() {
    let mut bench = Bench::begun(2).with_partition();
    let outcome = bench.0.commit_transaction().unwrap();
    assert!(bench.0.next_request(true).is_none());
    bench.0.fail_batch(&broker_error(E::RequestTimedOut));
    assert!(bench.0.next_request(false).is_none());
    assert!(bench.failed(&outcome).is_abortable());
    let outcome = bench.0.abort_transaction().unwrap();
    bench.0.fail_batch(&ClientError::TransactionAborted);
    bench.answer(Ok(Answer::EndTxn(Some(FIRST))));
    bench.ok(&outcome);
}

#[test]
fn a_fenced_batch_is_fatal_and_one_of_an_old_epoch_is_not() {
    let mut bench = Bench::begun(2).with_partition();
    bench.0.fail_batch(&broker_error(E::InvalidProducerEpoch));
    assert_eq!(bench.0.state(), State::AbortableError);
    bench.0.fail_batch(&broker_error(E::ProducerFenced));
    assert_eq!(bench.0.state(), State::FatalError);
}

#[test]
fn a_record_that_is_refused_spoils_the_transaction_it_was_for() {
    let too_large = broker_error(E::MessageTooLarge);
    let mut bench = Bench::ready(2);
    bench.0.refuse_record(&too_large);
    assert_eq!(bench.0.state(), State::Ready);
    bench.0.begin_transaction().unwrap();
    bench.0.refuse_record(&too_large);
    assert_eq!(bench.0.state(), State::AbortableError);
}

#[test]
fn an_answer_to_another_question_is_fatal() {
    let mut bench = Bench::begun(2).with_partition();
    let outcome = bench.0.commit_transaction().unwrap();
    bench.answer(Ok(Answer::AddOffsets));
    assert!(bench.failed(&outcome).is_fatal());
}

#[test]
fn offsets_that_the_answer_leaves_out_are_fatal() {
    let mut bench = Bench::begun(2);
    let outcome = bench.0.send_offsets(offsets(2), group()).unwrap();
    bench.answer(Ok(Answer::CommitOffsets(codes(&[(0, 0)]))));
    assert!(bench.failed(&outcome).is_fatal());
}

#[test]
fn a_member_that_was_replaced_aborts() {
    let mut bench = Bench::begun(2);
    let outcome = bench.0.send_offsets(offsets(2), group()).unwrap();
    let stale = E::IllegalGeneration.code();
    bench.answer(Ok(Answer::CommitOffsets(codes(&[(0, stale), (1, stale)]))));
    assert!(bench.failed(&outcome).is_abortable());
    let outcome = bench.0.abort_transaction().unwrap();
    bench.answer(Ok(Answer::EndTxn(Some(FIRST))));
    bench.ok(&outcome);
}

#[test]
fn a_close_by_force_ends_what_is_waited_for() {
    let mut bench = Bench::begun(2).with_partition();
    let sent = bench.0.send_offsets(offsets(1), group()).unwrap();
    let outcome = bench.0.commit_transaction().unwrap();
    bench.0.close();
    assert!(matches!(bench.failed(&sent), ClientError::Closed(_)));
    assert!(outcome.result().unwrap().is_err());
    assert!(bench.0.next_request(false).is_none());
}

#[tokio::test]
async fn whoever_waits_is_woken_by_the_end() {
    let outcome = Outcome::new();
    let waiting = outcome.clone();
    let waiter = tokio::spawn(async move { waiting.wait().await });
    tokio::task::yield_now().await;
    outcome.done();
    outcome.fail(ClientError::Closed("producer"));
    waiter.await.unwrap().unwrap();
    outcome.wait().await.unwrap();
}
