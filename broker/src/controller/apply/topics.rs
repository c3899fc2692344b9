//! Creating and deleting topics and adding partitions (Kafka's `ReplicationControlManager`).
//!
//! The validations are also what planning and requests that only validate call.

use std::sync::Arc;

use crate::controller::assignment;
use crate::controller::command::{NewPartitions, NewTopic, TopicSelector};
use crate::controller::error::MetadataError;
use crate::controller::image::{ConfigResource, MetadataImage, PartitionImage, TopicImage};
use crate::controller::topic_name;

/// Whether a topic of this name may be created: valid, free, and not colliding.
pub(in crate::controller) fn validate_new_name(
    image: &MetadataImage,
    name: &str,
) -> Result<(), MetadataError> {
    topic_name::validate(name)?;
    if image.topic(name).is_some() {
        return Err(MetadataError::TopicExists(name.to_owned()));
    }
    if let Some(existing) = image.colliding_topic(name) {
        return Err(MetadataError::TopicCollision {
            name: name.to_owned(),
            existing: existing.to_string(),
        });
    }
    Ok(())
}

/// Whether the topic may be created as it is.
pub(in crate::controller) fn validate_new_topic(
    image: &MetadataImage,
    topic: &NewTopic,
) -> Result<(), MetadataError> {
    validate_new_name(image, &topic.name)?;
    if !topic_name::is_allowed_id(topic.id) || image.topic_by_id(topic.id).is_some() {
        return Err(MetadataError::InvalidRequest(format!(
            "Topic id {} is reserved or in use.",
            topic.id
        )));
    }
    if topic.assignments.is_empty() {
        return Err(MetadataError::InvalidPartitions(
            "Number of partitions was set to an invalid non-positive value.".to_owned(),
        ));
    }
    let total = i32::try_from(topic.assignments.len()).unwrap_or(i32::MAX);
    assignment::check_total_partitions([total])?;
    assignment::validate(&topic.assignments, |id| image.broker(id).is_some(), None)
}

/// Creates the topic with its configuration.
pub(super) fn create(
    image: &mut MetadataImage,
    topic: &NewTopic,
) -> Result<Arc<TopicImage>, MetadataError> {
    validate_new_topic(image, topic)?;
    image.put_configs(ConfigResource::topic(&topic.name), topic.configs.clone());
    Ok(image.put_topic(TopicImage {
        name: Arc::from(topic.name.as_str()),
        id: topic.id,
        partitions: topic
            .assignments
            .iter()
            .cloned()
            .map(PartitionImage::new)
            .collect(),
    }))
}

/// Deletes the topic and its configuration.
pub(super) fn delete(
    image: &mut MetadataImage,
    selector: &TopicSelector,
) -> Result<Arc<TopicImage>, MetadataError> {
    let topic = match selector {
        TopicSelector::Name(name) => image
            .topic(name)
            .ok_or_else(|| MetadataError::UnknownTopic(name.clone())),
        TopicSelector::Id(id) => image
            .topic_by_id(*id)
            .ok_or(MetadataError::UnknownTopicId(*id)),
    }?;
    let topic = Arc::clone(topic);
    image.remove_topic(&topic);
    Ok(topic)
}

/// By how much `count` partitions are more than the topic has.
pub(in crate::controller) fn validate_increase(
    name: &str,
    current: i32,
    count: i32,
) -> Result<usize, MetadataError> {
    let increase = i64::from(count) - i64::from(current);
    match usize::try_from(increase) {
        Ok(0) => Err(MetadataError::InvalidPartitions(format!(
            "Topic already has {current} partition(s)."
        ))),
        Ok(increase) => Ok(increase),
        Err(_) => Err(MetadataError::InvalidPartitions(format!(
            "The topic {name} currently has {current} partition(s); {count} would not be an \
             increase."
        ))),
    }
}

/// Whether the partitions may be added; returns the topic and the assignments it still lacks.
///
/// Another addition may have been decided first. The topic has then more partitions than the
/// submitter saw, and only the assignments beyond them are new.
pub(in crate::controller) fn validate_new_partitions<'a, 'b>(
    image: &'a MetadataImage,
    addition: &'b NewPartitions,
) -> Result<(&'a Arc<TopicImage>, &'b [Vec<i32>]), MetadataError> {
    let topic = image
        .topic(&addition.topic)
        .filter(|topic| topic.id == addition.topic_id)
        .ok_or_else(|| MetadataError::UnknownTopic(addition.topic.clone()))?;
    let current = topic.partition_count();
    let added = i32::try_from(addition.assignments.len()).unwrap_or(i32::MAX);
    assignment::check_total_partitions([added])?;
    validate_increase(
        &addition.topic,
        current,
        addition.first_partition.saturating_add(added),
    )?;
    let known = usize::try_from(current - addition.first_partition).map_err(|_| {
        MetadataError::InvalidPartitions(format!(
            "The topic {} has {current} partition(s), fewer than the {} the request is based on.",
            addition.topic, addition.first_partition
        ))
    })?;
    let assignments = &addition.assignments[known..];
    let factor = topic
        .partitions
        .first()
        .map(|partition| partition.replicas.len());
    assignment::validate(assignments, |id| image.broker(id).is_some(), factor)?;
    Ok((topic, assignments))
}

/// Adds partitions to a topic.
pub(super) fn add_partitions(
    image: &mut MetadataImage,
    addition: &NewPartitions,
) -> Result<Arc<TopicImage>, MetadataError> {
    let (topic, assignments) = validate_new_partitions(image, addition)?;
    let mut topic = TopicImage::clone(topic);
    topic
        .partitions
        .extend(assignments.iter().cloned().map(PartitionImage::new));
    Ok(image.put_topic(topic))
}
