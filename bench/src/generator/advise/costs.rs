//! What produce requests cost a broker and its path: so much per request, per batch and per byte.

use std::fmt;

/// Seconds of the bottleneck's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Costs {
    pub(super) request_s: f64,
    pub(super) batch_s: f64,
    pub(super) byte_s: f64,
    /// Response times of single records while nothing else goes on, in milliseconds.
    pub(super) idle_p50_ms: f64,
    pub(super) idle_p99_ms: f64,
}

/// What a saturated second consisted of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Saturated {
    pub(super) requests_per_s: f64,
    pub(super) batches_per_s: f64,
    pub(super) bytes_per_s: f64,
}

impl Costs {
    /// Solves for the costs from three loads of different shape: many requests with one small batch
    /// each, requests with several small batches, and large batches. A cost that comes out negative
    /// is noise, and counts as nothing.
    pub(super) fn solve(
        one_batch: Saturated,
        many_batches: Saturated,
        large_batches: Saturated,
        (idle_p50_ms, idle_p99_ms): (f64, f64),
    ) -> Self {
        let mut costs = Self {
            request_s: 0.0,
            batch_s: 0.0,
            byte_s: 1.0 / large_batches.bytes_per_s,
            idle_p50_ms,
            idle_p99_ms,
        };
        // Each load is dominated by one of the three; a few rounds of putting in what is known of
        // the other two settle.
        for _ in 0..50 {
            costs.request_s = rest(
                one_batch.batches_per_s * costs.batch_s + one_batch.bytes_per_s * costs.byte_s,
                one_batch.requests_per_s,
            );
            costs.batch_s = rest(
                many_batches.requests_per_s * costs.request_s
                    + many_batches.bytes_per_s * costs.byte_s,
                many_batches.batches_per_s,
            );
            costs.byte_s = rest(
                large_batches.requests_per_s * costs.request_s
                    + large_batches.batches_per_s * costs.batch_s,
                large_batches.bytes_per_s,
            );
        }
        costs
    }

    /// The share of time that a load takes; above 1 it is too much.
    pub(super) fn utilisation(&self, requests: f64, batches: f64, bytes: f64) -> f64 {
        requests * self.request_s + batches * self.batch_s + bytes * self.byte_s
    }
}

/// What is left of a second, shared by `count` things.
fn rest(taken_s: f64, count: f64) -> f64 {
    if count <= 0.0 {
        return 0.0;
    }
    (1.0 - taken_s).max(0.0) / count
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a request costs {:.1} us, a batch in it {:.1} us, a KiB {:.2} us; a record alone \
             takes {:.2} ms (p99 {:.2} ms)",
            self.request_s * 1e6,
            self.batch_s * 1e6,
            self.byte_s * 1024.0 * 1e6,
            self.idle_p50_ms,
            self.idle_p99_ms,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_found_from_what_they_allow() {
        let (request_s, batch_s, byte_s) = (20e-6, 4e-6, 0.8e-9);
        let load = |batches: f64, bytes: f64| {
            let requests_per_s = 1.0 / (request_s + batches * batch_s + bytes * byte_s);
            Saturated {
                requests_per_s,
                batches_per_s: requests_per_s * batches,
                bytes_per_s: requests_per_s * bytes,
            }
        };
        let (one, many, large) = (load(1.0, 200.0), load(8.0, 1600.0), load(1.0, 1e6));
        let costs = Costs::solve(one, many, large, (0.1, 0.2));
        assert!(
            (costs.request_s / request_s - 1.0).abs() < 0.02,
            "{costs:?}"
        );
        assert!((costs.batch_s / batch_s - 1.0).abs() < 0.05, "{costs:?}");
        assert!((costs.byte_s / byte_s - 1.0).abs() < 0.02, "{costs:?}");
        let utilisation = costs.utilisation(10_000.0, 20_000.0, 1e8);
        assert!((utilisation - 0.36).abs() < 0.01, "{utilisation}");
    }
}
