//! Readers with isolation `read_committed`: librdkafka's, which follows the output as it grows, and
//! one of our own over raw frames, which applies the lists of aborted transactions itself.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use ringbrook_protocol::messages::FetchRequest;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_protocol::messages::fetch_response::PartitionData;
use ringbrook_record::{Batch, Batches, ControlRecordType, RecordBuffer};

use crate::exactly_once::{Checker, Violation};
use crate::{Wire, error, fetch_request, single_fetched, topic_name};

/// The newest version of Fetch that names topics.
const FETCH: i16 = 12;
const READ_COMMITTED: i8 = 1;
/// What a batch of the campaign may take decompressed.
pub(super) const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A record that is not of an aborted transaction.
#[derive(Debug, Clone)]
pub(super) struct ReadRecord {
    /// Its offset.
    pub(super) offset: i64,
    /// Its value.
    pub(super) value: Bytes,
}

/// What one fetch gave.
#[derive(Debug)]
pub(super) struct ReadCommitted {
    /// The records, from the offset asked for on.
    pub(super) records: Vec<ReadRecord>,
    /// Where the next fetch begins.
    pub(super) next_offset: i64,
    /// The broker's last stable offset.
    pub(super) last_stable_offset: i64,
    /// The broker's high watermark.
    pub(super) high_watermark: i64,
}

/// Fetches once, with isolation `read_committed`.
///
/// # Errors
/// The broker is away or refuses, or a batch is damaged.
pub(super) fn read_committed(
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
pub(super) fn is_abort(batch: &Batch<'_>) -> anyhow::Result<bool> {
    let mut buffer = RecordBuffer::new();
    let mut records = batch.records(&mut buffer, DECOMPRESSED_BYTES_MAX)?;
    let marker = records.next().context("a control batch has a record")??;
    let key = marker.key.context("a control record has a key")?;
    Ok(ControlRecordType::parse(key)? == ControlRecordType::Abort)
}

/// Follows the output from its beginning until `is_over`, and has `checker` judge it.
///
/// # Errors
/// The first violation.
pub(super) fn follow(
    bootstrap: SocketAddr,
    topic: &str,
    partitions: i32,
    checker: &Mutex<Checker>,
    is_over: &AtomicBool,
) -> anyhow::Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap.to_string())
        .set("broker.address.family", "v4")
        .set("group.id", format!("{topic}-reader"))
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "50")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        // What was visible must not go.
        .set("auto.offset.reset", "error")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    while !is_over.load(Ordering::Relaxed) {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let mut checker = checker.lock().unwrap_or_else(PoisonError::into_inner);
                let value = message.payload().unwrap_or_default();
                checker.observe(message.partition(), message.offset(), value)?;
            }
            Some(Err(error)) => {
                let is_loss = error.rdkafka_error_code()
                    == Some(rdkafka::error::RDKafkaErrorCode::AutoOffsetReset);
                ensure!(!is_loss, "what was visible is gone: {error}");
            }
            None => {}
        }
    }
    Ok(())
}

/// Reads the output from its beginning to the end over raw frames, and has `checker` judge it.
///
/// # Errors
/// The broker refuses, or the first violation.
pub(super) fn reread(
    wire: &mut Wire,
    topic: &str,
    partitions: i32,
    checker: &mut Checker,
) -> anyhow::Result<()> {
    for partition in 0..partitions {
        let mut offset = 0;
        loop {
            let read = read_committed(wire, topic, partition, offset)?;
            for record in &read.records {
                let observed = checker.observe(partition, record.offset, &record.value);
                observed.map_err(|it: Violation| anyhow::anyhow!("read over raw frames: {it}"))?;
            }
            if read.high_watermark <= read.next_offset {
                break;
            }
            ensure!(
                offset < read.next_offset,
                "stuck at {offset} in partition {partition}: last stable offset {}, high \
                 watermark {}",
                read.last_stable_offset,
                read.high_watermark
            );
            offset = read.next_offset;
        }
    }
    Ok(())
}
