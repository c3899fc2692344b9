//! Tests of the log manager: directories, restarts, creation, deletion, checkpoints, failures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringbrook_record::{BatchBuilder, Codec, Header};
use uuid::Uuid;

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::io::{Fault, SimDisk, UringDisk};
use crate::log::{AppendContext, Origin};

const NO_HEADERS: [Header<'static>; 0] = [];

fn records() -> Bytes {
    let mut builder = BatchBuilder::new();
    builder
        .append(1000, Some(b"key"), Some(&[1; 100]), NO_HEADERS)
        .unwrap();
    builder.finish(Codec::None, None).unwrap().freeze()
}

fn append<D: Disk>(log: &Arc<PartitionLog<D>>) {
    let ctx = AppendContext {
        leader_epoch: 0,
        origin: Origin::Client,
        now_ms: 1000,
    };
    let appended = log.append(records(), ctx).unwrap();
    if let Some(drain) = appended.drain {
        drain.run_blocking();
    }
    log.advance_high_watermark(i64::MAX);
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

struct Opened {
    manager: Arc<LogManager<SimDisk>>,
    summary: OpenSummary,
    clock: Arc<ManualClock>,
}

fn open(disk: &SimDisk, dirs: &[&str]) -> Opened {
    try_open(disk, dirs).unwrap()
}

fn try_open(disk: &SimDisk, dirs: &[&str]) -> Result<Opened, EngineError> {
    let dirs = LogDirs::open(disk, &paths(dirs), 1, None)?;
    let clock = Arc::new(ManualClock::new(1000));
    let options = LogManagerOptions::default();
    let config_of = |_: &str| LogConfig {
        segment_bytes: 1000,
        ..LogConfig::default()
    };
    let (manager, summary) =
        LogManager::open(disk.clone(), dirs, options, clock.clone(), &config_of)?;
    Ok(Opened {
        manager,
        summary,
        clock,
    })
}

fn create(
    manager: &LogManager<SimDisk>,
    topic: &str,
    partition: i32,
) -> Arc<PartitionLog<SimDisk>> {
    let config = LogConfig {
        segment_bytes: 1000,
        ..LogConfig::default()
    };
    manager
        .create_log(topic, partition, Uuid::from_u128(5), config)
        .unwrap()
}

#[test]
fn logs_come_back_after_a_clean_shutdown() {
    let disk = SimDisk::new(1);
    let Opened {
        manager, summary, ..
    } = open(&disk, &["/a", "/b"]);
    assert_eq!((summary.logs, summary.is_clean), (0, true));
    let cluster_id = manager.cluster_id().to_owned();
    let directories = manager.directories();
    for partition in 0..5 {
        let log = create(&manager, "t-with-dash", partition);
        (0..=partition).for_each(|_| append(&log));
    }
    manager
        .log("t-with-dash", 4)
        .unwrap()
        .advance_log_start_offset(2)
        .unwrap();
    manager.shutdown().unwrap();
    drop(manager);
    let Opened {
        manager, summary, ..
    } = open(&disk.restart(), &["/a", "/b"]);
    assert_eq!(
        (summary.logs, summary.is_clean, summary.recovered_segments),
        (5, true, 0)
    );
    assert_eq!(
        (manager.cluster_id(), manager.directories()),
        (&*cluster_id, directories)
    );
    for partition in 0..5 {
        let log = manager.log("t-with-dash", partition).unwrap();
        let offsets = log.offsets();
        let start = if partition == 4 { 2 } else { 0 };
        assert_eq!(
            (offsets.log_start, offsets.log_end),
            (start, i64::from(partition) + 1)
        );
        assert_eq!(offsets.high_watermark, offsets.log_end);
        assert_eq!(log.topic_id(), Some(Uuid::from_u128(5)));
    }
    assert!(manager.log("t-with-dash", 5).is_none());
}

#[test]
fn crash_is_recovered_from_the_checkpointed_recovery_point() {
    let disk = SimDisk::new(1);
    let Opened { manager, .. } = open(&disk, &["/a"]);
    let log = create(&manager, "t", 0);
    (0..40).for_each(|_| append(&log));
    let segments = log.segments_count();
    assert!(3 < segments);
    manager.write_checkpoints().unwrap();
    (0..3).for_each(|_| append(&log));
    let Opened {
        manager, summary, ..
    } = open(&disk.restart(), &["/a"]);
    assert!(!summary.is_clean);
    assert!((1..=3).contains(&summary.recovered_segments), "{summary:?}");
    assert_eq!(manager.log("t", 0).unwrap().offsets().log_end, 43);
}

#[test]
fn a_marker_counts_once() {
    let disk = SimDisk::new(1);
    let Opened { manager, .. } = open(&disk, &["/a"]);
    append(&create(&manager, "t", 0));
    manager.shutdown().unwrap();
    let disk = disk.restart();
    assert!(open(&disk, &["/a"]).summary.is_clean);
    let summary = open(&disk.restart(), &["/a"]).summary;
    assert!(
        !summary.is_clean,
        "the second start was not followed by a shutdown"
    );
    assert_eq!(
        (summary.recovered_segments, summary.walked_bytes),
        (0, 0),
        "the recovery point is the end of the log"
    );
}

#[test]
fn new_partitions_go_where_the_fewest_are() {
    let disk = SimDisk::new(1);
    let Opened { manager, .. } = open(&disk, &["/a", "/b", "/c"]);
    let dirs: Vec<_> = (0..6)
        .map(|n| create(&manager, "t", n).log_dir().to_owned())
        .collect();
    assert_eq!(dirs, paths(&["/a", "/b", "/c", "/a", "/b", "/c"]));
    let same = create(&manager, "t", 3);
    assert_eq!(
        same.log_dir(),
        Path::new("/a"),
        "creating twice gives the same log"
    );
    let other = manager.create_log("t", 3, Uuid::from_u128(6), LogConfig::default());
    assert!(matches!(other, Err(EngineError::TopicIdMismatch { .. })));
    let illegal = manager.create_log("a/b", 0, Uuid::from_u128(6), LogConfig::default());
    assert!(matches!(illegal, Err(EngineError::InvalidTopicName { .. })));
}

#[test]
fn created_log_survives_a_power_cut() {
    for seed in 0..30 {
        let disk = SimDisk::new(seed);
        let Opened { manager, .. } = open(&disk, &["/a"]);
        append(&create(&manager, "t", 0));
        let Opened { manager, .. } = open(&disk.restart(), &["/a"]);
        let log = manager.log("t", 0).expect("the directory is durable");
        assert_eq!(log.offsets().log_end, 1, "seed {seed}");
        assert_eq!(log.topic_id(), Some(Uuid::from_u128(5)), "seed {seed}");
    }
}

#[test]
fn deleted_logs_go_after_their_delay_or_at_the_next_start() {
    let disk = SimDisk::new(1);
    let Opened { manager, clock, .. } = open(&disk, &["/a"]);
    let log = create(&manager, "t", 0);
    append(&log);
    manager.delete_log("t", 0).unwrap();
    manager.delete_log("t", 0).expect("twice is no error");
    assert!(manager.log("t", 0).is_none());
    assert!(log.is_deleted());
    let dirs = |disk: &SimDisk| {
        let entries = disk.list(Path::new("/a")).unwrap();
        entries.into_iter().filter(|entry| entry.is_dir).count()
    };
    assert_eq!((manager.run_background().removed, dirs(&disk)), (0, 1));
    append(&create(&manager, "t", 0));
    assert_eq!(
        manager.log("t", 0).unwrap().offsets().log_end,
        1,
        "the new one is another log"
    );
    clock.advance(Duration::from_secs(60));
    assert_eq!((manager.run_background().removed, dirs(&disk)), (1, 1));
    manager.delete_log("t", 0).unwrap();
    manager.shutdown().unwrap();
    let Opened {
        manager, summary, ..
    } = open(&disk.restart(), &["/a"]);
    assert_eq!((summary.logs, manager.run_background().removed), (0, 1));
}

#[test]
fn background_work_retains_and_checkpoints_when_due() {
    let disk = SimDisk::new(1);
    let Opened { manager, clock, .. } = open(&disk, &["/a"]);
    let log = create(&manager, "t", 0);
    (0..40).for_each(|_| append(&log));
    log.update_config(LogConfig {
        retention_ms: 60_000,
        ..log.config()
    });
    clock.advance(Duration::from_secs(29));
    assert_eq!(manager.run_background().renamed_files, 0, "not due");
    clock.advance(Duration::from_secs(31));
    assert_eq!(manager.run_background().renamed_files, 0, "not old enough");
    clock.advance(Duration::from_secs(301));
    let report = manager.run_background();
    assert!(
        0 < report.renamed_files && report.failures == 0,
        "{report:?}"
    );
    assert_eq!(log.offsets().log_start, 40);
    clock.advance(Duration::from_secs(60));
    assert_eq!(manager.run_background().removed, report.renamed_files);
    let content = disk
        .read_file(Path::new("/a/log-start-offset-checkpoint"), 1000)
        .unwrap();
    assert_eq!(content.unwrap(), b"0\n1\nt 0 40\n");
}

#[test]
fn directories_are_checked() {
    let disk = SimDisk::new(1);
    let first = LogDirs::open(&disk, &paths(&["/a"]), 1, Some("cluster")).unwrap();
    let again = LogDirs::open(&disk, &paths(&["/a"]), 1, None).unwrap_err();
    assert!(matches!(&again, EngineError::DirLocked { path } if path == Path::new("/a")));
    assert!(
        again.to_string().contains("in use by another process"),
        "{again}"
    );
    drop(first);
    let error = |dirs: &[&str], node_id, cluster_id| {
        LogDirs::open(&disk, &paths(dirs), node_id, cluster_id).unwrap_err()
    };
    assert!(matches!(
        error(&["/a"], 2, None),
        EngineError::NodeIdMismatch { found: 1, .. }
    ));
    assert!(matches!(
        error(&["/a"], 1, Some("x")),
        EngineError::ClusterIdMismatch { .. }
    ));
    assert!(matches!(error(&[], 1, None), EngineError::NoUsableDir));
    assert!(matches!(
        error(&["/a", "/a"], 1, None),
        EngineError::DirListedTwice { .. }
    ));
    let both = LogDirs::open(&disk, &paths(&["/new", "/a"]), 1, None).unwrap();
    assert_eq!(
        both.cluster_id(),
        "cluster",
        "a new directory joins the cluster of the others"
    );
    let ids = both.directory_ids();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn one_failed_directory_does_not_stop_the_others() {
    let disk = SimDisk::new(1);
    let Opened { manager, .. } = open(&disk, &["/a", "/b"]);
    let (a, b) = (create(&manager, "t", 0), create(&manager, "t", 1));
    append(&a);
    append(&b);
    disk.fail_at(disk.mutations(), Fault::Eio);
    append(&a);
    assert_eq!((a.offsets().log_end, b.offsets().log_end), (1, 1));
    append(&b);
    assert_eq!(b.offsets().log_end, 2);
    let described = manager.describe_log_dirs();
    assert!(described[0].error.is_some() && described[1].error.is_none());
    assert_eq!(described[1].partitions[0].size_bytes, b.size_bytes());
    assert_eq!(create(&manager, "t", 2).log_dir(), Path::new("/b"));
    manager.shutdown().unwrap_err();
    drop(manager);
    let summary = open(&disk.restart(), &["/a", "/b"]).summary;
    assert!(!summary.is_clean);
    assert_eq!(
        (summary.logs, summary.recovered_segments),
        (3, 1),
        "/b was closed cleanly"
    );
}

#[test]
fn unreadable_log_takes_its_directory_offline_at_start() {
    let disk = SimDisk::new(1);
    let Opened { manager, .. } = open(&disk, &["/a", "/b"]);
    append(&create(&manager, "t", 0));
    append(&create(&manager, "t", 1));
    manager.shutdown().unwrap();
    drop(manager);
    disk.replace_file(Path::new("/a/t-0/partition.metadata"), b"nonsense")
        .unwrap();
    let Opened { manager, .. } = open(&disk, &["/a", "/b"]);
    assert!(manager.log("t", 0).is_none());
    assert!(manager.log("t", 1).is_some());
    assert!(
        manager.describe_log_dirs()[0]
            .error
            .as_ref()
            .unwrap()
            .contains("partition.metadata")
    );
    manager.shutdown().unwrap_err();
    drop(manager);
    let alone = try_open(&disk, &["/a"]).map(|opened| opened.summary);
    assert!(matches!(alone, Err(EngineError::NoUsableDir)));
}

const BOUND: u64 = 3000;

fn open_bounded<D: Disk>(
    disk: D,
    dirs: LogDirs<D>,
    clock: Arc<dyn Clock>,
) -> (Arc<LogManager<D>>, OpenSummary) {
    let config_of = |_: &str| LogConfig {
        recovery_unflushed_bytes_max: BOUND,
        ..LogConfig::default()
    };
    LogManager::open(disk, dirs, LogManagerOptions::default(), clock, &config_of).unwrap()
}

fn create_bounded<D: Disk>(
    manager: &LogManager<D>,
    flush_before_ack: bool,
) -> Arc<PartitionLog<D>> {
    let config = LogConfig {
        recovery_unflushed_bytes_max: BOUND,
        flush_before_ack,
        ..LogConfig::default()
    };
    manager
        .create_log("t", 0, Uuid::from_u128(5), config)
        .unwrap()
}

/// The checkpoint file is rewritten when a log needs it, long before its interval has passed.
#[test]
fn a_crash_between_checkpoints_leaves_no_more_than_the_bound_to_walk() {
    let disk = SimDisk::new(1);
    let clock = || Arc::new(ManualClock::new(1000));
    let dirs = LogDirs::open(&disk, &paths(&["/a"]), 1, None).unwrap();
    let (manager, _) = open_bounded(disk.clone(), dirs, clock());
    let log = create_bounded(&manager, true);
    (0..200).for_each(|_| append(&log));
    assert!(8 * BOUND < log.size_bytes());
    let disk = disk.restart();
    let dirs = LogDirs::open(&disk, &paths(&["/a"]), 1, None).unwrap();
    let (manager, summary) = open_bounded(disk, dirs, clock());
    assert!(!summary.is_clean);
    assert!(summary.walked_bytes <= BOUND, "{summary:?}");
    assert_eq!(manager.log("t", 0).unwrap().offsets().log_end, 200);
}

/// On the real disk, with the process gone and the machine still on.
#[test]
fn a_killed_process_leaves_no_more_than_the_bound_to_walk() {
    for flush_before_ack in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let dirs = || LogDirs::open(&UringDisk, &[dir.path().into()], 1, None).unwrap();
        let (manager, _) = open_bounded(UringDisk, dirs(), Arc::new(SystemClock::new()));
        let log = create_bounded(&manager, flush_before_ack);
        (0..100).for_each(|_| append(&log));
        assert!(4 * BOUND < log.size_bytes());
        // What the process knew is gone; nothing is written at the end.
        drop((manager, log));
        let (manager, summary) = open_bounded(UringDisk, dirs(), Arc::new(SystemClock::new()));
        assert!(
            !summary.is_clean && summary.walked_bytes <= BOUND,
            "{summary:?}"
        );
        assert_eq!(manager.log("t", 0).unwrap().offsets().log_end, 100);
    }
}

#[test]
fn logs_left_alone_have_nothing_to_walk_after_an_interval() {
    let disk = SimDisk::new(1);
    let clock = Arc::new(ManualClock::new(1000));
    let dirs = LogDirs::open(&disk, &paths(&["/a"]), 1, None).unwrap();
    let (manager, _) = open_bounded(disk.clone(), dirs, Arc::clone(&clock) as Arc<dyn Clock>);
    let log = create_bounded(&manager, false);
    (0..7).for_each(|_| append(&log));
    clock.advance(Duration::from_secs(30));
    assert_eq!(manager.run_background().failures, 0);
    assert_eq!(log.offsets().recovery_point, 7);
    let disk = disk.restart();
    let dirs = LogDirs::open(&disk, &paths(&["/a"]), 1, None).unwrap();
    let (manager, summary) = open_bounded(disk, dirs, clock);
    assert_eq!(
        (summary.is_clean, summary.walked_bytes),
        (false, 0),
        "{summary:?}"
    );
    assert_eq!(manager.log("t", 0).unwrap().offsets().log_end, 7);
}

#[test]
fn a_log_set_aside_is_kept_and_makes_room_for_another() {
    let disk = SimDisk::new(7);
    let opened = open(&disk, &["/a"]);
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let config = LogConfig::default();
    let log = opened.manager.create_log("t", 0, first, config).unwrap();
    append(&log);
    opened.manager.set_aside_log("t", 0).unwrap();
    assert!(opened.manager.log("t", 0).is_none());
    let names: Vec<String> = disk
        .list(Path::new("/a"))
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    let stray: Vec<_> = names
        .iter()
        .filter(|name| name.ends_with("-stray"))
        .collect();
    assert_eq!(stray.len(), 1, "{names:?}");
    let log = opened.manager.create_log("t", 0, second, config).unwrap();
    assert_eq!(log.offsets().log_end, 0);
    opened.clock.advance(Duration::from_secs(3600));
    opened.manager.run_background();
    assert!(
        disk.list(&Path::new("/a").join(stray[0])).is_ok(),
        "the stray log is kept"
    );
}

/// The log start offset of a deleted topic stayed in its checkpoint; after a crash it was taken for
/// that of a new topic of the same name, which lost everything below it.
#[test]
fn recreated_topic_does_not_inherit_checkpoints() {
    for has_restarted in [false, true] {
        let disk = SimDisk::new(1);
        let mut opened = open(&disk, &["/a"]);
        let log = create(&opened.manager, "t", 0);
        (0..20).for_each(|_| append(&log));
        log.advance_log_start_offset(15).unwrap();
        opened.manager.write_checkpoints().unwrap();
        opened.manager.delete_log("t", 0).unwrap();
        let mut disk = disk;
        if has_restarted {
            disk = disk.restart();
            opened = open(&disk, &["/a"]);
        }
        let log = create(&opened.manager, "t", 0);
        (0..3).for_each(|_| append(&log));
        let Opened { manager, .. } = open(&disk.restart(), &["/a"]);
        let offsets = manager.log("t", 0).unwrap().offsets();
        assert_eq!((offsets.log_start, offsets.log_end), (0, 3));
    }
}

/// A crash while a log was created left its directory without a topic id, and it was served without
/// one for ever.
#[test]
fn interrupted_creation_gets_its_topic_id_when_asked_for_again() {
    for operation in 0..9 {
        let disk = SimDisk::new(operation);
        let opened = open(&disk, &["/a"]);
        disk.fail_at(disk.mutations() + operation, Fault::PowerCut);
        let id = Uuid::from_u128(5);
        let created = opened.manager.create_log("t", 0, id, LogConfig::default());
        assert!(created.is_err(), "operation {operation}");
        let disk = disk.restart();
        let Opened { manager, .. } = open(&disk, &["/a"]);
        let log = create(&manager, "t", 0);
        assert_eq!(log.topic_id(), Some(id), "operation {operation}");
        append(&log);
        let Opened { manager, .. } = open(&disk.restart(), &["/a"]);
        let log = manager.log("t", 0).unwrap();
        assert_eq!((log.topic_id(), log.offsets().log_end), (Some(id), 1));
    }
}

/// A process killed while it created a log left names that were in the page cache only; the next
/// one acknowledged batches in files that a power cut took with their names.
#[test]
fn names_left_by_a_killed_process_are_made_durable() {
    for operation in 0..9 {
        let disk = SimDisk::new(operation);
        let opened = open(&disk, &["/a"]);
        disk.fail_at(disk.mutations() + operation, Fault::Eio);
        let id = Uuid::from_u128(5);
        drop(opened.manager.create_log("t", 0, id, LogConfig::default()));
        drop(opened);
        let disk = disk.kill_process();
        let Opened { manager, .. } = open(&disk, &["/a"]);
        append(&create(&manager, "t", 0));
        let Opened { manager, .. } = open(&disk.restart(), &["/a"]);
        let log = manager.log("t", 0).expect("its name is durable");
        assert_eq!(log.offsets().log_end, 1, "operation {operation}");
    }
}

/// `producer.id.expiration.ms` can change at run time; an open transaction outlives it.
#[test]
fn idle_producers_are_forgotten_after_a_time_that_can_change() {
    let disk = SimDisk::new(1);
    let Opened { manager, clock, .. } = open(&disk, &["/a"]);
    let log = create(&manager, "t", 0);
    let ctx = AppendContext {
        leader_epoch: 0,
        origin: Origin::Client,
        now_ms: 1000,
    };
    for builder in [
        BatchBuilder::new().producer(1, 0, 0),
        BatchBuilder::new().producer(2, 0, 0).transactional(),
    ] {
        let mut builder = builder;
        builder.append(1000, None, None, NO_HEADERS).unwrap();
        let batch = builder.finish(Codec::None, None).unwrap().freeze();
        let appended = log.append(batch, ctx).unwrap();
        appended.drain.unwrap().run_blocking();
    }
    let known = || {
        let mut ids: Vec<_> = log
            .active_producers()
            .iter()
            .map(|it| it.producer_id)
            .collect();
        ids.sort_unstable();
        ids
    };
    // The first search, and one that is due.
    let hour = Duration::from_hours(1);
    clock.advance(hour);
    manager.run_background();
    assert_eq!(known(), [1, 2], "a day is the default");
    manager.expire_producers_after(1_800_000);
    clock.advance(hour);
    manager.run_background();
    assert_eq!(known(), [2]);
}
