//! Offsets with what belongs to them.

pub use crate::offset_and_metadata::OffsetAndMetadata;

/// The first record at or after a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetAndTimestamp {
    /// The record's offset.
    pub offset: i64,
    /// The record's timestamp, in milliseconds since the epoch.
    pub timestamp: i64,
    /// The epoch of the leader that appended it, if known.
    pub leader_epoch: Option<i32>,
}
