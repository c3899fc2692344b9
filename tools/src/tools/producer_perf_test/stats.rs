//! Latencies and rates, and the lines that tell of them. Pure.

use crate::perf::{MB_BYTES, fixed, float, percentile_index};

/// Latencies that are kept for percentiles, at most; of longer runs every so many.
const SAMPLES_MAX: u64 = 500_000;

/// What was acknowledged, in all and since the last line.
#[derive(Debug)]
pub(super) struct Stats {
    begun_ms: i64,
    interval_ms: i64,
    sampling: u64,
    latencies: Vec<i64>,
    all: Window,
    window: Window,
    window_begun_ms: i64,
    is_steady_state: bool,
    /// Others tell how it goes on; only the total is wanted.
    pub(super) is_silent: bool,
}

#[derive(Debug, Default)]
struct Window {
    count: u64,
    bytes: u64,
    latency_sum: i64,
    latency_max: i64,
}

impl Window {
    fn add(&mut self, latency: i64, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
        self.latency_sum += latency;
        self.latency_max = self.latency_max.max(latency);
    }

    fn rates(&self, elapsed_ms: i64) -> (f64, f64) {
        let per_second = 1000.0 / elapsed_ms as f64;
        let mb = float(self.bytes) * per_second / MB_BYTES;
        (float(self.count) * per_second, mb)
    }

    fn latency_avg(&self) -> f64 {
        self.latency_sum as f64 / float(self.count)
    }
}

impl Stats {
    /// Of so many records, with a line every so often.
    pub(super) fn new(records: u64, interval_ms: i64, now_ms: i64) -> Self {
        Self {
            begun_ms: now_ms,
            interval_ms,
            sampling: records / records.clamp(1, SAMPLES_MAX),
            latencies: Vec::new(),
            all: Window::default(),
            window: Window::default(),
            window_begun_ms: now_ms,
            is_steady_state: false,
            is_silent: false,
        }
    }

    /// The same, told as what came after the warm-up.
    pub(super) fn of_steady_state(mut self) -> Self {
        self.is_steady_state = true;
        self
    }

    /// Adds a record that was acknowledged; gives the lines that are due.
    pub(super) fn record(&mut self, begun_ms: i64, bytes: usize, now_ms: i64) -> Vec<String> {
        let latency = now_ms - begun_ms;
        if self.all.count.is_multiple_of(self.sampling) {
            self.latencies.push(latency);
        }
        self.all.add(latency, bytes);
        self.window.add(latency, bytes);
        let mut lines = Vec::new();
        if self.interval_ms <= now_ms - self.window_begun_ms {
            if self.is_steady_state && self.all.count == self.window.count {
                lines.push("In steady state.".to_owned());
            }
            if !self.is_silent {
                lines.push(self.window_line(now_ms));
            }
            self.window = Window::default();
            self.window_begun_ms = now_ms;
        }
        lines
    }

    fn window_line(&self, now_ms: i64) -> String {
        let window = &self.window;
        let (records, mb) = window.rates(now_ms - self.window_begun_ms);
        format!(
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {}.0 ms max latency.",
            window.count,
            fixed(records, 1),
            fixed(mb, 2),
            fixed(window.latency_avg(), 1),
            window.latency_max
        )
    }

    /// The line at the end.
    pub(super) fn total(&mut self, now_ms: i64) -> String {
        let all = &self.all;
        let (records, mb) = all.rates(now_ms - self.begun_ms);
        self.latencies.sort_unstable();
        let percentile = |share: f64| {
            let index = percentile_index(self.latencies.len(), share);
            self.latencies.get(index).copied().unwrap_or_default()
        };
        format!(
            "{}{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {}.00 ms max \
             latency, {} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.",
            all.count,
            if self.is_steady_state {
                " steady state"
            } else {
                ""
            },
            fixed(records, 6),
            fixed(mb, 2),
            fixed(all.latency_avg(), 2),
            all.latency_max,
            percentile(0.5),
            percentile(0.95),
            percentile(0.99),
            percentile(0.999)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_once_per_interval() {
        let mut stats = Stats::new(4, 1000, 0);
        assert!(stats.record(0, 1024 * 1024, 500).is_empty());
        let lines = stats.record(800, 1024 * 1024, 1000);
        let expected = "2 records sent, 2.0 records/sec (2.00 MB/sec), 350.0 ms avg latency, \
                        500.0 ms max latency.";
        assert_eq!(lines, [expected]);
        assert!(stats.record(1000, 1, 1999).is_empty());
        stats.is_silent = true;
        assert!(stats.record(1999, 1, 2000).is_empty());
    }

    #[test]
    fn the_total_has_percentiles() {
        let mut stats = Stats::new(100, 1_000_000, 0).of_steady_state();
        for latency in 1..=100 {
            assert!(stats.record(0, 100, latency).is_empty());
        }
        let expected = "100 steady state records sent, 1000.000000 records/sec (0.10 MB/sec), \
                        50.50 ms avg latency, 100.00 ms max latency, 51 ms 50th, 96 ms 95th, \
                        100 ms 99th, 100 ms 99.9th.";
        assert_eq!(stats.total(100), expected);
    }

    #[test]
    fn the_first_line_of_a_steady_state_says_so() {
        let mut stats = Stats::new(2, 10, 0).of_steady_state();
        assert_eq!(stats.record(0, 1, 10)[0], "In steady state.");
        assert_eq!(stats.record(0, 1, 20).len(), 1);
    }

    #[test]
    fn nothing_sent_is_told_too() {
        let total = Stats::new(1, 1, 0).total(10);
        assert!(total.starts_with("0 records sent, 0.000000"), "{total}");
        assert!(total.contains("NaN ms avg latency"), "{total}");
    }

    #[test]
    fn samples_of_long_runs_are_bounded() {
        let mut stats = Stats::new(5_000_000, i64::MAX, 0);
        for _ in 0..1000 {
            assert!(stats.record(0, 1, 1).is_empty());
        }
        assert_eq!(stats.latencies.len(), 100);
    }
}
