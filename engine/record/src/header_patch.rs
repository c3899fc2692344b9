//! The changes a broker makes to the header of a batch it appends as it came.
//!
//! The records stay where they are; the result is 61 bytes to be written in front of them. Base
//! offset and leader epoch are outside of the CRC, so the common case computes nothing. Used by
//! the engine's append and by producers that send again; rebuilding a batch is
//! [`crate::BatchBuilder`]'s work.
//!
//! Source: Kafka `DefaultRecordBatch.setLastOffset`, `setPartitionLeaderEpoch`, `setMaxTimestamp`.

use crate::attributes::TimestampType;
use crate::batch_header::{ATTRIBUTES_POSITION, BatchHeader, HEADER_BYTES};

/// A header and what is to be changed in it.
#[derive(Debug, Clone, Copy)]
pub struct HeaderPatch {
    old: BatchHeader,
    new: BatchHeader,
}

impl HeaderPatch {
    /// Changes nothing yet.
    #[must_use]
    pub const fn new(header: &BatchHeader) -> HeaderPatch {
        HeaderPatch {
            old: *header,
            new: *header,
        }
    }

    /// Sets the offset of the first record.
    #[must_use]
    pub const fn base_offset(mut self, base_offset: i64) -> HeaderPatch {
        self.new.base_offset = base_offset;
        self
    }

    /// Sets the epoch of the leader that appends.
    #[must_use]
    pub const fn partition_leader_epoch(mut self, leader_epoch: i32) -> HeaderPatch {
        self.new.partition_leader_epoch = leader_epoch;
        self
    }

    /// Sets who set the timestamps, and the max timestamp in ms: that of the records with
    /// CreateTime, the time of the append with LogAppendTime.
    #[must_use]
    pub const fn timestamps(
        mut self,
        timestamp_type: TimestampType,
        max_timestamp: i64,
    ) -> HeaderPatch {
        self.new.attributes = self.new.attributes.with_timestamp_type(timestamp_type);
        self.new.max_timestamp = max_timestamp;
        self
    }

    /// Sets producer id, producer epoch and the sequence number of the first record, as a producer
    /// does before it sends a batch again under a new epoch.
    #[must_use]
    pub const fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> HeaderPatch {
        self.new.producer_id = id;
        self.new.producer_epoch = epoch;
        self.new.base_sequence = base_sequence;
        self
    }

    /// Whether a field under the CRC is another than before.
    #[must_use]
    pub fn changes_crc(&self) -> bool {
        let covered = |header: &BatchHeader| {
            (
                header.attributes,
                header.max_timestamp,
                header.producer_id,
                header.producer_epoch,
                header.base_sequence,
            )
        };
        covered(&self.old) != covered(&self.new)
    }

    /// The patched header. `payload` is the batch behind its header; it is read, at the cost of one
    /// pass, only when [`HeaderPatch::changes_crc`]. The old CRC must have been verified: a new
    /// one is computed over whatever the payload is.
    #[must_use]
    pub fn header(&self, payload: &[u8]) -> BatchHeader {
        debug_assert_eq!(
            payload.len(),
            self.old.payload_bytes(),
            "the payload of another batch"
        );
        let mut header = self.new;
        if self.changes_crc() {
            header.crc = header_crc(&header, payload);
        }
        header
    }

    /// The bytes of [`HeaderPatch::header`].
    #[must_use]
    pub fn encode(&self, payload: &[u8]) -> [u8; HEADER_BYTES] {
        self.header(payload).encode()
    }
}

/// The CRC of the batch of this header and payload.
pub(crate) fn header_crc(header: &BatchHeader, payload: &[u8]) -> u32 {
    let bytes = header.encode();
    let covered = bytes.get(ATTRIBUTES_POSITION..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(covered), payload)
}

#[cfg(test)]
mod tests;
