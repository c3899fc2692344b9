//! `--delete` and `--delete-offsets`.

use std::collections::BTreeSet;

use ringbrook_client::{Admin, ClientError, TopicPartition};
use ringbrook_protocol::ResponseError;
use serde_json::json;

use super::offsets::parse_partitions;
use super::{error, exception, groups as groups_of, tables};
use crate::frame::{Context, Failure, Options, message_of};

/// A partition and why its offset was not deleted; partition -1 stands for a whole topic.
type Row = (TopicPartition, Option<String>);

fn quoted(groups: &[String]) -> String {
    let groups: Vec<_> = groups.iter().map(|group| format!("'{group}'")).collect();
    groups.join(", ")
}

/// Deletes groups.
pub(super) async fn groups(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let groups = groups_of(admin, options).await?;
    let results = admin.delete_groups(groups).await.into_map();
    if context.is_json() {
        let rows = results.iter().map(|(group, result)| {
            json!({"group": group, "error": result.as_ref().err().map(exception)})
        });
        return context.json(&rows.collect::<Vec<_>>());
    }
    let mut deleted = Vec::new();
    let mut failed = Vec::new();
    for (group, result) in results {
        match result {
            Ok(()) => deleted.push(group),
            Err(error) => failed.push((group, error)),
        }
    }
    if failed.is_empty() {
        return context.line(format_args!(
            "Deletion of requested consumer groups ({}) was successful.",
            quoted(&deleted)
        ));
    }
    error(context, "Deletion of some consumer groups failed:")?;
    for (group, cause) in failed {
        context.line(format_args!(
            "* Group '{group}' could not be deleted due to: {}",
            exception(&cause)
        ))?;
    }
    if !deleted.is_empty() {
        context.line(format_args!(
            "\nThese consumer groups were deleted successfully: {}",
            quoted(&deleted)
        ))?;
    }
    Ok(())
}

/// Deletes the offsets of a group in some topics.
pub(super) async fn offsets(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let groups = options.texts("group");
    let [group] = groups[..] else {
        return Err(Failure::Usage(
            "Found multiple arguments for option group, but you asked for only one".to_owned(),
        ));
    };
    let (partitions, mut rows) = scope(admin, options).await?;
    let results = admin.delete_consumer_group_offsets(group, partitions).await;
    let results = results.into_map();
    // The first failure stands for the whole, as in Kafka's client.
    let first = results
        .values()
        .find_map(|result| result.as_ref().err())
        .cloned();
    rows.extend(
        results
            .into_iter()
            .map(|(partition, result)| (partition, result.err().map(|error| exception(&error)))),
    );
    rows.sort_by_key(|(partition, _)| format!("{}{}", partition.topic, partition.partition));
    if context.is_json() {
        let rows = rows.iter().map(|(partition, error)| {
            json!({
                "topic": partition.topic.as_ref(),
                "partition": (0 <= partition.partition).then_some(partition.partition),
                "error": error,
            })
        });
        return context.json(&rows.collect::<Vec<_>>());
    }
    tell(group, first.as_ref(), context)?;
    Ok(context
        .out()
        .write_all(tables::deleted_offsets(&rows).as_bytes())?)
}

/// The partitions that are named, and a row for each topic that cannot be described.
async fn scope(
    admin: &Admin,
    options: &Options<'_>,
) -> Result<(BTreeSet<TopicPartition>, Vec<Row>), Failure> {
    let mut rows = Vec::new();
    let mut partitions = BTreeSet::new();
    let mut topics = BTreeSet::new();
    for topic in options.texts("topic") {
        if topic.contains(':') {
            partitions.extend(parse_partitions(topic)?);
        } else {
            topics.insert(topic.to_owned());
        }
    }
    if !topics.is_empty() {
        for (topic, description) in admin.describe_topics(topics).await.into_map() {
            match description {
                Ok(description) => {
                    let numbers = description.partitions.iter().map(|it| it.partition);
                    let named = numbers.map(|number| TopicPartition::new(topic.as_str(), number));
                    partitions.extend(named);
                }
                Err(error) => {
                    rows.push((TopicPartition::new(topic, -1), Some(exception(&error))));
                }
            }
        }
    }
    Ok((partitions, rows))
}

fn tell(group: &str, first: Option<&ClientError>, context: &mut Context) -> Result<(), Failure> {
    match first {
        None => context.line(format_args!(
            "Request succeeded for deleting offsets from group {group}."
        ))?,
        Some(cause) => match cause.response_error() {
            Some(
                ResponseError::InvalidGroupId
                | ResponseError::GroupIdNotFound
                | ResponseError::GroupAuthorizationFailed
                | ResponseError::NonEmptyGroup,
            ) => error(context, message_of(cause))?,
            Some(
                ResponseError::GroupSubscribedToTopic
                | ResponseError::TopicAuthorizationFailed
                | ResponseError::UnknownTopicOrPartition,
            ) => error(
                context,
                "Encountered some partition-level error, see the follow-up details.",
            )?,
            _ => error(
                context,
                format_args!("Encountered some unknown error: {}", exception(cause)),
            )?,
        },
    }
    Ok(())
}
