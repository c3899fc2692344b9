//! `--generate`: a plan that spreads topics over brokers.

use std::collections::BTreeMap;
use std::fs;

use ringbrook_client::{Admin, TopicPartition};
use serde_json::Value;

use super::assignment::{Broker, assign};
use super::execute::current_of_topics;
use super::moves::{self, LogDirs};
use super::plan::{Assignment, duplicates, to_json};
use super::wrong;
use crate::frame::{Context, Failure, Options};

/// Prints what is, and what could be.
pub(super) async fn run(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let brokers = broker_ids(options.text("broker-list").unwrap_or_default())?;
    let path = options.text("topics-to-move-json-file").unwrap_or_default();
    let topics = topics(path)?;
    let current = current_of_topics(admin, &topics).await?;
    let has_racks = !options.has("disable-rack-aware");
    let brokers = brokers_of(admin, &brokers, has_racks).await?;
    let proposed = propose(&current, &brokers)?;
    if context.is_json() {
        return context.line(to_json(&proposed, &LogDirs::new())?);
    }
    context.line(format_args!(
        "Current partition replica assignment\n{}\n",
        to_json(&current, &moves::current(admin, &current).await?)?
    ))?;
    context.line(format_args!(
        "Proposed partition reassignment configuration\n{}",
        to_json(&proposed, &LogDirs::new())?
    ))
}

fn broker_ids(text: &str) -> Result<Vec<i32>, Failure> {
    let ids = text.split(',').map(|id| {
        id.parse::<i32>()
            .map_err(|_| wrong(format_args!("For input string: \"{id}\"")))
    });
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    let twice = duplicates(&ids);
    if twice.is_empty() {
        return Ok(ids);
    }
    Err(wrong(format_args!(
        "Broker list contains duplicate entries: {twice:?}"
    )))
}

fn topics(path: &str) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| wrong(format_args!("Unable to read file {path}\n{error}")))?;
    let document: Value =
        serde_json::from_str(&text).map_err(|_| wrong("The input string is not a valid JSON"))?;
    match document.get("version").map_or(Some(1), Value::as_i64) {
        Some(1) => {}
        version => {
            let version = version.map_or_else(|| "null".to_owned(), |it| it.to_string());
            return Err(wrong(format_args!(
                "Not supported version field value {version}"
            )));
        }
    }
    let topics = document.get("topics").and_then(Value::as_array);
    let topics = topics.into_iter().flatten().map(|object| {
        let name = object.get("topic").and_then(Value::as_str);
        let name = name.ok_or_else(|| wrong("No such field exists: `topic`"))?;
        Ok(name.to_owned())
    });
    let topics = topics.collect::<Result<Vec<_>, Failure>>()?;
    let twice = duplicates(&topics);
    if twice.is_empty() {
        return Ok(topics);
    }
    Err(wrong(format_args!(
        "List of topics to reassign contains duplicate entries: [{}]",
        twice.join(", ")
    )))
}

async fn brokers_of(admin: &Admin, ids: &[i32], has_racks: bool) -> Result<Vec<Broker>, Failure> {
    let nodes = admin.describe_cluster().await?.nodes.into_iter();
    let nodes = nodes.filter(|node| ids.contains(&node.id));
    let brokers = nodes.map(|node| Broker {
        id: node.id,
        rack: node.rack.filter(|_| has_racks),
    });
    let brokers: Vec<_> = brokers.collect();
    let without = brokers.iter().filter(|it| it.rack.is_none()).count();
    if has_racks && without != 0 && without != brokers.len() {
        return Err(wrong(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to \
             make replica assignment without rack information.",
        ));
    }
    Ok(brokers)
}

fn propose(current: &Assignment, brokers: &[Broker]) -> Result<Assignment, Failure> {
    let mut topics = BTreeMap::<&str, Vec<(&TopicPartition, &Vec<i32>)>>::new();
    for (partition, replicas) in current {
        topics
            .entry(&partition.topic)
            .or_default()
            .push((partition, replicas));
    }
    let mut proposed = Assignment::new();
    for partitions in topics.into_values() {
        let factor = partitions.first().map_or(0, |(_, replicas)| replicas.len());
        if brokers.is_empty() {
            return Err(wrong(
                "All brokers are currently fenced, or have all their log directories cordoned.",
            ));
        }
        if brokers.len() < factor {
            return Err(wrong(format_args!(
                "Replication factor: {factor} larger than available brokers: {}.",
                brokers.len()
            )));
        }
        let start = fastrand::usize(..brokers.len());
        let shift = fastrand::usize(..brokers.len());
        let assigned = assign(brokers, partitions.len(), factor, (start, shift));
        let partitions = partitions
            .into_iter()
            .map(|(partition, _)| partition.clone());
        proposed.extend(partitions.zip(assigned));
    }
    Ok(proposed)
}
