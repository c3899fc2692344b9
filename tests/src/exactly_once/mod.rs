//! The exactly-once campaign: records are transferred between topics in transactions while the
//! workers that do it and the broker are killed.
//!
//! [`Campaign`] uses a broker ([`Target`]), a feeder that fills the input topics, a fleet of worker
//! processes ([`Worker`]) and a `read_committed` reader; a seeded [`Schedule`] kills, stops, pauses
//! and replaces. The [`Checker`] judges what the reader sees, pure and without I/O, and an audit
//! over raw frames at the end asks the broker for everything that has to agree with it.
//! The test `exactly_once` runs it short, the binary `exactly-once` long.

mod audit;
mod autopsy;
mod campaign;
mod checker;
mod feeder;
mod fleet;
mod random;
mod reader;
mod schedule;
mod target;
mod transfer;
mod worker;
mod worker_process;

pub use audit::Topics;
pub use campaign::{Campaign, Summary};
pub use checker::{Checker, Violation};
pub use random::Random;
pub use schedule::{Fault, Schedule};
pub use target::Target;
pub use transfer::{Lane, Source, Transfer};
pub use worker::{ClientKind, End, Protocol, Sabotage, Worker, WorkerOptions};
