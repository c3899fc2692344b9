//! A log dir in a temporary directory, opened as the broker opens it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{
    LogConfig, LogDirs, LogManager, LogManagerOptions, OpenSummary, PartitionLog, SystemClock,
};
use tempfile::TempDir;

use super::archive::unpack;

/// A log dir of a fixture.
pub(crate) struct TestDir {
    dir: TempDir,
}

/// A log manager over it.
pub(crate) struct Opened {
    pub(crate) manager: Arc<LogManager<UringDisk>>,
    pub(crate) summary: OpenSummary,
}

/// A name and the files' bytes under it.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The settings of the topics in the fixtures.
pub(crate) fn config(topic: &str) -> LogConfig {
    LogConfig {
        segment_ms: 10_000,
        index_interval_bytes: 200,
        retention_ms: -1,
        segment_index_bytes: if topic == "rolled" { 10 << 20 } else { 1 << 16 },
        ..LogConfig::default()
    }
}

impl TestDir {
    pub(crate) fn unpack(fixture: &str) -> Self {
        let dir = TempDir::new().unwrap();
        unpack(fixture, dir.path(), |_| true);
        Self { dir }
    }

    /// Only this partition and the files of the log dir.
    pub(crate) fn unpack_only(fixture: &str, partition: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let inside = format!("{partition}/");
        unpack(fixture, dir.path(), |path| {
            path.matches('/').count() <= 1 && !path.ends_with('/')
                || path.trim_start_matches("./").starts_with(&inside)
        });
        Self { dir }
    }

    pub(crate) fn of(dir: TempDir) -> Self {
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn partition(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Opens the dir. Producers never expire: the records of the fixtures are from long ago.
    pub(crate) fn open(&self) -> Opened {
        let disk = UringDisk;
        let dirs = LogDirs::open(&disk, &[self.path().to_owned()], 1, None).unwrap();
        let options = LogManagerOptions {
            producer_id_expiration_ms: i64::MAX,
            ..LogManagerOptions::default()
        };
        let clock = Arc::new(SystemClock::new());
        let (manager, summary) = LogManager::open(disk, dirs, options, clock, &config).unwrap();
        Opened { manager, summary }
    }

    /// The files of a partition whose names end in one of `suffixes`.
    pub(crate) fn files(&self, partition: &str, suffixes: &[&str]) -> Files {
        let mut files = Files::new();
        for entry in fs::read_dir(self.partition(partition)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if suffixes.iter().any(|suffix| name.ends_with(suffix)) {
                files.insert(name, fs::read(path).unwrap());
            }
        }
        files
    }

    /// The partitions with what a consumer of Kafka read from them.
    pub(crate) fn expected(&self) -> BTreeMap<String, Vec<String>> {
        let text = fs::read_to_string(self.path().join("expected.txt")).unwrap();
        let mut partitions = BTreeMap::<String, Vec<String>>::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("partition ") {
                current = name.replace(' ', "-");
            } else {
                let lines = partitions.entry(current.clone()).or_default();
                lines.push(line.to_owned());
            }
        }
        assert!(!partitions.is_empty(), "the fixture says what to expect");
        partitions
    }
}

impl Opened {
    pub(crate) fn log(&self, partition: &str) -> Arc<PartitionLog<UringDisk>> {
        let (topic, number) = partition.rsplit_once('-').unwrap();
        let log = self.manager.log(topic, number.parse().unwrap());
        log.unwrap_or_else(|| panic!("{partition} is open"))
    }
}
