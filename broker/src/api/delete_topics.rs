//! DeleteTopics (20): by name, from version 6 on also by id.
//!
//! Versions 1-6. The answer waits until this broker serves the partitions no more; the files go
//! later (`file.delete.delay.ms`). Kafka: `ControllerApis.deleteTopics`.

use std::sync::Arc;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::delete_topics_response::DeletableTopicResult;
use ringbrook_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use uuid::Uuid;

use super::RequestContext;
use super::error::{Failure, KafkaError};
use crate::controller::command::TopicSelector;

/// First version with `topics` instead of `topic_names`.
const TOPIC_STATES_VERSION: i16 = 6;

/// A topic as the request names it.
struct Wanted {
    name: Option<TopicName>,
    id: Uuid,
}

/// Deletes what exists.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let wanted = topics_wanted(ctx.api_version, request);
    if !ctx.broker().config().topics.delete_enable {
        let error = if ctx.api_version < 3 {
            ResponseError::InvalidRequest
        } else {
            ResponseError::TopicDeletionDisabled
        };
        let failure = Failure::new(error, "Topic deletion is disabled.");
        return respond(wanted.iter().map(|wanted| failed(wanted, &failure)));
    }
    let (wanted, unclear): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .partition(|wanted| wanted.problem().is_none());
    let unclear = unclear.iter().filter_map(|unclear| {
        let failure = Failure::new(ResponseError::InvalidRequest, unclear.problem()?);
        Some(failed(unclear, &failure))
    });
    let unclear: Vec<_> = unclear.collect();
    let selectors = wanted.iter().map(|wanted| match &wanted.name {
        Some(name) => TopicSelector::Name(name.to_string()),
        None => TopicSelector::Id(wanted.id),
    });
    let outcome = ctx
        .broker()
        .controller
        .delete_topics(selectors.collect())
        .await;
    ctx.broker().metadata_applied().await;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let failure = Failure::new(error.kafka_error(), error.to_string());
            let refused = wanted.iter().map(|wanted| failed(wanted, &failure));
            return respond(unclear.into_iter().chain(refused));
        }
    };
    let deleted: Vec<_> = outcome
        .iter()
        .flatten()
        .map(|topic| Arc::clone(&topic.name))
        .collect();
    ctx.broker().groups.on_topics_deleted(&deleted).await;
    let results = wanted
        .iter()
        .zip(outcome)
        .map(|(wanted, outcome)| match outcome {
            Ok(topic) => {
                tracing::info!(topic = &*topic.name, "topic deleted");
                let name = ringbrook_protocol::StrBytes::from_string(topic.name.to_string());
                DeletableTopicResult::default()
                    .with_name(Some(TopicName(name)))
                    .with_topic_id(topic.id)
            }
            Err(error) => failed(wanted, &Failure::from(&error)),
        });
    respond(unclear.into_iter().chain(results))
}

impl Wanted {
    /// Why it is not clear which topic is meant.
    fn problem(&self) -> Option<&'static str> {
        match (&self.name, self.id.is_nil()) {
            (Some(_), false) => Some("You may not specify both topic name and topic id."),
            (None, true) => Some("Neither topic name nor id were specified."),
            _ => None,
        }
    }
}

fn topics_wanted(api_version: i16, request: DeleteTopicsRequest) -> Vec<Wanted> {
    if TOPIC_STATES_VERSION <= api_version {
        let topics = request.topics.into_iter();
        topics
            .map(|topic| Wanted {
                name: topic.name,
                id: topic.topic_id,
            })
            .collect()
    } else {
        let names = request.topic_names.into_iter();
        names
            .map(|name| Wanted {
                name: Some(name),
                id: Uuid::nil(),
            })
            .collect()
    }
}

fn respond(results: impl Iterator<Item = DeletableTopicResult>) -> DeleteTopicsResponse {
    DeleteTopicsResponse::default().with_responses(results.collect())
}

fn failed(wanted: &Wanted, failure: &Failure) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(wanted.name.clone())
        .with_topic_id(wanted.id)
        .with_error_code(failure.error.code())
        .with_error_message(failure.message())
}
