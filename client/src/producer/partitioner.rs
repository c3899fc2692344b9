//! Which partition a record goes to.
//!
//! A record that names its partition goes there. Otherwise, with no partitioner set, a record with
//! a key goes to [`partition_for_key`] (unless `partitioner.ignore.keys`), and one without a key to
//! the partition that [`BuiltInPartitioner`] sticks to. With a [`Partitioner`] set, it decides.

mod built_in;
mod round_robin;

pub use built_in::{BuiltInPartitioner, PartitionQueue};
pub use round_robin::RoundRobinPartitioner;

use crate::error::ClientError;
use crate::metadata::TopicMetadata;

/// Chooses partitions, in place of the default way: Kafka's `Partitioner`.
pub trait Partitioner: Send + Sync {
    /// The partition for a record of `topic` with these bytes, from 0 to below
    /// [`TopicMetadata::partitions_count`]. Called once per record, from any task.
    ///
    /// # Errors
    /// There is none for the record, which is then not sent.
    fn partition(
        &self,
        topic: &TopicMetadata,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<i32, ClientError>;
}

/// The partition of a key among `partitions_count`, as all Kafka clients in Java choose it: murmur2
/// of the key without its sign, modulo the count.
///
/// # Panics
/// `partitions_count` is not positive.
#[must_use]
pub fn partition_for_key(key: &[u8], partitions_count: i32) -> i32 {
    assert!(
        0 < partitions_count,
        "a topic of {partitions_count} partitions"
    );
    let hash = murmur2::murmur2(key, murmur2::KAFKA_SEED) & i32::MAX.unsigned_abs();
    hash.cast_signed() % partitions_count
}

#[cfg(test)]
mod tests;
