//! Question: how many records per second does the native producer send, and what does a record
//! cost it, beside librdkafka?
//!
//! Workload: records without keys, all of the same value, sent as fast as the producer takes them
//! to a topic of their own; the answer to every single record is looked at. Settings are the same
//! on both sides: acks=all, idempotence (unless told otherwise), the given linger.ms, batch.size
//! and compression.type, 32 MiB of memory, five requests in flight, requests of up to 1 MiB. Both
//! run on one core with all of their threads. Of librdkafka only bytes say when a batch is full.
//! rdkafka's own ways to wait spin through the last millisecond, so its side polls and sleeps in
//! turns.
//! Expected bound: at least librdkafka's rate, at most its CPU time per record.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Statistics};
use ringbrook_client::Admin;
use ringbrook_client::admin::{CreateTopicsOptions, NewTopic};
use ringbrook_client::config::{AdminConfig, ProducerConfig, Properties};
use ringbrook_client::producer::{Producer, ProducerCounters, ProducerRecord, SendReason};
use rustix::thread::{Timespec, nanosleep};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::process::now;
use crate::report::line;
use crate::rival::{self, RivalArgs, Side, Took, measure};

const NAME: &str = "client-produce";
const TIMEOUT: Duration = Duration::from_mins(1);
/// `max.request.size` on both sides.
const REQUEST_BYTES: usize = 1024 * 1024;
/// `buffer.memory`, and what librdkafka calls `queue.buffering.max.kbytes`.
const MEMORY_KIB: usize = 32 * 1024;
/// How many records of librdkafka go out between two looks at its answers.
const POLL_EVERY: u32 = 1000;
/// How many answers of the native producer may be open.
const DELIVERIES_MAX: usize = 500_000;

/// How long librdkafka's side sleeps when it can only wait.
const SLEEP: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};
/// Bytes of the values of a sweep, and how many times fewer records go out than of the first.
const SWEEP_VALUES: [(usize, u32); 2] = [(100, 1), (1024, 4)];
/// linger.ms and batch.size of a sweep: the defaults of Kafka, larger batches, the defaults of
/// librdkafka, no lingering.
const SWEEP_BATCHES: [(u32, usize); 4] = [(5, 16_384), (5, 131_072), (5, 1_000_000), (0, 16_384)];

/// How to compare the producers.
#[derive(Clone, clap::Args)]
pub(crate) struct ProduceArgs {
    #[command(flatten)]
    rival: RivalArgs,
    /// linger.ms
    #[arg(long, default_value_t = 5)]
    linger_ms: u32,
    /// batch.size
    #[arg(long, default_value_t = 131_072)]
    batch_size: usize,
    /// Without idempotence
    #[arg(long)]
    plain: bool,
    /// Print what batches were like after each round
    #[arg(long)]
    counters: bool,
    /// Values of 100 and 1024 bytes, none and lz4, four settings of linger.ms and batch.size, with
    /// and without idempotence, one after the other
    #[arg(long, conflicts_with_all = ["value_bytes", "compression", "linger_ms", "batch_size"])]
    sweep: bool,
}

/// Runs the rounds, and reports.
///
/// # Errors
/// A broker or a client failed, or a record was not written.
pub(crate) fn run(args: &ProduceArgs) -> anyhow::Result<()> {
    if !args.sweep {
        return run_one(args);
    }
    for is_plain in [false, true] {
        for (value_bytes, fewer) in SWEEP_VALUES {
            for compression in ["none", "lz4"] {
                for (linger_ms, batch_size) in SWEEP_BATCHES {
                    let mut one = args.clone();
                    one.plain = is_plain;
                    one.rival.value_bytes = value_bytes;
                    one.rival.records = args.rival.records / fewer;
                    compression.clone_into(&mut one.rival.compression);
                    one.linger_ms = linger_ms;
                    one.batch_size = batch_size;
                    run_one(&one)?;
                }
            }
        }
    }
    Ok(())
}

/// Produces `records` with librdkafka to a topic that is there, with the defaults of current Java
/// clients: what it took.
///
/// # Errors
/// The broker or the client failed, or a record was not written.
pub(crate) fn once(
    bootstrap: &str,
    topic: &str,
    records: u32,
    value_bytes: usize,
) -> anyhow::Result<Took> {
    let args = ProduceArgs {
        rival: RivalArgs::of_round(1, records, value_bytes),
        linger_ms: 5,
        batch_size: 16_384,
        plain: false,
        counters: false,
        sweep: false,
    };
    librdkafka(&args, bootstrap, topic)
}

fn run_one(args: &ProduceArgs) -> anyhow::Result<()> {
    ensure!(
        args.batch_size + 1024 <= REQUEST_BYTES,
        "batches of {} bytes do not fit into requests of {REQUEST_BYTES}",
        args.batch_size
    );
    line(&format!(
        "{NAME}: {} bytes, {}, linger.ms {}, batch.size {}, idempotence {}",
        args.rival.value_bytes,
        args.rival.compression,
        args.linger_ms,
        args.batch_size,
        if args.plain { "off" } else { "on" },
    ));
    let settings = json!({
        "linger.ms": args.linger_ms,
        "batch.size": args.batch_size,
        "enable.idempotence": !args.plain,
    });
    let mut count = 0;
    let round = |side, bootstrap: &str| {
        count += 1;
        let topic = format!("{NAME}-{count}");
        create(args, bootstrap, &topic)?;
        let took = match side {
            Side::Native => native(args, bootstrap, &topic),
            Side::Librdkafka => librdkafka(args, bootstrap, &topic),
        }?;
        delete(bootstrap, topic)?;
        Ok(took)
    };
    rival::run(NAME, &settings, &args.rival, |_| Ok(()), round)
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn admin(bootstrap: &str) -> anyhow::Result<Admin> {
    let server = bootstrap.parse().map_err(anyhow::Error::msg)?;
    Ok(Admin::new(AdminConfig::new(vec![server]))?)
}

fn create(args: &ProduceArgs, bootstrap: &str, topic: &str) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let new = [NewTopic::new(topic)
            .partitions(args.rival.partitions.into())
            .replication_factor(1)];
        let admin = admin(bootstrap)?;
        let created = admin.create_topics(&new, CreateTopicsOptions::default());
        created.await.all()?;
        Ok(())
    })
}

fn delete(bootstrap: &str, topic: String) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        admin(bootstrap)?.delete_topics([topic]).await.all()?;
        Ok(())
    })
}

/// Bytes that compress about as text does.
fn value(args: &ProduceArgs) -> Vec<u8> {
    let letters = (0..args.rival.value_bytes).map(|index| index * index / 3 % 26);
    letters
        .map(|letter| b'a' + u8::try_from(letter).unwrap_or_default())
        .collect()
}

fn native(args: &ProduceArgs, bootstrap: &str, topic: &str) -> anyhow::Result<Took> {
    let properties = Properties::new()
        .with("bootstrap.servers", bootstrap)
        .with("acks", "all")
        .with("enable.idempotence", (!args.plain).to_string())
        .with("linger.ms", args.linger_ms.to_string())
        .with("batch.size", args.batch_size.to_string())
        .with("compression.type", args.rival.compression.as_str())
        .with("max.request.size", REQUEST_BYTES.to_string())
        .with("buffer.memory", (MEMORY_KIB * 1024).to_string())
        .with("max.in.flight.requests.per.connection", "5");
    let config = ProducerConfig::from_properties(&properties)?;
    let topic: Arc<str> = topic.into();
    let value = Bytes::from(value(args));
    let mut counters = None;
    let took = measure(|| {
        runtime()?.block_on(async {
            let producer = Producer::builder(config).build()?;
            let mut deliveries = VecDeque::with_capacity(DELIVERIES_MAX);
            for _ in 0..args.rival.records {
                if deliveries.len() == DELIVERIES_MAX {
                    let oldest = deliveries.pop_front().context("deliveries are open")?;
                    let _: ringbrook_client::producer::RecordMetadata = oldest.await?;
                }
                let record = ProducerRecord::<Bytes, Bytes>::new(topic.clone(), value.clone());
                deliveries.push_back(producer.send(record).await?);
            }
            producer.flush().await;
            for delivery in deliveries {
                let metadata = delivery.await?;
                ensure!(metadata.has_offset(), "{metadata} has no offset");
            }
            producer.close().await?;
            counters = Some(producer.counters());
            Ok(())
        })
    })?;
    let counters = counters.context("the producer has run")?;
    ensure!(
        counters.records_acknowledged == u64::from(args.rival.records),
        "{} records were acknowledged",
        counters.records_acknowledged
    );
    if args.counters {
        tell(&counters);
    }
    Ok(took)
}

fn tell(counters: &ProducerCounters) {
    let reasons = SendReason::ALL.map(|it| format!("{} {}", it.name(), counters.batches_for(it)));
    line(&format!(
        "  native: {:.0} records and {:.0} % of batch.size in a batch; {} requests; batches: {}; \
         {} waits for memory",
        counters.records_per_batch(),
        counters.fill() * 100.0,
        counters.requests,
        reasons.join(", "),
        counters.buffer_waits
    ));
}

/// Counts what was written and what was not.
#[derive(Default)]
struct Answers {
    written: AtomicU32,
    failed: AtomicU32,
    /// Batches, their records and their bytes, as far as statistics told them.
    batches: AtomicI64,
    batched_records: AtomicI64,
    batched_bytes: AtomicI64,
}

struct Counting(Arc<Answers>);

impl ClientContext for Counting {
    fn stats(&self, statistics: Statistics) {
        for topic in statistics.topics.values() {
            let (sizes, counts) = (&topic.batchsize, &topic.batchcnt);
            self.0.batches.fetch_add(sizes.cnt, Ordering::Relaxed);
            self.0.batched_bytes.fetch_add(sizes.sum, Ordering::Relaxed);
            self.0
                .batched_records
                .fetch_add(counts.sum, Ordering::Relaxed);
        }
    }
}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let count = match result {
            Ok(_) => &self.0.written,
            Err(_) => &self.0.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn librdkafka(args: &ProduceArgs, bootstrap: &str, topic: &str) -> anyhow::Result<Took> {
    let value = value(args);
    let answers = Arc::<Answers>::default();
    let took = measure(|| {
        let producer: BaseProducer<Counting> = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("acks", "all")
            .set("enable.idempotence", (!args.plain).to_string())
            .set("linger.ms", args.linger_ms.to_string())
            .set("batch.size", args.batch_size.to_string())
            .set("batch.num.messages", "1000000")
            .set("compression.type", args.rival.compression.as_str())
            .set("message.max.bytes", REQUEST_BYTES.to_string())
            .set("queue.buffering.max.kbytes", MEMORY_KIB.to_string())
            .set("queue.buffering.max.messages", "0")
            .set("max.in.flight.requests.per.connection", "5")
            .set(
                "statistics.interval.ms",
                if args.counters { "100" } else { "0" },
            )
            .create_with_context(Counting(Arc::clone(&answers)))?;
        for index in 0..args.rival.records {
            let mut record = BaseRecord::<(), _>::to(topic).payload(&value);
            while let Err((error, refused)) = producer.send(record) {
                let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
                ensure!(error == full, error);
                record = refused;
                wait(&producer);
            }
            if index % POLL_EVERY == 0 {
                producer.poll(Duration::ZERO);
            }
        }
        let deadline = now() + TIMEOUT;
        while let Err(error) = producer.flush(Duration::ZERO) {
            ensure!(now() < deadline, error);
            wait(&producer);
        }
        Ok(())
    })?;
    let read = |count: &AtomicU32| count.load(Ordering::Relaxed);
    let (written, failed) = (read(&answers.written), read(&answers.failed));
    ensure!(
        failed == 0 && written == args.rival.records,
        "{written} records were written, {failed} were not"
    );
    if args.counters {
        let read = |count: &AtomicI64| count.load(Ordering::Relaxed);
        let batches = read(&answers.batches).max(1);
        line(&format!(
            "  librdkafka: {} records and {} bytes in a batch",
            read(&answers.batched_records) / batches,
            read(&answers.batched_bytes) / batches
        ));
    }
    Ok(took)
}

/// Takes answers, and lets librdkafka's threads work.
fn wait(producer: &BaseProducer<Counting>) {
    producer.poll(Duration::ZERO);
    // A signal may cut it short.
    drop(nanosleep(&SLEEP));
}
