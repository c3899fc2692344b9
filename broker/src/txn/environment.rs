//! What the coordinator needs from outside, and what its partitions share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ringbrook_engine::Clock;

use super::config::TxnConfig;
use super::marker::MarkerWriter;
use super::metrics::TxnMetrics;
use super::producer_ids::ProducerIds;
use crate::coordinator::CoordinatorLog;

/// The cluster's version of the transaction protocol: the finalized level of the feature
/// `transaction.version`.
pub trait TransactionVersion: Send + Sync + 'static {
    /// 0, 1 or 2; what holds now.
    fn finalized(&self) -> i16;
}

/// What the coordinator needs from outside; `server` provides it.
pub struct TxnParts {
    /// The partitions of `__transaction_state`.
    pub log: Arc<dyn CoordinatorLog>,
    /// The partitions that transactions write to.
    pub markers: Arc<dyn MarkerWriter>,
    /// New producer ids.
    pub producer_ids: Arc<dyn ProducerIds>,
    /// The version of the protocol.
    pub version: Arc<dyn TransactionVersion>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for TxnParts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TxnParts").finish_non_exhaustive()
    }
}

/// What all partitions of the coordinator share.
pub(crate) struct Environment {
    pub(crate) parts: TxnParts,
    pub(crate) config: TxnConfig,
    pub(crate) metrics: TxnMetrics,
    /// Bytes of the last records of all transactional ids.
    state_bytes: AtomicUsize,
}

impl Environment {
    pub(crate) fn new(config: TxnConfig, parts: TxnParts) -> Self {
        Self {
            parts,
            config,
            metrics: TxnMetrics::default(),
            state_bytes: AtomicUsize::new(0),
        }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        self.parts.clock.now_ms()
    }

    /// The cluster's version of the transaction protocol.
    pub(crate) fn version(&self) -> i16 {
        self.parts.version.finalized()
    }

    /// Bytes of the last records of all transactional ids.
    pub(crate) fn state_bytes(&self) -> usize {
        self.state_bytes.load(Ordering::Relaxed)
    }

    /// Counts that the records of an id have grown or shrunk.
    pub(crate) fn count_state(&self, before_bytes: usize, now_bytes: usize) {
        if before_bytes <= now_bytes {
            let grown = now_bytes - before_bytes;
            self.state_bytes.fetch_add(grown, Ordering::Relaxed);
        } else {
            let shrunk = before_bytes - now_bytes;
            self.state_bytes.fetch_sub(shrunk, Ordering::Relaxed);
        }
    }
}
