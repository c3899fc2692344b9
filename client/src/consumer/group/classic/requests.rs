//! The requests of a classic member.

use ringbrook_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ringbrook_protocol::messages::leave_group_request::MemberIdentity;
use ringbrook_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ringbrook_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
};

use super::Classic;
use crate::consumer::assignor::MemberSubscription;
use crate::consumer::group::embedded_protocol::encode_subscription;
use crate::consumer::group::settings::{millis, text};
use crate::error::ClientError;

/// What all consumers are, among the kinds of groups.
pub(super) const PROTOCOL_TYPE: &str = "consumer";
/// Brokers take no longer reasons (KIP-800).
const REASON_BYTES_MAX: usize = 255;

impl Classic {
    pub(super) fn join_request(&mut self) -> Result<JoinGroupRequest, ClientError> {
        let topics = self.wanted.clone().unwrap_or_default().topics;
        let mut protocols = Vec::with_capacity(self.assignors.len());
        for assignor in &self.assignors {
            let subscription = MemberSubscription {
                topics: topics.iter().cloned().collect(),
                user_data: assignor.user_data(&self.last),
                owned_partitions: self.steps.owned().iter().cloned().collect(),
                generation_id: Some(self.generation_id),
                rack_id: self.settings.rack_id.clone(),
                group_instance_id: None,
            };
            let metadata = encode_subscription(&subscription).map_err(|error| {
                ClientError::InvalidArgument(format!("the subscription cannot be sent: {error}"))
            })?;
            let protocol = JoinGroupRequestProtocol::default()
                .with_name(text(assignor.name()))
                .with_metadata(metadata);
            protocols.push(protocol);
        }
        self.joined_with = Some(topics);
        let reason = self.rejoin.clone().unwrap_or_default();
        Ok(JoinGroupRequest::default()
            .with_group_id(self.settings.group())
            .with_session_timeout_ms(millis(self.settings.session_timeout))
            .with_rebalance_timeout_ms(millis(self.settings.max_poll_interval))
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.settings.instance())
            .with_protocol_type(text(PROTOCOL_TYPE))
            .with_protocols(protocols)
            .with_reason(Some(text(shortened(&reason)))))
    }

    pub(super) fn sync_request(&mut self) -> SyncGroupRequest {
        let assignments = std::mem::take(&mut self.sync_assignments).into_iter();
        let assignments = assignments.map(|(id, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(&id))
                .with_assignment(assignment)
        });
        SyncGroupRequest::default()
            .with_group_id(self.settings.group())
            .with_generation_id(self.generation_id)
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.settings.instance())
            .with_protocol_type(Some(text(PROTOCOL_TYPE)))
            .with_protocol_name(self.protocol.as_deref().map(text))
            .with_assignments(assignments.collect())
    }

    pub(super) fn heartbeat_request(&self) -> HeartbeatRequest {
        HeartbeatRequest::default()
            .with_group_id(self.settings.group())
            .with_generation_id(self.generation_id)
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.settings.instance())
    }

    pub(super) fn leave_request(&self, reason: &str) -> LeaveGroupRequest {
        let member = MemberIdentity::default()
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.settings.instance())
            .with_reason(Some(text(shortened(reason))));
        LeaveGroupRequest::default()
            .with_group_id(self.settings.group())
            .with_members(vec![member])
    }
}

fn shortened(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]
}
