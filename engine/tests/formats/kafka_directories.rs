//! Log dirs that Apache Kafka 4.3.1 left behind, after a clean stop and after SIGKILL.

use std::fs;

use super::content::lines;
use super::log_dir::{Opened, TestDir};

const CLEAN: &str = "kafka-4.3.1-clean";
const UNCLEAN: &str = "kafka-4.3.1-unclean";
const RECOVERED: &str = "kafka-4.3.1-recovered";
const INDICES: [&str; 3] = [".index", ".timeindex", ".txnindex"];
const EVERYTHING: [&str; 1] = [""];

/// Fails at the first line of any partition that is not as Kafka's consumer saw it.
fn assert_content(dir: &TestDir, opened: &Opened) {
    for (partition, expected) in dir.expected() {
        let found = lines(&opened.log(&partition), &dir.partition(&partition));
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(found, expected, "in {partition}");
        }
        assert_eq!(found.len(), expected.len(), "lines about {partition}");
    }
}

#[test]
fn clean_directory_is_read_as_kafka_reads_it() {
    let dir = TestDir::unpack(CLEAN);
    let opened = dir.open();
    assert!(opened.summary.is_clean);
    assert_eq!(opened.summary.recovered_segments, 0);
    assert_eq!(opened.summary.truncated_bytes, 0);
    assert_content(&dir, &opened);
}

/// Snapshots between segments go, as in Kafka's `removeStraySnapshots`; Kafka's earlier clean stops
/// left one.
#[test]
fn clean_directory_is_left_as_it_was() {
    let dir = TestDir::unpack(CLEAN);
    let partitions: Vec<String> = dir.expected().into_keys().collect();
    let files = || {
        let of = |it: &String| dir.files(it, &EVERYTHING);
        partitions.iter().map(of).collect::<Vec<_>>()
    };
    let before = files();
    dir.open().manager.shutdown().unwrap();
    for ((partition, before), after) in partitions.iter().zip(before).zip(files()) {
        let newest = before.keys().rfind(|name| name.ends_with(".snapshot"));
        let is_stray = |name: &String| {
            name.ends_with(".snapshot")
                && Some(name) != newest
                && !before.contains_key(&name.replace(".snapshot", ".log"))
        };
        for (name, bytes) in &before {
            let found = after.get(name);
            assert!(found == Some(bytes) || is_stray(name), "{partition}/{name}");
        }
        assert!(after.len() <= before.len(), "new files in {partition}");
    }
}

#[test]
fn killed_directory_is_recovered_as_kafka_recovers_it() {
    let dir = TestDir::unpack(UNCLEAN);
    let opened = dir.open();
    assert!(!opened.summary.is_clean);
    assert!(0 < opened.summary.recovered_segments);
    assert_eq!(opened.summary.truncated_bytes, 0);
    assert_content(&dir, &opened);
    opened.manager.shutdown().unwrap();
    let recovered = TestDir::unpack(RECOVERED);
    for partition in dir.expected().keys() {
        let ours = dir.files(partition, &INDICES);
        let kafkas = recovered.files(partition, &INDICES);
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            kafkas.keys().collect::<Vec<_>>(),
            "index files of {partition}"
        );
        for (name, bytes) in &kafkas {
            assert_eq!(&ours[name], bytes, "{partition}/{name}");
        }
    }
}

/// L3, held against the indices of another implementation. Not for `transactions-0`: Kafka appended
/// to its last segment before and after a restart, which begins to count bytes since the last entry
/// anew, so its indices are not those of a walk; the recovered directory above has them.
#[test]
fn indices_are_rebuilt_as_kafka_wrote_them() {
    let dir = TestDir::unpack(CLEAN);
    let mut entries = 0;
    for partition in dir.expected().keys().filter(|it| *it != "transactions-0") {
        let written = dir.files(partition, &INDICES);
        for name in written.keys() {
            fs::remove_file(dir.partition(partition).join(name)).unwrap();
        }
        let opened = dir.open();
        assert!(0 < opened.summary.recovered_segments);
        opened.manager.shutdown().unwrap();
        let rebuilt = dir.files(partition, &INDICES);
        for (name, bytes) in &written {
            // Compaction removed the data of aborted transactions: what is left of them, the
            // marker, makes no entry, and no reader needs one.
            if partition == "compacted-0" && name.ends_with(".txnindex") {
                continue;
            }
            assert_eq!(rebuilt.get(name), Some(bytes), "{partition}/{name}");
            entries += bytes.len() / 8;
        }
    }
    assert!(50 < entries, "{entries} entries are enough to compare");
}
