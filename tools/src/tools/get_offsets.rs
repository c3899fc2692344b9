//! `kafka-get-offsets`: offsets of partitions by time (Kafka's `GetOffsetShell`).

mod filter;

use std::collections::BTreeMap;

use clap::Command;
use ringbrook_client::admin::{ListOffsetsOptions, OffsetSpec};
use ringbrook_client::{Admin, TopicPartition};
use serde_json::json;

use self::filter::Filter;
use crate::frame::{Context, Failure, Options, Tool, bootstrap_options, flag, run_async, value};

/// `kafka-get-offsets`.
pub const TOOL: Tool = Tool {
    name: "get-offsets",
    about: "An interactive shell for getting topic-partition offsets.",
    examples: &[
        (
            "The ends of a topic's partitions",
            "--bootstrap-server localhost:9092 --topic orders",
        ),
        (
            "Their starts",
            "--bootstrap-server localhost:9092 --topic orders --time earliest",
        ),
        (
            "The first records since a moment, of some partitions",
            "--bootstrap-server localhost:9092 --topic-partitions orders:0-3,payments:1 --time \
             1700000000000",
        ),
    ],
    options,
    run,
    has_json: true,
};

/// Every text that `--time` takes besides a timestamp.
const TIMES: &str = "-1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / \
                     -5 or latest-tiered / -6 or earliest-pending-upload";

fn options(command: Command) -> Command {
    let time = value(
        "time",
        "time",
        "A timestamp in milliseconds, latest, earliest, max-timestamp, \
        earliest-local, latest-tiered or earliest-pending-upload.",
    );
    bootstrap_options(command).args([
        value(
            "topic-partitions",
            "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
            "Topics by expression, each with a partition, a range of partitions without its end, \
             or all.",
        ),
        value(
            "topic",
            "topic",
            "The topic, or a regular expression; all topics by default.",
        ),
        value(
            "partitions",
            "partition ids",
            "The partitions' ids; all by default.",
        ),
        time.default_value("latest"),
        flag("exclude-internal-topics", "Leave out internal topics."),
    ])
}

fn run(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    options.require(&["bootstrap-server"])?;
    match run_async(tell(options, context)) {
        Err(failure) if failure.is_told() => {
            Err(Failure::Message(format!("Error occurred: {failure}")))
        }
        done => done,
    }
}

async fn tell(options: &Options<'_>, context: &mut Context) -> Result<(), Failure> {
    if options.has("topic-partitions") && 0 < options.count(&["topic", "partitions"]) {
        return Err(Failure::Message(
            "--topic-partitions cannot be used with --topic or --partitions".to_owned(),
        ));
    }
    let spec = spec(options.text("time").unwrap_or("latest"))?;
    let filter = Filter::of(options)?;
    let admin = context.admin(options)?;
    let with_internal = !options.has("exclude-internal-topics");
    let partitions = partitions(&admin, &filter, with_internal).await?;
    if partitions.is_empty() {
        return Err(Failure::Message(
            "Could not match any topic-partitions with the specified filters".to_owned(),
        ));
    }
    let wanted = partitions.into_iter().map(|partition| (partition, spec));
    let wanted: BTreeMap<_, _> = wanted.collect();
    let listed = admin
        .list_offsets(&wanted, ListOffsetsOptions::default())
        .await;
    let mut offsets = Vec::new();
    for (partition, result) in listed {
        match result {
            Ok(found) => offsets.push((partition, found.offset)),
            Err(error) => {
                let error = Failure::from(error).exception();
                context.warn(format!(
                    "Skip getting offsets for topic-partition {partition} due to error: {error}"
                ));
            }
        }
    }
    offsets.retain(|(_, offset)| *offset != -1);
    // As texts: partition 10 comes before partition 2.
    offsets.sort_by_cached_key(|(partition, _)| partition.to_string());
    if context.is_json() {
        let offsets = offsets.iter().map(|(it, offset)| {
            json!({ "topic": *it.topic, "partition": it.partition, "offset": offset })
        });
        return context.json(&offsets.collect::<Vec<_>>());
    }
    offsets.iter().try_for_each(|(it, offset)| {
        context.line(format_args!("{}:{}:{offset}", it.topic, it.partition))
    })
}

async fn partitions(
    admin: &Admin,
    filter: &Filter,
    with_internal: bool,
) -> Result<Vec<TopicPartition>, Failure> {
    let topics = admin.list_topics(with_internal).await?.into_iter();
    let topics = topics.filter(|topic| filter.has_topic(&topic.name));
    let names: Vec<_> = topics.map(|topic| topic.name).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let described = admin.describe_topics(names).await.all()?;
    let partitions = described.into_iter().flat_map(|(name, topic)| {
        let partitions = topic.partitions.into_iter();
        partitions.map(move |it| TopicPartition::new(name.as_str(), it.partition))
    });
    Ok(partitions.filter(|it| filter.has(it)).collect())
}

fn spec(text: &str) -> Result<OffsetSpec, Failure> {
    match text {
        "latest" | "-1" => Ok(OffsetSpec::Latest),
        "earliest" | "-2" => Ok(OffsetSpec::Earliest),
        "max-timestamp" | "-3" => Ok(OffsetSpec::MaxTimestamp),
        "earliest-local" | "-4" => Ok(OffsetSpec::EarliestLocal),
        "latest-tiered" | "-5" => Ok(OffsetSpec::LatestTiered),
        "earliest-pending-upload" | "-6" => Err(Failure::Message(
            "earliest-pending-upload needs version 11 of ListOffsets, which rbk does not speak"
                .to_owned(),
        )),
        text => match text.parse() {
            Ok(timestamp) => Ok(OffsetSpec::Timestamp(timestamp)),
            Err(_) => Err(Failure::Message(format!(
                "Malformed time argument {text}. Please use {TIMES}, or a specified long format \
                 timestamp"
            ))),
        },
    }
}
