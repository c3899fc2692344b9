//! Which batches of an answer belong to aborted transactions: the consumer's half of
//! `read_committed`. The broker lists the aborted transactions of an answer, by producer and first
//! offset; each ends at its marker in the log.

use ringbrook_protocol::messages::fetch_response::AbortedTransaction;
use ringbrook_record::{Batch, BatchHeader, ControlRecordType, Records};

/// The aborted transactions of one answer, while its batches are passed in order.
#[derive(Debug, Default)]
pub(super) struct AbortedTransactions {
    /// First offset and producer id, the last one first.
    ahead: Vec<(i64, i64)>,
    /// Producers whose transaction here is aborted.
    open: Vec<i64>,
}

impl AbortedTransactions {
    pub(super) fn new(listed: Option<Vec<AbortedTransaction>>) -> Self {
        let listed = listed.unwrap_or_default().into_iter();
        let mut ahead: Vec<_> = listed
            .map(|it| (it.first_offset, it.producer_id.0))
            .collect();
        ahead.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            ahead,
            open: Vec::new(),
        }
    }

    /// Passes a batch; says whether it belongs to an aborted transaction.
    pub(super) fn is_aborted(&mut self, batch: &Batch<'_>) -> bool {
        let header = &batch.header;
        if !header.has_producer_id() {
            return false;
        }
        self.open_up_to(header.last_offset());
        let opened = self.open.iter().position(|it| *it == header.producer_id);
        let Some(opened) = opened else {
            return false;
        };
        if header.attributes.is_control() {
            if is_abort_marker(batch) {
                self.open.swap_remove(opened);
            }
            return false;
        }
        header.attributes.is_transactional()
    }

    fn open_up_to(&mut self, offset: i64) {
        while let Some((_, producer_id)) = self.ahead.pop_if(|(first, _)| *first <= offset) {
            if !self.open.contains(&producer_id) {
                self.open.push(producer_id);
            }
        }
    }
}

/// Control batches are never compressed; what cannot be read is no marker.
fn is_abort_marker(batch: &Batch<'_>) -> bool {
    let BatchHeader { records_count, .. } = batch.header;
    let first = Records::new(batch.payload(), records_count)
        .ok()
        .and_then(|mut records| records.next()?.ok());
    let key = first.and_then(|record| record.key).unwrap_or_default();
    matches!(ControlRecordType::parse(key), Ok(ControlRecordType::Abort))
}
