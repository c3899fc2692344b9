//! What a `read_committed` consumer makes of what it is given: it drops the records of aborted
//! transactions itself, by the lists that come with the batches, as Kafka's client does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use proptest::prelude::*;
use ringbrook_record::{Batches, EndTransactionMarker};

use super::support::*;
use crate::config::LogConfig;
use crate::index::AbortedTransaction;
use crate::io::SimDisk;
use crate::log::validate::read_marker;
use crate::log::{LogSlice, PartitionLog};

type Log = Arc<PartitionLog<SimDisk>>;

/// The bases of the data batches a consumer shows when it reads everything below the last stable
/// offset from `from` on, `max_bytes` at a time; checks each list on the way.
fn consume(log: &Log, from: i64, max_bytes: usize) -> BTreeSet<i64> {
    let mut shown = BTreeSet::new();
    let mut at = from;
    loop {
        let upper = log.offsets().last_stable;
        let slice = log
            .read_committed_blocking(at, max_bytes, upper, true)
            .unwrap();
        if slice.bytes == 0 {
            return shown;
        }
        at = consume_slice(log, &slice, at, &mut shown);
    }
}

/// Kafka's `CompletedFetch`: returns the offset to go on from.
fn consume_slice(
    log: &Log,
    slice: &LogSlice<SimDisk>,
    from: i64,
    shown: &mut BTreeSet<i64>,
) -> i64 {
    let mut pending: BinaryHeap<Reverse<(i64, i64)>> = slice
        .aborted
        .iter()
        .map(|it| Reverse((it.first_offset, it.producer_id)))
        .collect();
    let mut aborting = BTreeSet::new();
    let bytes = log.load_blocking(slice).unwrap();
    let mut next = from;
    for batch in Batches::new(&bytes) {
        // The last one may be cut.
        let Ok(batch) = batch else { break };
        let header = &batch.header;
        while let Some(Reverse((first, producer))) = pending.peek().copied()
            && first <= header.last_offset()
        {
            aborting.insert(producer);
            pending.pop();
        }
        next = header.last_offset() + 1;
        if let Some(EndTransactionMarker { is_commit, .. }) = read_marker(&batch).unwrap() {
            if !is_commit {
                aborting.remove(&header.producer_id);
            }
            continue;
        }
        let is_dropped =
            header.attributes.is_transactional() && aborting.contains(&header.producer_id);
        if !is_dropped && from <= header.last_offset() {
            shown.insert(header.base_offset);
        }
    }
    next
}

#[derive(Debug, Clone)]
enum Step {
    Data { producer: i64, count: i32 },
    Plain { count: i32 },
    End { producer: i64, is_commit: bool },
    Reopen,
    Read { percent: u8, max_bytes: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_i64..6, 1_i32..4).prop_map(|(producer, count)| Step::Data { producer, count }),
        2 => (1_i32..4).prop_map(|count| Step::Plain { count }),
        4 => (1_i64..6, prop::bool::weighted(0.4))
            .prop_map(|(producer, is_commit)| Step::End { producer, is_commit }),
        1 => Just(Step::Reopen),
        2 => (0_u8..=100, 1_usize..4000)
            .prop_map(|(percent, max_bytes)| Step::Read { percent, max_bytes }),
    ]
}

/// What is really committed.
#[derive(Default)]
struct Truth {
    /// Base and last offset of the batches of open transactions, and where these began.
    open: BTreeMap<i64, Vec<(i64, i64)>>,
    committed: BTreeMap<i64, i64>,
    next_sequence: BTreeMap<i64, i32>,
}

impl Truth {
    fn last_stable(&self, log_end: i64) -> i64 {
        let first = self.open.values().filter_map(|batches| batches.first());
        first.map(|(base, _)| *base).min().unwrap_or(log_end)
    }

    /// Bases of the batches to be shown from `from` on.
    fn shown(&self, from: i64, log_end: i64) -> BTreeSet<i64> {
        let below = self.last_stable(log_end);
        let batches = self.committed.iter();
        batches
            .filter(|(base, last)| from <= **last && **base < below)
            .map(|(base, _)| *base)
            .collect()
    }
}

fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 1500,
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

fn run(steps: &[Step]) {
    let disk = SimDisk::new(1);
    let mut log = create(&disk, small());
    let mut truth = Truth::default();
    for step in steps {
        match *step {
            Step::Data { producer, count } => {
                let sequence = truth.next_sequence.entry(producer).or_default();
                let batch = transactional(producer, 0, *sequence, count);
                *sequence += count;
                let stored = append(&log, &batch, client()).unwrap();
                let batches = truth.open.entry(producer).or_default();
                batches.push((stored.base_offset, stored.last_offset));
            }
            Step::Plain { count } => {
                let stored = append(&log, &batch(count, 20), client()).unwrap();
                truth
                    .committed
                    .insert(stored.base_offset, stored.last_offset);
            }
            Step::End {
                producer,
                is_commit,
            } => {
                append(&log, &marker(producer, 0, is_commit), coordinator()).unwrap();
                let ended = truth.open.remove(&producer).unwrap_or_default();
                if is_commit {
                    truth.committed.extend(ended);
                }
            }
            Step::Reopen => {
                log.close(1000).unwrap();
                drop(log);
                log = open(&disk, small(), hints(true)).0;
                log.advance_high_watermark(i64::MAX);
            }
            Step::Read { percent, max_bytes } => {
                let log_end = log.offsets().log_end;
                let from = log_end * i64::from(percent) / 100;
                let shown = consume(&log, from, max_bytes);
                assert_eq!(shown, truth.shown(from, log_end), "from {from}");
            }
        }
        let offsets = log.offsets();
        assert_eq!(offsets.last_stable, truth.last_stable(offsets.log_end));
    }
    let log_end = log.offsets().log_end;
    assert_eq!(consume(&log, 0, 700), truth.shown(0, log_end));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn consumers_show_exactly_what_is_committed(steps in prop::collection::vec(step(), 1..120)) {
        run(&steps);
    }
}

/// A log of so many aborted transactions of one record each, in one segment.
fn many_aborted(disk: &SimDisk, count: i64) -> Log {
    let log = create(disk, LogConfig::default());
    for producer in 0..count {
        append(&log, &transactional(producer, 0, 0, 1), client()).unwrap();
        append(&log, &marker(producer, 0, false), coordinator()).unwrap();
    }
    log
}

/// A list of all that was ever aborted would be sent with every fetch of a reader that is behind.
#[test]
fn lists_are_as_long_as_what_was_read() {
    let disk = SimDisk::new(1);
    let log = many_aborted(&disk, 3000);
    let check = |log: &Log| {
        for start in [0, 1500, 4000] {
            let slice = log
                .read_committed_blocking(start, 8 << 10, 6000, true)
                .unwrap();
            // About 160 bytes a transaction, and an entry of the index for 4 KiB.
            let count = slice.aborted.len();
            assert!((50..130).contains(&count), "{count} from {start}");
            assert!(consume(log, start, 8 << 10).is_empty());
        }
    };
    check(&log);
    log.close(1000).unwrap();
    drop(log);
    let (log, _) = open(&disk, LogConfig::default(), hints(true));
    log.advance_high_watermark(i64::MAX);
    check(&log);
}

/// Data in one segment, the marker two segments later.
#[test]
fn a_transaction_over_segments_is_found_from_its_first_one() {
    let log = create(&SimDisk::new(1), small());
    append(&log, &transactional(1, 0, 0, 1), client()).unwrap();
    while log.segments_count() < 4 {
        append(&log, &batch(1, 300), client()).unwrap();
    }
    assert!(consume(&log, 0, 1).is_empty(), "nothing is stable yet");
    append(&log, &marker(1, 0, false), coordinator()).unwrap();
    let slice = log.read_committed_blocking(0, 1, 1 << 40, true).unwrap();
    let marker_offset = log.offsets().log_end - 1;
    let expected = AbortedTransaction {
        producer_id: 1,
        first_offset: 0,
        last_offset: marker_offset,
        last_stable_offset: marker_offset + 1,
    };
    assert_eq!(slice.aborted, [expected]);
    let plain = log.read_blocking(0, 1, 1 << 40, true).unwrap();
    assert!(plain.aborted.is_empty(), "nobody asked");
    assert!(!consume(&log, 0, 1).contains(&0));
}

/// The segment with the marker goes between the choice of the range and the question what was
/// aborted in it: here the choice still has the segments.
#[test]
fn the_list_outlives_the_segments_it_is_from() {
    let disk = SimDisk::new(1);
    let log = create(&disk, small());
    append(&log, &transactional(1, 0, 0, 1), client()).unwrap();
    append(&log, &marker(1, 0, false), coordinator()).unwrap();
    while log.segments_count() < 3 {
        append(&log, &batch(1, 300), client()).unwrap();
    }
    let deciding = log.lock().deciding_segments(0, 2);
    assert_eq!(deciding.len(), 1);
    log.advance_log_start_offset(log.offsets().high_watermark)
        .unwrap();
    log.delete_old_segments(1000).unwrap();
    assert!(log.aborted_transactions(0, 2).is_empty());
    let mut found = Vec::new();
    assert!(deciding[0].indexes().txn.collect(0, 2, &mut found));
    assert_eq!(found.len(), 1);
}
