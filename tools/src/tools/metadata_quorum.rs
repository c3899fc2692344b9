//! `kafka-metadata-quorum`: the quorum of controllers (Kafka's `MetadataQuorumCommand`).
//!
//! `add-controller` is not there: it takes what it sends from a controller's own configuration.

use std::iter::once;

use clap::Command;
use ringbrook_client::admin::{QuorumInfo, QuorumReplica, RaftVoterEndpoint};
use ringbrook_client::{Admin, ClientError};
use serde_json::json;

use crate::frame::{
    Context, Failure, Options, Tool, bootstrap_options, flag, run_async, uuid_of_text, uuid_text,
    value,
};

/// `kafka-metadata-quorum`.
pub const TOOL: Tool = Tool {
    name: "metadata-quorum",
    about: "This tool describes kraft metadata quorum status.",
    examples: &[
        (
            "Who leads, and how far the others are behind",
            "--bootstrap-server localhost:9092 describe --status",
        ),
        (
            "Every controller and broker",
            "--bootstrap-server localhost:9092 describe --replication --human-readable",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    let describe = Command::new("describe")
        .about("Describe the metadata quorum info")
        .args([
            flag("status", "A short summary of the quorum status."),
            flag(
                "replication",
                "Detailed information about the status of replication",
            ),
            flag("human-readable", "Human-readable output").alias("hr"),
        ]);
    let remove = Command::new("remove-controller")
        .about("Remove a controller from the KRaft controller cluster")
        .args([
            value("controller-id", "id", "The id of the controller to remove.").short('i'),
            value(
                "controller-directory-id",
                "id",
                "The directory ID of the controller to remove.",
            )
            .short('d'),
            flag(
                "dry-run",
                "True if we should print what would be done, but not do it.",
            ),
        ]);
    let controller = value(
        "bootstrap-controller",
        "servers",
        "Controllers to connect to.",
    );
    bootstrap_options(command)
        .mut_arg("bootstrap-server", |arg| arg.global(true))
        .mut_arg("command-config", |arg| arg.global(true))
        .arg(controller.global(true))
        .subcommands([describe, remove].map(|command| command.infer_long_args(true)))
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let Some((name, options)) = options.subcommand() else {
        return Err(Failure::Usage("too few arguments".to_owned()));
    };
    if options.has("bootstrap-controller") {
        return Err(Failure::Usage(
            "rbk does not talk to controllers: use --bootstrap-server with a broker".to_owned(),
        ));
    }
    if !options.has("bootstrap-server") {
        return Err(Failure::Usage(
            "one of the arguments --bootstrap-server --bootstrap-controller is required".to_owned(),
        ));
    }
    let done = run_async(async {
        let admin = context.admin(&options)?;
        match name {
            "describe" => describe(&admin, &options, context).await,
            _ => remove(&admin, &options, context).await,
        }
    });
    match done {
        Err(
            failure @ Failure::Client(
                ClientError::Broker(_) | ClientError::UnsupportedVersion { .. },
            ),
        ) => Err(Failure::Message(failure.exception())),
        done => done,
    }
}

async fn describe(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let wrong = |text: &str| Err(Failure::Message(text.to_owned()));
    match (options.has("status"), options.has("replication")) {
        (true, true) => wrong(
            "Only one of --status or --replication should be specified with describe sub-command",
        ),
        (false, false) => {
            wrong("One of --status or --replication must be specified with describe sub-command")
        }
        (true, false) if options.has("human-readable") => {
            wrong("The option --human-readable is only supported along with --replication")
        }
        (true, false) => {
            let cluster_id = admin.describe_cluster().await?.cluster_id;
            let quorum = admin.describe_metadata_quorum().await?;
            tell_status(&cluster_id, &quorum, context)
        }
        (false, true) => {
            let quorum = admin.describe_metadata_quorum().await?;
            tell_replication(&quorum, options.has("human-readable"), context)
        }
    }
}

fn leader(quorum: &QuorumInfo) -> Result<&QuorumReplica, Failure> {
    let mut voters = quorum.voters.iter();
    let leader = voters.find(|voter| voter.replica_id == quorum.leader_id);
    leader.ok_or_else(|| {
        Failure::Message(format!(
            "the leader {} is not among the voters; try again when the quorum has settled",
            quorum.leader_id
        ))
    })
}

fn tell_status(
    cluster_id: &str,
    quorum: &QuorumInfo,
    context: &mut Context,
) -> Result<(), Failure> {
    let leader = leader(quorum)?;
    let slowest = quorum.voters.iter().min_by_key(|it| it.log_end_offset);
    let slowest = slowest.unwrap_or(leader);
    let lag = leader.log_end_offset.saturating_sub(slowest.log_end_offset);
    let lag_ms = match (
        leader.last_caught_up_timestamp,
        slowest.last_caught_up_timestamp,
    ) {
        _ if slowest.replica_id == leader.replica_id => 0,
        (Some(leader), Some(slowest)) => leader.saturating_sub(slowest),
        _ => -1,
    };
    if context.is_json() {
        return context.json(&json!({
            "cluster_id": cluster_id,
            "leader_id": quorum.leader_id,
            "leader_epoch": quorum.leader_epoch,
            "high_watermark": quorum.high_watermark,
            "max_follower_lag": lag,
            "max_follower_lag_time_ms": lag_ms,
            "voters": quorum.voters.iter().map(|it| it.replica_id).collect::<Vec<_>>(),
            "observers": quorum.observers.iter().map(|it| it.replica_id).collect::<Vec<_>>(),
        }));
    }
    let mut row = |name: &str, value: &str| context.line(format_args!("{name:<23} {value}"));
    row("ClusterId:", cluster_id)?;
    row("LeaderId:", &quorum.leader_id.to_string())?;
    row("LeaderEpoch:", &quorum.leader_epoch.to_string())?;
    row("HighWatermark:", &quorum.high_watermark.to_string())?;
    row("MaxFollowerLag:", &lag.to_string())?;
    row("MaxFollowerLagTimeMs:", &lag_ms.to_string())?;
    row("CurrentVoters:", &replicas_text(quorum, &quorum.voters))?;
    row(
        "CurrentObservers:",
        &replicas_text(quorum, &quorum.observers),
    )
}

/// Almost JSON, as Kafka's tool writes it.
fn replicas_text(quorum: &QuorumInfo, replicas: &[QuorumReplica]) -> String {
    let replicas = replicas.iter().map(|it| {
        let directory = match it.replica_directory_id.is_nil() {
            true => "null".to_owned(),
            false => format!("\"{}\"", uuid_text(it.replica_directory_id)),
        };
        let mut text = format!("{{\"id\": {}, \"directoryId\": {directory}", it.replica_id);
        let endpoints = quorum.nodes.get(&it.replica_id).map(Vec::as_slice);
        let endpoints = endpoints.unwrap_or_default();
        if !endpoints.is_empty() {
            let endpoints: Vec<_> = endpoints.iter().map(endpoint_text).collect();
            text.push_str(&format!(", \"endpoints\": [{}]", endpoints.join(", ")));
        }
        text.push('}');
        text
    });
    format!("[{}]", replicas.collect::<Vec<_>>().join(", "))
}

fn endpoint_text(endpoint: &RaftVoterEndpoint) -> String {
    let RaftVoterEndpoint { name, host, port } = endpoint;
    match host.contains(':') {
        true => format!("\"{name}://[{host}]:{port}\""),
        false => format!("\"{name}://{host}:{port}\""),
    }
}

fn tell_replication(
    quorum: &QuorumInfo,
    is_human: bool,
    context: &mut Context,
) -> Result<(), Failure> {
    let leader = leader(quorum)?;
    let followers = quorum.voters.iter();
    let followers = followers.filter(|it| it.replica_id != leader.replica_id);
    let all = once((leader, "Leader"))
        .chain(followers.map(|it| (it, "Follower")))
        .chain(quorum.observers.iter().map(|it| (it, "Observer")));
    if context.is_json() {
        let all = all.map(|(it, status)| {
            json!({
                "node_id": it.replica_id,
                "directory_id": uuid_text(it.replica_directory_id),
                "log_end_offset": it.log_end_offset,
                "lag": leader.log_end_offset.saturating_sub(it.log_end_offset),
                "last_fetch_timestamp": it.last_fetch_timestamp,
                "last_caught_up_timestamp": it.last_caught_up_timestamp,
                "status": status,
            })
        });
        return context.json(&all.collect::<Vec<_>>());
    }
    let header = [
        "NodeId",
        "DirectoryId",
        "LogEndOffset",
        "Lag",
        "LastFetchTimestamp",
        "LastCaughtUpTimestamp",
        "Status",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for (it, status) in all {
        let lag = leader.log_end_offset.saturating_sub(it.log_end_offset);
        rows.push([
            it.replica_id.to_string(),
            uuid_text(it.replica_directory_id),
            it.log_end_offset.to_string(),
            lag.to_string(),
            time_text(it.last_fetch_timestamp, is_human),
            time_text(it.last_caught_up_timestamp, is_human),
            status.to_owned(),
        ]);
    }
    for row in &rows {
        let columns = row.iter().enumerate().map(|(index, text)| {
            let lens = rows
                .iter()
                .filter_map(|row| row.get(index))
                .map(String::len);
            format!("{text:<0$}\t", lens.max().unwrap_or_default())
        });
        context.line(columns.collect::<String>())?;
    }
    Ok(())
}

fn time_text(timestamp: Option<i64>, is_human: bool) -> String {
    match timestamp {
        None => "-1".to_owned(),
        Some(timestamp) if is_human => {
            let ago = ringbrook_client::clock::now_ms().saturating_sub(timestamp);
            format!("{ago} ms ago")
        }
        Some(timestamp) => timestamp.to_string(),
    }
}

async fn remove(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let required = |name: &str| {
        let names = match name {
            "controller-id" => "--controller-id/-i",
            _ => "--controller-directory-id/-d",
        };
        Failure::Usage(format!("argument {names} is required"))
    };
    let id = options.number::<i32>("controller-id")?;
    let id = id.ok_or_else(|| required("controller-id"))?;
    let directory = options.text("controller-directory-id");
    let directory = directory.ok_or_else(|| required("controller-directory-id"))?;
    if id < 0 {
        return Err(Failure::Message(format!(
            "Invalid negative --controller-id: {id}"
        )));
    }
    let Some(directory_id) = uuid_of_text(directory) else {
        return Err(Failure::Message(format!(
            "Failed to parse --controller-directory-id: {directory} is not a base64-encoded UUID"
        )));
    };
    let is_dry = options.has("dry-run");
    if !is_dry {
        admin.remove_raft_voter(id, directory_id, None).await?;
    }
    let did = if is_dry {
        "DRY RUN of removing "
    } else {
        "Removed "
    };
    context.line(format_args!(
        "{did} KRaft controller {id} with directory id {directory}"
    ))
}
