//! Topics with their partitions, page by page (KIP-966), or all at once from older brokers.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use ringbrook_protocol::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ringbrook_protocol::messages::metadata_request::MetadataRequestTopic;
use ringbrook_protocol::messages::metadata_response::MetadataResponseTopic;
use ringbrook_protocol::messages::{
    ApiKey, BrokerId, DescribeTopicPartitionsRequest, MetadataRequest,
};
use uuid::Uuid;

use crate::admin::driver::{Answers, Call, checked, never, to_each};
use crate::admin::wire::{ids, topic_name};
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;
use crate::error::{BrokerError, ClientError};

/// How many partitions one answer may have, as Kafka's `DescribeTopicsOptions` has it.
const PAGE_PARTITIONS: i32 = 2_000;

/// A topic and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id; nil from brokers that do not say.
    pub topic_id: Uuid,
    /// Whether it is one of the broker's own.
    pub is_internal: bool,
    /// Its partitions by index.
    pub partitions: Vec<TopicPartitionInfo>,
}

/// A partition: who leads it and who follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPartitionInfo {
    /// Its index.
    pub partition: i32,
    /// The leader's id, if there is one.
    pub leader: Option<i32>,
    /// The ids of all replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// The ids of replicas in sync.
    pub isr: Vec<i32>,
    /// The ids of replicas that may lead though they are not in sync (KIP-966); nothing when the
    /// broker does not say.
    pub elr: Option<Vec<i32>>,
    /// The ids of replicas that were once eligible; nothing when the broker does not say.
    pub last_known_elr: Option<Vec<i32>>,
}

impl Admin {
    /// Describes topics by name.
    pub async fn describe_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> PerItem<String, TopicDescription> {
        self.describe_topics_in_pages(names, PAGE_PARTITIONS).await
    }

    /// Describes topics by name, with at most `page_partitions` partitions in one answer. Older
    /// brokers answer all at once.
    pub async fn describe_topics_in_pages(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
        page_partitions: i32,
    ) -> PerItem<String, TopicDescription> {
        let call = self.begin("describing topics", never);
        let names = names.into_iter().map(Into::into);
        let names: BTreeSet<String> = names.collect();
        self.drive(call, names, async |open: Vec<String>| {
            match self.describe_in_pages(call, &open, page_partitions).await {
                Err(ClientError::UnsupportedVersion {
                    api: ApiKey::DescribeTopicPartitions,
                    ..
                }) => self.describe_at_once(call, &open).await,
                Err(error) => to_each(&open, &error),
                Ok(answers) => answers,
            }
        })
        .await
    }

    /// Describes topics by id. Needs a broker of Kafka 3.1 or later.
    pub async fn describe_topics_by_id(
        &self,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> PerItem<Uuid, TopicDescription> {
        let call = self.begin("describing topics", never);
        self.drive(call, ids, async |open: Vec<Uuid>| {
            let build = |version| {
                // Version 10 and 11 have the field but brokers of that time ignored it.
                if version < 12 {
                    return Err(ClientError::Unsupported(
                        "this broker is too old to describe topics by id: give their names"
                            .to_owned(),
                    ));
                }
                let by_id = |id: &Uuid| {
                    MetadataRequestTopic::default()
                        .with_name(None)
                        .with_topic_id(*id)
                };
                Ok(metadata_of(open.iter().map(by_id).collect()))
            };
            self.ask(call, Target::Any, &open, build, |answer| {
                let topics = answer.topics.into_iter().map(|topic| {
                    let id = topic.topic_id;
                    let error = checked(topic.error_code, None, || format!("topic id {id}"));
                    (id, error.map(|()| topic.into()))
                });
                Ok(topics.collect())
            })
            .await
        })
        .await
    }

    async fn describe_in_pages(
        &self,
        call: Call,
        names: &[String],
        page_partitions: i32,
    ) -> Result<Answers<String, TopicDescription>, ClientError> {
        let mut pages = Pages::default();
        let mut cursor: Option<Cursor> = None;
        loop {
            let topics = pages.rest(names, cursor.as_ref());
            let request = DescribeTopicPartitionsRequest::default()
                .with_topics(topics)
                .with_response_partition_limit(page_partitions)
                .with_cursor(cursor.clone());
            let answer = self.ask_one(call, Target::Any, |_| Ok(request)).await?;
            for topic in answer.topics {
                pages.add(topic);
            }
            let Some(next) = answer.next_cursor else {
                return Ok(pages.finish(names));
            };
            let place = |(topic, partition): (&str, i32)| (topic.to_owned(), partition);
            let next = place((next.topic_name.as_str(), next.partition_index));
            let before = cursor
                .as_ref()
                .map(|cursor| place((cursor.topic_name.as_str(), cursor.partition_index)));
            // Otherwise a broker that repeats itself would be asked for ever.
            if before.is_some_and(|before| next <= before) {
                let error = BrokerError::new(-1, call.what)
                    .with_message(Some(format!("the page after {next:?} is that page again")));
                return Err(error.into());
            }
            let (topic, partition) = next;
            let next = Cursor::default()
                .with_topic_name(topic_name(&topic))
                .with_partition_index(partition);
            cursor = Some(next);
        }
    }

    async fn describe_at_once(
        &self,
        call: Call,
        names: &[String],
    ) -> Answers<String, TopicDescription> {
        let build = |_| {
            let by_name =
                |name: &String| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
            Ok(metadata_of(names.iter().map(by_name).collect()))
        };
        self.ask(call, Target::Any, names, build, |answer| {
            let topics = answer.topics.into_iter().filter_map(|topic| {
                let name = topic.name.as_ref()?.to_string();
                let error = checked(topic.error_code, None, || format!("topic {name}"));
                Some((name, error.map(|()| topic.into())))
            });
            Ok(topics.collect())
        })
        .await
    }
}

fn metadata_of(topics: Vec<MetadataRequestTopic>) -> MetadataRequest {
    MetadataRequest::default()
        .with_topics(Some(topics))
        .with_allow_auto_topic_creation(false)
}

/// What pages have said so far. A topic may begin in one page and go on in the next.
#[derive(Default)]
struct Pages(BTreeMap<String, Result<TopicDescription, ClientError>>);

impl Pages {
    fn add(&mut self, topic: DescribeTopicPartitionsResponseTopic) {
        let Some(name) = topic.name.map(|name| name.to_string()) else {
            return;
        };
        if let Err(error) = checked(topic.error_code, None, || format!("topic {name}")) {
            self.0.insert(name, Err(error));
            return;
        }
        let described = self.0.entry(name.clone()).or_insert_with(|| {
            Ok(TopicDescription {
                name,
                topic_id: topic.topic_id,
                is_internal: topic.is_internal,
                partitions: Vec::new(),
            })
        });
        if let Ok(described) = described {
            let partitions = topic.partitions.into_iter().map(Into::into);
            described.partitions.extend(partitions);
        }
    }

    /// What the next page is about: topics from the cursor on; brokers go by name.
    fn rest(&self, names: &[String], cursor: Option<&Cursor>) -> Vec<TopicRequest> {
        let from = cursor.map_or("", |cursor| cursor.topic_name.as_str());
        let rest = names.iter().filter(|name| from <= name.as_str());
        rest.map(|name| TopicRequest::default().with_name(topic_name(name)))
            .collect()
    }

    fn finish(self, names: &[String]) -> Answers<String, TopicDescription> {
        let mut answers: Answers<_, _> = self.0.into_iter().collect();
        for (_, topic) in &mut answers {
            if let Ok(topic) = topic {
                topic
                    .partitions
                    .sort_by_key(|partition| partition.partition);
            }
        }
        let left_out: Vec<_> = {
            let answered: BTreeSet<&String> = answers.iter().map(|(name, _)| name).collect();
            let names = names.iter().filter(|name| !answered.contains(name));
            names.cloned().collect()
        };
        let error = BrokerError::new(-1, "describing topics")
            .with_message(Some("the answer leaves out what was asked for"));
        answers.extend(to_each(&left_out, &error.into()));
        answers
    }
}

fn leader(id: BrokerId) -> Option<i32> {
    Some(id.0).filter(|id| 0 <= *id)
}

impl From<DescribeTopicPartitionsResponsePartition> for TopicPartitionInfo {
    fn from(partition: DescribeTopicPartitionsResponsePartition) -> Self {
        Self {
            partition: partition.partition_index,
            leader: leader(partition.leader_id),
            replicas: ids(partition.replica_nodes),
            isr: ids(partition.isr_nodes),
            elr: partition.eligible_leader_replicas.map(ids),
            last_known_elr: partition.last_known_elr.map(ids),
        }
    }
}

impl From<MetadataResponseTopic> for TopicDescription {
    fn from(topic: MetadataResponseTopic) -> Self {
        let partitions = topic.partitions.into_iter();
        let partitions = partitions.map(|partition| TopicPartitionInfo {
            partition: partition.partition_index,
            leader: leader(partition.leader_id),
            replicas: ids(partition.replica_nodes),
            isr: ids(partition.isr_nodes),
            elr: None,
            last_known_elr: None,
        });
        let mut partitions: Vec<_> = partitions.collect();
        partitions.sort_by_key(|partition| partition.partition);
        Self {
            name: topic.name.map(|name| name.to_string()).unwrap_or_default(),
            topic_id: topic.topic_id,
            is_internal: topic.is_internal,
            partitions,
        }
    }
}
