//! The coordinator over a log in memory, under a clock that the tests move.

mod consumer;
mod convergence;
mod harness;
mod lifecycle;
mod membership;
mod migration;
mod offsets;
mod replay;
mod transactions;
