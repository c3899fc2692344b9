//! The rate of offset commits, and what one costs the broker: 1 and 64 groups at once, each with
//! one commit of one partition in flight, on disk before the answer and not.
//!
//! Broker only, as a null server has no groups.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ringbrook_protocol::messages::{GroupId, OffsetCommitRequest, OffsetCommitResponse};

use crate::RunArgs;
use crate::admin::{Admin, KEY_GROUP, topic_name};
use crate::client::{self, Limit, Requests};
use crate::frames::encode;
use crate::interrupt::Scratch;
use crate::load::decode;
use crate::process::{Server, cpu_seconds};
use crate::report::{Measurement, Series, append_json, line};
use crate::round::broker_command;

pub(crate) const NAME: &str = "offset-commit";

const TOPIC: &str = "bench-commits";
/// The newest version that names topics.
const OFFSET_COMMIT_VERSION: i16 = 9;
/// The warm-up is this part of a load.
const WARM_UP_PART: u32 = 5;

/// The loads: groups, and whether a commit is on disk before its answer.
const LOADS: [(&str, usize, bool); 4] = [
    ("1 group", 1, false),
    ("64 groups", 64, false),
    ("1 group, durable", 1, true),
    ("64 groups, durable", 64, true),
];

/// What a round came to.
struct Sample {
    commits_per_s: f64,
    cpu_us: f64,
    client_cpu_percent: f64,
}

/// Commits of one group, one connection's.
struct Commits {
    frame: Bytes,
}

impl Requests for Commits {
    fn next(&mut self) -> Bytes {
        self.frame.clone()
    }

    fn check(&mut self, head: &[u8], _answer_bytes: usize) -> anyhow::Result<()> {
        let answer = Bytes::copy_from_slice(head);
        let answer: OffsetCommitResponse = decode(answer, 0, OFFSET_COMMIT_VERSION)?;
        let topic = answer.topics.first();
        let partition = topic.and_then(|topic| topic.partitions.first());
        let code = partition.context("an answer for one partition")?.error_code;
        ensure!(code == 0, "commit refused with {code}");
        Ok(())
    }
}

/// Runs the rounds, and reports.
///
/// # Errors
/// The broker failed or refused.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    for (what, groups, is_durable) in LOADS {
        let mut samples = Vec::new();
        for _ in 0..args.rounds {
            samples.push(round(args, groups, is_durable)?);
        }
        let series = |of: fn(&Sample) -> f64| Series(samples.iter().map(of).collect());
        for (unit, series) in [
            ("commits/s", series(|it| it.commits_per_s)),
            ("CPU us/commit", series(|it| it.cpu_us)),
            ("client CPU %", series(|it| it.client_cpu_percent)),
        ] {
            let measurement = Measurement {
                scenario: NAME,
                what,
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

fn round(args: &RunArgs, groups: usize, is_durable: bool) -> anyhow::Result<Sample> {
    let dir = Scratch::new_in(&args.dir)?;
    let mut command = broker_command(&args.ringbrook, dir.path());
    command.args(["--override", "core.threads=1"]);
    command.args(["--override", "offsets.topic.replication.factor=1"]);
    if !is_durable {
        command.args(["--override", "log.flush.before.ack=false"]);
    }
    let server = Server::start(&mut command, Some(args.server_cpu))?;
    let mut admin = Admin::connect(server.address)?;
    admin.create_served(TOPIC, 1)?;
    let mut connections = Vec::new();
    for group in 0..groups {
        let group = format!("bench-{group}");
        admin.find_coordinator(KEY_GROUP, &group)?;
        let request = commit(&group);
        // Until the coordinator has loaded, and the partition is served.
        admin.patiently(&request, OFFSET_COMMIT_VERSION, |answer| {
            let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.next().map_or(-1, |it| it.error_code)
        })?;
        let frame = encode(&request, OFFSET_COMMIT_VERSION, 0)?;
        connections.push(Commits { frame });
    }
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
    let warm_up = Limit {
        duration: limit.duration / WARM_UP_PART,
        requests: limit.requests / u64::from(WARM_UP_PART),
    };
    let (_, connections) = client::run(server.address, connections, 1, warm_up)?;
    let (cpu_s, client_cpu_s) = (server.cpu_seconds()?, cpu_seconds("self")?);
    let (done, _) = client::run(server.address, connections, 1, limit)?;
    let (cpu_s, client_cpu_s) = (
        server.cpu_seconds()? - cpu_s,
        cpu_seconds("self")? - client_cpu_s,
    );
    server.stop()?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "far fewer requests than 2 to the 52"
    )]
    let (commits, elapsed_s) = (done.requests as f64, done.elapsed.as_secs_f64());
    Ok(Sample {
        commits_per_s: commits / elapsed_s,
        cpu_us: 1e6 * cpu_s / commits,
        client_cpu_percent: 100.0 * client_cpu_s / elapsed_s,
    })
}

/// A commit of a consumer that manages its partitions itself, so that no group has to be joined.
fn commit(group: &str) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(4711)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(StrBytes::from_static_str("")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}
