//! A classic group becomes a consumer group, because a member of the consumer protocol joins it.
//! Mirrors `GroupMetadataManager.validateOnlineUpgrade` and `ConsumerGroup.fromClassicGroup`.
//!
//! Its members stay, as members that use the classic protocol: each owns what its leader assigned
//! to it last, and what it said it still owned, as of the generation, which becomes the epoch of
//! the group and of every member. The member that joins then raises the epoch, and heartbeats tell
//! the others to join again.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashSet;
use uuid::Uuid;

use crate::coordinator::SchemaError;
use crate::group::assignor::{Assignment, MemberId, TopicsImage, group_metadata_hash};
use crate::group::classic::member::Member as ClassicMember;
use crate::group::classic::state::ClassicGroup;
use crate::group::consumer::group::ConsumerGroup;
use crate::group::consumer::member::{Current, MemberState};
use crate::group::consumer::record::ConsumerRecord;
use crate::group::consumer::request::Refused;
use crate::group::consumer::settings::Surroundings;
use crate::group::error::GroupError;
use crate::group::schema::{
    ClassicMemberMetadata, ConsumerAssignment, ConsumerGroupMetadataValue,
    ConsumerMemberMetadataValue, EpochAssignment, NamedPartitions, Subscription,
    TargetAssignmentMemberValue, TargetAssignmentMetadataValue,
};

/// What the classic group is as a consumer group, and the records that say so, which come after
/// the tombstone of the classic group. The classic group is not changed.
///
/// # Errors
/// `GroupIdNotFound` when the policy forbids it, the group is not one of consumers or too large,
/// its members' metadata cannot be read, or its assignor keeps notes that nobody else can write.
pub(crate) fn upgrade(
    classic: &ClassicGroup,
    surroundings: &Surroundings<'_>,
) -> Result<(ConsumerGroup, Vec<ConsumerRecord>), Refused> {
    check(classic, surroundings)?;
    let members = upgraded_members(classic, surroundings.topics).map_err(|obstacle| {
        let (group, why) = (&classic.group_id, obstacle.text());
        match obstacle {
            Obstacle::Malformed(error) => {
                tracing::warn!(%group, %error, "cannot upgrade the group: {why}");
            }
            Obstacle::UserData => tracing::warn!(%group, "cannot upgrade the group: {why}"),
        }
        refused(group, why)
    })?;
    let records = records(classic.generation, members, surroundings.topics);
    let mut group = ConsumerGroup::new(Arc::clone(&classic.group_id));
    for record in &records {
        group.apply(record.clone());
    }
    tracing::info!(group = %classic.group_id, "classic group becomes a consumer group");
    Ok((group, records))
}

fn check(classic: &ClassicGroup, surroundings: &Surroundings<'_>) -> Result<(), Refused> {
    let settings = surroundings.settings;
    let why = if !settings.migration_policy.allows_upgrade() {
        "online upgrade is disabled"
    } else if !classic.uses_consumer_protocol() {
        "the group does not use the consumer embedded protocol"
    } else if settings.max_size < classic.members.len() {
        "the group size exceeds the consumer group maximum size"
    } else {
        return Ok(());
    };
    tracing::info!(group = %classic.group_id, why, "cannot upgrade the group");
    Err(refused(&classic.group_id, why))
}

fn refused(group_id: &str, why: &str) -> Refused {
    let text = format!("Cannot upgrade classic group {group_id} to consumer group because {why}.");
    Refused::new(GroupError::GroupIdNotFound, text)
}

/// What of a member cannot be taken over.
#[derive(Clone, Copy)]
enum Obstacle {
    Malformed(SchemaError),
    UserData,
}

impl Obstacle {
    const fn text(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "the embedded consumer protocol is malformed",
            Self::UserData => {
                "an unsupported custom assignor is in use. Please refer to the documentation or \
                 switch to a default assignor before re-attempting the upgrade"
            }
        }
    }
}

impl From<SchemaError> for Obstacle {
    fn from(error: SchemaError) -> Self {
        Self::Malformed(error)
    }
}

/// A member as it will be, and what it owns.
struct Upgraded {
    member_id: MemberId,
    metadata: ConsumerMemberMetadataValue,
    owned: Assignment,
}

fn upgraded_members(
    classic: &ClassicGroup,
    topics: &dyn TopicsImage,
) -> Result<Vec<Upgraded>, Obstacle> {
    let mut upgraded = Vec::with_capacity(classic.members.len());
    let mut claims = Vec::with_capacity(classic.members.len());
    // A leader may give a partition to two members by mistake. The first keeps it; the other is
    // told when it joins again.
    let mut taken = HashSet::new();
    for member in classic.members.values() {
        // Before the first generation no protocol is chosen. Consumers say the same with each.
        let first = member.protocols.first().map(|first| &*first.name);
        let protocol = classic.protocol_name.as_deref().or(first);
        let mut subscription = Subscription::decode(&member.metadata(protocol))?;
        claims.push(std::mem::take(&mut subscription.owned_partitions));
        let mut owned = Assignment::new();
        take(assigned(member)?, topics, &mut taken, &mut owned);
        upgraded.push(Upgraded {
            member_id: Arc::clone(&member.member_id),
            metadata: metadata(member, subscription),
            owned,
        });
    }
    // In the middle of a cooperative rebalance a member still has partitions that are nobody's
    // yet. It said so when it joined last. Kafka takes them for free.
    for (member, claimed) in upgraded.iter_mut().zip(claims) {
        take(claimed, topics, &mut taken, &mut member.owned);
    }
    Ok(upgraded)
}

fn metadata(member: &ClassicMember, subscription: Subscription) -> ConsumerMemberMetadataValue {
    ConsumerMemberMetadataValue {
        instance_id: member.group_instance_id.clone(),
        rack_id: subscription.rack_id,
        client_id: Arc::clone(&member.client_id),
        client_host: Arc::clone(&member.client_host),
        subscribed_topic_names: subscription.topics.into_iter().collect(),
        subscribed_topic_regex: Some(Arc::from("")),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: None,
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: member.session_timeout_ms,
            supported_protocols: member
                .protocols
                .iter()
                .map(|protocol| (Arc::clone(&protocol.name), protocol.metadata.clone()))
                .collect(),
        }),
    }
}

/// What the leader gave the member last; nothing before its first sync.
fn assigned(member: &ClassicMember) -> Result<NamedPartitions, Obstacle> {
    if member.assignment.is_empty() {
        return Ok(NamedPartitions::new());
    }
    let assigned = ConsumerAssignment::decode(&member.assignment)?;
    if assigned.has_user_data {
        return Err(Obstacle::UserData);
    }
    Ok(assigned.partitions)
}

/// Moves the partitions of these that exist and nobody has taken yet to `owned`.
fn take(
    claimed: NamedPartitions,
    topics: &dyn TopicsImage,
    taken: &mut HashSet<(Uuid, i32)>,
    owned: &mut Assignment,
) {
    for (name, partitions) in claimed {
        let Some(topic) = topics.topic(&name) else {
            continue;
        };
        let exist = 0..topic.partition_count;
        for index in partitions {
            if exist.contains(&index) && taken.insert((topic.id, index)) {
                owned.entry(topic.id).or_default().insert(index);
            }
        }
    }
}

/// The records of the group, in Kafka's order.
fn records(
    generation: i32,
    members: Vec<Upgraded>,
    topics: &dyn TopicsImage,
) -> Vec<ConsumerRecord> {
    let names: BTreeSet<Arc<str>> = members
        .iter()
        .flat_map(|member| member.metadata.subscribed_topic_names.iter().cloned())
        .collect();
    let mut records = Vec::with_capacity(3 * members.len() + 2);
    for member in &members {
        let id = Arc::clone(&member.member_id);
        records.push(ConsumerRecord::Member(id, Some(member.metadata.clone())));
    }
    records.push(ConsumerRecord::Metadata(Some(ConsumerGroupMetadataValue {
        epoch: generation,
        metadata_hash: group_metadata_hash(&names, topics),
    })));
    for member in &members {
        let id = Arc::clone(&member.member_id);
        let partitions = member.owned.clone();
        let value = TargetAssignmentMemberValue { partitions };
        records.push(ConsumerRecord::TargetAssignmentMember(id, Some(value)));
    }
    let target = TargetAssignmentMetadataValue {
        assignment_epoch: generation,
        assignment_timestamp_ms: 0,
    };
    records.push(ConsumerRecord::TargetAssignment(Some(target)));
    for member in members {
        let current = Current {
            epoch: generation,
            previous_epoch: generation,
            state: MemberState::Stable,
            assigned: with_epoch(member.owned, generation),
            pending_revocation: EpochAssignment::new(),
        };
        let value = Some(current.to_value());
        records.push(ConsumerRecord::CurrentAssignment(member.member_id, value));
    }
    records
}

fn with_epoch(owned: Assignment, epoch: i32) -> EpochAssignment {
    let topics = owned.into_iter();
    topics
        .map(|(id, partitions)| {
            (
                id,
                partitions.into_iter().map(|index| (index, epoch)).collect(),
            )
        })
        .collect()
}
