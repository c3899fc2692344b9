//! The consumer group protocol (KIP-848) as a pure state machine. Driven by the shards of the
//! coordinator, which also runs the classic protocol (`group::classic`).
//!
//! Reading order: `group` is the data and how records change it; `heartbeat`, `leave`, `regexes`
//! and `target` are the events; `reconcile` how one member moves; `record` what is written.
//! `classic_join` and `classic_member` are the events of members that use the classic protocol.
//!
//! **Invariant:** a partition is owned by one member at most, at any time, also across restarts:
//! it is given to a member only after its former owner said that it gave it up, or is gone.

pub(crate) mod action;
mod classic_join;
mod classic_member;
pub(crate) mod describe;
pub(crate) mod group;
mod heartbeat;
mod leave;
pub(crate) mod member;
pub(crate) mod offsets;
mod reconcile;
pub(crate) mod record;
pub(crate) mod regexes;
pub(crate) mod request;
pub(crate) mod settings;
mod subscriptions;
mod target;

#[cfg(test)]
mod tests;
