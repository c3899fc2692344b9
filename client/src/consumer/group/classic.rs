//! Membership in the classic protocol: find out that the group rebalances, join, let the leader
//! distribute, sync, and say regularly that one is alive.
//!
//! After Kafka's `AbstractCoordinator` and `ConsumerCoordinator`. Pure; see
//! [`super::membership::Membership`]. Differs: one request is under way at a time, also while the
//! answer to SyncGroup is awaited, which counts as a sign of life at the broker anyway.
//!
//! ```text
//! Unjoined --join--> Joining --leader--> Leading --assignments--> Syncing --assigned--> Stable
//!     ^                 |  \------------- follower --------------^   |                    |
//!     +-- not a member any more, or poll too late <------------------+--------------------+
//! ```

mod answers;
mod requests;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ringbrook_protocol::messages::JoinGroupResponse;
use tokio::time::Instant;
use tracing::{debug, info};

use super::embedded_protocol::encode_assignment;
use super::leader::Led;
use super::membership::{Action, Identity, Membership, Wanted};
use super::messages::{Answer, Call};
use super::settings::{GroupMembershipOperation, GroupSettings};
use super::steps::{Plan, Step, Steps};
use crate::cluster::Backoff;
use crate::consumer::assignor::{AssignableTopics, Assignor, GroupAssignment, LastAssignment};
use crate::error::ClientError;
use crate::metadata::Metadata;

/// Where the member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is not in the group, or about to join again.
    Unjoined,
    /// JoinGroup is under way.
    Joining,
    /// The group is joined; this member distributes the partitions.
    Leading,
    /// SyncGroup is due or under way.
    Syncing,
    /// It has its assignment.
    Stable,
}

/// What a leader watches: when it changes, partitions have to be distributed again.
#[derive(Debug)]
struct Watched {
    topics: BTreeSet<Arc<str>>,
    seen: AssignableTopics,
}

/// A member of a group of the classic protocol.
pub(super) struct Classic {
    settings: Arc<GroupSettings>,
    assignors: Vec<Arc<dyn Assignor>>,
    is_cooperative: bool,
    wanted: Option<Wanted>,
    /// What it wanted when it joined.
    joined_with: Option<BTreeSet<Arc<str>>>,
    state: State,
    member_id: Arc<str>,
    generation_id: i32,
    /// The assignor of the generation.
    protocol: Option<Arc<str>>,
    /// Why it has to join, if it has to.
    rejoin: Option<String>,
    /// Whether the application has given up what it has to before joining.
    is_prepared: bool,
    /// What this member has to distribute, and what came of it.
    led: Option<JoinGroupResponse>,
    sync_assignments: Vec<(Arc<str>, Bytes)>,
    watched: Option<Watched>,
    last: LastAssignment,
    steps: Steps,
    is_in_flight: bool,
    /// When the application polled, until it is taken for dead.
    polled_at: Option<Instant>,
    heartbeat_at: Instant,
    not_before: Instant,
    backoff: Backoff,
    leaving: Option<GroupMembershipOperation>,
    error: Option<ClientError>,
}

impl Classic {
    /// Somebody who is not a member yet. All assignors have to agree on a way to rebalance: eager
    /// unless all are cooperative, which Kafka's cooperative one can be both of.
    pub(super) fn new(
        settings: Arc<GroupSettings>,
        assignors: Vec<Arc<dyn Assignor>>,
        now: Instant,
    ) -> Self {
        Self {
            is_cooperative: assignors.iter().all(|it| it.is_cooperative()),
            assignors,
            wanted: None,
            joined_with: None,
            state: State::Unjoined,
            member_id: Arc::from(""),
            generation_id: -1,
            protocol: None,
            rejoin: None,
            is_prepared: false,
            led: None,
            sync_assignments: Vec::new(),
            watched: None,
            last: LastAssignment {
                assignment: None,
                generation_id: -1,
            },
            steps: Steps::default(),
            is_in_flight: false,
            polled_at: None,
            heartbeat_at: now,
            not_before: now,
            backoff: Backoff::new(settings.retry_backoff, settings.retry_backoff_max),
            leaving: None,
            error: None,
            settings,
        }
    }

    fn is_member(&self) -> bool {
        0 <= self.generation_id && !self.member_id.is_empty()
    }

    fn request_rejoin(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        info!(group = %self.settings.group_id, reason, "joining the group again");
        self.rejoin = Some(reason);
    }

    fn request_rejoin_once(&mut self, reason: &str) {
        if self.rejoin.is_none() {
            self.request_rejoin(reason);
        }
    }

    /// The member is out of its generation. Its id may still be good.
    fn reset_generation(&mut self, keeps_member_id: bool, reason: &str) {
        self.state = State::Unjoined;
        self.generation_id = -1;
        self.protocol = None;
        self.is_prepared = false;
        if !keeps_member_id {
            self.member_id = Arc::from("");
        }
        // An assignment that the application has not begun with is nobody's now.
        self.steps.cancel_planned();
        self.request_rejoin(reason);
    }

    fn watch(&mut self, topics: BTreeSet<Arc<str>>, seen: AssignableTopics) {
        self.watched = Some(Watched { topics, seen });
    }

    fn poll_deadline(&self) -> Option<Instant> {
        self.polled_at?.checked_add(self.settings.max_poll_interval)
    }

    fn is_poll_late(&self, now: Instant) -> bool {
        self.poll_deadline().is_some_and(|deadline| deadline <= now)
    }

    fn back_off(&mut self, now: Instant) {
        self.not_before = now + self.backoff.next_pause();
    }

    /// Plans what the application has to give up before it joins (`onJoinPrepare`).
    fn prepare(&mut self) {
        self.is_prepared = true;
        self.watched = None;
        if !self.is_member() {
            self.steps.plan(Plan::Lose);
        } else if self.is_cooperative {
            let wanted = self.wanted.clone().unwrap_or_default().topics;
            let owned = self.steps.owned().iter();
            let unwanted = owned.filter(|it| !wanted.contains(&it.topic));
            self.steps.plan(Plan::Revoke(unwanted.cloned().collect()));
        } else {
            self.steps.plan(Plan::RevokeAllEagerly);
        }
    }

    /// Joins as soon as the application is ready for it.
    fn next_towards_joining(&mut self) -> Option<Action> {
        if self.polled_at.is_none() || !self.steps.is_idle() {
            return None;
        }
        if !self.is_prepared {
            self.prepare();
            if !self.steps.is_idle() {
                return None;
            }
        }
        self.state = State::Joining;
        self.is_in_flight = true;
        let request = self.join_request();
        match request {
            Ok(request) => Some(Action::Call(Call::Join(request))),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// The application has to know; it may go on polling and so try again.
    fn fail(&mut self, error: ClientError) {
        if matches!(self.state, State::Joining | State::Leading | State::Syncing) {
            self.state = State::Unjoined;
        }
        self.is_in_flight = false;
        if self.leaving.is_some() {
            // Whoever leaves need not know any more.
            return;
        }
        self.request_rejoin_once("the last rebalance failed");
        self.error = Some(error);
    }

    fn needs_to_join(&mut self) -> bool {
        let Some(wanted) = &self.wanted else {
            return false;
        };
        let is_changed = self
            .joined_with
            .as_ref()
            .is_some_and(|it| *it != wanted.topics);
        if is_changed && matches!(self.state, State::Stable | State::Unjoined) {
            self.request_rejoin_once("the subscription has changed");
        }
        self.rejoin.is_some()
    }

    /// Leaves because the application does not poll any more. Static members only go quiet.
    fn give_up_on_application(&mut self, now: Instant) -> Option<Action> {
        info!(
            group = %self.settings.group_id,
            "max.poll.interval.ms passed between two polls: the member leaves the group. Poll more \
             often, raise max.poll.interval.ms or lower max.poll.records"
        );
        let request = self.leave_request("consumer poll timeout has expired.");
        let has_to_say = self.settings.instance_id.is_none() && !self.member_id.is_empty();
        self.reset_generation(false, "the application polls again");
        self.polled_at = None;
        self.not_before = now;
        self.is_in_flight = has_to_say;
        has_to_say.then_some(Action::Call(Call::Leave(request)))
    }

    /// Leaves for good, once the application has given up what it had.
    fn next_towards_leaving(&mut self, operation: GroupMembershipOperation) -> Option<Action> {
        if !self.steps.is_idle() || self.member_id.is_empty() {
            return None;
        }
        let is_static = self.settings.instance_id.is_some();
        let says_so = match operation {
            GroupMembershipOperation::Default => !is_static,
            GroupMembershipOperation::LeaveGroup => true,
            GroupMembershipOperation::RemainInGroup => false,
        };
        let request = self.leave_request("the consumer is being closed");
        self.reset_generation(false, "the group was left");
        self.rejoin = None;
        self.is_in_flight = says_so;
        says_so.then_some(Action::Call(Call::Leave(request)))
    }
}

impl Membership for Classic {
    fn want(&mut self, wanted: Option<Wanted>) {
        if self.wanted.is_none() && wanted.is_some() {
            self.leaving = None;
            self.request_rejoin_once("the application subscribed");
        }
        self.wanted = wanted;
    }

    fn on_poll(&mut self, now: Instant) -> bool {
        self.polled_at.replace(now).is_none()
    }

    fn on_metadata(&mut self, metadata: &Metadata) {
        let is_changed = self.watched.as_ref().is_some_and(|watched| {
            let now = AssignableTopics::of_metadata(metadata, &watched.topics);
            let has_rack = self.settings.rack_id.is_some();
            if has_rack {
                now != watched.seen
            } else {
                !now.is_alike(&watched.seen)
            }
        });
        if is_changed {
            self.request_rejoin_once("cached metadata has changed");
        }
    }

    fn next_action(&mut self, now: Instant, _metadata: &Metadata) -> Option<Action> {
        if self.is_in_flight {
            return None;
        }
        if let Some(operation) = self.leaving {
            return self.next_towards_leaving(operation);
        }
        if self.error.is_some() {
            return None;
        }
        if self.state != State::Unjoined && self.is_poll_late(now) {
            return self.give_up_on_application(now);
        }
        if now < self.not_before {
            return None;
        }
        if self.state == State::Leading {
            return self.next_towards_leading();
        }
        if self.state == State::Syncing {
            self.is_in_flight = true;
            return Some(Action::Call(Call::Sync(self.sync_request())));
        }
        if matches!(self.state, State::Unjoined | State::Stable) && self.needs_to_join() {
            let joining = self.next_towards_joining();
            if joining.is_some() {
                return joining;
            }
        }
        if self.state == State::Stable && self.heartbeat_at <= now {
            self.is_in_flight = true;
            return Some(Action::Call(Call::Heartbeat(self.heartbeat_request())));
        }
        None
    }

    fn on_answer(&mut self, now: Instant, answer: Answer) {
        self.is_in_flight = false;
        match answer {
            Answer::Join(answer) => self.on_join(now, answer),
            Answer::Sync(answer) => self.on_sync(now, answer),
            Answer::Heartbeat(answer) => self.on_heartbeat(now, answer),
            // It was said; whether it was heard shows at the session timeout at the latest.
            Answer::Leave(answer) => debug!(?answer, "said that the member leaves"),
            Answer::ConsumerHeartbeat(_) => {}
        }
    }

    fn on_led(&mut self, now: Instant, led: Result<Led, ClientError>) {
        if self.state != State::Leading {
            return;
        }
        self.is_in_flight = false;
        let encode = |led: GroupAssignment| {
            led.into_iter()
                .map(|(id, given)| Ok((id, encode_assignment(&given)?)))
                .collect::<Result<Vec<_>, super::wire::WireError>>()
        };
        let led = led.map(|led| {
            self.watch(led.topic_names, led.topics);
            encode(led.assignment)
        });
        match led {
            Ok(Ok(assignments)) => {
                self.sync_assignments = assignments;
                self.state = State::Syncing;
            }
            Ok(Err(error)) => self.fail(ClientError::IllegalState(format!(
                "the assignment cannot be sent: {error}"
            ))),
            Err(error) if error.is_retriable() => {
                self.state = State::Unjoined;
                self.request_rejoin_once("metadata could not be had");
                self.back_off(now);
            }
            Err(error) => self.fail(error),
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        if self.is_in_flight || self.error.is_some() || self.leaving.is_some() {
            return None;
        }
        if self.state == State::Stable {
            let heartbeat_at = self.heartbeat_at.max(self.not_before);
            return Some(
                self.poll_deadline()
                    .map_or(heartbeat_at, |it| it.min(heartbeat_at)),
            );
        }
        let is_wanted = self.wanted.is_some() && self.polled_at.is_some();
        is_wanted.then_some(self.not_before)
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

    fn enforce_rebalance(&mut self, reason: &str) {
        if self.wanted.is_some() {
            self.request_rejoin(reason);
        }
    }

    fn leave(&mut self, operation: GroupMembershipOperation) {
        // The task gives up the request under way, whatever it is.
        self.is_in_flight = false;
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(operation);
        self.wanted = None;
        self.joined_with = None;
        self.rejoin = None;
        self.error = None;
        self.watched = None;
        self.polled_at = None;
        self.steps.cancel_planned();
        let is_in_generation = self.is_member() && self.state == State::Stable;
        // In the middle of a rebalance what it has may be somebody else's already.
        self.steps.plan(if is_in_generation {
            Plan::RevokeAll
        } else {
            Plan::Lose
        });
        if matches!(self.state, State::Joining | State::Leading | State::Syncing) {
            self.state = State::Unjoined;
        }
    }

    fn has_left(&mut self) -> bool {
        self.steps.is_idle() && self.member_id.is_empty() && !self.is_in_flight
    }

    fn identity(&self) -> Identity {
        if self.is_member() {
            return Identity {
                member_id: Arc::clone(&self.member_id),
                generation_id: self.generation_id,
            };
        }
        Identity::none()
    }

    fn take_error(&mut self) -> Option<ClientError> {
        let error = self.error.take()?;
        if self.state == State::Unjoined {
            // It joins again if the application polls again, and not before: another member with
            // its group.instance.id would be put out.
            self.polled_at = None;
        }
        Some(error)
    }
}

#[cfg(test)]
mod tests;
