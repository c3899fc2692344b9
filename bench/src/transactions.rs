//! What idempotence and transactions cost a producer and the broker: the same batches sent plainly,
//! by idempotent producers, and in transactions of 1,000 records and of 100 ms, on one broker in
//! each round, so that only the ratios to plain count.
//!
//! Broker only, as a null server has no transactions.

mod producer;
mod stamp;

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::{InitProducerIdRequest, ProducerId, TransactionalId};
use ringbrook_record::BatchHeader;

use crate::admin::{Admin, KEY_TRANSACTION};
use crate::interrupt::Scratch;
use crate::process::{Server, cpu_seconds, now, rest};
use crate::report::{Cost, Measurement, Series, append_json, line};
use crate::round::{broker_command, now_ms};
use crate::{RunArgs, frames};

use producer::{Kind, Producer, Quota};

pub(crate) const NAME: &str = "transactions";
pub(crate) const NAME_DURABLE: &str = "transactions-durable";

/// Bytes of a batch: the default of Java producers.
const BATCH_BYTES: usize = 16 * 1024;
const PRODUCERS: usize = 4;
/// The warm-up is this part of a load.
const WARM_UP_PART: u32 = 5;
/// How long markers of the last transactions may take.
const MARKERS_TIMEOUT: Duration = Duration::from_secs(20);
const INIT_PRODUCER_ID_VERSION: i16 = 5;
const TRANSACTION_TIMEOUT_MS: i32 = 60_000;

/// The loads; the first is what the others are compared with.
const LOADS: [(&str, Kind); 4] = [
    ("plain", Kind::Plain),
    ("idempotent", Kind::Idempotent),
    ("1,000-record transactions", Kind::Records(1000)),
    (
        "100 ms transactions",
        Kind::Lasting(Duration::from_millis(100)),
    ),
];

/// What a load came to in one round.
#[derive(Debug, Clone, Copy)]
struct Sample {
    records: f64,
    transactions: f64,
    elapsed_s: f64,
    cpu_s: f64,
    client_cpu_s: f64,
}

/// A unit, and how to get the quantity of a sample.
type Quantity = (&'static str, fn(&Sample) -> f64);

const QUANTITIES: [Quantity; 3] = [
    ("records/s", |it| it.records / it.elapsed_s),
    ("CPU us/record", |it| 1e6 * it.cpu_s / it.records),
    ("client CPU %", |it| 100.0 * it.client_cpu_s / it.elapsed_s),
];

/// Without waiting for the disk: what the broker itself spends shows best.
///
/// # Errors
/// The broker failed, refused, or does not hold exactly what it acknowledged.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    compare(args, NAME, &["log.flush.before.ack=false"])
}

/// With default settings: every acknowledgement, marker and state of a transaction is on disk.
///
/// # Errors
/// The broker failed, refused, or does not hold exactly what it acknowledged.
pub(crate) fn run_durable(args: &RunArgs) -> anyhow::Result<()> {
    compare(args, NAME_DURABLE, &[])
}

fn compare(args: &RunArgs, scenario: &'static str, settings: &[&str]) -> anyhow::Result<()> {
    let mut samples: [Vec<Sample>; LOADS.len()] = Default::default();
    for index in 0..args.rounds {
        let round = round(args, settings, usize::try_from(index)?)?;
        for (all, sample) in samples.iter_mut().zip(round) {
            all.push(sample);
        }
    }
    let [plain, others @ ..] = &samples;
    let series = |all: &[Sample], of: fn(&Sample) -> f64| Series(all.iter().map(of).collect());
    for ((what, kind), all) in LOADS.into_iter().skip(1).zip(others) {
        for (unit, of) in QUANTITIES {
            let cost = Cost {
                scenario,
                what,
                unit,
                plain: series(plain, of),
                broker: series(all, of),
            };
            line(&cost.text());
            append_json(args.json.as_deref(), &cost.json())?;
        }
        if kind.is_transactional() {
            let rate = Measurement {
                scenario,
                what,
                unit: "transactions/s",
                series: series(all, |it| it.transactions / it.elapsed_s),
                aim: None,
            };
            line(&rate.text());
            append_json(args.json.as_deref(), &rate.json())?;
        }
    }
    Ok(())
}

/// All loads on one broker; each round begins with another one.
fn round(args: &RunArgs, settings: &[&str], index: usize) -> anyhow::Result<Vec<Sample>> {
    let dir = Scratch::new_in(&args.dir)?;
    let mut command = broker_command(&args.ringbrook, dir.path());
    command.args(["--override", "core.threads=1"]);
    // One node.
    command.args(["--override", "transaction.state.log.replication.factor=1"]);
    command.args(["--override", "transaction.state.log.min.isr=1"]);
    for setting in settings {
        command.args(["--override", setting]);
    }
    let server = Server::start(&mut command, Some(args.server_cpu))?;
    let mut samples = [None; LOADS.len()];
    for turn in 0..LOADS.len() {
        let which = (index + turn) % LOADS.len();
        if let (Some((what, kind)), Some(sample)) = (LOADS.get(which), samples.get_mut(which)) {
            *sample = Some(load(args, &server, what, *kind)?);
        }
    }
    server.stop()?;
    let samples = samples.into_iter().collect::<Option<Vec<_>>>();
    samples.context("every load has its turn")
}

/// One load, in a topic of its own.
fn load(args: &RunArgs, server: &Server, what: &str, kind: Kind) -> anyhow::Result<Sample> {
    let mut admin = Admin::connect(server.address)?;
    let topic_name = format!("bench-{}", what.replace([' ', ','], "-"));
    let topic = admin.create_served(&topic_name, args.partitions)?;
    let batch = frames::batch(BATCH_BYTES, now_ms()?)?;
    let mut producers = Vec::new();
    for index in 0..PRODUCERS {
        let name = format!("{topic_name}-{index}");
        let transactional_id = kind.is_transactional().then_some(&*name);
        let identity = match kind {
            Kind::Plain => None,
            _ => Some(init_producer_id(&mut admin, transactional_id)?),
        };
        let partitions = 0..i32::from(args.partitions);
        let frames = partitions
            .map(|partition| frames::produce_as(transactional_id, topic, partition, &batch))
            .collect::<anyhow::Result<Vec<Bytes>>>()?;
        producers.push(Producer::new(
            kind,
            transactional_id,
            identity,
            &frames,
            &batch,
        )?);
    }
    let (seconds, batches) = if args.quick {
        (2, 100)
    } else {
        let batches = (u64::from(args.gib) << 30) / (BATCH_BYTES * PRODUCERS) as u64;
        (args.seconds, batches)
    };
    let quota = Quota {
        duration: Duration::from_secs(seconds.into()),
        batches,
    };
    let warm_up = Quota {
        duration: quota.duration / WARM_UP_PART,
        batches: (quota.batches / u64::from(WARM_UP_PART)).max(1),
    };
    let (warmed_up, producers) = producer::run(server.address, producers, warm_up)?;
    let (cpu_s, client_cpu_s) = (server.cpu_seconds()?, cpu_seconds("self")?);
    let (done, _) = producer::run(server.address, producers, quota)?;
    let (cpu_s, client_cpu_s) = (
        server.cpu_seconds()? - cpu_s,
        cpu_seconds("self")? - client_cpu_s,
    );
    let records = u64::try_from(BatchHeader::parse(&batch)?.records_count)?;
    let expected = (warmed_up.batches + done.batches) * records + warmed_up.markers + done.markers;
    expect_stable(&mut admin, &topic_name, args.partitions, expected)?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "far fewer records than 2 to the 52"
    )]
    let sample = Sample {
        records: (done.batches * records) as f64,
        transactions: done.transactions as f64,
        elapsed_s: done.elapsed.as_secs_f64(),
        cpu_s,
        client_cpu_s,
    };
    Ok(sample)
}

/// Waits until a topic holds exactly so many stable records and markers: the last markers are
/// written after the answer to EndTxn.
fn expect_stable(
    admin: &mut Admin,
    topic: &str,
    partitions: u16,
    expected: u64,
) -> anyhow::Result<()> {
    let deadline = now() + MARKERS_TIMEOUT;
    loop {
        let found = u64::try_from(admin.stable_count(topic, partitions)?)?;
        if found == expected {
            return Ok(());
        }
        ensure!(
            found < expected && now() < deadline,
            "{found} records and markers are stable in {topic}, {expected} acknowledged"
        );
        rest(Duration::from_millis(20));
    }
}

fn init_producer_id(
    admin: &mut Admin,
    transactional_id: Option<&str>,
) -> anyhow::Result<(i64, i16)> {
    if let Some(id) = transactional_id {
        admin.find_coordinator(KEY_TRANSACTION, id)?;
    }
    let id = transactional_id.map(|id| TransactionalId(StrBytes::from_string(id.to_owned())));
    let request = InitProducerIdRequest::default()
        .with_transactional_id(id)
        .with_transaction_timeout_ms(TRANSACTION_TIMEOUT_MS)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let answer = admin.patiently(&request, INIT_PRODUCER_ID_VERSION, |it| it.error_code)?;
    Ok((answer.producer_id.0, answer.producer_epoch))
}
