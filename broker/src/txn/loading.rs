//! Reads the transactional ids of a partition of `__transaction_state` back: later records of an
//! id replace earlier ones, tombstones remove. Records are fed in the order of the log.

use std::sync::Arc;

use hashbrown::HashMap;

use super::metadata::TransactionMetadata;
use super::schema::{RecordKey, decode_value};
use super::state::TransactionState;
use crate::coordinator::{LoadedEntry, SchemaError};

/// What a load found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// Records read.
    pub records: u64,
    /// Transactional ids there are now.
    pub ids: usize,
    /// Transactions that were decided and whose markers are due.
    pub prepared: usize,
    /// Records of types this broker does not know.
    pub unknown: u64,
    /// Records that could not be decoded.
    pub damaged: u64,
}

/// An id as of its last record.
pub(crate) struct LoadedId {
    pub(crate) metadata: TransactionMetadata,
    /// Bytes of key and value.
    pub(crate) size_bytes: usize,
}

/// Collects the records of a partition.
#[derive(Default)]
pub(crate) struct Loader {
    ids: HashMap<Arc<str>, LoadedId>,
    summary: LoadSummary,
}

impl Loader {
    /// Takes one entry. Records that are unknown or damaged are counted and skipped: their ids
    /// remain as they were before.
    pub(crate) fn visit(&mut self, entry: LoadedEntry<'_>) {
        // Transactions are not written to this topic, so it has no markers.
        let LoadedEntry::Record {
            offset, key, value, ..
        } = entry
        else {
            return;
        };
        self.summary.records += 1;
        if let Err(error) = self.take(key.unwrap_or_default(), value) {
            self.summary.damaged += 1;
            tracing::warn!(offset, %error, "skipping a damaged record");
        }
    }

    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), SchemaError> {
        let RecordKey::TransactionalId(id) = RecordKey::decode(key)? else {
            self.summary.unknown += 1;
            return Ok(());
        };
        let Some(value) = value else {
            self.ids.remove(&id);
            return Ok(());
        };
        let metadata = decode_value(value)?;
        let size_bytes = key.len() + value.len();
        let state = metadata.state;
        let is_stored = !matches!(
            state,
            TransactionState::Dead | TransactionState::PrepareEpochFence
        );
        if !is_stored || metadata.producer_epoch < 0 {
            return Err(SchemaError::InvalidValue {
                field: "stored transaction state",
                value: state.id().into(),
            });
        }
        let loaded = LoadedId {
            metadata,
            size_bytes,
        };
        self.ids.insert(id, loaded);
        Ok(())
    }

    /// The ids that were read.
    pub(crate) fn finish(self) -> (HashMap<Arc<str>, LoadedId>, LoadSummary) {
        let prepared = self.ids.values();
        let prepared = prepared.filter(|id| id.metadata.state.is_prepared());
        let summary = LoadSummary {
            ids: self.ids.len(),
            prepared: prepared.count(),
            ..self.summary
        };
        (self.ids, summary)
    }
}
