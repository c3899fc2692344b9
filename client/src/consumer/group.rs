//! Membership of consumer groups, in the classic protocol and in the consumer protocol (KIP-848).
//!
//! Reading order: `membership` is what both are to the outside, `steps` what a rebalance asks of
//! the application; `classic` and `consumer_protocol` are the state machines, pure and without I/O;
//! `task` does what they ask for, by `calls` and `leader`. `embedded_protocol` and `wire` are the
//! bytes that members of the classic protocol exchange. The consumer's side of all this, listeners
//! and commits, is `group_coordinator`.

mod calls;
mod classic;
mod consumer_protocol;
pub(crate) mod embedded_protocol;
mod leader;
mod membership;
mod messages;
pub(crate) mod settings;
pub(crate) mod steps;
mod task;
#[cfg(test)]
mod testing;
pub(crate) mod wire;

use std::sync::Arc;

use tokio::time::Instant;

pub(crate) use membership::{Identity, Membership, Wanted};
pub(crate) use task::{Application, GroupTask, Seat};

use super::assignor::Assignor;
use settings::GroupSettings;

/// A member of a group of the classic protocol.
pub(crate) fn classic(
    settings: Arc<GroupSettings>,
    assignors: Vec<Arc<dyn Assignor>>,
    now: Instant,
) -> Box<dyn Membership> {
    Box::new(classic::Classic::new(settings, assignors, now))
}

/// A member of a group of the consumer protocol.
pub(crate) fn consumer_protocol(
    settings: Arc<GroupSettings>,
    member_id: Arc<str>,
    now: Instant,
) -> Box<dyn Membership> {
    Box::new(consumer_protocol::ConsumerMember::new(
        settings, member_id, now,
    ))
}
