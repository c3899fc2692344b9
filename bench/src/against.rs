//! The loads of `run` on a broker that runs already: Apache Kafka, Ringbrook, or another that
//! speaks the protocol.
//!
//! The same lean client, the same requests and the same checks as of `run`: every answer is looked
//! at, and the log end offsets have to add up to the acknowledged records. What differs is that
//! the broker is not started here, so versions of requests are negotiated, and that the warm-up is
//! as long as the broker needs. `bench/compare/kafka` compares two brokers with it.

mod bars;
mod brokers;
mod cells;
mod comparison;
mod others;
mod quantities;
mod report;
mod results;
mod rows;
mod sides;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::Admin;
use crate::client::Limit;
use crate::frames::Versions;
use crate::process::{self, Served};
use crate::report::{append_json, environment, line};
use crate::round::{self, Amounts, Quota, Sample};
use crate::scenario::{
    CLIENT_SHARE, CPU_S, CPU_US, FETCH_1M, FETCH_64K, MB, PRODUCE_16K, PRODUCE_64K,
    PRODUCE_ONE_RECORD, PRODUCE_ONE_RECORD_PIPELINED, Quantity, REQUESTS, Shape,
};
use crate::warm_memory::WarmMemory;

pub(crate) use comparison::{CompareArgs, run as compare};

const MIB: usize = 1024 * 1024;

/// What a load is called, and what it is. Loads of one kind follow each other: the warm-up of the
/// first serves the others too.
pub(crate) const LOADS: [(&str, Shape); 6] = [
    ("produce-16k", PRODUCE_16K),
    ("produce-64k", PRODUCE_64K),
    ("produce-one-record", PRODUCE_ONE_RECORD),
    ("produce-one-record-pipelined", PRODUCE_ONE_RECORD_PIPELINED),
    ("fetch-1m", FETCH_1M),
    ("fetch-64k", FETCH_64K),
];

/// What is told of a load.
pub(crate) const QUANTITIES: [Quantity; 5] = [CPU_US, CPU_S, REQUESTS, MB, CLIENT_SHARE];

/// How to run the loads.
#[derive(Debug, clap::Args)]
pub(crate) struct AgainstArgs {
    /// Where the broker listens, as host:port
    address: String,
    /// Loads to run; all when none is named
    #[arg(value_parser = PossibleValuesParser::new(LOADS.map(|(name, _)| name)))]
    loads: Vec<String>,
    /// Process of the broker, whose CPU time is taken
    #[arg(long)]
    broker_pid: u32,
    /// Name of the broker in the results
    #[arg(long, default_value = "broker")]
    label: String,
    /// Seconds of each load before it is measured. Apache Kafka's JIT compiler needs 20 to 30
    /// seconds of a load until it is as fast as it gets
    #[arg(long, default_value_t = 5.0)]
    warm_up_s: f64,
    /// Seconds of each load that are measured, at most
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Rounds: every load once in each, on topics of their own
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// GiB that are produced while it is measured, at most, so that disk and page cache suffice
    #[arg(long, default_value_t = 2)]
    gib: u32,
    /// GiB that are produced while it warms up, at most
    #[arg(long, default_value_t = 6)]
    warm_up_gib: u32,
    /// Partitions that produce requests go to in turn
    #[arg(long, default_value_t = 8)]
    partitions: u16,
    /// Core of the client
    #[arg(long, default_value_t = 1)]
    client_cpu: usize,
    /// A few requests only: shows that it works, not how fast anything is
    #[arg(long)]
    quick: bool,
    /// Append each result as a line of JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs the loads that `args` names.
///
/// # Errors
/// The broker failed or answered something else than it had to.
pub(crate) fn run(args: &AgainstArgs) -> anyhow::Result<()> {
    ensure!(0 < args.rounds, "no rounds, no figures");
    let served = Served {
        address: resolve(&args.address)?,
        pid: args.broker_pid,
    };
    process::pin(args.client_cpu)?;
    let amounts = amounts(args)?;
    append_json(args.json.as_deref(), &environment())?;
    let _warm_memory = WarmMemory::take(if args.quick {
        0
    } else {
        amounts.produced_bytes()
    })?;
    for round in 1..=args.rounds {
        for (name, shape) in LOADS {
            if args.loads.is_empty() || args.loads.iter().any(|wanted| wanted == name) {
                let (sample, versions) = load(served, &amounts, name, &shape)?;
                line(&text(&args.label, name, &sample));
                let mut value = json(name, &sample);
                value["round"] = json!(round);
                value["broker"] = json!(args.label);
                value["warm_up_s"] = json!(args.warm_up_s);
                value["produce_version"] = json!(versions.produce);
                value["fetch_version"] = json!(versions.fetch);
                append_json(args.json.as_deref(), &value)?;
            }
        }
    }
    Ok(())
}

/// Puts a broker under a load, on a topic that is left there.
///
/// # Errors
/// The broker failed, answered something else than it had to, or serves no version of a request.
pub(crate) fn load(
    served: Served,
    amounts: &Amounts,
    name: &str,
    shape: &Shape,
) -> anyhow::Result<(Sample, Versions)> {
    let versions = Admin::connect(served.address)?.versions()?;
    let topic = format!("{name}-{}", Uuid::new_v4().simple());
    let sample = round::running_broker(served, versions, amounts, shape, &topic)
        .with_context(|| format!("the load {name}"))?;
    Ok((sample, versions))
}

/// The first address of `host:port`.
///
/// # Errors
/// There is none.
pub(crate) fn resolve(address: &str) -> anyhow::Result<SocketAddr> {
    let addresses = address.to_socket_addrs();
    let mut addresses = addresses.with_context(|| format!("{address} is no host:port"))?;
    addresses.next().context("an address")
}

fn amounts(args: &AgainstArgs) -> anyhow::Result<Amounts> {
    let quota = |seconds: f64, gib: u32| {
        anyhow::Ok(Quota {
            limit: Limit {
                duration: Duration::try_from_secs_f64(seconds)?,
                requests: if args.quick { 200 } else { u64::MAX },
            },
            produced_bytes: u64::from(gib) << 30,
        })
    };
    Ok(Amounts {
        partitions: args.partitions,
        warm_up: quota(args.warm_up_s, args.warm_up_gib)?,
        load: quota(args.seconds, args.gib)?,
        fetched_partition_bytes: if args.quick { 2 * MIB } else { 64 * MIB },
    })
}

/// The line printed.
fn text(label: &str, name: &str, sample: &Sample) -> String {
    let quantities = QUANTITIES.map(|(unit, of)| format!("{:>10.2} {unit}", of(sample)));
    format!("{label:<20} {name:<20} {}", quantities.join("  "))
}

/// The line for the file of results.
fn json(name: &str, sample: &Sample) -> Value {
    let mut value = json!({
        "load": name,
        "requests": sample.requests,
        "payload_bytes": sample.payload_bytes,
        "elapsed_s": sample.elapsed_s,
        "broker_cpu_s": sample.cpu_s,
        "client_cpu_s": sample.client_cpu_s,
    });
    for (unit, of) in QUANTITIES {
        value[unit] = json!(of(sample));
    }
    value
}
