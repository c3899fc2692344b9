//! Produce requests that are encoded once and sent often: before each send the batch is given the
//! producer's id, epoch and sequence number, and its checksum again, as any producer has to.
//!
//! Fields of a record batch v2, from its beginning:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 17 | 4 | CRC-32C of everything from offset 21 on |
//! | 21 | 2 | attributes; bit 4: transactional |
//! | 43 | 8 | producer id |
//! | 51 | 2 | producer epoch |
//! | 53 | 4 | base sequence |

use anyhow::Context;
use ringbrook_record::BatchHeader;

const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const PRODUCER_ID: usize = 43;
const PRODUCER_EPOCH: usize = 51;
const BASE_SEQUENCE: usize = 53;
/// In the lower byte of the attributes, which is the second.
const TRANSACTIONAL: u8 = 0x10;

/// Who sends a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) is_transactional: bool,
}

/// A frame with one batch in it.
pub(super) struct Stampable {
    frame: Vec<u8>,
    batch_begin: usize,
    batch_end: usize,
}

impl Stampable {
    /// # Errors
    /// `batch` is not in `frame`.
    pub(super) fn new(frame: &[u8], batch: &[u8]) -> anyhow::Result<Self> {
        let mut windows = frame.windows(batch.len());
        let batch_begin = windows.position(|window| window == batch);
        let batch_begin = batch_begin.context("the frame holds the batch")?;
        BatchHeader::parse(batch)?;
        Ok(Self {
            frame: frame.to_vec(),
            batch_begin,
            batch_end: batch_begin + batch.len(),
        })
    }

    /// The frame as it is.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Makes the frame that of a producer.
    pub(super) fn stamp(&mut self, stamp: Stamp) {
        let Some(batch) = self.frame.get_mut(self.batch_begin..self.batch_end) else {
            return;
        };
        // Each field is inside: the header was parsed.
        let mut put = |position: usize, bytes: &[u8]| {
            if let Some(field) = batch.get_mut(position..position + bytes.len()) {
                field.copy_from_slice(bytes);
            }
        };
        if stamp.is_transactional {
            put(ATTRIBUTES + 1, &[TRANSACTIONAL]);
        }
        put(PRODUCER_ID, &stamp.producer_id.to_be_bytes());
        put(PRODUCER_EPOCH, &stamp.epoch.to_be_bytes());
        put(BASE_SEQUENCE, &stamp.base_sequence.to_be_bytes());
        let crc = crc32c::crc32c(batch.get(ATTRIBUTES..).unwrap_or_default());
        if let Some(field) = batch.get_mut(CRC..ATTRIBUTES) {
            field.copy_from_slice(&crc.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use ringbrook_record::Batch;

    use super::*;
    use crate::frames;

    #[test]
    fn a_stamped_batch_is_intact_and_says_who_sends_it() {
        let batch = frames::batch(4096, 1_700_000_000_000).unwrap();
        let frame = frames::produce(uuid::Uuid::nil(), 3, &batch).unwrap();
        let mut stampable = Stampable::new(&frame, &batch).unwrap();
        for base_sequence in [0, 77] {
            stampable.stamp(Stamp {
                producer_id: 1 << 40,
                epoch: 9,
                base_sequence,
                is_transactional: true,
            });
            let bytes = &stampable.frame()[stampable.batch_begin..stampable.batch_end];
            let stamped = Batch::parse(bytes).unwrap();
            stamped.verify_crc().unwrap();
            let header = &stamped.header;
            assert!(header.attributes.is_transactional());
            assert_eq!(
                (
                    header.producer_id,
                    header.producer_epoch,
                    header.base_sequence
                ),
                (1 << 40, 9, base_sequence)
            );
        }
    }
}
