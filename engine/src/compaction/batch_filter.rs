//! Decides what a batch becomes in the new segment: nothing, the same, another batch, an empty one.
//! Pure but for the memory it reuses; used by a round's second pass.

use ringbrook_record::{
    Batch, BatchHeader, BatchRewriter, HEADER_BYTES, NewHorizon, RecordBuffer, RecordError,
    Rewritten, empty_batch,
};

use super::cleaned_transactions::{CleanedTransactions, ControlKind};
use super::retain_rules::RetainRules;
use crate::index::AbortedTransaction;

/// Decompressed bytes of one batch, as much as an append lets through.
pub(super) const RECORDS_BYTES_MAX: usize = 1 << 30;

/// What a batch becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    Dropped,
    /// Its bytes stand.
    Kept,
    Changed {
        header: BatchHeader,
        bytes: &'a [u8],
    },
}

/// A batch that passed the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filtered<'a> {
    pub(super) outcome: Outcome<'a>,
    /// Goes into the transaction index of the segment the batch goes to.
    pub(super) aborted: Option<AbortedTransaction>,
}

/// The filter of one round; batches must come in their order.
pub(super) struct BatchFilter<'a> {
    rules: RetainRules<'a>,
    pub(super) transactions: CleanedTransactions,
    horizon_ms: i64,
    rewriter: BatchRewriter,
    control: RecordBuffer,
    empty: [u8; HEADER_BYTES],
}

impl<'a> BatchFilter<'a> {
    /// A filter whose batches get a delete horizon `delete_retention_ms` from now.
    pub(super) fn new(rules: RetainRules<'a>, delete_retention_ms: i64) -> Self {
        Self {
            horizon_ms: rules.now_ms.saturating_add(delete_retention_ms),
            rules,
            transactions: CleanedTransactions::default(),
            rewriter: BatchRewriter::new(),
            control: RecordBuffer::new(),
            empty: [0; HEADER_BYTES],
        }
    }

    /// Passes a batch whose CRC was verified.
    ///
    /// # Errors
    /// When its records cannot be decoded or written anew.
    pub(super) fn pass(&mut self, batch: &Batch<'_>) -> Result<Filtered<'_>, RecordError> {
        let header = &batch.header;
        let (is_discardable, aborted) = if header.attributes.is_control() {
            let kind = ControlKind::of(batch, &mut self.control)?;
            let verdict = self.transactions.on_control(header, kind);
            (verdict.is_discardable, verdict.aborted)
        } else {
            (self.transactions.on_data(header), None)
        };
        let plan = self.rules.plan(header, is_discardable);
        let rewritten = if plan.drops_records {
            Rewritten::Emptied
        } else if !header.attributes.is_control() && self.rules.is_past_map(header) {
            Rewritten::Unchanged
        } else {
            let rules = &self.rules;
            let horizon = NewHorizon {
                time_ms: self.horizon_ms,
                is_due: plan.is_horizon_due,
            };
            self.rewriter
                .rewrite(batch, horizon, RECORDS_BYTES_MAX, |record| {
                    header.attributes.is_control() || rules.keeps(header, record)
                })?
        };
        let outcome = match rewritten {
            Rewritten::Unchanged => Outcome::Kept,
            Rewritten::Changed { header, bytes } => Outcome::Changed { header, bytes },
            Rewritten::Emptied if plan.stays_empty => {
                let (header, bytes) = empty_batch(header);
                if bytes == batch.bytes {
                    Outcome::Kept
                } else {
                    self.empty = bytes;
                    Outcome::Changed {
                        header,
                        bytes: &self.empty,
                    }
                }
            }
            Rewritten::Emptied => Outcome::Dropped,
        };
        Ok(Filtered { outcome, aborted })
    }
}

#[cfg(test)]
mod tests;
