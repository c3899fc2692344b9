//! How partitions are shown whose log dir is offline: without a leader, their replica here offline,
//! as Kafka's controller has it when the only replica is lost. For Metadata and
//! DescribeTopicPartitions.

use std::collections::BTreeSet;

use ringbrook_protocol::ResponseError;

use super::error::NONE;
use crate::controller::image::{NO_LEADER, PartitionImage, TopicImage};
use crate::server::Broker;

/// The partitions of a topic whose log dir on this broker is offline.
pub(super) struct OfflinePartitions {
    node_id: i32,
    indexes: BTreeSet<i32>,
}

/// What clients are told of a partition where it differs from the metadata.
pub(super) struct Shown {
    pub(super) error_code: i16,
    pub(super) leader: i32,
    pub(super) offline_replicas: Vec<i32>,
}

impl OfflinePartitions {
    /// Costs next to nothing while all log dirs are online.
    pub(super) fn of(broker: &Broker, topic: &TopicImage) -> Self {
        let mut indexes = BTreeSet::new();
        if broker.logs.check_all_online().is_err() {
            let served = broker.replicas.served();
            let all = (0i32..).take(topic.partitions.len());
            indexes.extend(all.filter(|index| served.is_offline(&topic.name, *index)));
        }
        Self {
            node_id: broker.config().node_id,
            indexes,
        }
    }

    /// The partition as clients see it.
    pub(super) fn shown(&self, partition: &PartitionImage, index: i32) -> Shown {
        if !self.indexes.contains(&index) {
            return Shown {
                error_code: NONE,
                leader: partition.leader,
                offline_replicas: Vec::new(),
            };
        }
        let replicas = partition.replicas.iter().copied();
        let offline_replicas: Vec<_> = replicas.filter(|id| *id == self.node_id).collect();
        if partition.leader != self.node_id {
            return Shown {
                error_code: NONE,
                leader: partition.leader,
                offline_replicas,
            };
        }
        Shown {
            error_code: ResponseError::LeaderNotAvailable.code(),
            leader: NO_LEADER,
            offline_replicas,
        }
    }
}
