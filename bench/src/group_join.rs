//! How long 500 consumers that start at once take until all have their assignment, by JoinGroup and
//! SyncGroup (the leader assigns) and by ConsumerGroupHeartbeat (the broker assigns), and the CPU
//! time that the broker spends on it.
//!
//! Broker only, as a null server has no groups. Members heartbeat twice a second, so that a
//! rebalance is noticed soon and waiting is not all that is measured; CPU time is the surer figure.

mod classic;
mod consumer;
mod link;
mod roster;

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use uuid::Uuid;

use crate::RunArgs;
use crate::admin::{Admin, KEY_GROUP};
use crate::interrupt::Scratch;
use crate::process::{Server, now};
use crate::report::{Measurement, Series, append_json, line};
use crate::round::broker_command;

use roster::Roster;

pub(crate) const NAME: &str = "group-join";

const MEMBERS: usize = 500;
const QUICK_MEMBERS: usize = 20;
const PARTITIONS_PER_MEMBER: usize = 2;
const TOPIC: &str = "bench-joined";
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long all members together may take.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Session and rebalance timeouts, which nobody is meant to reach.
const SESSION_MS: i32 = 45_000;
const REBALANCE_MS: i32 = 60_000;

const SETTINGS: [&str; 6] = [
    "core.threads=1",
    "log.flush.before.ack=false",
    "offsets.topic.replication.factor=1",
    "group.initial.rebalance.delay.ms=0",
    "group.consumer.min.heartbeat.interval.ms=500",
    "group.consumer.heartbeat.interval.ms=500",
];

/// What all members of a group know.
struct Group {
    address: SocketAddr,
    name: String,
    topic: Uuid,
    partitions: usize,
    roster: Roster,
}

/// Runs the rounds, and reports.
///
/// # Errors
/// The broker failed or refused, or members do not get their partitions.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let members = if args.quick { QUICK_MEMBERS } else { MEMBERS };
    let (mut classic, mut consumer) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        classic.push(round(args, members, classic::member)?);
        consumer.push(round(args, members, consumer::member)?);
    }
    for (protocol, joined) in [("classic", classic), ("consumer", consumer)] {
        let series = |of: fn(&Joined) -> f64| Series(joined.iter().map(of).collect());
        for (unit, series) in [
            ("ms until all are assigned", series(|it| it.elapsed_ms)),
            ("ms of broker CPU", series(|it| it.cpu_ms)),
        ] {
            let measurement = Measurement {
                scenario: NAME,
                what: protocol,
                unit,
                series,
                aim: None,
            };
            line(&measurement.text());
            append_json(args.json.as_deref(), &measurement.json())?;
        }
    }
    Ok(())
}

/// What a round came to.
struct Joined {
    elapsed_ms: f64,
    cpu_ms: f64,
}

fn round<F, M>(args: &RunArgs, members: usize, member: F) -> anyhow::Result<Joined>
where
    F: Fn(Rc<Group>, usize) -> M,
    M: Future<Output = anyhow::Result<()>> + 'static,
{
    let dir = Scratch::new_in(&args.dir)?;
    let mut command = broker_command(&args.ringbrook, dir.path());
    for setting in SETTINGS {
        command.args(["--override", setting]);
    }
    let server = Server::start(&mut command, Some(args.server_cpu))?;
    let mut admin = Admin::connect(server.address)?;
    let partitions = members * PARTITIONS_PER_MEMBER;
    let topic = admin.create_served(TOPIC, u16::try_from(partitions)?)?;
    let name = "bench-group".to_owned();
    admin.find_coordinator(KEY_GROUP, &name)?;
    let group = Rc::new(Group {
        address: server.address,
        name,
        topic,
        partitions,
        roster: Roster::new(members, partitions),
    });
    let cpu_s = server.cpu_seconds()?;
    let elapsed = join_all(&group, members, member)?;
    let joined = Joined {
        elapsed_ms: 1e3 * elapsed.as_secs_f64(),
        cpu_ms: 1e3 * (server.cpu_seconds()? - cpu_s),
    };
    server.stop()?;
    Ok(joined)
}

/// Starts all members and waits until each has its part.
fn join_all<F, M>(group: &Rc<Group>, members: usize, member: F) -> anyhow::Result<Duration>
where
    F: Fn(Rc<Group>, usize) -> M,
    M: Future<Output = anyhow::Result<()>> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let begin = now();
        let tasks: Vec<_> = (0..members)
            .map(|index| tokio::task::spawn_local(member(Rc::clone(group), index)))
            .collect();
        let all = async {
            for task in tasks {
                task.await.context("a member's task failed")??;
            }
            anyhow::Ok(())
        };
        let joined = tokio::time::timeout(TIMEOUT, all).await;
        joined.with_context(|| group.roster.text())??;
        Ok(group.roster.completed_at().context("a time")? - begin)
    })
}
