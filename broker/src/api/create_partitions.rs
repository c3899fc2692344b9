//! CreatePartitions (37): more partitions for existing topics.
//!
//! Versions 0-3. Kafka: `ReplicationControlManager.createPartitions`.

use std::collections::BTreeSet;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ringbrook_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use ringbrook_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, TopicName,
};

use super::RequestContext;
use super::error::{Failure, KafkaError};
use crate::controller::command::NewPartitions;
use crate::controller::topic_plan::plan_partitions;

/// Adds the partitions; with `validate_only` only says what would happen.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut seen = BTreeSet::new();
    let mut results: Vec<(TopicName, Result<(), Failure>)> = Vec::new();
    let mut planned: Vec<(usize, NewPartitions)> = Vec::new();
    for topic in request.topics {
        let name = topic.name.clone();
        let result = if seen.insert(name.clone()) {
            plan(&ctx, topic).map(|plan| planned.push((results.len(), plan)))
        } else {
            Err(Failure::new(
                ResponseError::InvalidRequest,
                "Duplicate topic name.",
            ))
        };
        results.push((name, result));
    }
    if !request.validate_only && !planned.is_empty() {
        let (places, plans): (Vec<_>, Vec<_>) = planned.into_iter().unzip();
        let outcomes = create(&ctx, plans).await;
        for (place, outcome) in places.into_iter().zip(outcomes) {
            if let Some((_, result)) = results.get_mut(place) {
                *result = outcome;
            }
        }
    }
    let results = results.into_iter().map(|(name, result)| {
        let answer = CreatePartitionsTopicResult::default().with_name(name);
        match result {
            Ok(()) => answer,
            Err(failure) => answer
                .with_error_code(failure.error.code())
                .with_error_message(failure.message()),
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn plan(ctx: &RequestContext, topic: CreatePartitionsTopic) -> Result<NewPartitions, Failure> {
    let assignments = topic.assignments.map(|assignments| {
        let ids = |assignment: Vec<_>| assignment.into_iter().map(|id: BrokerId| id.0).collect();
        assignments
            .into_iter()
            .map(|assignment| ids(assignment.broker_ids))
            .collect()
    });
    let image = ctx.broker().controller.image();
    plan_partitions(&image, &topic.name, topic.count, assignments)
        .map_err(|error| Failure::from(&error))
}

/// One outcome per plan.
async fn create(ctx: &RequestContext, plans: Vec<NewPartitions>) -> Vec<Result<(), Failure>> {
    let count = plans.len();
    let outcomes = ctx.broker().controller.create_partitions(plans).await;
    ctx.broker().metadata_applied().await;
    match outcomes {
        Ok(outcomes) => outcomes
            .into_iter()
            .map(|outcome| outcome.map(drop).map_err(|error| Failure::from(&error)))
            .collect(),
        Err(error) => {
            vec![Err(Failure::new(error.kafka_error(), error.to_string())); count]
        }
    }
}
