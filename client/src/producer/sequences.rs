//! Producer id, epoch and sequence numbers: what lets a broker tell a retry from a new batch.
//!
//! Pure: batches are named by their keys, partitions by their numbers in the accumulator; the
//! sender asks what it may send and says what was answered. Whoever wants records written exactly
//! once trusts these rules: a batch keeps its sequence number for all attempts, new batches follow
//! without gaps, and where a gap cannot be excluded the epoch goes up and numbers begin anew.
//! Unlike Kafka's producer, which renumbers all batches of the partition at once, this one first
//! lets those before the gap be answered: one of them may have been written although its answer was
//! lost, and under a new number it would be written again.
//!
//! Source: Kafka `TransactionManager`, `TxnPartitionMap`, `TxnPartitionEntry` (KIP-98, KIP-360).

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use ringbrook_protocol::ResponseError;
use ringbrook_record::next_sequence;

use super::batch::BatchKey;
use crate::error::ClientError;

/// A producer id and its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProducerId {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// What a batch is numbered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Assigned {
    pub(super) producer: ProducerId,
    pub(super) base_sequence: i32,
    records_count: i32,
    /// Whether it had another number before.
    has_been_reset: bool,
}

impl Assigned {
    fn next(self) -> i32 {
        next_sequence(self.base_sequence, self.records_count)
    }

    fn last(self) -> i32 {
        next_sequence(self.base_sequence, self.records_count - 1)
    }
}

/// What a broker said about a batch that it did not write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    /// The error, if a broker gave one.
    pub(super) error: Option<ResponseError>,
    /// Whether the error is worth a retry in itself.
    pub(super) is_retriable: bool,
    /// The partition's log start offset; -1 when the broker does not say.
    pub(super) log_start_offset: i64,
}

/// The numbers of all partitions.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    is_transactional: bool,
    current: Option<ProducerId>,
    partitions: HashMap<usize, Partition>,
    /// Those whose batches get new numbers with the next epoch.
    to_rewrite: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct Partition {
    producer: Option<ProducerId>,
    next: i32,
    last_acked: Option<i32>,
    last_acked_offset: i64,
    /// Numbered and not yet answered for good, whether with a broker or waiting for a retry.
    in_flight: BTreeMap<BatchKey, Assigned>,
    /// A batch was given up without knowing whether it was written: the number after it.
    unresolved: Option<i32>,
    /// From this batch on numbers are to begin anew under the next epoch, once those before it are
    /// answered: their fate under the old one must be known first.
    anew_from: Option<BatchKey>,
}

impl Partition {
    fn is_next(&self, sequence: i32) -> bool {
        let next = self.last_acked.map_or(0, |last| next_sequence(last, 1));
        next == sequence
    }

    /// Whether later batches were acknowledged although this one was not written, which a broker
    /// does that has forgotten the producer. Its number will never be taken.
    fn is_passed(&self, key: BatchKey, assigned: Assigned) -> bool {
        let is_first = self.in_flight.keys().next() == Some(&key);
        let is_behind = |acked| is_after(acked, assigned.base_sequence);
        is_first && !assigned.has_been_reset && self.last_acked.is_some_and(is_behind)
    }

    fn begin_anew_from(&mut self, key: BatchKey) {
        let from = self.anew_from.map_or(key, |from| from.min(key));
        self.anew_from = Some(from);
    }

    /// Whether no batch is left whose number must stay.
    fn can_begin_anew(&self) -> bool {
        let is_before = |from| self.in_flight.keys().next().is_some_and(|key| *key < from);
        self.anew_from.is_some_and(|from| !is_before(from))
    }

    fn begin_anew(&mut self, producer: ProducerId) {
        let mut next = 0;
        for assigned in self.in_flight.values_mut() {
            assigned.producer = producer;
            assigned.base_sequence = next;
            assigned.has_been_reset = true;
            next = assigned.next();
        }
        self.producer = Some(producer);
        self.next = next;
        self.last_acked = None;
        self.anew_from = None;
    }
}

impl Sequences {
    pub(super) fn new(is_transactional: bool) -> Self {
        Self {
            is_transactional,
            ..Self::default()
        }
    }

    /// The producer id that new batches get, once there is one.
    pub(super) fn producer(&self) -> Option<ProducerId> {
        self.current
    }

    /// A broker has given a producer id. Batches in flight keep their numbers until they are
    /// answered; each partition begins anew behind them.
    pub(super) fn set_producer(&mut self, producer: ProducerId) {
        self.current = Some(producer);
        self.rewrite(producer);
    }

    /// A new producer id for a new transaction: no partition has numbers any more.
    pub(super) fn reset(&mut self, producer: ProducerId) {
        self.current = Some(producer);
        self.partitions.clear();
        self.to_rewrite.clear();
    }

    /// Whether the first batch of a partition's queue may be sent now.
    pub(super) fn may_send(&self, slot: usize, key: BatchKey) -> bool {
        let Some(current) = self.current else {
            return false;
        };
        let Some(partition) = self.partitions.get(&slot) else {
            return true;
        };
        if partition.anew_from.is_some_and(|from| from <= key) {
            return false;
        }
        if partition.in_flight.contains_key(&key) {
            // It is a retry: one at a time, in their order.
            return partition.in_flight.keys().next() == Some(&key);
        }
        let is_stale = partition.producer != Some(current);
        // Numbers of the new epoch must not reach the broker before those of the old one.
        // A broker that knows nothing of a producer takes any first number (KIP-360): were the
        // first batch refused, the second would be taken and the first never be. The broker
        // itself guards transactions against that (KIP-890).
        let is_first_open = !self.is_transactional && partition.last_acked.is_none();
        let must_wait = (is_stale || is_first_open) && !partition.in_flight.is_empty();
        !must_wait && partition.unresolved.is_none()
    }

    /// The number of a batch that is about to be sent: the one it has, or the next. To be asked
    /// only after [`Sequences::may_send`].
    pub(super) fn assign(&mut self, slot: usize, key: BatchKey, records: u32) -> Option<Assigned> {
        let producer = self.current?;
        let partition = self.partitions.entry(slot).or_default();
        if let Some(assigned) = partition.in_flight.get(&key) {
            return Some(*assigned);
        }
        if partition.producer != Some(producer) {
            debug_assert!(partition.in_flight.is_empty(), "two epochs in flight");
            partition.begin_anew(producer);
        }
        let assigned = Assigned {
            producer,
            base_sequence: partition.next,
            records_count: i32::try_from(records).unwrap_or(i32::MAX),
            has_been_reset: false,
        };
        partition.next = assigned.next();
        partition.in_flight.insert(key, assigned);
        Some(assigned)
    }

    /// The number that a batch has.
    pub(super) fn assigned(&self, slot: usize, key: BatchKey) -> Option<Assigned> {
        self.partitions.get(&slot)?.in_flight.get(&key).copied()
    }

    /// A batch was written.
    pub(super) fn acknowledged(&mut self, slot: usize, key: BatchKey, base_offset: i64) {
        let Some(partition) = self.partitions.get_mut(&slot) else {
            return;
        };
        if let Some(assigned) = partition.in_flight.remove(&key) {
            let last = assigned.last();
            if partition
                .last_acked
                .is_none_or(|acked| is_after(last, acked))
            {
                partition.last_acked = Some(last);
            }
            if 0 <= base_offset {
                let last_offset = base_offset + i64::from(assigned.records_count) - 1;
                partition.last_acked_offset = partition.last_acked_offset.max(last_offset);
            }
        }
    }

    /// Whether a batch that was refused is to be sent again; what has to change before it is, is
    /// noted.
    pub(super) fn can_retry(&mut self, slot: usize, key: BatchKey, refusal: Refusal) -> bool {
        let Some(partition) = self.partitions.get_mut(&slot) else {
            return refusal.is_retriable;
        };
        let Some(assigned) = partition.in_flight.get(&key).copied() else {
            return refusal.is_retriable;
        };
        match refusal.error {
            Some(ResponseError::UnknownProducerId) => {
                let start = refusal.log_start_offset;
                if start == -1 || assigned.has_been_reset {
                    return true;
                }
                if !self.is_transactional {
                    partition.begin_anew_from(key);
                    return true;
                }
                // The broker forgot the producer because its records are gone by retention.
                let is_forgotten = partition.last_acked_offset < start;
                if is_forgotten && let Some(producer) = self.current {
                    partition.begin_anew(producer);
                }
                is_forgotten
            }
            Some(ResponseError::OutOfOrderSequenceNumber) => {
                let is_next = partition.is_next(assigned.base_sequence);
                let is_due = is_next || partition.is_passed(key, assigned);
                let unresolved = partition.unresolved;
                if unresolved.is_none() && (assigned.has_been_reset || !is_due) {
                    return true;
                }
                if self.is_transactional {
                    return false;
                }
                // With a batch of unknown fate before it, the answer to that may yet come.
                if unresolved.is_none_or(|next| next == assigned.base_sequence) {
                    partition.begin_anew_from(key);
                }
                true
            }
            _ => refusal.is_retriable,
        }
    }

    /// A batch was given up. `is_known_unwritten` says that a broker has refused it for good, so
    /// that its numbers are free.
    pub(super) fn failed(&mut self, slot: usize, key: BatchKey, is_known_unwritten: bool) {
        let Some(partition) = self.partitions.get_mut(&slot) else {
            return;
        };
        let Some(assigned) = partition.in_flight.remove(&key) else {
            return;
        };
        if !is_known_unwritten {
            return;
        }
        if !self.is_transactional {
            partition.begin_anew_from(key);
            return;
        }
        let gap = assigned.records_count;
        for later in partition.in_flight.values_mut() {
            if assigned.base_sequence <= later.base_sequence {
                later.base_sequence = before(later.base_sequence, gap);
                later.has_been_reset = true;
            }
        }
        partition.next = before(partition.next, gap);
    }

    /// A batch that was sent was given up without an answer: whether it was written is unknown.
    pub(super) fn gave_up(&mut self, slot: usize, key: BatchKey) {
        if let Some(partition) = self.partitions.get_mut(&slot)
            && let Some(assigned) = partition.in_flight.remove(&key)
        {
            partition.unresolved = partition.unresolved.max(Some(assigned.next()));
        }
    }

    /// A batch goes on as several, which share its numbers.
    pub(super) fn split(&mut self, slot: usize, key: BatchKey, parts: &[(BatchKey, u32)]) {
        let Some(partition) = self.partitions.get_mut(&slot) else {
            return;
        };
        let Some(mut assigned) = partition.in_flight.remove(&key) else {
            return;
        };
        for (key, records) in parts {
            assigned.records_count = i32::try_from(*records).unwrap_or(i32::MAX);
            partition.in_flight.insert(*key, assigned);
            assigned.base_sequence = assigned.next();
        }
    }

    /// Before sending: partitions whose batches of unknown fate have no others behind them either
    /// go on or begin anew, and the epoch goes up if something demands it. Returns whether all
    /// partitions could be resolved, which a transactional producer can only by aborting.
    pub(super) fn settle(&mut self) -> bool {
        let mut is_settled = true;
        for (slot, partition) in &mut self.partitions {
            if partition.unresolved.is_some() && partition.in_flight.is_empty() {
                partition.unresolved = None;
                if !partition.is_next(partition.next) {
                    is_settled = !self.is_transactional;
                    self.to_rewrite.insert(*slot);
                }
            }
            if partition.can_begin_anew() {
                self.to_rewrite.insert(*slot);
            }
        }
        if self.is_transactional {
            self.to_rewrite.clear();
            return is_settled;
        }
        self.bump();
        true
    }

    /// The next epoch of the same producer id, without asking a broker; after the last epoch a new
    /// producer id has to be asked for.
    fn bump(&mut self) {
        if self.to_rewrite.is_empty() {
            return;
        }
        let Some(before) = self.current else {
            return;
        };
        if before.epoch == i16::MAX {
            self.current = None;
            return;
        }
        let producer = ProducerId {
            id: before.id,
            epoch: before.epoch + 1,
        };
        self.set_producer(producer);
    }

    fn rewrite(&mut self, producer: ProducerId) {
        for slot in std::mem::take(&mut self.to_rewrite) {
            if let Some(partition) = self.partitions.get_mut(&slot) {
                partition.begin_anew(producer);
                partition.unresolved = None;
            }
        }
    }
}

/// Whether `sequence` comes after `other`, as numbers that wrap to 0 behind the last one.
fn is_after(sequence: i32, other: i32) -> bool {
    let distance = sequence.wrapping_sub(other) & i32::MAX;
    0 < distance && distance < 1 << 30
}

fn before(sequence: i32, decrement: i32) -> i32 {
    sequence.wrapping_sub(decrement) & i32::MAX
}

/// Whether a producer with numbers can write nothing any more, as Kafka's
/// `TransactionManager.maybeTransitionToErrorState` has it.
pub(super) fn is_fatal(error: &ClientError) -> bool {
    matches!(error, ClientError::UnsupportedVersion { .. })
        || matches!(
            error.response_error(),
            Some(
                ResponseError::ClusterAuthorizationFailed
                    | ResponseError::TransactionalIdAuthorizationFailed
                    | ResponseError::ProducerFenced
                    | ResponseError::UnsupportedVersion
            )
        )
}

#[cfg(test)]
mod tests;
