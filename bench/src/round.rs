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

use crate::admin::Admin;
use crate::client::{self, Limit, Requests};
use crate::frames::{self, Values};
use crate::load::{BrokerFetch, BrokerProduce, NullFetch, NullProduce, Turn, produced_offset};
use crate::null_server::Work;
use crate::process::{Server, cpu_seconds};
use crate::scenario::{Batches, Load, Scenario};

/// Bytes of the batches in fetch scenarios, and of those in produce scenarios that are not small.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;
/// Bytes of a record in scenarios of small requests.
const SMALL_RECORD_BYTES: usize = 200;
/// The warm-up is this part of a round.
const WARM_UP_PART: u32 = 5;

/// What holds for all rounds of a run.
pub(crate) struct Setup {
    /// The broker's binary.
    pub(crate) ringbrook: PathBuf,
    /// Core of the server.
    pub(crate) server_cpu: usize,
    /// Partitions that produce requests go to.
    pub(crate) partitions: u16,
    /// Where servers keep their files.
    pub(crate) dir: PathBuf,
    /// Time and requests of a round.
    pub(crate) limit: Limit,
    /// Bytes produced in a round, at most.
    pub(crate) produced_bytes_max: u64,
    /// Bytes of each partition that is fetched.
    pub(crate) fetched_partition_bytes: usize,
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
    let dir = tempfile::tempdir_in(&setup.dir)?;
    let file = dir.path().join("null.log");
    match scenario.load {
        Load::Produce { null, batches } => {
            let frames = produce_frames(setup, Uuid::nil(), &make_batch(batches)?)?;
            let server = start_null(setup, null, &file)?;
            let connections = turns(scenario, &frames)
                .map(|turn| NullProduce::new(turn, null != Work::Echo))
                .collect();
            let limit = produce_limit(setup, batches)?;
            touch_memory(limit.requests * batch_bytes(batches)? as u64 / 4 * 5)?;
            let (sample, _) =
                measure(&server, connections, scenario, batch_bytes(batches)?, limit)?;
            Ok(sample)
        }
        Load::Fetch { bytes } => {
            let partition_bytes = setup.fetched_partition_bytes;
            fill_file(&file, partition_bytes * scenario.connections)?;
            let server = start_null(setup, Work::Send, &file)?;
            let ranges = |connection: usize| {
                let begin = connection * partition_bytes;
                (begin..begin + partition_bytes)
                    .step_by(bytes)
                    .map(|position| frames::null_fetch(position as u64, bytes as u64))
                    .collect()
            };
            let connections = (0..scenario.connections)
                .map(|connection| NullFetch {
                    turn: Turn::new(ranges(connection), 0),
                    range_bytes: bytes,
                })
                .collect();
            let (sample, _) = measure(&server, connections, scenario, bytes, setup.limit)?;
            Ok(sample)
        }
    }
}

/// A round against the broker.
///
/// # Errors
/// The broker or its client failed, or the broker does not hold exactly what it acknowledged.
pub(crate) fn broker(setup: &Setup, scenario: &Scenario) -> anyhow::Result<Sample> {
    let dir = tempfile::tempdir_in(&setup.dir)?;
    let mut command = broker_command(&setup.ringbrook, dir.path());
    command.args(["--override", "core.threads=1"]);
    for setting in scenario.settings {
        command.args(["--override", setting]);
    }
    let server = Server::start(&mut command, Some(setup.server_cpu))?;
    let mut admin = Admin::connect(server.address)?;
    let sample = match scenario.load {
        Load::Produce { batches, .. } => {
            let topic = admin.create_topic(setup.partitions)?;
            let batch = make_batch(batches)?;
            let frames = produce_frames(setup, topic, &batch)?;
            let connections = turns(scenario, &frames).map(BrokerProduce::new).collect();
            let limit = produce_limit(setup, batches)?;
            touch_memory(limit.requests * batch_bytes(batches)? as u64 / 4 * 5)?;
            let (sample, requests) = measure(&server, connections, scenario, batch.len(), limit)?;
            let records = i64::from(BatchHeader::parse(&batch)?.records_count);
            let expected = i64::try_from(requests)? * records;
            let found = admin.records_count(setup.partitions)?;
            ensure!(
                found == expected,
                "{found} records in the logs, {expected} acknowledged"
            );
            sample
        }
        Load::Fetch { bytes } => {
            let topic = admin.create_topic(u16::try_from(scenario.connections)?)?;
            let connections = (0..scenario.connections)
                .map(|index| fetches(setup, &mut admin, topic, index, bytes))
                .collect::<anyhow::Result<_>>()?;
            measure(&server, connections, scenario, bytes, setup.limit)?.0
        }
    };
    server.stop()?;
    Ok(sample)
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
fn turns(scenario: &Scenario, frames: &[Bytes]) -> impl Iterator<Item = Turn> {
    (0..scenario.connections).map(|connection| {
        let first = connection * frames.len() / scenario.connections;
        Turn::new(frames.to_vec(), first)
    })
}

/// Takes memory from the hypervisor and gives it back to the kernel, which uses it for the page
/// cache next. Virtual machines may return free memory to their host; then whoever writes first to
/// a page waits for the host, which costs more than the write itself and strikes at random.
fn touch_memory(bytes: u64) -> anyhow::Result<()> {
    const PAGE_BYTES: usize = 4096;
    let mut memory = vec![0u8; usize::try_from(bytes)?];
    for page in memory.chunks_mut(PAGE_BYTES) {
        if let Some(byte) = page.first_mut() {
            *byte = 1;
        }
    }
    std::hint::black_box(&memory);
    Ok(())
}

/// Warms up, then loads: what the server spent, and all requests including the warm-up's.
fn measure<R: Requests + 'static>(
    server: &Server,
    connections: Vec<R>,
    scenario: &Scenario,
    payload_bytes: usize,
    limit: Limit,
) -> anyhow::Result<(Sample, u64)> {
    let warm_up = Limit {
        duration: limit.duration / WARM_UP_PART,
        requests: limit.requests / u64::from(WARM_UP_PART),
    };
    let in_flight = scenario.in_flight;
    let (warmed_up, connections) = client::run(server.address, connections, in_flight, warm_up)?;
    let (cpu_s, client_cpu_s) = (server.cpu_seconds()?, cpu_seconds("self")?);
    let (done, _) = client::run(server.address, connections, in_flight, limit)?;
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
        Batches::Large => frames::batch(BATCH_BYTES, now_ms()?),
        Batches::OneRecord => frames::one_record(SMALL_RECORD_BYTES, now_ms()?),
    }
}

fn batch_bytes(batches: Batches) -> anyhow::Result<usize> {
    Ok(make_batch(batches)?.len())
}

fn produce_frames(setup: &Setup, topic: Uuid, batch: &Bytes) -> anyhow::Result<Vec<Bytes>> {
    (0..i32::from(setup.partitions))
        .map(|partition| frames::produce(topic, partition, batch))
        .collect()
}

fn produce_limit(setup: &Setup, batches: Batches) -> anyhow::Result<Limit> {
    let requests = setup.produced_bytes_max / batch_bytes(batches)? as u64;
    Ok(Limit {
        requests: setup.limit.requests.min(requests),
        ..setup.limit
    })
}

/// Fills a partition and makes the fetches that read it from beginning to end.
fn fetches(
    setup: &Setup,
    admin: &mut Admin,
    topic: Uuid,
    partition: usize,
    bytes: usize,
) -> anyhow::Result<BrokerFetch> {
    let partition = i32::try_from(partition)?;
    let batch = make_batch(Batches::Large)?;
    let records_per_batch = i64::from(BatchHeader::parse(&batch)?.records_count);
    let batches = setup.fetched_partition_bytes / BATCH_BYTES;
    let frame = frames::produce(topic, partition, &batch)?;
    for _ in 0..batches {
        produced_offset(admin.exchange(&frame)?, partition)?;
    }
    let batches_per_fetch = i64::try_from(bytes / BATCH_BYTES)?;
    let offsets: Vec<i64> = (0..i64::try_from(setup.fetched_partition_bytes / bytes)?)
        .map(|index| index * batches_per_fetch * records_per_batch)
        .collect();
    let frames = offsets
        .iter()
        .map(|&offset| frames::fetch(topic, partition, offset, bytes))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let first = admin.exchange(frames.first().context("a fetch")?)?;
    BrokerFetch::new(Turn::new(frames, 0), offsets, &first, partition, bytes)
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
