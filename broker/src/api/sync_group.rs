//! SyncGroup (14): the leader hands in the assignment, every member gets its part.
//!
//! Versions 0-5; from version 5 on protocol type and name are checked and returned. Kafka:
//! `KafkaApis.handleSyncGroupRequest`.

use bytes::Bytes;
use ringbrook_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::RequestContext;
use super::group_names::{owned, owned_option, wire_option};
use crate::group::{GroupError, SyncRequest, SyncResult};

/// First version with protocol type and name, which are then mandatory.
const PROTOCOL_VERSION: i16 = 5;

/// Waits for the assignment.
pub(crate) async fn handle(ctx: RequestContext, request: SyncGroupRequest) -> SyncGroupResponse {
    let lacks_protocol = request.protocol_type.is_none() || request.protocol_name.is_none();
    if PROTOCOL_VERSION <= ctx.api_version && lacks_protocol {
        return response(Err(GroupError::InconsistentGroupProtocol));
    }
    response(ctx.broker().groups.sync_group(domain(&request)).await)
}

fn domain(request: &SyncGroupRequest) -> SyncRequest {
    let assignments = request.assignments.iter().map(|assigned| {
        (
            owned(&assigned.member_id),
            Bytes::copy_from_slice(&assigned.assignment),
        )
    });
    SyncRequest {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        group_instance_id: owned_option(request.group_instance_id.as_ref()),
        generation: request.generation_id,
        protocol_type: owned_option(request.protocol_type.as_ref()),
        protocol_name: owned_option(request.protocol_name.as_ref()),
        assignments: assignments.collect(),
    }
}

fn response(result: SyncResult) -> SyncGroupResponse {
    match result {
        Ok(synced) => SyncGroupResponse::default()
            .with_protocol_type(wire_option(synced.protocol_type.as_ref()))
            .with_protocol_name(wire_option(synced.protocol_name.as_ref()))
            .with_assignment(synced.assignment),
        Err(error) => SyncGroupResponse::default().with_error_code(error.kafka_code()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;
    use ringbrook_protocol::Encodable;

    use super::*;
    use crate::group::Synced;

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        let synced = Synced {
            protocol_type: Some(Arc::from("consumer")),
            protocol_name: Some(Arc::from("range")),
            assignment: Bytes::from_static(b"mine"),
        };
        for version in 0..=5 {
            for result in [Ok(synced.clone()), Err(GroupError::RebalanceInProgress)] {
                response(result)
                    .encode(&mut BytesMut::new(), version)
                    .unwrap();
            }
        }
        assert_eq!(
            response(Err(GroupError::RebalanceInProgress)).error_code,
            27
        );
    }
}
