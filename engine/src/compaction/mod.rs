//! Log compaction: of each key only the last record is kept. One round takes a part of one log that
//! was not cleaned yet, notes the last offset of each of its keys, and writes the segments before
//! and in it anew without the records that are superseded. (Kafka `Cleaner`; KIP-58, KIP-354,
//! KIP-534.)
//!
//! In the order of a round: `cleanability` says what can be cleaned, `map_builder` fills the
//! [`OffsetMap`] from `batch_reader`, `segment_groups` decides which segments become one, and
//! `round` passes every batch through `batch_filter`, which asks the `retain_rules` and
//! `cleaned_transactions`, into the segments that take the old ones' place. When a round runs, how
//! fast, and what is checkpointed after it is the log manager's cleaner's part.

mod batch_filter;
mod batch_reader;
mod clean_error;
mod cleanability;
mod cleaned_transactions;
mod map_builder;
mod offset_map;
mod retain_rules;
mod round;
mod segment_groups;

#[cfg(test)]
pub(crate) use clean_error::CleanProblem;
pub(crate) use clean_error::{CleanError, Stopped};
pub(crate) use cleanability::Cleanability;
pub use offset_map::OffsetMap;
pub(crate) use round::{CleanReport, Pace};
