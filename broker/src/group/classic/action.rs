//! What the state machine of a classic group wants done. The shard carries actions out in order,
//! under the same lock as the event that caused them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::request::{JoinResult, Protocol, SyncResult, Token};
use crate::group::schema::GroupMetadataValue;
use crate::group::timers::TimerKind;

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Fire the timer once, this long from now.
    SetTimer(TimerKind, Duration),
    /// Forget the timer.
    CancelTimer(TimerKind),
    /// Answer a parked JoinGroup.
    ReplyJoin(Token, JoinResult),
    /// Answer a parked SyncGroup.
    ReplySync(Token, SyncResult),
    /// Write the group's metadata, then tell the group how it went, with `Persisted`.
    Persist(GroupMetadataValue, Persisted),
}

/// What a write of the group's metadata was for; handed back when it is done.
#[derive(Clone, Debug)]
pub(crate) enum Persisted {
    /// The group became or is empty. Nobody waits for it: should the broker crash first, an older
    /// generation comes back whose members all time out.
    Empty,
    /// The leader's assignment of a generation. On success the group becomes Stable.
    Assignment {
        /// The generation the leader assigned for.
        generation: i32,
        /// Assignment by member id, complete.
        assignments: Vec<(Arc<str>, Bytes)>,
    },
    /// A static member of a Stable group came back under a new member id.
    StaticMember(Box<StaticMemberReplaced>),
}

/// A static member's change of member id, with what is needed to take it back.
#[derive(Clone, Debug)]
pub(crate) struct StaticMemberReplaced {
    pub(crate) generation: i32,
    pub(crate) group_instance_id: Arc<str>,
    pub(crate) old_member_id: Arc<str>,
    pub(crate) new_member_id: Arc<str>,
    pub(crate) old_protocols: Vec<Protocol>,
    pub(crate) old_rebalance_timeout_ms: i32,
    pub(crate) old_session_timeout_ms: i32,
    pub(crate) leader_before: Option<Arc<str>>,
    pub(crate) supports_skipping_assignment: bool,
}
