//! What both protocols of membership have in common towards the coordinator's task and the poll.
//!
//! A membership is a pure state machine: time, answers and the application's doings come in;
//! requests, steps and errors go out. One request is under way at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringbrook_protocol::messages::JoinGroupResponse;
use tokio::time::Instant;

use super::leader::Led;
use super::messages::{Answer, Call};
use super::settings::GroupMembershipOperation;
use super::steps::Step;
use crate::error::ClientError;
use crate::metadata::Metadata;

/// What the member wants to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Topics by name: those subscribed to, or those that a pattern matches now.
    pub(crate) topics: BTreeSet<Arc<str>>,
    /// A pattern that the broker matches (KIP-848).
    pub(crate) broker_pattern: Option<Arc<str>>,
}

/// What the coordinator's task has to do.
#[derive(Debug)]
pub(crate) enum Action {
    /// Send this and come back with the answer.
    Call(Call),
    /// This member leads the group: distribute the partitions and come back with them.
    Lead(JoinGroupResponse),
}

/// Who a member is, for commits and transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its id; empty for none.
    pub(crate) member_id: Arc<str>,
    /// The generation or the member's epoch; -1 for none.
    pub(crate) generation_id: i32,
}

impl Identity {
    /// Somebody who is not a member.
    pub(crate) fn none() -> Self {
        Self {
            member_id: Arc::from(""),
            generation_id: -1,
        }
    }
}

/// Being a member of a group.
pub(crate) trait Membership: Send {
    /// The application subscribed, or what its pattern matches changed.
    fn want(&mut self, wanted: Option<Wanted>);

    /// The application polls: it is alive. Whether that changes what is to be done.
    fn on_poll(&mut self, now: Instant) -> bool;

    /// There is new metadata.
    fn on_metadata(&mut self, metadata: &Metadata);

    /// The next thing to do now.
    fn next_action(&mut self, now: Instant, metadata: &Metadata) -> Option<Action>;

    /// A request came back.
    fn on_answer(&mut self, now: Instant, answer: Answer);

    /// The partitions are distributed.
    fn on_led(&mut self, now: Instant, led: Result<Led, ClientError>);

    /// When [`Membership::next_action`] has to be asked again though nothing happened.
    fn wake_at(&self) -> Option<Instant>;

    /// The next step for the application.
    fn begin_step(&mut self) -> Option<Step>;

    /// Whether there is an error or a step for the application, or one under way.
    fn has_news(&mut self) -> bool;

    /// The application is done with the step.
    fn finish_step(&mut self);

    /// The application wants the group to rebalance.
    fn enforce_rebalance(&mut self, _reason: &str) {}

    /// Plans the end of membership: what is owned is given up, then the group is left.
    fn leave(&mut self, operation: GroupMembershipOperation);

    /// Whether leaving, if it was asked for, is over.
    fn has_left(&mut self) -> bool;

    /// Who the member is now.
    fn identity(&self) -> Identity;

    /// Whether it waits for newer metadata.
    fn needs_metadata(&self) -> bool {
        false
    }

    /// An error that the application has to know; once.
    fn take_error(&mut self) -> Option<ClientError>;
}
