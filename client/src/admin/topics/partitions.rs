//! More partitions for a topic.

use std::collections::BTreeMap;

use ringbrook_protocol::messages::CreatePartitionsRequest;
use ringbrook_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};

use crate::admin::driver::{at_controller, checked};
use crate::admin::wire::{broker_ids, topic_name};
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;

/// How many partitions a topic shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// The count in all, not what is added.
    pub total_count: i32,
    /// The replicas of each partition that is added; nothing to leave it to the controller.
    pub assignments: Option<Vec<Vec<i32>>>,
}

impl NewPartitions {
    /// Up to this many in all.
    #[must_use]
    pub fn increase_to(total_count: i32) -> Self {
        Self {
            total_count,
            assignments: None,
        }
    }

    /// With these brokers as replicas of each partition that is added.
    #[must_use]
    pub fn assignments(mut self, assignments: Vec<Vec<i32>>) -> Self {
        self.assignments = Some(assignments);
        self
    }

    fn to_wire(&self, topic: &str) -> CreatePartitionsTopic {
        let assignments = self.assignments.as_ref().map(|assignments| {
            let assignments = assignments.iter();
            let assignment = |brokers: &Vec<i32>| {
                CreatePartitionsAssignment::default().with_broker_ids(broker_ids(brokers))
            };
            assignments.map(assignment).collect()
        });
        CreatePartitionsTopic::default()
            .with_name(topic_name(topic))
            .with_count(self.total_count)
            .with_assignments(assignments)
    }
}

impl Admin {
    /// Adds partitions to topics; with `validate_only` it only says whether that would work.
    pub async fn create_partitions(
        &self,
        topics: &BTreeMap<String, NewPartitions>,
        validate_only: bool,
    ) -> PerItem<String, ()> {
        let call = self.begin("adding partitions", at_controller);
        let names = topics.keys().cloned();
        self.drive(call, names, async |open: Vec<String>| {
            let build = |_| {
                let topics = open
                    .iter()
                    .filter_map(|name| Some(topics.get(name)?.to_wire(name)));
                Ok(CreatePartitionsRequest::default()
                    .with_topics(topics.collect())
                    .with_timeout_ms(call.timeout_ms(self))
                    .with_validate_only(validate_only))
            };
            self.ask(call, Target::Controller, &open, build, |answer| {
                let topics = answer.results.into_iter().map(|topic| {
                    let name = topic.name.to_string();
                    let message = topic.error_message.as_deref();
                    let result = checked(topic.error_code, message, || format!("topic {name}"));
                    (name, result)
                });
                Ok(topics.collect())
            })
            .await
        })
        .await
    }
}
