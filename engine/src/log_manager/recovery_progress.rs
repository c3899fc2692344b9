//! Tells the log how far the recovery after an unclean shutdown is: how much there is to check
//! before it begins, then every few seconds what is done and how long the rest may take. Little
//! work is told in one line at its end. Shared by the threads that open one log dir.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// Less than this is not announced.
const QUIET_BYTES: u64 = 256 << 20;
/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(5);
/// What a disk of today gives at least; used for the estimate before anything is measured.
const ASSUMED_BYTES_PER_S: u64 = 200 << 20;
const MIB: u64 = 1 << 20;

/// The progress of one log dir.
pub(super) struct RecoveryProgress<'a> {
    clock: &'a dyn Clock,
    dir: PathBuf,
    logs: usize,
    /// Bytes above the recovery points, as far as the files' sizes tell.
    bytes: u64,
    started: Duration,
    logs_done: AtomicUsize,
    bytes_done: AtomicU64,
    /// Milliseconds after the start at which the next line is due.
    next_line_ms: AtomicU64,
}

/// What a line tells.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    logs_done: usize,
    mib_done: u64,
    mib_per_s: u64,
    /// Rounded up.
    seconds_left: u64,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl<'a> RecoveryProgress<'a> {
    /// Begins; says what is to be done, if it is much.
    pub(super) fn start(clock: &'a dyn Clock, dir: &Path, logs: usize, bytes: u64) -> Self {
        if QUIET_BYTES <= bytes {
            tracing::info!(
                dir = %dir.display(),
                logs,
                mib = bytes / MIB,
                estimated_seconds = bytes.div_ceil(ASSUMED_BYTES_PER_S),
                "no clean shutdown: what is above the recovery points is checked"
            );
        }
        Self {
            clock,
            dir: dir.to_owned(),
            logs,
            bytes,
            started: clock.monotonic(),
            logs_done: AtomicUsize::new(0),
            bytes_done: AtomicU64::new(0),
            next_line_ms: AtomicU64::new(millis(INTERVAL)),
        }
    }

    /// So many more bytes were checked.
    pub(super) fn add_bytes(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        self.tell_if_due();
    }

    /// One more log is open.
    pub(super) fn add_log(&self) {
        self.logs_done.fetch_add(1, Ordering::Relaxed);
        self.tell_if_due();
    }

    fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }

    fn tell_if_due(&self) {
        let elapsed = self.elapsed();
        let due_ms = self.next_line_ms.load(Ordering::Relaxed);
        if millis(elapsed) < due_ms {
            return;
        }
        let next_ms = millis(elapsed + INTERVAL);
        let is_mine = self.next_line_ms.compare_exchange(
            due_ms,
            next_ms,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if is_mine.is_err() {
            return;
        }
        let standing = self.standing(elapsed);
        tracing::info!(
            dir = %self.dir.display(),
            logs_done = standing.logs_done,
            logs = self.logs,
            mib_done = standing.mib_done,
            mib = self.bytes / MIB,
            mib_per_s = standing.mib_per_s,
            seconds_left = standing.seconds_left,
            "logs are being recovered"
        );
    }

    fn standing(&self, elapsed: Duration) -> Standing {
        let bytes_done = self.bytes_done.load(Ordering::Relaxed);
        let logs_done = self.logs_done.load(Ordering::Relaxed);
        let elapsed_ms = millis(elapsed).max(1);
        let (done, left) = if bytes_done < self.bytes {
            (bytes_done, self.bytes - bytes_done)
        } else {
            // Nothing is walked any more, or the files were larger than they seemed.
            (logs_done as u64, self.logs.saturating_sub(logs_done) as u64)
        };
        let left_ms = u128::from(left) * u128::from(elapsed_ms) / u128::from(done.max(1));
        Standing {
            logs_done,
            mib_done: bytes_done / MIB,
            mib_per_s: bytes_done.saturating_mul(1000) / elapsed_ms / MIB,
            seconds_left: u64::try_from(left_ms.div_ceil(1000)).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn the_rest_is_estimated_from_what_is_done() {
        let clock = ManualClock::new(0);
        let progress = RecoveryProgress::start(&clock, Path::new("/d"), 10, 1000 * MIB);
        clock.advance(Duration::from_secs(4));
        progress.add_bytes(200 * MIB);
        progress.add_log();
        let expected = Standing {
            logs_done: 1,
            mib_done: 200,
            mib_per_s: 50,
            seconds_left: 16,
        };
        assert_eq!(progress.standing(progress.elapsed()), expected);
    }

    #[test]
    fn without_bytes_to_walk_the_logs_count() {
        let clock = ManualClock::new(0);
        let progress = RecoveryProgress::start(&clock, Path::new("/d"), 10, 0);
        clock.advance(Duration::from_secs(8));
        (0..4).for_each(|_| progress.add_log());
        assert_eq!(progress.standing(progress.elapsed()).seconds_left, 12);
    }

    #[test]
    fn a_line_is_due_once_an_interval() {
        let clock = ManualClock::new(0);
        let progress = RecoveryProgress::start(&clock, Path::new("/d"), 10, MIB);
        progress.add_log();
        assert_eq!(progress.next_line_ms.load(Ordering::Relaxed), 5000);
        clock.advance(Duration::from_secs(6));
        progress.add_log();
        progress.add_log();
        assert_eq!(progress.next_line_ms.load(Ordering::Relaxed), 11_000);
    }
}
