//! What records, batches and requests cost client and broker, and how long a request takes when
//! nothing else goes on: fitted to cells that were measured. Pure.

use std::fmt;

use super::super::observed::{Observed, median};
use super::prediction::predict;

/// Pacing sends so often at most; what is due in between goes at once (`pacer`).
pub(super) const PACED_PER_S: f64 = 40_000.0;
/// Latencies are fitted to cells below this utilisation: above it they are those of queues.
const CALM_UTILISATION_MAX: f64 = 0.6;
/// A broker that syncs before it answers has the disk flush so often per request at least.
const FLUSHES_PER_REQUEST_MIN: f64 = 0.1;
/// And so often per second, lest writing back in the background be taken for it.
const FLUSHES_PER_S_MIN: f64 = 50.0;

/// How many costs a side has.
const COSTS: usize = 6;

/// CPU seconds of one side.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Work {
    pub(super) request_s: f64,
    pub(super) batch_s: f64,
    pub(super) record_s: f64,
    pub(super) byte_s: f64,
    /// Of each time that a paced sender wakes up.
    pub(super) wake_s: f64,
    /// Cores that it takes while nothing happens.
    pub(super) idle_cores: f64,
}

/// What happens per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Flow {
    pub(super) requests: f64,
    pub(super) batches: f64,
    pub(super) records: f64,
    pub(super) bytes: f64,
    pub(super) wakes: f64,
}

impl Flow {
    fn of(cell: &Observed) -> Self {
        Self {
            requests: cell.requests_per_s,
            batches: cell.batches_per_s,
            records: cell.records_per_s,
            bytes: cell.bytes_per_s,
            wakes: cell.target_rate.map_or(0.0, |rate| rate.min(PACED_PER_S)),
        }
    }

    fn amounts(&self) -> [f64; COSTS] {
        [
            self.requests,
            self.batches,
            self.records,
            self.bytes,
            self.wakes,
            1.0,
        ]
    }
}

impl Work {
    /// Cores that a flow takes.
    pub(super) fn cores(&self, flow: &Flow) -> f64 {
        let costs = [
            self.request_s,
            self.batch_s,
            self.record_s,
            self.byte_s,
            self.wake_s,
            self.idle_cores,
        ];
        let parts = costs.iter().zip(flow.amounts());
        parts.map(|(cost, amount)| cost * amount).sum()
    }

    /// The costs, none of them negative, that explain the cores best: by the least squares of
    /// relative errors.
    fn fit(rows: &[(Flow, f64)]) -> Self {
        let rows: Vec<_> = rows
            .iter()
            .filter(|(_, cores)| 0.0 < *cores)
            .map(|(flow, cores)| flow.amounts().map(|amount| amount / cores))
            .collect();
        let [request_s, batch_s, record_s, byte_s, wake_s, idle_cores] = least_squares(&rows);
        Self {
            request_s,
            batch_s,
            record_s,
            byte_s,
            wake_s,
            idle_cores,
        }
    }
}

/// The factors, 0 at least, with which every row comes closest to 1. By descent along one
/// coordinate after the other, on products of columns, so that a round costs the same for any
/// number of rows.
fn least_squares(rows: &[[f64; COSTS]]) -> [f64; COSTS] {
    const ROUNDS: u32 = 3000;
    let products = |a: usize, b: usize| rows.iter().map(|row| row[a] * row[b]).sum::<f64>();
    let columns: [[f64; COSTS]; COSTS] =
        std::array::from_fn(|a| std::array::from_fn(|b| products(a, b)));
    let wanted: [f64; COSTS] = std::array::from_fn(|a| rows.iter().map(|row| row[a]).sum());
    let mut factors = [0.0; COSTS];
    for _ in 0..ROUNDS {
        for (index, column) in columns.iter().enumerate() {
            let square = column[index];
            if square == 0.0 {
                continue;
            }
            let explained: f64 = column.iter().zip(factors).map(|(a, b)| a * b).sum();
            let slope = wanted[index] - explained;
            factors[index] = (factors[index] + slope / square).max(0.0);
        }
    }
    factors
}

/// Everything that a prediction needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Costs {
    pub(super) client: Work,
    pub(super) client_threads: f64,
    /// Nothing when its process is not known.
    pub(super) broker: Option<Work>,
    /// Bytes of batches per second, the most that was measured where there was no end of them;
    /// infinite without such a cell.
    pub(super) bytes_per_s_max: f64,
    /// How long a request takes while nothing else goes on, in milliseconds.
    pub(super) request_p50_ms: f64,
    pub(super) request_p99_ms: f64,
    /// Whether answers wait for syncs that requests share.
    pub(super) is_syncing: bool,
}

impl Costs {
    /// Fits costs to cells; nothing without an open loop that was sustained among them.
    pub(super) fn fit(cells: &[&Observed]) -> Option<Self> {
        let rows = |cores: fn(&Observed) -> Option<f64>| -> Vec<_> {
            let rows = cells
                .iter()
                .filter_map(|cell| Some((Flow::of(cell), cores(cell)?)));
            rows.collect()
        };
        let is_broker_known = cells.iter().any(|cell| cell.broker_cores.is_some());
        let calm: Vec<_> = cells
            .iter()
            .copied()
            .filter(|cell| cell.is_sustained() && cell.utilisation() < CALM_UTILISATION_MAX)
            .collect();
        let sustained = cells.iter().copied().filter(|cell| cell.is_sustained());
        let calm = if calm.is_empty() {
            sustained.collect()
        } else {
            calm
        };
        let first = calm.first()?;
        let mut costs = Self {
            client: Work::fit(&rows(|cell| Some(cell.client_cores))),
            client_threads: f64::from(first.client_threads.max(1)),
            broker: is_broker_known.then(|| Work::fit(&rows(|cell| cell.broker_cores))),
            bytes_per_s_max: bytes_per_s_max(cells),
            request_p50_ms: calm
                .iter()
                .map(|cell| cell.p50_ms)
                .fold(f64::INFINITY, f64::min),
            request_p99_ms: calm
                .iter()
                .map(|cell| cell.p99_ms)
                .fold(f64::INFINITY, f64::min),
            is_syncing: busiest(&calm).is_some_and(syncs),
        };
        costs.fit_latency(&calm);
        Some(costs)
    }

    /// Finds the latency of a lonely request that explains the medians, then the 99th percentiles.
    fn fit_latency(&mut self, calm: &[&Observed]) {
        let least = self.request_p50_ms.max(0.001);
        let by_p50 = |ms: f64| Self {
            request_p50_ms: ms,
            request_p99_ms: ms * 2.0,
            ..*self
        };
        let p50_ms = best(least, (0.05, 2.0), |ms| {
            by_p50(ms).error(calm, |cell| cell.p50_ms, |it| it.p50_ms)
        });
        let by_p99 = |ms: f64| Self {
            request_p50_ms: p50_ms,
            request_p99_ms: ms,
            ..*self
        };
        let p99_ms = best(p50_ms, (1.1, 500.0), |ms| {
            by_p99(ms).error(calm, |cell| cell.p99_ms, |it| it.p99_ms)
        });
        *self = by_p99(p99_ms);
    }

    /// How far predictions are from what was measured, as logarithms, in the median.
    fn error(
        &self,
        cells: &[&Observed],
        measured: impl Fn(&Observed) -> f64,
        predicted: impl Fn(&super::prediction::Prediction) -> f64,
    ) -> f64 {
        let errors = cells.iter().map(|cell| {
            let rate = cell.target_rate.unwrap_or(cell.records_per_s);
            let prediction = predict(&cell.workload, rate, self);
            (predicted(&prediction) / measured(cell))
                .ln()
                .abs()
                .min(10.0)
        });
        let errors: Vec<f64> = errors.collect();
        // The mean breaks ties of the median.
        let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
        median(errors) + mean
    }
}

/// The value between two multiples of `base` with the least error: first in wide steps, then in
/// narrower ones.
fn best(base: f64, (low, high): (f64, f64), error: impl Fn(f64) -> f64) -> f64 {
    const STEPS: i32 = 10;
    let mut step = (high / low).powf(1.0 / f64::from(STEPS));
    let mut middle = base * (low * high).sqrt();
    for _ in 0..3 {
        let values = (-STEPS / 2..=STEPS / 2).map(|it| middle * step.powi(it));
        let pairs = values.map(|it| (it, error(it)));
        let least = pairs.min_by(|a, b| a.1.total_cmp(&b.1));
        middle = least.map_or(middle, |it| it.0);
        step = step.powf(2.0 / f64::from(STEPS));
    }
    middle
}

/// What loads without an end, or more than fits, came to at most.
fn bytes_per_s_max(cells: &[&Observed]) -> f64 {
    let endless = cells.iter().filter(|cell| !cell.is_sustained());
    let most = endless.map(|cell| cell.bytes_per_s).max_by(f64::total_cmp);
    // What was sustained was possible too.
    let sustained = cells
        .iter()
        .map(|cell| cell.bytes_per_s)
        .fold(0.0, f64::max);
    most.map_or(f64::INFINITY, |most| most.max(sustained))
}

/// The cell with the most requests: where others use the disk too, it tells best whose flushes they
/// are.
fn busiest<'a>(cells: &[&'a Observed]) -> Option<&'a Observed> {
    let busiest = |a: &&&Observed, b: &&&Observed| a.requests_per_s.total_cmp(&b.requests_per_s);
    cells.iter().max_by(busiest).copied()
}

/// Whether the disk was told to flush about as often as requests came.
fn syncs(cell: &Observed) -> bool {
    let flushes_per_s = cell.flushes_per_s.unwrap_or_default();
    FLUSHES_PER_S_MIN <= flushes_per_s
        && FLUSHES_PER_REQUEST_MIN * cell.requests_per_s <= flushes_per_s
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |seconds: f64| seconds * 1e6;
        let broker = self.broker.map_or_else(String::new, |it| {
            format!(
                "at the broker a request costs {:.1} us, a batch {:.1} us, a KiB {:.2} us; ",
                us(it.request_s),
                us(it.batch_s),
                us(it.byte_s) * 1024.0,
            )
        });
        write!(
            f,
            "{broker}at the client a request {:.1} us, a batch {:.1} us, a record {:.2} us, a KiB \
             {:.2} us; a request alone takes {:.2} ms (p99 {:.2} ms){}",
            us(self.client.request_s),
            us(self.client.batch_s),
            us(self.client.record_s),
            us(self.client.byte_s) * 1024.0,
            self.request_p50_ms,
            self.request_p99_ms,
            if self.is_syncing {
                ", most of it a sync of the disk"
            } else {
                ""
            },
        )
    }
}

#[cfg(test)]
pub(super) mod tests;
