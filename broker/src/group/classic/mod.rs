//! The classic group protocol as a pure state machine. Driven by the shards of the coordinator.

pub(crate) mod action;
mod join;
pub(crate) mod member;
pub(crate) mod membership;
mod rebalance;
mod record;
pub(crate) mod request;
pub(crate) mod state;
mod sync;

#[cfg(test)]
mod tests;
