//! `kafka-consumer-perf-test`: how many records a second a member of a group reads (Kafka's
//! `ConsumerPerformance`).

mod arguments;
mod progress;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use ringbrook_client::TopicPartition;
use ringbrook_client::clock::now_ms;
use ringbrook_client::config::ConsumerConfig;
use ringbrook_client::consumer::{Consumer, ConsumerRecords, RebalanceContext, RebalanceListener};
use ringbrook_client::serialization::BytesSerializer;

use self::arguments::Arguments;
use self::progress::{Progress, header};
use crate::frame::{Context, Failure, Options, Tool, run_on_two, stopped};
use crate::perf::metrics_table;

/// `kafka-consumer-perf-test`.
pub const TOOL: Tool = Tool {
    name: "consumer-perf-test",
    about: "This tool is used to verify the consumer performance.",
    examples: &[
        (
            "A million records",
            "--bootstrap-server localhost:9092 --topic orders --num-records 1000000",
        ),
        (
            "With a line a second",
            "--bootstrap-server localhost:9092 --topic orders --num-records 1000000 \
             --show-detailed-stats --reporting-interval 1000",
        ),
    ],
    options: arguments::options,
    run,
    has_json: false,
};

/// How long one poll waits.
const POLL_MAX: Duration = Duration::from_millis(100);

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let arguments = Arguments::new(options, context)?;
    let config = context.lenient(
        arguments.properties.clone(),
        ConsumerConfig::from_properties,
    )?;
    if !arguments.hides_header {
        context.line(header(arguments.shows_details))?;
        context.flush()?;
    }
    run_on_two(measure(&arguments, config, context))
}

/// How long the group took to give partitions to a member that had none.
#[derive(Debug)]
struct JoinTime {
    begun_ms: i64,
    total_ms: i64,
    /// Since the last line.
    round_ms: i64,
    assigned: BTreeSet<TopicPartition>,
}

#[derive(Clone)]
struct Listener(Arc<Mutex<JoinTime>>);

impl RebalanceListener for Listener {
    fn on_partitions_assigned<'a>(
        &'a self,
        _: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if times.assigned.is_empty() {
            let elapsed = now_ms() - times.begun_ms;
            times.total_ms += elapsed;
            times.round_ms += elapsed;
        }
        times.assigned.extend(partitions.iter().cloned());
        Box::pin(std::future::ready(()))
    }

    fn on_partitions_revoked<'a>(
        &'a self,
        _: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.assigned.retain(|it| !partitions.contains(it));
        if times.assigned.is_empty() {
            times.begun_ms = now_ms();
        }
        Box::pin(std::future::ready(()))
    }
}

async fn measure(
    arguments: &Arguments,
    config: ConsumerConfig,
    context: &mut Context,
) -> Result<(), Failure> {
    let client_id = config.client.client_id.clone();
    let consumer: Consumer<Bytes, Bytes> = Consumer::new(config, BytesSerializer, BytesSerializer)?;
    let begun_ms = now_ms();
    let times = Arc::new(Mutex::new(JoinTime {
        begun_ms,
        total_ms: 0,
        round_ms: 0,
        assigned: BTreeSet::new(),
    }));
    let listener = Listener(Arc::clone(&times));
    match (&arguments.topic, &arguments.include) {
        (Some(topic), _) => consumer.subscribe_with([topic.as_str()], listener)?,
        (None, pattern) => {
            let pattern = pattern.as_deref().unwrap_or_default();
            consumer.subscribe_pattern(pattern, Some(Arc::new(listener)))?;
        }
    }
    let mut progress = Progress::new(begun_ms);
    tokio::select! {
        read = read(&consumer, arguments, &times, &mut progress, context) => read?,
        code = stopped() => {
            consumer.close().await?;
            return Err(Failure::Exit(code));
        }
    }
    let end_ms = now_ms();
    let join_ms = times
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .total_ms;
    if !arguments.shows_details {
        context.line(progress.total(&arguments.date_format, end_ms, join_ms))?;
    }
    if arguments.prints_metrics {
        let group = "consumer-fetch-manager-metrics";
        let records = (
            group,
            "records-consumed-total",
            progress.records.to_string(),
        );
        let bytes = (group, "bytes-consumed-total", progress.bytes.to_string());
        let table = metrics_table(&client_id, &[records, bytes]);
        context.out().write_all(table.as_bytes())?;
    }
    Ok(consumer.close().await?)
}

async fn read(
    consumer: &Consumer<Bytes, Bytes>,
    arguments: &Arguments,
    times: &Mutex<JoinTime>,
    progress: &mut Progress,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut last_record_ms = now_ms();
    let mut now = last_record_ms;
    let bar = context.progress(arguments.num_records, "records", !arguments.shows_details);
    while progress.records < arguments.num_records && now - last_record_ms <= arguments.timeout_ms {
        let records = consumer.poll(POLL_MAX).await?;
        now = now_ms();
        if records.is_empty() {
            continue;
        }
        last_record_ms = now;
        count(&records, progress);
        bar.set_position(progress.records);
        if progress.is_due(now, arguments.reporting_interval_ms) {
            let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
            let line = progress.window(&arguments.date_format, now, times.round_ms);
            times.round_ms = 0;
            drop(times);
            if arguments.shows_details {
                context.line(line)?;
                context.flush()?;
            }
        }
    }
    drop(bar);
    if progress.records < arguments.num_records {
        context.line(format_args!(
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) \
             exceeded. You can use the --timeout option to increase the timeout.",
            arguments.timeout_ms
        ))?;
    }
    Ok(())
}

fn count(records: &ConsumerRecords<Bytes, Bytes>, progress: &mut Progress) {
    let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
    let bytes = records
        .iter()
        .map(|record| len(&record.key) + len(&record.value));
    progress.bytes += bytes.sum::<u64>();
    progress.records += records.count() as u64;
}
