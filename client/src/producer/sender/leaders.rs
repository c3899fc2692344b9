//! Leaders that a broker names beside its refusal (KIP-951), so that batches need not wait for
//! metadata.

use std::sync::Arc;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::produce_response::{NodeEndpoint, PartitionProduceResponse};

use crate::metadata::{LeaderHints, Node};
use crate::producer::outcome::Outcome;
use crate::topic_partition::TopicPartition;

/// Where brokers listen, with no leaders yet.
pub(super) fn of_endpoints(endpoints: Vec<NodeEndpoint>) -> LeaderHints {
    let nodes = endpoints.into_iter().filter_map(|it| {
        let rack = it.rack.map(|rack| rack.to_string());
        Node::of(it.node_id.0, &it.host, it.port, rack)
    });
    LeaderHints {
        leaders: Vec::new(),
        nodes: nodes.collect(),
    }
}

/// The leader that an answer about a batch names, and its epoch.
pub(super) fn told(
    batch: &Outcome,
    answer: &PartitionProduceResponse,
) -> Option<(TopicPartition, i32, i32)> {
    let moved = [
        ResponseError::NotLeaderOrFollower.code(),
        ResponseError::FencedLeaderEpoch.code(),
    ];
    let leader = &answer.current_leader;
    let (id, epoch) = (leader.leader_id.0, leader.leader_epoch);
    let is_told = moved.contains(&answer.error_code) && 0 <= id && 0 <= epoch;
    is_told.then(|| {
        let partition = TopicPartition::new(Arc::clone(&batch.topic), batch.partition);
        (partition, id, epoch)
    })
}
