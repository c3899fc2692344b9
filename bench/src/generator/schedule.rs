//! When records are meant to be sent: fixed before the run and never shifted by a slow broker.
//!
//! Latency counted from these times includes what a record had to wait before it could be sent at
//! all; counted from the sending it would hide just the delays that a slow broker causes
//! (coordinated omission).

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// How intended times are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arrival {
    /// One every interval.
    Uniform,
    /// As independent senders do: gaps are exponentially distributed around the interval.
    Poisson,
}

/// The intended times of one producer, in nanoseconds from the beginning of the load.
#[derive(Debug)]
pub(crate) struct Schedule {
    arrival: Arrival,
    interval_ns: f64,
    next_ns: f64,
    random: Rng,
}

impl Schedule {
    /// The schedule of producer `index` of `count`, which share `records_per_s` equally and take
    /// turns.
    pub(crate) fn new(
        arrival: Arrival,
        records_per_s: f64,
        index: u32,
        count: u32,
        seed: u64,
    ) -> Self {
        let interval_ns = 1e9 * f64::from(count) / records_per_s;
        let phase = f64::from(index) / f64::from(count);
        Self {
            arrival,
            interval_ns,
            next_ns: interval_ns * phase,
            random: Rng::with_seed(seed.wrapping_add(u64::from(index))),
        }
    }

    /// The next time.
    pub(crate) fn next_ns(&mut self) -> u64 {
        let next = self.next_ns;
        let gap = match self.arrival {
            Arrival::Uniform => 1.0,
            // 1 - f64() is above 0, so that its logarithm is finite.
            Arrival::Poisson => -(1.0 - self.random.f64()).ln(),
        };
        self.next_ns += gap * self.interval_ns;
        whole(next)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times are positive and far below 2^63 ns; `as` saturates"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_producers_take_turns_at_the_common_rate() {
        let mut schedules: Vec<_> = (0..4)
            .map(|index| Schedule::new(Arrival::Uniform, 1000.0, index, 4, 7))
            .collect();
        let mut times: Vec<_> = schedules
            .iter_mut()
            .flat_map(|schedule| {
                std::iter::repeat_with(|| schedule.next_ns())
                    .take(3)
                    .collect::<Vec<_>>()
            })
            .collect();
        times.sort_unstable();
        let expected: Vec<_> = (0..12).map(|index| index * 1_000_000).collect();
        assert_eq!(times, expected);
    }

    #[test]
    fn poisson_arrivals_have_the_mean_and_the_spread_of_their_kind() {
        let mut schedule = Schedule::new(Arrival::Poisson, 10_000.0, 0, 1, 7);
        let times: Vec<_> = std::iter::repeat_with(|| schedule.next_ns())
            .take(100_001)
            .collect();
        let gaps: Vec<_> = times
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean / 100_000.0 - 1.0).abs() < 0.02, "mean {mean} ns");
        let spread = variance.sqrt() / mean;
        assert!(
            (spread - 1.0).abs() < 0.02,
            "standard deviation {spread} of the mean"
        );
    }

    #[test]
    fn a_schedule_does_not_drift() {
        let mut schedule = Schedule::new(Arrival::Uniform, 300_000.0, 0, 1, 7);
        let last = std::iter::repeat_with(|| schedule.next_ns()).nth(3_000_000);
        let last = last.expect("endless");
        assert!(last.abs_diff(10_000_000_000) < 1000, "{last} ns");
    }
}
