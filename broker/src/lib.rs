//! The broker: a thin Kafka protocol server over the segment engine.
//!
//! Dependencies point one way: `net -> api -> {replica, group, controller} -> engine`.

pub mod api;
pub mod config;
pub mod controller;
pub mod group;
pub mod metrics;
pub mod net;
pub mod replica;
pub mod server;
