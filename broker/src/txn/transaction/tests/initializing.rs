//! InitProducerId of a transactional id.

use super::support::*;
use crate::txn::error::TxnError;
use crate::txn::metadata::TransactionMetadata;
use crate::txn::producer::ProducerIdAndEpoch;
use crate::txn::state::TransactionState::{self, *};
use crate::txn::transaction::{InitRequest, Next, Outcome, Transaction};

/// The last epoch a producer is given.
const LAST: i16 = 32_766;
const SETTLED: [TransactionState; 3] = [Empty, CompleteCommit, CompleteAbort];

fn refused(error: TxnError) -> Outcome {
    Outcome::Reply(Err(error))
}

fn granted(producer: ProducerIdAndEpoch) -> Outcome {
    Outcome::Append(Ok(producer))
}

fn with_last(state: TransactionState, epoch: i16, last_producer_epoch: i16) -> Transaction {
    idle(TransactionMetadata {
        last_producer_epoch,
        ..metadata(state, epoch)
    })
}

#[test]
fn the_first_producer_gets_epoch_0() {
    for expected in [None, Some(ProducerIdAndEpoch::new(7, 7))] {
        let mut transaction = Transaction::unwritten(PRODUCER_ID, 1, START_MS);
        assert!(transaction.is_unwritten());
        let outcome = transaction.init(init(expected), None, 2, NOW_MS);
        assert_eq!(outcome, granted(producer(0)));
        let target = transaction.appending().unwrap();
        assert_eq!((target.state, target.timeout_ms), (Empty, TIMEOUT_MS));
        assert_eq!((target.start_ms, target.last_producer_epoch), (-1, -1));
        assert_eq!(transaction.appended(NOW_MS), Next::Nothing);
        assert_eq!(transaction.metadata().producer(), producer(0));
    }
    let mut failed = Transaction::unwritten(PRODUCER_ID, 1, START_MS);
    failed.init(init(None), None, 2, NOW_MS);
    assert_eq!(failed.append_failed(), Next::Forget);
}

#[test]
fn a_new_producer_gets_the_next_epoch_and_fences_the_one_before() {
    for state in SETTLED {
        let mut transaction = with_last(state, EPOCH, EPOCH - 1);
        let request = InitRequest {
            timeout_ms: 5,
            expected: None,
        };
        let outcome = transaction.init(request, None, 2, NOW_MS);
        assert_eq!(outcome, granted(producer(EPOCH + 1)));
        transaction.appended(NOW_MS);
        let now = transaction.metadata();
        assert_eq!((now.state, now.timeout_ms, now.start_ms), (Empty, 5, -1));
        assert_eq!(now.last_producer_epoch, -1, "no retry of the one before");
        let before = transaction.init(init(Some(producer(EPOCH))), None, 2, NOW_MS);
        assert_eq!(before, refused(TxnError::ProducerFenced));
    }
}

#[test]
fn a_producer_goes_on_and_may_ask_twice() {
    for state in SETTLED {
        let mut transaction = in_state(state);
        let outcome = transaction.init(init(Some(producer(EPOCH))), None, 2, NOW_MS);
        assert_eq!(outcome, granted(producer(EPOCH + 1)));
        transaction.appended(NOW_MS);
        assert_eq!(transaction.metadata().last_producer_epoch, EPOCH);
        // The answer was lost: the same request is answered the same, again and again.
        for _ in 0..2 {
            let outcome = transaction.init(init(Some(producer(EPOCH))), None, 2, NOW_MS);
            assert_eq!(outcome, granted(producer(EPOCH + 1)));
            transaction.appended(NOW_MS);
        }
        for epoch in [EPOCH - 1, EPOCH + 2, LAST] {
            let outcome = transaction.init(init(Some(producer(epoch))), None, 2, NOW_MS);
            assert_eq!(outcome, refused(TxnError::ProducerFenced));
        }
        let other = ProducerIdAndEpoch::new(PRODUCER_ID - 1, EPOCH + 1);
        let outcome = transaction.init(init(Some(other)), None, 2, NOW_MS);
        assert_eq!(outcome, refused(TxnError::ProducerFenced));
    }
}

#[test]
fn an_open_transaction_is_aborted_first() {
    for version in [0, 1, 2] {
        for expected in [None, Some(producer(EPOCH)), Some(producer(EPOCH - 3))] {
            let mut transaction = in_state(Ongoing);
            let outcome = transaction.init(init(expected), None, version, NOW_MS);
            let try_again = Err(TxnError::ConcurrentTransactions);
            assert_eq!(outcome, Outcome::Append(try_again));
            let target = transaction.appending().unwrap();
            assert_eq!(target.state, PrepareAbort);
            assert_eq!(target.producer(), producer(EPOCH + 1));
            let meanwhile = transaction.init(init(None), None, version, NOW_MS);
            assert_eq!(meanwhile, Outcome::Reply(try_again));
            settle(&mut transaction);
            let outcome = transaction.init(init(None), None, version, NOW_MS);
            assert_eq!(outcome, granted(producer(EPOCH + 2)));
        }
    }
    let mut transaction = in_state(Ongoing);
    let other = ProducerIdAndEpoch::new(PRODUCER_ID + 1, EPOCH);
    let outcome = transaction.init(init(Some(other)), None, 2, NOW_MS);
    assert_eq!(outcome, refused(TxnError::ProducerFenced));
    assert!(!transaction.is_busy(), "nothing is aborted for a stranger");
}

/// With v2 the producer that was fenced by its own timeout goes on under the epoch of the abort.
#[test]
fn after_a_timeout_a_v2_producer_goes_on() {
    let mut transaction = in_state(Ongoing);
    transaction.fence(None, 2, NOW_MS);
    settle(&mut transaction);
    let outcome = transaction.init(init(Some(producer(EPOCH))), None, 2, NOW_MS);
    assert_eq!(outcome, granted(producer(EPOCH + 1)));
    let mut transaction = in_state(Ongoing);
    transaction.fence(None, 1, NOW_MS);
    settle(&mut transaction);
    let outcome = transaction.init(init(Some(producer(EPOCH))), None, 1, NOW_MS);
    assert_eq!(outcome, refused(TxnError::ProducerFenced));
}

#[test]
fn while_a_step_is_under_way_or_decided_the_client_tries_again() {
    let try_again = refused(TxnError::ConcurrentTransactions);
    for mut transaction in busy() {
        assert_eq!(transaction.init(init(None), None, 2, NOW_MS), try_again);
    }
    for state in [PrepareCommit, PrepareAbort] {
        let mut transaction = in_state(state);
        assert_eq!(transaction.init(init(None), None, 2, NOW_MS), try_again);
        let other = ProducerIdAndEpoch::new(PRODUCER_ID + 1, EPOCH);
        let outcome = transaction.init(init(Some(other)), None, 2, NOW_MS);
        assert_eq!(outcome, refused(TxnError::ProducerFenced));
    }
}

#[test]
fn used_up_epochs_bring_a_new_producer_id() {
    for state in SETTLED {
        for (epoch, expected) in [(LAST, None), (i16::MAX, None), (LAST, Some(producer(LAST)))] {
            let mut transaction = with_last(state, epoch, LAST - 1);
            let request = init(expected);
            let outcome = transaction.init(request, None, 2, NOW_MS);
            assert_eq!(outcome, Outcome::ProducerIdNeeded);
            let successor = ProducerIdAndEpoch::new(FRESH_ID, 0);
            let outcome = transaction.init(request, Some(FRESH_ID), 2, NOW_MS);
            assert_eq!(outcome, granted(successor));
            transaction.appended(NOW_MS);
            let now = transaction.metadata();
            assert_eq!(now.previous_producer_id, PRODUCER_ID);
            let last = expected.map_or(-1, |_| LAST);
            assert_eq!(now.last_producer_epoch, last);
            // The id of before with an epoch that happens to be the current one.
            let old = transaction.init(init(Some(producer(0))), None, 2, NOW_MS);
            assert_eq!(old, refused(TxnError::ProducerFenced));
            // The answer was lost. Only who said who it was is known to be the same.
            let retry = transaction.init(init(Some(producer(LAST))), None, 2, NOW_MS);
            match expected {
                Some(_) => assert_eq!(retry, granted(successor)),
                None => assert_eq!(retry, refused(TxnError::ProducerFenced)),
            }
        }
    }
}

/// 32,767 fenced the producer of 32,766 and must not become anybody's epoch.
#[test]
fn a_retry_is_never_given_the_reserved_epoch() {
    let mut transaction = with_last(CompleteAbort, i16::MAX, LAST);
    let request = init(Some(producer(LAST)));
    let outcome = transaction.init(request, None, 1, NOW_MS);
    assert_eq!(outcome, Outcome::ProducerIdNeeded);
    let outcome = transaction.init(request, Some(FRESH_ID), 1, NOW_MS);
    assert_eq!(outcome, granted(ProducerIdAndEpoch::new(FRESH_ID, 0)));
}

/// A retry at the last epoch is answered with the last epoch, not with a new id.
#[test]
fn a_retry_at_the_last_epoch_gets_what_it_got() {
    let mut transaction = with_last(Empty, LAST, LAST - 1);
    let outcome = transaction.init(init(Some(producer(LAST - 1))), None, 2, NOW_MS);
    assert_eq!(outcome, granted(producer(LAST)));
}
