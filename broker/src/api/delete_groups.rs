//! DeleteGroups (42): deletes groups that have no members, with their offsets.
//!
//! Versions 0-2. Kafka: `KafkaApis.handleDeleteGroupsRequest`.

use std::sync::Arc;

use ringbrook_protocol::messages::delete_groups_response::DeletableGroupResult;
use ringbrook_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};

use super::RequestContext;
use super::group_names::owned;
use crate::group::GroupError;

/// Deletes each group on its own; one named twice is deleted once.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut seen = hashbrown::HashSet::new();
    let group_ids: Vec<GroupId> = request
        .groups_names
        .into_iter()
        .filter(|id| seen.insert(id.clone()))
        .collect();
    let owned: Vec<Arc<str>> = group_ids.iter().map(|id| owned(id)).collect();
    let outcomes = ctx.broker().groups.delete_groups(&owned).await;
    let results = group_ids
        .into_iter()
        .zip(outcomes)
        .map(|(group_id, outcome)| {
            DeletableGroupResult::default()
                .with_group_id(group_id)
                .with_error_code(outcome.err().map_or(0, GroupError::kafka_code))
        });
    DeleteGroupsResponse::default().with_results(results.collect())
}
