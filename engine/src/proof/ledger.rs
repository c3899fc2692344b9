//! What was sent to one log, what of it was acknowledged, and what follows for what has to be
//! there. The engine is not asked: the harness writes down what it did. Pure.

use bytes::Bytes;
use ringbrook_record::{BatchHeader, EndTransactionMarker};
use uuid::Uuid;

use super::breach::{Breach, Checked, Rule, check};
use super::replay::Replay;
use crate::config::LogConfig;
use crate::log::LogOffsets;

/// The first byte that the CRC covers.
pub(crate) const CRC_FROM: usize = 21;

/// A batch as it has to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) header: BatchHeader,
    /// Header and payload.
    pub(crate) stored: Bytes,
    pub(crate) marker: Option<EndTransactionMarker>,
}

impl Sent {
    pub(crate) fn base_offset(&self) -> i64 {
        self.header.base_offset
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.header.last_offset()
    }
}

/// Whether the log has to exist after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existence {
    /// It was created: it must be there.
    Certain,
    /// Its creation was interrupted.
    Creating,
    /// Its deletion was interrupted.
    Deleting,
}

/// The truth about one log.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) topic_id: Uuid,
    pub(crate) config: LogConfig,
    pub(crate) existence: Existence,
    /// It takes batches as a follower does.
    pub(crate) is_follower: bool,
    pub(crate) leader_epoch: i32,
    /// Everything the log holds or may hold, by offset; also what retention removed.
    pub(crate) sent: Vec<Sent>,
    pub(crate) replay: Replay,
    /// Below it everything was acknowledged as durable.
    pub(crate) durable_to: i64,
    /// Below it everything was published: there unless the machine went off.
    pub(crate) published_to: i64,
    /// The log start is not below the first, which is on disk, and never above the second.
    pub(crate) start_checkpointed: i64,
    pub(crate) start_highest: i64,
    /// The log's end after the last start: at least the next offset, also when a crash took the
    /// batches below.
    pub(crate) end_lowest: i64,
    /// `flush.before.ack` was on all the time.
    pub(crate) is_always_durable: bool,
    /// Its directory was offline when it was last looked at.
    pub(crate) was_offline: bool,
    /// A truncation is not finished: what the log says of its end means nothing until it is opened
    /// again.
    pub(crate) is_half_cut: bool,
    /// It was truncated: its end may have been an offset that no batch holds in place.
    pub(crate) was_cut: bool,
}

impl Ledger {
    pub(crate) fn new(topic_id: Uuid, config: LogConfig, is_follower: bool) -> Self {
        Self {
            topic_id,
            config,
            existence: Existence::Creating,
            is_follower,
            leader_epoch: 0,
            sent: Vec::new(),
            replay: Replay::default(),
            durable_to: 0,
            published_to: 0,
            start_checkpointed: 0,
            start_highest: 0,
            end_lowest: 0,
            is_always_durable: config.flush_before_ack,
            was_offline: false,
            is_half_cut: false,
            was_cut: false,
        }
    }

    /// The offset the next batch gets.
    pub(crate) fn next_offset(&self) -> i64 {
        let after_last = self.sent.last().map_or(0, |sent| sent.last_offset() + 1);
        after_last.max(self.end_lowest)
    }

    pub(crate) fn push(&mut self, sent: Sent) {
        self.replay.apply(&sent.header, sent.marker.as_ref());
        self.sent.push(sent);
    }

    /// Takes in what the log says of itself; L1 and L5 are checked as far as one can tell from
    /// outside.
    pub(crate) fn observe(&mut self, now: &LogOffsets) -> Checked {
        let is_ordered = 0 <= now.log_start
            && now.log_start <= now.high_watermark
            && now.high_watermark <= now.log_end
            && now.last_stable <= now.high_watermark
            && now.recovery_point <= now.flushed
            && now.flushed <= now.log_end
            && (!self.is_always_durable || now.high_watermark <= now.flushed);
        check(Rule::L1, is_ordered, || format!("{now:?}"))?;
        check(Rule::L4, now.log_end <= self.next_offset(), || {
            format!("{now:?}, but only {} was sent", self.next_offset())
        })?;
        self.published_to = self.published_to.max(now.log_end);
        self.start_highest = self.start_highest.max(now.log_start);
        self.durable_to = self.durable_to.max(now.flushed);
        Ok(())
    }

    /// The append that ended at the log's present end was acknowledged: by its settings it, or all
    /// but the last `flush.messages - 1` messages, are durable.
    pub(crate) fn acknowledge(&mut self, now: &LogOffsets) -> Checked {
        let promised = if self.config.flush_before_ack {
            now.log_end
        } else {
            let unflushed_max = self.config.flush_messages.saturating_sub(1);
            now.log_end.saturating_sub(unflushed_max)
        };
        check(Rule::L5, promised <= now.flushed, || {
            format!("acknowledged {promised} before it was flushed: {now:?}")
        })?;
        self.durable_to = self.durable_to.max(promised);
        Ok(())
    }

    /// The log is about to be cut at `to`: from now on what lies above may be gone.
    pub(crate) fn begin_truncation(&mut self, to: i64) {
        let kept = self.sent.iter().take_while(|sent| sent.last_offset() < to);
        let kept_end = kept.last().map_or(0, |sent| sent.last_offset() + 1);
        self.durable_to = self.durable_to.min(kept_end);
        self.published_to = self.published_to.min(kept_end);
        self.is_half_cut = true;
        self.was_cut = true;
        // A batch that reaches over the log start takes it along.
        self.start_checkpointed = self.start_checkpointed.min(kept_end);
        // Who cuts does so as of a new leader.
        self.leader_epoch += 1;
    }

    /// The log was cut at `to`, durably, and ends at `log_end`.
    pub(crate) fn end_truncation(&mut self, to: i64, log_end: i64) -> Checked {
        self.sent.retain(|sent| sent.last_offset() < to);
        let kept_end = self.sent.last().map_or(0, |sent| sent.last_offset() + 1);
        check(Rule::L4, kept_end <= log_end && log_end <= to, || {
            format!("cut at {to} the log ends at {log_end}, its last batch at {kept_end}")
        })?;
        self.end_lowest = log_end;
        self.replay = Replay::of(&self.sent);
        self.is_half_cut = false;
        Ok(())
    }

    /// What has to be there after a restart: below it nothing may be missing.
    pub(crate) fn must_have_to(&self, has_lost_page_cache: bool) -> i64 {
        if has_lost_page_cache {
            self.durable_to
        } else {
            self.published_to
        }
    }

    /// Compares the batches that survived, in order, with what was sent, and forgets what did not
    /// survive. `first_base` is the first segment's base offset, `log_end` the log's end. Returns
    /// how many were lost.
    pub(crate) fn settle(
        &mut self,
        found: &[(BatchHeader, &[u8])],
        first_base: i64,
        log_end: i64,
        must_have_to: i64,
    ) -> Checked<usize> {
        let mut survivors: Vec<Sent> = Vec::with_capacity(self.sent.len());
        let mut found = found.iter().peekable();
        let mut lost = 0;
        for sent in std::mem::take(&mut self.sent) {
            match found.next_if(|(header, _)| header.base_offset == sent.base_offset()) {
                Some((header, bytes)) => {
                    compare(&sent, header, bytes)?;
                    let has_hole = self.is_always_durable && 0 < lost;
                    check(Rule::L4, !has_hole, || {
                        format!("a hole before {}", sent.base_offset())
                    })?;
                    survivors.push(sent);
                }
                None if sent.last_offset() < first_base => survivors.push(sent),
                None => {
                    check(Rule::L5, must_have_to <= sent.base_offset(), || {
                        format!(
                            "{} to {} is lost, everything below {must_have_to} was acknowledged",
                            sent.base_offset(),
                            sent.last_offset()
                        )
                    })?;
                    lost += 1;
                }
            }
        }
        if let Some((header, _)) = found.next() {
            let (first, last) = (header.base_offset, header.last_offset());
            return Err(Breach::new(
                Rule::L4,
                format!("{first} to {last} was not sent or is out of order"),
            ));
        }
        check(Rule::L5, self.was_cut || must_have_to <= log_end, || {
            format!("the log ends at {log_end}, {must_have_to} was acknowledged")
        })?;
        self.sent = survivors;
        self.replay = Replay::of(&self.sent);
        self.published_to = log_end;
        // An end that a truncation left above the last batch is forgotten: batches that nobody
        // acknowledged may go there.
        self.durable_to = self.durable_to.min(log_end);
        self.end_lowest = log_end;
        self.was_offline = false;
        self.is_half_cut = false;
        Ok(lost)
    }
}

fn compare(sent: &Sent, header: &BatchHeader, bytes: &[u8]) -> Checked {
    check(Rule::L4, sent.stored == bytes, || {
        let is_payload = sent.stored.get(CRC_FROM..) != bytes.get(CRC_FROM..);
        format!(
            "batch {} differs from what was sent, payload: {is_payload}; {header:?}, expected {:?}",
            header.base_offset, sent.header
        )
    })
}
