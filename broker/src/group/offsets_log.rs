//! The seam between the coordinator and the partitions of `__consumer_offsets`. The broker
//! implements it over its partition logs, tests in memory.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;

use super::error::GroupError;

/// A record to be written; no value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsRecord {
    /// The key, as `schema` encodes it.
    pub key: Bytes,
    /// The value, as `schema` encodes it.
    pub value: Option<Bytes>,
}

impl OffsetsRecord {
    /// Bytes of key and value.
    pub(crate) fn size_bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// A record read back.
#[derive(Clone, Copy, Debug)]
pub struct LoadedRecord<'a> {
    /// Its offset in the log.
    pub offset: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// The partitions of `__consumer_offsets`.
///
/// Methods may be called on any core's runtime. Their futures stay on the runtime that polls them
/// first, so they need not be `Send`.
pub trait OffsetsLog: Send + Sync + 'static {
    /// Number of partitions the topic has, or will have once it is created; positive.
    fn partition_count(&self) -> i32;

    /// Appends the records as one batch and resolves to the offset of the first, once the batch is
    /// committed. Of one partition, the coordinator has at most one append under way.
    ///
    /// # Errors
    /// Whatever kept the batch from being committed; none of its records may be visible later.
    fn append(
        &self,
        partition: i32,
        records: Vec<OffsetsRecord>,
        now_ms: i64,
    ) -> LocalBoxFuture<'static, Result<i64, GroupError>>;

    /// Gives every record of the partition to `visit`, in the order of the log; not those of
    /// control batches. Nothing is appended to the partition meanwhile.
    ///
    /// # Errors
    /// When the partition is not led here, or cannot be read to its end.
    fn read_all<'a>(
        &'a self,
        partition: i32,
        visit: &'a mut (dyn FnMut(LoadedRecord<'_>) + 'a),
    ) -> LocalBoxFuture<'a, Result<(), GroupError>>;
}
