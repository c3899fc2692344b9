//! Makes what producers, coordinators and leaders send to one log, as its ledger says comes next.

use bytes::Bytes;
use ringbrook_record::{
    BatchBuilder, BatchHeader, Codec, EndTransactionMarker, HEADER_BYTES, Header, TimestampType,
};

use super::breach::{Breach, Checked, Rule};
use super::ledger::{CRC_FROM, Ledger, Sent};
use super::random::Random;
use crate::log::{AppendContext, Origin};

const NO_HEADERS: [Header<'static>; 0] = [];
/// Producers of each log; the last ones write in transactions.
const PRODUCERS: u64 = 4;
const TRANSACTIONAL_FROM: i64 = 2;

/// An append and what it has to lead to.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) records: Bytes,
    pub(crate) ctx: AppendContext,
    pub(crate) expected: Expected,
}

/// What an append has to lead to.
#[derive(Debug)]
pub(crate) enum Expected {
    /// These batches are added.
    Added(Vec<Sent>),
    /// The batch is there already, at this offset.
    Duplicate(i64),
}

/// The next append.
pub(crate) fn next_request(
    ledger: &mut Ledger,
    random: &mut Random,
    now_ms: i64,
) -> Checked<Request> {
    if random.chance(12) {
        ledger.leader_epoch += 1;
    }
    if ledger.is_follower {
        return replicated(ledger, random, now_ms);
    }
    let producer_id = i64::try_from(random.below(PRODUCERS)).unwrap_or(0);
    if producer_id == 0 {
        let builder = BatchBuilder::new();
        let records = build(builder, random, now_ms)?;
        return added(ledger, records, Origin::Client, None, now_ms);
    }
    let known = ledger.replay.producers.get(&producer_id).copied();
    let is_open = known.is_some_and(|known| known.txn_first_offset.is_some());
    if producer_id >= TRANSACTIONAL_FROM && known.is_some() && random.chance(4) {
        let epoch = known.map_or(0, |known| known.epoch);
        let marker = EndTransactionMarker {
            is_commit: random.chance(2),
            coordinator_epoch: 0,
        };
        let records = marker.build_batch(producer_id, epoch, now_ms);
        let records = records.map_err(broken)?.freeze();
        return added(ledger, records, Origin::Coordinator, Some(marker), now_ms);
    }
    if random.chance(6)
        && let Some(request) = repeated(ledger, producer_id, now_ms)
    {
        return Ok(request);
    }
    let (mut epoch, mut sequence) = known.map_or((0, 0), |known| {
        (known.epoch, known.last_sequence.wrapping_add(1) & i32::MAX)
    });
    if !is_open && random.chance(10) {
        (epoch, sequence) = (epoch + 1, 0);
    }
    let mut builder = BatchBuilder::new().producer(producer_id, epoch, sequence);
    if producer_id >= TRANSACTIONAL_FROM {
        builder = builder.transactional();
    }
    let records = build(builder, random, now_ms)?;
    added(ledger, records, Origin::Client, None, now_ms)
}

fn broken(error: ringbrook_record::RecordError) -> Breach {
    Breach::new(Rule::Operation, error.to_string())
}

/// The producer's newest batch once more, when the log still has it.
fn repeated(ledger: &Ledger, producer_id: i64, now_ms: i64) -> Option<Request> {
    let known = ledger.replay.producers.get(&producer_id)?;
    // Removed by retention, and perhaps the producer's state with it.
    if known.last_data_offset < ledger.start_highest || known.last_sequence < 0 {
        return None;
    }
    let sent = ledger
        .sent
        .iter()
        .rfind(|sent| sent.base_offset() == known.last_data_offset)?;
    let mut records = sent.stored.to_vec();
    let header = BatchHeader {
        base_offset: 0,
        partition_leader_epoch: -1,
        ..sent.header
    };
    records[..HEADER_BYTES].copy_from_slice(&header.encode());
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return None;
    }
    Some(Request {
        records: records.into(),
        ctx: context(ledger, Origin::Client, now_ms),
        expected: Expected::Duplicate(sent.base_offset()),
    })
}

fn context(ledger: &Ledger, origin: Origin, now_ms: i64) -> AppendContext {
    AppendContext {
        leader_epoch: ledger.leader_epoch,
        origin,
        now_ms,
    }
}

/// A batch of a producer or coordinator with what the log has to make of it.
fn added(
    ledger: &Ledger,
    records: Bytes,
    origin: Origin,
    marker: Option<EndTransactionMarker>,
    now_ms: i64,
) -> Checked<Request> {
    let mut header = BatchHeader::parse(&records).map_err(broken)?;
    header.base_offset = ledger.next_offset();
    header.partition_leader_epoch = ledger.leader_epoch;
    let mut stored = records.to_vec();
    let is_stamped = ledger.config.timestamp_type == TimestampType::LogAppendTime;
    if is_stamped {
        header.attributes = header
            .attributes
            .with_timestamp_type(TimestampType::LogAppendTime);
        header.max_timestamp = now_ms;
        stored[..HEADER_BYTES].copy_from_slice(&header.encode());
        header.crc = crc32c::crc32c(&stored[CRC_FROM..]);
    }
    stored[..HEADER_BYTES].copy_from_slice(&header.encode());
    let sent = Sent {
        header,
        stored: stored.into(),
        marker,
    };
    Ok(Request {
        records,
        ctx: context(ledger, origin, now_ms),
        expected: Expected::Added(vec![sent]),
    })
}

/// Batches as a leader has them, with gaps where its log was compacted.
fn replicated(ledger: &mut Ledger, random: &mut Random, now_ms: i64) -> Checked<Request> {
    let mut next_offset = ledger.next_offset();
    let mut all = Vec::new();
    let mut expected = Vec::new();
    for _ in 0..=random.below(3) {
        if random.chance(5) {
            next_offset += random.between(1, 50);
        }
        let builder = BatchBuilder::new()
            .base_offset(next_offset)
            .partition_leader_epoch(ledger.leader_epoch);
        let stored = build(builder, random, now_ms)?;
        let header = BatchHeader::parse(&stored).map_err(broken)?;
        next_offset = header.last_offset() + 1;
        all.extend_from_slice(&stored);
        expected.push(Sent {
            header,
            stored,
            marker: None,
        });
    }
    Ok(Request {
        records: all.into(),
        ctx: context(ledger, Origin::Replica, now_ms),
        expected: Expected::Added(expected),
    })
}

fn build(mut builder: BatchBuilder, random: &mut Random, now_ms: i64) -> Checked<Bytes> {
    let count = 1 + random.below(3);
    let size_max = [20, 120, 400][random.index(3)];
    for _ in 0..count {
        // Records may be older than earlier ones.
        let timestamp_ms = now_ms - random.between(0, 50);
        let key = random.next().to_be_bytes();
        let value = vec![key[0]; random.index(size_max)];
        builder
            .append(timestamp_ms, Some(&key), Some(&value), NO_HEADERS)
            .map_err(broken)?;
    }
    let codec = match random.below(16) {
        0 => Codec::Gzip,
        1 => Codec::Zstd,
        2 | 3 => Codec::Lz4,
        4 => Codec::Snappy,
        _ => Codec::None,
    };
    let records = builder.finish(codec, None).map_err(broken)?;
    Ok(records.freeze())
}
