//! `kafka-leader-election`: elects leaders of partitions (Kafka's `LeaderElectionCommand`).

use std::collections::BTreeSet;

use clap::Command;
use ringbrook_client::admin::ElectionType;
use ringbrook_client::{ClientError, TopicPartition};
use ringbrook_protocol::ResponseError;
use serde_json::json;

use crate::frame::{
    Context, Failure, JsonFile, Options, Tool, bootstrap_options, flag, partitions_in_java_order,
    run_async, value,
};

/// `kafka-leader-election`.
pub const TOOL: Tool = Tool {
    name: "leader-election",
    about: "This tool attempts to elect a new leader for a set of topic partitions. The type of \
            elections supported are preferred replicas and unclean replicas.",
    examples: &[
        (
            "Back to the preferred leaders, everywhere",
            "--bootstrap-server localhost:9092 --election-type preferred --all-topic-partitions",
        ),
        (
            "A leader for a partition whose replicas in sync are lost, and records with them",
            "--bootstrap-server localhost:9092 --election-type unclean --topic orders \
             --partition 3",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    bootstrap_options(command).args([
        value(
            "admin.config",
            "config file",
            "Property file with configs of the client, as --command-config.",
        ),
        value(
            "path-to-json-file",
            "Path to JSON file",
            "The partitions, as {\"partitions\": [{\"topic\": \"foo\", \"partition\": 1}]}.",
        ),
        value("topic", "topic name", "The topic; needs --partition."),
        value("partition", "partition id", "The partition of --topic."),
        flag(
            "all-topic-partitions",
            "All partitions for which this type of election makes sense.",
        ),
        value(
            "election-type",
            "election type",
            "preferred or unclean. REQUIRED.",
        ),
    ])
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let election = match options.text("election-type").map(str::to_lowercase) {
        Some(text) => Some(election_type(&text)?),
        None => None,
    };
    let partition = options.number::<i32>("partition")?;
    check(options)?;
    let Some(election) = election else {
        return Err(missing(&["election-type"]));
    };
    let partitions = match (options.text("path-to-json-file"), options.text("topic")) {
        (Some(path), _) => Some(read(path)?),
        (None, Some(topic)) => partition.map(|it| BTreeSet::from([TopicPartition::new(topic, it)])),
        (None, None) => None,
    };
    run_async(elect(options, election, partitions, context))
}

fn election_type(text: &str) -> Result<ElectionType, Failure> {
    match text {
        "preferred" => Ok(ElectionType::Preferred),
        "unclean" => Ok(ElectionType::Unclean),
        text => Err(Failure::Message(format!(
            "Cannot parse argument '{text}' of option election-type"
        ))),
    }
}

fn missing(names: &[&str]) -> Failure {
    Failure::Message(format!("Missing required option(s): {}", names.join(", ")))
}

fn check(options: &Options<'_>) -> Result<(), Failure> {
    let required = ["bootstrap-server", "election-type"];
    let left_out: Vec<_> = required.into_iter().filter(|it| !options.has(it)).collect();
    if !left_out.is_empty() {
        return Err(missing(&left_out));
    }
    let which = ["topic", "all-topic-partitions", "path-to-json-file"];
    if options.count(&which) != 1 {
        return Err(Failure::Message(format!(
            "One and only one of the following options is required: {}",
            which.join(", ")
        )));
    }
    match (options.has("topic"), options.has("partition")) {
        (true, false) => Err(missing(&["partition"])),
        (false, true) => Err(Failure::Message(
            "Option partition is only allowed if topic is used".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn read(path: &str) -> Result<BTreeSet<TopicPartition>, Failure> {
    let file = JsonFile::read(path)?;
    let mut partitions = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for (partition, _) in file.partitions()? {
        if !partitions.insert(partition.clone()) {
            twice.insert(partition);
        }
    }
    if twice.is_empty() {
        return Ok(partitions);
    }
    let twice: Vec<_> = twice.iter().map(TopicPartition::to_string).collect();
    Err(Failure::Message(format!(
        "Replica election data contains duplicate partitions: [{}]",
        twice.join(", ")
    )))
}

/// What came of an election, by partition.
#[derive(Default)]
struct Elected {
    elected: Vec<TopicPartition>,
    not_needed: Vec<TopicPartition>,
    failed: Vec<(TopicPartition, ClientError)>,
}

async fn elect(
    options: &Options<'_>,
    election: ElectionType,
    partitions: Option<BTreeSet<TopicPartition>>,
    context: &mut Context,
) -> Result<(), Failure> {
    let admin = match options.has("admin.config") {
        true => context.admin_with(options, "admin.config")?,
        false => context.admin(options)?,
    };
    let results = admin.elect_leaders(election, partitions.as_ref()).await;
    let results = match results {
        Err(error @ ClientError::Timeout { .. }) => {
            context.line("Timeout waiting for election results")?;
            return Err(Failure::Message(format!(
                "Timeout waiting for election results\n{error}"
            )));
        }
        Err(error) if error.response_error() == Some(ResponseError::ClusterAuthorizationFailed) => {
            context.line("Not authorized to perform leader election")?;
            return Err(Failure::Message(
                "Not authorized to perform leader election".to_owned(),
            ));
        }
        Err(error) => {
            return Err(Failure::Message(format!(
                "java.util.concurrent.ExecutionException: {}",
                Failure::from(error).exception()
            )));
        }
        Ok(results) => results,
    };
    let mut outcome = Elected::default();
    for (partition, result) in results {
        match result {
            Ok(()) => outcome.elected.push(partition),
            Err(error) if error.response_error() == Some(ResponseError::ElectionNotNeeded) => {
                outcome.not_needed.push(partition);
            }
            Err(error) => outcome.failed.push((partition, error)),
        }
    }
    tell(election, outcome, context)
}

fn tell(election: ElectionType, outcome: Elected, context: &mut Context) -> Result<(), Failure> {
    let name = match election {
        ElectionType::Preferred => "PREFERRED",
        ElectionType::Unclean => "UNCLEAN",
    };
    let Elected {
        elected,
        not_needed,
        failed,
    } = outcome;
    if context.is_json() {
        let texts = |partitions: &[TopicPartition]| -> Vec<_> {
            partitions.iter().map(TopicPartition::to_string).collect()
        };
        let errors = failed.iter().map(|(partition, error)| {
            json!({ "partition": partition.to_string(), "error": error.to_string() })
        });
        context.json(&json!({
            "election": name,
            "elected": texts(&elected),
            "not_needed": texts(&not_needed),
            "failed": errors.collect::<Vec<_>>(),
        }))?;
    } else {
        let list = |partitions| {
            let partitions = partitions_in_java_order(partitions, |it| it);
            let texts: Vec<_> = partitions.iter().map(TopicPartition::to_string).collect();
            texts.join(", ")
        };
        if !elected.is_empty() {
            let list = list(elected);
            context.line(format_args!(
                "Successfully completed leader election ({name}) for partitions {list}"
            ))?;
        }
        if !not_needed.is_empty() {
            let list = list(not_needed);
            context.line(format_args!(
                "Valid replica already elected for partitions {list}"
            ))?;
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let text = format!("{} replica(s) could not be elected", failed.len());
    if !context.is_json() {
        for (partition, error) in partitions_in_java_order(failed, |(partition, _)| partition) {
            let error = Failure::from(error).exception();
            context.line(format_args!(
                "Error completing leader election ({name}) for partition: {partition}: {error}"
            ))?;
        }
    }
    Err(Failure::Message(text))
}
