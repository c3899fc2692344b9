//! Compares the results of loads, run by run: ratios, not figures. Either on two brokers, cell by
//! cell, or between the cells of one (`within`).

mod within;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::Value;

use crate::report::{Series, line};
pub(crate) use within::{Row, markdown, rows};

/// What to compare.
#[derive(Debug, Args)]
pub(crate) struct RatiosArgs {
    /// Directories of results of one broker, in the order of the rounds; without --against, the
    /// ratios between their cells are printed, as BENCHMARKS.md has them
    #[arg(required = true)]
    ours: Vec<PathBuf>,
    /// Those of the other broker, as many
    #[arg(long, num_args = 1..)]
    against: Vec<PathBuf>,
}

/// A quantity, where it is in `run.json`, and whether more is better.
const QUANTITIES: [(&str, &str, bool); 9] = [
    ("records/s", "/aggregatedPublishRate", true),
    (
        "response p50 ms",
        "/aggregatedPublishResponseLatency50pct",
        false,
    ),
    (
        "response p99 ms",
        "/aggregatedPublishResponseLatency99pct",
        false,
    ),
    (
        "response p99.9 ms",
        "/aggregatedPublishResponseLatency999pct",
        false,
    ),
    (
        "end-to-end p99 ms",
        "/aggregatedEndToEndLatency99pct",
        false,
    ),
    ("broker CPU-s/GB", "/cpu/brokerSecondsPerGB", false),
    ("client CPU-s/GB", "/cpu/clientSecondsPerGB", false),
    ("broker resident bytes", "/brokerResidentBytes", false),
    ("bytes per batch", "/bytesPerBatch", true),
];

/// What is not worse by more counts as equal.
const EQUAL_MAX: f64 = 1.01;

/// Prints a line per cell and quantity, or per ratio between cells.
///
/// # Errors
/// A result cannot be read, or the two sides were not measured alike.
pub(crate) fn command(args: &RatiosArgs) -> anyhow::Result<()> {
    if args.against.is_empty() {
        return between_cells(&args.ours);
    }
    ensure!(
        args.ours.len() == args.against.len(),
        "give as many directories of one broker as of the other: rounds are compared in pairs"
    );
    let (ours, theirs) = (Results::read(&args.ours)?, Results::read(&args.against)?);
    line(&format!("{} / {}", ours.target, theirs.target));
    for text in ours.over(&theirs)? {
        line(&text);
    }
    Ok(())
}

/// Prints a row per ratio that the cells allow.
///
/// # Errors
/// A result cannot be read, or no two cells make a ratio.
fn between_cells(dirs: &[PathBuf]) -> anyhow::Result<()> {
    let mut results = Vec::new();
    for dir in dirs {
        let run = read(dir).with_context(|| dir.display().to_string())?;
        results.extend(run["results"].as_array().context("results")?.clone());
    }
    let rows = rows(&results);
    ensure!(
        !rows.is_empty(),
        "no two cells make a ratio: the presets durability, batching, tuning, codecs, fan-out and \
         transactions do"
    );
    line(markdown(&rows).trim_end());
    Ok(())
}

/// The `run.json` of a directory of results.
fn read(dir: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(dir.join("run.json"))?;
    Ok(serde_json::from_str(&text)?)
}

/// Of one broker: by cell and quantity, a value per round.
#[derive(Debug, Default)]
struct Results {
    target: String,
    values: BTreeMap<(String, &'static str), Series>,
    /// Cells of which some run is flagged.
    flags: BTreeMap<String, Vec<String>>,
}

impl Results {
    fn read(dirs: &[PathBuf]) -> anyhow::Result<Self> {
        let mut results = Self::default();
        for dir in dirs {
            results
                .add(dir)
                .with_context(|| dir.display().to_string())?;
        }
        Ok(results)
    }

    fn add(&mut self, dir: &Path) -> anyhow::Result<()> {
        let run = read(dir)?;
        self.target = run["target"].as_str().unwrap_or("?").to_owned();
        for result in run["results"].as_array().context("results")? {
            self.add_result(result);
        }
        Ok(())
    }

    fn add_result(&mut self, result: &Value) {
        let cell = result["workload"].as_str().unwrap_or("?").to_owned();
        for (name, pointer, _) in QUANTITIES {
            if let Some(value) = result.pointer(pointer).and_then(Value::as_f64) {
                self.values
                    .entry((cell.clone(), name))
                    .or_default()
                    .0
                    .push(value);
            }
        }
        let flags = result["flags"].as_array().into_iter().flatten();
        let flags = flags.filter_map(|flag| flag.as_str().map(str::to_owned));
        let known = self.flags.entry(cell).or_default();
        known.extend(flags);
        known.sort();
        known.dedup();
    }

    fn over(&self, other: &Self) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        for ((cell, name), ours) in &self.values {
            let Some(theirs) = other.values.get(&(cell.clone(), name)) else {
                continue;
            };
            ensure!(
                ours.0.len() == theirs.0.len(),
                "{cell}: one broker has {} runs, the other {}",
                ours.0.len(),
                theirs.0.len()
            );
            let ratios = ours.over(theirs);
            let is_more_better = QUANTITIES.iter().any(|it| it.0 == *name && it.2);
            let ratio = ours.median() / theirs.median();
            let worse = if is_more_better { 1.0 / ratio } else { ratio };
            let flags = [self, other].map(|side| side.flags.get(cell).cloned().unwrap_or_default());
            lines.push(format!(
                "{cell:<40} {name:<22} {:<28} {:<28} ratio {ratio:.3} ({:.3}-{:.3}){}{}",
                ours.text(),
                theirs.text(),
                ratios.min(),
                ratios.max(),
                if worse <= EQUAL_MAX { "" } else { "  LOSES" },
                if flags.iter().all(Vec::is_empty) {
                    String::new()
                } else {
                    format!("  [{} / {}]", flags[0].join(" "), flags[1].join(" "))
                },
            ));
        }
        ensure!(!lines.is_empty(), "the two sides have no cell in common");
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn results(rates: &[f64]) -> Results {
        let mut results = Results::default();
        for rate in rates {
            results.add_result(&json!({
                "workload": "cell",
                "aggregatedPublishRate": rate,
                "cpu": {"brokerSecondsPerGB": 4.0},
                "flags": ["saturated"],
            }));
        }
        results
    }

    #[test]
    fn rounds_are_compared_in_pairs_and_losses_are_named() {
        let lines = results(&[100.0, 300.0, 200.0])
            .over(&results(&[400.0; 3]))
            .expect("alike");
        let line = lines
            .iter()
            .find(|line| line.contains("records/s"))
            .expect("a line");
        assert!(
            line.contains("ratio 0.500 (0.250-0.750)  LOSES  [saturated / saturated]"),
            "{line}"
        );
        let line = lines
            .iter()
            .find(|line| line.contains("CPU"))
            .expect("a line");
        assert!(
            line.contains("ratio 1.000") && !line.contains("LOSES"),
            "{line}"
        );
    }

    #[test]
    fn sides_that_were_not_measured_alike_are_refused() {
        assert!(results(&[1.0]).over(&results(&[1.0, 2.0])).is_err());
        assert!(results(&[1.0]).over(&Results::default()).is_err());
    }
}
