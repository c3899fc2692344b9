//! What follows from a step: markers, completion and its retries, timeouts, expiry.

use super::support::*;
use crate::txn::state::TransactionState::*;
use crate::txn::transaction::{Next, Transaction};

#[test]
fn complete_follows_the_last_marker() {
    let prepared = metadata(PrepareCommit, EPOCH);
    let (mut transaction, next) = Transaction::loaded(prepared, NOW_MS);
    assert_eq!(next, Next::WriteMarkers);
    assert_eq!(transaction.marker_written(NOW_MS), Next::Nothing);
    assert_eq!(transaction.appending(), None);
    assert_eq!(transaction.marker_written(NOW_MS), Next::Append);
    assert_eq!(transaction.appending().unwrap().state, CompleteCommit);
    assert_eq!(transaction.metadata().state, PrepareCommit);
    assert_eq!(transaction.appended(NOW_MS), Next::Nothing);
    assert_eq!(transaction.metadata().state, CompleteCommit);
    assert!(!transaction.is_busy());
}

#[test]
fn what_is_decided_is_completed_however_often_the_record_fails() {
    let (mut transaction, _) = Transaction::loaded(metadata(PrepareAbort, EPOCH), NOW_MS);
    write_all_markers(&mut transaction);
    for _ in 0..3 {
        assert_eq!(transaction.append_failed(), Next::RetryCompletion);
        assert!(transaction.is_completion_failed() && transaction.is_busy());
        transaction.retry_completion(NOW_MS);
    }
    assert_eq!(transaction.appended(NOW_MS), Next::Nothing);
    assert_eq!(transaction.metadata().state, CompleteAbort);
}

#[test]
fn given_up_markers_leave_the_transaction_decided() {
    let (mut transaction, _) = Transaction::loaded(metadata(PrepareCommit, EPOCH), NOW_MS);
    transaction.marker_written(NOW_MS);
    transaction.markers_given_up();
    assert!(!transaction.is_writing_markers() && !transaction.is_busy());
    assert_eq!(transaction.metadata().state, PrepareCommit);
    assert!(!transaction.is_timed_out(i64::MAX) && !transaction.is_expired(0, i64::MAX));
}

#[test]
fn loading_resumes_what_was_decided_only() {
    for state in STORED {
        let (transaction, next) = Transaction::loaded(metadata(state, EPOCH), NOW_MS);
        let expected = if state.is_prepared() {
            Next::WriteMarkers
        } else {
            Next::Nothing
        };
        assert_eq!(next, expected, "{state}");
        assert_eq!(transaction.is_busy(), state.is_prepared());
    }
    let mut without_partitions = metadata(PrepareAbort, EPOCH);
    without_partitions.partitions = std::sync::Arc::default();
    let (transaction, next) = Transaction::loaded(without_partitions, NOW_MS);
    assert_eq!(next, Next::Append);
    assert_eq!(transaction.appending().unwrap().state, CompleteAbort);
}

#[test]
fn only_an_open_transaction_times_out() {
    let due = START_MS + i64::from(TIMEOUT_MS);
    for state in STORED {
        let transaction = in_state(state);
        assert!(!transaction.is_timed_out(due), "{state}");
        assert_eq!(
            transaction.is_timed_out(due + 1),
            state == Ongoing,
            "{state}"
        );
    }
    for transaction in busy() {
        assert!(!transaction.is_timed_out(i64::MAX));
    }
}

#[test]
fn only_an_unused_id_expires() {
    let expiration_ms = 1000;
    let due = START_MS + expiration_ms;
    for state in STORED {
        let mut transaction = in_state(state);
        assert!(!transaction.is_expired(expiration_ms, due - 1), "{state}");
        let expires = transaction.is_expired(expiration_ms, due);
        assert_eq!(expires, state.is_settled(), "{state}");
        if expires {
            transaction.expire();
            assert_eq!(transaction.appending().unwrap().state, Dead);
            let mut failed = transaction.clone();
            assert_eq!(failed.append_failed(), Next::Nothing);
            assert_eq!(failed, in_state(state));
            assert_eq!(transaction.appended(NOW_MS), Next::Forget);
        }
    }
    for transaction in busy() {
        assert!(!transaction.is_expired(0, i64::MAX));
    }
}
