//! What a round keeps: the rules for a batch and for a record of it. Pure. (Kafka
//! `Cleaner.checkBatchRetention`, `Cleaner.shouldRetainRecord`.)
//!
//! Where we differ: a batch past the end of the map stays as it is. Kafka gives its tombstones
//! their delete horizon already, so that they may go in the very round that first drops what they
//! delete.

use std::collections::HashMap;

use ringbrook_record::{BatchHeader, Record};

use super::offset_map::OffsetMap;
#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};

/// The newest batch of a producer that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastBatch {
    /// Last offset of its last batch with data; `None` when only markers of it are known.
    pub(super) data_offset: Option<i64>,
    pub(super) epoch: i16,
}

/// By producer id.
pub(super) type LastBatches = HashMap<i64, LastBatch>;

/// What is kept of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchPlan {
    /// None of its records.
    pub(super) drops_records: bool,
    /// Without records it stays as an empty batch.
    pub(super) stays_empty: bool,
    /// It needs a delete horizon although it has no tombstone.
    pub(super) is_horizon_due: bool,
}

/// The rules of one round.
pub(super) struct RetainRules<'a> {
    pub(super) map: &'a OffsetMap,
    pub(super) now_ms: i64,
    /// Where the round could have ended: the batch before it stays, so that this end is not lost.
    pub(super) first_uncleanable_offset: i64,
    /// The producers that are remembered.
    pub(super) producers: LastBatches,
}

impl RetainRules<'_> {
    /// What to do with a batch. `is_discardable`: its transaction was aborted, or it is a marker
    /// that nothing needs.
    pub(super) fn plan(&self, header: &BatchHeader, is_discardable: bool) -> BatchPlan {
        let is_control = header.attributes.is_control();
        let is_past_horizon = header
            .delete_horizon_ms()
            .is_some_and(|horizon_ms| horizon_ms <= self.now_ms);
        BatchPlan {
            drops_records: is_discardable && (!is_control || is_past_horizon),
            stays_empty: self.is_last_of_producer(header)
                || header.last_offset() + 1 == self.first_uncleanable_offset,
            is_horizon_due: is_discardable && is_control,
        }
    }

    /// Whether a producer's last sequence number, or without one its epoch, would be lost with the
    /// batch.
    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        if !header.has_producer_id() {
            return false;
        }
        #[cfg(test)]
        if is_on(Sabotage::LastSequenceDropped) {
            return false;
        }
        let Some(last) = self.producers.get(&header.producer_id) else {
            return false;
        };
        match last.data_offset {
            Some(offset) => header.last_offset() == offset,
            None => header.attributes.is_control() && header.producer_epoch == last.epoch,
        }
    }

    /// Whether the map says nothing of a batch, because it could not take in its records.
    pub(super) fn is_past_map(&self, header: &BatchHeader) -> bool {
        self.map.latest_offset() < header.base_offset
    }

    /// Whether a record of a batch with data stays.
    pub(super) fn keeps(&self, header: &BatchHeader, record: &Record<'_>) -> bool {
        let offset = header.record_offset(record.offset_delta);
        if self.map.latest_offset() < offset {
            return true;
        }
        let Some(key) = record.key else {
            return false;
        };
        #[cfg(test)]
        if is_on(Sabotage::LatestOfKeyDropped) && self.map.get(key) == Some(offset) {
            return false;
        }
        let is_protected = || {
            #[cfg(test)]
            if is_on(Sabotage::TombstoneDroppedEarly) {
                return false;
            }
            header
                .delete_horizon_ms()
                .is_none_or(|horizon_ms| self.now_ms < horizon_ms)
        };
        (record.value.is_some() || is_protected())
            && self.map.get(key).is_none_or(|latest| latest <= offset)
    }
}

#[cfg(test)]
mod tests;
