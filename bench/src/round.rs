//! One round of one side: start a server on an empty directory, warm up, load, account, stop.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_record::BatchHeader;
use uuid::Uuid;

use crate::admin::{Admin, TOPIC};
use crate::client::{self, Limit, Requests};
use crate::frames::{self, Topic, Values, Versions};
use crate::interrupt::Scratch;
use crate::load::{BrokerFetch, BrokerProduce, NullFetch, NullProduce, Turn, produced_offset_in};
use crate::null_server::Work;
use crate::process::{Served, Server, cpu_seconds};
use crate::scenario::{Batches, Load, Scenario, Shape};

/// Bytes of the batches in fetch scenarios, and of those in produce scenarios that are not small.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;
/// Bytes of a record in scenarios of small requests.
const SMALL_RECORD_BYTES: usize = 200;

/// What holds for all rounds of a run.
pub(crate) struct Setup {
    /// The broker's binary.
    pub(crate) ringbrook: PathBuf,
    /// Core of the server.
    pub(crate) server_cpu: usize,
    /// Where servers keep their files.
    pub(crate) dir: PathBuf,
    pub(crate) amounts: Amounts,
}

/// How much is done in a round, whatever the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amounts {
    /// Partitions that produce requests go to.
    pub(crate) partitions: u16,
    /// Before anything is measured.
    pub(crate) warm_up: Quota,
    pub(crate) load: Quota,
    /// Bytes of each partition that is fetched.
    pub(crate) fetched_partition_bytes: usize,
}

/// How much is done; whichever is reached first ends it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) limit: Limit,
    /// Bytes of produced batches, so that disk and page cache suffice.
    pub(crate) produced_bytes: u64,
}

impl Amounts {
    /// Bytes that a round may produce, at most.
    pub(crate) fn produced_bytes(&self) -> u64 {
        self.warm_up.produced_bytes + self.load.produced_bytes
    }
}

impl Quota {
    /// One `part`th of it.
    pub(crate) fn part(self, part: u32) -> Self {
        Self {
            limit: self.limit.part(part),
            produced_bytes: self.produced_bytes / u64::from(part),
        }
    }

    /// For produce requests with batches of so many bytes.
    fn of_batches(self, batch_bytes: usize) -> Limit {
        let requests = self.produced_bytes / batch_bytes as u64;
        Limit {
            requests: self.limit.requests.min(requests),
            ..self.limit
        }
    }
}

/// What a round came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// CPU seconds of the server.
    pub(crate) cpu_s: f64,
    /// CPU seconds of the client.
    pub(crate) client_cpu_s: f64,
    /// Requests answered.
    pub(crate) requests: f64,
    /// Bytes of record batches in them, or in the answers.
    pub(crate) payload_bytes: f64,
    /// Wall time.
    pub(crate) elapsed_s: f64,
}

/// A round against a null server.
///
/// # Errors
/// The server or its client failed.
pub(crate) fn null(setup: &Setup, scenario: &Scenario) -> anyhow::Result<Sample> {
    let dir = Scratch::new_in(&setup.dir)?;
    let file = dir.path().join("null.log");
    let Scenario { shape, null, .. } = scenario;
    let amounts = &setup.amounts;
    let (warm_up, load) = (amounts.warm_up, amounts.load);
    match shape.load {
        Load::Produce(batches) => {
            let batch = make_batch(batches)?;
            let topic = Topic {
                name: String::new(),
                id: Uuid::nil(),
            };
            let frames = produce_frames(amounts, Versions::NEWEST, &topic, &batch)?;
            let server = start_null(setup, *null, &file)?;
            let connections = turns(shape, &frames)
                .map(|turn| NullProduce::new(turn, *null != Work::Echo))
                .collect();
            let limits = [warm_up, load].map(|quota| quota.of_batches(batch.len()));
            let server = server.served();
            let (sample, _) = measure(server, connections, shape, batch.len(), limits)?;
            Ok(sample)
        }
        Load::Fetch { bytes } => {
            let partition_bytes = amounts.fetched_partition_bytes;
            fill_file(&file, partition_bytes * shape.connections)?;
            let server = start_null(setup, *null, &file)?;
            let ranges = |connection: usize| {
                let begin = connection * partition_bytes;
                (begin..begin + partition_bytes)
                    .step_by(bytes)
                    .map(|position| frames::null_fetch(position as u64, bytes as u64))
                    .collect()
            };
            let connections = (0..shape.connections)
                .map(|connection| NullFetch {
                    turn: Turn::new(ranges(connection), 0),
                    range_bytes: bytes,
                })
                .collect();
            let limits = [warm_up.limit, load.limit];
            let (sample, _) = measure(server.served(), connections, shape, bytes, limits)?;
            Ok(sample)
        }
    }
}

/// A round against our broker, started for it.
///
/// # Errors
/// The broker or its client failed, or the broker does not hold exactly what it acknowledged.
pub(crate) fn broker(setup: &Setup, scenario: &Scenario) -> anyhow::Result<Sample> {
    let dir = Scratch::new_in(&setup.dir)?;
    let mut command = broker_command(&setup.ringbrook, dir.path());
    command.args(["--override", "core.threads=1"]);
    for setting in scenario.settings {
        command.args(["--override", setting]);
    }
    let server = Server::start(&mut command, Some(setup.server_cpu))?;
    let served = server.served();
    let sample = running_broker(
        served,
        Versions::NEWEST,
        &setup.amounts,
        &scenario.shape,
        TOPIC,
    )?;
    server.stop()?;
    Ok(sample)
}

/// A round against a broker that runs, with a new topic called `topic`, which is left there.
///
/// # Errors
/// The broker or its client failed, or the broker does not hold exactly what it acknowledged.
pub(crate) fn running_broker(
    served: Served,
    versions: Versions,
    amounts: &Amounts,
    shape: &Shape,
    topic: &str,
) -> anyhow::Result<Sample> {
    let mut admin = Admin::connect(served.address)?;
    let mut create = |partitions| {
        let id = admin.create_served(topic, partitions)?;
        let name = topic.to_owned();
        anyhow::Ok(Topic { name, id })
    };
    match shape.load {
        Load::Produce(batches) => {
            let topic = create(amounts.partitions)?;
            let batch = make_batch(batches)?;
            let frames = produce_frames(amounts, versions, &topic, &batch)?;
            let connections = turns(shape, &frames)
                .map(|turn| BrokerProduce::in_version(versions.produce, turn))
                .collect();
            let quotas = [amounts.warm_up, amounts.load];
            let limits = quotas.map(|quota| quota.of_batches(batch.len()));
            let (sample, requests) = measure(served, connections, shape, batch.len(), limits)?;
            let records = i64::from(BatchHeader::parse(&batch)?.records_count);
            let expected = i64::try_from(requests)? * records;
            let found = admin.records_count(&topic.name, amounts.partitions)?;
            ensure!(
                found == expected,
                "{found} records in the logs, {expected} acknowledged"
            );
            Ok(sample)
        }
        Load::Fetch { bytes } => {
            let topic = create(u16::try_from(shape.connections)?)?;
            let connections = (0..shape.connections)
                .map(|index| fetches(amounts, &mut admin, versions, &topic, index, bytes))
                .collect::<anyhow::Result<_>>()?;
            let limits = [amounts.warm_up.limit, amounts.load.limit];
            Ok(measure(served, connections, shape, bytes, limits)?.0)
        }
    }
}

/// The broker's command line, listening on a free port.
pub(crate) fn broker_command(ringbrook: &Path, dir: &Path) -> Command {
    let mut command = Command::new(ringbrook);
    command.arg("--data-dir").arg(dir);
    command.args(["--override", "listeners=PLAINTEXT://127.0.0.1:0"]);
    command
}

fn start_null(setup: &Setup, work: Work, file: &Path) -> anyhow::Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("null-server").arg(work.name()).arg(file);
    Server::start(&mut command, Some(setup.server_cpu))
}

/// Each connection's frames; the connections begin at different ones.
fn turns(shape: &Shape, frames: &[Bytes]) -> impl Iterator<Item = Turn> {
    (0..shape.connections).map(|connection| {
        let first = connection * frames.len() / shape.connections;
        Turn::new(frames.to_vec(), first)
    })
}

/// Warms up, then loads: what the server spent, and all requests including the warm-up's.
fn measure<R: Requests + 'static>(
    server: Served,
    connections: Vec<R>,
    shape: &Shape,
    payload_bytes: usize,
    [warm_up, load]: [Limit; 2],
) -> anyhow::Result<(Sample, u64)> {
    let in_flight = shape.in_flight;
    let (warmed_up, connections) = client::run(server.address, connections, in_flight, warm_up)?;
    let (cpu_s, client_cpu_s) = (server.cpu_seconds()?, cpu_seconds("self")?);
    let (done, _) = client::run(server.address, connections, in_flight, load)?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "far fewer requests than 2 to the 52"
    )]
    let (requests, payload_bytes) = (done.requests as f64, payload_bytes as f64);
    let sample = Sample {
        cpu_s: server.cpu_seconds()? - cpu_s,
        client_cpu_s: cpu_seconds("self")? - client_cpu_s,
        requests,
        payload_bytes: requests * payload_bytes,
        elapsed_s: done.elapsed.as_secs_f64(),
    };
    Ok((sample, warmed_up.requests + done.requests))
}

/// The time of day.
pub(crate) fn now_ms() -> anyhow::Result<i64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "brokers compare records' timestamps with the time of day"
    )]
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(i64::try_from(since_epoch.as_millis())?)
}

fn make_batch(batches: Batches) -> anyhow::Result<Bytes> {
    match batches {
        Batches::Filled(bytes) => frames::batch(bytes, now_ms()?),
        Batches::OneRecord => frames::one_record(SMALL_RECORD_BYTES, now_ms()?),
    }
}

fn produce_frames(
    amounts: &Amounts,
    versions: Versions,
    topic: &Topic,
    batch: &Bytes,
) -> anyhow::Result<Vec<Bytes>> {
    (0..i32::from(amounts.partitions))
        .map(|partition| frames::produce_in(versions.produce, topic, partition, batch))
        .collect()
}

/// Fills a partition and makes the fetches that read it from beginning to end.
fn fetches(
    amounts: &Amounts,
    admin: &mut Admin,
    versions: Versions,
    topic: &Topic,
    partition: usize,
    bytes: usize,
) -> anyhow::Result<BrokerFetch> {
    let partition = i32::try_from(partition)?;
    let batch = make_batch(Batches::Filled(BATCH_BYTES))?;
    let records_per_batch = i64::from(BatchHeader::parse(&batch)?.records_count);
    let batches = amounts.fetched_partition_bytes / BATCH_BYTES;
    let frame = frames::produce_in(versions.produce, topic, partition, &batch)?;
    for _ in 0..batches {
        produced_offset_in(versions.produce, admin.exchange(&frame)?, partition)?;
    }
    let batches_per_fetch = i64::try_from(bytes / BATCH_BYTES)?;
    let offsets: Vec<i64> = (0..i64::try_from(amounts.fetched_partition_bytes / bytes)?)
        .map(|index| index * batches_per_fetch * records_per_batch)
        .collect();
    let frames = offsets
        .iter()
        .map(|&offset| frames::fetch_in(versions.fetch, topic, partition, offset, bytes))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let first = admin.exchange(frames.first().context("a fetch")?)?;
    let turn = Turn::new(frames, 0);
    BrokerFetch::new(versions.fetch, turn, offsets, &first, partition, bytes)
}

/// Writes a file to send from; it is cached and on disk then, as the broker's logs are.
fn fill_file(path: &Path, file_bytes: usize) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut values = Values::new();
    for _ in 0..file_bytes / BATCH_BYTES {
        file.write_all(values.next(BATCH_BYTES))?;
    }
    Ok(file.into_inner()?.sync_all()?)
}
