//! What was sent to one compacted log, and what a reader must and must not find of it after rounds
//! of the cleaner, moves and crashes. The engine is not asked which records it dropped. Pure.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::config::LogConfig;
use crate::log::LogOffsets;
use crate::proof::breach::{Checked, Rule, check};

/// A record as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentRecord {
    pub(super) key: u8,
    /// `None` is a tombstone.
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp_ms: i64,
}

/// A batch as it was sent.
#[derive(Debug, Clone)]
pub(super) struct SentBatch {
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    /// 0 for none.
    pub(super) producer_id: i64,
    pub(super) last_sequence: i32,
    pub(super) bytes: Bytes,
}

/// The truth about one log.
#[derive(Debug)]
pub(super) struct KeyedLedger {
    pub(super) config: LogConfig,
    /// By offset; also what was compacted away.
    pub(super) records: BTreeMap<i64, SentRecord>,
    pub(super) batches: Vec<SentBatch>,
    pub(super) next_offset: i64,
    /// Rounds came at most to here, exclusive: above it nothing may have been dropped.
    covered_to: i64,
    /// When a round may have met a tombstone first.
    covered_ms: BTreeMap<i64, i64>,
    durable_to: i64,
    published_to: i64,
    start_highest: i64,
}

impl KeyedLedger {
    pub(super) fn new(config: LogConfig) -> Self {
        Self {
            config,
            records: BTreeMap::new(),
            batches: Vec::new(),
            next_offset: 0,
            covered_to: 0,
            covered_ms: BTreeMap::new(),
            durable_to: 0,
            published_to: 0,
            start_highest: 0,
        }
    }

    /// The newest batch of a producer.
    pub(super) fn last_batch(&self, producer_id: i64) -> Option<&SentBatch> {
        let mut newest_first = self.batches.iter().rev();
        newest_first.find(|batch| batch.producer_id == producer_id)
    }

    pub(super) fn push(&mut self, batch: SentBatch, records: Vec<SentRecord>) {
        self.next_offset = batch.last_offset + 1;
        self.records.extend((batch.base_offset..).zip(records));
        self.batches.push(batch);
    }

    /// A round may begin that ends below `to`, the active segment.
    pub(super) fn cover(&mut self, to: i64, now_ms: i64) {
        self.covered_to = self.covered_to.max(to);
        for (&offset, record) in self.records.range(..to) {
            if record.value.is_none() {
                self.covered_ms.entry(offset).or_insert(now_ms);
            }
        }
    }

    /// Takes in what the log says of itself.
    pub(super) fn observe(&mut self, now: &LogOffsets) -> Checked {
        let is_ordered = now.log_start <= now.high_watermark
            && now.high_watermark <= now.flushed
            && now.flushed <= now.log_end;
        check(Rule::L1, is_ordered, || format!("{now:?}"))?;
        check(Rule::L4, now.log_end <= self.next_offset, || {
            format!("{now:?}, but only {} was sent", self.next_offset)
        })?;
        self.published_to = self.published_to.max(now.log_end);
        self.durable_to = self.durable_to.max(now.flushed);
        self.start_highest = self.start_highest.max(now.log_start);
        Ok(())
    }

    /// Every record found is one that was sent, and none is missing that a reader has to see:
    /// above the part that rounds may have cleaned all of them, below it the latest of each key,
    /// unless it is a tombstone whose time has passed. Then nothing older of the key may be found.
    pub(super) fn check_records(
        &self,
        found: &BTreeMap<i64, SentRecord>,
        offsets: &LogOffsets,
        now_ms: i64,
    ) -> Checked {
        for (offset, record) in found {
            let sent = self.records.get(offset);
            check(Rule::L4, sent == Some(record), || {
                format!("{record:?} at {offset}, {sent:?} was sent")
            })?;
        }
        // What was deleted may come back in a crash, until the log start is checkpointed. A round
        // in between did not put it into its map, so it need not be consistent any more.
        let start = offsets.log_start.max(self.start_highest);
        let wanted = self.records.range(start..offsets.log_end.max(start));
        let mut keys_seen = BTreeSet::new();
        for (&offset, record) in wanted.rev() {
            let is_found = found.contains_key(&offset);
            if self.covered_to <= offset {
                check(Rule::L5, is_found, || {
                    format!(
                        "{offset} is missing, no round came further than {}",
                        self.covered_to
                    )
                })?;
                continue;
            }
            // The first of a key on the way down is the latest in the part that was cleaned.
            if !keys_seen.insert(record.key) || is_found {
                continue;
            }
            let met_ms = self.covered_ms.get(&offset);
            let is_expired = met_ms.is_some_and(|met_ms| {
                met_ms.saturating_add(self.config.delete_retention_ms) <= now_ms
            });
            check(Rule::Compaction, is_expired, || {
                format!(
                    "{offset}, the latest of key {} below {}, is missing at {now_ms}: {record:?}, \
                     met at {met_ms:?}",
                    record.key, self.covered_to
                )
            })?;
            let mut older = found.range(start..offset);
            let older = older.rfind(|(_, older)| older.key == record.key);
            check(Rule::Compaction, older.is_none(), || {
                format!("the tombstone {offset} is gone, {older:?} is not")
            })?;
        }
        Ok(())
    }

    /// The log was opened again: what was acknowledged must be below its end; forgets what a crash
    /// took. Returns how many batches that was.
    pub(super) fn settle(
        &mut self,
        offsets: &LogOffsets,
        first_base: i64,
        has_lost_page_cache: bool,
    ) -> Checked<usize> {
        let must_have_to = if has_lost_page_cache {
            self.durable_to
        } else {
            self.published_to
        };
        check(Rule::L5, must_have_to <= offsets.log_end, || {
            format!("{offsets:?}, {must_have_to} was acknowledged")
        })?;
        check(Rule::L4, offsets.log_end <= self.next_offset, || {
            format!("{offsets:?}, but only {} was sent", self.next_offset)
        })?;
        let start_max = self.start_highest.max(first_base);
        check(Rule::L1, offsets.log_start <= start_max, || {
            format!("{offsets:?}, the log start was at most {start_max}")
        })?;
        let sent = self.batches.len();
        let log_end = offsets.log_end;
        self.batches.retain(|batch| batch.last_offset < log_end);
        let batches_end = self.batches.last().map_or(0, |it| it.last_offset + 1);
        let in_part = self
            .records
            .range(batches_end..log_end.max(batches_end))
            .next();
        check(Rule::L4, in_part.is_none(), || {
            format!("the log ends within a batch at {log_end}")
        })?;
        self.records.retain(|&offset, _| offset < log_end);
        self.covered_ms.retain(|&offset, _| offset < log_end);
        self.covered_to = self.covered_to.min(log_end);
        self.next_offset = log_end;
        self.published_to = log_end;
        Ok(sent - self.batches.len())
    }
}
