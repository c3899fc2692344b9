//! The broker: a thin Kafka protocol server over the segment engine.
//!
//! Dependencies point one way: `net -> api -> {replica, group, txn, controller} ->
//! coordinator -> engine`.

mod api;
pub mod config;
pub mod controller;
pub mod coordinator;
pub mod group;
mod metrics;
mod net;
mod replica;
pub mod server;
pub mod txn;
