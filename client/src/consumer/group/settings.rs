//! What membership takes from the consumer's configuration.

use std::sync::Arc;
use std::time::Duration;

use ringbrook_protocol::StrBytes;
use ringbrook_protocol::messages::GroupId;

/// How to be a member.
#[derive(Debug, Clone)]
pub(crate) struct GroupSettings {
    /// `group.id`.
    pub(crate) group_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub(crate) instance_id: Option<Arc<str>>,
    /// `client.rack`; nothing when it is empty.
    pub(crate) rack_id: Option<Arc<str>>,
    /// `session.timeout.ms`; classic only.
    pub(crate) session_timeout: Duration,
    /// `heartbeat.interval.ms`; classic only.
    pub(crate) heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: also how long others wait for this member in a rebalance.
    pub(crate) max_poll_interval: Duration,
    /// `group.remote.assignor`; consumer protocol only.
    pub(crate) remote_assignor: Option<Arc<str>>,
    /// `retry.backoff.ms`.
    pub(crate) retry_backoff: Duration,
    /// `retry.backoff.max.ms`.
    pub(crate) retry_backoff_max: Duration,
}

impl GroupSettings {
    pub(super) fn group(&self) -> GroupId {
        GroupId(text(&self.group_id))
    }

    pub(super) fn instance(&self) -> Option<StrBytes> {
        self.instance_id.as_deref().map(text)
    }
}

/// A text as messages hold it.
pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A time limit as messages hold it.
pub(super) fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// What a member does about its group when it closes (KIP-1092).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupMembershipOperation {
    /// Dynamic members leave; static ones stay, and come back within the session timeout.
    #[default]
    Default,
    /// All leave.
    LeaveGroup,
    /// All stay until the session timeout.
    RemainInGroup,
}
