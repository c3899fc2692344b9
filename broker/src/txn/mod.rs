//! The transaction coordinator: who owns a transactional id, which partitions its transaction has,
//! and how it ends, stored in `__transaction_state`.
//!
//! It knows nothing of partitions, groups and requests: what it needs from outside are
//! [`crate::coordinator::CoordinatorLog`], [`MarkerWriter`], [`ProducerIds`] and
//! [`TransactionVersion`], which `server` implements.

mod config;
mod coordinator;
mod drain;
mod environment;
mod error;
mod loading;
mod marker;
mod metadata;
mod metrics;
mod producer;
mod producer_ids;
mod schema;
mod sender;
mod shard;
mod state;
mod topic_partition;
mod transaction;

pub use config::TxnConfig;
pub use coordinator::{
    InitProducerId, ListFilter, TransactionCoordinator, TransactionDescription, TransactionListing,
};
pub use environment::{TransactionVersion, TxnParts};
pub use error::TxnError;
pub use loading::LoadSummary;
pub use marker::{MarkerError, MarkerWriter};
pub use producer::ProducerIdAndEpoch;
pub use producer_ids::ProducerIds;
pub use state::TransactionState;
pub use topic_partition::TopicPartition;
