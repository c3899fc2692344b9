//! The scenarios, and running them: sides in turn, round by round.

use std::time::Duration;

use anyhow::ensure;
use clap::builder::PossibleValuesParser;

use crate::client::Limit;
use crate::null_server::Work;
use crate::report::{Comparison, Series, append_json, environment, line};
use crate::round::{Amounts, BATCH_BYTES, Quota, Sample, Setup};
use crate::warm_memory::WarmMemory;
use crate::{RunArgs, cold, group_join, idle, offset_commit, process, round, transactions};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
const MIB: usize = 1024 * 1024;

/// What clients do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// Produce requests of one batch each, to the partitions in turn.
    Produce(Batches),
    /// Fetch requests of so many bytes, of a partition per connection.
    Fetch { bytes: usize },
}

/// The batches of a produce load, uncompressed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Batches {
    /// So many bytes in records of 1 KiB.
    Filled(usize),
    /// One record of 200 bytes.
    OneRecord,
}

/// A load that any server can be put under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) load: Load,
    pub(crate) connections: usize,
    /// Requests in flight per connection.
    pub(crate) in_flight: usize,
}

/// Of 16 KiB, Kafka's default `batch.size`.
pub(crate) const PRODUCE_16K: Shape = Shape {
    load: Load::Produce(Batches::Filled(16 * 1024)),
    ..PRODUCE_64K
};
/// Of 64 KiB.
pub(crate) const PRODUCE_64K: Shape = Shape {
    load: Load::Produce(Batches::Filled(BATCH_BYTES)),
    connections: 4,
    in_flight: 5,
};
/// A request for every record.
pub(crate) const PRODUCE_ONE_RECORD: Shape = Shape {
    load: Load::Produce(Batches::OneRecord),
    connections: 64,
    in_flight: 1,
};
/// The same from clients that keep as many requests in flight as Kafka's producer does by default.
pub(crate) const PRODUCE_ONE_RECORD_PIPELINED: Shape = Shape {
    in_flight: 5,
    ..PRODUCE_ONE_RECORD
};
pub(crate) const FETCH_1M: Shape = fetch(MIB);
pub(crate) const FETCH_64K: Shape = fetch(BATCH_BYTES);

const fn fetch(bytes: usize) -> Shape {
    Shape {
        load: Load::Fetch { bytes },
        connections: 4,
        in_flight: 1,
    }
}

/// A load that the broker and a null server are put under.
#[derive(Debug)]
pub(crate) struct Scenario {
    name: &'static str,
    pub(crate) shape: Shape,
    /// What the null server does.
    pub(crate) null: Work,
    /// Settings of the broker that are not its defaults.
    pub(crate) settings: &'static [&'static str],
    /// Greatest ratio of CPU time that is aimed at.
    aim: Option<f64>,
}

const PAGE_CACHE: &[&str] = &["log.flush.before.ack=false"];

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "produce-16k",
        shape: PRODUCE_16K,
        null: Work::Ingest,
        settings: PAGE_CACHE,
        aim: None,
    },
    Scenario {
        name: "produce-64k",
        shape: PRODUCE_64K,
        null: Work::Ingest,
        settings: PAGE_CACHE,
        aim: Some(1.25),
    },
    Scenario {
        name: "produce-64k-durable",
        shape: PRODUCE_64K,
        null: Work::IngestDurable,
        settings: &[],
        aim: None,
    },
    Scenario {
        name: "produce-one-record",
        shape: PRODUCE_ONE_RECORD,
        null: Work::Echo,
        settings: PAGE_CACHE,
        aim: Some(1.6),
    },
    Scenario {
        name: "produce-one-record-pipelined",
        shape: PRODUCE_ONE_RECORD_PIPELINED,
        null: Work::Echo,
        settings: PAGE_CACHE,
        aim: None,
    },
    Scenario {
        name: "produce-one-record-appended",
        shape: PRODUCE_ONE_RECORD,
        null: Work::Ingest,
        settings: PAGE_CACHE,
        aim: None,
    },
    Scenario {
        name: "produce-one-record-pipelined-appended",
        shape: PRODUCE_ONE_RECORD_PIPELINED,
        null: Work::Ingest,
        settings: PAGE_CACHE,
        aim: None,
    },
    Scenario {
        name: "fetch-1m",
        shape: FETCH_1M,
        null: Work::Send,
        settings: &[],
        aim: Some(1.25),
    },
    Scenario {
        name: "fetch-64k",
        shape: FETCH_64K,
        null: Work::Send,
        settings: &[],
        aim: None,
    },
    Scenario {
        name: "fetch-1m-copied",
        shape: FETCH_1M,
        null: Work::Copy,
        settings: &[],
        aim: None,
    },
    Scenario {
        name: "fetch-64k-copied",
        shape: FETCH_64K,
        null: Work::Copy,
        settings: &[],
        aim: None,
    },
];

type Run = fn(&RunArgs) -> anyhow::Result<()>;

/// The warm-up is this part of a round.
const WARM_UP_PART: u32 = 5;

/// Scenarios without a null server.
const BROKER_ONLY: [(&str, Run); 5] = [
    (cold::NAME, cold::run),
    (transactions::NAME, transactions::run),
    (transactions::NAME_DURABLE, transactions::run_durable),
    (group_join::NAME, group_join::run),
    (offset_commit::NAME, offset_commit::run),
];

/// Names that the command line takes.
pub(crate) fn names() -> PossibleValuesParser {
    let loads = SCENARIOS.iter().map(|scenario| scenario.name);
    PossibleValuesParser::new(
        loads
            .chain(BROKER_ONLY.map(|(name, _)| name))
            .chain([idle::NAME]),
    )
}

/// Runs the scenarios that `args` names.
///
/// # Errors
/// A server failed or answered something else than it had to.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    ensure!(0 < args.rounds, "no rounds, no figures");
    let is_wanted = |name: &str| {
        args.scenarios.is_empty() || args.scenarios.iter().any(|wanted| wanted == name)
    };
    append_json(args.json.as_deref(), &environment())?;
    // Before any core is pinned: an idle broker starts as it does for a user.
    if is_wanted(idle::NAME) && !args.calibrate {
        idle::run(args)?;
    }
    process::pin(args.client_cpu)?;
    for (name, run) in BROKER_ONLY {
        if is_wanted(name) && !args.calibrate {
            run(args)?;
        }
    }
    let setup = setup(args);
    let produced_bytes = setup.amounts.produced_bytes();
    let _warm_memory = WarmMemory::take(if args.quick { 0 } else { produced_bytes })?;
    for scenario in SCENARIOS {
        if is_wanted(scenario.name) {
            compare(args, &setup, scenario)?;
        }
    }
    Ok(())
}

fn setup(args: &RunArgs) -> Setup {
    let limit = if args.quick {
        Limit {
            duration: Duration::from_secs(2),
            requests: 200,
        }
    } else {
        Limit {
            duration: Duration::from_secs(args.seconds.into()),
            requests: u64::MAX,
        }
    };
    let load = Quota {
        limit,
        produced_bytes: u64::from(args.gib) << 30,
    };
    Setup {
        ringbrook: args.ringbrook.clone(),
        server_cpu: args.server_cpu,
        dir: args.dir.clone(),
        amounts: Amounts {
            partitions: args.partitions,
            warm_up: load.part(WARM_UP_PART),
            load,
            fetched_partition_bytes: if args.quick { 2 * MIB } else { 64 * MIB },
        },
    }
}

/// Runs the rounds of one scenario and reports.
fn compare(args: &RunArgs, setup: &Setup, scenario: &Scenario) -> anyhow::Result<()> {
    let (mut null, mut broker) = (Vec::new(), Vec::new());
    let broker_round = if args.calibrate {
        round::null
    } else {
        round::broker
    };
    for index in 0..args.rounds {
        // Whoever comes first in one round comes second in the next.
        if index % 2 == 0 {
            null.push(round::null(setup, scenario)?);
            broker.push(broker_round(setup, scenario)?);
        } else {
            broker.push(broker_round(setup, scenario)?);
            null.push(round::null(setup, scenario)?);
        }
    }
    let quantities = match scenario.shape.load {
        Load::Produce(Batches::OneRecord) => [CPU_US, REQUESTS, CLIENT_SHARE],
        _ => [CPU_S, MB, CLIENT_SHARE],
    };
    for (index, (unit, of)) in quantities.into_iter().enumerate() {
        let comparison = Comparison {
            scenario: scenario.name,
            unit,
            null: Series(null.iter().map(of).collect()),
            broker: Series(broker.iter().map(of).collect()),
            aim: scenario.aim.filter(|_| index == 0 && !args.quick),
        };
        line(&comparison.text());
        append_json(args.json.as_deref(), &comparison.json())?;
    }
    Ok(())
}

/// A unit, and how to get the quantity of a sample.
pub(crate) type Quantity = (&'static str, fn(&Sample) -> f64);

pub(crate) const CPU_US: Quantity = ("CPU us/req", |it| 1e6 * it.cpu_s / it.requests);
pub(crate) const CPU_S: Quantity = ("CPU-s/GiB", |it| it.cpu_s / (it.payload_bytes / GIB));
pub(crate) const REQUESTS: Quantity = ("requests/s", |it| it.requests / it.elapsed_s);
pub(crate) const MB: Quantity = ("MB/s", |it| it.payload_bytes / 1e6 / it.elapsed_s);
/// Near 100 % the client is the limit, and rates tell nothing about the server.
pub(crate) const CLIENT_SHARE: Quantity =
    ("client CPU %", |it| 100.0 * it.client_cpu_s / it.elapsed_s);
