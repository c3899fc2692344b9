//! Failed writes and syncs: the log dir goes offline and stays so (L6); nothing that failed is
//! published or retried.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::support::*;
use crate::config::LogConfig;
use crate::error::{AppendError, ReadError};
use crate::io::{Fault, SimDisk};
use crate::log::{LogListener, LogOffsets};

#[derive(Default)]
struct Counts {
    published: AtomicUsize,
    failed: AtomicUsize,
}

struct Listener(Arc<Counts>);

impl LogListener for Listener {
    fn on_published(&self, _offsets: LogOffsets) {
        self.0.published.fetch_add(1, Ordering::Relaxed);
    }

    fn on_failed(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn failed_append_takes_the_dir_offline() {
    for fault in [Fault::Eio, Fault::Enospc] {
        let disk = SimDisk::new(3);
        let log = create(&disk, LogConfig::default());
        let counts = Arc::new(Counts::default());
        log.set_listener(Box::new(Listener(Arc::clone(&counts))));
        append(&log, &batch(2, 100), client()).unwrap();
        assert_eq!(
            log.latest_epoch(),
            Some(0),
            "the next append writes the log only"
        );
        disk.fail_at(disk.mutations(), fault);
        append(&log, &batch(2, 100), client()).expect("it is queued before it fails");
        assert_eq!(log.offsets().log_end, 2, "what failed is not published");
        assert_eq!(counts.published.load(Ordering::Relaxed), 1);
        assert_eq!(counts.failed.load(Ordering::Relaxed), 1);
        let mutations = disk.mutations();
        let error = append(&log, &batch(2, 100), client()).unwrap_err();
        assert!(matches!(error, AppendError::LogDirOffline), "{error:?}");
        let error = log.read_blocking(0, 100, 2, true).unwrap_err();
        assert!(matches!(error, ReadError::LogDirOffline), "{error:?}");
        assert!(log.close(0).is_err(), "such a log is not closed cleanly");
        assert_eq!(disk.mutations(), mutations, "nothing is tried again");
    }
}

#[test]
fn failed_sync_is_final() {
    let disk = SimDisk::new(3);
    let config = LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    };
    let log = create(&disk, config);
    append(&log, &batch(2, 100), client()).unwrap();
    assert_eq!((log.offsets().flushed, log.offsets().log_end), (0, 2));
    disk.fail_at(disk.mutations(), Fault::Eio);
    log.flush(0).unwrap_err();
    assert_eq!(log.offsets().flushed, 0);
    let error = append(&log, &batch(2, 100), client()).unwrap_err();
    assert!(matches!(error, AppendError::LogDirOffline));
}

/// Every operation of a roll fails once; each time the log survives up to what was published.
#[test]
fn failure_at_any_step_of_a_roll_keeps_what_was_published() {
    let config = LogConfig {
        segment_bytes: 500,
        ..LogConfig::default()
    };
    for step in 0..16 {
        let disk = SimDisk::new(step);
        let log = create(&disk, config);
        append(&log, &batch(1, 300), client()).unwrap();
        disk.fail_at(disk.mutations() + step, Fault::Eio);
        append(&log, &batch(1, 300), client()).unwrap();
        let published = log.offsets();
        let stored_bytes = published.log_end * i64::try_from(batch(1, 300).len()).unwrap();
        let (log, _) = open(&disk.restart(), config, hints(false));
        assert!(published.flushed <= log.offsets().log_end, "step {step}");
        assert!(stored_bytes <= i64::try_from(read_all(&log, 0).len()).unwrap());
    }
}

#[test]
fn short_writes_are_continued() {
    let disk = SimDisk::new(3);
    let log = create(&disk, LogConfig::default());
    disk.set_write_bytes_max(7);
    crate::io::run_on_ring(async {
        for _ in 0..5 {
            let appended = log.append(batch(2, 100), client()).unwrap();
            appended.drain.unwrap().run().await;
        }
    });
    assert_eq!(log.offsets().log_end, 10);
    for batch in ringbrook_record::Batches::new(&read_all(&log, 0)) {
        batch.unwrap().verify_crc().unwrap();
    }
}

#[test]
fn turning_durability_on_syncs_what_was_written_before() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let relaxed = LogConfig {
            flush_before_ack: false,
            segment_bytes: 500,
            ..LogConfig::default()
        };
        let log = create(&disk, relaxed);
        for _ in 0..7 {
            append(&log, &batch(1, 100), client()).unwrap();
        }
        log.update_config(LogConfig {
            flush_before_ack: true,
            ..relaxed
        });
        append(&log, &batch(1, 100), client()).unwrap();
        let offsets = log.offsets();
        assert_eq!((offsets.flushed, offsets.log_end), (8, 8));
        let (log, _) = open(&disk.restart(), relaxed, hints(false));
        assert_eq!(log.offsets().log_end, 8, "seed {seed}");
    }
}

#[test]
fn flush_messages_bounds_what_is_unsynced() {
    let config = LogConfig {
        flush_before_ack: false,
        flush_messages: 3,
        ..LogConfig::default()
    };
    let log = create(&SimDisk::new(1), config);
    let flushed: Vec<_> = (0..7)
        .map(|_| {
            append(&log, &batch(1, 10), client()).unwrap();
            log.offsets().flushed
        })
        .collect();
    assert_eq!(flushed, [0, 0, 3, 3, 3, 6, 6]);
}

#[test]
fn flush_ms_is_kept_by_the_background_flush() {
    let config = LogConfig {
        flush_before_ack: false,
        flush_ms: 500,
        ..LogConfig::default()
    };
    let log = create(&SimDisk::new(1), config);
    append(&log, &batch(1, 10), client()).unwrap();
    log.flush_if_due(1499).unwrap();
    assert_eq!(log.offsets().flushed, 0);
    log.flush_if_due(1500).unwrap();
    assert_eq!(log.offsets().flushed, 1);
}

#[test]
fn deleted_log_refuses_everything_and_harms_nobody() {
    let disk = SimDisk::new(1);
    let log = create(&disk, LogConfig::default());
    append(&log, &batch(1, 10), client()).unwrap();
    let waiting = log.append(batch(1, 10), client()).unwrap();
    log.delete("t-0.0123-delete").unwrap();
    waiting.drain.unwrap().run_blocking();
    assert!(!log.health.is_offline());
    let error = append(&log, &batch(1, 10), client()).unwrap_err();
    assert!(matches!(error, AppendError::LogDeleted), "{error:?}");
    let error = log.read_blocking(0, 10, 1, true).unwrap_err();
    assert!(matches!(error, ReadError::LogDeleted), "{error:?}");
}

/// A drain whose future is dropped in the middle of its write leaves an unknown state behind.
#[test]
fn drain_dropped_while_it_writes_takes_the_dir_offline() {
    let dir = tempfile::tempdir().unwrap();
    let disk = crate::io::UringDisk;
    let health = Arc::new(crate::io::DirHealth::new(dir.path().into()));
    let identity = crate::log::LogIdentity {
        topic: "t".into(),
        partition: 0,
        topic_id: None,
        dir: dir.path().join("t-0"),
    };
    let id = uuid::Uuid::from_u128(1);
    let config = LogConfig::default();
    let log = crate::log::create_log(&disk, identity, &health, config, id, 0).unwrap();
    log.assign_epoch_start(0).unwrap();
    crate::io::run_on_ring(async {
        let drain = log.append(batch(1, 10), client()).unwrap().drain.unwrap();
        let mut run = Box::pin(drain.run());
        let mut ctx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(run.as_mut().poll(&mut ctx).is_pending());
        drop(run);
        assert!(health.is_offline());
    });
}

/// A flush and a new leader epoch went on writing and syncing in a log dir that was offline.
#[test]
fn offline_log_syncs_and_writes_nothing_more() {
    let disk = SimDisk::new(3);
    let config = LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    };
    let log = create(&disk, config);
    append(&log, &batch(2, 100), client()).unwrap();
    disk.fail_at(disk.mutations(), Fault::Eio);
    log.flush(0).unwrap_err();
    let mutations = disk.mutations();
    log.flush(0).unwrap_err();
    log.assign_epoch_start(9).unwrap_err();
    assert_eq!(log.offsets().flushed, 0, "a second sync proves nothing");
    assert_eq!((disk.mutations(), disk.retries().len()), (mutations, 0));
}

/// The names of rolled segments were counted as durable before their directory was synced.
#[test]
fn nothing_is_flushed_before_the_names_are_durable() {
    let config = LogConfig {
        flush_before_ack: false,
        segment_bytes: 500,
        ..LogConfig::default()
    };
    for step in 0..40 {
        let disk = SimDisk::new(step);
        let log = create(&disk, config);
        disk.defer_background(true);
        for _ in 0..5 {
            append(&log, &batch(1, 300), client()).unwrap();
        }
        disk.fail_at(disk.mutations() + step, Fault::Eio);
        disk.run_background_jobs(10);
        let flushed = log.offsets().flushed;
        let (log, _) = open(&disk.restart(), config, hints(false));
        assert!(flushed <= log.offsets().log_end, "step {step}");
    }
}
