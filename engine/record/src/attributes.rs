//! The attributes field of a batch: codec, timestamp type and the three flags.
//!
//! Source: Kafka `DefaultRecordBatch`. Bits 7 to 15 are unused; they are carried along unchanged,
//! because the CRC covers them.

use crate::codec::Codec;
use crate::error::RecordError;

const CODEC_MASK: i16 = 0b0000_0111;
const TIMESTAMP_TYPE_BIT: i16 = 0b0000_1000;
const TRANSACTIONAL_BIT: i16 = 0b0001_0000;
const CONTROL_BIT: i16 = 0b0010_0000;
const DELETE_HORIZON_BIT: i16 = 0b0100_0000;

/// Who set the timestamps of a batch's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer: base timestamp plus each record's delta.
    CreateTime,
    /// The broker: every record's timestamp is the batch's max timestamp.
    LogAppendTime,
}

/// The attributes of a batch.
///
/// | bit | meaning |
/// |---|---|
/// | 0-2 | codec |
/// | 3 | timestamp type: 0 CreateTime, 1 LogAppendTime |
/// | 4 | transactional |
/// | 5 | control batch |
/// | 6 | base timestamp holds a delete horizon (KIP-534) |
/// | 7-15 | unused |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    /// The codec of the records.
    ///
    /// # Errors
    /// [`RecordError::UnknownCodec`] for ids 5 to 7.
    pub const fn codec(self) -> Result<Codec, RecordError> {
        let [_, low] = (self.0 & CODEC_MASK).to_be_bytes();
        Codec::from_id(low)
    }

    /// Who set the timestamps.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.has(TIMESTAMP_TYPE_BIT) {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.has(TRANSACTIONAL_BIT)
    }

    /// Whether the batch holds control records, such as an end-transaction marker.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.has(CONTROL_BIT)
    }

    /// Whether base timestamp holds a delete horizon. Only the log cleaner sets it.
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.has(DELETE_HORIZON_BIT)
    }

    /// The same attributes with another codec.
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Attributes {
        Attributes((self.0 & !CODEC_MASK) | i16::from_be_bytes([0, codec.id()]))
    }

    /// The same attributes with another timestamp type.
    #[must_use]
    pub const fn with_timestamp_type(self, timestamp_type: TimestampType) -> Attributes {
        self.with(
            TIMESTAMP_TYPE_BIT,
            matches!(timestamp_type, TimestampType::LogAppendTime),
        )
    }

    /// The same attributes, transactional or not.
    #[must_use]
    pub const fn with_transactional(self, transactional: bool) -> Attributes {
        self.with(TRANSACTIONAL_BIT, transactional)
    }

    /// The same attributes, control batch or not.
    #[must_use]
    pub const fn with_control(self, control: bool) -> Attributes {
        self.with(CONTROL_BIT, control)
    }

    /// The same attributes, with a delete horizon or without.
    #[must_use]
    pub const fn with_delete_horizon(self, delete_horizon: bool) -> Attributes {
        self.with(DELETE_HORIZON_BIT, delete_horizon)
    }

    const fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }

    const fn with(self, bit: i16, on: bool) -> Attributes {
        if on {
            Attributes(self.0 | bit)
        } else {
            Attributes(self.0 & !bit)
        }
    }
}

#[cfg(test)]
mod tests;
