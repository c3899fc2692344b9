//! What a broker holds where a violation was seen, for the report of a failure: batches and markers
//! of the output, and the state of all transactions.

use std::fmt::Write;

use ringbrook_protocol::messages::ListTransactionsRequest;
use ringbrook_protocol::messages::fetch_request::FetchTopic;
use ringbrook_record::{Batch, Batches, RecordBuffer};

use crate::read_committed::{DECOMPRESSED_BYTES_MAX, is_abort};
use crate::{Client, fetch_request, single_fetched, topic_name};

const FETCH: i16 = 12;
const LIST_TRANSACTIONS: i16 = 0;
/// Bytes of a value that are shown.
const VALUE_BYTES: usize = 40;

/// Describes the last `batches_max` batches in all partitions of `topic`, and all transactions.
///
/// # Errors
/// The broker is away, or what it holds cannot be read.
pub(super) fn describe(
    client: &mut Client,
    topic: &str,
    partitions: i32,
    batches_max: usize,
) -> anyhow::Result<String> {
    let mut text = String::new();
    for partition in 0..partitions {
        let lines = batches(client, topic, partition)?;
        writeln!(text, "--- partition {partition}")?;
        for line in lines.iter().skip(lines.len().saturating_sub(batches_max)) {
            writeln!(text, "{line}")?;
        }
    }
    let answer = client.call(&ListTransactionsRequest::default(), LIST_TRANSACTIONS)?;
    for state in &answer.transaction_states {
        let (id, producer) = (&*state.transactional_id, state.producer_id.0);
        writeln!(
            text,
            "{id} producer {producer} {}",
            &*state.transaction_state
        )?;
    }
    Ok(text)
}

fn batches(client: &mut Client, topic: &str, partition: i32) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut offset = 0;
    loop {
        let wanted = FetchTopic::default().with_topic(topic_name(topic));
        let request = fetch_request(wanted, &[(partition, offset)]);
        let fetched = single_fetched(client.call(&request, FETCH)?)?;
        let begin = offset;
        for batch in Batches::new(fetched.records.as_deref().unwrap_or_default()) {
            let batch = batch?;
            offset = batch.header.last_offset() + 1;
            lines.push(line(&batch)?);
        }
        if offset == begin {
            lines.push(format!("log end offset {}", fetched.high_watermark));
            return Ok(lines);
        }
    }
}

fn line(batch: &Batch<'_>) -> anyhow::Result<String> {
    let header = &batch.header;
    let what = if header.attributes.is_control() {
        let fate = if is_abort(batch)? { "ABORT" } else { "COMMIT" };
        fate.to_owned()
    } else {
        let mut buffer = RecordBuffer::new();
        let mut records = batch.records(&mut buffer, DECOMPRESSED_BYTES_MAX)?;
        let first = records.next().transpose()?.and_then(|record| record.value);
        let first = first.unwrap_or_default();
        let shown = first.get(..VALUE_BYTES).unwrap_or(first);
        String::from_utf8_lossy(shown).into_owned()
    };
    Ok(format!(
        "{}..={} producer {}/{} sequence {} {} {what}",
        header.base_offset,
        header.last_offset(),
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        if header.attributes.is_transactional() {
            "transactional"
        } else {
            "plain"
        },
    ))
}
