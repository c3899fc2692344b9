//! What a broker costs that has nothing to do: memory with 1,000 partitions, and time to start.

use std::path::Path;
use std::time::Duration;

use crate::RunArgs;
use crate::admin::Admin;
use crate::interrupt::Scratch;
use crate::process::{Server, rest};
use crate::report::{Measurement, Series, append_json, line};
use crate::round::broker_command;

pub(crate) const NAME: &str = "idle";

const PARTITIONS: u16 = 1000;
const QUICK_PARTITIONS: u16 = 20;
/// Resident memory aimed at, in MiB.
const RESIDENT_AIM_MIB: f64 = 40.0;
/// Time to start aimed at, in ms.
const START_AIM_MS: f64 = 150.0;
/// How long a broker has nothing to do before its memory is measured.
const REST: Duration = Duration::from_secs(2);

/// Starts brokers with default settings on all cores, and reports.
///
/// # Errors
/// A broker did not start, serve or stop.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let partitions = if args.quick {
        QUICK_PARTITIONS
    } else {
        PARTITIONS
    };
    let mut empty_starts = Series::default();
    for _ in 0..args.rounds {
        let dir = Scratch::new_in(&args.dir)?;
        let server = start(args, dir.path())?;
        empty_starts.0.push(milliseconds(server.started_in));
        server.stop()?;
    }
    let dir = Scratch::new_in(&args.dir)?;
    let server = start(args, dir.path())?;
    Admin::connect(server.address)?.create_topic(partitions)?;
    rest(REST);
    let after_creation = Series(vec![resident_mib(&server)?]);
    server.stop()?;
    let mut starts = Series::default();
    let mut resident = Series::default();
    for _ in 0..args.rounds {
        let server = start(args, dir.path())?;
        starts.0.push(milliseconds(server.started_in));
        rest(REST);
        resident.0.push(resident_mib(&server)?);
        server.stop()?;
    }
    for (what, unit, series, aim) in [
        ("start, empty directory", "ms", empty_starts, START_AIM_MS),
        (
            "start, all partitions closed cleanly",
            "ms",
            starts,
            START_AIM_MS,
        ),
        (
            "resident after creating partitions",
            "MiB",
            after_creation,
            RESIDENT_AIM_MIB,
        ),
        (
            "resident after a restart",
            "MiB",
            resident,
            RESIDENT_AIM_MIB,
        ),
    ] {
        let measurement = Measurement {
            scenario: NAME,
            what,
            unit,
            series,
            aim: Some(aim),
        };
        line(&measurement.text());
        append_json(args.json.as_deref(), &measurement.json())?;
    }
    Ok(())
}

fn start(args: &RunArgs, dir: &Path) -> anyhow::Result<Server> {
    Server::start(&mut broker_command(&args.ringbrook, dir), None)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn resident_mib(server: &Server) -> anyhow::Result<f64> {
    let kib = u32::try_from(server.resident_bytes()? / 1024)?;
    Ok(f64::from(kib) / 1024.0)
}
