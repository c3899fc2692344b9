//! `kafka-reassign-partitions`: moves partitions between brokers and log directories (Kafka's
//! `ReassignPartitionsCommand`).

mod arguments;
mod assignment;
mod execute;
mod generate;
mod moves;
mod plan;
mod throttles;
mod verify;

use clap::Command;
use ringbrook_client::Admin;
use serde_json::json;

use crate::frame::{Context, Failure, Options, Tool, run_async};

/// `kafka-reassign-partitions`.
pub const TOOL: Tool = Tool {
    name: "reassign-partitions",
    about: "This tool helps to move topic partitions between replicas.",
    examples: &[
        (
            "Propose how topics could lie on some brokers",
            "--bootstrap-server localhost:9092 --generate --topics-to-move-json-file topics.json \
             --broker-list 1,2,3",
        ),
        (
            "Move, at most 50 MB a second",
            "--bootstrap-server localhost:9092 --execute --reassignment-json-file plan.json \
             --throttle 50000000",
        ),
        (
            "See how far it is, and lift the throttle when it is done",
            "--bootstrap-server localhost:9092 --verify --reassignment-json-file plan.json",
        ),
        (
            "What is under way",
            "--bootstrap-server localhost:9092 --list",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    arguments::options(command)
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let action = arguments::action(options)?;
    let done = run_async(async {
        let admin = context.admin(options)?;
        match action {
            "verify" => verify::run(&admin, options, context).await,
            "generate" => generate::run(&admin, options, context).await,
            "execute" => execute::run(&admin, options, context).await,
            "cancel" => execute::cancel(&admin, options, context).await,
            _ => list(&admin, context).await,
        }
    });
    match done {
        // Kafka's tool writes its errors to standard output.
        Err(failure @ Failure::Client(_)) => {
            context.line(format_args!("Error: {}", failure.exception()))?;
            Err(Failure::Exit(1))
        }
        Err(Failure::Message(text)) => {
            context.line(text)?;
            Err(Failure::Exit(1))
        }
        done => done,
    }
}

/// What Kafka's tool takes for an error of its own.
fn wrong(text: impl std::fmt::Display) -> Failure {
    Failure::Message(format!("Error: {text}"))
}

/// Numbers with a comma between them.
fn ids_text(ids: &[i32]) -> String {
    let ids: Vec<_> = ids.iter().map(i32::to_string).collect();
    ids.join(",")
}

/// The end of a word for several.
fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

async fn list(admin: &Admin, context: &mut Context) -> Result<(), Failure> {
    let under_way = admin.list_partition_reassignments(None).await?;
    if context.is_json() {
        let under_way = under_way.iter().map(|(partition, it)| {
            json!({
                "topic": *partition.topic,
                "partition": partition.partition,
                "replicas": it.replicas,
                "adding_replicas": it.adding_replicas,
                "removing_replicas": it.removing_replicas,
            })
        });
        return context.json(&under_way.collect::<Vec<_>>());
    }
    if under_way.is_empty() {
        return context.line("No partition reassignments found.");
    }
    context.line("Current partition reassignments:")?;
    for (partition, it) in &under_way {
        let some = |what: &str, ids: &[i32]| match ids.is_empty() {
            true => String::new(),
            false => format!(" {what}: {}.", ids_text(ids)),
        };
        let adding = some("adding", &it.adding_replicas);
        let removing = some("removing", &it.removing_replicas);
        context.line(format_args!(
            "{partition}: replicas: {}.{adding}{removing}",
            ids_text(&it.replicas)
        ))?;
    }
    Ok(())
}
