//! Checks an opened log against its files and its ledger: L1 to L5, producers, transactions, leader
//! epochs. [`verify_files`] needs nothing but the directory.

use std::path::Path;
use std::sync::Arc;

use ringbrook_record::{BatchHeader, Batches};

use super::breach::{Breach, Checked, Rule, check};
use super::files::{SegmentContent, read_segments};
use super::ledger::Ledger;
use super::random::Random;
use crate::io::SimDisk;
use crate::log::PartitionLog;

type Log = Arc<PartitionLog<SimDisk>>;

/// What a verification saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) batches: usize,
    pub(crate) lost_batches: usize,
    pub(crate) aborted_transactions: usize,
}

/// Checks the files of a partition by themselves: L2 and L3, and that every batch is whole.
pub(crate) fn verify_files(disk: &SimDisk, dir: &Path) -> Checked<Vec<SegmentContent>> {
    let segments = read_segments(disk, dir)?;
    let mut next_offset = 0;
    for segment in &segments {
        let base = segment.base_offset;
        check(Rule::L2, next_offset <= base, || {
            format!("segment {base} begins below {next_offset}")
        })?;
        next_offset = base;
        for place in &segment.batches {
            let (first, last) = (place.header.base_offset, place.header.last_offset());
            check(Rule::L2, next_offset <= first && first <= last, || {
                format!("batch {first} to {last} follows {next_offset} in segment {base}")
            })?;
            next_offset = last + 1;
        }
        verify_offset_index(segment)?;
        verify_time_index(segment)?;
        verify_txn_index(segment)?;
    }
    Ok(segments)
}

/// Entries strictly increase and point at batch starts.
fn verify_offset_index(segment: &SegmentContent) -> Checked {
    let mut last = -1;
    for &(relative, position) in &segment.offset_index {
        let is_batch = segment.batches.iter().any(|place| {
            place.position == position
                && place.header.last_offset() - segment.base_offset == relative
        });
        check(Rule::L3, last < relative && is_batch, || {
            let base = segment.base_offset;
            format!("offset index of {base}: {relative} at {position} after {last}")
        })?;
        last = relative;
    }
    Ok(())
}

/// Entries strictly increase; up to its offset no record is newer than an entry says, and its
/// batch has a record that old.
fn verify_time_index(segment: &SegmentContent) -> Checked {
    let mut last = (i64::MIN, -1);
    for &(timestamp, relative) in &segment.time_index {
        let offset = segment.base_offset + relative;
        let mut up_to = segment
            .batches
            .iter()
            .take_while(|place| place.header.last_offset() <= offset);
        let is_newest = up_to.all(|place| place.header.max_timestamp <= timestamp);
        let is_there = segment.batches.iter().any(|place| {
            place.header.last_offset() == offset && place.header.max_timestamp == timestamp
        });
        let is_rising = last.0 < timestamp && last.1 < relative;
        check(Rule::L3, is_rising && is_newest && is_there, || {
            let base = segment.base_offset;
            format!("time index of {base}: {timestamp} at {relative} after {last:?}")
        })?;
        last = (timestamp, relative);
    }
    Ok(())
}

fn verify_txn_index(segment: &SegmentContent) -> Checked {
    let mut last = segment.base_offset - 1;
    for aborted in &segment.txn_index {
        let is_marker = segment.batches.iter().any(|place| {
            place.header.last_offset() == aborted.last_offset
                && place.header.attributes.is_control()
                && place.header.producer_id == aborted.producer_id
        });
        let is_rising = last < aborted.last_offset && aborted.first_offset < aborted.last_offset;
        check(Rule::L3, is_marker && is_rising, || {
            format!("transaction index of {}: {aborted:?}", segment.base_offset)
        })?;
        last = aborted.last_offset;
    }
    Ok(())
}

/// Checks a log that was just opened, and what it answers, and settles its ledger.
pub(crate) fn verify_log(
    disk: &SimDisk,
    log: &Log,
    ledger: &mut Ledger,
    has_lost_page_cache: bool,
    random: &mut Random,
) -> Checked<Seen> {
    let dir = log.dir.load_full();
    let segments = verify_files(disk, &dir)?;
    let offsets = log.offsets();
    let first_base = segments.first().map_or(-1, |segment| segment.base_offset);
    check(Rule::L2, segments.len() == log.segments_count(), || {
        let count = log.segments_count();
        format!("{} log files, {count} segments", segments.len())
    })?;
    check(Rule::L1, first_base <= offsets.log_start, || {
        format!("{offsets:?}, the first segment is {first_base}")
    })?;
    let is_start_right = ledger.start_checkpointed <= offsets.log_start
        && offsets.log_start <= ledger.start_highest.max(first_base);
    check(Rule::L1, is_start_right, || {
        let (low, high) = (ledger.start_checkpointed, ledger.start_highest);
        format!("{offsets:?}: the log start was between {low} and {high}")
    })?;
    let batches: Vec<(BatchHeader, &[u8])> = segments
        .iter()
        .flat_map(|segment| {
            let places = segment.batches.iter();
            places.map(|place| (place.header, segment.bytes_of(place)))
        })
        .collect();
    let must_have_to = ledger.must_have_to(has_lost_page_cache);
    let lost_batches = ledger.settle(&batches, first_base, offsets.log_end, must_have_to)?;
    ledger.observe(&offsets)?;
    verify_end(&segments, offsets.log_end)?;
    verify_reads(log, &batches, random)?;
    verify_producers(log, ledger, first_base)?;
    let aborted_transactions = verify_transactions(log, ledger, first_base)?;
    verify_epochs(log, &batches)?;
    Ok(Seen {
        batches: batches.len(),
        lost_batches,
        aborted_transactions,
    })
}

fn verify_end(segments: &[SegmentContent], log_end: i64) -> Checked {
    let active = segments
        .last()
        .ok_or_else(|| Breach::new(Rule::L2, "a log without a segment"))?;
    let end = active
        .batches
        .last()
        .map_or(active.base_offset, |place| place.header.last_offset() + 1);
    check(Rule::L2, end == log_end, || {
        format!("the log end is {log_end}, the last batch ends at {end}")
    })?;
    // The last slot of a closed time index belongs to the segment's largest timestamp.
    for closed in &segments[..segments.len() - 1] {
        let largest = closed
            .batches
            .iter()
            .map(|place| place.header.max_timestamp);
        let largest = largest.max().filter(|largest| 0 <= *largest);
        let indexed = closed.time_index.last().map(|(timestamp, _)| *timestamp);
        check(Rule::L3, largest == indexed, || {
            let base = closed.base_offset;
            format!("time index of {base} ends at {indexed:?}, the segment at {largest:?}")
        })?;
    }
    Ok(())
}

/// Reading from the start, and from any offset, gives what the files hold.
fn verify_reads(log: &Log, batches: &[(BatchHeader, &[u8])], random: &mut Random) -> Checked {
    let offsets = log.offsets();
    let mut at = offsets.log_start;
    let mut expected = batches
        .iter()
        .filter(|(header, _)| offsets.log_start <= header.last_offset());
    while at < offsets.log_end {
        let part = read(log, at, 1 << 20, offsets.log_end)?;
        let mut count = 0;
        for batch in Batches::new(&part) {
            let batch = batch.map_err(|error| Breach::new(Rule::L4, error.to_string()))?;
            let is_next = expected
                .next()
                .is_some_and(|(_, bytes)| *bytes == batch.bytes);
            let found = batch.header.base_offset;
            check(Rule::L4, is_next, || {
                format!("reading from {at} gives batch {found}")
            })?;
            at = batch.header.last_offset() + 1;
            count += 1;
        }
        if count == 0 {
            break;
        }
    }
    check(Rule::L4, expected.next().is_none(), || {
        format!("reading ends at {at}: {offsets:?}")
    })?;
    for _ in 0..3 {
        let start = random.between(offsets.log_start, offsets.log_end);
        let first = batches
            .iter()
            .find(|(header, _)| start <= header.last_offset());
        let size_max = random.index(2000);
        let part = read(log, start, size_max, offsets.log_end)?;
        let is_right = match first {
            Some((_, bytes)) => part.starts_with(bytes),
            None => part.is_empty(),
        };
        check(Rule::L4, is_right, || {
            format!("reading {size_max} bytes from {start} gives others: {offsets:?}")
        })?;
    }
    Ok(())
}

fn read(log: &Log, start: i64, bytes_max: usize, upper: i64) -> Checked<Vec<u8>> {
    let broken = |error: crate::error::ReadError| {
        Breach::new(Rule::Operation, format!("reading from {start}: {error}"))
    };
    let slice = log
        .read_blocking(start, bytes_max, upper, true)
        .map_err(broken)?;
    log.load_blocking(&slice).map_err(broken)
}

/// Producers equal a replay of everything. What only batches that retention removed could tell may
/// be unknown if a crash took the snapshot that told it, too.
pub(crate) fn verify_producers(log: &Log, ledger: &mut Ledger, first_base: i64) -> Checked {
    let found = log.active_producers();
    for producer in &found {
        let id = producer.producer_id;
        let expected = ledger.replay.producers.get(&id);
        let is_alike = expected.is_some_and(|expected| {
            let mut expected = *expected;
            let is_cut = expected
                .txn_first_offset
                .is_some_and(|first| first < first_base);
            if is_cut && expected.txn_first_offset <= producer.txn_start_offset {
                expected.txn_first_offset = producer.txn_start_offset;
            }
            if expected.last_offset < first_base {
                return producer.last_timestamp_ms <= expected.last_timestamp_ms;
            }
            if expected.last_data_offset < first_base && producer.last_sequence == -1 {
                expected.last_sequence = -1;
            }
            if expected.last_marker_offset < first_base && producer.coordinator_epoch == -1 {
                expected.coordinator_epoch = -1;
            }
            expected.is_like(producer)
        });
        check(Rule::Producers, is_alike, || {
            format!("{producer:?}, a replay gives {expected:?}, segments from {first_base}")
        })?;
    }
    for (id, expected) in &ledger.replay.producers {
        let is_known = found.iter().any(|producer| producer.producer_id == *id);
        let is_removed = expected.last_offset < first_base;
        check(Rule::Producers, is_known || is_removed, || {
            format!("producer {id} is unknown, a replay gives {expected:?}")
        })?;
    }
    ledger.replay.adopt(&found);
    Ok(())
}

fn verify_transactions(log: &Log, ledger: &Ledger, first_base: i64) -> Checked<usize> {
    let offsets = log.offsets();
    let found = log.aborted_transactions(first_base, offsets.log_end);
    // Those whose marker retention removed are gone.
    let expected: Vec<_> = ledger
        .replay
        .aborted
        .iter()
        .filter(|aborted| first_base <= aborted.last_offset)
        .copied()
        .collect();
    // The same limit as for producers: a beginning that was removed may be forgotten.
    let mut rest = found.iter().peekable();
    for expected in &expected {
        let is_whole = first_base <= expected.first_offset;
        let next = rest.next_if(|found| {
            found.last_offset == expected.last_offset
                && (!is_whole
                    || found.first_offset == expected.first_offset
                    || found.first_offset < first_base)
                && (0 < first_base || *found == expected)
        });
        check(Rule::Transactions, next.is_some() || !is_whole, || {
            format!("{found:?}, {expected:?} is missing, segments from {first_base}")
        })?;
    }
    check(Rule::Transactions, rest.peek().is_none(), || {
        format!("{found:?}, a replay gives {expected:?}, segments from {first_base}")
    })?;
    if first_base == 0 {
        let open = ledger.replay.first_open().unwrap_or(i64::MAX);
        let stable = open.clamp(offsets.log_start, offsets.high_watermark);
        let is_stable = offsets.last_stable <= stable;
        check(Rule::L1, is_stable, || {
            format!("{offsets:?}, a transaction is open from {open}")
        })?;
    }
    Ok(found.len())
}

fn verify_epochs(log: &Log, batches: &[(BatchHeader, &[u8])]) -> Checked {
    let log_start = log.offsets().log_start;
    for (header, _) in batches {
        if header.base_offset < log_start || header.partition_leader_epoch < 0 {
            continue;
        }
        let found = log.epoch_of(header.base_offset);
        let is_right = found == Some(header.partition_leader_epoch);
        check(Rule::Epochs, is_right, || {
            format!(
                "batch {} is of epoch {}, the log says {found:?}",
                header.base_offset, header.partition_leader_epoch
            )
        })?;
    }
    Ok(())
}
