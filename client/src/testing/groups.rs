//! The fake cluster's coordinators: where they are, producer ids, committed offsets.
//!
//! Membership is not faked: tests of groups lay down replies by hand.

use std::collections::BTreeMap;

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::find_coordinator_response::Coordinator;
use ringbrook_protocol::messages::{
    FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse,
};

use super::metadata::Nodes;

#[derive(Default)]
pub(super) struct Groups {
    /// The node that coordinates everything.
    pub(super) coordinator: i32,
    producers_count: i64,
    /// Producer id and epoch by transactional id.
    transactional: BTreeMap<String, (i64, i16)>,
}

impl Groups {
    pub(super) fn find(
        &self,
        nodes: &mut Nodes,
        request: &FindCoordinatorRequest,
        version: i16,
    ) -> FindCoordinatorResponse {
        let id = self.coordinator;
        let address = nodes.node_mut(id).address.clone();
        let host = StrBytes::from_string(address.host);
        let port = i32::from(address.port);
        if version < 4 {
            return FindCoordinatorResponse::default()
                .with_node_id(id.into())
                .with_host(host)
                .with_port(port);
        }
        let coordinators = request.coordinator_keys.iter().map(|key| {
            Coordinator::default()
                .with_key(key.clone())
                .with_node_id(id.into())
                .with_host(host.clone())
                .with_port(port)
        });
        FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
    }

    /// A new id, or the next epoch of the id that a transactional id has.
    pub(super) fn init_producer_id(
        &mut self,
        request: &InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        let known = request.transactional_id.as_ref().map(|id| id.to_string());
        let before = known.as_ref().and_then(|id| self.transactional.get(id));
        let asked = (request.producer_id.0, request.producer_epoch);
        let (id, epoch) = match before {
            Some((id, epoch)) => (*id, epoch + 1),
            // An idempotent producer that lost its place gets the next epoch of its id.
            None if known.is_none() && 0 <= asked.0 => (asked.0, asked.1 + 1),
            None => {
                self.producers_count += 1;
                (self.producers_count, 0)
            }
        };
        if let Some(known) = known {
            self.transactional.insert(known, (id, epoch));
        }
        InitProducerIdResponse::default()
            .with_producer_id(id.into())
            .with_producer_epoch(epoch)
    }
}
