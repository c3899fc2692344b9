//! Membership in the consumer protocol (KIP-848): one kind of request, by which the member says
//! what it wants and has, and the broker what it is to have. Others go on reading meanwhile.
//!
//! After Kafka's `ConsumerMembershipManager` and `ConsumerHeartbeatRequestManager`. Pure; see
//! [`super::membership::Membership`]. Differs: an assignment of which a topic's name is not known
//! yet waits for metadata without being acknowledged in between, and who unsubscribes after what
//! was fatal may subscribe again.
//!
//! ```text
//! Unsubscribed --> Joining --> Reconciling --> Acknowledging --> Stable --> Reconciling ...
//! any of these  -- the broker does not know the member (any more) --> Fenced --> Joining
//! any of these  -- the application does not poll --> Stale -- it polls --> Joining
//! any of these  -- the application closes or unsubscribes --> Leaving --> Unsubscribed
//! ```

mod answers;
mod reconcile;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;
use tracing::{debug, info};
use uuid::Uuid;

use super::leader::Led;
use super::membership::{Action, Identity, Membership, Wanted};
use super::messages::{Answer, Call};
use super::settings::{GroupMembershipOperation, GroupSettings};
use super::steps::{Plan, Step, Steps};
use crate::cluster::Backoff;
use crate::error::ClientError;
use crate::metadata::Metadata;

/// Partitions by topic id, as the broker assigns them.
type Assigned = BTreeMap<Uuid, BTreeSet<i32>>;

/// The epoch of somebody who is about to join.
const JOIN_EPOCH: i32 = 0;
/// The epoch that says that the member leaves.
const LEAVE_EPOCH: i32 = -1;
/// The epoch that says that a static member leaves and will be back.
const LEAVE_STATIC_EPOCH: i32 = -2;

/// Where the member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is not in the group.
    Unsubscribed,
    /// It is about to join, or the answer is awaited.
    Joining,
    /// It has another assignment than the broker wants.
    Reconciling,
    /// It has a new assignment, and the broker is about to be told.
    Acknowledging,
    /// It has what the broker wants.
    Stable,
    /// The broker put it out; it lets go of what it had and joins again.
    Fenced,
    /// It lets go of what it has, then leaves.
    Leaving,
    /// It left because the application does not poll.
    Stale,
    /// It cannot be in the group.
    Fatal,
}

/// What the broker was told and need not be told again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    wanted: Wanted,
    current: Option<Assigned>,
}

/// A member of a group of the consumer protocol.
pub(super) struct ConsumerMember {
    settings: Arc<GroupSettings>,
    wanted: Option<Wanted>,
    sent: Option<Sent>,
    state: State,
    member_id: Arc<str>,
    epoch: i32,
    /// What the broker wants it to have.
    target: Option<Assigned>,
    /// What it has and says so.
    current: Option<Assigned>,
    /// What it will have when the steps under way are done.
    reconciling: Option<Assigned>,
    /// Names of assigned topics, also after metadata lost them.
    names: HashMap<Uuid, Arc<str>>,
    needs_metadata: bool,
    steps: Steps,
    /// Whether the broker may count on it: it was asked to, and not told otherwise.
    is_known: bool,
    is_in_flight: bool,
    polled_at: Option<Instant>,
    heartbeat_interval: Duration,
    heartbeat_at: Instant,
    not_before: Instant,
    backoff: Backoff,
    operation: GroupMembershipOperation,
    error: Option<ClientError>,
}

impl ConsumerMember {
    /// Somebody who is not a member yet. `member_id` is kept for life (KIP-1082).
    pub(super) fn new(settings: Arc<GroupSettings>, member_id: Arc<str>, now: Instant) -> Self {
        Self {
            wanted: None,
            sent: None,
            state: State::Unsubscribed,
            member_id,
            epoch: JOIN_EPOCH,
            target: None,
            current: None,
            reconciling: None,
            names: HashMap::new(),
            needs_metadata: false,
            steps: Steps::default(),
            is_known: false,
            is_in_flight: false,
            polled_at: None,
            heartbeat_interval: Duration::ZERO,
            heartbeat_at: now,
            not_before: now,
            backoff: Backoff::new(settings.retry_backoff, settings.retry_backoff_max),
            operation: GroupMembershipOperation::Default,
            error: None,
            settings,
        }
    }

    fn go(&mut self, state: State) {
        if self.state != state {
            debug!(
                group = %self.settings.group_id,
                member = %self.member_id,
                epoch = self.epoch,
                from = ?self.state,
                to = ?state,
                "membership changes"
            );
            self.state = state;
        }
    }

    /// Whether the broker counts on it.
    fn is_in_group(&self) -> bool {
        matches!(
            self.state,
            State::Joining | State::Reconciling | State::Acknowledging | State::Stable
        )
    }

    /// What it had is somebody else's now.
    fn lose_everything(&mut self) {
        self.epoch = JOIN_EPOCH;
        self.is_known = false;
        self.sent = None;
        self.target = None;
        self.current = None;
        self.reconciling = None;
        self.names.clear();
        self.steps.cancel_planned();
        self.steps.plan(Plan::Lose);
    }

    fn poll_deadline(&self) -> Option<Instant> {
        self.polled_at?.checked_add(self.settings.max_poll_interval)
    }

    fn is_poll_late(&self, now: Instant) -> bool {
        self.poll_deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Whether the broker has to be told something before the next regular heartbeat.
    fn is_urgent(&self) -> bool {
        let is_changed = |sent: &Sent| self.wanted.as_ref() != Some(&sent.wanted);
        match self.state {
            State::Joining => self.polled_at.is_some(),
            State::Acknowledging => true,
            State::Reconciling | State::Stable => self.sent.as_ref().is_some_and(is_changed),
            _ => false,
        }
    }

    fn send(&mut self, epoch: i32) -> Action {
        self.is_in_flight = true;
        self.is_known = JOIN_EPOCH <= epoch;
        Action::Call(Call::ConsumerHeartbeat(self.heartbeat(epoch)))
    }

    /// Leaves because the application does not poll any more.
    fn give_up_on_application(&mut self) -> Action {
        info!(
            group = %self.settings.group_id,
            "max.poll.interval.ms passed between two polls: the member leaves the group. Poll more \
             often, raise max.poll.interval.ms or lower max.poll.records"
        );
        let epoch = self.leave_epoch();
        self.polled_at = None;
        let leaving = self.send(epoch);
        self.lose_everything();
        self.go(State::Stale);
        leaving
    }

    fn leave_epoch(&self) -> i32 {
        let stays = self.operation != GroupMembershipOperation::LeaveGroup;
        if stays && self.settings.instance_id.is_some() {
            return LEAVE_STATIC_EPOCH;
        }
        LEAVE_EPOCH
    }

    /// Leaves for good, once the application has given up what it had.
    fn next_towards_leaving(&mut self) -> Option<Action> {
        if !self.steps.is_idle() {
            return None;
        }
        let is_dynamic = self.settings.instance_id.is_none();
        let stays = self.operation == GroupMembershipOperation::RemainInGroup;
        let epoch = self.leave_epoch();
        self.go(State::Unsubscribed);
        if !self.is_known || (stays && is_dynamic) {
            self.lose_everything();
            return None;
        }
        let leaving = self.send(epoch);
        self.lose_everything();
        Some(leaving)
    }

    /// Joins again once the application has let go of what it had.
    fn come_back(&mut self) {
        let is_out = matches!(self.state, State::Fenced | State::Stale);
        if is_out && self.steps.is_idle() && self.polled_at.is_some() && self.wanted.is_some() {
            self.go(State::Joining);
        }
    }
}

impl Membership for ConsumerMember {
    fn want(&mut self, wanted: Option<Wanted>) {
        if self.state == State::Unsubscribed && wanted.is_some() {
            self.operation = GroupMembershipOperation::Default;
            self.go(State::Joining);
        }
        self.wanted = wanted;
    }

    fn on_poll(&mut self, now: Instant) -> bool {
        self.polled_at.replace(now).is_none()
    }

    fn on_metadata(&mut self, _metadata: &Metadata) {
        self.needs_metadata = false;
    }

    fn next_action(&mut self, now: Instant, metadata: &Metadata) -> Option<Action> {
        self.come_back();
        self.reconcile(metadata);
        if self.is_in_flight {
            return None;
        }
        if self.state == State::Leaving {
            return self.next_towards_leaving();
        }
        if !self.is_in_group() {
            return None;
        }
        if self.state != State::Joining && self.is_poll_late(now) {
            return Some(self.give_up_on_application());
        }
        if now < self.not_before {
            return None;
        }
        let is_due = self.state != State::Joining && self.heartbeat_at <= now;
        if !is_due && !self.is_urgent() {
            return None;
        }
        let action = self.send(self.epoch);
        if self.state == State::Acknowledging {
            let is_reconciled = self.current == self.target;
            self.go(if is_reconciled {
                State::Stable
            } else {
                State::Reconciling
            });
        }
        Some(action)
    }

    fn on_answer(&mut self, now: Instant, answer: Answer) {
        self.is_in_flight = false;
        if let Answer::ConsumerHeartbeat(answer) = answer {
            self.on_heartbeat(now, answer);
        }
    }

    fn on_led(&mut self, _now: Instant, _led: Result<Led, ClientError>) {}

    fn wake_at(&self) -> Option<Instant> {
        if !self.is_in_group() {
            return None;
        }
        let late = self
            .poll_deadline()
            .filter(|_| self.state != State::Joining);
        if self.is_in_flight {
            return late;
        }
        let next = if self.is_urgent() {
            Some(self.not_before)
        } else {
            let is_joining = self.state == State::Joining;
            (!is_joining).then(|| self.heartbeat_at.max(self.not_before))
        };
        [late, next].into_iter().flatten().min()
    }

    fn begin_step(&mut self) -> Option<Step> {
        self.steps.begin()
    }

    fn has_news(&mut self) -> bool {
        self.error.is_some() || !self.steps.is_idle()
    }

    fn finish_step(&mut self) {
        self.steps.finish();
    }

    fn leave(&mut self, operation: GroupMembershipOperation) {
        // The task gives up the request under way, whatever it is.
        self.is_in_flight = false;
        if self.state == State::Leaving {
            return;
        }
        self.operation = operation;
        self.wanted = None;
        self.error = None;
        self.polled_at = None;
        if self.state == State::Unsubscribed {
            return;
        }
        self.reconciling = None;
        self.steps.cancel_planned();
        let is_member = JOIN_EPOCH < self.epoch;
        self.steps.plan(if is_member {
            Plan::RevokeAll
        } else {
            Plan::Lose
        });
        self.go(State::Leaving);
    }

    fn has_left(&mut self) -> bool {
        self.state == State::Unsubscribed && self.steps.is_idle() && !self.is_in_flight
    }

    fn identity(&self) -> Identity {
        if JOIN_EPOCH < self.epoch {
            return Identity {
                member_id: Arc::clone(&self.member_id),
                generation_id: self.epoch,
            };
        }
        Identity::none()
    }

    fn needs_metadata(&self) -> bool {
        self.needs_metadata
    }

    fn take_error(&mut self) -> Option<ClientError> {
        self.error.take()
    }
}

#[cfg(test)]
mod tests;
