//! What a command does to the image: the deterministic heart of the state machine.
//!
//! Pure: image, command and log index in, changed image and outcome out. No clock, no randomness,
//! no I/O, so that every node and every replay reaches the same image. Called by
//! `state_machine.rs` only; planning shares the validations.
//!
//! Leader epochs. KRaft fences a broker that shuts down and elects its partitions anew when it
//! comes back, so every restart raises their leader epochs. Here registering a broker changes no
//! partition: if nobody else led meanwhile and no record was lost, the epoch still names one
//! unbroken reign, and nothing a client knows about it became untrue. After an unclean shutdown
//! records that were acknowledged without `flush.before.ack` may be gone and their offsets be given
//! out again; the broker then submits `RenewLeaderships`, one log entry that raises the epochs of
//! all it leads, and clients notice the truncation by the epoch as they do with Kafka.

use std::sync::Arc;

use super::command::{
    Applied, BrokerRegistration, Command, FeatureLevel, PRODUCER_ID_BLOCK_LEN, ProducerIdBlock,
};
use super::error::MetadataError;
use super::image::{BrokerImage, MetadataImage};

pub(super) mod configs;
mod partitions;
#[cfg(test)]
mod tests;
pub(super) mod topics;

/// Applies one command that stands at `index` of the log. Each item is decided by itself: a
/// refused one changes nothing, the others go on.
pub(super) fn apply(image: &mut MetadataImage, command: &Command, index: u64) -> Applied {
    match command {
        Command::CreateTopics(topics) => Applied::TopicsCreated(
            topics
                .iter()
                .map(|topic| topics::create(image, topic))
                .collect(),
        ),
        Command::DeleteTopics(selectors) => Applied::TopicsDeleted(
            selectors
                .iter()
                .map(|selector| topics::delete(image, selector))
                .collect(),
        ),
        Command::CreatePartitions(additions) => Applied::PartitionsCreated(
            additions
                .iter()
                .map(|addition| topics::add_partitions(image, addition))
                .collect(),
        ),
        Command::ChangePartitions(changes) => Applied::PartitionsChanged(
            changes
                .iter()
                .map(|change| partitions::change(image, change))
                .collect(),
        ),
        Command::AlterConfigs(alterations) => Applied::ConfigsAltered(
            alterations
                .iter()
                .map(|alteration| configs::alter(image, alteration))
                .collect(),
        ),
        Command::AllocateProducerIds { broker_id } => {
            Applied::ProducerIdsAllocated(allocate_producer_ids(image, *broker_id))
        }
        Command::RegisterBroker(registration) => {
            Applied::BrokerRegistered(register_broker(image, registration, index))
        }
        Command::RenewLeaderships { broker_id } => {
            Applied::LeadershipsRenewed(partitions::renew_leaderships(image, *broker_id))
        }
        Command::UpdateFeatures(levels) => Applied::FeaturesUpdated(update_features(image, levels)),
    }
}

fn allocate_producer_ids(
    image: &mut MetadataImage,
    broker_id: i32,
) -> Result<ProducerIdBlock, MetadataError> {
    if image.broker(broker_id).is_none() {
        return Err(MetadataError::BrokerNotRegistered(broker_id));
    }
    let first = image.next_producer_id;
    let next = first
        .checked_add(PRODUCER_ID_BLOCK_LEN)
        .ok_or(MetadataError::ProducerIdsExhausted)?;
    image.next_producer_id = next;
    Ok(ProducerIdBlock {
        first,
        len: PRODUCER_ID_BLOCK_LEN,
    })
}

/// The latest registration of an id wins: with one process per node directory (the log directory
/// lock) an earlier incarnation is gone.
fn register_broker(
    image: &mut MetadataImage,
    registration: &BrokerRegistration,
    index: u64,
) -> Result<i64, MetadataError> {
    if registration.id < 0 {
        return Err(MetadataError::BrokerNotRegistered(registration.id));
    }
    let epoch = i64::try_from(index).expect("a log index fits 63 bits");
    let broker = BrokerImage {
        id: registration.id,
        epoch,
        incarnation_id: registration.incarnation_id,
        endpoints: registration.endpoints.clone(),
        rack: registration.rack.clone(),
    };
    Arc::make_mut(&mut image.brokers).insert(registration.id, Arc::new(broker));
    Ok(epoch)
}

fn update_features(
    image: &mut MetadataImage,
    levels: &[FeatureLevel],
) -> Result<(), MetadataError> {
    for FeatureLevel { name, level, seen } in levels {
        if *level < 0 || name.is_empty() {
            let text = format!("Invalid level {level} for feature '{name}'.");
            return Err(MetadataError::InvalidRequest(text));
        }
        let current = image.feature_level(name);
        if let Some(seen) = seen.filter(|seen| *seen != current) {
            return Err(MetadataError::FeatureLevelChanged {
                name: name.clone(),
                current,
                seen,
            });
        }
    }
    let features = Arc::make_mut(&mut image.features);
    for FeatureLevel { name, level, .. } in levels {
        if *level == 0 {
            features.remove(name);
        } else {
            features.insert(name.clone(), *level);
        }
    }
    Ok(())
}
