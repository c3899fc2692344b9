//! What a member of a consumer group asks and what it is answered, as domain types.
//! `broker/src/api` translates them from and to wire messages.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use super::member::{JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH};
use super::settings::ConsumerGroupConfig;
use crate::group::assignor::{Assignment, MemberId};
use crate::group::error::GroupError;

/// ConsumerGroupHeartbeat. What is `None` has not changed since the last one.
#[derive(Clone, Debug)]
pub struct ConsumerHeartbeat {
    /// The group.
    pub group_id: Arc<str>,
    /// The member id; empty when the member has none yet (only version 0).
    pub member_id: MemberId,
    /// The epoch the member was last told; 0 joins, -1 leaves, -2 leaves as a static member that
    /// comes back.
    pub member_epoch: i32,
    /// The group instance id of a static member.
    pub instance_id: Option<Arc<str>>,
    /// The rack.
    pub rack_id: Option<Arc<str>>,
    /// How long the member may take to revoke partitions, ms.
    pub rebalance_timeout_ms: Option<i32>,
    /// The topics it subscribes to by name.
    pub subscribed_topic_names: Option<BTreeSet<Arc<str>>>,
    /// The regular expression it subscribes to; empty for none.
    pub subscribed_topic_regex: Option<Arc<str>>,
    /// The server-side assignor it prefers.
    pub server_assignor: Option<Arc<str>>,
    /// What the member owns.
    pub owned: Option<Assignment>,
    /// The client id.
    pub client_id: Arc<str>,
    /// The client's address, as Java prints it ("/127.0.0.1").
    pub client_host: Arc<str>,
    /// Whether members make their ids themselves (version 1 and newer).
    pub generates_member_id: bool,
}

/// Bytes of the longest string a record can hold.
const STRING_BYTES_MAX: usize = 32_767;
/// Bytes of all that a member may say it subscribes to: its record has to fit a batch.
const SUBSCRIPTION_BYTES_MAX: usize = 256 << 10;

impl ConsumerHeartbeat {
    /// Checks what can be checked without the group. Mirrors
    /// `GroupCoordinatorService.throwIfConsumerGroupHeartbeatRequestIsInvalid`; the limits on
    /// lengths are ours.
    pub(crate) fn validate(&self, config: &ConsumerGroupConfig) -> Result<(), Refused> {
        let refuse = |text: &str| Err(Refused::new(GroupError::InvalidRequest, text));
        let needs_member_id = self.generates_member_id
            || JOIN_EPOCH < self.member_epoch
            || self.member_epoch == LEAVE_EPOCH;
        let is_empty = |text: &Option<Arc<str>>| text.as_deref() == Some("");
        if needs_member_id && self.member_id.is_empty() {
            return refuse("MemberId can't be empty.");
        }
        if self.group_id.is_empty() {
            return refuse("GroupId can't be empty.");
        }
        if is_empty(&self.instance_id) {
            return refuse("InstanceId can't be empty.");
        }
        if is_empty(&self.rack_id) {
            return refuse("RackId can't be empty.");
        }
        if self.member_epoch == JOIN_EPOCH {
            self.validate_join()?;
        } else if self.member_epoch == LEAVE_STATIC_EPOCH && self.instance_id.is_none() {
            return refuse("InstanceId can't be null.");
        } else if self.member_epoch < LEAVE_STATIC_EPOCH {
            return refuse("MemberEpoch is invalid.");
        }
        if let Some(name) = &self.server_assignor
            && !config.has_assignor(name)
        {
            let names: Vec<&str> = config.assignors.iter().map(|it| it.name()).collect();
            let text = format!(
                "ServerAssignor {name} is not supported. Supported assignors: {}.",
                names.join(", ")
            );
            return Err(Refused::new(GroupError::UnsupportedAssignor, text));
        }
        self.validate_lengths()
    }

    fn validate_join(&self) -> Result<(), Refused> {
        let text = if self.rebalance_timeout_ms.is_none() {
            "RebalanceTimeoutMs must be provided in first request."
        } else if self.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
            "TopicPartitions must be empty when (re-)joining."
        } else if self.subscribed_topic_names.is_none() && self.subscribed_topic_regex.is_none() {
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when \
             (re-)joining."
        } else {
            return Ok(());
        };
        Err(Refused::new(GroupError::InvalidRequest, text))
    }

    fn validate_lengths(&self) -> Result<(), Refused> {
        let names = self.subscribed_topic_names.iter().flatten();
        let optional = [
            &self.instance_id,
            &self.rack_id,
            &self.subscribed_topic_regex,
            &self.server_assignor,
        ];
        let optional = optional.into_iter().flatten();
        let strings = [&self.member_id, &self.client_id, &self.client_host];
        let mut total = 0;
        for text in strings.into_iter().chain(optional).chain(names) {
            total += text.len();
            if STRING_BYTES_MAX < text.len() || SUBSCRIPTION_BYTES_MAX < total {
                let text = "The member says more than a record can hold.";
                return Err(Refused::new(GroupError::InvalidRequest, text));
            }
        }
        Ok(())
    }

    /// Whether the member says everything there is to say, as it does when it joins and when it
    /// does not know what the coordinator has heard. It is then told its assignment.
    pub(crate) fn is_full(&self) -> bool {
        self.rebalance_timeout_ms.is_some()
            && (self.subscribed_topic_names.is_some() || self.subscribed_topic_regex.is_some())
            && self.owned.is_some()
    }
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeatAnswer {
    /// The member's id.
    pub member_id: MemberId,
    /// The epoch to say in the next heartbeat.
    pub member_epoch: i32,
    /// How long to wait until then, ms.
    pub heartbeat_interval_ms: i32,
    /// What the member may own from now on; `None` if that has not changed.
    pub assignment: Option<Assignment>,
}

/// A request that was refused, in the words of the coordinator.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{error}: {message}")]
pub struct Refused {
    /// Why.
    pub error: GroupError,
    /// For people.
    pub message: String,
}

impl Refused {
    pub(crate) fn new(error: GroupError, message: impl Into<String>) -> Self {
        Self {
            error,
            message: message.into(),
        }
    }
}

impl From<GroupError> for Refused {
    fn from(error: GroupError) -> Self {
        Self::new(error, error.to_string())
    }
}
