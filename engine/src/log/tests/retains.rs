//! Retention by log start offset, size and time.

use std::sync::Arc;

use super::support::*;
use crate::config::{CleanupPolicy, LogConfig};
use crate::io::{Disk, SimDisk};
use crate::log::PartitionLog;

/// Ten segments of one batch each at times 0, 100, 200, ...
fn ten_segments(config: LogConfig) -> (SimDisk, Arc<PartitionLog<SimDisk>>) {
    let disk = SimDisk::new(1);
    let segment_bytes = u32::try_from(timed(0, 2).len()).unwrap();
    let log = create(
        &disk,
        LogConfig {
            segment_bytes,
            ..config
        },
    );
    for n in 0..10 {
        append(&log, &timed(n * 100, 2), client()).unwrap();
    }
    assert_eq!(log.segments_count(), 10);
    (disk, log)
}

const KEEP: LogConfigChange = LogConfigChange {
    retention_ms: -1,
    retention_bytes: -1,
};

struct LogConfigChange {
    retention_ms: i64,
    retention_bytes: i64,
}

impl LogConfigChange {
    fn config(&self) -> LogConfig {
        LogConfig {
            retention_ms: self.retention_ms,
            retention_bytes: self.retention_bytes,
            ..LogConfig::default()
        }
    }
}

#[test]
fn time_goes_by_record_timestamps() {
    let (disk, log) = ten_segments(
        LogConfigChange {
            retention_ms: 500,
            ..KEEP
        }
        .config(),
    );
    assert!(
        log.delete_old_segments(501).unwrap().is_empty(),
        "the oldest record is of 1"
    );
    let renamed = log.delete_old_segments(502).unwrap();
    assert_eq!(log.offsets().log_start, 2);
    assert!(
        renamed.iter().all(|path| disk.stat(path).is_ok()),
        "{renamed:?}"
    );
    assert!(
        renamed
            .iter()
            .all(|path| path.to_str().unwrap().ends_with(".deleted"))
    );
    log.delete_old_segments(1000).unwrap();
    assert_eq!((log.offsets().log_start, log.segments_count()), (10, 5));
    assert!(log.read_blocking(9, 10, 20, true).is_err());
    assert_eq!(read_all(&log, 10).len(), 5 * timed(0, 2).len());
    // When even the active one is too old, an empty one takes its place.
    log.delete_old_segments(100_000).unwrap();
    let offsets = log.offsets();
    assert_eq!(
        (offsets.log_start, offsets.log_end, log.segments_count()),
        (20, 20, 1)
    );
    log.delete_old_segments(200_000).unwrap();
    assert_eq!(log.segments_count(), 1, "an empty segment is kept");
    assert_eq!(
        append(&log, &timed(0, 2), client()).unwrap().base_offset,
        20
    );
    let (log, _) = open(&disk, log.config(), hints(false));
    assert_eq!(log.offsets().log_start, 20);
}

#[test]
fn size_never_falls_below_the_limit() {
    let bytes = i64::try_from(timed(0, 2).len()).unwrap();
    for (limit, left) in [
        (bytes * 4, 4),
        (bytes * 4 - 1, 4),
        (bytes * 4 + 1, 5),
        (0, 1),
        (-1, 10),
    ] {
        let (_, log) = ten_segments(
            LogConfigChange {
                retention_bytes: limit,
                ..KEEP
            }
            .config(),
        );
        log.delete_old_segments(0).unwrap();
        assert_eq!(log.segments_count(), left, "limit {limit}");
    }
}

#[test]
fn nothing_above_the_high_watermark_goes() {
    let disk = SimDisk::new(1);
    let segment_bytes = u32::try_from(timed(0, 2).len()).unwrap();
    let config = LogConfigChange {
        retention_ms: 1,
        ..KEEP
    }
    .config();
    let log = create(
        &disk,
        LogConfig {
            segment_bytes,
            ..config
        },
    );
    for n in 0..10 {
        log.append(timed(n, 2), client())
            .unwrap()
            .drain
            .unwrap()
            .run_blocking();
    }
    log.advance_high_watermark(7);
    log.delete_old_segments(1_000_000).unwrap();
    assert_eq!(log.offsets().log_start, 6);
}

#[test]
fn delete_records_moves_the_start_and_the_bytes_go_later() {
    let compact = CleanupPolicy {
        delete: false,
        compact: true,
    };
    let (_, log) = ten_segments(LogConfig {
        cleanup_policy: compact,
        ..KEEP.config()
    });
    assert_eq!(log.advance_log_start_offset(7).unwrap(), 7);
    assert_eq!(log.segments_count(), 10);
    assert!(log.read_blocking(6, 10, 20, true).is_err());
    log.delete_old_segments(0).unwrap();
    assert_eq!((log.segments_count(), log.offsets().log_start), (7, 7));
    let first = log.read_blocking(7, 10_000, 20, true).unwrap();
    assert_eq!(
        first.regions[0].position, 0,
        "the batch that holds the start is kept whole"
    );
    assert_eq!(
        log.advance_log_start_offset(3).unwrap(),
        7,
        "it never goes back"
    );
    for offset in [-2, 21] {
        assert!(log.advance_log_start_offset(offset).is_err());
    }
    assert_eq!(log.advance_log_start_offset(-1).unwrap(), 20);
}

#[test]
fn readers_keep_deleted_segments_readable() {
    let (_, log) = ten_segments(
        LogConfigChange {
            retention_ms: 1,
            ..KEEP
        }
        .config(),
    );
    let slice = log.read_blocking(0, 10_000, 20, true).unwrap();
    log.delete_old_segments(1_000_000).unwrap();
    assert_eq!(log.load_blocking(&slice).unwrap()[16..], timed(0, 2)[16..]);
}
