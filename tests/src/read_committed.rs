//! What a consumer with isolation `read_committed` shows, over raw frames: applies the lists of
//! aborted transactions itself.

use std::collections::HashSet;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_protocol::messages::FetchRequest;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::fetch_response::PartitionData;
use ringbrook_record::{Batch, Batches, ControlRecordType, RecordBuffer};

use crate::{Wire, error, fetch_request, single_fetched, topic_name};

/// The newest version of Fetch that names topics.
const FETCH: i16 = 12;
const READ_COMMITTED: i8 = 1;
/// What a batch of a test may take decompressed.
pub(crate) const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A record that is not of an aborted transaction.
#[derive(Debug, Clone)]
pub struct ReadRecord {
    /// Its offset.
    pub offset: i64,
    /// Its value.
    pub value: Bytes,
}

/// What one fetch gave.
#[derive(Debug)]
pub struct ReadCommitted {
    /// The records, from the offset asked for on.
    pub records: Vec<ReadRecord>,
    /// Where the next fetch begins.
    pub next_offset: i64,
    /// The broker's last stable offset.
    pub last_stable_offset: i64,
    /// The broker's high watermark.
    pub high_watermark: i64,
}

/// Fetches once, with isolation `read_committed`.
///
/// # Errors
/// The broker is away or refuses, or a batch is damaged.
pub fn read_committed(
    wire: &mut Wire,
    topic: &str,
    partition: i32,
    offset: i64,
) -> anyhow::Result<ReadCommitted> {
    let topic = FetchTopic::default().with_topic(topic_name(topic));
    let request: FetchRequest =
        fetch_request(topic, &[(partition, offset)]).with_isolation_level(READ_COMMITTED);
    let fetched = single_fetched(wire.call(&request, FETCH)?)?;
    let code = fetched.error_code;
    ensure!(code == 0, "not fetched from {offset}: {:?}", error(code));
    visible(&fetched, offset)
}

/// The records of an answer that a `read_committed` consumer shows, from `offset` on.
fn visible(fetched: &PartitionData, offset: i64) -> anyhow::Result<ReadCommitted> {
    let mut aborted: Vec<_> = fetched
        .aborted_transactions
        .iter()
        .flatten()
        .map(|it| (it.first_offset, it.producer_id.0))
        .collect();
    aborted.sort_unstable_by(|one, other| other.cmp(one));
    let mut read = ReadCommitted {
        records: Vec::new(),
        next_offset: offset,
        last_stable_offset: fetched.last_stable_offset,
        high_watermark: fetched.high_watermark,
    };
    let mut aborting = HashSet::new();
    for batch in Batches::new(fetched.records.as_deref().context("records are null")?) {
        let batch = batch?;
        batch.verify_crc()?;
        let header = &batch.header;
        let last_offset = header.last_offset();
        ensure!(
            last_offset < fetched.last_stable_offset,
            "offset {last_offset} is behind the last stable offset {}",
            fetched.last_stable_offset
        );
        while aborted
            .last()
            .is_some_and(|(first, _)| *first <= last_offset)
        {
            aborting.extend(aborted.pop().map(|(_, producer)| producer));
        }
        read.next_offset = last_offset + 1;
        if header.attributes.is_control() {
            if is_abort(&batch)? {
                aborting.remove(&header.producer_id);
            }
            continue;
        }
        if header.attributes.is_transactional() && aborting.contains(&header.producer_id) {
            continue;
        }
        let records = values(&batch)?.into_iter();
        read.records
            .extend(records.filter(|it| offset <= it.offset));
    }
    Ok(read)
}

fn values(batch: &Batch<'_>) -> anyhow::Result<Vec<ReadRecord>> {
    let mut buffer = RecordBuffer::new();
    let records = batch.records(&mut buffer, DECOMPRESSED_BYTES_MAX)?;
    records
        .map(|record| {
            let record = record?;
            Ok(ReadRecord {
                offset: batch.header.record_offset(record.offset_delta),
                value: Bytes::copy_from_slice(record.value.unwrap_or_default()),
            })
        })
        .collect()
}

/// Whether a control batch is an abort marker.
///
/// # Errors
/// It is none of a transaction.
pub(crate) fn is_abort(batch: &Batch<'_>) -> anyhow::Result<bool> {
    let mut buffer = RecordBuffer::new();
    let mut records = batch.records(&mut buffer, DECOMPRESSED_BYTES_MAX)?;
    let marker = records.next().context("a control batch has a record")??;
    let key = marker.key.context("a control record has a key")?;
    Ok(ControlRecordType::parse(key)? == ControlRecordType::Abort)
}
