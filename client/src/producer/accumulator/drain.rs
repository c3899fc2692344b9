//! Batches leave for their brokers, come back for a retry, are split, or grow too old.

use std::time::Duration;

use ringbrook_record::BatchBuilder;
use tokio::time::Instant;

use super::ready::backs_off;
use super::{Accumulator, estimated_bytes};
use crate::producer::batch::Batch;
use crate::producer::counters::SendReason;
use crate::producer::sequences::Sequences;

/// The leader of a partition and its epoch, if there is one.
pub(in crate::producer) type LeaderOf<'a> = dyn Fn(&str, i32) -> Option<(i32, i32)> + 'a;

/// What limits a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::producer) struct DrainLimits {
    /// `max.request.size`.
    pub(in crate::producer) request_bytes_max: usize,
    /// Whether a partition waits for the answer to its batch before the next one is sent.
    pub(in crate::producer) is_muting: bool,
}

impl Accumulator {
    /// The first batch of each partition that `node` leads, as many as a request holds. Those
    /// without a number get one when `sequences` are given.
    pub(in crate::producer) fn drain(
        &mut self,
        node: i32,
        now: Instant,
        limits: DrainLimits,
        leader_of: &LeaderOf<'_>,
        mut sequences: Option<&mut Sequences>,
    ) -> Vec<Batch> {
        let mut drained = Vec::new();
        let mut request_bytes = 0;
        let partitions_count = self.active.len();
        let first_place = self.drain_from;
        for turn in 0..partitions_count {
            let place = (first_place + turn) % partitions_count;
            let slot = self.active[place];
            let Some(leader_epoch) = self.drainable(slot, node, now, leader_of) else {
                continue;
            };
            let queue = &self.queues[slot];
            let Some(first) = queue.batches.front() else {
                continue;
            };
            let size_bytes = estimated_bytes(self.ratio(queue.topic_index), first);
            if !drained.is_empty() && limits.request_bytes_max < request_bytes + size_bytes {
                self.drain_from = place;
                return drained;
            }
            if let Some(sequences) = sequences.as_deref_mut() {
                if !sequences.may_send(slot, first.key) {
                    continue;
                }
                sequences.assign(slot, first.key, first.records_count());
            }
            request_bytes += size_bytes;
            drained.extend(self.take_first(slot, leader_epoch, now, limits));
        }
        self.drain_from = first_place.wrapping_add(1) % partitions_count.max(1);
        drained
    }

    /// The leader's epoch, when the first batch of a partition can go to `node`.
    fn drainable(
        &self,
        slot: usize,
        node: i32,
        now: Instant,
        leader_of: &LeaderOf<'_>,
    ) -> Option<i32> {
        let queue = &self.queues[slot];
        let first = queue.batches.front().filter(|_| !queue.is_muted)?;
        let (leader, leader_epoch) = leader_of(&queue.topic, queue.partition)?;
        let is_free = leader == node
            && backs_off(first, leader_epoch, now).is_none()
            && self.is_admitted(queue);
        is_free.then_some(leader_epoch)
    }

    fn take_first(
        &mut self,
        slot: usize,
        leader_epoch: i32,
        now: Instant,
        limits: DrainLimits,
    ) -> Option<Batch> {
        let queue = &self.queues[slot];
        let reason = self.reason(queue, queue.batches.front()?, now);
        let queue = &mut self.queues[slot];
        let mut batch = queue.batches.pop_front()?;
        queue.is_muted = limits.is_muting;
        batch.leader_epoch = leader_epoch;
        batch.retry_at = None;
        if !std::mem::replace(&mut batch.was_sent, true) {
            let queue_time = now.saturating_duration_since(batch.created_at);
            let counters = &mut self.counters;
            counters.count_reason(reason.unwrap_or(SendReason::Piggyback));
            counters.records_sent += u64::from(batch.records_count());
            counters.bytes_uncompressed += batch.size_bytes() as u64;
            counters.queue_time_sum += queue_time;
            counters.queue_time_max = counters.queue_time_max.max(queue_time);
        }
        Some(batch)
    }

    /// A batch was answered: its partition may be sent to again.
    pub(in crate::producer) fn unmute(&mut self, slot: usize) {
        self.queues[slot].is_muted = false;
    }

    /// A batch is to be tried again after `pause`.
    pub(in crate::producer) fn retry(&mut self, mut batch: Batch, now: Instant, pause: Duration) {
        batch.attempts += 1;
        batch.retry_at = Some(now + pause);
        self.counters.batches_retried += 1;
        self.put_back(batch);
    }

    fn put_back(&mut self, batch: Batch) {
        let slot = batch.slot;
        let queue = &mut self.queues[slot];
        queue.put_back(batch);
        if !std::mem::replace(&mut queue.is_active, true) {
            self.active.push(slot);
        }
    }

    /// A broker found a batch too large: it goes on as several of these contents.
    pub(in crate::producer) fn split(
        &mut self,
        batch: Batch,
        contents: Vec<BatchBuilder>,
        sequences: Option<&mut Sequences>,
    ) {
        let (key, slot, reserved_bytes) = (batch.key, batch.slot, batch.reserved_bytes);
        let parts = batch.split(contents);
        let topic_index = self.queues[slot].topic_index;
        self.topics[topic_index].ratio.reset();
        self.counters.batches_split += 1;
        self.release(key, reserved_bytes);
        if let Some(sequences) = sequences {
            let share = |part: &Batch| (part.key, part.records_count());
            let shares: Vec<_> = parts.iter().map(share).collect();
            sequences.split(slot, key, &shares);
        }
        for mut part in parts {
            part.was_sent = true;
            self.used_bytes += part.reserved_bytes;
            self.incomplete.insert(part.key, part.outcome.clone());
            self.put_back(part);
        }
    }

    /// Takes out what is too old to be sent.
    pub(in crate::producer) fn take_expired(&mut self, now: Instant) -> Vec<Batch> {
        let mut expired = Vec::new();
        for slot in &self.active {
            let queue = &mut self.queues[*slot];
            let is_expired =
                |batch: &mut Batch| batch.created_at + self.settings.delivery_timeout <= now;
            while let Some(batch) = queue.batches.pop_front_if(is_expired) {
                expired.push(batch);
            }
        }
        expired
    }

    /// Takes out all batches that were never sent. Others have to be tried again: nobody knows
    /// whether they were written.
    pub(in crate::producer) fn take_unsent(&mut self) -> Vec<Batch> {
        let mut unsent = Vec::new();
        for slot in &self.active {
            let batches = &mut self.queues[*slot].batches;
            let (sent, new) = std::mem::take(batches)
                .into_iter()
                .partition::<Vec<_>, _>(|batch| batch.was_sent);
            batches.extend(sent);
            unsent.extend(new);
        }
        unsent
    }

    /// Takes out all batches that wait here, but not those that are with a broker.
    pub(in crate::producer) fn take_waiting(&mut self) -> Vec<Batch> {
        let mut waiting = Vec::new();
        for slot in std::mem::take(&mut self.active) {
            let queue = &mut self.queues[slot];
            queue.is_active = false;
            waiting.extend(std::mem::take(&mut queue.batches));
        }
        waiting
    }
}
