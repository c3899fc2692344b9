//! Verification of transactions (KIP-890): proof that the transaction coordinator knew of a
//! producer's open transaction in this partition when its first batch is appended. Without it a
//! late batch of a transaction that has ended begins one that nobody will ever end. Pure; behind
//! the partition log's lock. (Kafka `VerificationStateEntry`, `VerificationGuard`.)
//!
//! A leader takes a guard, asks the coordinator, and appends with the guard. A marker that comes
//! in between takes the guard's validity away, so that a slow answer proves nothing. Guards are
//! not kept over a restart: the producer's retry is verified again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use ringbrook_record::BatchHeader;

/// Verifications of one partition that are under way or whose batch never came. The oldest makes
/// room: its batch is refused and verified again.
pub(crate) const VERIFICATIONS_MAX: usize = 10_000;

/// Guards given out by this process; none is given out twice.
static GUARDS: AtomicU64 = AtomicU64::new(0);

/// Shows that a verification began and nothing ended the transaction since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationGuard(u64);

/// The first batch of a transaction in this partition, before it is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionStart {
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Sequence number of the batch's first record, -1 for a coordinator's batch.
    pub base_sequence: i32,
    /// The producer uses transactions v2: each transaction has an epoch of its own.
    pub is_v2: bool,
}

/// What is known of a producer while its transaction is verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verification {
    guard: VerificationGuard,
    started_ms: i64,
    epoch: i16,
    /// Batches above it must not overtake the one that failed its verification and will be sent
    /// again: it could never be appended then.
    lowest_sequence: i32,
    is_v2: bool,
}

impl Verification {
    /// The sequence number a batch had to have, when it must not be appended: a batch before it
    /// waits for its verification, or the epoch is new and does not begin at 0.
    pub(crate) fn expected_sequence(&self, header: &BatchHeader, has_batches: bool) -> Option<i32> {
        if self.is_v2 && header.base_sequence != 0 && !has_batches {
            return Some(0);
        }
        (self.lowest_sequence < header.base_sequence).then_some(self.lowest_sequence)
    }
}

/// The verifications of one partition, by producer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verifications {
    by_producer: HashMap<i64, Verification>,
}

impl Verifications {
    /// The guard of the producer's verification; begins one if there is none.
    pub(crate) fn begin(&mut self, start: &TransactionStart, now_ms: i64) -> VerificationGuard {
        let is_new = !self.by_producer.contains_key(&start.producer_id);
        if is_new && self.by_producer.len() == VERIFICATIONS_MAX {
            self.drop_oldest();
        }
        let entry = self
            .by_producer
            .entry(start.producer_id)
            .or_insert_with(|| Verification {
                guard: VerificationGuard(GUARDS.fetch_add(1, Ordering::Relaxed)),
                started_ms: now_ms,
                epoch: start.producer_epoch,
                lowest_sequence: start.base_sequence,
                is_v2: start.is_v2,
            });
        if entry.epoch < start.producer_epoch {
            entry.epoch = start.producer_epoch;
            entry.lowest_sequence = start.base_sequence;
        } else if entry.epoch == start.producer_epoch {
            entry.lowest_sequence = entry.lowest_sequence.min(start.base_sequence);
        }
        entry.guard
    }

    fn drop_oldest(&mut self) {
        let oldest = self
            .by_producer
            .iter()
            .min_by_key(|(id, entry)| (entry.started_ms, **id))
            .map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.by_producer.remove(&id);
        }
    }

    /// The producer's verification.
    pub(crate) fn get(&self, producer_id: i64) -> Option<&Verification> {
        self.by_producer.get(&producer_id)
    }

    /// Whether `guard` is the one of the producer's verification.
    pub(crate) fn is_verified(&self, producer_id: i64, guard: Option<VerificationGuard>) -> bool {
        let known = self.get(producer_id).map(|entry| entry.guard);
        known.is_some() && known == guard
    }

    /// A transactional batch or marker was appended: the transaction is open, which is proof
    /// enough, or it has ended. With transactions v2 the marker carries the epoch of the next
    /// transaction, whose verification may be under way and goes on.
    pub(crate) fn on_appended(&mut self, header: &BatchHeader) {
        let Some(entry) = self.get(header.producer_id) else {
            return;
        };
        let is_for_next =
            entry.is_v2 && header.attributes.is_control() && header.producer_epoch == entry.epoch;
        if !is_for_next {
            self.by_producer.remove(&header.producer_id);
        }
    }

    /// Forgets verifications that began `expiration_ms` ago.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.by_producer
            .retain(|_, entry| now_ms.saturating_sub(entry.started_ms) < expiration_ms);
    }
}
