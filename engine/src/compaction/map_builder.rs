//! The first pass of a round: puts the keys of the part that was not cleaned yet into the offset
//! map, until its end or until the map is full. Blocks.

use ringbrook_record::{Batch, RecordBuffer};

use super::batch_filter::RECORDS_BYTES_MAX;
use super::batch_reader::{BatchBuffer, BatchReader, SegmentSource};
use super::clean_error::CleanProblem;
use super::cleaned_transactions::{CleanedTransactions, ControlKind};
use super::offset_map::OffsetMap;
use super::round::Pace;
use crate::io::Disk;

/// Fills the offset map of one round.
pub(super) struct MapBuilder<'a> {
    pub(super) map: &'a mut OffsetMap,
    /// Records below are left out.
    pub(super) first_dirty_offset: i64,
    pub(super) transactions: CleanedTransactions,
    pub(super) records: RecordBuffer,
}

impl MapBuilder<'_> {
    /// Adds a segment, beginning with the batch at `position`. Returns whether the map took all of
    /// it. Either way the map's latest offset is where the last batch ends that it took as a whole;
    /// a part of the next one may be in it too, which hides nothing: those records stay.
    ///
    /// # Errors
    /// Those of [`BatchReader::next`], and for records that cannot be decoded.
    pub(super) fn add_segment<D: Disk>(
        &mut self,
        source: &SegmentSource<D>,
        pace: &dyn Pace,
        buffer: &mut BatchBuffer,
        position: u64,
    ) -> Result<bool, CleanProblem> {
        let mut batches = BatchReader::new(source, pace, buffer, position);
        while let Some((batch, position)) = batches.next()? {
            if batch.header.last_offset() < self.first_dirty_offset {
                continue;
            }
            let is_taken = self
                .add_batch(&batch)
                .map_err(|error| CleanProblem::damaged(&source.path, position, &error))?;
            if !is_taken {
                return Ok(false);
            }
            self.map.set_latest_offset(batch.header.last_offset());
        }
        // A gap at the end of the segment holds no records, so it is covered.
        self.map.set_latest_offset(source.end_offset - 1);
        Ok(true)
    }

    fn add_batch(&mut self, batch: &Batch<'_>) -> Result<bool, ringbrook_record::RecordError> {
        let header = &batch.header;
        if header.attributes.is_control() {
            let kind = ControlKind::of(batch, &mut self.records)?;
            self.transactions.on_control(header, kind);
            return Ok(true);
        }
        if self.transactions.on_data(header) {
            return Ok(true);
        }
        for record in batch.records(&mut self.records, RECORDS_BYTES_MAX)? {
            let record = record?;
            let offset = header.record_offset(record.offset_delta);
            if let Some(key) = record.key
                && self.first_dirty_offset <= offset
            {
                if self.map.is_full() {
                    return Ok(false);
                }
                self.map.put(key, offset);
            }
        }
        Ok(true)
    }
}
