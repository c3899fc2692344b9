//! Moves the recovery points of logs that were written to and then left alone to their ends, so
//! that an unclean open has nothing to walk there. Done by the background work after each
//! checkpoint interval, for a share of its time only. What busy logs do by themselves is in
//! `log::advance_recovery_point`.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::LogManager;
use crate::checkpoint::OffsetCheckpoint;
use crate::io::Disk;
use crate::log::{PartitionLog, ReachedRecoveryPoint};

/// Time a run of the background work may take for this; it runs about once a second.
const RUN_TIME_MAX: Duration = Duration::from_millis(100);

/// The logs that are still to do.
#[derive(Debug)]
pub(super) struct Settling<D: Disk> {
    waiting: VecDeque<Weak<PartitionLog<D>>>,
    /// Done, but not in a checkpoint.
    reached: Vec<(Arc<PartitionLog<D>>, ReachedRecoveryPoint)>,
}

impl<D: Disk> Default for Settling<D> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            reached: Vec::new(),
        }
    }
}

impl<D: Disk> LogManager<D> {
    /// Chooses the logs with enough above their recovery point, unless the last choice is not done.
    pub(super) fn begin_settling(&self, settling: &mut Settling<D>) {
        if !settling.waiting.is_empty() {
            return;
        }
        let logs = self.logs();
        let chosen = logs.iter().filter(|log| log.is_worth_settling());
        settling.waiting = chosen.map(Arc::downgrade).collect();
    }

    /// Goes on with the chosen logs for a while; after the last one the checkpoints are written.
    pub(super) fn settle(&self, settling: &mut Settling<D>) {
        let started = self.clock.monotonic();
        while let Some(log) = settling.waiting.pop_front() {
            if let Some(log) = log.upgrade()
                && let Some(reached) = log.settle_recovery_point()
            {
                settling.reached.push((log, reached));
            }
            if RUN_TIME_MAX <= self.clock.monotonic().saturating_sub(started) {
                return;
            }
        }
        if settling.reached.is_empty() {
            return;
        }
        let reached = std::mem::take(&mut settling.reached);
        for dir in &self.dirs.dirs {
            // A failure took the dir offline and was logged.
            if self
                .write_checkpoint(dir, OffsetCheckpoint::RecoveryPoint)
                .is_ok()
            {
                for (log, reached) in &reached {
                    if Arc::ptr_eq(&log.health, &dir.health) {
                        log.on_checkpointed(*reached);
                    }
                }
            }
        }
    }
}
