//! Topics with their partitions, as lines or as JSON.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::admin::{
    ConfigEntry, ConfigResource, DescribeConfigsOptions, PartitionReassignment, TopicDescription,
    TopicPartitionInfo,
};
use ringbrook_client::{Admin, ClientError, TopicPartition};
use ringbrook_protocol::ResponseError;
use serde_json::{Value, json};
use uuid::Uuid;

use super::existing_topics;
use crate::frame::{Context, Failure, Options, in_java_order, uuid_of_text, uuid_text};

/// Describes the topics that the options name.
pub(super) async fn describe(
    admin: &Admin,
    options: &Options<'_>,
    context: &mut Context,
) -> Result<(), Failure> {
    let topics = descriptions(admin, options).await?;
    let resources = topics
        .iter()
        .map(|topic| ConfigResource::topic(&topic.name));
    let configs = admin
        .describe_configs(resources, DescribeConfigsOptions::default())
        .await;
    let mut configs = configs.into_map();
    let nodes = admin.describe_cluster().await?.nodes;
    let live: BTreeSet<i32> = nodes.iter().map(|node| node.id).collect();
    let wanted = Wanted::new(options);
    let under_way = reassignments(admin, &topics).await?;
    let mut documents = Vec::new();
    for topic in &topics {
        let resource = ConfigResource::topic(&topic.name);
        let configs = configs.remove(&resource).transpose()?.unwrap_or_default();
        let shown = Shown::new(topic, configs, &live, wanted, &under_way);
        if context.is_json() {
            documents.push(shown.to_json(topic));
        } else {
            shown
                .lines(topic)
                .iter()
                .try_for_each(|line| context.line(line))?;
        }
    }
    if context.is_json() {
        return context.json(&documents);
    }
    Ok(())
}

async fn descriptions(
    admin: &Admin,
    options: &Options<'_>,
) -> Result<Vec<TopicDescription>, Failure> {
    if let Some(id) = id_wanted(options)? {
        let topics = topics_of_all(admin, options).await?;
        if topics.contains(&id) {
            let described = admin.describe_topics_by_id([id]).await.all()?;
            return Ok(described.into_values().collect());
        }
        if options.has("if-exists") {
            return Ok(Vec::new());
        }
        return Err(Failure::Message(format!(
            "TopicId '{}' does not exist as expected",
            uuid_text(id)
        )));
    }
    let names = existing_topics(admin, options).await?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let page = options.number("partition-size-limit-per-response")?;
    let count = names.len();
    let described = admin
        .describe_topics_in_pages(names, page.unwrap_or(2000))
        .await
        .all()?;
    let described = described.into_values().collect();
    Ok(in_java_order(described, count, |topic| &topic.name))
}

type Reassignments = BTreeMap<TopicPartition, PartitionReassignment>;

/// The moves under way; none where brokers do not tell.
async fn reassignments(
    admin: &Admin,
    topics: &[TopicDescription],
) -> Result<Reassignments, Failure> {
    let partitions = topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|it| TopicPartition::new(topic.name.as_str(), it.partition))
    });
    let partitions: BTreeSet<_> = partitions.collect();
    if partitions.is_empty() {
        return Ok(Reassignments::new());
    }
    match admin.list_partition_reassignments(Some(&partitions)).await {
        Err(ClientError::UnsupportedVersion { .. }) => Ok(Reassignments::new()),
        Err(error) if error.response_error() == Some(ResponseError::ClusterAuthorizationFailed) => {
            Ok(Reassignments::new())
        }
        listed => Ok(listed?),
    }
}

/// How many replicas a partition shall have, not counting those that a move adds for a time.
fn replication_factor(
    partition: &TopicPartitionInfo,
    moved: Option<&PartitionReassignment>,
) -> usize {
    let all = &partition.replicas;
    match moved {
        Some(it) if is_under_way(it, all) => {
            it.replicas.len().saturating_sub(it.adding_replicas.len())
        }
        _ => all.len(),
    }
}

/// A move may have ended between the two questions.
fn is_under_way(moved: &PartitionReassignment, replicas: &[i32]) -> bool {
    let mut changing = moved.adding_replicas.iter().chain(&moved.removing_replicas);
    changing.any(|id| replicas.contains(id))
}

/// The id in `--topic-id`; one of zeroes counts as none.
fn id_wanted(options: &Options<'_>) -> Result<Option<Uuid>, Failure> {
    let Some(text) = options.text("topic-id") else {
        return Ok(None);
    };
    match uuid_of_text(text) {
        Some(id) => Ok(Some(id).filter(|id| !id.is_nil())),
        None => Err(Failure::Message(format!(
            "Input string `{text}` decoded as 0 bytes, which is not equal to the expected 16 \
             bytes of a base64-encoded UUID"
        ))),
    }
}

async fn topics_of_all(admin: &Admin, options: &Options<'_>) -> Result<BTreeSet<Uuid>, Failure> {
    let topics = admin.list_topics(!options.has("exclude-internal")).await?;
    Ok(topics.into_iter().map(|topic| topic.topic_id).collect())
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    under_replicated: bool,
    unavailable: bool,
    under_min_isr: bool,
    at_min_isr: bool,
    only_overridden: bool,
}

impl Wanted {
    fn new(options: &Options<'_>) -> Self {
        Self {
            under_replicated: options.has("under-replicated-partitions"),
            unavailable: options.has("unavailable-partitions"),
            under_min_isr: options.has("under-min-isr-partitions"),
            at_min_isr: options.has("at-min-isr-partitions"),
            only_overridden: options.has("topics-with-overrides"),
        }
    }

    /// Whether topics are described, and not only partitions in trouble.
    fn topics(self) -> bool {
        !(self.under_replicated || self.unavailable || self.under_min_isr || self.at_min_isr)
    }

    fn partition(
        self,
        partition: &TopicPartitionInfo,
        min_isr: usize,
        live: &BTreeSet<i32>,
        moved: Option<&PartitionReassignment>,
    ) -> bool {
        let isr = partition.isr.len();
        let leader = partition.leader;
        self.topics()
            || self.under_replicated && isr < replication_factor(partition, moved)
            || self.unavailable && leader.is_none_or(|leader| !live.contains(&leader))
            || self.under_min_isr && (leader.is_none() || isr < min_isr)
            || self.at_min_isr && isr == min_isr
    }
}

/// What is shown of a topic.
struct Shown<'a> {
    has_topic: bool,
    configs: Vec<ConfigEntry>,
    partitions: Vec<&'a TopicPartitionInfo>,
    under_way: &'a Reassignments,
}

impl<'a> Shown<'a> {
    fn new(
        topic: &'a TopicDescription,
        configs: Vec<ConfigEntry>,
        live: &BTreeSet<i32>,
        wanted: Wanted,
        under_way: &'a Reassignments,
    ) -> Self {
        let min_isr = configs.iter().find(|it| it.name == "min.insync.replicas");
        let min_isr = min_isr.and_then(|it| it.value.as_deref()?.parse().ok());
        let min_isr = min_isr.unwrap_or(1);
        let all = topic.partitions.iter();
        let partitions = all.filter(|partition| {
            let moved = moved(under_way, topic, partition);
            wanted.partition(partition, min_isr, live, moved)
        });
        let mut partitions: Vec<_> = partitions.collect();
        if wanted.only_overridden {
            partitions.clear();
        }
        let mut configs = in_java_order(configs, 16, |config| &config.name);
        configs.retain(|config| !config.is_default());
        Self {
            has_topic: wanted.topics() && !(wanted.only_overridden && configs.is_empty()),
            configs,
            partitions,
            under_way,
        }
    }

    fn lines(&self, topic: &TopicDescription) -> Vec<String> {
        let mut lines = Vec::new();
        if self.has_topic {
            lines.push(self.topic_line(topic));
        }
        let partitions = self.partitions.iter();
        lines.extend(partitions.map(|partition| {
            let moved = moved(self.under_way, topic, partition);
            partition_line(&topic.name, partition, moved)
        }));
        lines
    }

    fn topic_line(&self, topic: &TopicDescription) -> String {
        let id = match topic.topic_id {
            id if id.is_nil() => String::new(),
            id => format!("\tTopicId: {}", uuid_text(id)),
        };
        let configs = self.configs.iter().map(|config| {
            let value = config.value.as_deref().unwrap_or("null");
            format!("{}={value}", config.name)
        });
        format!(
            "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}",
            topic.name,
            topic.partitions.len(),
            self.replication_factor(topic),
            configs.collect::<Vec<_>>().join(",")
        )
    }

    fn replication_factor(&self, topic: &TopicDescription) -> usize {
        topic.partitions.first().map_or(0, |first| {
            replication_factor(first, moved(self.under_way, topic, first))
        })
    }

    fn to_json(&self, topic: &TopicDescription) -> Value {
        let configs = self.configs.iter();
        let configs = configs.map(|config| (config.name.clone(), json!(config.value)));
        let partitions = self.partitions.iter().map(|partition| {
            let moved = moved(self.under_way, topic, partition);
            json!({
                "partition": partition.partition,
                "leader": partition.leader,
                "replicas": partition.replicas,
                "isr": partition.isr,
                "elr": partition.elr,
                "last_known_elr": partition.last_known_elr,
                "adding_replicas": moved.map(|it| &it.adding_replicas),
                "removing_replicas": moved.map(|it| &it.removing_replicas),
            })
        });
        json!({
            "topic": topic.name,
            "id": uuid_text(topic.topic_id),
            "internal": topic.is_internal,
            "partition_count": topic.partitions.len(),
            "replication_factor": self.replication_factor(topic),
            "configs": Value::Object(configs.collect()),
            "partitions": partitions.collect::<Vec<_>>(),
        })
    }
}

fn moved<'a>(
    under_way: &'a Reassignments,
    topic: &TopicDescription,
    partition: &TopicPartitionInfo,
) -> Option<&'a PartitionReassignment> {
    under_way.get(&TopicPartition::new(
        topic.name.as_str(),
        partition.partition,
    ))
}

fn partition_line(
    topic: &str,
    partition: &TopicPartitionInfo,
    moved: Option<&PartitionReassignment>,
) -> String {
    let ids = |ids: &[i32]| {
        let ids: Vec<_> = ids.iter().map(i32::to_string).collect();
        ids.join(",")
    };
    let elr = |elr: &Option<Vec<i32>>| elr.as_deref().map_or("N/A".to_owned(), ids);
    let leader = partition
        .leader
        .map_or("none".to_owned(), |id| id.to_string());
    let moves = moved.map_or_else(String::new, |it| {
        format!(
            "\tAdding Replicas: {}\tRemoving Replicas: {}",
            ids(&it.adding_replicas),
            ids(&it.removing_replicas)
        )
    });
    format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}{moves}\
         \tElr: {}\tLastKnownElr: {}",
        partition.partition,
        ids(&partition.replicas),
        ids(&partition.isr),
        elr(&partition.elr),
        elr(&partition.last_known_elr)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_are_shown_and_do_not_count_as_replicas() {
        let partition = TopicPartitionInfo {
            partition: 0,
            leader: Some(1),
            replicas: vec![1, 2, 3],
            isr: vec![1, 2],
            elr: None,
            last_known_elr: None,
        };
        let moved = PartitionReassignment {
            replicas: vec![1, 2, 3],
            adding_replicas: vec![3],
            removing_replicas: vec![1],
        };
        assert_eq!(replication_factor(&partition, Some(&moved)), 2);
        assert_eq!(replication_factor(&partition, None), 3);
        assert_eq!(
            partition_line("t", &partition, Some(&moved)),
            "\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2,3\tIsr: 1,2\tAdding Replicas: 3\
             \tRemoving Replicas: 1\tElr: N/A\tLastKnownElr: N/A"
        );
        let over = PartitionReassignment {
            replicas: vec![4, 5, 6],
            adding_replicas: vec![6],
            removing_replicas: vec![4],
        };
        assert_eq!(replication_factor(&partition, Some(&over)), 3);
    }
}
