//! The values of records: a stamp that says who sent them and when, then filler.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | CRC-32C of all that follows |
//! | 4 | 4 | which producer, from 0 |
//! | 8 | 8 | the producer's sequence number, from 0 |
//! | 16 | 8 | intended time, in nanoseconds from the beginning of the load |
//! | 24 | ... | filler, as compressible as the workload wants |
//!
//! Numbers are little-endian.

use bytes::Bytes;
use fastrand::Rng;

/// Bytes of a stamp: the least that a value has.
pub(crate) const STAMP_BYTES: usize = 24;
/// Fillers begin anywhere within so many bytes, so that values differ.
const POOL_BYTES: usize = 1 << 20;
/// Filler alternates between noise and repetition in pieces of this size.
const PIECE_BYTES: usize = 64;

/// What a value says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) producer: u32,
    pub(crate) sequence: u64,
    pub(crate) intended_ns: u64,
}

impl Stamp {
    /// The stamp of a value; nothing when the value is damaged or not of a load.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (crc, rest) = value.split_first_chunk::<4>()?;
        if crc32c::crc32c(rest) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (producer, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (intended, _) = rest.split_first_chunk()?;
        Some(Self {
            producer: u32::from_le_bytes(*producer),
            sequence: u64::from_le_bytes(*sequence),
            intended_ns: u64::from_le_bytes(*intended),
        })
    }
}

/// Makes values.
pub(crate) struct Payload {
    value_bytes: usize,
    pool: Vec<u8>,
    random: Rng,
}

impl Payload {
    /// Values of `value_bytes`, of which about `compressible_percent` are repetition.
    pub(crate) fn new(value_bytes: usize, compressible_percent: u8, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut pool = vec![0; POOL_BYTES + value_bytes];
        for piece in pool.chunks_mut(PIECE_BYTES) {
            if compressible_percent <= random.u8(0..100) {
                random.fill(piece);
            } else {
                piece.fill(b'r');
            }
        }
        Self {
            value_bytes: value_bytes.max(STAMP_BYTES),
            pool,
            random,
        }
    }

    /// The value of one record.
    pub(crate) fn value(&mut self, stamp: Stamp) -> Bytes {
        let filler_bytes = self.value_bytes - STAMP_BYTES;
        let begin = self.random.usize(0..POOL_BYTES);
        let filler = self.pool.get(begin..begin + filler_bytes);
        let mut value = Vec::with_capacity(self.value_bytes);
        value.extend_from_slice(&[0; 4]);
        value.extend_from_slice(&stamp.producer.to_le_bytes());
        value.extend_from_slice(&stamp.sequence.to_le_bytes());
        value.extend_from_slice(&stamp.intended_ns.to_le_bytes());
        value.extend_from_slice(filler.unwrap_or_default());
        if let Some((crc, rest)) = value.split_first_chunk_mut::<4>() {
            *crc = crc32c::crc32c(rest).to_le_bytes();
        }
        value.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        producer: 3,
        sequence: 1 << 40,
        intended_ns: 123_456_789,
    };

    #[test]
    fn a_value_has_its_size_and_tells_its_stamp() {
        for value_bytes in [STAMP_BYTES, 100, 1024, 100_000] {
            let value = Payload::new(value_bytes, 50, 1).value(STAMP);
            assert_eq!(value.len(), value_bytes);
            assert_eq!(Stamp::read(&value), Some(STAMP));
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let value = Payload::new(100, 0, 1).value(STAMP);
        for index in 0..value.len() * 8 {
            let mut damaged = value.to_vec();
            damaged[index / 8] ^= 1 << (index % 8);
            assert_eq!(Stamp::read(&damaged), None, "bit {index}");
        }
        assert_eq!(Stamp::read(b"short"), None);
    }

    #[test]
    fn filler_is_as_compressible_as_it_should_be() {
        for percent in [0, 50, 90] {
            let mut payload = Payload::new(1024, percent, 1);
            let noise: usize = (0..1000)
                .map(|_| {
                    payload
                        .value(STAMP)
                        .iter()
                        .filter(|byte| **byte != b'r')
                        .count()
                })
                .sum();
            let share = noise as f64 / 1_024_000.0;
            let expected = 1.0 - f64::from(percent) / 100.0;
            assert!(
                (share - expected).abs() < 0.05,
                "{percent} %: {share} is noise"
            );
        }
    }
}
