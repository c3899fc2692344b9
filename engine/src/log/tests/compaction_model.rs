//! Compaction against a list of records: random keyed appends with tombstones, codecs, idempotent
//! producers and transactions, rolls, rounds with maps of any size, time that passes, reopening.
//! After each round the stored records are compared with what a reader must and must not find.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;
use ringbrook_record::{Batch, BatchBuilder, Codec, RecordBuffer, TimestampType};

use super::compacts::{Unlimited, batches_of, config, roll, try_round};
use super::support::*;
use crate::compaction::OffsetMap;
use crate::config::LogConfig;
use crate::io::{Disk, SimDisk};
use crate::log::PartitionLog;
use crate::log::open::OpenHints;

const RETENTION_MS: i64 = 1000;
/// Producer 0 has no id, 1 and 2 are idempotent, 3 and 4 transactional.
const PRODUCERS: i64 = 5;
const FIRST_TRANSACTIONAL: i64 = 3;

type Content = Vec<(u8, bool, i64)>;

#[derive(Debug, Clone)]
enum Step {
    /// Keys, whether there is a value, timestamps.
    Append {
        producer: i64,
        records: Content,
        codec: Codec,
    },
    End {
        producer: i64,
        is_commit: bool,
    },
    Roll,
    Pass {
        ms: i64,
    },
    Clean {
        slots: usize,
    },
    Reopen {
        is_clean: bool,
        keeps_snapshots: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let records = prop::collection::vec((0_u8..8, prop::bool::weighted(0.7), 0_i64..5000), 1..6);
    prop_oneof![
        12 => (0..PRODUCERS, records, prop::sample::select(&Codec::ALL[..]))
            .prop_map(|(producer, records, codec)| Step::Append { producer, records, codec }),
        3 => (FIRST_TRANSACTIONAL..PRODUCERS, any::<bool>())
            .prop_map(|(producer, is_commit)| Step::End { producer, is_commit }),
        2 => Just(Step::Roll),
        2 => (0_i64..1500).prop_map(|ms| Step::Pass { ms }),
        4 => (8_usize..40).prop_map(|slots| Step::Clean { slots }),
        1 => any::<(bool, bool)>()
            .prop_map(|(is_clean, keeps_snapshots)| Step::Reopen { is_clean, keeps_snapshots }),
    ]
}

/// How the transaction of a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    producer: i64,
    key: u8,
    value: Option<Vec<u8>>,
    timestamp: i64,
    fate: Fate,
    /// When a round met it first, if it is a tombstone.
    covered_ms: Option<i64>,
}

struct Model {
    disk: SimDisk,
    config: LogConfig,
    log: Arc<PartitionLog<SimDisk>>,
    entries: BTreeMap<i64, Entry>,
    log_end: i64,
    sequences: HashMap<i64, i32>,
    checkpoint: Option<i64>,
    now_ms: i64,
}

impl Model {
    fn new(config: LogConfig) -> Self {
        let disk = SimDisk::new(1);
        let log = create(&disk, config);
        Self {
            disk,
            config,
            log,
            entries: BTreeMap::new(),
            log_end: 0,
            sequences: HashMap::new(),
            checkpoint: None,
            now_ms: 10_000,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append {
                producer,
                records,
                codec,
            } => self.append(producer, &records, codec),
            Step::End {
                producer,
                is_commit,
            } => self.end(producer, is_commit),
            Step::Roll => roll(&self.log),
            Step::Pass { ms } => self.now_ms += ms,
            Step::Clean { slots } => self.clean(slots),
            Step::Reopen {
                is_clean,
                keeps_snapshots,
            } => self.reopen(is_clean, keeps_snapshots),
        }
    }

    fn append(&mut self, producer: i64, records: &[(u8, bool, i64)], codec: Codec) {
        let is_transactional = FIRST_TRANSACTIONAL <= producer;
        let mut builder = BatchBuilder::new();
        if 0 < producer {
            let sequence = self.sequences.entry(producer).or_insert(0);
            builder = builder.producer(producer, 0, *sequence);
            *sequence += i32::try_from(records.len()).unwrap();
        }
        if is_transactional {
            builder = builder.transactional();
        }
        for (offset, (key, has_value, timestamp)) in (self.log_end..).zip(records) {
            let value = has_value.then(|| vec![*key; 20 + usize::try_from(offset % 50).unwrap()]);
            builder
                .append(*timestamp, Some(&[*key]), value.as_deref(), NO_HEADERS)
                .unwrap();
            let is_set_by_log = self.config.timestamp_type == TimestampType::LogAppendTime;
            let entry = Entry {
                producer,
                key: *key,
                value,
                timestamp: if is_set_by_log {
                    client().now_ms
                } else {
                    *timestamp
                },
                fate: if is_transactional {
                    Fate::Open
                } else {
                    Fate::Committed
                },
                covered_ms: None,
            };
            self.entries.insert(offset, entry);
        }
        let bytes = builder.finish(codec, None).unwrap().freeze();
        let stored = append(&self.log, &bytes, client()).unwrap();
        assert_eq!(
            (stored.base_offset, stored.is_duplicate),
            (self.log_end, false)
        );
        self.log_end = stored.last_offset + 1;
    }

    fn end(&mut self, producer: i64, is_commit: bool) {
        let stored = append(&self.log, &marker(producer, 0, is_commit), coordinator()).unwrap();
        assert_eq!(stored.base_offset, self.log_end);
        self.log_end += 1;
        for entry in self.entries.values_mut() {
            if entry.producer == producer && entry.fate == Fate::Open {
                entry.fate = if is_commit {
                    Fate::Committed
                } else {
                    Fate::Aborted
                };
            }
        }
    }

    fn clean(&mut self, slots: usize) {
        let mut map = OffsetMap::new(slots * 24, 0.9);
        let report = try_round(
            &self.log,
            &mut map,
            self.checkpoint,
            &Unlimited,
            self.now_ms,
        )
        .unwrap();
        let bound = report.next_dirty_offset;
        assert!(
            self.checkpoint <= Some(bound),
            "the checkpoint never goes back"
        );
        let oldest_open = self
            .entries
            .iter()
            .find(|(_, entry)| entry.fate == Fate::Open);
        if let Some((open, _)) = oldest_open {
            assert!(bound <= *open, "open transactions are not cleaned");
        }
        self.checkpoint = Some(bound);
        let now_ms = self.now_ms;
        for (_, entry) in self.entries.range_mut(..bound) {
            if entry.value.is_none() {
                entry.covered_ms.get_or_insert(now_ms);
            }
        }
        self.check();
    }

    fn reopen(&mut self, is_clean: bool, keeps_snapshots: bool) {
        let offsets = self.log.offsets();
        if is_clean {
            self.log.close(0).unwrap();
        }
        self.disk = self.disk.restart();
        if !keeps_snapshots {
            for entry in self.disk.list(&partition_dir()).unwrap() {
                if entry.name.ends_with(".snapshot") {
                    let path = partition_dir().join(entry.name);
                    self.disk.remove_file(&path).unwrap();
                }
            }
        }
        let with = OpenHints {
            recovery_point: if keeps_snapshots {
                offsets.recovery_point
            } else {
                0
            },
            log_start: offsets.log_start,
            high_watermark: offsets.high_watermark,
            ..hints(is_clean && keeps_snapshots)
        };
        self.log = open(&self.disk, self.config, with).0;
        self.check();
    }

    fn check(&self) {
        let offsets = self.log.offsets();
        assert_eq!((offsets.log_start, offsets.log_end), (0, self.log_end));
        let stored = self.stored();
        self.check_contents(&stored);
        self.check_producers();
        self.check_consumer(offsets.last_stable);
    }

    /// Every stored record is one that was appended, in its order.
    fn stored(&self) -> HashSet<i64> {
        let mut buffer = RecordBuffer::new();
        let mut found = HashSet::new();
        let mut above = -1;
        for bytes in batches_of(&self.log) {
            let batch = Batch::parse(&bytes).unwrap();
            assert!(above < batch.header.base_offset);
            above = batch.header.last_offset();
            if batch.header.attributes.is_control() {
                continue;
            }
            for record in batch.records(&mut buffer, 1 << 20).unwrap() {
                let record = record.unwrap();
                let offset = batch.header.record_offset(record.offset_delta);
                let entry = &self.entries[&offset];
                assert_eq!(record.key, Some(&[entry.key][..]));
                assert_eq!(record.value, entry.value.as_deref());
                let timestamp = batch.header.record_timestamp(record.timestamp_delta);
                assert_eq!(timestamp, entry.timestamp, "of {offset}");
                assert!(found.insert(offset));
            }
        }
        found
    }

    fn check_contents(&self, stored: &HashSet<i64>) {
        let bound = self.checkpoint.unwrap_or(0);
        let mut latest = HashMap::new();
        for (offset, entry) in &self.entries {
            if entry.fate == Fate::Committed {
                latest.insert(entry.key, *offset);
            }
        }
        let mut latest_cleaned = HashMap::new();
        for (offset, entry) in self.entries.range(..bound) {
            if entry.fate == Fate::Committed {
                latest_cleaned.insert(entry.key, *offset);
            }
        }
        for (offset, entry) in &self.entries {
            let is_stored = stored.contains(offset);
            if bound <= *offset {
                assert!(is_stored || entry.fate == Fate::Aborted, "{offset} is gone");
                continue;
            }
            if entry.fate == Fate::Aborted || latest_cleaned[&entry.key] != *offset {
                assert!(!is_stored, "{offset} is still there: {entry:?}");
                continue;
            }
            let is_latest = latest[&entry.key] == *offset;
            let has_time = entry
                .covered_ms
                .is_none_or(|covered_ms| self.now_ms < covered_ms + RETENTION_MS);
            assert!(
                is_stored || !is_latest || !has_time,
                "{offset} is gone: {entry:?}"
            );
        }
    }

    /// After a round no tombstone is left whose time has come.
    fn check_expired(&self, stored: &HashSet<i64>) {
        for (offset, entry) in &self.entries {
            let is_expired = entry
                .covered_ms
                .is_some_and(|covered_ms| covered_ms + RETENTION_MS <= self.now_ms);
            assert!(
                !is_expired || !stored.contains(offset),
                "{offset}: {entry:?}"
            );
        }
    }

    fn check_producers(&self) {
        let mut found = HashMap::new();
        for producer in self.log.active_producers() {
            found.insert(producer.producer_id, producer);
        }
        for (id, next) in &self.sequences {
            let producer = &found[id];
            assert_eq!(producer.last_sequence + 1, *next, "of producer {id}");
            let mut open = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.producer == *id && entry.fate == Fate::Open);
            let first_open = open.next().map(|(offset, _)| *offset);
            assert_eq!(producer.txn_start_offset, first_open, "of producer {id}");
        }
    }

    /// A `read_committed` consumer, which leaves out aborted data as clients do, ends with the last
    /// value of each key.
    fn check_consumer(&self, last_stable: i64) {
        let mut expected = BTreeMap::new();
        for (_, entry) in self.entries.range(..last_stable) {
            if entry.fate == Fate::Committed {
                expected.insert(entry.key, entry.value.clone());
            }
        }
        expected.retain(|_, value| value.is_some());
        let mut ahead = self.log.aborted_transactions(0, last_stable);
        ahead.sort_by_key(|aborted| std::cmp::Reverse(aborted.first_offset));
        let mut aborted = HashSet::new();
        let mut buffer = RecordBuffer::new();
        let mut values = BTreeMap::new();
        for bytes in batches_of(&self.log) {
            let batch = Batch::parse(&bytes).unwrap();
            let header = batch.header;
            if last_stable <= header.base_offset {
                break;
            }
            while let Some(next) = ahead.pop_if(|next| next.first_offset <= header.last_offset()) {
                aborted.insert(next.producer_id);
            }
            let mut records = batch.records(&mut buffer, 1 << 20).unwrap();
            if header.attributes.is_control() {
                if let Some(record) = records.next()
                    && record.unwrap().key.unwrap()[3] == 0
                {
                    aborted.remove(&header.producer_id);
                }
                continue;
            }
            if header.attributes.is_transactional() && aborted.contains(&header.producer_id) {
                continue;
            }
            for record in records {
                let record = record.unwrap();
                values.insert(record.key.unwrap()[0], record.value.map(<[u8]>::to_vec));
            }
        }
        values.retain(|_, value| value.is_some());
        assert_eq!(values, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn rounds_keep_what_readers_need_and_nothing_else(
        steps in prop::collection::vec(step(), 1..80),
        segment_bytes in 600_u32..3000,
        index_interval_bytes in 0_u32..500,
        is_log_append_time: bool,
    ) {
        let config = LogConfig {
            segment_bytes,
            index_interval_bytes,
            delete_retention_ms: RETENTION_MS,
            timestamp_type: if is_log_append_time {
                TimestampType::LogAppendTime
            } else {
                TimestampType::CreateTime
            },
            ..config()
        };
        let mut model = Model::new(config);
        for step in steps {
            model.run(step);
        }
        for producer in FIRST_TRANSACTIONAL..PRODUCERS {
            model.end(producer, producer % 2 == 0);
        }
        roll(&model.log);
        model.append(0, &[(0, true, 1)], Codec::None);
        // Until all is clean, and once more for the tombstones of the last of these rounds.
        while model.checkpoint != Some(model.log_end - 1) {
            model.clean(40);
        }
        model.now_ms += RETENTION_MS;
        model.clean(40);
        model.check_expired(&model.stored());
        model.reopen(true, true);
        model.reopen(false, false);
    }
}
