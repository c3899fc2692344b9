//! `kafka-consumer-groups`: list, describe and delete consumer groups, and move their offsets
//! (Kafka's `ConsumerGroupCommand`).
//!
//! As Kafka's tool, it ends with code 0 also when the cluster refuses something: what went wrong is
//! said on standard output then.

mod arguments;
mod csv;
mod delete;
mod describe;
mod list;
mod offsets;
mod regex_text;
mod reset;
mod tables;
mod time_text;

pub(super) use self::csv::read as read_plan;
pub(super) use self::describe::committed;
pub(super) use self::offsets::{Offsets, log_offsets, partitions_of};
pub(super) use self::time_text::{datetime_ms, duration_ms};

use ringbrook_client::config::AdminConfig;
use ringbrook_client::{Admin, ClientError};

use crate::client_properties::from_file_and_pairs;
use crate::frame::{Context, Failure, Options, Tool, broker_message, exception_name, run_async};

/// `kafka-consumer-groups`.
pub const TOOL: Tool = Tool {
    name: "consumer-groups",
    about: "This tool helps to list all consumer groups, describe a consumer group, delete \
            consumer group info, or reset consumer group offsets.",
    examples: &[
        (
            "How far a group has read",
            "--bootstrap-server localhost:9092 --describe --group billing",
        ),
        (
            "Who its members are",
            "--bootstrap-server localhost:9092 --describe --group billing --members --verbose",
        ),
        (
            "Read a topic again from the beginning (first without --execute, to see)",
            "--bootstrap-server localhost:9092 --group billing --topic orders --reset-offsets \
             --to-earliest --execute",
        ),
    ],
    options: arguments::options,
    run,
    has_json: true,
};

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let action = arguments::check(options, context)?;
    if action == "validate-regex" {
        let regex = options.text("validate-regex").unwrap_or_default();
        return context.line(regex_text::verdict(regex));
    }
    let done = run_async(act(action, options, context));
    match done {
        Err(failure @ (Failure::Message(_) | Failure::Client(_))) => {
            let cause = match &failure {
                Failure::Client(error) => exception(error),
                _ => failure.to_string(),
            };
            error(
                context,
                format_args!("Executing consumer group command failed due to {cause}"),
            )
        }
        done => done,
    }
}

async fn act(action: &str, options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let admin = admin(options, context)?;
    match action {
        "list" => list::run(&admin, options, context).await,
        "describe" => describe::run(&admin, options, context).await,
        "delete" => delete::groups(&admin, options, context).await,
        "delete-offsets" => delete::offsets(&admin, options, context).await,
        _ => reset::run(&admin, options, context).await,
    }
}

fn admin(options: &Options<'_>, context: &mut Context) -> Result<Admin, Failure> {
    let mut properties = from_file_and_pairs(options.text("command-config"), &[])?;
    let servers = options.text("bootstrap-server").unwrap_or_default();
    properties.set("bootstrap.servers", servers);
    let timeout_ms: u32 = options.number("timeout")?.unwrap_or_default();
    properties.set("default.api.timeout.ms", timeout_ms.to_string());
    if properties.value("request.timeout.ms").is_none() {
        properties.set("request.timeout.ms", timeout_ms.min(30_000).to_string());
    }
    let config = context.lenient(properties, AdminConfig::from_properties)?;
    Ok(Admin::new(config)?)
}

/// Says an error where Kafka's tool does: on standard output, after an empty line.
fn error(context: &mut Context, text: impl std::fmt::Display) -> Result<(), Failure> {
    if context.is_json() {
        return Err(Failure::Message(text.to_string()));
    }
    context.line(format_args!("\nError: {text}"))
}

/// An error as the text of Kafka's exception, its class included.
fn exception(error: &ClientError) -> String {
    match error {
        ClientError::Broker(error) => {
            format!("{}: {}", exception_name(error.code), broker_message(error))
        }
        _ => error.to_string(),
    }
}

/// The groups that the options name.
async fn groups(admin: &Admin, options: &Options<'_>) -> Result<Vec<String>, Failure> {
    if options.has("all-groups") {
        return list::names(admin).await;
    }
    let groups = options.texts("group");
    Ok(groups.into_iter().map(str::to_owned).collect())
}
