//! The coordinator over a log in memory, under a clock that the tests move.

mod consumer;
mod harness;
mod lifecycle;
mod membership;
mod offsets;
mod replay;
mod transactions;
