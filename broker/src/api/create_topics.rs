//! CreateTopics (19): new topics, with counts or manual assignments, and configurations.
//!
//! Versions 2-7. Each topic succeeds or fails by itself; the answer waits until this broker serves
//! the new partitions. Kafka: `ControllerApis.createTopics`, `ReplicationControlManager`.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_protocol::messages::create_topics_request::CreatableTopic;
use ringbrook_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use ringbrook_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use ringbrook_protocol::{ResponseError, StrBytes};
use uuid::Uuid;

use super::RequestContext;
use super::error::{Failure, KafkaError};
use crate::config;
use crate::controller::assignment::check_total_partitions;
use crate::controller::command::NewTopic;
use crate::controller::topic_name::new_topic_id;
use crate::controller::topic_plan::{TopicRequest, plan_topic};

/// Creates what is valid; with `validate_only` only says what would happen.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let names: Vec<TopicName> = request
        .topics
        .iter()
        .map(|topic| topic.name.clone())
        .collect();
    let mut results: BTreeMap<usize, Result<NewTopic, Failure>> = BTreeMap::new();
    let duplicates = duplicates(&names);
    let total = check_total_partitions(request.topics.iter().map(|topic| topic.num_partitions));
    for (place, topic) in request.topics.into_iter().enumerate() {
        if duplicates.contains(&topic.name) {
            continue;
        }
        let planned = match &total {
            Ok(()) => plan(&ctx, topic),
            Err(error) => Err(Failure::from(error)),
        };
        results.insert(place, planned);
    }
    if !request.validate_only {
        create(&ctx, &mut results).await;
    }
    let mut topics: Vec<CreatableTopicResult> = duplicates
        .iter()
        .map(|name| {
            let error = ResponseError::InvalidRequest;
            failed(name, &Failure::new(error, "Duplicate topic name."))
        })
        .collect();
    for (place, result) in results {
        let Some(name) = names.get(place) else {
            continue;
        };
        topics.push(match result {
            Ok(topic) => created(&ctx, name, &topic, request.validate_only),
            Err(failure) => failed(name, &failure),
        });
    }
    CreateTopicsResponse::default().with_topics(topics)
}

fn duplicates(names: &[TopicName]) -> BTreeSet<TopicName> {
    let mut seen = BTreeSet::new();
    names
        .iter()
        .filter(|name| !seen.insert(*name))
        .cloned()
        .collect()
}

fn plan(ctx: &RequestContext, topic: CreatableTopic) -> Result<NewTopic, Failure> {
    let mut configs = BTreeMap::new();
    for entry in topic.configs {
        // A null value means the default, as if the entry were not there.
        let Some(value) = entry.value else { continue };
        configs.insert(entry.name.to_string(), value.to_string());
    }
    let broker = ctx.broker();
    let dynamic = broker.dynamic_configs(&broker.image());
    config::topic::validate_all(&broker.config(), dynamic.as_configs(), &configs)
        .map_err(|error| Failure::new(ResponseError::InvalidConfig, error.to_string()))?;
    let assignments = topic.assignments.into_iter().map(|assignment| {
        let brokers = assignment.broker_ids.into_iter().map(|id| id.0).collect();
        (assignment.partition_index, brokers)
    });
    let request = TopicRequest {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        configs,
    };
    let image = ctx.broker().controller.image();
    let defaults = ctx.broker().topic_defaults();
    plan_topic(&image, request, defaults, new_topic_id()).map_err(|error| Failure::from(&error))
}

/// Submits the planned topics; replaces the plans that the state machine refused.
async fn create(ctx: &RequestContext, results: &mut BTreeMap<usize, Result<NewTopic, Failure>>) {
    let planned: Vec<NewTopic> = results
        .values()
        .filter_map(|result| result.as_ref().ok())
        .cloned()
        .collect();
    if planned.is_empty() {
        return;
    }
    let outcome = ctx.broker().controller.create_topics(planned).await;
    ctx.broker().metadata_applied().await;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            return fail_all(
                results,
                &Failure::new(error.kafka_error(), error.to_string()),
            );
        }
    };
    let submitted = results.values_mut().filter(|result| result.is_ok());
    for (result, outcome) in submitted.zip(outcome) {
        match outcome {
            Ok(topic) => tracing::info!(
                topic = &*topic.name,
                partitions = topic.partitions.len(),
                "topic created"
            ),
            Err(error) => *result = Err(Failure::from(&error)),
        }
    }
}

fn fail_all(results: &mut BTreeMap<usize, Result<NewTopic, Failure>>, failure: &Failure) {
    for result in results.values_mut().filter(|result| result.is_ok()) {
        *result = Err(failure.clone());
    }
}

fn created(
    ctx: &RequestContext,
    name: &TopicName,
    topic: &NewTopic,
    validate_only: bool,
) -> CreatableTopicResult {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let factor = topic.assignments.first().map_or(0, Vec::len);
    let broker = ctx.broker();
    let dynamic = broker.dynamic_configs(&broker.image());
    let entries = config::describe_topic(&broker.config(), dynamic.as_configs(), &topic.configs);
    let configs = entries.into_iter().map(|entry| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_string(entry.name))
            .with_value(entry.value.map(StrBytes::from_string))
            .with_read_only(entry.is_read_only)
            .with_config_source(entry.source.code())
            .with_is_sensitive(entry.is_sensitive)
    });
    CreatableTopicResult::default()
        .with_name(name.clone())
        .with_topic_id(if validate_only { Uuid::nil() } else { topic.id })
        .with_num_partitions(count(topic.assignments.len()))
        .with_replication_factor(i16::try_from(factor).unwrap_or(i16::MAX))
        .with_configs(Some(configs.collect()))
}

fn failed(name: &TopicName, failure: &Failure) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name.clone())
        .with_error_code(failure.error.code())
        .with_error_message(failure.message())
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(Some(Vec::new()))
}
