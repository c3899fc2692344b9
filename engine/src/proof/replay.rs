//! Producer state and aborted transactions worked out from batch headers alone, on another path
//! than the engine's: a plain map and no snapshots. Pure.

use std::collections::BTreeMap;

use ringbrook_record::{BatchHeader, EndTransactionMarker};

use super::ledger::Sent;
use crate::index::AbortedTransaction;
use crate::log::ActiveProducer;

/// What a producer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    pub(crate) last_sequence: i32,
    pub(crate) last_timestamp_ms: i64,
    pub(crate) coordinator_epoch: i32,
    pub(crate) txn_first_offset: Option<i64>,
    /// Base offset of its newest data batch.
    pub(crate) last_data_offset: i64,
    /// Base offset of its newest marker.
    pub(crate) last_marker_offset: i64,
    /// Base offset of its newest batch of any kind.
    pub(crate) last_offset: i64,
}

impl Producer {
    /// Whether the engine says the same.
    pub(crate) fn is_like(&self, other: &ActiveProducer) -> bool {
        self.epoch == other.producer_epoch
            && self.last_sequence == other.last_sequence
            && self.last_timestamp_ms == other.last_timestamp_ms
            && self.coordinator_epoch == other.coordinator_epoch
            && self.txn_first_offset == other.txn_start_offset
    }
}

/// All producers of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay {
    pub(crate) producers: BTreeMap<i64, Producer>,
    /// In the order of their markers.
    pub(crate) aborted: Vec<AbortedTransaction>,
}

impl Replay {
    /// The state after these batches.
    pub(crate) fn of(sent: &[Sent]) -> Self {
        let mut replay = Self::default();
        for sent in sent {
            replay.apply(&sent.header, sent.marker.as_ref());
        }
        replay
    }

    /// Takes the next batch into account.
    pub(crate) fn apply(&mut self, header: &BatchHeader, marker: Option<&EndTransactionMarker>) {
        if !header.has_producer_id() || (header.attributes.is_control() && marker.is_none()) {
            return;
        }
        let producer = self
            .producers
            .entry(header.producer_id)
            .or_insert(Producer {
                epoch: header.producer_epoch,
                last_sequence: -1,
                last_timestamp_ms: -1,
                coordinator_epoch: -1,
                txn_first_offset: None,
                last_data_offset: -1,
                last_marker_offset: -1,
                last_offset: -1,
            });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.last_sequence = -1;
        }
        producer.last_timestamp_ms = header.max_timestamp;
        producer.last_offset = header.base_offset;
        let Some(marker) = marker else {
            producer.last_sequence = header.last_sequence();
            producer.last_data_offset = header.base_offset;
            if header.attributes.is_transactional() {
                producer.txn_first_offset.get_or_insert(header.base_offset);
            }
            return;
        };
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_marker_offset = header.base_offset;
        let ended = producer.txn_first_offset.take();
        if let Some(first_offset) = ended.filter(|_| !marker.is_commit) {
            let last_offset = header.last_offset();
            self.aborted.push(AbortedTransaction {
                producer_id: header.producer_id,
                first_offset,
                last_offset,
                last_stable_offset: self.first_open().unwrap_or(last_offset + 1),
            });
        }
    }

    /// Goes on from what the engine knows, where it may know less.
    pub(crate) fn adopt(&mut self, known: &[ActiveProducer]) {
        self.producers.retain(|id, producer| {
            let found = known.iter().find(|found| found.producer_id == *id);
            if let Some(found) = found {
                producer.last_sequence = found.last_sequence;
                producer.last_timestamp_ms = found.last_timestamp_ms;
                producer.coordinator_epoch = found.coordinator_epoch;
                producer.epoch = found.producer_epoch;
                producer.txn_first_offset = found.txn_start_offset;
            }
            found.is_some()
        });
    }

    /// First offset of the oldest open transaction.
    pub(crate) fn first_open(&self) -> Option<i64> {
        self.producers
            .values()
            .filter_map(|producer| producer.txn_first_offset)
            .min()
    }
}
