//! Follows the transactions of a pass over a log: which data belongs to an aborted one, and which
//! markers nothing refers to any more. Pure. (Kafka `CleanedTransactionMetadata`.)

use std::collections::{BTreeMap, HashMap, HashSet};

use ringbrook_record::{Batch, BatchHeader, ControlRecordType, RecordBuffer, RecordError};

use crate::index::AbortedTransaction;

/// Decompressed bytes of a control batch that are looked at.
const CONTROL_BYTES_MAX: usize = 1 << 20;

/// What a control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ControlKind {
    Commit,
    Abort,
    /// Its record was dropped by an earlier round.
    Empty,
    /// Nothing about transactions.
    Other,
}

impl ControlKind {
    /// Reads a control batch.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub(super) fn of(batch: &Batch<'_>, buffer: &mut RecordBuffer) -> Result<Self, RecordError> {
        let Some(record) = batch.records(buffer, CONTROL_BYTES_MAX)?.next() else {
            return Ok(Self::Empty);
        };
        let kind = ControlRecordType::parse(record?.key.unwrap_or_default())?;
        Ok(match kind {
            ControlRecordType::Commit => Self::Commit,
            ControlRecordType::Abort => Self::Abort,
            ControlRecordType::Other(_) => Self::Other,
        })
    }
}

/// What becomes of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MarkerVerdict {
    /// No batch of its transaction is left, so it may go once its delete horizon has passed.
    pub(super) is_discardable: bool,
    /// The entry for the new transaction index: batches of the transaction were seen.
    pub(super) aborted: Option<AbortedTransaction>,
}

/// The transactions met so far.
#[derive(Debug, Default)]
pub(super) struct CleanedTransactions {
    /// Aborted transactions that did not begin yet, by first and last offset.
    ahead: BTreeMap<(i64, i64), AbortedTransaction>,
    /// The aborted transactions under way, by producer; whether a batch of them was seen.
    aborted: HashMap<i64, (AbortedTransaction, bool)>,
    /// Producers of which data was seen since their last marker.
    committed: HashSet<i64>,
}

impl CleanedTransactions {
    /// Adds aborted transactions; those that were added before do no harm.
    pub(super) fn add_aborted(&mut self, aborted: Vec<AbortedTransaction>) {
        for transaction in aborted {
            let key = (transaction.first_offset, transaction.last_offset);
            self.ahead.insert(key, transaction);
        }
    }

    /// The next batch of the pass is one with data. Returns whether it belongs to an aborted
    /// transaction.
    pub(super) fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.begin_aborted(header);
        if !header.attributes.is_transactional() {
            return false;
        }
        if let Some((_, has_data)) = self.aborted.get_mut(&header.producer_id) {
            *has_data = true;
            return true;
        }
        self.committed.insert(header.producer_id);
        false
    }

    /// The next batch of the pass is a control batch.
    pub(super) fn on_control(&mut self, header: &BatchHeader, kind: ControlKind) -> MarkerVerdict {
        self.begin_aborted(header);
        let mut verdict = MarkerVerdict {
            is_discardable: kind != ControlKind::Other,
            aborted: None,
        };
        match kind {
            ControlKind::Commit => {
                verdict.is_discardable = !self.committed.remove(&header.producer_id);
            }
            ControlKind::Abort => {
                if let Some((aborted, true)) = self.aborted.remove(&header.producer_id) {
                    verdict.is_discardable = false;
                    // Another offset: the index does not fit the log, and says nothing of this.
                    verdict.aborted =
                        (aborted.last_offset == header.last_offset()).then_some(aborted);
                }
            }
            ControlKind::Empty | ControlKind::Other => {}
        }
        verdict
    }

    /// Begins the aborted transactions whose first offset the pass has reached. One whose marker is
    /// behind the pass already, which is so in a damaged log only, makes room for the next one of
    /// its producer.
    fn begin_aborted(&mut self, header: &BatchHeader) {
        let reached = header.last_offset();
        while let Some(entry) = self.ahead.first_entry() {
            if reached < entry.get().first_offset {
                return;
            }
            let transaction = entry.remove();
            let under_way = self
                .aborted
                .entry(transaction.producer_id)
                .or_insert((transaction, false));
            if under_way.0.last_offset < header.base_offset {
                *under_way = (transaction, false);
            }
        }
    }
}

#[cfg(test)]
mod tests;
