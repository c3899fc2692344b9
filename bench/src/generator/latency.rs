//! Latencies of one interval of a run, in microseconds.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longer ones count as this.
const LONGEST_US: u64 = 60_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of 1 us to 60 s with three significant digits; what is shorter or longer counts as
/// the bound. It takes memory for the longest that it has seen: a long run keeps thousands.
#[derive(Debug, Clone)]
pub(crate) struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new(SIGNIFICANT_DIGITS);
        Self(histogram.expect("three digits are what a histogram takes"))
    }
}

impl Latency {
    pub(crate) fn record_ns(&mut self, ns: u64) {
        let recorded = self.0.record((ns / 1000).clamp(1, LONGEST_US));
        recorded.expect("a histogram that grows has room for a minute");
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        added.expect("a histogram that grows has room for a minute");
    }

    /// In milliseconds; 0 when there is nothing.
    pub(crate) fn ms(&self, percentile: f64) -> f64 {
        self.0.value_at_percentile(percentile) as f64 / 1000.0
    }

    pub(crate) fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }

    pub(crate) fn mean_ms(&self) -> f64 {
        self.0.mean() / 1000.0
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

/// Of one interval: how long producing took, and how long records took to consumers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    /// From the sending to the acknowledgement.
    pub(crate) service: Latency,
    /// From the intended time to the acknowledgement.
    pub(crate) response: Latency,
    /// From the intended time to the consumer.
    pub(crate) end_to_end: Latency,
    /// Of committing transactions, with what had still to be sent.
    pub(crate) commit: Latency,
}

impl Latencies {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.service.merge(&other.service);
        self.response.merge(&other.response);
        self.end_to_end.merge(&other.end_to_end);
        self.commit.merge(&other.commit);
    }

    pub(crate) fn named(&self) -> [(&'static str, &Latency); 4] {
        [
            ("service", &self.service),
            ("response", &self.response),
            ("end-to-end", &self.end_to_end),
            ("commit", &self.commit),
        ]
    }
}

/// Nanoseconds, saturating.
pub(crate) fn as_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_intervals_together() {
        let mut fast = Latencies::default();
        let mut slow = Latencies::default();
        for _ in 0..90 {
            fast.response.record_ns(1_000_000);
        }
        for _ in 0..10 {
            slow.response.record_ns(100_000_000);
        }
        fast.merge(&slow);
        assert!((fast.response.ms(50.0) - 1.0).abs() < 0.01);
        assert!((fast.response.ms(99.0) - 100.0).abs() < 0.1);
        assert!((fast.response.mean_ms() - 10.9).abs() < 0.1);
        assert_eq!((fast.response.count(), fast.service.count()), (100, 0));
    }

    #[test]
    fn what_is_out_of_bounds_counts_as_the_bound() {
        let mut latency = Latency::default();
        latency.record_ns(0);
        latency.record_ns(u64::MAX);
        assert!((latency.ms(0.0) - 0.001).abs() < 1e-9);
        assert!((latency.max_ms() / 60_000.0 - 1.0).abs() < 0.001);
    }

    #[test]
    fn a_histogram_takes_memory_for_what_it_has_seen() {
        let (mut short, mut long) = (Latency::default(), Latency::default());
        short.record_ns(1_000_000);
        long.record_ns(u64::MAX);
        let places = |latency: &Latency| latency.histogram().distinct_values();
        assert!(places(&short) * 4 < places(&long));
    }
}
