//! How far predictions are from a study that was measured: every cell is predicted from costs that
//! were fitted to the other cells. Pure.

use anyhow::Context;

use super::super::observed::{Group, Observed, median};
use super::costs::Costs;
use super::prediction::{Prediction, predict};

/// Cells are predicted in so many parts, each from costs of the other parts.
const FOLDS: usize = 5;
/// Cells below this utilisation, measured, are those whose latencies are not those of queues.
pub(super) const CALM_UTILISATION: f64 = 0.7;

/// A cell and what was predicted of it.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) cell: Observed,
    pub(super) prediction: Prediction,
}

impl Pair {
    pub(super) fn is_calm(&self) -> bool {
        self.cell.is_sustained() && self.cell.utilisation() < CALM_UTILISATION
    }
}

/// Predicts every open loop of a group from the other cells.
///
/// # Errors
/// Without a cell, there are too few cells to fit costs to.
pub(super) fn predict_all(group: &Group) -> anyhow::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for fold in 0..FOLDS {
        let is_own = |index: usize| index % FOLDS == fold;
        let indexed = || group.cells.iter().enumerate();
        let open = |cell: &Observed| cell.target_rate.is_some();
        let others: Vec<_> = indexed()
            .filter(|(index, cell)| !is_own(*index) || !open(cell))
            .map(|(_, cell)| cell)
            .collect();
        let costs = Costs::fit(&others).context("too few cells to fit costs to")?;
        for (_, cell) in indexed().filter(|(index, _)| is_own(*index)) {
            if let Some(rate) = cell.target_rate {
                pairs.push(Pair {
                    cell: cell.clone(),
                    prediction: predict(&cell.workload, rate, &costs),
                });
            }
        }
    }
    Ok(pairs)
}

/// What is compared: its name, as measured and as predicted.
type Quantity = (&'static str, fn(&Observed) -> f64, fn(&Prediction) -> f64);

pub(super) const QUANTITIES: [Quantity; 5] = [
    ("bytes per batch", Observed::batch_bytes, |it| {
        it.batch_bytes
    }),
    ("requests/s", |it| it.requests_per_s, |it| it.requests_per_s),
    ("p50", |it| it.p50_ms, |it| it.p50_ms),
    ("p99", |it| it.p99_ms, |it| it.p99_ms),
    ("utilisation", Observed::utilisation, |it| it.utilisation),
];

/// How far predictions of one quantity are from measurements, as factors of 1 at least.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Errors {
    pub(super) count: usize,
    pub(super) median: f64,
    pub(super) worst: f64,
    /// The cell with the worst, its measured and its predicted value.
    pub(super) worst_cell: String,
    pub(super) worst_values: (f64, f64),
    pub(super) within_1_2: f64,
    pub(super) within_1_5: f64,
    pub(super) within_2: f64,
}

/// The errors of a quantity; nothing without pairs.
pub(super) fn errors(pairs: &[&Pair], (_, measured, predicted): &Quantity) -> Option<Errors> {
    let values = |pair: &Pair| (measured(&pair.cell), predicted(&pair.prediction));
    let factors: Vec<f64> = pairs.iter().map(|pair| factor(values(pair))).collect();
    let share = |limit: f64| {
        let count = factors.iter().filter(|it| **it <= limit).count();
        count as f64 / factors.len() as f64
    };
    let (worst, pair) = factors
        .iter()
        .zip(pairs)
        .max_by(|a, b| a.0.total_cmp(b.0))?;
    Some(Errors {
        count: factors.len(),
        median: median(factors.clone()),
        worst: *worst,
        worst_cell: pair.cell.workload.name.clone(),
        worst_values: values(pair),
        within_1_2: share(1.2),
        within_1_5: share(1.5),
        within_2: share(2.0),
    })
}

/// How many times the greater of two values is the lesser.
pub(super) fn factor((a, b): (f64, f64)) -> f64 {
    if a.max(b) <= 0.0 {
        return 1.0;
    }
    a.max(b) / a.min(b)
}

/// How often a load was found too much by the prediction and by the measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Overloads {
    pub(super) both: usize,
    pub(super) only_predicted: usize,
    pub(super) only_measured: usize,
    pub(super) neither: usize,
}

/// Counts them.
pub(super) fn overloads(pairs: &[Pair]) -> Overloads {
    let mut counts = Overloads::default();
    for pair in pairs {
        let count = match (pair.prediction.is_overloaded, pair.cell.is_overloaded) {
            (true, true) => &mut counts.both,
            (true, false) => &mut counts.only_predicted,
            (false, true) => &mut counts.only_measured,
            (false, false) => &mut counts.neither,
        };
        *count += 1;
    }
    counts
}

#[cfg(test)]
mod tests;
