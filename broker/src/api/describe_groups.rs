//! DescribeGroups (15): state, protocol and members of groups.
//!
//! Versions 0-6. An unknown group is Dead; from version 6 on it has an error besides (KIP-1043).
//! Kafka: `KafkaApis.handleDescribeGroupsRequest`.

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::describe_groups_response::{
    DescribedGroup, DescribedGroupMember,
};
use ringbrook_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};

use super::RequestContext;
use super::group_names::{wire, wire_option};
use crate::group::{self, GroupError, GroupState};

/// First version that can say which operations are allowed.
const AUTHORIZED_OPERATIONS_VERSION: i16 = 3;
/// First version in which an unknown group is an error.
const UNKNOWN_GROUP_VERSION: i16 = 6;
/// Without an authorizer everything is allowed: the bits of the ACL operations of a group (read 3,
/// delete 6, describe 8, describe configs 10, alter configs 11).
pub(super) const ALL_GROUP_OPERATIONS: i32 = 0b1101_0100_1000;

/// Describes each group on its own.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let wants_operations =
        request.include_authorized_operations && AUTHORIZED_OPERATIONS_VERSION <= ctx.api_version;
    let groups = request.groups.into_iter().map(|group_id| {
        let described = ctx.broker().groups.describe_group(&group_id);
        let mut answer = answer(ctx.api_version, group_id, described);
        if wants_operations && answer.error_code == 0 {
            answer.authorized_operations = ALL_GROUP_OPERATIONS;
        }
        answer
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn answer(
    version: i16,
    group_id: GroupId,
    described: Result<group::DescribedGroup, GroupError>,
) -> DescribedGroup {
    let answer = DescribedGroup::default();
    match described {
        Ok(group) => answer
            .with_group_id(group_id)
            .with_group_state(StrBytes::from_static_str(group.state.name()))
            .with_protocol_type(wire(&group.protocol_type))
            .with_protocol_data(wire(&group.protocol))
            .with_members(group.members.iter().map(member).collect()),
        Err(GroupError::GroupIdNotFound) => {
            let dead = StrBytes::from_static_str(GroupState::Dead.name());
            let answer = answer.with_group_state(dead);
            if version < UNKNOWN_GROUP_VERSION {
                return answer.with_group_id(group_id);
            }
            let message = format!("Group {} not found.", group_id.as_str());
            answer
                .with_group_id(group_id)
                .with_error_code(GroupError::GroupIdNotFound.kafka_code())
                .with_error_message(Some(StrBytes::from_string(message)))
        }
        Err(error) => answer
            .with_group_id(group_id)
            .with_error_code(error.kafka_code()),
    }
}

fn member(member: &group::DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(wire(&member.member_id))
        .with_group_instance_id(wire_option(member.group_instance_id.as_ref()))
        .with_client_id(wire(&member.client_id))
        .with_client_host(wire(&member.client_host))
        .with_member_metadata(member.metadata.clone())
        .with_member_assignment(member.assignment.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::{Bytes, BytesMut};
    use ringbrook_protocol::Encodable;

    use super::*;

    fn described() -> group::DescribedGroup {
        let member = group::DescribedMember {
            member_id: Arc::from("m"),
            group_instance_id: Some(Arc::from("i")),
            client_id: Arc::from("c"),
            client_host: Arc::from("/127.0.0.1"),
            metadata: Bytes::from_static(b"meta"),
            assignment: Bytes::from_static(b"mine"),
        };
        group::DescribedGroup {
            group_id: Arc::from("g"),
            state: GroupState::Stable,
            protocol_type: Arc::from("consumer"),
            protocol: Arc::from("range"),
            members: vec![member],
        }
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        for version in 0..=6 {
            let errors = [GroupError::GroupIdNotFound, GroupError::NotCoordinator].map(Err);
            for result in errors.into_iter().chain([Ok(described())]) {
                let group = answer(version, GroupId::default(), result);
                let response = DescribeGroupsResponse::default().with_groups(vec![group]);
                response.encode(&mut BytesMut::new(), version).unwrap();
            }
        }
    }

    #[test]
    fn an_unknown_group_is_dead_and_an_error_from_version_6_on() {
        let of = |version| {
            let group_id = GroupId(StrBytes::from_static_str("g"));
            answer(version, group_id, Err(GroupError::GroupIdNotFound))
        };
        assert_eq!((&*of(5).group_state, of(5).error_code), ("Dead", 0));
        assert_eq!((&*of(6).group_state, of(6).error_code), ("Dead", 69));
        assert_eq!(of(6).error_message.as_deref(), Some("Group g not found."));
    }
}
