//! `--verify`: whether a plan is carried out.

use std::collections::BTreeSet;

use ringbrook_client::Admin;
use ringbrook_protocol::ResponseError;
use serde_json::json;

use super::plan::{Assignment, Plan};
use super::{ids_text, moves, throttles};
use crate::frame::{Context, Failure, Options};

/// Says of each partition how far it is, and lifts throttles when nothing moves any more.
pub(super) async fn run(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let path = options.text("reassignment-json-file").unwrap_or_default();
    let plan = Plan::read(path)?;
    let under_way = admin.list_partition_reassignments(None).await?;
    let current = known(admin, &plan).await?;
    let mut lines = Vec::new();
    let targets: Assignment = plan.partitions.iter().cloned().collect();
    for (partition, target) in &targets {
        lines.push(if under_way.contains_key(partition) {
            format!("Reassignment of partition {partition} is still in progress.")
        } else {
            let replicas = current.get(partition).cloned().unwrap_or_default();
            if replicas == *target {
                format!("Reassignment of partition {partition} is completed.")
            } else {
                format!(
                    "There is no active reassignment of partition {partition}, but replica set is \
                     {} rather than {}.",
                    ids_text(&replicas),
                    ids_text(target)
                )
            }
        });
    }
    let mut is_moving = !under_way.is_empty();
    let mut move_lines = Vec::new();
    let states = moves::states(admin, &plan.log_dirs).await?;
    for (replica, info) in &states {
        let target = plan.log_dirs.get(replica).map_or("", String::as_str);
        let (text, is_active) = moves::state_text(replica, info, target);
        is_moving |= is_active;
        move_lines.push((replica.broker, text));
    }
    // Brokers first; the order of partitions is kept.
    move_lines.sort_by_key(|(broker, _)| *broker);
    let move_lines: Vec<_> = move_lines.into_iter().map(|(_, text)| text).collect();
    if context.is_json() {
        context.json(&json!({
            "partitions": lines, "log_dirs": move_lines, "is_moving": is_moving,
        }))?;
    } else {
        context.line("Status of partition reassignment:")?;
        lines.iter().try_for_each(|line| context.line(line))?;
        // An empty line, also when no log directories are planned.
        context.line(move_lines.join("\n"))?;
    }
    if is_moving || options.has("preserve-throttles") {
        return Ok(());
    }
    throttles::clear(admin, &plan.partitions, context).await
}

/// Where the partitions of a plan are; topics that are not there are left out.
async fn known(admin: &Admin, plan: &Plan) -> Result<Assignment, Failure> {
    let topics: BTreeSet<_> = plan
        .partitions
        .iter()
        .map(|(it, _)| it.topic.to_string())
        .collect();
    let mut known = Assignment::new();
    for (topic, described) in admin.describe_topics(topics).await {
        match described {
            Ok(described) => known.extend(described.partitions.into_iter().map(|it| {
                let partition = ringbrook_client::TopicPartition::new(topic.as_str(), it.partition);
                (partition, it.replicas)
            })),
            Err(error)
                if error.response_error() == Some(ResponseError::UnknownTopicOrPartition) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(known)
}
