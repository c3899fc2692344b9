//! The log against a `Vec` of batches: appends of several producers, rolls, reopening, retention,
//! DeleteRecords, truncation, reads anywhere, lookups by timestamp. Offsets are dense and bytes
//! equal (L4).

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use ringbrook_record::{Batches, RecordBuffer};

use super::support::*;
use crate::config::LogConfig;
use crate::io::SimDisk;
use crate::log::PartitionLog;
use crate::log::open::OpenHints;

#[derive(Debug, Clone)]
enum Step {
    Append {
        producer: i64,
        count: i32,
        bytes: usize,
    },
    AppendTogether {
        batches: usize,
    },
    Repeat {
        producer: i64,
    },
    CloseAndOpen,
    Crash,
    DeleteRecords {
        percent: u8,
    },
    Retain {
        bytes: i64,
    },
    Read {
        percent: u8,
        max_bytes: usize,
    },
    AppendTimed {
        timestamp: i64,
        count: i32,
    },
    Find {
        timestamp: i64,
    },
    Truncate {
        percent: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_i64..4, 1_i32..6, 0_usize..300)
            .prop_map(|(producer, count, bytes)| Step::Append { producer, count, bytes }),
        2 => (2_usize..12).prop_map(|batches| Step::AppendTogether { batches }),
        2 => (1_i64..4).prop_map(|producer| Step::Repeat { producer }),
        1 => Just(Step::CloseAndOpen),
        1 => Just(Step::Crash),
        1 => (0_u8..=100).prop_map(|percent| Step::DeleteRecords { percent }),
        1 => (0_i64..4000).prop_map(|bytes| Step::Retain { bytes }),
        4 => (0_u8..=100, 0_usize..2000)
            .prop_map(|(percent, max_bytes)| Step::Read { percent, max_bytes }),
        4 => (100_i64..400, 1_i32..5)
            .prop_map(|(timestamp, count)| Step::AppendTimed { timestamp, count }),
        3 => (90_i64..420).prop_map(|timestamp| Step::Find { timestamp }),
        1 => (0_u8..=100).prop_map(|percent| Step::Truncate { percent }),
    ]
}

struct Stored {
    producer: i64,
    base_offset: i64,
    last_offset: i64,
    bytes: Bytes,
}

struct Model {
    disk: SimDisk,
    config: LogConfig,
    log: Arc<PartitionLog<SimDisk>>,
    batches: Vec<Stored>,
    log_start: i64,
    sequences: [i32; 4],
    last_sent: [Option<(i64, Bytes)>; 4],
}

impl Model {
    fn new(config: LogConfig) -> Self {
        let disk = SimDisk::new(1);
        let log = create(&disk, config);
        Self {
            disk,
            config,
            log,
            batches: Vec::new(),
            log_start: 0,
            sequences: [0; 4],
            last_sent: [const { None }; 4],
        }
    }

    fn next_offset(&self) -> i64 {
        self.batches.last().map_or(0, |batch| batch.last_offset + 1)
    }

    /// Producer 0 is one without idempotence.
    fn make(&mut self, producer: i64, count: i32, bytes: usize) -> Bytes {
        let index = usize::try_from(producer).unwrap();
        let records = match producer {
            0 => batch(count, bytes),
            _ => produced(producer, 0, self.sequences[index], count, bytes),
        };
        self.sequences[index] += count;
        self.last_sent[index] = Some((self.next_offset(), records.clone()));
        records
    }

    fn note(&mut self, producer: i64, records: Bytes, count: i32) -> i64 {
        let base_offset = self.next_offset();
        let last_offset = base_offset + i64::from(count) - 1;
        self.batches.push(Stored {
            producer,
            base_offset,
            last_offset,
            bytes: records,
        });
        base_offset
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append {
                producer,
                count,
                bytes,
            } => {
                let records = self.make(producer, count, bytes);
                let stored = append(&self.log, &records, client()).unwrap();
                assert_eq!(stored.base_offset, self.note(producer, records, count));
            }
            Step::AppendTogether { batches } => {
                let mut drain = None;
                for n in 0..batches {
                    let records = self.make(0, 1, n * 30);
                    let mut appended = self.log.append(records.clone(), client()).unwrap();
                    drain = drain.or(appended.drain.take());
                    assert_eq!(appended.base_offset, self.note(0, records, 1));
                }
                drain.unwrap().run_blocking();
                self.log.advance_high_watermark(i64::MAX);
            }
            Step::Repeat { producer } => {
                let index = usize::try_from(producer).unwrap();
                let Some((offset, records)) = self.last_sent[index].clone() else {
                    return;
                };
                let stored = append(&self.log, &records, client()).unwrap();
                assert!(stored.is_duplicate);
                assert_eq!(stored.base_offset, offset);
            }
            Step::CloseAndOpen => {
                self.log.close(0).unwrap();
                self.disk = self.disk.restart();
                self.reopen(true);
            }
            Step::Crash => self.reopen(false),
            Step::DeleteRecords { percent } => {
                let to = self.log_start
                    + (self.next_offset() - self.log_start) * i64::from(percent) / 100;
                self.log_start = self.log.advance_log_start_offset(to).unwrap();
                assert_eq!(self.log_start, to);
            }
            Step::Retain { bytes } => {
                let config = LogConfig {
                    retention_bytes: bytes,
                    ..self.config
                };
                self.log.update_config(config);
                self.log.delete_old_segments(0).unwrap();
                self.log.update_config(self.config);
                let start = self.log.offsets().log_start;
                assert!(self.log_start <= start);
                self.log_start = start;
            }
            Step::Read { percent, max_bytes } => self.read(percent, max_bytes),
            Step::AppendTimed { timestamp, count } => {
                let records = timed(timestamp, count);
                let stored = append(&self.log, &records, client()).unwrap();
                assert_eq!(stored.base_offset, self.note(0, records, count));
            }
            Step::Find { timestamp } => self.find(timestamp),
            Step::Truncate { percent } => self.truncate(percent),
        }
    }

    /// The first record from the log start on that is not older.
    fn find(&self, timestamp: i64) {
        let mut expected = None;
        for stored in &self.batches {
            let batch = Batches::new(&stored.bytes).next().unwrap().unwrap();
            let mut buffer = RecordBuffer::new();
            for record in batch.records(&mut buffer, 1 << 20).unwrap() {
                let record = record.unwrap();
                let offset = stored.base_offset + i64::from(record.offset_delta);
                let found = batch.header.record_timestamp(record.timestamp_delta);
                if self.log_start <= offset && timestamp <= found {
                    expected = expected.or(Some((found, offset)));
                }
            }
        }
        let end = self.next_offset();
        let found = self.log.offset_for_timestamp(timestamp, end).unwrap();
        assert_eq!(found.map(|it| (it.timestamp, it.offset)), expected);
    }

    /// Cuts before a batch; producers go on where they were there.
    fn truncate(&mut self, percent: u8) {
        let above = self
            .batches
            .iter()
            .filter(|batch| self.log_start <= batch.base_offset);
        let above: Vec<i64> = above.map(|batch| batch.base_offset).collect();
        let Some(last) = above.len().checked_sub(1) else {
            return;
        };
        let to = above[last * usize::from(percent) / 100];
        self.log.truncate_to(to).unwrap();
        self.batches.retain(|batch| batch.base_offset < to);
        let offsets = self.log.offsets();
        assert_eq!((offsets.log_start, offsets.log_end), (self.log_start, to));
        assert!(offsets.high_watermark <= to && offsets.recovery_point <= to);
        for producer in 1..4 {
            let mut newest_first = self.batches.iter().rev();
            let newest = newest_first.find(|batch| batch.producer == producer);
            let index = usize::try_from(producer).unwrap();
            self.sequences[index] = newest.map_or(0, |batch| {
                let sent = Batches::new(&batch.bytes).next().unwrap().unwrap();
                sent.header.last_sequence() + 1
            });
            // Of what retention removed nothing is known any more for certain.
            self.last_sent[index] = newest
                .filter(|batch| self.log_start <= batch.base_offset)
                .map(|batch| (batch.base_offset, batch.bytes.clone()));
        }
    }

    fn reopen(&mut self, is_clean: bool) {
        let offsets = self.log.offsets();
        let with = OpenHints {
            recovery_point: offsets.recovery_point,
            log_start: offsets.log_start,
            high_watermark: offsets.high_watermark,
            ..hints(is_clean)
        };
        self.log = open(&self.disk, self.config, with).0;
        let after = self.log.offsets();
        assert_eq!(
            (after.log_start, after.high_watermark, after.log_end),
            (offsets.log_start, offsets.high_watermark, offsets.log_end)
        );
    }

    /// A read anywhere gives the bytes of the model from the batch that holds the offset on.
    fn read(&self, percent: u8, max_bytes: usize) {
        let end = self.next_offset();
        let start = self.log_start + (end - self.log_start) * i64::from(percent) / 100;
        let slice = self.log.read_blocking(start, max_bytes, end, true).unwrap();
        let bytes = self.log.load_blocking(&slice).unwrap();
        if start == end {
            assert!(bytes.is_empty());
            return;
        }
        let first = self
            .batches
            .iter()
            .position(|batch| start <= batch.last_offset)
            .unwrap();
        let size = self.batches[first].bytes.len();
        assert!(size <= bytes.len() && bytes.len() <= max_bytes.max(size));
        self.compare(&bytes, first);
    }

    fn compare(&self, bytes: &[u8], first: usize) -> usize {
        let mut count = 0;
        for (batch, expected) in Batches::new(bytes).zip(&self.batches[first..]) {
            let batch = batch.unwrap();
            assert_eq!(batch.header.base_offset, expected.base_offset);
            assert_eq!(batch.bytes[16..], expected.bytes[16..]);
            count += 1;
        }
        count
    }

    fn check_all(&self) {
        let end = self.next_offset();
        assert_eq!(self.log.offsets().log_end, end);
        if self.log_start < end {
            let first = self
                .batches
                .iter()
                .position(|batch| self.log_start <= batch.last_offset)
                .unwrap();
            let count = self.compare(&read_all(&self.log, self.log_start), first);
            assert_eq!(first + count, self.batches.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn log_equals_a_list_of_batches(
        steps in prop::collection::vec(step(), 1..60),
        segment_bytes in 2000_u32..6000,
        index_interval_bytes in 0_u32..1000,
        flush_before_ack: bool,
    ) {
        let config = LogConfig {
            segment_bytes,
            index_interval_bytes,
            flush_before_ack,
            retention_ms: -1,
            ..LogConfig::default()
        };
        let mut model = Model::new(config);
        for step in steps {
            model.run(step);
        }
        model.check_all();
        model.log.close(0).unwrap();
        model.reopen(true);
        model.check_all();
    }
}
