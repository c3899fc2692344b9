//! Changing leader and ISR of a partition (Kafka's `PartitionChangeRecord` and the checks of
//! AlterPartition).

use std::collections::BTreeSet;

use crate::controller::command::PartitionChange;
use crate::controller::error::MetadataError;
use crate::controller::image::{MetadataImage, NO_LEADER, PartitionImage, TopicImage};

/// Elects the broker again for every partition it leads: same leader and ISR, epochs one higher.
/// Returns how many partitions changed. A topic whose epochs are exhausted refuses the command.
pub(super) fn renew_leaderships(
    image: &mut MetadataImage,
    broker_id: i32,
) -> Result<usize, MetadataError> {
    if image.broker(broker_id).is_none() {
        return Err(MetadataError::BrokerNotRegistered(broker_id));
    }
    let is_led = |partition: &PartitionImage| partition.leader == broker_id;
    let led = image
        .topics()
        .filter(|topic| topic.partitions.iter().any(is_led));
    let mut topics: Vec<TopicImage> = led.map(|topic| TopicImage::clone(topic)).collect();
    let mut renewed = 0;
    for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if is_led(partition) {
            partition.leader_epoch = next_epoch(partition.leader_epoch)?;
            partition.partition_epoch = next_epoch(partition.partition_epoch)?;
            renewed += 1;
        }
    }
    for topic in topics {
        image.put_topic(topic);
    }
    Ok(renewed)
}

/// Applies a change that was made against the partition's current epochs.
pub(super) fn change(
    image: &mut MetadataImage,
    change: &PartitionChange,
) -> Result<PartitionImage, MetadataError> {
    let topic = image
        .topic_by_id(change.topic_id)
        .ok_or(MetadataError::UnknownTopicId(change.topic_id))?;
    let index = usize::try_from(change.partition).ok();
    let Some((index, partition)) = index.and_then(|i| Some((i, topic.partitions.get(i)?))) else {
        return Err(MetadataError::UnknownPartition {
            topic: topic.name.to_string(),
            partition: change.partition,
        });
    };
    let changed = changed(partition, change)?;
    let mut topic = TopicImage::clone(topic);
    topic.partitions[index] = changed.clone();
    image.put_topic(topic);
    Ok(changed)
}

fn changed(
    partition: &PartitionImage,
    change: &PartitionChange,
) -> Result<PartitionImage, MetadataError> {
    if change.leader_epoch != partition.leader_epoch {
        return Err(MetadataError::FencedLeaderEpoch {
            current: partition.leader_epoch,
            given: change.leader_epoch,
        });
    }
    if change.partition_epoch != partition.partition_epoch {
        return Err(MetadataError::InvalidUpdateVersion {
            current: partition.partition_epoch,
            given: change.partition_epoch,
        });
    }
    let mut changed = partition.clone();
    if let Some(isr) = &change.isr {
        let distinct: BTreeSet<_> = isr.iter().collect();
        let known = isr.iter().all(|id| partition.replicas.contains(id));
        if isr.is_empty() || distinct.len() != isr.len() || !known {
            return Err(MetadataError::InvalidRequest(format!(
                "ISR {isr:?} is not a non-empty subset of the replicas {:?}.",
                partition.replicas
            )));
        }
        changed.isr.clone_from(isr);
    }
    if let Some(leader) = change.leader {
        changed.leader = leader;
        changed.leader_epoch = next_epoch(changed.leader_epoch)?;
    }
    if changed.leader != NO_LEADER && !changed.isr.contains(&changed.leader) {
        return Err(MetadataError::InvalidRequest(format!(
            "Leader {} is not in the ISR {:?}.",
            changed.leader, changed.isr
        )));
    }
    changed.partition_epoch = next_epoch(changed.partition_epoch)?;
    Ok(changed)
}

fn next_epoch(epoch: i32) -> Result<i32, MetadataError> {
    epoch
        .checked_add(1)
        .ok_or_else(|| MetadataError::InvalidRequest("The epochs are exhausted.".to_owned()))
}
