//! The committed counts: `bench/gate/baseline.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::callgrind::Run;

/// What a row may take more than its baseline, unless the row says otherwise, in percent.
const TOLERANCE_PERCENT: f64 = 2.0;

const HEAD: &str = "\
# Instructions of the hot paths, written by `bench/gate/run --update`.
# The usual tolerance is 2 %. A row has its own when it varies from run to run by more than a third
# of that, or when a change elsewhere was seen to move it: generic code is compiled into the crate
# that uses it, and what is inlined there depends on all the rest. An update keeps these.
";

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// What the counts hold for.
    pub(crate) facts: BTreeMap<String, String>,
    /// By name.
    pub(crate) rows: BTreeMap<String, Expected>,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) instructions: u64,
    /// For a row that varies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tolerance_percent: Option<f64>,
}

impl Expected {
    /// What the row may take more, in percent.
    pub(crate) fn tolerance_percent(&self) -> f64 {
        self.tolerance_percent.unwrap_or(TOLERANCE_PERCENT)
    }
}

/// By how much `count` is above `base`, in percent.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts are far below 2^52 and percents are printed with two digits"
)]
pub(crate) fn percent_above(base: u64, count: u64) -> f64 {
    if base == 0 {
        return if count == 0 { 0.0 } else { f64::INFINITY };
    }
    (count as f64 - base as f64) * 100.0 / base as f64
}

impl Baseline {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not there or not a baseline.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is no baseline", path.display()))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn store(&self, path: &Path) -> anyhow::Result<()> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// The least counts of several runs, with three times their spread as tolerance where that is
    /// more than the usual one, or the tolerance that the row had before.
    pub(crate) fn of(facts: BTreeMap<String, String>, runs: &[Run], former: &Self) -> Self {
        let mut spans: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (name, count) in runs.iter().flat_map(|run| &run.rows) {
            let span = spans.entry(name.clone()).or_insert((*count, *count));
            *span = (span.0.min(*count), span.1.max(*count));
        }
        let expected = |name: &String, (least, most): (u64, u64)| {
            let spread = (3.0 * percent_above(least, most)).ceil();
            let former = former.rows.get(name);
            let former = former.and_then(|row| row.tolerance_percent);
            let wanted = former.map_or(spread, |former| former.max(spread));
            Expected {
                instructions: least,
                tolerance_percent: (TOLERANCE_PERCENT < wanted).then_some(wanted),
            }
        };
        let rows = spans.into_iter().map(|(name, span)| {
            let row = expected(&name, span);
            (name, row)
        });
        Self {
            facts,
            rows: rows.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
