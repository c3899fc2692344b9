//! One partition's log. `partition_log` holds the state; the other files are what can be done with
//! it, in the order a record meets them.

mod partition_log;

mod aborted;
mod advance_recovery_point;
mod append;
mod batch_queue;
mod close;
mod cold_read;
mod drain;
mod files;
mod handover;
mod leader_epoch;
mod leftovers;
mod load_segment;
mod offsets;
mod open;
mod producer_entry;
mod producer_snapshot;
mod producer_state;
mod read;
mod rebuild;
mod recent_batches;
mod recovery_mark;
mod replace;
mod resume_segment;
mod retention;
mod scans;
mod split_segment;
mod timestamps;
mod truncate;
mod validate;
mod verification;
mod write_sharing;
mod zero_ahead;

pub(crate) use advance_recovery_point::ReachedRecoveryPoint;
pub use append::{AppendContext, Appended};
pub use drain::Drain;
pub(crate) use handover::create_future_log;
pub use leader_epoch::EpochEndOffset;
pub use offsets::LogOffsets;
pub(crate) use open::{LogOpener, OpenHints, OpenReport, create_log};
pub(crate) use partition_log::LogIdentity;
pub use partition_log::{ActiveProducer, LogListener, PartitionLog};
pub use producer_state::Origin;
pub use read::{FileRegion, LogSlice};
pub use timestamps::TimestampAndOffset;
pub use verification::{TransactionStart, VerificationGuard};

#[cfg(test)]
mod tests;
