//! Idempotent and transactional producers: duplicates, order, epochs, the last stable offset, the
//! transaction index, and what of it survives a restart.

use std::sync::Arc;

use super::support::*;
use crate::config::LogConfig;
use crate::error::AppendError;
use crate::io::{Disk, SimDisk};
use crate::log::{OpenHints, PartitionLog};

fn new_log() -> Arc<PartitionLog<SimDisk>> {
    create(&SimDisk::new(1), LogConfig::default())
}

#[test]
fn the_last_five_batches_are_recognised() {
    let log = new_log();
    for n in 0..7 {
        append(&log, &produced(1, 0, n * 3, 3, 10), client()).unwrap();
    }
    for n in 2..7 {
        let repeated = append(&log, &produced(1, 0, n * 3, 3, 10), client()).unwrap();
        assert!(repeated.is_duplicate);
        assert_eq!(
            (repeated.base_offset, repeated.last_offset),
            (i64::from(n) * 3, i64::from(n) * 3 + 2)
        );
    }
    let error = append(&log, &produced(1, 0, 3, 3, 10), client()).unwrap_err();
    assert!(matches!(
        error,
        AppendError::OutOfOrderSequence {
            found: 3,
            expected: 21,
            ..
        }
    ));
    let overlap = append(&log, &produced(1, 0, 18, 2, 10), client()).unwrap_err();
    assert!(
        matches!(overlap, AppendError::OutOfOrderSequence { .. }),
        "a part is no duplicate"
    );
    assert_eq!(log.offsets().log_end, 21);
}

#[test]
fn a_duplicate_of_a_queued_batch_is_recognised() {
    let log = new_log();
    let first = log.append(produced(1, 0, 0, 2, 10), client()).unwrap();
    let second = log.append(produced(1, 0, 0, 2, 10), client()).unwrap();
    assert!(second.is_duplicate && second.drain.is_none());
    assert_eq!(second.last_offset, 1);
    assert_eq!(
        log.offsets().log_end,
        0,
        "the first copy is not written yet"
    );
    first.drain.unwrap().run_blocking();
    assert_eq!(log.offsets().log_end, 2);
}

#[test]
fn sequences_must_follow_and_wrap() {
    let log = new_log();
    append(&log, &produced(1, 0, 40, 2, 10), client()).expect("unknown: any sequence will do");
    let gap = append(&log, &produced(1, 0, 43, 1, 10), client()).unwrap_err();
    assert!(matches!(
        gap,
        AppendError::OutOfOrderSequence {
            found: 43,
            expected: 42,
            ..
        }
    ));
    append(&log, &produced(2, 0, i32::MAX - 1, 2, 10), client()).unwrap();
    append(&log, &produced(2, 0, 0, 1, 10), client()).expect("sequence numbers wrap to 0");
    append(&log, &produced(3, 0, i32::MAX, 2, 10), client()).unwrap();
    let repeated = append(&log, &produced(3, 0, i32::MAX, 2, 10), client()).unwrap();
    assert!(
        repeated.is_duplicate,
        "a batch across the wrap is found again"
    );
    append(&log, &produced(3, 0, 1, 1, 10), client()).unwrap();
}

#[test]
fn epochs_fence_and_restart_the_sequence() {
    let log = new_log();
    append(&log, &produced(1, 5, 0, 2, 10), client()).unwrap();
    let old = append(&log, &produced(1, 4, 2, 1, 10), client()).unwrap_err();
    assert!(matches!(
        old,
        AppendError::InvalidProducerEpoch {
            found: 4,
            current: 5,
            ..
        }
    ));
    let wrong = append(&log, &produced(1, 6, 2, 1, 10), client()).unwrap_err();
    assert!(matches!(
        wrong,
        AppendError::OutOfOrderSequence { expected: 0, .. }
    ));
    append(&log, &produced(1, 6, 0, 1, 10), client()).unwrap();
}

#[test]
fn last_stable_offset_waits_for_markers_and_the_high_watermark() {
    let log = new_log();
    append(&log, &batch(2, 10), client()).unwrap();
    append(&log, &transactional(1, 0, 0, 3), client()).unwrap();
    append(&log, &transactional(2, 0, 0, 1), client()).unwrap();
    append(&log, &batch(1, 10), client()).unwrap();
    assert_eq!(
        (log.offsets().last_stable, log.offsets().high_watermark),
        (2, 7)
    );
    append(&log, &marker(1, 0, true), coordinator()).unwrap();
    assert_eq!(
        log.offsets().last_stable,
        5,
        "the second transaction is open"
    );
    let abort = log.append(marker(2, 0, false), coordinator()).unwrap();
    abort.drain.unwrap().run_blocking();
    assert_eq!(
        log.offsets().last_stable,
        5,
        "the marker is not replicated yet"
    );
    assert_eq!(log.advance_high_watermark(9).last_stable, 9);
    let aborted = log.aborted_transactions(0, 9);
    assert_eq!(aborted.len(), 1);
    assert_eq!(
        (
            aborted[0].producer_id,
            aborted[0].first_offset,
            aborted[0].last_offset
        ),
        (2, 5, 8)
    );
    assert!(log.aborted_transactions(0, 5).is_empty());
    assert!(log.aborted_transactions(9, 10).is_empty());
}

#[test]
fn open_transaction_refuses_plain_writes_and_old_coordinators() {
    let log = new_log();
    append(&log, &transactional(1, 3, 0, 1), client()).unwrap();
    let plain = append(&log, &produced(1, 3, 1, 1, 10), client()).unwrap_err();
    assert!(matches!(
        plain,
        AppendError::InvalidTxnState { producer_id: 1 }
    ));
    let fenced = append(&log, &marker(1, 2, true), coordinator()).unwrap_err();
    assert!(matches!(fenced, AppendError::InvalidProducerEpoch { .. }));
    append(&log, &marker(1, 4, false), coordinator()).unwrap();
    append(&log, &transactional(1, 4, 0, 1), client()).expect("a new epoch begins at 0");
}

#[test]
fn transactions_survive_clean_and_unclean_restarts() {
    for is_clean in [true, false] {
        let disk = SimDisk::new(1);
        let config = LogConfig {
            segment_bytes: 400,
            ..LogConfig::default()
        };
        let log = create(&disk, config);
        append(&log, &transactional(1, 0, 0, 2), client()).unwrap();
        append(&log, &transactional(2, 0, 0, 2), client()).unwrap();
        for _ in 0..4 {
            append(&log, &batch(1, 100), client()).unwrap();
        }
        append(&log, &marker(1, 0, false), coordinator()).unwrap();
        assert!(2 < log.segments_count());
        let before = (log.offsets().last_stable, log.aborted_transactions(0, 100));
        assert_eq!((before.0, before.1.len()), (2, 1));
        if is_clean {
            log.close(2000).unwrap();
        } else {
            drop(log);
        }
        let (log, report) = open(&disk, config, hints(is_clean));
        assert_eq!(0 < report.recovered_segments, !is_clean);
        log.advance_high_watermark(i64::MAX);
        assert_eq!(
            (log.offsets().last_stable, log.aborted_transactions(0, 100)),
            before
        );
        let repeated = append(&log, &transactional(2, 0, 0, 2), client()).unwrap();
        assert!(repeated.is_duplicate);
        append(&log, &marker(2, 0, true), coordinator()).unwrap();
        assert_eq!(log.offsets().last_stable, log.offsets().log_end);
    }
}

#[test]
fn damaged_snapshot_is_replaced_by_a_replay() {
    let disk = SimDisk::new(1);
    let log = create(&disk, LogConfig::default());
    append(&log, &produced(1, 0, 0, 2, 10), client()).unwrap();
    log.close(2000).unwrap();
    let path = partition_dir().join("00000000000000000002.snapshot");
    let mut content = disk.read_file(&path, 1000).unwrap().unwrap();
    assert_eq!(content.len(), 10 + 46);
    content[20] ^= 1;
    disk.replace_file(&path, &content).unwrap();
    let (log, _) = open(&disk, LogConfig::default(), hints(false));
    assert!(
        append(&log, &produced(1, 0, 0, 2, 10), client())
            .unwrap()
            .is_duplicate
    );
    assert!(disk.stat(&path).is_err());
}

/// A client may not have had the answers of its last five batches when the broker went away.
#[test]
fn the_last_five_batches_are_known_after_a_restart() {
    let disk = SimDisk::new(1);
    let log = create(&disk, LogConfig::default());
    for sequence in 0..7 {
        append(&log, &produced(1, 0, sequence, 1, 10), client()).unwrap();
        append(&log, &transactional(2, 3, sequence, 1), client()).unwrap();
    }
    append(&log, &produced(3, 0, 0, 1, 10), client()).unwrap();
    log.close(2000).unwrap();
    let (log, _) = open(&disk, LogConfig::default(), hints(true));
    log.advance_high_watermark(i64::MAX);
    assert_eq!(
        (log.active_producers().len(), log.offsets().last_stable),
        (3, 1)
    );
    for sequence in 2..7 {
        let plain = append(&log, &produced(1, 0, sequence, 1, 10), client()).unwrap();
        let offset = 2 * i64::from(sequence);
        assert_eq!((plain.base_offset, plain.is_duplicate), (offset, true));
        let open = append(&log, &transactional(2, 3, sequence, 1), client()).unwrap();
        assert_eq!((open.base_offset, open.is_duplicate), (offset + 1, true));
    }
    let forgotten = append(&log, &produced(1, 0, 1, 1, 10), client()).unwrap_err();
    let AppendError::OutOfOrderSequence { expected: 7, .. } = forgotten else {
        panic!("{forgotten}");
    };
    append(&log, &marker(2, 3, true), coordinator()).unwrap();
    assert_eq!(log.offsets().last_stable, log.offsets().log_end);
}

/// A crash took the end of a log whose start had moved there: what an older snapshot tells of its
/// producers misses the batches that were emptied away.
#[test]
fn producers_of_an_emptied_log_are_unknown() {
    for is_clean in [true, false] {
        let disk = SimDisk::new(1);
        let config = LogConfig::default();
        let log = create(&disk, config);
        append(&log, &produced(1, 0, 0, 2, 10), client()).unwrap();
        log.close(2000).unwrap();
        let (log, _) = open(&disk, config, hints(true));
        append(&log, &produced(1, 0, 2, 2, 10), client()).unwrap();
        drop(log);
        let hints = OpenHints {
            recovery_point: 2,
            log_start: 10,
            ..hints(is_clean)
        };
        let (log, _) = open(&disk, config, hints);
        assert_eq!(log.active_producers(), []);
        assert!(
            disk.stat(&partition_dir().join("00000000000000000002.snapshot"))
                .is_err()
        );
        let next = append(&log, &produced(1, 0, 4, 2, 10), client()).unwrap();
        assert_eq!((next.base_offset, next.is_duplicate), (10, false));
        let again = append(&log, &produced(1, 0, 4, 2, 10), client()).unwrap();
        assert_eq!((again.base_offset, again.is_duplicate), (10, true));
        // Also a cut, which begins with snapshots again.
        log.truncate_to(10).unwrap();
        assert_eq!(log.active_producers(), []);
    }
}

#[test]
fn idle_producers_expire_unless_a_transaction_is_open() {
    let log = new_log();
    append(&log, &produced(1, 0, 0, 1, 10), client()).unwrap();
    append(&log, &transactional(2, 0, 0, 1), client()).unwrap();
    log.expire_producers(1000 + 99, 100);
    assert_eq!(log.active_producers().len(), 2);
    log.expire_producers(1000 + 100, 100);
    assert_eq!(log.active_producers().len(), 1);
    let left = log.active_producers();
    assert_eq!((left[0].producer_id, left[0].last_sequence), (2, 0));
    assert_eq!(
        (left[0].txn_start_offset, left[0].last_timestamp_ms),
        (Some(1), 1000)
    );
    append(&log, &produced(1, 0, 77, 1, 10), client()).expect("it is unknown again");
}
