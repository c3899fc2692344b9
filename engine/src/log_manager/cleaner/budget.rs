//! How many bytes a second the cleaner may read and write, all threads together. Pure: told the
//! time, it says how long to wait. (Kafka `Throttler` under `log.cleaner.io.max.bytes.per.second`.)

use std::time::Duration;

/// Unused time that may be made up for: longer pauses are lost.
const SAVED_MAX: Duration = Duration::from_millis(300);
/// The longest wait that is asked for at once, whatever the rate.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Bytes against time.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_per_s: f64,
    /// When what was spent so far is paid for.
    paid_at: Duration,
}

impl Budget {
    /// A budget of so many bytes a second; without a finite, positive number there is no limit.
    pub(crate) fn new(bytes_per_s: f64) -> Self {
        Self {
            bytes_per_s,
            paid_at: Duration::ZERO,
        }
    }

    /// Spends `bytes` at the time `now`, and returns how long to wait before going on.
    pub(crate) fn spend(&mut self, bytes: u64, now: Duration) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a part of a second needs no 64 bits"
        )]
        let seconds = bytes as f64 / self.bytes_per_s;
        let Ok(cost) = Duration::try_from_secs_f64(seconds) else {
            return Duration::ZERO;
        };
        let from = self.paid_at.max(now.saturating_sub(SAVED_MAX));
        self.paid_at = from.saturating_add(cost).min(now.saturating_add(WAIT_MAX));
        self.paid_at.saturating_sub(now)
    }
}
