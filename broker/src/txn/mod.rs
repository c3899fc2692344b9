//! The transaction coordinator: who owns a transactional id, which partitions its transaction has,
//! and how it ends, stored in `__transaction_state`.
//!
//! It knows nothing of partitions, groups and requests: what it needs from outside are
//! [`crate::coordinator::CoordinatorLog`], [`MarkerWriter`] and [`ProducerIds`], which `server`
//! implements.

mod error;
mod marker;
mod producer_ids;
mod state;
mod topic_partition;

pub use error::TxnError;
pub use marker::{MarkerError, MarkerWriter};
pub use producer_ids::ProducerIds;
pub use state::TransactionState;
pub use topic_partition::TopicPartition;
