//! Verification of transactions (KIP-890) and the epochs of markers: a batch is part of a
//! transaction only if the coordinator knew of it at the right time.

use std::sync::Arc;

use super::support::*;
use crate::config::LogConfig;
use crate::error::AppendError;
use crate::io::SimDisk;
use crate::log::verification::{VERIFICATIONS_MAX, Verifications};
use crate::log::{PartitionLog, TransactionStart, VerificationGuard};

type Log = Arc<PartitionLog<SimDisk>>;

fn verifying() -> LogConfig {
    LogConfig {
        transaction_verification: true,
        ..LogConfig::default()
    }
}

fn new_log() -> Log {
    create(&SimDisk::new(1), verifying())
}

fn start(producer_id: i64, producer_epoch: i16, base_sequence: i32) -> TransactionStart {
    TransactionStart {
        producer_id,
        producer_epoch,
        base_sequence,
        is_v2: false,
    }
}

fn v2(start: TransactionStart) -> TransactionStart {
    TransactionStart {
        is_v2: true,
        ..start
    }
}

fn begin(log: &Log, start: TransactionStart) -> Option<VerificationGuard> {
    log.begin_verification(&start, 1000).unwrap()
}

/// Appends a transactional batch of one record with this guard.
fn append_with(
    log: &Log,
    start: TransactionStart,
    guard: Option<VerificationGuard>,
) -> Result<i64, AppendError> {
    let batch = transactional(
        start.producer_id,
        start.producer_epoch,
        start.base_sequence,
        1,
    );
    let appended = log.append_verified(batch, client(), guard)?;
    if let Some(drain) = appended.drain {
        drain.run_blocking();
    }
    Ok(appended.base_offset)
}

fn end(log: &Log, producer_id: i64, epoch: i16, version: i16) -> Result<i64, AppendError> {
    let appended = log.append_marker(marker(producer_id, epoch, true), coordinator(), version)?;
    if let Some(drain) = appended.drain {
        drain.run_blocking();
    }
    Ok(appended.base_offset)
}

fn is_unverified<T: std::fmt::Debug>(result: &Result<T, AppendError>) -> bool {
    matches!(result, Err(AppendError::TransactionNotVerified { .. }))
}

#[test]
fn the_first_batch_needs_a_guard_and_the_following_do_not() {
    let log = new_log();
    let first = start(1, 0, 0);
    assert!(is_unverified(&append_with(&log, first, None)));
    let guard = begin(&log, first);
    assert!(guard.is_some());
    let foreign = begin(&log, start(2, 0, 0));
    assert!(
        is_unverified(&append_with(&log, first, foreign)),
        "another producer's guard"
    );
    append_with(&log, first, guard).unwrap();
    assert_eq!(begin(&log, start(1, 0, 1)), None, "the transaction is open");
    append_with(&log, start(1, 0, 1), None).unwrap();
    end(&log, 1, 0, 0).unwrap();
    assert!(is_unverified(&append_with(&log, start(1, 0, 2), None)));
    assert!(
        is_unverified(&append_with(&log, start(1, 0, 2), guard)),
        "a guard is good for one transaction"
    );
    assert!(begin(&log, start(1, 0, 2)).is_some());
    assert_eq!(log.offsets().log_end, 3);
}

#[test]
fn requests_that_wait_together_share_a_guard() {
    let log = new_log();
    let (first, second) = (begin(&log, start(1, 0, 0)), begin(&log, start(1, 0, 1)));
    assert_eq!(first, second);
    append_with(&log, start(1, 0, 0), first).unwrap();
    append_with(&log, start(1, 0, 1), second).expect("the transaction is open by now");
}

/// The answer of the coordinator is slow: meanwhile the transaction ends, and the next begins. The
/// batch of the first must not become part of the second.
#[test]
fn a_marker_takes_the_validity_of_a_guard() {
    let log = new_log();
    let late = begin(&log, start(1, 0, 0));
    end(&log, 1, 0, 0).unwrap();
    assert!(is_unverified(&append_with(&log, start(1, 0, 0), late)));
    let next = begin(&log, start(1, 0, 0));
    assert_ne!(late, next);
    assert!(is_unverified(&append_with(&log, start(1, 0, 0), late)));
    append_with(&log, start(1, 0, 0), next).unwrap();
}

/// With transactions v2 the producer goes on with the next epoch before the marker is written,
/// which has that epoch.
#[test]
fn the_marker_before_a_v2_transaction_leaves_its_guard() {
    let log = new_log();
    let first = v2(start(1, 0, 0));
    let guard = begin(&log, first);
    append_with(&log, first, guard).unwrap();
    let next = v2(start(1, 1, 0));
    let guard = begin(&log, next);
    end(&log, 1, 1, 2).unwrap();
    append_with(&log, next, guard).unwrap();
    log.advance_high_watermark(3);
    assert_eq!(log.offsets().last_stable, 2);

    let late = begin(&log, v2(start(1, 2, 0)));
    end(&log, 1, 3, 2).unwrap();
    let result = append_with(&log, v2(start(1, 2, 0)), late);
    assert!(matches!(
        result,
        Err(AppendError::InvalidProducerEpoch { .. })
    ));
}

#[test]
fn a_fenced_producer_is_refused_before_anybody_is_asked() {
    let log = new_log();
    append(&log, &produced(1, 3, 0, 1, 10), client()).unwrap();
    let error = log.begin_verification(&start(1, 2, 0), 1000).unwrap_err();
    assert!(matches!(
        error,
        AppendError::InvalidProducerEpoch {
            found: 2,
            current: 3,
            ..
        }
    ));
    // An epoch that is stale by the time of the append is no wrong state of a transaction either.
    let guard = begin(&log, start(1, 3, 1));
    append(&log, &produced(1, 4, 0, 1, 10), client()).unwrap();
    let error = append_with(&log, start(1, 3, 1), guard).unwrap_err();
    assert!(matches!(error, AppendError::InvalidProducerEpoch { .. }));
}

/// A batch whose verification failed is sent again; one behind it must not take its place, or it
/// could never be appended.
#[test]
fn no_batch_overtakes_one_that_waits_for_its_verification() {
    let log = new_log();
    let guard = begin(&log, start(1, 0, 0));
    assert_eq!(guard, begin(&log, start(1, 0, 5)));
    let error = append_with(&log, start(1, 0, 5), guard).unwrap_err();
    assert!(matches!(
        error,
        AppendError::OutOfOrderSequence {
            found: 5,
            expected: 0,
            ..
        }
    ));
    // A new epoch begins anew, also above the sequence that waited.
    let guard = begin(&log, start(1, 1, 7));
    append_with(&log, start(1, 1, 7), guard).unwrap();
}

#[test]
fn a_v2_transaction_of_an_unknown_producer_begins_at_0() {
    let log = new_log();
    let wrong = v2(start(1, 0, 3));
    let guard = begin(&log, wrong);
    let error = append_with(&log, wrong, guard).unwrap_err();
    assert!(matches!(
        error,
        AppendError::OutOfOrderSequence { expected: 0, .. }
    ));
    let old_client = start(2, 0, 3);
    let guard = begin(&log, old_client);
    append_with(&log, old_client, guard).expect("its batches before may be gone by retention");
}

#[test]
fn coordinators_need_guards_too_and_replicas_do_not() {
    let log = new_log();
    let batch = transactional(1, 0, -1, 1);
    let refused = log.append(batch.clone(), coordinator());
    assert!(is_unverified(&refused));
    let guard = begin(&log, start(1, 0, -1));
    let appended = log.append_verified(batch, coordinator(), guard).unwrap();
    appended.drain.unwrap().run_blocking();

    let disk = SimDisk::new(2);
    let unverified = create(&disk, LogConfig::default());
    append_with(&unverified, start(1, 0, 0), None).expect("verification is off");
}

#[test]
fn markers_of_v2_have_an_epoch_above_the_transactions() {
    let fenced = |result: Result<i64, AppendError>| {
        matches!(result, Err(AppendError::InvalidProducerEpoch { .. }))
    };
    let open = |epoch: i16| {
        let log = new_log();
        let guard = begin(&log, start(1, epoch, 0));
        append_with(&log, start(1, epoch, 0), guard).unwrap();
        log
    };
    for version in [-1, 0, 1] {
        assert!(fenced(end(&open(3), 1, 2, version)), "version {version}");
        assert!(end(&open(3), 1, 3, version).is_ok(), "version {version}");
        assert!(end(&open(3), 1, 4, version).is_ok(), "version {version}");
    }
    assert!(fenced(end(&open(3), 1, 2, 2)));
    assert!(
        fenced(end(&open(3), 1, 3, 2)),
        "not above the transaction's"
    );
    let log = open(3);
    end(&log, 1, 4, 2).unwrap();
    end(&log, 1, 4, 2).expect("the same marker again, after a lost answer");
    assert!(fenced(end(&log, 1, 3, 2)));
    assert!(
        end(&open(i16::MAX), 1, i16::MAX, 2).is_ok(),
        "there is no epoch above"
    );
    end(&new_log(), 1, 0, 2).expect("nothing is known of the producer");
}

#[test]
fn an_old_coordinator_is_fenced_after_the_epoch_was_accepted() {
    let log = new_log();
    let of_coordinator = |epoch| {
        let marker = ringbrook_record::EndTransactionMarker {
            is_commit: false,
            coordinator_epoch: epoch,
        };
        marker.build_batch(1, 0, 1000).unwrap().freeze()
    };
    append(&log, &of_coordinator(5), coordinator()).unwrap();
    append(&log, &of_coordinator(5), coordinator()).unwrap();
    let error = append(&log, &of_coordinator(4), coordinator()).unwrap_err();
    assert!(matches!(
        error,
        AppendError::TransactionCoordinatorFenced {
            found: 4,
            current: 5,
            ..
        }
    ));
}

#[test]
fn guards_end_with_the_process_and_after_a_while() {
    let disk = SimDisk::new(1);
    let log = create(&disk, verifying());
    let guard = begin(&log, start(1, 0, 0));
    log.expire_producers(1000 + 99, 100);
    assert_eq!(begin(&log, start(1, 0, 0)), guard);
    log.expire_producers(1000 + 100, 100);
    assert_ne!(begin(&log, start(1, 0, 0)), guard);
    let guard = begin(&log, start(1, 0, 0));
    drop(log);
    let (log, _) = open(&disk, verifying(), hints(false));
    assert!(is_unverified(&append_with(&log, start(1, 0, 0), guard)));
}

#[test]
fn too_many_verifications_push_the_oldest_out() {
    let mut verifications = Verifications::default();
    let max = i64::try_from(VERIFICATIONS_MAX).unwrap();
    let first = verifications.begin(&start(0, 0, 0), 0);
    for id in 1..max {
        verifications.begin(&start(id, 0, 0), id);
    }
    assert!(verifications.is_verified(0, Some(first)));
    verifications.begin(&start(max, 0, 0), max);
    assert!(!verifications.is_verified(0, Some(first)));
    assert!(verifications.get(1).is_some() && verifications.get(max).is_some());
    verifications.begin(&start(1, 0, 0), max);
    assert!(
        verifications.get(2).is_some(),
        "a known producer pushes nobody out"
    );
}
