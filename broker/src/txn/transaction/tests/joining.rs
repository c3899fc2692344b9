//! AddPartitionsToTxn and the verification of partitions.

use super::support::*;
use crate::txn::error::TxnError;
use crate::txn::producer::ProducerIdAndEpoch;
use crate::txn::state::TransactionState::{self, *};
use crate::txn::transaction::Outcome;

fn refused(error: TxnError) -> Outcome {
    Outcome::Reply(Err(error))
}

#[test]
fn partitions_begin_a_transaction_or_join_it() {
    for state in [Empty, CompleteCommit, CompleteAbort] {
        let mut transaction = in_state(state);
        let outcome = transaction.add_partitions(producer(EPOCH), &[partition("c")], 2, NOW_MS);
        assert_eq!(outcome, Outcome::Append(Ok(producer(EPOCH))), "{state}");
        let target = transaction.appending().unwrap();
        assert_eq!((target.state, target.start_ms), (Ongoing, NOW_MS));
        assert_eq!((target.client_version, target.last_update_ms), (2, NOW_MS));
        let expected: Vec<_> = target.partitions.iter().cloned().collect();
        assert_eq!(expected, [partition("c")]);
    }
    let mut transaction = in_state(Ongoing);
    let outcome = transaction.add_partitions(producer(EPOCH), &[partition("c")], 0, NOW_MS);
    assert_eq!(outcome, Outcome::Append(Ok(producer(EPOCH))));
    let target = transaction.appending().unwrap();
    assert_eq!(target.start_ms, START_MS, "it began earlier");
    assert_eq!(target.partitions.len(), 3);
}

#[test]
fn known_partitions_join_without_a_record() {
    let mut transaction = in_state(Ongoing);
    let before = transaction.clone();
    for known in [
        vec![partition("a")],
        vec![partition("b"), partition("a")],
        vec![],
    ] {
        let outcome = transaction.add_partitions(producer(EPOCH), &known, 0, NOW_MS);
        assert_eq!(outcome, Outcome::Reply(Ok(producer(EPOCH))));
    }
    assert_eq!(transaction, before);
}

#[test]
fn whom_partitions_are_refused() {
    let added = [partition("c")];
    for state in STORED {
        let mut transaction = in_state(state);
        let before = transaction.clone();
        let other = ProducerIdAndEpoch::new(PRODUCER_ID + 1, EPOCH);
        let outcome = transaction.add_partitions(other, &added, 0, NOW_MS);
        assert_eq!(outcome, refused(TxnError::InvalidProducerIdMapping));
        for epoch in [EPOCH - 1, EPOCH + 1, -1, i16::MAX] {
            let outcome = transaction.add_partitions(producer(epoch), &added, 0, NOW_MS);
            assert_eq!(
                outcome,
                refused(TxnError::ProducerFenced),
                "{state} {epoch}"
            );
        }
        if state.is_prepared() {
            let outcome = transaction.add_partitions(producer(EPOCH), &added, 0, NOW_MS);
            assert_eq!(outcome, refused(TxnError::ConcurrentTransactions));
        }
        assert_eq!(transaction, before);
    }
}

/// Before the producer is looked at: it may be the next one already.
#[test]
fn while_a_step_is_under_way_everybody_is_told_to_try_again() {
    let other = ProducerIdAndEpoch::new(FRESH_ID, 0);
    for mut transaction in busy() {
        for who in [producer(EPOCH), producer(0), other] {
            let outcome = transaction.add_partitions(who, &[partition("a")], 2, NOW_MS);
            assert_eq!(outcome, refused(TxnError::ConcurrentTransactions));
        }
    }
}

#[test]
fn verification_knows_the_partitions_of_the_open_transaction() {
    let asked = [partition("a"), partition("c"), partition("b")];
    let missing = Err(TxnError::TransactionAbortable);
    let verified = in_state(Ongoing).verify_partitions(producer(EPOCH), &asked);
    assert_eq!(verified, Ok(vec![Ok(()), missing, Ok(())]));
    for state in [Empty, CompleteCommit, CompleteAbort] {
        let verified = in_state(state).verify_partitions(producer(EPOCH), &asked);
        assert_eq!(verified, Ok(vec![missing; 3]), "{state}");
    }
    for state in [PrepareCommit, PrepareAbort] {
        let verified = in_state(state).verify_partitions(producer(EPOCH), &asked);
        assert_eq!(verified, Err(TxnError::ConcurrentTransactions), "{state}");
    }
    for state in STORED {
        check_refusals(state);
    }
}

fn check_refusals(state: TransactionState) {
    let transaction = in_state(state);
    let other = ProducerIdAndEpoch::new(PRODUCER_ID + 1, EPOCH);
    let verified = transaction.verify_partitions(other, &[]);
    assert_eq!(verified, Err(TxnError::InvalidProducerIdMapping));
    let verified = transaction.verify_partitions(producer(EPOCH - 1), &[]);
    assert_eq!(verified, Err(TxnError::ProducerFenced));
}

/// The record may fail, and then the partition is not part of the transaction.
#[test]
fn a_partition_that_is_being_added_is_not_verified() {
    let mut transaction = in_state(Ongoing);
    transaction.add_partitions(producer(EPOCH), &[partition("c")], 0, NOW_MS);
    let asked = [partition("a"), partition("c")];
    let verified = transaction.verify_partitions(producer(EPOCH), &asked);
    assert_eq!(
        verified,
        Ok(vec![Ok(()), Err(TxnError::TransactionAbortable)])
    );
    transaction.appended(NOW_MS);
    let verified = transaction.verify_partitions(producer(EPOCH), &asked);
    assert_eq!(verified, Ok(vec![Ok(()), Ok(())]));
}
