//! The offsets of a log and the order between them (L1). Offsets move here and nowhere else; every
//! move checks the order. Pure; the partition log holds one behind its lock.

#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};

/// The offsets of a log at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOffsets {
    /// First offset that can be read.
    pub log_start: i64,
    /// Below it everything is replicated by the in-sync replicas; exclusive.
    pub high_watermark: i64,
    /// Below it no transaction is open; exclusive, at most the high watermark.
    pub last_stable: i64,
    /// The next offset after the published batches. With `flush.before.ack` only durable batches
    /// are published.
    pub log_end: i64,
    /// Below it the batches are on disk; exclusive.
    pub flushed: i64,
    /// Below it the segments are on disk with their indices, so that an unclean open leaves them
    /// alone; exclusive.
    pub recovery_point: i64,
}

/// The moving offsets, all but the last stable one, which depends on the transactions.
#[derive(Debug, Clone)]
pub(crate) struct Offsets {
    log_start: i64,
    high_watermark: i64,
    log_end: i64,
    flushed: i64,
    recovery_point: i64,
    /// The last publication was of durable batches only, as with `flush.before.ack`.
    is_all_durable: bool,
}

impl Offsets {
    /// The offsets of a log that was just opened.
    ///
    /// # Panics
    /// When they break the order: the opener computes them so that they do not.
    pub(crate) fn new(log_start: i64, log_end: i64, flushed: i64, recovery_point: i64) -> Self {
        let offsets = Self {
            log_start,
            high_watermark: log_start,
            log_end,
            flushed,
            recovery_point,
            is_all_durable: flushed == log_end,
        };
        offsets.check();
        offsets
    }

    /// L1, except for the last stable offset, which is made from the high watermark by taking the
    /// smaller value.
    fn check(&self) {
        let is_ordered = 0 <= self.log_start
            && self.log_start <= self.high_watermark
            && self.high_watermark <= self.log_end
            && 0 <= self.recovery_point
            && self.recovery_point <= self.flushed
            && self.flushed <= self.log_end
            && (!self.is_all_durable || self.high_watermark <= self.flushed);
        assert!(is_ordered, "offsets are out of order (L1): {self:?}");
    }

    pub(crate) fn log_start(&self) -> i64 {
        self.log_start
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    pub(crate) fn log_end(&self) -> i64 {
        self.log_end
    }

    pub(crate) fn flushed(&self) -> i64 {
        self.flushed
    }

    pub(crate) fn recovery_point(&self) -> i64 {
        self.recovery_point
    }

    /// Batches up to `log_end` were written; with `is_durable` they, and all before, are on disk.
    pub(crate) fn publish(&mut self, log_end: i64, is_durable: bool) {
        assert!(
            self.log_end <= log_end,
            "log end {} cannot go back to {log_end}",
            self.log_end
        );
        self.log_end = log_end;
        self.is_all_durable = is_durable;
        #[cfg(test)]
        let is_durable = is_durable && !is_on(Sabotage::HighWatermarkPastFlushed);
        if is_durable {
            self.flushed = log_end;
        }
        self.check();
    }

    /// Raises the high watermark to `to`, at most to the log end; returns whether it moved. It
    /// never goes back.
    pub(crate) fn advance_high_watermark(&mut self, to: i64) -> bool {
        let to = to.min(self.log_end);
        let has_moved = self.high_watermark < to;
        self.high_watermark = self.high_watermark.max(to);
        self.check();
        has_moved
    }

    /// Raises the log start offset to `to`, which is not above the high watermark; returns whether
    /// it moved.
    pub(crate) fn advance_log_start(&mut self, to: i64) -> bool {
        let has_moved = self.log_start < to;
        self.log_start = self.log_start.max(to);
        self.check();
        has_moved
    }

    /// Everything below `to` is on disk.
    pub(crate) fn advance_flushed(&mut self, to: i64) {
        self.flushed = self.flushed.max(to);
        self.check();
    }

    /// Everything below `to` is on disk with its indices.
    pub(crate) fn advance_recovery_point(&mut self, to: i64) {
        self.recovery_point = self.recovery_point.max(to);
        self.check();
    }

    /// Everything that was known to be on disk with its indices counts only below `to` from now on.
    pub(crate) fn lower_recovery_point(&mut self, to: i64) {
        self.recovery_point = self.recovery_point.min(to);
        self.check();
    }

    /// The log was cut: it ends at `log_end`, and everything below the cut that was on disk is.
    pub(crate) fn truncate(&mut self, log_end: i64) {
        for offset in [
            &mut self.log_start,
            &mut self.high_watermark,
            &mut self.log_end,
            &mut self.flushed,
            &mut self.recovery_point,
        ] {
            *offset = (*offset).min(log_end);
        }
        self.check();
    }

    /// The log is empty and begins at `offset`.
    pub(crate) fn restart_at(&mut self, offset: i64) {
        *self = Self::new(offset, offset, offset, offset);
    }

    /// The offsets as others see them. `first_unstable` is the first offset of the oldest open
    /// transaction.
    pub(crate) fn snapshot(&self, first_unstable: Option<i64>) -> LogOffsets {
        let last_stable = first_unstable.map_or(self.high_watermark, |first| {
            first.clamp(self.log_start, self.high_watermark)
        });
        LogOffsets {
            log_start: self.log_start,
            high_watermark: self.high_watermark,
            last_stable,
            log_end: self.log_end,
            flushed: self.flushed,
            recovery_point: self.recovery_point,
        }
    }
}
