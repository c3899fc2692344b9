//! What the leader of a classic group does for all: read what members want, learn about the topics,
//! and let the assignor that the group settled on distribute the partitions.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringbrook_protocol::messages::JoinGroupResponse;

use super::embedded_protocol::decode_subscription;
use crate::cluster::Cluster;
use crate::consumer::assignor::{AssignableTopics, Assignor, GroupAssignment, GroupSubscription};
use crate::error::ClientError;

/// A distribution, and what it was made from.
#[derive(Debug)]
pub(crate) struct Led {
    pub(super) assignment: GroupAssignment,
    pub(super) topic_names: BTreeSet<Arc<str>>,
    pub(super) topics: AssignableTopics,
}

/// Members as the assignor sees them.
///
/// # Errors
/// What a member said cannot be read.
pub(super) fn members_of(joined: &JoinGroupResponse) -> Result<GroupSubscription, ClientError> {
    let mut group = GroupSubscription::new();
    for member in &joined.members {
        let id = member.member_id.as_str();
        let mut subscription = decode_subscription(member.metadata.clone()).map_err(|error| {
            ClientError::IllegalState(format!("what member {id} wants cannot be read: {error}"))
        })?;
        let instance_id = member.group_instance_id.as_deref();
        subscription.group_instance_id = instance_id.map(Arc::from);
        group.insert(id.into(), subscription);
    }
    Ok(group)
}

/// Distributes the partitions of a group that was just joined. With `skip_assignment` a static
/// leader has come back and everybody keeps what they have (KIP-814).
///
/// # Errors
/// Metadata cannot be had, what a member said cannot be read, or the assignor refuses.
pub(super) async fn lead(
    cluster: &Cluster,
    assignors: &[Arc<dyn Assignor>],
    joined: &JoinGroupResponse,
) -> Result<Led, ClientError> {
    let group = members_of(joined)?;
    let topic_names: BTreeSet<_> = group.values().flat_map(|it| &it.topics).cloned().collect();
    let mut is_new = false;
    for topic in &topic_names {
        is_new |= cluster.watch_topic(topic) || cluster.metadata().topic(topic).is_none();
    }
    let metadata = if is_new {
        cluster.refresh().await?
    } else {
        cluster.metadata()
    };
    let topics = AssignableTopics::of_metadata(&metadata, &topic_names);
    let assignment = if joined.skip_assignment {
        GroupAssignment::new()
    } else {
        distribute(assignors, joined, &topics, &group)?
    };
    Ok(Led {
        assignment,
        topic_names,
        topics,
    })
}

fn distribute(
    assignors: &[Arc<dyn Assignor>],
    joined: &JoinGroupResponse,
    topics: &AssignableTopics,
    group: &GroupSubscription,
) -> Result<GroupAssignment, ClientError> {
    let name = joined.protocol_name.as_deref().unwrap_or_default();
    let assignor = assignors.iter().find(|it| it.name() == name);
    let assignor = assignor.ok_or_else(|| {
        ClientError::IllegalState(format!("the group settled on the unknown assignor {name}"))
    })?;
    let failed = |error| ClientError::IllegalState(format!("assignor {name}: {error}"));
    let assignment = assignor.assign(topics, group).map_err(failed)?;
    // Kafka's own takes contradicting claims into account by itself.
    if assignor.is_cooperative() && name != "cooperative-sticky" {
        check_cooperative(name, group, &assignment)?;
    }
    Ok(assignment)
}

/// A cooperative assignor must not give a partition away that another member still owns.
fn check_cooperative(
    name: &str,
    group: &GroupSubscription,
    assignment: &GroupAssignment,
) -> Result<(), ClientError> {
    for (id, given) in assignment {
        for partition in &given.partitions {
            let others = group.iter().filter(|(other, _)| *other != id);
            for (other, member) in others {
                if member.owned_partitions.contains(partition) {
                    return Err(ClientError::IllegalState(format!(
                        "the cooperative assignor {name} gives {partition} to {id} while {other} \
                         owns it: it has to leave it out first"
                    )));
                }
            }
        }
    }
    Ok(())
}
