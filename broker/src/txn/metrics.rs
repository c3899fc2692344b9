//! Counters of the transaction coordinator.

use std::fmt;

use crate::metrics::Counter;

/// What the transaction coordinator has done so far.
#[derive(Debug, Default)]
pub(crate) struct TxnMetrics {
    /// Transactions committed: decided, on disk.
    pub(crate) committed: Counter,
    /// Transactions aborted: by their producer, because another one took over, or timed out.
    pub(crate) aborted: Counter,
    /// Transactions that took too long; an abort of each follows.
    pub(crate) timed_out: Counter,
    /// Batches appended to `__transaction_state`.
    pub(crate) batches: Counter,
    /// Records in them.
    pub(crate) records: Counter,
    /// Appends that failed.
    pub(crate) append_failures: Counter,
    /// Markers written.
    pub(crate) markers: Counter,
    /// Markers whose partition is gone.
    pub(crate) markers_dropped: Counter,
    /// Markers that had to be tried again.
    pub(crate) marker_retries: Counter,
    /// Transactions whose markers a newer coordinator or producer has refused.
    pub(crate) markers_fenced: Counter,
    /// Requests turned away because of the limits on memory.
    pub(crate) turned_away: Counter,
    /// Transactional ids forgotten because nobody used them.
    pub(crate) ids_expired: Counter,
}

impl fmt::Display for TxnMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("committed", &self.committed),
            ("aborted", &self.aborted),
            ("timed out", &self.timed_out),
            ("batches", &self.batches),
            ("records", &self.records),
            ("failed appends", &self.append_failures),
            ("markers", &self.markers),
            ("markers dropped", &self.markers_dropped),
            ("marker retries", &self.marker_retries),
            ("markers fenced", &self.markers_fenced),
            ("turned away", &self.turned_away),
            ("ids expired", &self.ids_expired),
        ];
        let counts = counts.map(|(name, count)| format!("{} {name}", count.value()));
        f.write_str(&counts.join(", "))
    }
}
