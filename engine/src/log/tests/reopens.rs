//! Closing and opening again, cleanly and not: nothing acknowledged is lost, nothing is made up.

use std::path::Path;

use super::support::*;
use crate::config::LogConfig;
use crate::io::{Disk, SimDisk};
use crate::log::AppendContext;
use crate::log::open::OpenHints;

fn small_segments() -> LogConfig {
    LogConfig {
        segment_bytes: 2000,
        index_interval_bytes: 300,
        ..LogConfig::default()
    }
}

#[test]
fn clean_reopen_goes_on_where_it_stopped() {
    let disk = SimDisk::new(1);
    let log = create(&disk, small_segments());
    for n in 0..30 {
        append(&log, &produced(7, 0, n * 2, 2, 100), client()).unwrap();
    }
    let before = (read_all(&log, 0), log.segments_count(), log.size_bytes());
    log.close(2000).unwrap();
    let disk = disk.restart();
    let (log, report) = open(&disk, small_segments(), hints(true));
    assert_eq!(report.recovered_segments, 0);
    assert_eq!(log.offsets().log_end, 60);
    assert_eq!(log.offsets().recovery_point, 60);
    assert_eq!(
        (read_all(&log, 0), log.segments_count(), log.size_bytes()),
        before
    );
    assert_eq!(log.active_producers().len(), 1);
    let repeated = append(&log, &produced(7, 0, 58, 2, 100), client()).unwrap();
    assert!(repeated.is_duplicate);
    assert_eq!(repeated.base_offset, 58);
    assert_eq!(
        append(&log, &produced(7, 0, 60, 2, 100), client())
            .unwrap()
            .base_offset,
        60
    );
    assert_eq!(log.topic_id(), Some(uuid::Uuid::from_u128(7)));
}

#[test]
fn clean_reopen_of_an_untouched_log_writes_nothing() {
    let disk = SimDisk::new(1);
    let log = create(&disk, small_segments());
    append(&log, &batch(2, 100), client()).unwrap();
    log.close(2000).unwrap();
    let (log, _) = open(&disk, small_segments(), hints(true));
    let before = disk.mutations();
    log.close(3000).unwrap();
    let (_, report) = open(&disk, small_segments(), hints(true));
    assert_eq!(disk.mutations(), before);
    assert_eq!(report.recovered_segments, 0);
}

#[test]
fn indices_are_rebuilt_as_they_were() {
    let disk = SimDisk::new(1);
    let log = create(&disk, small_segments());
    for n in 0..40 {
        append(&log, &timed(1000 + n * 10, 3), client()).unwrap();
    }
    log.close(2000).unwrap();
    let read_indices = || {
        let names = disk.list(&partition_dir()).unwrap();
        names
            .into_iter()
            .filter(|entry| entry.name.ends_with("index"))
            .map(|entry| {
                let content = disk
                    .read_file(&partition_dir().join(&entry.name), 1 << 20)
                    .unwrap();
                (entry.name, content.unwrap())
            })
            .collect::<Vec<_>>()
    };
    let before = read_indices();
    assert!(
        before.iter().any(|(_, content)| 8 < content.len()),
        "the test needs entries"
    );
    for (name, _) in &before {
        disk.remove_file(&partition_dir().join(name)).unwrap();
    }
    let (log, report) = open(&disk, small_segments(), hints(true));
    assert_eq!(
        report.recovered_segments,
        log.segments_count(),
        "a missing index is rebuilt"
    );
    log.close(3000).unwrap();
    assert_eq!(read_indices(), before, "L3");
}

/// An open that trusts the marker of a clean shutdown trusts the indices, too.
#[test]
fn entries_that_recovery_removed_do_not_come_back_after_a_clean_shutdown() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        drop(create(&disk, small_segments()));
        let path = partition_dir().join("00000000000000000000.timeindex");
        let file = disk.open(&path).unwrap();
        disk.write_all_at(&file, &[1; 12], 0).unwrap();
        disk.sync(&file).unwrap();
        let (log, _) = open(&disk, small_segments(), hints(false));
        log.close(1000).unwrap();
        let disk = disk.restart();
        assert_eq!(disk.stat(&path).unwrap().bytes, 0, "seed {seed}");
    }
}

#[test]
fn aborted_transactions_that_recovery_removed_do_not_come_back_either() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let log = create(&disk, small_segments());
        append(&log, &transactional(7, 0, 0, 2), client()).unwrap();
        append(&log, &marker(7, 0, false), coordinator()).unwrap();
        log.close(1000).unwrap();
        let path = partition_dir().join("00000000000000000000.txnindex");
        let bytes = disk.stat(&path).unwrap().bytes;
        let file = disk.open(&path).unwrap();
        disk.write_all_at(&file, &[1; 34], bytes).unwrap();
        disk.sync(&file).unwrap();
        let unclean = OpenHints {
            recovery_point: log.offsets().log_end,
            ..hints(false)
        };
        let (log, _) = open(&disk, small_segments(), unclean);
        log.close(2000).unwrap();
        let disk = disk.restart();
        assert_eq!(disk.stat(&path).unwrap().bytes, bytes, "seed {seed}");
    }
}

#[test]
fn unclean_open_cuts_the_torn_tail_and_later_segments() {
    let disk = SimDisk::new(1);
    // Durable appends, and others that come fast, would have zeros written behind the last
    // segment's end.
    let config = LogConfig {
        flush_before_ack: false,
        ..small_segments()
    };
    let log = create(&disk, config);
    for n in 0..30 {
        let ctx = AppendContext {
            now_ms: n * 10_000,
            ..client()
        };
        append(&log, &batch(2, 100), ctx).unwrap();
    }
    let segments = log.segments_count();
    assert!(3 < segments);
    let stored = read_all(&log, 0);
    // Damages a batch in the third segment.
    let bases: Vec<i64> = log
        .lock()
        .segments
        .iter()
        .map(|s| s.base_offset())
        .collect();
    let path = partition_dir().join(format!("{:020}.log", bases[2]));
    let file = disk.open(&path).unwrap();
    let size = batch(2, 100).len();
    disk.write_all_at(&file, &[0xff], size as u64 + 70).unwrap();
    let (log, report) = open(&disk, small_segments(), hints(false));
    assert_eq!(log.segments_count(), 3);
    assert_eq!(
        log.offsets().log_end,
        bases[2] + 2,
        "one batch of the segment is left"
    );
    assert_eq!(
        report.truncated_bytes,
        (stored.len() - read_all(&log, 0).len()) as u64
    );
    assert!(stored.starts_with(&read_all(&log, 0)));
    let appended = append(&log, &batch(2, 100), client()).unwrap();
    assert_eq!(appended.base_offset, bases[2] + 2);
}

#[test]
fn segments_below_the_recovery_point_are_left_alone() {
    let disk = SimDisk::new(1);
    let log = create(&disk, small_segments());
    for _ in 0..30 {
        append(&log, &batch(2, 100), client()).unwrap();
    }
    let recovery_point = log.offsets().recovery_point;
    let hints = OpenHints {
        recovery_point,
        ..hints(false)
    };
    let (log, report) = open(&disk, small_segments(), hints);
    assert_eq!(
        (report.recovered_segments, report.walked_bytes),
        (2, log.lock().active().bytes()),
        "only the active segment is walked, and of the one that ends there its last entry is made"
    );
    assert_eq!(log.offsets().log_end, 60);
}

#[test]
fn garbage_and_zeroes_behind_the_log_are_cut() {
    for tail in [vec![0; 5000], vec![0x7f; 100], b"short".to_vec()] {
        let disk = SimDisk::new(1);
        let log = create(&disk, LogConfig::default());
        append(&log, &batch(4, 100), client()).unwrap();
        let stored = read_all(&log, 0);
        let path = partition_dir().join("00000000000000000000.log");
        let file = disk.open(&path).unwrap();
        disk.write_all_at(&file, &tail, stored.len() as u64)
            .unwrap();
        // Also when it claims to be clean: what does not fit together is recovered.
        for is_clean in [true, false] {
            let (log, _) = open(&disk, LogConfig::default(), hints(is_clean));
            assert_eq!(read_all(&log, 0), stored);
            assert_eq!(disk.stat(&path).unwrap().bytes, stored.len() as u64);
            disk.write_all_at(&disk.open(&path).unwrap(), &tail, stored.len() as u64)
                .unwrap();
        }
    }
}

#[test]
fn old_message_formats_are_refused_and_not_cut() {
    let disk = SimDisk::new(1);
    let log = create(&disk, LogConfig::default());
    let path = partition_dir().join("00000000000000000000.log");
    let mut old = vec![0_u8; 100];
    old[8..12].copy_from_slice(&88_i32.to_be_bytes());
    old[16] = 1;
    disk.write_all_at(&disk.open(&path).unwrap(), &old, 0)
        .unwrap();
    drop(log);
    let result = std::panic::catch_unwind(|| open(&disk, LogConfig::default(), hints(false)));
    assert!(result.is_err(), "the test's open unwraps the error");
    assert_eq!(disk.stat(&path).unwrap().bytes, 100);
}

#[test]
fn log_start_and_high_watermark_are_taken_from_the_checkpoints() {
    let disk = SimDisk::new(1);
    let log = create(&disk, small_segments());
    for _ in 0..30 {
        append(&log, &batch(2, 100), client()).unwrap();
    }
    log.close(2000).unwrap();
    let with = OpenHints {
        log_start: 7,
        high_watermark: 50,
        ..hints(true)
    };
    let (log, _) = open(&disk, small_segments(), with);
    let offsets = log.offsets();
    assert_eq!(
        (offsets.log_start, offsets.high_watermark, offsets.log_end),
        (7, 50, 60)
    );
    drop(log);
    // A start beyond the end empties the log.
    let with = OpenHints {
        log_start: 100,
        ..hints(true)
    };
    let (log, _) = open(&disk, small_segments(), with);
    let offsets = log.offsets();
    assert_eq!((offsets.log_start, offsets.log_end), (100, 100));
    assert_eq!(
        append(&log, &batch(1, 1), client()).unwrap().base_offset,
        100
    );
}

#[test]
fn leader_epochs_survive_and_are_rebuilt() {
    let disk = SimDisk::new(1);
    let log = create(&disk, small_segments());
    for epoch in 0..6 {
        for _ in 0..4 {
            let ctx = AppendContext {
                leader_epoch: epoch,
                ..client()
            };
            append(&log, &batch(2, 100), ctx).unwrap();
        }
    }
    log.assign_epoch_start(9).unwrap();
    let ends = |log: &std::sync::Arc<crate::log::PartitionLog<SimDisk>>| {
        (0..11)
            .map(|epoch| log.end_offset_for_epoch(epoch))
            .collect::<Vec<_>>()
    };
    let before = ends(&log);
    assert_eq!(before[3].unwrap().end_offset, 32);
    assert_eq!(before[9].unwrap().end_offset, 48);
    assert_eq!(before[7].unwrap().epoch, 5);
    assert_eq!(before[10], None);
    log.close(2000).unwrap();
    let (log, _) = open(&disk, small_segments(), hints(true));
    assert_eq!(ends(&log), before);
    drop(log);
    let path = partition_dir().join("leader-epoch-checkpoint");
    disk.replace_file(&path, b"0\nnonsense\n").unwrap();
    let (log, _) = open(&disk, small_segments(), hints(true));
    assert_eq!(
        ends(&log)[..5],
        before[..5],
        "epochs with batches come back"
    );
}

#[test]
fn interrupted_replacement_is_finished_or_undone() {
    let disk = SimDisk::new(1);
    let log = create(&disk, small_segments());
    for _ in 0..30 {
        append(&log, &batch(2, 100), client()).unwrap();
    }
    log.close(2000).unwrap();
    let stored = read_all(&log, 0);
    let dir = partition_dir();
    let copy = |from: &str, to: &str| {
        let content = disk.read_file(&dir.join(from), 1 << 20).unwrap().unwrap();
        disk.replace_file(&dir.join(to), &content).unwrap();
    };
    let first = "00000000000000000000";
    copy(&format!("{first}.log"), &format!("{first}.log.swap"));
    copy(&format!("{first}.index"), &format!("{first}.index.swap"));
    copy(
        &format!("{first}.timeindex"),
        &format!("{first}.timeindex.swap"),
    );
    copy(&format!("{first}.log"), "00000000000000000002.log.deleted");
    disk.remove_file(&dir.join(format!("{first}.log"))).unwrap();
    let (log, _) = open(&disk, small_segments(), hints(true));
    assert_eq!(read_all(&log, 0), stored);
    drop(log);
    copy(&format!("{first}.log"), &format!("{first}.log.cleaned"));
    copy(&format!("{first}.log"), &format!("{first}.log.swap"));
    let (log, _) = open(&disk, small_segments(), hints(true));
    assert_eq!(
        read_all(&log, 0),
        stored,
        "a swap beside a cleaned file was not complete"
    );
    let names: Vec<_> = disk
        .list(&dir)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert!(
        names
            .iter()
            .all(|name| Path::new(name).extension().is_none_or(|extension| {
                !["swap", "cleaned", "deleted"].contains(&extension.to_str().unwrap())
            })),
        "{names:?}"
    );
}
