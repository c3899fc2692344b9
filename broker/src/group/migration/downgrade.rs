//! A consumer group becomes a classic group, because its last member of the consumer protocol goes
//! and members of the classic protocol remain. Mirrors
//! `GroupMetadataManager.validateOnlineDowngrade*` and `ClassicGroup.fromConsumerGroup`.
//!
//! The group's epoch becomes the generation, and each member's assignment is its target. The group
//! then rebalances, so that the members take over from the broker who gets what.

use std::sync::Arc;

use bytes::Bytes;

use crate::coordinator::SchemaError;
use crate::group::assignor::{Assignment, MemberId, TopicsImage};
use crate::group::classic::member::Member as ClassicMember;
use crate::group::classic::request::Protocol;
use crate::group::classic::state::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, GroupState};
use crate::group::consumer::group::ConsumerGroup;
use crate::group::consumer::member::Member;
use crate::group::consumer::settings::Surroundings;
use crate::group::schema::{ClassicMemberMetadata, ConsumerAssignment, Subscription};

/// What a consumer group is to become.
#[derive(Debug)]
pub(crate) struct Downgrade {
    /// The classic group: Stable, without the members that left.
    pub(crate) group: Box<ClassicGroup>,
    /// Why it has to rebalance at once, if it has to.
    pub(crate) rebalance: Option<&'static str>,
}

impl ConsumerGroup {
    /// The classic group that remains without `leaving`, if a classic group is to remain: the
    /// others are at least one and all use the classic protocol, and the policy and the size limit
    /// allow it. Metadata that cannot be read leaves the group as it is, where Kafka fails the
    /// request that would have changed it.
    pub(crate) fn downgraded(
        &self,
        leaving: &[MemberId],
        surroundings: &Surroundings<'_>,
    ) -> Option<Box<ClassicGroup>> {
        let stays = |member: &&Member| !leaving.contains(&member.member_id);
        let staying: Vec<&Member> = self.members.values().filter(stays).collect();
        let all_classic = staying.iter().all(|member| member.classic().is_some());
        if staying.is_empty() || !all_classic {
            return None;
        }
        if !self.may_downgrade(staying.len(), surroundings) {
            return None;
        }
        self.to_classic(&staying, surroundings)
            .inspect_err(|error| {
                tracing::warn!(group = %self.group_id, %error, "cannot downgrade the group");
            })
            .ok()
            .map(Box::new)
    }

    /// Whether the policy and the size limit allow a classic group of so many members.
    pub(crate) fn may_downgrade(&self, len: usize, surroundings: &Surroundings<'_>) -> bool {
        let why = if !surroundings.settings.migration_policy.allows_downgrade() {
            "online downgrade is disabled"
        } else if surroundings.classic_limits.group_max_size < len {
            "its size is greater than the maximum of classic groups"
        } else {
            return true;
        };
        tracing::info!(group = %self.group_id, why, "cannot downgrade the group");
        false
    }

    fn to_classic(
        &self,
        staying: &[&Member],
        surroundings: &Surroundings<'_>,
    ) -> Result<ClassicGroup, SchemaError> {
        let group_id = Arc::clone(&self.group_id);
        let limits = surroundings.classic_limits;
        let mut classic = ClassicGroup::new(group_id, limits, surroundings.now_ms);
        classic.generation = self.epoch;
        let protocol_type = Arc::from(CONSUMER_PROTOCOL_TYPE);
        for member in staying {
            if let Some(metadata) = member.classic() {
                classic.add_member(classic_member(member, metadata), &protocol_type);
            }
        }
        classic.state = GroupState::Stable;
        classic.protocol_name = classic.select_protocol();
        classic.compute_subscribed_topics();
        let protocol_name = classic.protocol_name.clone();
        for (member_id, member) in &mut classic.members {
            let metadata = member.metadata(protocol_name.as_deref());
            let target = self.target.get(member_id);
            member.assignment = encoded(&metadata, target, surroundings.topics)?;
        }
        Ok(classic)
    }
}

fn classic_member(member: &Member, metadata: &ClassicMemberMetadata) -> ClassicMember {
    let protocols = metadata.supported_protocols.iter();
    ClassicMember {
        member_id: Arc::clone(&member.member_id),
        group_instance_id: member.metadata.instance_id.clone(),
        client_id: Arc::clone(&member.metadata.client_id),
        client_host: Arc::clone(&member.metadata.client_host),
        rebalance_timeout_ms: member.metadata.rebalance_timeout_ms,
        session_timeout_ms: metadata.session_timeout_ms,
        protocols: protocols
            .map(|(name, metadata)| Protocol {
                name: Arc::clone(name),
                metadata: metadata.clone(),
            })
            .collect(),
        assignment: Bytes::new(),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
        join_order: 0,
    }
}

/// An assignment in the version in which the member wrote its metadata.
///
/// # Errors
/// When the version cannot be read, or the assignment is too long.
pub(crate) fn encoded(
    metadata: &[u8],
    assignment: Option<&Assignment>,
    topics: &dyn TopicsImage,
) -> Result<Bytes, SchemaError> {
    let version = Subscription::decode(metadata)?.version;
    let partitions: Vec<(Arc<str>, Vec<i32>)> = assignment
        .into_iter()
        .flatten()
        .filter_map(|(id, partitions)| {
            let topic = topics.topic_by_id(*id)?;
            Some((topic.name, partitions.iter().copied().collect()))
        })
        .collect();
    ConsumerAssignment::encode(version, &partitions)
}
