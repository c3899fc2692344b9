//! Log dirs that Ringbrook itself wrote with a released version: the next ones must open them. What
//! to expect of them is what Apache Kafka read, so the intact one also shows that Kafka can.

use tempfile::TempDir;

use super::content::lines;
use super::every_file;
use super::log_dir::{Opened, TestDir};

const INTACT: &str = "ringbrook-0.1.0";
const DAMAGED: &str = "ringbrook-0.1.0-damaged";
/// Bytes cut from the damaged one: a torn batch, all from a changed byte on. The 100 zeros are no
/// damage.
const CUT_BYTES: u64 = 167 + 1920;

/// All lines but those about producers: Kafka forgets these by the time of their records.
fn assert_content(dir: &TestDir, opened: &Opened) {
    for (partition, expected) in dir.expected() {
        let log = opened.log(&partition);
        log.advance_high_watermark(i64::MAX);
        let mut found = lines(&log, &dir.partition(&partition));
        found.retain(|line| !line.starts_with("producer "));
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(found, expected, "in {partition}");
        }
        assert_eq!(found.len(), expected.len(), "lines about {partition}");
    }
    let producers = opened.log("transactions-0").active_producers();
    assert_eq!(producers.len(), 3);
    let open = producers.iter().find(|it| it.producer_id == 72).unwrap();
    assert_eq!((open.producer_epoch, open.last_sequence), (4, 2));
    assert_eq!(open.txn_start_offset, Some(80));
}

#[test]
fn released_directory_is_opened_as_it_is() {
    let dir = TestDir::unpack(INTACT);
    let opened = dir.open();
    assert!(opened.summary.is_clean);
    assert_eq!(opened.summary.recovered_segments, 0);
    assert_content(&dir, &opened);
    assert_eq!(opened.log("epochs-0").latest_epoch(), Some(5));
}

#[test]
fn damaged_released_directory_keeps_what_is_whole() {
    let dir = TestDir::unpack(DAMAGED);
    let opened = dir.open();
    assert!(!opened.summary.is_clean);
    assert_eq!(opened.summary.truncated_bytes, CUT_BYTES);
    assert_content(&dir, &opened);
}

/// A change of the on-disk format shows here: it needs an entry in CHANGELOG.md, FORMAT.md and a
/// new fixture beside the old one. Codecs are left out, as their libraries may compress better one
/// day, and snapshots, whose producers are in no order.
#[test]
fn bytes_written_today_are_those_of_the_release() {
    const FILES: [&str; 6] = [
        ".log",
        ".index",
        ".timeindex",
        ".txnindex",
        "leader-epoch-checkpoint",
        "partition.metadata",
    ];
    let released = TestDir::unpack(INTACT);
    let today = TestDir::of(TempDir::new().unwrap());
    let manager = every_file::write(today.path().to_owned()).unwrap();
    manager.shutdown().unwrap();
    for partition in [
        "codecs-0",
        "epochs-0",
        "transactions-0",
        "__transaction_state-0",
    ] {
        let files = today.files(partition, &FILES);
        assert!(4 < files.len(), "{partition} is written");
        for (name, bytes) in released.files(partition, &FILES) {
            assert_eq!(files.get(&name), Some(&bytes), "{partition}/{name}");
        }
        assert_eq!(files.len(), released.files(partition, &FILES).len());
    }
    for name in [
        "replication-offset-checkpoint",
        "log-start-offset-checkpoint",
    ] {
        let read = |dir: &TestDir| {
            let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(read(&today), read(&released), "{name}");
    }
}
