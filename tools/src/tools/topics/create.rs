//! New topics, and more partitions for those that are there.

use std::collections::BTreeMap;

use ringbrook_client::admin::{CreateTopicsOptions, NewPartitions, NewTopic};
use ringbrook_client::{Admin, ClientError};
use ringbrook_protocol::ResponseError;
use serde_json::json;

use super::existing_topics;
use crate::frame::{Context, Failure, Options, uuid_text};

/// Creates the topic that the options describe.
pub(super) async fn create(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let topic = new_topic(options)?;
    // Kafka's metrics write a period as an underscore.
    if topic.name.contains(['.', '_']) {
        context.line(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or \
             underscore ('_') could collide. To avoid issues it is best to use either, but not \
             both.",
        )?;
    }
    let how = CreateTopicsOptions {
        retry_on_quota_violation: false,
        ..CreateTopicsOptions::default()
    };
    let name = topic.name.clone();
    let created = admin.create_topics(&[topic], how).await.only(&name);
    match created {
        Ok(created) if context.is_json() => context.json(&json!({
            "name": name,
            "id": uuid_text(created.topic_id),
            "partitions": created.num_partitions,
            "replication_factor": created.replication_factor,
        })),
        Ok(_) => context.line(format_args!("Created topic {name}.")),
        Err(error) if options.has("if-not-exists") && is_there(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Raises the number of partitions of the topics that the options name.
pub(super) async fn alter(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let wanted = new_topic(options)?;
    let topics = existing_topics(admin, options).await?;
    if topics.is_empty() {
        return Ok(());
    }
    let described = admin.describe_topics(topics).await.all()?;
    let total = wanted.num_partitions.unwrap_or_default();
    let changes = described.into_values().map(|topic| {
        let partitions = NewPartitions::increase_to(total);
        if wanted.replicas_assignments.is_empty() {
            return (topic.name, partitions);
        }
        let added = wanted.replicas_assignments.values();
        let added = added.skip(topic.partitions.len()).cloned();
        (topic.name, partitions.assignments(added.collect()))
    });
    let changes: BTreeMap<_, _> = changes.collect();
    admin.create_partitions(&changes, false).await.all()?;
    if context.is_json() {
        let names: Vec<_> = changes.keys().collect();
        return context.json(&json!({ "altered": names, "partitions": total }));
    }
    Ok(())
}

fn is_there(error: &ClientError) -> bool {
    error.response_error() == Some(ResponseError::TopicAlreadyExists)
}

/// What the options say of a topic.
fn new_topic(options: &Options<'_>) -> Result<NewTopic, Failure> {
    let wrong = |text: String| Err(Failure::Message(text));
    let mut topic = NewTopic::new(options.text("topic").unwrap_or_default());
    topic.num_partitions = options.number("partitions")?;
    let replication_factor: Option<i32> = options.number("replication-factor")?;
    if let Some(assignment) = options.text("replica-assignment")
        && !assignment.is_empty()
    {
        topic.replicas_assignments = assignments(assignment)?;
    }
    for config in options.texts("config") {
        match config.split('=').collect::<Vec<_>>()[..] {
            [name, value] => {
                let pair = (name.trim().to_owned(), value.trim().to_owned());
                topic.configs.extend([pair]);
            }
            _ => {
                return wrong(
                    "requirement failed: Invalid topic config: all configs to be added must be \
                     in the format \"key=val\"."
                        .to_owned(),
                );
            }
        }
    }
    if let Some(count) = replication_factor {
        let Some(count) = i16::try_from(count).ok().filter(|count| 1 <= *count) else {
            let max = i16::MAX;
            return wrong(format!(
                "The replication factor must be between 1 and {max} inclusive"
            ));
        };
        topic.replication_factor = Some(count);
    }
    if topic.num_partitions.is_some_and(|count| count < 1) && options.has("create") {
        return wrong("The partitions must be greater than 0".to_owned());
    }
    Ok(topic)
}

/// Reads `1:2,2:3`: the brokers of partition 0, those of partition 1.
fn assignments(text: &str) -> Result<BTreeMap<i32, Vec<i32>>, Failure> {
    let wrong = |text: String| Failure::Message(text);
    let mut all = BTreeMap::<i32, Vec<i32>>::new();
    for (partition, list) in (0..).zip(text.split(',')) {
        let mut brokers: Vec<i32> = Vec::new();
        let mut twice: Vec<String> = Vec::new();
        for id in list.split(':').map(str::trim) {
            let id: i32 = id
                .parse()
                .map_err(|_| wrong(format!("For input string: \"{id}\"")))?;
            if brokers.contains(&id) {
                twice.push(id.to_string());
            }
            brokers.push(id);
        }
        if !twice.is_empty() {
            return Err(wrong(format!(
                "Partition replica lists may not contain duplicate entries: {}",
                twice.join(",")
            )));
        }
        if all
            .get(&0)
            .is_some_and(|first| first.len() != brokers.len())
        {
            let brokers: Vec<_> = brokers.iter().map(i32::to_string).collect();
            return Err(wrong(format!(
                "Partition {partition} has different replication factor: [{}]",
                brokers.join(", ")
            )));
        }
        all.insert(partition, brokers);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_by_partition() {
        let read = assignments("1:2, 3:4").unwrap();
        assert_eq!(read, BTreeMap::from([(0, vec![1, 2]), (1, vec![3, 4])]));
        for (text, message) in [
            ("1:x", "For input string: \"x\""),
            (
                "1:1",
                "Partition replica lists may not contain duplicate entries: 1",
            ),
            (
                "1,2:3",
                "Partition 1 has different replication factor: [2, 3]",
            ),
        ] {
            assert_eq!(assignments(text).unwrap_err().to_string(), message);
        }
    }
}
