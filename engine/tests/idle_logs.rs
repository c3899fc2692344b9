//! What a thousand idle logs cost after a clean stop: memory, descriptors, time. Alone in its
//! process, so that these are the logs' own.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{
    AppendContext, LogConfig, LogDirs, LogManager, LogManagerOptions, OpenSummary, Origin,
    PartitionLog, SystemClock,
};
use ringbrook_record::{BatchBuilder, Codec, Header};
use uuid::Uuid;

const LOGS: i32 = 1000;
const BYTES_PER_LOG_MAX: i64 = 4096;

fn open(dir: &Path) -> (Arc<LogManager<UringDisk>>, OpenSummary) {
    let dirs = LogDirs::open(&UringDisk, &[dir.into()], 1, None).unwrap();
    let clock = Arc::new(SystemClock::new());
    let options = LogManagerOptions::default();
    LogManager::open(UringDisk, dirs, options, clock, &|_: &str| {
        LogConfig::default()
    })
    .unwrap()
}

fn append(log: &Arc<PartitionLog<UringDisk>>) {
    let mut builder = BatchBuilder::new();
    let no_headers: [Header<'static>; 0] = [];
    builder
        .append(1000, Some(b"key"), Some(&[1; 100]), no_headers)
        .unwrap();
    let records = builder.finish(Codec::None, None).unwrap().freeze();
    let ctx = AppendContext {
        leader_epoch: 0,
        origin: Origin::Client,
        now_ms: 1000,
    };
    if let Some(drain) = log.append(records, ctx).unwrap().drain {
        drain.run_blocking();
    }
}

/// Stops cleanly with two logs, one of them empty, and puts copies of these beside them: quick, and
/// leaves no freed memory that the open could hide in.
fn prepare(dir: &Path) {
    let (manager, _) = open(dir);
    for partition in 0..2 {
        let config = LogConfig::default();
        let log = manager.create_log("t", partition, Uuid::from_u128(1), config);
        let log = log.unwrap();
        if partition == 0 {
            append(&log);
        }
    }
    manager.shutdown().unwrap();
    for partition in 2..LOGS {
        let copy = dir.join(format!("t-{partition}"));
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(dir.join(format!("t-{}", partition % 2))).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
    }
}

/// Bytes of this process in memory that are its own.
fn resident_bytes() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<i64>().unwrap() * 1024
}

/// Files below the directory that this process has open.
fn open_files(dir: &Path) -> usize {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    // The one of this listing is gone when it is looked at.
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    targets
        .filter(|target| target.starts_with(dir) && target.parent() != Some(dir))
        .count()
}

#[test]
fn a_thousand_idle_logs_are_cheap() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    prepare(&dir);
    let before = resident_bytes();
    let (manager, summary) = open(&dir);
    let per_log = (resident_bytes() - before) / i64::from(LOGS);
    assert_eq!((summary.logs, summary.is_clean), (1000, true));
    assert!(
        0 < per_log && per_log < BYTES_PER_LOG_MAX,
        "{per_log} bytes for an idle log"
    );
    assert_eq!(open_files(&dir), 0, "files of idle logs that are open");
    assert!(summary.elapsed < Duration::from_secs(10), "{summary:?}");
    println!("{per_log} bytes per log, opened in {:?}", summary.elapsed);
    for (partition, end) in [(0, 1), (1, 0), (998, 1), (999, 0)] {
        let log = manager.log("t", partition).unwrap();
        assert_eq!(log.offsets().log_end, end);
        append(&log);
        assert_eq!(log.offsets().log_end, end + 1);
    }
    assert!(0 < open_files(&dir), "an open file would have been seen");
    manager.shutdown().unwrap();
}
