//! The entry of a `.timeindex` file. (Kafka `TimeIndex`.)
//!
//! | offset | bytes | type | meaning |
//! |---:|---:|---|---|
//! | 0 | 8 | i64 | timestamp T in ms |
//! | 8 | 4 | i32 | relative offset o: every record later than T has an offset above o |

use super::sparse_index::IndexEntry;

/// The largest timestamp so far and the last offset of the batch that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative_offset: u32,
}

impl IndexEntry for TimeEntry {
    const BYTES: usize = 12;
    type Key = i64;

    fn key(&self) -> i64 {
        self.timestamp
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (timestamp, rest) = bytes.split_first_chunk::<8>()?;
        let relative_offset = rest.first_chunk::<4>()?;
        Some(Self {
            timestamp: i64::from_be_bytes(*timestamp),
            relative_offset: u32::from_be_bytes(*relative_offset),
        })
    }
}
