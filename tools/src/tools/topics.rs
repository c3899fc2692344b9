//! `kafka-topics`: creates, lists, describes, alters and deletes topics (Kafka's `TopicCommand`).

mod arguments;
mod create;
mod describe;

use clap::{Arg, Command};
use ringbrook_client::Admin;
use ringbrook_client::admin::TopicListing;
use serde_json::json;

use crate::frame::{
    Context, Failure, Options, Tool, TopicFilter, bootstrap_options, flag, run_async, uuid_text,
    value, values,
};

/// `kafka-topics`.
pub const TOOL: Tool = Tool {
    name: "topics",
    about: "Create, delete, describe, or change a topic.",
    examples: &[
        (
            "A topic with six partitions that keeps records for a day",
            "--bootstrap-server localhost:9092 --create --topic orders --partitions 6 --config \
             retention.ms=86400000",
        ),
        (
            "All topics, without the broker's own",
            "--bootstrap-server localhost:9092 --list --exclude-internal",
        ),
        (
            "Leaders, replicas and configs of topics by a regular expression",
            "--bootstrap-server localhost:9092 --describe --topic 'orders.*'",
        ),
        (
            "More partitions",
            "--bootstrap-server localhost:9092 --alter --topic orders --partitions 12",
        ),
        (
            "Delete it, if it is there",
            "--bootstrap-server localhost:9092 --delete --topic orders --if-exists",
        ),
    ],
    options,
    run,
    has_json: true,
};

fn options(command: Command) -> Command {
    let actions = [
        flag("list", "List all available topics."),
        flag("create", "Create a new topic."),
        flag("delete", "Delete a topic."),
        flag(
            "alter",
            "Alter the number of partitions and replica assignment. (To alter topic \
             configurations, the kafka-configs tool can be used.)",
        ),
        flag("describe", "List details for the given topics."),
    ];
    bootstrap_options(command)
        .args(actions)
        .args(topic_options())
        .args(filters())
}

fn topic_options() -> [Arg; 7] {
    [
        value(
            "topic",
            "topic",
            "The topic to create, alter, describe or delete. A regular expression, except for \
             --create.",
        ),
        value("topic-id", "topic-id", "The topic-id to describe."),
        values(
            "config",
            "name=value",
            "A topic configuration of the topic being created.",
        ),
        value("delete-config", "name", "No longer supported."),
        value(
            "partitions",
            "# of partitions",
            "The number of partitions of the topic being created or altered. (More partitions \
             change where records with keys go.)",
        ),
        value(
            "replication-factor",
            "replication factor",
            "The replication factor of each partition of the topic being created.",
        ),
        value(
            "replica-assignment",
            "broker:broker,broker:broker,...",
            "The brokers of each partition's replicas, the preferred leader first.",
        ),
    ]
}

fn filters() -> [Arg; 9] {
    [
        flag(
            "under-replicated-partitions",
            "When describing, only show under-replicated partitions.",
        ),
        flag(
            "unavailable-partitions",
            "When describing, only show partitions whose leader is not available.",
        ),
        flag(
            "under-min-isr-partitions",
            "When describing, only show partitions whose isr count is below the minimum.",
        ),
        flag(
            "at-min-isr-partitions",
            "When describing, only show partitions whose isr count is equal to the minimum.",
        ),
        flag(
            "topics-with-overrides",
            "When describing, only show topics that have configs of their own.",
        ),
        flag(
            "if-exists",
            "When altering, deleting or describing, do nothing if the topic does not exist.",
        ),
        flag(
            "if-not-exists",
            "When creating, do not fail if the topic already exists.",
        ),
        flag(
            "exclude-internal",
            "Leave out internal topics when listing or describing.",
        ),
        value(
            "partition-size-limit-per-response",
            "partitions",
            "The most partitions in one DescribeTopicPartitions response.",
        ),
    ]
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let action = arguments::check(options, context)?;
    let done = run_async(async {
        let admin = context.admin(options)?;
        let done = match action {
            "create" => create::create(&admin, options, context).await,
            "alter" => create::alter(&admin, options, context).await,
            "list" => list(&admin, options, context).await,
            "describe" => describe::describe(&admin, options, context).await,
            _ => delete(&admin, options).await,
        };
        Ok(done)
    })?;
    match done {
        Err(failure) if failure.is_told() => {
            context.line(format_args!(
                "Error while executing topic command : {failure}"
            ))?;
            Err(Failure::Exit(1))
        }
        done => done,
    }
}

async fn list(admin: &Admin, options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    let topics = topics_named(admin, options).await?;
    if context.is_json() {
        let topics = topics.iter().map(|topic| {
            json!({
                "name": topic.name,
                "id": uuid_text(topic.topic_id),
                "internal": topic.is_internal,
            })
        });
        return context.json(&topics.collect::<Vec<_>>());
    }
    if topics.is_empty() {
        // As Kafka's tool, which joins names by line ends and then ends the line.
        return context.line("");
    }
    topics
        .iter()
        .try_for_each(|topic| context.line(&topic.name))
}

async fn delete(admin: &Admin, options: &Options<'_>) -> Result<(), Failure> {
    let topics = existing_topics(admin, options).await?;
    admin.delete_topics(topics).await.all()?;
    Ok(())
}

/// The topics that `--topic` means, or all, by name.
async fn topics_named(admin: &Admin, options: &Options<'_>) -> Result<Vec<TopicListing>, Failure> {
    let filter = options.text("topic").map(TopicFilter::new).transpose()?;
    let mut topics = admin.list_topics(!options.has("exclude-internal")).await?;
    topics.retain(|topic| {
        filter
            .as_ref()
            .is_none_or(|filter| filter.matches(&topic.name))
    });
    Ok(topics)
}

/// The names of [`topics_named`]; none is an error without `--if-exists`.
async fn existing_topics(admin: &Admin, options: &Options<'_>) -> Result<Vec<String>, Failure> {
    let topics = topics_named(admin, options).await?;
    match options.text("topic").filter(|topic| !topic.is_empty()) {
        Some(topic) if topics.is_empty() && !options.has("if-exists") => Err(Failure::Message(
            format!("Topic '{topic}' does not exist as expected"),
        )),
        _ => Ok(topics.into_iter().map(|topic| topic.name).collect()),
    }
}
