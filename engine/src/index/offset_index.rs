//! The entry of a `.index` file. (Kafka `OffsetIndex`.)
//!
//! | offset | bytes | type | meaning |
//! |---:|---:|---|---|
//! | 0 | 4 | i32 | last offset of a batch, relative to the segment's base offset |
//! | 4 | 4 | i32 | position in the `.log` where that batch starts |

use super::sparse_index::IndexEntry;

/// The last offset of a batch and where that batch starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

impl IndexEntry for OffsetEntry {
    const BYTES: usize = 8;
    type Key = u32;

    fn key(&self) -> u32 {
        self.relative_offset
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (relative_offset, rest) = bytes.split_first_chunk::<4>()?;
        let position = rest.first_chunk::<4>()?;
        Some(Self {
            relative_offset: u32::from_be_bytes(*relative_offset),
            position: u32::from_be_bytes(*position),
        })
    }
}
