//! What a group member asks and what it is answered, as domain types. `broker/src/api` translates
//! them from and to wire messages.

use std::sync::Arc;

use bytes::Bytes;

use crate::group::error::GroupError;

/// Names one parked request; the coordinator keeps the sender it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token(pub(crate) u64);

/// A protocol a member offers, in its order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Name of the protocol: for consumers the assignor.
    pub name: Arc<str>,
    /// Opaque to the broker, except for the topics a consumer subscribes to. It lives as long as
    /// the member, so it must not be a slice of a request's frame.
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The group.
    pub group_id: Arc<str>,
    /// The member id; empty when the member has none yet.
    pub member_id: Arc<str>,
    /// The group instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// The client id.
    pub client_id: Arc<str>,
    /// The client's address, as Java prints it ("/127.0.0.1").
    pub client_host: Arc<str>,
    /// Session timeout in ms.
    pub session_timeout_ms: i32,
    /// Rebalance timeout in ms.
    pub rebalance_timeout_ms: i32,
    /// The class of protocols: "consumer", "connect", ...
    pub protocol_type: Arc<str>,
    /// The protocols on offer.
    pub protocols: Vec<Protocol>,
    /// Whether a dynamic member without id is sent away with one first (JoinGroup v4 and newer).
    pub requires_known_member_id: bool,
    /// Whether the client understands `skip_assignment` (JoinGroup v9 and newer).
    pub supports_skipping_assignment: bool,
    /// Why the client joins; for the log only.
    pub reason: Option<Arc<str>>,
}

/// A member as the leader sees it in the answer to its join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member id.
    pub member_id: Arc<str>,
    /// The group instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// The member's metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// The answer to a join that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol.
    pub protocol_name: Option<Arc<str>>,
    /// Member id of the leader.
    pub leader: Arc<str>,
    /// Whether the leader need not compute an assignment.
    pub skip_assignment: bool,
    /// The member's own id.
    pub member_id: Arc<str>,
    /// All members, for the leader; empty for everybody else.
    pub members: Vec<JoinedMember>,
}

/// The answer to a join that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefused {
    /// Why.
    pub error: GroupError,
    /// The member id to answer with: with `MemberIdRequired` the one to join again with.
    pub member_id: Arc<str>,
}

/// The answer to a join.
pub type JoinResult = Result<Joined, JoinRefused>;

/// SyncGroup.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// The group.
    pub group_id: Arc<str>,
    /// The member id.
    pub member_id: Arc<str>,
    /// The group instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// The generation the member joined.
    pub generation: i32,
    /// Checked against the group's when given (SyncGroup v5 and newer).
    pub protocol_type: Option<Arc<str>>,
    /// Checked against the group's when given (SyncGroup v5 and newer).
    pub protocol_name: Option<Arc<str>>,
    /// Assignment by member id; from the leader only.
    pub assignments: Vec<(Arc<str>, Bytes)>,
}

/// The answer to a sync that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The group's protocol type.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol.
    pub protocol_name: Option<Arc<str>>,
    /// The member's assignment.
    pub assignment: Bytes,
}

/// The answer to a sync.
pub type SyncResult = Result<Synced, GroupError>;

/// Who claims to be a member: in heartbeats, syncs, commits and leaves.
#[derive(Clone, Copy, Debug)]
pub struct MemberIdentity<'a> {
    /// The member id; empty when there is none.
    pub member_id: &'a str,
    /// The group instance id of a static member.
    pub group_instance_id: Option<&'a str>,
}

/// One member of a LeaveGroup batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// The member id; empty when an administrator removes a static member by its instance id.
    pub member_id: Arc<str>,
    /// The group instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// Why the member leaves; for the log only.
    pub reason: Option<Arc<str>>,
}
