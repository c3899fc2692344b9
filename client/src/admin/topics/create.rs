//! Creating topics.

use std::collections::BTreeMap;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::CreateTopicsRequest;
use ringbrook_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use ringbrook_protocol::messages::create_topics_response::CreatableTopicResult;
use uuid::Uuid;

use crate::admin::configs::ConfigEntry;
use crate::admin::driver::{at_controller, checked};
use crate::admin::wire::{broker_ids, text, topic_name};
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;
use crate::error::ClientError;

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; nothing for the broker's `num.partitions`.
    pub num_partitions: Option<i32>,
    /// How many replicas each; nothing for the broker's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// The replicas of each partition by its index, in place of the two counts; empty to leave it
    /// to the controller.
    pub replicas_assignments: BTreeMap<i32, Vec<i32>>,
    /// Its configuration, where it differs from the broker's.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic with the broker's default counts.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            num_partitions: None,
            replication_factor: None,
            replicas_assignments: BTreeMap::new(),
            configs: BTreeMap::new(),
        }
    }

    /// With this many partitions.
    #[must_use]
    pub fn partitions(mut self, count: i32) -> Self {
        self.num_partitions = Some(count);
        self
    }

    /// With this many replicas of each partition.
    #[must_use]
    pub fn replication_factor(mut self, count: i16) -> Self {
        self.replication_factor = Some(count);
        self
    }

    /// With these brokers as replicas of a partition.
    #[must_use]
    pub fn replicas(mut self, partition: i32, brokers: Vec<i32>) -> Self {
        self.replicas_assignments.insert(partition, brokers);
        self
    }

    /// With a configuration of its own.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(name.into(), value.into());
        self
    }

    fn to_wire(&self) -> CreatableTopic {
        let assignments = self.replicas_assignments.iter().map(|(index, brokers)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(*index)
                .with_broker_ids(broker_ids(brokers))
        });
        let configs = self.configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        });
        CreatableTopic::default()
            .with_name(topic_name(&self.name))
            .with_num_partitions(self.num_partitions.unwrap_or(-1))
            .with_replication_factor(self.replication_factor.unwrap_or(-1))
            .with_assignments(assignments.collect())
            .with_configs(configs.collect())
    }
}

/// How topics are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateTopicsOptions {
    /// Only says whether it would work.
    pub validate_only: bool,
    /// Tries again when the controller's mutation quota is used up.
    pub retry_on_quota_violation: bool,
}

impl Default for CreateTopicsOptions {
    fn default() -> Self {
        Self {
            validate_only: false,
            retry_on_quota_violation: true,
        }
    }
}

/// What the broker says about a topic that it has created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; nil from brokers that do not say, and when nothing was created.
    pub topic_id: Uuid,
    /// How many partitions it has; -1 from brokers that do not say.
    pub num_partitions: i32,
    /// How many replicas each has; -1 from brokers that do not say.
    pub replication_factor: i16,
    /// Its configuration; nothing when this client may not see it.
    pub configs: Option<Vec<ConfigEntry>>,
}

impl From<CreatableTopicResult> for CreatedTopic {
    fn from(topic: CreatableTopicResult) -> Self {
        let configs = topic.configs.filter(|_| topic.topic_config_error_code == 0);
        let configs = configs.map(|entries| entries.into_iter().map(Into::into).collect());
        Self {
            topic_id: topic.topic_id,
            num_partitions: topic.num_partitions,
            replication_factor: topic.replication_factor,
            configs,
        }
    }
}

impl Admin {
    /// Creates topics. A topic may be there a moment before every broker knows it.
    ///
    /// A topic with default counts needs a broker of Kafka 2.4 or later.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        options: CreateTopicsOptions,
    ) -> PerItem<String, CreatedTopic> {
        let is_retried = if options.retry_on_quota_violation {
            at_controller
        } else {
            |error| error == ResponseError::NotController
        };
        let call = self.begin("creating topics", is_retried);
        let by_name: BTreeMap<&str, &NewTopic> = topics
            .iter()
            .map(|topic| (topic.name.as_str(), topic))
            .collect();
        let names = topics.iter().map(|topic| topic.name.clone());
        self.drive(call, names, async |open: Vec<String>| {
            let topics = open.iter().filter_map(|name| by_name.get(name.as_str()));
            let topics: Vec<CreatableTopic> = topics.map(|topic| topic.to_wire()).collect();
            let build = |version| build(version, topics, call.timeout_ms(self), options);
            self.ask(call, Target::Controller, &open, build, |answer| {
                let topics = answer.topics.into_iter().map(|topic| {
                    let name = topic.name.to_string();
                    let message = topic.error_message.as_deref();
                    let error = checked(topic.error_code, message, || format!("topic {name}"));
                    (name, error.map(|()| topic.into()))
                });
                Ok(topics.collect())
            })
            .await
        })
        .await
    }
}

fn build(
    version: i16,
    topics: Vec<CreatableTopic>,
    timeout_ms: i32,
    options: CreateTopicsOptions,
) -> Result<CreateTopicsRequest, ClientError> {
    let has_defaults = topics.iter().any(|topic| {
        topic.assignments.is_empty() && (topic.num_partitions < 0 || topic.replication_factor < 0)
    });
    // KIP-464.
    if has_defaults && version < 4 {
        return Err(ClientError::Unsupported(
            "this broker is too old for topics with default counts: give the number of \
             partitions and the replication factor"
                .to_owned(),
        ));
    }
    Ok(CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(timeout_ms)
        .with_validate_only(options.validate_only))
}
