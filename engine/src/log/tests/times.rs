//! Looking up offsets by timestamp.

use super::support::*;
use crate::config::LogConfig;
use crate::io::SimDisk;
use crate::log::TimestampAndOffset;

fn found(timestamp: i64, offset: i64) -> Option<TimestampAndOffset> {
    Some(TimestampAndOffset {
        timestamp,
        offset,
        leader_epoch: Some(0),
    })
}

#[test]
fn finds_the_first_record_not_before() {
    let config = LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 50,
        ..LogConfig::default()
    };
    let disk = SimDisk::new(1);
    let log = create(&disk, config);
    // Records at 100, 101, 102, 110, 111, 112, 120, ...
    for n in 0..50 {
        append(&log, &timed(100 + n * 10, 3), client()).unwrap();
    }
    assert!(5 < log.segments_count());
    log.close(0).unwrap();
    let reopened = open(&disk, config, hints(true)).0;
    for log in [&log, &reopened] {
        for n in [0, 1, 7, 23, 48, 49] {
            let (timestamp, offset) = (100 + n * 10, n * 3);
            let find = |timestamp| log.offset_for_timestamp(timestamp, 150).unwrap();
            assert_eq!(find(timestamp), found(timestamp, offset));
            assert_eq!(
                find(timestamp + 1),
                found(timestamp + 1, offset + 1),
                "inside a batch"
            );
            assert_eq!(
                find(timestamp - 5),
                found(timestamp, offset),
                "between batches"
            );
        }
        assert_eq!(log.offset_for_timestamp(0, 150).unwrap(), found(100, 0));
        assert_eq!(log.offset_for_timestamp(593, 150).unwrap(), None);
        assert_eq!(
            log.offset_for_timestamp(592, 149).unwrap(),
            None,
            "at the limit"
        );
        assert_eq!(log.max_timestamp_offset().unwrap(), found(592, 149));
    }
    reopened.advance_high_watermark(150);
    reopened.advance_log_start_offset(76).unwrap();
    assert_eq!(
        reopened.offset_for_timestamp(0, 150).unwrap(),
        found(351, 76)
    );
}

#[test]
fn largest_timestamp_need_not_be_last() {
    let log = create(&SimDisk::new(1), LogConfig::default());
    assert_eq!(log.max_timestamp_offset().unwrap(), None);
    for timestamp in [500, 900, 700] {
        append(&log, &timed(timestamp, 1), client()).unwrap();
    }
    assert_eq!(log.max_timestamp_offset().unwrap(), found(900, 1));
    assert_eq!(log.offset_for_timestamp(600, 3).unwrap(), found(900, 1));
}
