//! What membership sends and what comes back, and which fields older brokers do not know.

use ringbrook_protocol::messages::leave_group_request::MemberIdentity;
use ringbrook_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest, SyncGroupResponse,
};

use crate::error::ClientError;

/// A request to the group's coordinator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Join(JoinGroupRequest),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    Leave(LeaveGroupRequest),
    ConsumerHeartbeat(ConsumerGroupHeartbeatRequest),
}

/// What came of a request. Error codes of the answer are errors here, but for `MEMBER_ID_REQUIRED`,
/// which brings a member id.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Join(Result<JoinGroupResponse, ClientError>),
    Sync(Result<SyncGroupResponse, ClientError>),
    Heartbeat(Result<(), ClientError>),
    Leave(Result<(), ClientError>),
    ConsumerHeartbeat(Result<ConsumerGroupHeartbeatResponse, ClientError>),
}

impl Answer {
    /// The error, if it is one.
    pub(super) fn error(&self) -> Option<&ClientError> {
        match self {
            Self::Join(answer) => answer.as_ref().err(),
            Self::Sync(answer) => answer.as_ref().err(),
            Self::Heartbeat(answer) | Self::Leave(answer) => answer.as_ref().err(),
            Self::ConsumerHeartbeat(answer) => answer.as_ref().err(),
        }
    }
}

/// JoinGroup without what `version` does not know. A static member needs version 5.
pub(super) fn join_in(version: i16, mut request: JoinGroupRequest) -> JoinGroupRequest {
    if version < 8 {
        request.reason = None;
    }
    if version < 1 {
        request.rebalance_timeout_ms = -1;
    }
    request
}

/// SyncGroup without what `version` does not know.
pub(super) fn sync_in(version: i16, mut request: SyncGroupRequest) -> SyncGroupRequest {
    if version < 5 {
        request.protocol_type = None;
        request.protocol_name = None;
    }
    request
}

/// LeaveGroup in the form that `version` knows: one member up to version 2, a list from 3 on.
pub(super) fn leave_in(version: i16, mut request: LeaveGroupRequest) -> LeaveGroupRequest {
    if version < 5 {
        request.members.iter_mut().for_each(|it| it.reason = None);
    }
    if version < 3
        && let Some(MemberIdentity { member_id, .. }) = request.members.pop()
    {
        request.member_id = member_id;
        request.members.clear();
    }
    request
}
