//! The pace of a round: not faster than the budget, and behind those who produce. Between two
//! buffers the cleaner looks at the dir's write gauge. While drains are under way it waits: some
//! milliseconds when they come and go, longer when none ends, for then the disk is what they wait
//! for. The wait has an end, so that under load without pause a round goes on slowly instead of
//! never: `BUSY_MAX` and `STALLED_MAX` a buffer of 256 KiB are 64 MB/s and 5 MB/s.

use std::time::Duration;

use super::progress::CleanerProgress;
use crate::clock::Clock;
use crate::compaction::{Pace, Stopped};
use crate::io::Disk;
use crate::log::PartitionLog;

/// Between two looks at the gauge.
const STEP: Duration = Duration::from_millis(1);
/// Looks while drains come and go.
const BUSY_STEPS_MAX: u32 = 4;
/// Looks while no drain ends.
const STALLED_STEPS_MAX: u32 = 50;

/// The pace of one round.
pub(super) struct CleanerPace<'a, D: Disk> {
    pub(super) log: &'a PartitionLog<D>,
    pub(super) progress: &'a CleanerProgress,
    pub(super) clock: &'a dyn Clock,
    /// Bytes to read at once.
    pub(super) read_bytes: usize,
}

impl<D: Disk> CleanerPace<'_, D> {
    fn check(&self) -> Result<(), Stopped> {
        let log = self.log;
        let must_end = self.progress.is_stopping()
            || log.is_deleted()
            || log.is_closed()
            || log.is_offline()
            || !log.config().cleanup_policy.compact;
        if must_end { Err(Stopped) } else { Ok(()) }
    }

    fn stand_back(&self) {
        let writes = self.log.health.writes();
        let before = writes.activity();
        let mut steps = 0;
        loop {
            let now = writes.activity();
            let steps_max = if before.ended == now.ended {
                STALLED_STEPS_MAX
            } else {
                BUSY_STEPS_MAX
            };
            if now.in_flight == 0 || steps_max <= steps || self.progress.is_stopping() {
                return;
            }
            self.progress.wait(STEP);
            steps += 1;
        }
    }
}

impl<D: Disk> Pace for CleanerPace<'_, D> {
    fn spend(&self, bytes: u64) -> Result<(), Stopped> {
        self.check()?;
        let pause = self.progress.spend(bytes, self.clock.monotonic());
        if !pause.is_zero() {
            self.progress.wait(pause);
        }
        self.stand_back();
        self.check()
    }

    fn read_bytes(&self) -> usize {
        self.read_bytes
    }
}
