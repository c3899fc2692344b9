//! A classic group as a record of `__consumer_offsets`, and back. Mirrors
//! `GroupCoordinatorRecordHelpers.newGroupMetadataRecord` and `GroupMetadataManager.replay`.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashSet;

use super::member::Member;
use super::request::Protocol;
use super::state::{ClassicGroup, GroupLimits, GroupState};
use crate::group::schema::{GroupMetadataValue, MemberMetadata};

impl ClassicGroup {
    /// The record of the group as it is.
    pub(crate) fn to_record(&self) -> GroupMetadataValue {
        let protocol = self.protocol_name.as_deref();
        let member_record = |member: &Member| MemberMetadata {
            member_id: Arc::clone(&member.member_id),
            group_instance_id: member.group_instance_id.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: member.assignment.clone(),
        };
        GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| Arc::from("")),
            generation: self.generation,
            protocol: self.protocol_name.clone(),
            leader: self.leader.clone(),
            current_state_timestamp_ms: self.state_since_ms.unwrap_or(-1),
            members: self.members.values().map(member_record).collect(),
        }
    }

    /// The group a record describes: Stable with members, Empty without. Of members that repeat a
    /// member or instance id, which no coordinator writes, the first is taken.
    pub(crate) fn from_record(
        group_id: Arc<str>,
        limits: GroupLimits,
        record: GroupMetadataValue,
    ) -> Self {
        let mut group = Self::new(group_id, limits, 0);
        let since_ms = record.current_state_timestamp_ms;
        group.state_since_ms = (since_ms != -1).then_some(since_ms);
        group.generation = record.generation;
        group.protocol_type = Some(record.protocol_type).filter(|name| !name.is_empty());
        group.protocol_name = record.protocol;
        let mut instance_ids = HashSet::new();
        for stored in record.members {
            let is_repeated = group.has_member(&stored.member_id)
                || stored
                    .group_instance_id
                    .iter()
                    .any(|id| !instance_ids.insert(id.clone()));
            if !is_repeated {
                let protocol_type = group.protocol_type.clone().unwrap_or_else(|| Arc::from(""));
                let member = group.loaded_member(stored);
                group.add_member(member, &protocol_type);
            }
        }
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
        }
        group.leader = record
            .leader
            .filter(|leader| group.has_member(leader))
            .or_else(|| {
                // No coordinator writes such a record; any member will do.
                group.earliest_member(|_| true)
            });
        group.compute_subscribed_topics();
        group
    }

    fn loaded_member(&self, stored: MemberMetadata) -> Member {
        let protocols = match &self.protocol_name {
            Some(name) => {
                vec![Protocol {
                    name: Arc::clone(name),
                    metadata: stored.subscription,
                }]
            }
            None => Vec::new(),
        };
        let rebalance_timeout_ms = if stored.rebalance_timeout_ms == -1 {
            stored.session_timeout_ms
        } else {
            stored.rebalance_timeout_ms
        };
        Member {
            member_id: stored.member_id,
            group_instance_id: stored.group_instance_id,
            client_id: stored.client_id,
            client_host: stored.client_host,
            rebalance_timeout_ms,
            session_timeout_ms: stored.session_timeout_ms,
            protocols,
            assignment: Bytes::clone(&stored.assignment),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            join_order: 0,
        }
    }
}
