//! `kafka-producer-perf-test`: how many records a second, and how long each takes (Kafka's
//! `ProducerPerformance`).

mod arguments;
mod payload;
mod stats;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use indicatif::ProgressBar;
use ringbrook_client::ClientError;
use ringbrook_client::clock::now_ms;
use ringbrook_client::config::ProducerConfig;
use ringbrook_client::producer::{Producer, ProducerCounters, ProducerRecord, SendReason};
use tokio::sync::mpsc;

use self::arguments::Arguments;
use self::payload::Random;
use self::stats::Stats;
use crate::frame::{Context, Failure, Options, Tool, message_of, run_on_two, stopped};
use crate::perf::{Rate, fixed, metrics_table};

/// `kafka-producer-perf-test`.
pub const TOOL: Tool = Tool {
    name: "producer-perf-test",
    about: "This tool is used to verify the producer performance. To enable transactions, give a \
            --transactional-id, or transactional.id as a property, or a --transaction-duration-ms.",
    examples: &[
        (
            "A million records of 1 KiB, as fast as possible",
            "--bootstrap-server localhost:9092 --topic orders --num-records 1000000 \
             --record-size 1024 --throughput -1 --command-property linger.ms=5 batch.size=65536",
        ),
        (
            "In transactions of 100 ms",
            "--bootstrap-server localhost:9092 --topic orders --num-records 10000 \
             --record-size 100 --throughput 1000 --transaction-duration-ms 100",
        ),
    ],
    options: arguments::options,
    run,
    has_json: false,
};

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let arguments = Arguments::new(options, context)?;
    let config = context.lenient(
        arguments.properties.clone(),
        ProducerConfig::from_properties,
    )?;
    context.flush()?;
    run_on_two(measure(&arguments, config, context))
}

/// What comes out of callbacks, to be written by the one who owns the output.
enum Told {
    Line(String),
    Failed(ClientError),
}

/// The statistics, which callbacks write.
struct Shared {
    all: Stats,
    /// Of what comes after the warm-up.
    steady: Option<Stats>,
    bar: ProgressBar,
    told: mpsc::UnboundedSender<Told>,
}

impl Shared {
    fn record(&mut self, begun_ms: i64, bytes: usize, result: Result<(), ClientError>) {
        let now = now_ms();
        self.bar.inc(1);
        let told = match result {
            Ok(()) => {
                let mut lines = self.all.record(begun_ms, bytes, now);
                if let Some(steady) = &mut self.steady {
                    lines.extend(steady.record(begun_ms, bytes, now));
                }
                lines.into_iter().map(Told::Line).collect()
            }
            Err(error) => vec![Told::Failed(error)],
        };
        for it in told {
            // Whoever would read it has stopped; so will this.
            drop(self.told.send(it));
        }
    }
}

async fn measure(
    arguments: &Arguments,
    config: ProducerConfig,
    context: &mut Context,
) -> Result<(), Failure> {
    let client_id = config.client.client_id.clone();
    let producer = Producer::builder(config).build()?;
    if arguments.transaction_duration_ms.is_some() {
        producer.init_transactions().await?;
    }
    if 0 < arguments.warmup_records {
        context.line(format_args!(
            "Warmup first {} records. Steady state results will print after the complete test \
             summary.",
            arguments.warmup_records
        ))?;
    }
    let (sender, mut told) = mpsc::unbounded_channel();
    let begun_ms = now_ms();
    let shared = Arc::new(Mutex::new(Shared {
        all: Stats::new(
            arguments.num_records,
            arguments.reporting_interval_ms,
            now_ms(),
        ),
        steady: None,
        bar: context.progress(arguments.num_records, "records", false),
        told: sender,
    }));
    let mut sending = Box::pin(async {
        send_all(arguments, &producer, &shared).await?;
        Ok::<(), Failure>(producer.close().await?)
    });
    loop {
        tokio::select! {
            done = &mut sending => {
                done?;
                break;
            }
            Some(it) = told.recv() => tell(it, context)?,
            code = stopped() => return Err(Failure::Exit(code)),
        }
    }
    drop(sending);
    while let Ok(it) = told.try_recv() {
        tell(it, context)?;
    }
    let now = now_ms();
    {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.bar.finish_and_clear();
        context.line(shared.all.total(now))?;
        if let Some(steady) = &mut shared.steady {
            context.line(steady.total(now))?;
        }
    }
    if arguments.prints_metrics {
        let elapsed_ms = now_ms().saturating_sub(begun_ms);
        let table = metrics(&client_id, &producer.counters(), elapsed_ms);
        context.out().write_all(table.as_bytes())?;
    }
    Ok(())
}

fn tell(told: Told, context: &mut Context) -> Result<(), Failure> {
    match told {
        Told::Line(line) => {
            context.line(line)?;
            context.flush()?;
        }
        Told::Failed(error) => context.warn(message_of(&error)),
    }
    Ok(())
}

async fn send_all(
    arguments: &Arguments,
    producer: &Producer<Bytes, Bytes>,
    shared: &Arc<Mutex<Shared>>,
) -> Result<(), Failure> {
    let topic: Arc<str> = arguments.topic.as_str().into();
    let mut rate = Rate::new(arguments.throughput);
    let mut transaction_begun = None;
    let mut random = Random::default();
    for number in 0..arguments.num_records {
        let payload = arguments.payloads.next(number, &mut random);
        let bytes = payload.len();
        if arguments.transaction_duration_ms.is_some() && transaction_begun.is_none() {
            producer.begin_transaction()?;
            transaction_begun = Some(now_ms());
        }
        let begun_ms = now_ms();
        if 0 < arguments.warmup_records && number == arguments.warmup_records {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.begin_steady_state(arguments, begun_ms);
        }
        let told = Arc::clone(shared);
        let callback = move |result: Result<_, ClientError>| {
            let mut shared = told.lock().unwrap_or_else(PoisonError::into_inner);
            shared.record(begun_ms, bytes, result.map(drop));
        };
        let record = ProducerRecord::<Bytes, Bytes>::of(Arc::clone(&topic), None, Some(payload));
        if let Err(error) = producer.send_with(record, callback).await {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.record(begun_ms, bytes, Err(error));
        }
        if let (Some(begun), Some(duration)) =
            (transaction_begun, arguments.transaction_duration_ms)
            && duration <= begun_ms - begun
        {
            producer.commit_transaction().await?;
            transaction_begun = None;
        }
        rate.pace(number).await;
    }
    if transaction_begun.is_some() {
        producer.commit_transaction().await?;
    }
    Ok(())
}

impl Shared {
    fn begin_steady_state(&mut self, arguments: &Arguments, now_ms: i64) {
        let records = arguments.num_records - arguments.warmup_records;
        let steady = Stats::new(records, arguments.reporting_interval_ms, now_ms);
        self.steady = Some(steady.of_steady_state());
        self.all.is_silent = true;
    }
}

/// A metric: its group, name and value.
type Metric = (&'static str, &'static str, String);

const GROUP: &str = "producer-metrics";

/// Rates and averages of the whole run, by the names of Kafka's metrics.
fn averages(counters: &ProducerCounters, elapsed_ms: i64) -> Vec<Metric> {
    const BATCH_HEADER_BYTES: u64 = 61;
    let ratio = |part: u64, whole: u64| fixed(part as f64 / whole.max(1) as f64, 3);
    let headers_bytes = counters.batches() * BATCH_HEADER_BYTES;
    let records_bytes = counters.bytes_uncompressed.saturating_sub(headers_bytes);
    let elapsed_ms = u64::try_from(elapsed_ms).unwrap_or_default();
    vec![
        (
            GROUP,
            "record-send-rate",
            ratio(counters.records_acknowledged * 1000, elapsed_ms),
        ),
        (
            GROUP,
            "record-size-avg",
            ratio(records_bytes, counters.records_sent),
        ),
        (
            GROUP,
            "records-per-request-avg",
            ratio(counters.records_sent, counters.requests),
        ),
        (
            GROUP,
            "batch-size-avg",
            ratio(counters.bytes_sent, counters.batches()),
        ),
    ]
}

/// The counters by the names of Kafka's metrics where they mean the same.
fn metrics(client_id: &str, counters: &ProducerCounters, elapsed_ms: i64) -> String {
    let ms = |duration: std::time::Duration| fixed(duration.as_secs_f64() * 1000.0, 3);
    let reasons = SendReason::ALL.map(|reason| format!("batch-sent-{}-total", reason.name()));
    let mut metrics = vec![
        (
            GROUP,
            "record-send-total",
            counters.records_acknowledged.to_string(),
        ),
        (
            GROUP,
            "record-error-total",
            counters.records_failed.to_string(),
        ),
        (
            GROUP,
            "record-retry-total",
            counters.batches_retried.to_string(),
        ),
        (GROUP, "request-total", counters.requests.to_string()),
        (
            GROUP,
            "batch-split-total",
            counters.batches_split.to_string(),
        ),
        (GROUP, "batch-fill-avg", fixed(counters.fill(), 3)),
        (
            GROUP,
            "records-per-batch-avg",
            fixed(counters.records_per_batch(), 3),
        ),
        (
            GROUP,
            "compression-rate-avg",
            fixed(counters.compression_ratio(), 3),
        ),
        (
            GROUP,
            "record-queue-time-avg",
            ms(counters.queue_time_average()),
        ),
        (GROUP, "record-queue-time-max", ms(counters.queue_time_max)),
        (
            GROUP,
            "bufferpool-wait-total",
            counters.buffer_waits.to_string(),
        ),
    ];
    metrics.extend(averages(counters, elapsed_ms));
    for (name, reason) in reasons.iter().zip(SendReason::ALL) {
        let count = counters.batches_for(reason).to_string();
        metrics.push((GROUP, name.as_str(), count));
    }
    metrics_table(client_id, &metrics)
}

#[cfg(test)]
mod tests;
