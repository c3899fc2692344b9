//! Reading: from what the options name to lines on standard output, until an end is reached.

use std::collections::BTreeMap;
use std::time::Duration;
use std::vec::IntoIter;

use bytes::Bytes;
use regex::Regex;
use ringbrook_client::consumer::{Consumer, ConsumerRecord, TimestampType};
use ringbrook_client::{Admin, TopicPartition};
use ringbrook_record::NO_TIMESTAMP;

use super::Start;
use super::formatter::{Formatter, Shown};
use crate::frame::{Context, Failure, Options, message_of, stopped};

/// How long one poll waits: output that is not full is flushed at least so often.
const POLL_MAX: Duration = Duration::from_millis(500);

/// When reading ends by itself.
pub(super) struct Limits {
    /// After so many records.
    pub(super) records_max: Option<u64>,
    /// When no record has come for so long.
    pub(super) timeout: Option<Duration>,
    /// Not when a record cannot be shown.
    pub(super) skips_errors: bool,
}

/// Joins the group for what the options name.
pub(super) fn subscribe(
    consumer: &Consumer<Bytes, Bytes>,
    options: &Options<'_>,
) -> Result<(), Failure> {
    match options.text("include") {
        Some(pattern) => consumer.subscribe_pattern(pattern, None)?,
        None => consumer.subscribe([options.text("topic").unwrap_or_default()])?,
    }
    Ok(())
}

/// Assigns what the options name and goes to where reading begins.
pub(super) async fn assign(
    consumer: &Consumer<Bytes, Bytes>,
    admin: &Admin,
    start: Start,
    options: &Options<'_>,
) -> Result<(), Failure> {
    if let (Some(topic), Some(partition)) = (options.text("topic"), options.number("partition")?) {
        let partition = TopicPartition::new(topic, partition);
        consumer.assign([partition.clone()])?;
        match start {
            Start::Earliest => consumer.seek_to_beginning(&[partition])?,
            Start::Latest => consumer.seek_to_end(&[partition])?,
            Start::At(offset) => consumer.seek(&partition, offset)?,
        }
        return Ok(());
    }
    let topics = match options.text("include") {
        Some(pattern) => matching(admin, pattern).await?,
        None => vec![options.text("topic").unwrap_or_default().to_owned()],
    };
    let mut partitions = Vec::new();
    for topic in topics {
        let found = consumer.partitions_for(&topic).await?;
        let found = found
            .iter()
            .map(|it| TopicPartition::new(topic.as_str(), it.partition));
        partitions.extend(found);
    }
    Ok(consumer.assign(partitions)?)
}

/// The topics whose whole names match.
async fn matching(admin: &Admin, pattern: &str) -> Result<Vec<String>, Failure> {
    let regex = Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|error| Failure::Usage(format!("--include {pattern}: {error}")))?;
    let topics = admin.list_topics(true).await?.into_iter();
    let names = topics.map(|topic| topic.name);
    let found: Vec<_> = names.filter(|name| regex.is_match(name)).collect();
    if found.is_empty() {
        return Err(Failure::Message(format!(
            "no topic matches {pattern}; `rbk topics --list` shows which there are"
        )));
    }
    Ok(found)
}

/// Writes records until something ends it.
pub(super) async fn read(
    consumer: &Consumer<Bytes, Bytes>,
    formatter: &Formatter,
    limits: &Limits,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut count = 0;
    let ended = tokio::select! {
        ended = read_on(consumer, formatter, limits, &mut count, context) => ended,
        code = stopped() => Err(Failure::Exit(code)),
    };
    if matches!(ended, Err(Failure::ClosedPipe)) {
        context.warn("Unable to write to standard out, closing consumer.");
    }
    context.warn(format_args!("Processed a total of {count} messages"));
    ended
}

async fn read_on(
    consumer: &Consumer<Bytes, Bytes>,
    formatter: &Formatter,
    limits: &Limits,
    count: &mut u64,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut last = tokio::time::Instant::now();
    while limits.records_max.is_none_or(|max| *count < max) {
        let records = match consumer
            .poll(limits.timeout.unwrap_or(POLL_MAX).min(POLL_MAX))
            .await
        {
            Ok(records) => records,
            Err(error) => {
                // As Kafka's tool, which ends without an error then.
                context.warn(format_args!(
                    "Error processing message, terminating consumer process: {}",
                    message_of(&error)
                ));
                return Ok(());
            }
        };
        let now = tokio::time::Instant::now();
        if !records.is_empty() {
            last = now;
        } else if limits.timeout.is_some_and(|timeout| timeout <= now - last) {
            context.warn(
                "Error processing message, terminating consumer process: \
                 org.apache.kafka.common.errors.TimeoutException",
            );
            return Ok(());
        }
        let mut records = records.into_iter();
        let written = write(&mut records, formatter, limits, count, context);
        pass_back(consumer, records)?;
        written?;
        context.flush()?;
    }
    Ok(())
}

/// Writes records, as far as they may be written.
fn write(
    records: &mut IntoIter<ConsumerRecord<Bytes, Bytes>>,
    formatter: &Formatter,
    limits: &Limits,
    count: &mut u64,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut text = Vec::new();
    while limits.records_max.is_none_or(|max| *count < max)
        && let Some(record) = records.next()
    {
        *count += 1;
        text.clear();
        match show(&record, formatter, &mut text) {
            Ok(Some(log_line)) => context.warn(log_line),
            Ok(None) => {}
            Err(error) if limits.skips_errors => context.warn(format_args!(
                "Error processing message, skipping this message: {error}"
            )),
            Err(error) => return Err(Failure::Message(error)),
        }
        context.out().write_all(&text)?;
    }
    Ok(())
}

/// Moves the positions before records that were not written, so that they are not committed.
fn pass_back(
    consumer: &Consumer<Bytes, Bytes>,
    records: IntoIter<ConsumerRecord<Bytes, Bytes>>,
) -> Result<(), Failure> {
    let mut first = BTreeMap::new();
    for record in records {
        first
            .entry(record.topic_partition())
            .or_insert(record.offset);
    }
    for (partition, offset) in first {
        consumer.seek(&partition, offset)?;
    }
    Ok(())
}

fn show(
    record: &ConsumerRecord<Bytes, Bytes>,
    formatter: &Formatter,
    text: &mut Vec<u8>,
) -> Result<Option<String>, String> {
    let kind = match record.timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|header| (header.key(), header.value().map(Bytes::as_ref)))
        .collect();
    let shown = Shown {
        timestamp: (record.timestamp != NO_TIMESTAMP).then_some((kind, record.timestamp)),
        partition: record.partition,
        offset: record.offset,
        headers: &headers,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
    };
    formatter.write(&shown, text)
}
