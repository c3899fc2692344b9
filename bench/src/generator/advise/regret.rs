//! What following the advice would have cost: for each rate of a study, the setting recommended for
//! a goal, beside the best that was measured. Pure.

use super::super::observed::Observed;
use super::check::Pair;
use super::prediction::Prediction;
use super::recommendation::recommend;

/// Goals that are tried: p99 in milliseconds.
pub(super) const GOALS_MS: [f64; 4] = [2.0, 5.0, 20.0, 100.0];

/// One goal at one rate.
#[derive(Debug, Clone)]
pub(super) struct Regret<'a> {
    pub(super) goal_ms: f64,
    /// The cell with the recommended setting.
    pub(super) recommended: &'a Observed,
    pub(super) predicted_ms: f64,
    /// The cell with the least p99.
    pub(super) best: &'a Observed,
    /// The cell that took the least CPU and kept the goal, if one kept it.
    pub(super) cheapest: Option<&'a Observed>,
}

impl Regret<'_> {
    /// Whether the recommended setting kept the goal when it was measured.
    pub(super) fn is_kept(&self) -> bool {
        self.recommended.is_sustained() && self.recommended.p99_ms <= self.goal_ms
    }

    /// How many times the best p99 the recommended one's is; nothing when it was overloaded.
    pub(super) fn p99_factor(&self) -> Option<f64> {
        let is_sustained = self.recommended.is_sustained();
        is_sustained.then(|| self.recommended.p99_ms / self.best.p99_ms)
    }

    /// How many times the CPU of the cheapest the recommended one took.
    pub(super) fn cpu_factor(&self) -> Option<f64> {
        let cheapest = self.cheapest?;
        Some(self.recommended.cpu_s_per_gb() / cheapest.cpu_s_per_gb())
    }
}

/// The goals at one rate; nothing when every cell was overloaded.
pub(super) fn regrets<'a>(pairs: &[&'a Pair]) -> Vec<Regret<'a>> {
    let predictions: Vec<Prediction> = pairs.iter().map(|pair| pair.prediction).collect();
    let sustained = || {
        pairs
            .iter()
            .map(|it| &it.cell)
            .filter(|cell| cell.is_sustained())
    };
    let best = sustained().min_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms));
    let all = GOALS_MS.iter().filter_map(|goal_ms| {
        let chosen = recommend(&predictions, *goal_ms)?.prediction;
        let pair = pairs.iter().find(|pair| pair.prediction == chosen)?;
        let keeping = sustained().filter(|cell| cell.p99_ms <= *goal_ms);
        Some(Regret {
            goal_ms: *goal_ms,
            recommended: &pair.cell,
            predicted_ms: chosen.p99_ms,
            best: best?,
            cheapest: keeping.min_by(|a, b| a.cpu_s_per_gb().total_cmp(&b.cpu_s_per_gb())),
        })
    });
    all.collect()
}

#[cfg(test)]
mod tests;
