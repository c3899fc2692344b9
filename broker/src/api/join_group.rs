//! JoinGroup (11): a member joins, or joins again; answered when the join phase ends.
//!
//! Versions 0-9. Before version 1 the session timeout serves as rebalance timeout; from version 4
//! on new members are first sent away with a member id; from version 9 on a leader may be told to
//! skip the assignment. Kafka: `KafkaApis.handleJoinGroupRequest`.

use std::sync::Arc;

use bytes::Bytes;
use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::join_group_response::JoinGroupResponseMember;
use ringbrook_protocol::messages::{JoinGroupRequest, JoinGroupResponse};

use super::RequestContext;
use super::group_names::{owned, owned_option, wire, wire_option};
use crate::group::{JoinRequest, JoinResult, JoinedMember, Protocol};

/// First version that carries a rebalance timeout.
const REBALANCE_TIMEOUT_VERSION: i16 = 1;
/// First version that requires a known member id (KIP-394).
const KNOWN_MEMBER_ID_VERSION: i16 = 4;
/// First version in which the protocol name may be null.
const NULL_PROTOCOL_NAME_VERSION: i16 = 7;
/// First version with `skip_assignment` (KIP-814).
const SKIP_ASSIGNMENT_VERSION: i16 = 9;

/// Waits for the join phase.
pub(crate) async fn handle(ctx: RequestContext, request: JoinGroupRequest) -> JoinGroupResponse {
    // As Java prints an address; tools show it.
    let client_host = format!("/{}", ctx.connection.peer.ip().to_canonical());
    let request = domain(ctx.api_version, ctx.client_id(), &client_host, &request);
    response(
        ctx.api_version,
        ctx.broker().groups.join_group(request).await,
    )
}

fn domain(
    version: i16,
    client_id: &str,
    client_host: &str,
    request: &JoinGroupRequest,
) -> JoinRequest {
    let rebalance_timeout_ms = if REBALANCE_TIMEOUT_VERSION <= version {
        request.rebalance_timeout_ms
    } else {
        request.session_timeout_ms
    };
    let protocols = request.protocols.iter().map(|protocol| Protocol {
        name: owned(&protocol.name),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    JoinRequest {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        group_instance_id: owned_option(request.group_instance_id.as_ref()),
        client_id: Arc::from(client_id),
        client_host: Arc::from(client_host),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: owned(&request.protocol_type),
        protocols: protocols.collect(),
        requires_known_member_id: KNOWN_MEMBER_ID_VERSION <= version,
        supports_skipping_assignment: SKIP_ASSIGNMENT_VERSION <= version,
        reason: owned_option(request.reason.as_ref()),
    }
}

fn response(version: i16, result: JoinResult) -> JoinGroupResponse {
    let mut response = match result {
        Ok(joined) => JoinGroupResponse::default()
            .with_generation_id(joined.generation)
            .with_protocol_type(wire_option(joined.protocol_type.as_ref()))
            .with_protocol_name(wire_option(joined.protocol_name.as_ref()))
            .with_leader(wire(&joined.leader))
            .with_skip_assignment(joined.skip_assignment)
            .with_member_id(wire(&joined.member_id))
            .with_members(joined.members.iter().map(member).collect()),
        Err(refused) => JoinGroupResponse::default()
            .with_error_code(refused.error.kafka_code())
            .with_generation_id(-1)
            .with_protocol_type(None)
            .with_protocol_name(None)
            .with_member_id(wire(&refused.member_id)),
    };
    if version < NULL_PROTOCOL_NAME_VERSION && response.protocol_name.is_none() {
        response.protocol_name = Some(StrBytes::default());
    }
    response
}

fn member(member: &JoinedMember) -> JoinGroupResponseMember {
    JoinGroupResponseMember::default()
        .with_member_id(wire(&member.member_id))
        .with_group_instance_id(wire_option(member.group_instance_id.as_ref()))
        .with_metadata(member.metadata.clone())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringbrook_protocol::Encodable;

    use super::*;
    use crate::group::{GroupError, JoinRefused, Joined};

    fn joined(skip_assignment: bool) -> JoinResult {
        let member = JoinedMember {
            member_id: Arc::from("m"),
            group_instance_id: Some(Arc::from("i")),
            metadata: Bytes::from_static(b"meta"),
        };
        Ok(Joined {
            generation: 3,
            protocol_type: Some(Arc::from("consumer")),
            protocol_name: Some(Arc::from("range")),
            leader: Arc::from("m"),
            skip_assignment,
            member_id: Arc::from("m"),
            members: vec![member],
        })
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        for version in 0..=9 {
            let error = GroupError::MemberIdRequired;
            let refused = JoinRefused {
                error,
                member_id: Arc::from("m"),
            };
            let skip = SKIP_ASSIGNMENT_VERSION <= version;
            for result in [joined(skip), Err(refused)] {
                response(version, result)
                    .encode(&mut BytesMut::new(), version)
                    .unwrap();
            }
        }
    }

    #[test]
    fn version_decides_what_the_group_may_ask_of_the_client() {
        let request = JoinGroupRequest::default()
            .with_session_timeout_ms(7_000)
            .with_rebalance_timeout_ms(9_000);
        let of = |version| domain(version, "client", "/::1", &request);
        assert_eq!(
            (of(0).rebalance_timeout_ms, of(1).rebalance_timeout_ms),
            (7_000, 9_000)
        );
        assert!(!of(3).requires_known_member_id && of(4).requires_known_member_id);
        assert!(!of(8).supports_skipping_assignment && of(9).supports_skipping_assignment);
    }
}
