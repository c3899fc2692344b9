//! The three indices of a segment: offset to position, timestamp to offset, aborted transactions.
//! Each can be deleted and rebuilt from the `.log` (L3). Not the policy of when an entry is made:
//! that is `segment::tail`.

mod offset_index;
mod sparse_index;
mod time_index;
mod txn_index;

pub(crate) use offset_index::OffsetEntry;
pub(crate) use sparse_index::{IndexEntry, Lookup, Neighbours, SparseIndex};
pub(crate) use time_index::TimeEntry;
pub use txn_index::AbortedTransaction;
pub(crate) use txn_index::TxnIndex;

#[cfg(test)]
mod tests;
