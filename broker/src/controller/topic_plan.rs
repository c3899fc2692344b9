//! From what a client asks for (counts, defaults, manual assignments) to what the command carries
//! (ids and replicas). Pure; called by CreateTopics, CreatePartitions and automatic creation.
//!
//! Planning checks what only the request shows; the state machine checks the rest again when the
//! command is applied, because the image may have moved on by then.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::apply::topics::{
    validate_increase, validate_new_name, validate_new_partitions, validate_new_topic,
};
use super::assignment::{self, Candidate};
use super::command::{NewPartitions, NewTopic};
use super::error::MetadataError;
use super::image::MetadataImage;

#[cfg(test)]
mod tests;

/// Stands for "the broker's default" in counts.
pub const USE_DEFAULT: i32 = -1;

/// A topic as a client asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicRequest {
    /// The name.
    pub name: String,
    /// Partition count, or [`USE_DEFAULT`]; must be -1 with manual assignments.
    pub partitions: i32,
    /// Replication factor, or -1 for the default; must be -1 with manual assignments.
    pub replication_factor: i16,
    /// Manual assignments: partition index and its replicas. Empty for automatic placement.
    pub assignments: Vec<(i32, Vec<i32>)>,
    /// Configuration, already validated.
    pub configs: BTreeMap<String, String>,
}

/// The broker's defaults for new topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicDefaults {
    /// `num.partitions`.
    pub partitions: i32,
    /// `default.replication.factor`.
    pub replication_factor: i16,
}

/// Makes a request for a topic concrete. `id` is a fresh one from
/// [`super::topic_name::new_topic_id`] and also seeds the placement. The result has passed every
/// check against `image`, so this is also the answer to a request that only validates.
///
/// # Errors
/// What Kafka answers for the topic.
pub fn plan_topic(
    image: &MetadataImage,
    request: TopicRequest,
    defaults: TopicDefaults,
    id: Uuid,
) -> Result<NewTopic, MetadataError> {
    let TopicRequest {
        name,
        partitions,
        replication_factor,
        assignments,
        configs,
    } = request;
    let mut topic = NewTopic {
        name,
        id,
        assignments: Vec::new(),
        configs,
    };
    validate_new_name(image, &topic.name)?;
    topic.assignments = if assignments.is_empty() {
        let factor = or_default(
            replication_factor.into(),
            defaults.replication_factor.into(),
        );
        let factor = positive(factor).ok_or_else(|| {
            MetadataError::InvalidReplicationFactor(
                "Replication factor must be larger than 0, or -1 to use the default value."
                    .to_owned(),
            )
        })?;
        let partitions = or_default(partitions, defaults.partitions);
        assignment::check_total_partitions([partitions])?;
        let partitions = positive(partitions).ok_or_else(|| {
            MetadataError::InvalidPartitions(
                "Number of partitions was set to an invalid non-positive value.".to_owned(),
            )
        })?;
        assignment::place(&candidates(image), seed_of(id), 0..partitions, factor)?
    } else {
        manual(partitions, replication_factor, assignments)?
    };
    validate_new_topic(image, &topic)?;
    Ok(topic)
}

/// Makes a request for `count` partitions of a topic concrete; `assignments` are the replicas of
/// the added ones, if the client chose them.
///
/// # Errors
/// What Kafka answers for the topic.
pub fn plan_partitions(
    image: &MetadataImage,
    topic_name: &str,
    count: i32,
    assignments: Option<Vec<Vec<i32>>>,
) -> Result<NewPartitions, MetadataError> {
    let topic = image
        .topic(topic_name)
        .ok_or_else(|| MetadataError::UnknownTopic(topic_name.to_owned()))?;
    let current = topic.partition_count();
    let mut plan = NewPartitions {
        topic: topic_name.to_owned(),
        topic_id: topic.id,
        first_partition: current,
        assignments: Vec::new(),
    };
    let additional = validate_increase(topic_name, current, count)?;
    assignment::check_total_partitions([count - current])?;
    plan.assignments = match assignments {
        Some(assignments) if assignments.len() != additional => {
            return Err(MetadataError::InvalidReplicaAssignment(format!(
                "Attempted to add {additional} additional partition(s), but only {} \
                 assignment(s) were specified.",
                assignments.len()
            )));
        }
        Some(assignments) => assignments,
        None => {
            let first = topic.partitions.len();
            let factor = topic
                .partitions
                .first()
                .map_or(1, |partition| partition.replicas.len());
            let range = first..first + additional;
            assignment::place(&candidates(image), seed_of(topic.id), range, factor)?
        }
    };
    validate_new_partitions(image, &plan)?;
    Ok(plan)
}

fn or_default(asked: i32, default: i32) -> i32 {
    if asked == USE_DEFAULT { default } else { asked }
}

fn positive(count: i32) -> Option<usize> {
    usize::try_from(count).ok().filter(|count| 0 < *count)
}

/// Orders manual assignments by partition and checks that they leave no gap.
fn manual(
    partitions: i32,
    replication_factor: i16,
    assignments: Vec<(i32, Vec<i32>)>,
) -> Result<Vec<Vec<i32>>, MetadataError> {
    let unwanted = |what: &str| {
        MetadataError::InvalidRequest(format!(
            "A manual partition assignment was specified, but {what} was not set to -1."
        ))
    };
    if i32::from(replication_factor) != USE_DEFAULT {
        return Err(unwanted("replication factor"));
    }
    if partitions != USE_DEFAULT {
        return Err(unwanted("numPartitions"));
    }
    let mut by_index = BTreeMap::new();
    for (index, replicas) in assignments {
        if by_index.insert(index, replicas).is_some() {
            return Err(MetadataError::InvalidReplicaAssignment(format!(
                "Found multiple manual partition assignments for partition {index}"
            )));
        }
    }
    if !by_index.keys().copied().eq((0i32..).take(by_index.len())) {
        return Err(MetadataError::InvalidReplicaAssignment(
            "partitions should be a consecutive 0-based integer sequence".to_owned(),
        ));
    }
    Ok(by_index.into_values().collect())
}

fn candidates(image: &MetadataImage) -> Vec<Candidate> {
    image
        .brokers()
        .map(|broker| Candidate {
            id: broker.id,
            rack: broker.rack.clone(),
        })
        .collect()
}

/// Placement differs between topics but not between the plans of one topic.
fn seed_of(id: Uuid) -> u64 {
    let (high, low) = id.as_u64_pair();
    high ^ low
}
