//! What a piece of work cost: CPU time of the process, wall time, and latencies.

use std::time::{Duration, Instant};

use rustix::time::ClockId;

use crate::process::now;

/// CPU time of all threads of this process so far, those the kernel runs for its rings included.
pub(crate) fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Measures from its creation on.
pub(crate) struct Meter {
    begun: Instant,
    cpu: Duration,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self {
            cpu: process_cpu(),
            begun: now(),
        }
    }

    /// Wall time so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What was spent on `operations`, which handled `bytes`.
    pub(crate) fn stop(self, operations: u64, bytes: u64) -> Cost {
        let wall_s = self.begun.elapsed().as_secs_f64();
        let cpu_s = (process_cpu() - self.cpu).as_secs_f64();
        Cost {
            cpu_s,
            wall_s,
            operations: operations as f64,
            bytes: bytes as f64,
            batches_per_write: None,
            latencies: Latencies::default(),
        }
    }
}

/// What a side did in one round.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) operations: f64,
    pub(crate) bytes: f64,
    /// Operations that shared a write, where that is known.
    pub(crate) batches_per_write: Option<f64>,
    pub(crate) latencies: Latencies,
}

impl Cost {
    /// CPU microseconds of one operation.
    pub(crate) fn cpu_us(&self) -> f64 {
        1e6 * self.cpu_s / self.operations
    }

    pub(crate) fn operations_per_s(&self) -> f64 {
        self.operations / self.wall_s
    }

    pub(crate) fn bytes_per_s(&self) -> f64 {
        self.bytes / self.wall_s
    }

    /// Bytes for a second of CPU time: what one core can do.
    pub(crate) fn bytes_per_cpu_s(&self) -> f64 {
        self.bytes / self.cpu_s
    }
}

/// How long operations took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    nanos: Vec<u64>,
}

impl Latencies {
    pub(crate) fn add(&mut self, elapsed: Duration) {
        self.nanos
            .push(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn count(&self) -> u64 {
        self.nanos.len() as u64
    }

    pub(crate) fn append(&mut self, mut other: Latencies) {
        self.nanos.append(&mut other.nanos);
    }

    /// The value below which this part of the operations took, in microseconds; `None` when there
    /// are too few to say.
    pub(crate) fn percentile_us(&self, part: f64) -> Option<f64> {
        let mut sorted = self.nanos.clone();
        sorted.sort_unstable();
        let beyond = sorted.len() as f64 * (1.0 - part);
        if sorted.is_empty() || beyond < 1.0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the number of operations"
        )]
        let index = (sorted.len() as f64 * part) as usize;
        let nanos = sorted.get(index.min(sorted.len() - 1))?;
        Some(*nanos as f64 / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_need_enough_operations() {
        let mut latencies = Latencies::default();
        for micros in 1..=100 {
            latencies.add(Duration::from_micros(micros));
        }
        assert_eq!(latencies.percentile_us(0.5), Some(51.0));
        assert_eq!(latencies.percentile_us(0.99), Some(100.0));
        assert_eq!(latencies.percentile_us(0.999), None);
    }

    #[test]
    fn cpu_time_counts_all_threads() {
        let before = process_cpu();
        let spin = || {
            let deadline = now() + Duration::from_millis(20);
            while now() < deadline {}
        };
        std::thread::scope(|scope| {
            scope.spawn(spin);
        });
        assert!(before < process_cpu());
    }
}
