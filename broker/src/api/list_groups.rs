//! ListGroups (16): the groups this broker coordinates.
//!
//! Versions 0-5; filters by state from version 4 on, by type from version 5 on. Kafka:
//! `KafkaApis.handleListGroupsRequest`.

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::list_groups_response::ListedGroup;
use ringbrook_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};

use super::RequestContext;
use super::group_names::wire;
use crate::group::{self, GroupError};

/// Lists what passes the filters.
pub(crate) async fn handle(ctx: RequestContext, request: ListGroupsRequest) -> ListGroupsResponse {
    let states: Vec<&str> = request.states_filter.iter().map(StrBytes::as_str).collect();
    let types: Vec<&str> = request.types_filter.iter().map(StrBytes::as_str).collect();
    response(ctx.broker().groups.list_groups(&states, &types))
}

fn response(listed: Result<Vec<group::ListedGroup>, GroupError>) -> ListGroupsResponse {
    let response = ListGroupsResponse::default();
    let groups = match listed {
        Ok(groups) => groups,
        Err(error) => return response.with_error_code(error.kafka_code()),
    };
    let groups = groups.iter().map(|group| {
        ListedGroup::default()
            .with_group_id(GroupId(wire(&group.group_id)))
            .with_protocol_type(wire(&group.protocol_type))
            .with_group_state(StrBytes::from_static_str(group.state))
            .with_group_type(StrBytes::from_static_str(group.group_type))
    });
    response.with_groups(groups.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;
    use ringbrook_protocol::Encodable;

    use super::*;

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        let group = group::ListedGroup {
            group_id: Arc::from("g"),
            protocol_type: Arc::from("consumer"),
            state: "Stable",
            group_type: group::CONSUMER_GROUP_TYPE,
        };
        for version in 0..=5 {
            for listed in [
                Ok(vec![group.clone()]),
                Err(GroupError::CoordinatorLoadInProgress),
            ] {
                response(listed)
                    .encode(&mut BytesMut::new(), version)
                    .unwrap();
            }
        }
    }
}
