//! Transactions of one producer: what Kafka's `TransactionManager` decides, as a pure state
//! machine.
//!
//! [`Transactions`] takes what the application calls, what the sender learns of batches, and the
//! coordinators' answers; it says which request comes next and whether batches may be sent. It
//! reads no clock. The sender carries its requests out through [`Coordinator`]; the producer's
//! public methods are in `transactional.rs`.
//!
//! Both protocols are here. With version 1 every partition is added by AddPartitionsToTxn before
//! its first batch is sent. With version 2 (KIP-890, `transaction.version` 2) leaders and the
//! group coordinator add partitions themselves, and every EndTxn brings a new epoch, so that
//! nothing late of one transaction ends up in the next. Not here: two-phase commit (KIP-939).

mod answers;
mod coordinator;
mod fate;
mod operation;
mod partitions;
mod request;
mod state;
mod transactions;

pub(super) use answers::{Answer, Next};
pub(super) use coordinator::{Coordinator, lock};
pub(super) use fate::Failure;
pub(super) use operation::Outcome;
pub(super) use request::Request;
pub(super) use transactions::Transactions;

#[cfg(test)]
mod tests;
