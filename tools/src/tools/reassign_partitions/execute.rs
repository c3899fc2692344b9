//! `--execute` and `--cancel`: starts and stops what a plan says.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::admin::PerItem;
use ringbrook_client::{Admin, TopicPartition};
use ringbrook_protocol::ResponseError;
use serde_json::json;

use super::plan::{Assignment, Plan, to_json};
use super::{moves, plural, throttles, wrong};
use crate::frame::{Context, Failure, Options, exception_name};

const ALREADY: &str = "Cannot execute because there is an existing partition assignment.  Use \
                       --additional to override this and create a new partition assignment in \
                       addition to the existing one. The --additional flag can also be used to \
                       change the throttle by resubmitting the current reassignment.";
const VERIFY: &str = "Warning: You must run --verify periodically, until the reassignment \
                      completes, to ensure the throttle is removed.";

/// Where the partitions of topics are.
pub(super) async fn current_of_topics(
    admin: &Admin,
    topics: &[String],
) -> Result<Assignment, Failure> {
    let mut current = Assignment::new();
    for (topic, described) in admin.describe_topics(topics.to_vec()).await {
        let described = described.map_err(|error| match error.response_error() {
            Some(ResponseError::UnknownTopicOrPartition) => {
                let class = exception_name(ResponseError::UnknownTopicOrPartition.code());
                wrong(format_args!("{class}: Topic {topic} not found."))
            }
            _ => error.into(),
        })?;
        current.extend(described.partitions.into_iter().map(|it| {
            let partition = TopicPartition::new(topic.as_str(), it.partition);
            (partition, it.replicas)
        }));
    }
    Ok(current)
}

async fn current_of(admin: &Admin, proposed: &Assignment) -> Result<Assignment, Failure> {
    let topics: BTreeSet<_> = proposed.keys().map(|it| it.topic.to_string()).collect();
    let topics: Vec<_> = topics.into_iter().collect();
    let mut current = current_of_topics(admin, &topics).await?;
    current.retain(|partition, _| proposed.contains_key(partition));
    let missing = proposed.keys().filter(|it| !current.contains_key(*it));
    let missing: Vec<_> = missing.map(TopicPartition::to_string).collect();
    if missing.is_empty() {
        return Ok(current);
    }
    let class = exception_name(ResponseError::UnknownTopicOrPartition.code());
    Err(wrong(format_args!(
        "{class}: Unable to find partition: {}",
        missing.join(", ")
    )))
}

/// Starts what a plan says.
pub(super) async fn run(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let plan = Plan::read(options.text("reassignment-json-file").unwrap_or_default())?;
    let proposed = plan.assignment()?;
    let under_way = admin.list_partition_reassignments(None).await?;
    if !options.has("additional") && !under_way.is_empty() {
        return Err(Failure::Message(ALREADY.to_owned()));
    }
    let nodes = admin.describe_cluster().await?.nodes;
    let brokers: BTreeSet<_> = proposed.values().flatten().collect();
    if let Some(id) = brokers
        .into_iter()
        .find(|id| nodes.iter().all(|it| it.id != **id))
    {
        return Err(wrong(format_args!("Unknown broker id {id}")));
    }
    let current = current_of(admin, &proposed).await?;
    if !context.is_json() {
        context.line(format_args!(
            "Current partition replica assignment\n\n{}\n\nSave this to use as the \
             --reassignment-json-file option during rollback",
            to_json(&current, &moves::current(admin, &current).await?)?
        ))?;
    }
    let rate = |name| Ok::<_, Failure>(options.number::<i64>(name)?.filter(|it| 0 <= *it));
    let between_brokers = rate("throttle")?;
    let between_dirs = rate("replica-alter-log-dirs-throttle")?;
    if between_brokers.or(between_dirs).is_some() && !context.is_json() {
        context.line(VERIFY)?;
    }
    if let Some(rate) = between_brokers {
        let both = (&proposed, &current);
        throttles::limit_moves(admin, &under_way, both, rate, context).await?;
    }
    if let Some(rate) = between_dirs {
        throttles::limit_log_dirs(admin, &plan.log_dirs, rate, context).await?;
    }
    let moves = proposed
        .iter()
        .map(|(it, replicas)| (it.clone(), Some(replicas.clone())));
    let moved = admin.alter_partition_reassignments(&moves.collect()).await;
    check("Error reassigning partition(s):", moved)?;
    let partitions = texts(proposed.keys());
    if context.is_json() {
        context.json(&json!({ "started": partitions }))?;
    } else {
        context.line(format_args!(
            "Successfully started partition reassignment{} for {}",
            plural(partitions.len()),
            partitions.join(",")
        ))?;
    }
    if plan.log_dirs.is_empty() {
        return Ok(());
    }
    let timeout_ms = options.number("timeout")?.unwrap_or(10_000);
    moves::start(admin, &plan.log_dirs, timeout_ms, context).await
}

/// Stops what is under way of a plan.
pub(super) async fn cancel(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let plan = Plan::read(options.text("reassignment-json-file").unwrap_or_default())?;
    let partitions = plan.partitions.iter().map(|(it, _)| it.clone()).collect();
    let under_way = admin
        .list_partition_reassignments(Some(&partitions))
        .await?;
    let stopped: BTreeMap<_, _> = under_way.into_keys().map(|it| (it, None)).collect();
    let names = texts(stopped.keys());
    if !stopped.is_empty() {
        let cancelled = admin.alter_partition_reassignments(&stopped).await;
        let failed = cancelled.values().filter(|it| it.is_err()).count();
        let what = format!(
            "Error cancelling partition reassignment{} for:",
            plural(failed)
        );
        check(&what, cancelled)?;
    }
    if context.is_json() {
        context.json(&json!({ "cancelled": names }))?;
    } else if names.is_empty() {
        context.line("None of the specified partition reassignments are active.")?;
    } else {
        context.line(format_args!(
            "Successfully cancelled partition reassignment{} for: {}",
            plural(names.len()),
            names.join(",")
        ))?;
    }
    // A move is stopped by moving back.
    let states = moves::states(admin, &plan.log_dirs).await?.into_iter();
    let back = states.filter_map(|(replica, info)| {
        info.future?;
        Some((replica, info.current?.0))
    });
    let back: moves::LogDirs = back.collect();
    if !back.is_empty() {
        let timeout_ms = options.number("timeout")?.unwrap_or(10_000);
        moves::start(admin, &back, timeout_ms, context).await?;
    } else if !context.is_json() {
        // Kafka's tool does not end this line.
        let text = "None of the specified partition moves are active.";
        context.out().write_all(text.as_bytes())?;
    }
    if options.has("preserve-throttles") {
        return Ok(());
    }
    throttles::clear(admin, &plan.partitions, context).await
}

fn texts<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> Vec<String> {
    partitions.map(TopicPartition::to_string).collect()
}

fn check(what: &str, results: PerItem<TopicPartition, ()>) -> Result<(), Failure> {
    let errors = results.into_iter().filter_map(|(partition, result)| {
        let error = Failure::from(result.err()?);
        Some(format!("{partition}: {error}"))
    });
    let errors: Vec<_> = errors.collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::Message(format!("{what}\n{}", errors.join("\n"))))
}
