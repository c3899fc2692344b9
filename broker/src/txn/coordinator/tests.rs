//! The coordinator over a log in memory and partitions that do as they are told.

mod admin;
mod failures;
mod harness;
mod lifecycle;
mod limits;
mod markers;
mod timers;
