//! Growing pauses between attempts (KIP-580).

use std::time::Duration;

use crate::config::ClientConfig;

/// Pauses that double from a first to a longest one, each up to a fifth longer or shorter but never
/// over the longest, so that clients that failed together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// From `first` to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest: longest.max(first),
            failures: 0,
        }
    }

    /// By `retry.backoff.ms` and `retry.backoff.max.ms`.
    #[must_use]
    pub fn of_retries(config: &ClientConfig) -> Self {
        Self::new(config.retry_backoff, config.retry_backoff_max)
    }

    /// The next pause.
    pub fn next_pause(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let jittered = doubled
            .min(self.longest)
            .mul_f64(fastrand::f64() * 0.4 + 0.8);
        jittered.min(self.longest)
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for expected_ms in [100, 200, 400, 800, 1_000, 1_000] {
            let expected = Duration::from_millis(expected_ms);
            let pause = backoff.next_pause();
            assert!(expected.mul_f64(0.79) <= pause && pause <= expected.mul_f64(1.21));
            assert!(pause <= Duration::from_secs(1));
        }
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(121));
    }
}
