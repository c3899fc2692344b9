//! The end of the segment that is appended to, as arithmetic: where the next batch goes, which
//! index entries it makes, whether it needs a new segment. The same code runs for an append and for
//! recovery, so recovery rebuilds the same indices (L3). Pure. (Kafka `LogSegment.append`,
//! `shouldRoll`.)

use ringbrook_record::NO_TIMESTAMP;

use crate::config::LogConfig;
use crate::index::{IndexEntry, OffsetEntry, TimeEntry};
#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};
use crate::units::{position_u32, usize_from};

/// What the tail has to know of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchFacts {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) bytes: u64,
}

/// Index entries a batch makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NewEntries {
    pub(crate) offset: Option<OffsetEntry>,
    pub(crate) time: Option<TimeEntry>,
}

/// The end of a segment. Runs ahead of what is written by what is queued.
#[derive(Debug, Clone)]
pub(crate) struct SegmentTail {
    pub(crate) base_offset: i64,
    /// Bytes of the segment: the position of the next batch.
    pub(crate) bytes: u64,
    /// Largest timestamp and the last offset of the first batch that has it.
    pub(crate) max_timestamp: i64,
    pub(crate) max_timestamp_offset: i64,
    /// Max timestamp of the first batch.
    pub(crate) first_timestamp: Option<i64>,
    pub(crate) created_ms: i64,
    /// What `segment.jitter.ms` takes off `segment.ms` for this segment.
    pub(crate) jitter_ms: i64,
    pub(crate) offset_entries: usize,
    pub(crate) time_entries: usize,
    pub(crate) last_time_entry: i64,
    bytes_since_entry: u64,
}

/// What is known of a segment's end that is found again without walking the segment.
#[derive(Debug, Clone)]
pub(crate) struct ResumedTail {
    pub(crate) base_offset: i64,
    /// Bytes below the end.
    pub(crate) bytes: u64,
    pub(crate) max_timestamp: i64,
    pub(crate) max_timestamp_offset: i64,
    /// Max timestamp of the first batch; meaningless without bytes.
    pub(crate) first_timestamp: i64,
    pub(crate) offset_entries: u64,
    pub(crate) time_entries: u64,
    pub(crate) last_time_entry: i64,
    /// Bytes from the batch of the last offset entry on.
    pub(crate) bytes_since_entry: u64,
}

impl SegmentTail {
    /// The end of a segment as it was when all this was written.
    pub(crate) fn resumed(known: &ResumedTail, created_ms: i64) -> Self {
        Self {
            bytes: known.bytes,
            max_timestamp: known.max_timestamp,
            max_timestamp_offset: known.max_timestamp_offset,
            first_timestamp: (0 < known.bytes).then_some(known.first_timestamp),
            offset_entries: usize_from(known.offset_entries),
            time_entries: usize_from(known.time_entries),
            last_time_entry: known.last_time_entry,
            bytes_since_entry: known.bytes_since_entry,
            ..Self::new(known.base_offset, created_ms)
        }
    }

    /// An empty segment.
    pub(crate) fn new(base_offset: i64, created_ms: i64) -> Self {
        Self {
            base_offset,
            bytes: 0,
            max_timestamp: NO_TIMESTAMP,
            max_timestamp_offset: base_offset,
            first_timestamp: None,
            created_ms,
            jitter_ms: 0,
            offset_entries: 0,
            time_entries: 0,
            last_time_entry: NO_TIMESTAMP,
            bytes_since_entry: 0,
        }
    }

    /// Puts a batch at the end.
    pub(crate) fn add(&mut self, batch: &BatchFacts, config: &LogConfig) -> NewEntries {
        debug_assert!(
            self.relative(batch.last_offset).is_some(),
            "roll before it overflows"
        );
        if self.max_timestamp < batch.max_timestamp {
            self.max_timestamp = batch.max_timestamp;
            self.max_timestamp_offset = batch.last_offset;
        }
        self.first_timestamp.get_or_insert(batch.max_timestamp);
        let mut entries = NewEntries::default();
        if u64::from(config.index_interval_bytes) < self.bytes_since_entry {
            entries.offset = self.offset_entry(batch, config);
            entries.time = self.time_entry(config);
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += batch.bytes;
        self.bytes += batch.bytes;
        entries
    }

    fn relative(&self, offset: i64) -> Option<u32> {
        let relative = offset.checked_sub(self.base_offset)?;
        i32::try_from(relative)
            .ok()
            .and_then(|relative| u32::try_from(relative).ok())
    }

    fn offset_entry(&mut self, batch: &BatchFacts, config: &LogConfig) -> Option<OffsetEntry> {
        if self.is_offset_index_full(config) {
            return None;
        }
        let relative_offset = self.relative(batch.last_offset)?;
        self.offset_entries += 1;
        Some(OffsetEntry {
            relative_offset,
            #[cfg(not(test))]
            position: position_u32(self.bytes),
            #[cfg(test)]
            position: position_u32(self.bytes + u64::from(is_on(Sabotage::EntriesOffBatchStarts))),
        })
    }

    fn time_entry(&mut self, config: &LogConfig) -> Option<TimeEntry> {
        if self.is_time_index_full(config) {
            None
        } else {
            self.final_time_entry()
        }
    }

    /// The entry for the largest timestamp, when it is newer than the last entry. Made when the
    /// segment is closed, whether the index is full or not: one slot is kept for it.
    pub(crate) fn final_time_entry(&mut self) -> Option<TimeEntry> {
        if self.max_timestamp <= self.last_time_entry {
            return None;
        }
        let relative_offset = self.relative(self.max_timestamp_offset)?;
        self.last_time_entry = self.max_timestamp;
        self.time_entries += 1;
        Some(TimeEntry {
            timestamp: self.max_timestamp,
            relative_offset,
        })
    }

    fn is_offset_index_full(&self, config: &LogConfig) -> bool {
        let entries_max = config.segment_index_bytes as usize / OffsetEntry::BYTES;
        entries_max <= self.offset_entries
    }

    fn is_time_index_full(&self, config: &LogConfig) -> bool {
        let entries_max = config.segment_index_bytes as usize / TimeEntry::BYTES;
        entries_max <= self.time_entries + 1
    }

    /// Whether the batch has to go into a new segment.
    pub(crate) fn must_roll(&self, batch: &BatchFacts, now_ms: i64, config: &LogConfig) -> bool {
        let is_too_large = u64::from(config.segment_bytes_max()) < self.bytes + batch.bytes;
        let has_overflow = self.relative(batch.last_offset).is_none();
        if has_overflow || (0 < self.bytes && is_too_large) {
            return true;
        }
        if self.bytes == 0 {
            return false;
        }
        let waited_ms = match self.first_timestamp {
            Some(first) if 0 <= first => batch.max_timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(self.created_ms),
        };
        config.roll_after_ms().saturating_sub(self.jitter_ms) < waited_ms
            || self.is_offset_index_full(config)
            || self.is_time_index_full(config)
    }
}
