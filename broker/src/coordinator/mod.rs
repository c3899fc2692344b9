//! What the coordinators of groups and of transactions share: the seam to the partitions of their
//! topics, the primitive types of the records in them, and which partition holds a key.
//!
//! Neither knows the other or who serves its partitions: `server` implements [`CoordinatorLog`]
//! over the broker's partition logs, tests in memory. What the records mean is in `group` and
//! `txn`.

mod key_partition;
mod log;
mod log_error;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod wire;

pub use key_partition::partition_for_key;
pub use log::{
    CoordinatorBatch, CoordinatorLog, CoordinatorRecord, LoadedEntry, TransactionMarker,
};
pub use log_error::CoordinatorLogError;
pub use wire::SchemaError;
