//! EndTxn: sections "transactions v1" and "transactions v2" cell by cell.

use super::support::*;
use crate::txn::error::TxnError;
use crate::txn::metadata::TransactionMetadata;
use crate::txn::producer::ProducerIdAndEpoch;
use crate::txn::state::TransactionState::{self, *};
use crate::txn::transaction::{Next, Outcome};

const COMMIT: bool = true;
const ABORT: bool = false;
/// The last epoch a producer is given.
const LAST: i16 = 32_766;

fn refused(error: TxnError) -> Outcome {
    Outcome::Reply(Err(error))
}

/// What a cell of the tables says.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Code(TxnError),
    /// Success without a step.
    Done,
    /// A step to this state.
    To(TransactionState),
}
use Cell::{Code, Done, To};

fn fenced() -> Cell {
    Code(TxnError::ProducerFenced)
}

fn invalid() -> Cell {
    Code(TxnError::InvalidTxnState)
}

fn concurrent() -> Cell {
    Code(TxnError::ConcurrentTransactions)
}

/// Asks an idle id in `state` at `EPOCH` to end, and holds the outcome to the cell.
fn check(state: TransactionState, request_epoch: i16, is_commit: bool, version: i16, cell: Cell) {
    let mut transaction = in_state(state);
    let before = transaction.clone();
    let who = producer(request_epoch);
    let outcome = transaction.end(who, is_commit, version, None, NOW_MS);
    let case = format!("{state}, epoch {request_epoch}, commit {is_commit}, v{version}");
    match cell {
        Code(error) => assert_eq!(outcome, refused(error), "{case}"),
        Done => assert_eq!(outcome, Outcome::Reply(Ok(producer(EPOCH))), "{case}"),
        To(state) => {
            let bump = i16::from(version == 2);
            let successor = producer(EPOCH + bump);
            assert_eq!(outcome, Outcome::Append(Ok(successor)), "{case}");
            let target = transaction.appending().unwrap();
            assert_eq!(target.state, state, "{case}");
            assert_eq!(target.producer(), successor, "{case}");
            assert_eq!(transaction.metadata(), before.metadata(), "{case}");
            return;
        }
    }
    assert_eq!(transaction, before, "{case}");
}

#[test]
fn v2_every_cell() {
    let (current, retry) = (EPOCH, EPOCH - 1);
    // State; commit current, commit retry, abort current, abort retry.
    let table = [
        (
            Ongoing,
            [To(PrepareCommit), fenced(), To(PrepareAbort), fenced()],
        ),
        (Empty, [invalid(), fenced(), To(PrepareAbort), fenced()]),
        (PrepareCommit, [fenced(), concurrent(), fenced(), invalid()]),
        (PrepareAbort, [fenced(), invalid(), fenced(), concurrent()]),
        (
            CompleteCommit,
            [invalid(), Done, To(PrepareAbort), invalid()],
        ),
        (
            CompleteAbort,
            [invalid(), invalid(), To(PrepareAbort), Done],
        ),
    ];
    assert_eq!(table.map(|(state, _)| state).len(), STORED.len());
    for (state, [commit, commit_retry, abort, abort_retry]) in table {
        check(state, current, COMMIT, 2, commit);
        check(state, retry, COMMIT, 2, commit_retry);
        check(state, current, ABORT, 2, abort);
        check(state, retry, ABORT, 2, abort_retry);
        for epoch in [EPOCH + 1, EPOCH - 2, -1, LAST, i16::MAX, i16::MIN] {
            check(state, epoch, COMMIT, 2, fenced());
            check(state, epoch, ABORT, 2, fenced());
        }
    }
}

#[test]
fn v1_every_cell() {
    // State; commit, abort.
    let table = [
        (Ongoing, [To(PrepareCommit), To(PrepareAbort)]),
        (Empty, [invalid(), invalid()]),
        (PrepareCommit, [concurrent(), invalid()]),
        (PrepareAbort, [invalid(), concurrent()]),
        (CompleteCommit, [Done, invalid()]),
        (CompleteAbort, [invalid(), Done]),
    ];
    for (state, [commit, abort]) in table {
        for version in [0, 1] {
            check(state, EPOCH, COMMIT, version, commit);
            check(state, EPOCH, ABORT, version, abort);
            for epoch in [EPOCH + 1, EPOCH - 1, -1, i16::MAX] {
                check(state, epoch, COMMIT, version, fenced());
                check(state, epoch, ABORT, version, fenced());
            }
        }
    }
}

#[test]
fn another_producer_id_is_no_mapping() {
    for state in STORED {
        for version in [0, 2] {
            for is_commit in [COMMIT, ABORT] {
                for epoch in [EPOCH, EPOCH - 1, 0, LAST] {
                    let mut transaction = in_state(state);
                    let other = ProducerIdAndEpoch::new(PRODUCER_ID + 1, epoch);
                    let outcome = transaction.end(other, is_commit, version, None, NOW_MS);
                    assert_eq!(outcome, refused(TxnError::InvalidProducerIdMapping));
                }
            }
        }
    }
}

/// With v2 the producer may be the next one, which the id does not know yet.
#[test]
fn while_a_step_is_under_way_v2_asks_before_all_else_and_v1_after_the_producer() {
    let other = ProducerIdAndEpoch::new(FRESH_ID, 0);
    for transaction in busy() {
        for is_commit in [COMMIT, ABORT] {
            let end = |who, version| {
                transaction
                    .clone()
                    .end(who, is_commit, version, None, NOW_MS)
            };
            let concurrent = refused(TxnError::ConcurrentTransactions);
            for who in [producer(EPOCH), producer(EPOCH - 1), other] {
                assert_eq!(end(who, 2), concurrent);
            }
            assert_eq!(end(producer(EPOCH), 0), concurrent);
            assert_eq!(
                end(producer(EPOCH - 1), 0),
                refused(TxnError::ProducerFenced)
            );
            assert_eq!(end(other, 0), refused(TxnError::InvalidProducerIdMapping));
        }
    }
}

#[test]
fn v2_records_what_a_retry_is_told_by() {
    let mut transaction = in_state(Ongoing);
    transaction.end(producer(EPOCH), COMMIT, 2, None, NOW_MS);
    let target = transaction.appending().unwrap();
    assert_eq!(target.last_producer_epoch, EPOCH);
    assert_eq!(target.start_ms, START_MS);
    assert_eq!(target.last_update_ms, NOW_MS);
    assert_eq!(target.client_version, 2);
    assert_eq!(target.next_producer_id, -1);
    assert_eq!(transaction.appended(NOW_MS), Next::WriteMarkers);
    let marker = transaction.marker(3);
    assert_eq!(
        (marker.producer_id, marker.producer_epoch),
        (PRODUCER_ID, EPOCH + 1)
    );
    assert_eq!(
        (marker.coordinator_epoch, marker.transaction_version),
        (3, 2)
    );
    assert!(marker.is_commit);
    settle(&mut transaction);
    let complete = transaction.metadata();
    assert_eq!(
        (complete.state, complete.producer()),
        (CompleteCommit, producer(EPOCH + 1))
    );
    assert!(complete.partitions.is_empty());
    assert_eq!(complete.start_ms, START_MS);
}

#[test]
fn v1_markers_have_the_epoch_of_the_producer() {
    let mut transaction = in_state(Ongoing);
    transaction.end(producer(EPOCH), ABORT, 0, None, NOW_MS);
    transaction.appended(NOW_MS);
    let marker = transaction.marker(0);
    assert_eq!(
        (marker.producer_epoch, marker.transaction_version),
        (EPOCH, 0)
    );
    assert!(!marker.is_commit);
    settle(&mut transaction);
    assert_eq!(transaction.metadata().producer(), producer(EPOCH));
}

/// Without partitions there is nothing to mark: the abort is complete with its next record.
#[test]
fn v2_abort_of_nothing_begins_and_ends_a_transaction() {
    for state in [Empty, CompleteCommit, CompleteAbort] {
        let mut transaction = in_state(state);
        transaction.end(producer(EPOCH), ABORT, 2, None, NOW_MS);
        assert_eq!(transaction.appending().unwrap().start_ms, NOW_MS);
        assert_eq!(transaction.appended(NOW_MS), Next::Append);
        assert_eq!(transaction.appended(NOW_MS), Next::Nothing);
        assert_eq!(transaction.metadata().state, CompleteAbort);
        assert_eq!(transaction.metadata().producer(), producer(EPOCH + 1));
    }
}

#[test]
fn at_the_last_epoch_a_new_producer_id_takes_over() {
    for (state, is_commit) in [(Ongoing, COMMIT), (Ongoing, ABORT), (CompleteAbort, ABORT)] {
        let mut transaction = idle(metadata(state, LAST));
        let untouched = transaction.clone();
        let end = transaction.end(producer(LAST), is_commit, 2, None, NOW_MS);
        assert_eq!(end, Outcome::ProducerIdNeeded);
        assert_eq!(transaction, untouched);

        let successor = ProducerIdAndEpoch::new(FRESH_ID, 0);
        let end = transaction.end(producer(LAST), is_commit, 2, Some(FRESH_ID), NOW_MS);
        assert_eq!(end, Outcome::Append(Ok(successor)));
        let target = transaction.appending().unwrap();
        assert_eq!(
            target.producer(),
            producer(i16::MAX),
            "the markers' producer"
        );
        assert_eq!(target.next_producer_id, FRESH_ID);
        settle(&mut transaction);
        let complete = transaction.metadata();
        assert_eq!(complete.producer(), successor);
        assert_eq!(complete.previous_producer_id, PRODUCER_ID);
        assert_eq!(complete.next_producer_id, -1);

        // The answer was lost: the same request again, under the id of before.
        let retry = transaction.end(producer(LAST), is_commit, 2, None, NOW_MS);
        assert_eq!(retry, Outcome::Reply(Ok(successor)));
        let other = transaction.end(producer(LAST), !is_commit, 2, None, NOW_MS);
        assert_eq!(other, refused(TxnError::InvalidTxnState));
        let early = transaction.end(producer(LAST - 1), is_commit, 2, None, NOW_MS);
        assert_eq!(early, refused(TxnError::InvalidProducerIdMapping));
        // The next transaction is the successor's.
        let next = transaction.add_partitions(successor, &[partition("a")], 2, NOW_MS);
        assert_eq!(next, Outcome::Append(Ok(successor)));
    }
}

/// The reserved epoch only ever carries markers. Who claims to have it is lying.
#[test]
fn nobody_owns_the_reserved_epoch() {
    for state in [Empty, CompleteAbort] {
        let mut transaction = idle(metadata(state, i16::MAX));
        let who = producer(i16::MAX);
        let fenced = refused(TxnError::ProducerFenced);
        assert_eq!(
            transaction.end(who, ABORT, 2, Some(FRESH_ID), NOW_MS),
            fenced
        );
        assert_eq!(
            transaction.end(who, ABORT, 0, Some(FRESH_ID), NOW_MS),
            fenced
        );
        let added = transaction.add_partitions(who, &[partition("a")], 0, NOW_MS);
        assert_eq!(added, fenced);
    }
}

#[test]
fn a_failed_append_changes_nothing() {
    for version in [0, 2] {
        let before = in_state(Ongoing);
        let mut transaction = before.clone();
        transaction.end(producer(EPOCH), COMMIT, version, None, NOW_MS);
        assert_eq!(transaction.append_failed(), Next::Nothing);
        assert_eq!(transaction, before);
        let again = transaction.end(producer(EPOCH), ABORT, version, None, NOW_MS);
        assert!(matches!(again, Outcome::Append(Ok(_))));
    }
}

#[test]
fn fencing_aborts_under_the_next_epoch() {
    // Version of the cluster; the epoch that a retry of the producer would name.
    for (version, last_epoch) in [(0, -1), (1, -1), (2, EPOCH)] {
        let mut transaction = in_state(Ongoing);
        let outcome = transaction.fence(None, version, NOW_MS);
        assert!(matches!(outcome, Outcome::Append(Ok(_))), "{outcome:?}");
        let target = transaction.appending().unwrap();
        assert_eq!(target.state, PrepareAbort);
        assert_eq!(target.producer(), producer(EPOCH + 1));
        assert_eq!(target.last_producer_epoch, last_epoch);
        assert_eq!(target.start_ms, START_MS);
        assert_eq!(target.client_version, if version == 2 { 2 } else { 0 });
        settle(&mut transaction);
        let late = transaction.add_partitions(producer(EPOCH), &[partition("a")], 0, NOW_MS);
        assert_eq!(late, refused(TxnError::ProducerFenced));
    }
}

#[test]
fn fencing_at_the_last_epoch() {
    let mut v1 = idle(metadata(Ongoing, LAST));
    assert!(matches!(v1.fence(None, 1, NOW_MS), Outcome::Append(_)));
    settle(&mut v1);
    assert_eq!(v1.metadata().producer(), producer(i16::MAX));

    let mut v2 = idle(metadata(Ongoing, LAST));
    assert_eq!(v2.fence(None, 2, NOW_MS), Outcome::ProducerIdNeeded);
    assert!(matches!(
        v2.fence(Some(FRESH_ID), 2, NOW_MS),
        Outcome::Append(_)
    ));
    settle(&mut v2);
    assert_eq!(
        v2.metadata().producer(),
        ProducerIdAndEpoch::new(FRESH_ID, 0)
    );

    // A log that claims an open transaction of the reserved epoch.
    let mut forged = idle(TransactionMetadata {
        producer_epoch: i16::MAX,
        ..metadata(Ongoing, LAST)
    });
    assert!(matches!(forged.fence(None, 0, NOW_MS), Outcome::Append(_)));
}
