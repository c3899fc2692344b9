//! Which brokers have something to send to, and when to look again.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Accumulator, LeaderOf, PartitionQueue};
use crate::producer::batch::Batch;
use crate::producer::counters::SendReason;

/// What can be sent now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::producer) struct Ready {
    /// Brokers with at least one partition that is ready.
    pub(in crate::producer) nodes: Vec<i32>,
    /// When another partition may be, or a batch is too old.
    pub(in crate::producer) next_check: Option<Instant>,
    /// Topics that have batches but a partition without a leader.
    pub(in crate::producer) unknown_leaders: Vec<Arc<str>>,
}

impl Ready {
    fn check_at(&mut self, at: Instant) {
        self.next_check = Some(self.next_check.map_or(at, |next| next.min(at)));
    }
}

impl Accumulator {
    /// Looks at the first batch of every partition that has one.
    pub(in crate::producer) fn ready(&mut self, now: Instant, leader_of: &LeaderOf<'_>) -> Ready {
        let mut ready = Ready::default();
        let mut active = std::mem::take(&mut self.active);
        active.retain(|slot| {
            let queue = &mut self.queues[*slot];
            queue.is_active = !queue.batches.is_empty();
            queue.is_active
        });
        for slot in &active {
            self.check(&self.queues[*slot], now, leader_of, &mut ready);
        }
        self.active = active;
        ready
    }

    fn check(
        &self,
        queue: &PartitionQueue,
        now: Instant,
        leader_of: &LeaderOf<'_>,
        ready: &mut Ready,
    ) {
        let Some(first) = queue.batches.front() else {
            return;
        };
        ready.check_at(first.created_at + self.settings.delivery_timeout);
        let Some((node, leader_epoch)) = leader_of(&queue.topic, queue.partition) else {
            if ready.unknown_leaders.last() != Some(&queue.topic) {
                ready.unknown_leaders.push(Arc::clone(&queue.topic));
            }
            return;
        };
        if queue.is_muted || !self.is_admitted(queue) {
            return;
        }
        if let Some(retry_at) = backs_off(first, leader_epoch, now) {
            ready.check_at(retry_at);
            return;
        }
        if self.reason(queue, first, now).is_none() {
            ready.check_at(first.created_at + self.settings.linger);
            return;
        }
        if !ready.nodes.contains(&node) {
            ready.nodes.push(node);
        }
    }

    /// Why the first batch of a partition is ready, if it is.
    pub(super) fn reason(
        &self,
        queue: &PartitionQueue,
        first: &Batch,
        now: Instant,
    ) -> Option<SendReason> {
        let is_full = 1 < queue.batches.len() || queue.is_last_full || first.was_sent;
        if is_full {
            return Some(SendReason::Full);
        }
        if first.created_at + self.settings.linger <= now {
            return Some(SendReason::Linger);
        }
        let conditions = [
            (0 < self.waiting_count, SendReason::BufferExhausted),
            (self.is_closing, SendReason::Close),
            (0 < self.flushes_count, SendReason::Flush),
            (self.is_ending_transaction, SendReason::Transaction),
        ];
        let mut holds = conditions.into_iter().filter(|(holds, _)| *holds);
        holds.next().map(|(_, reason)| reason)
    }
}

/// Until when a batch is not to be tried again. A new leader is tried at once.
pub(super) fn backs_off(batch: &Batch, leader_epoch: i32, now: Instant) -> Option<Instant> {
    let retry_at = batch.retry_at.filter(|retry_at| now < *retry_at)?;
    (leader_epoch <= batch.leader_epoch || batch.leader_epoch < 0).then_some(retry_at)
}
