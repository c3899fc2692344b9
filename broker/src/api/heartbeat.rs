//! Heartbeat (12): a member says that it lives and learns whether it has to join again.
//!
//! Versions 0-4. Kafka: `KafkaApis.handleHeartbeatRequest`.

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::RequestContext;
use crate::group::{GroupError, MemberIdentity};

/// Refreshes the member's session.
pub(crate) async fn handle(ctx: RequestContext, request: HeartbeatRequest) -> HeartbeatResponse {
    let identity = MemberIdentity {
        member_id: &request.member_id,
        group_instance_id: request.group_instance_id.as_ref().map(StrBytes::as_str),
    };
    let groups = &ctx.broker().groups;
    let beat = groups.heartbeat(&request.group_id, identity, request.generation_id);
    HeartbeatResponse::default().with_error_code(beat.err().map_or(0, GroupError::kafka_code))
}
