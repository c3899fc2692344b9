//! LeaveGroup (13): members leave, or an administrator removes them.
//!
//! Versions 0-5; one member up to version 2, whose error is that of the request; a batch from
//! version 3 on, each member with its own. Kafka: `KafkaApis.handleLeaveGroupRequest`.

use ringbrook_protocol::messages::leave_group_response::MemberResponse;
use ringbrook_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::RequestContext;
use super::group_names::{owned, owned_option, wire, wire_option};
use crate::group::{GroupError, LeavingMember};

/// First version with several members.
const BATCH_VERSION: i16 = 3;

/// What became of each member, or of the whole request.
type Outcome = Result<Vec<Result<(), GroupError>>, GroupError>;

/// Removes the members that are in the group.
pub(crate) async fn handle(ctx: RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let leaving = domain(ctx.api_version, &request);
    let groups = &ctx.broker().groups;
    let outcome = groups.leave_group(&request.group_id, &leaving).await;
    response(ctx.api_version, &leaving, outcome)
}

fn domain(version: i16, request: &LeaveGroupRequest) -> Vec<LeavingMember> {
    if version < BATCH_VERSION {
        let member_id = owned(&request.member_id);
        return vec![LeavingMember {
            member_id,
            group_instance_id: None,
            reason: None,
        }];
    }
    let members = request.members.iter().map(|member| LeavingMember {
        member_id: owned(&member.member_id),
        group_instance_id: owned_option(member.group_instance_id.as_ref()),
        reason: owned_option(member.reason.as_ref()),
    });
    members.collect()
}

fn response(version: i16, leaving: &[LeavingMember], outcome: Outcome) -> LeaveGroupResponse {
    let response = LeaveGroupResponse::default();
    let outcomes = match outcome {
        Ok(outcomes) => outcomes,
        Err(error) => return response.with_error_code(error.kafka_code()),
    };
    if version < BATCH_VERSION {
        let failed = outcomes.into_iter().find_map(Result::err);
        return response.with_error_code(failed.map_or(0, GroupError::kafka_code));
    }
    let members = leaving.iter().zip(outcomes).map(|(member, outcome)| {
        MemberResponse::default()
            .with_member_id(wire(&member.member_id))
            .with_group_instance_id(wire_option(member.group_instance_id.as_ref()))
            .with_error_code(outcome.err().map_or(0, GroupError::kafka_code))
    });
    response.with_members(members.collect())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringbrook_protocol::messages::leave_group_request::MemberIdentity;
    use ringbrook_protocol::{Encodable, StrBytes};

    use super::*;

    fn request() -> LeaveGroupRequest {
        let member = |id| MemberIdentity::default().with_member_id(StrBytes::from_static_str(id));
        LeaveGroupRequest::default()
            .with_member_id(StrBytes::from_static_str("alone"))
            .with_members(vec![member("a"), member("b")])
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        for version in 0..=5 {
            let leaving = domain(version, &request());
            assert_eq!(leaving.len(), if version < 3 { 1 } else { 2 });
            let each = leaving
                .iter()
                .map(|_| Err(GroupError::UnknownMemberId))
                .collect();
            for outcome in [Ok(each), Err(GroupError::NotCoordinator)] {
                let answer = response(version, &leaving, outcome);
                answer.encode(&mut BytesMut::new(), version).unwrap();
            }
        }
    }

    #[test]
    fn the_error_of_the_only_member_is_that_of_an_old_request() {
        let leaving = domain(2, &request());
        assert_eq!(&*leaving[0].member_id, "alone");
        let answer = response(2, &leaving, Ok(vec![Err(GroupError::UnknownMemberId)]));
        assert_eq!((answer.error_code, answer.members.len()), (25, 0));
        let leaving = domain(3, &request());
        let outcome = Ok(vec![Ok(()), Err(GroupError::FencedInstanceId)]);
        let answer = response(3, &leaving, outcome);
        let codes: Vec<i16> = answer
            .members
            .iter()
            .map(|member| member.error_code)
            .collect();
        assert_eq!((answer.error_code, codes), (0, vec![0, 82]));
    }
}
