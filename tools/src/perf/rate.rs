//! Sending at a given rate (Kafka's `ThroughputThrottler`).

use std::time::Duration;

use tokio::time::Instant;

/// Shorter pauses are collected until they are worth one.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// Keeps the number of things sent per second near a target.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    begun: Instant,
    /// The pause that follows from one thing.
    step: Duration,
    owed: Duration,
}

impl Rate {
    /// So many a second from now on; any number if negative, none at all after the first if 0.
    pub(crate) fn new(per_second: f64) -> Self {
        let step = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        Self {
            per_second,
            begun: Instant::now(),
            step,
            owed: Duration::ZERO,
        }
    }

    /// Waits if more than the target was sent, `count` things before the latest.
    pub(crate) async fn pace(&mut self, count: u64) {
        let elapsed = self.begun.elapsed().as_secs_f64();
        if self.is_ahead(count, elapsed) {
            self.pause().await;
        }
    }

    fn is_ahead(&self, count: u64, elapsed_s: f64) -> bool {
        let is_limited = 0.0 <= self.per_second && 0.0 < elapsed_s;
        is_limited && self.per_second * elapsed_s < super::float(count)
    }

    async fn pause(&mut self) {
        if self.per_second == 0.0 {
            return std::future::pending().await;
        }
        self.owed = self.owed.saturating_add(self.step);
        if self.owed < PAUSE_MIN {
            return;
        }
        let begun = Instant::now();
        tokio::time::sleep(self.owed).await;
        self.owed = self.owed.saturating_sub(begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds_for(per_second: f64, count: u64) -> f64 {
        let begun = Instant::now();
        let mut rate = Rate::new(per_second);
        for sent in 0..count {
            rate.pace(sent).await;
            // What sending takes; without it no time passes here.
            tokio::time::sleep(Duration::from_micros(1)).await;
        }
        begun.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept() {
        let seconds = seconds_for(1000.0, 5000).await;
        assert!((4.9..5.1).contains(&seconds), "{seconds}");
        let seconds = seconds_for(100.0, 300).await;
        assert!((2.9..3.5).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn zero_sends_one_and_stops() {
        let stopped = tokio::time::timeout(Duration::from_secs(60), seconds_for(0.0, 5)).await;
        stopped.unwrap_err();
    }

    #[test]
    fn a_negative_rate_never_waits() {
        let rate = Rate {
            per_second: -1.0,
            begun: Instant::now(),
            step: Duration::MAX,
            owed: Duration::ZERO,
        };
        assert!(!rate.is_ahead(u64::MAX, 1.0));
    }
}
