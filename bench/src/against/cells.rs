//! Latencies at fixed rates: cells of `ringbrook-bench load`, at a share of what another broker
//! can do at most.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::quantities::{ACHIEVED_RATE, PRODUCE_AT, RESPONSE_P999, TARGET_RATE};
use crate::interrupt;
use crate::process::Served;

/// Of the maximum.
pub(crate) const SHARE_PERCENT: f64 = 50.0;

/// What a cell sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cell {
    /// Records of 1 KiB by a producer with the defaults of current Java clients.
    Produce,
    /// Small records, each in a batch of its own, by several producers.
    Unbatched,
    /// The first, and a group that reads.
    EndToEnd,
}

impl Cell {
    pub(crate) const ALL: [Self; 3] = [Self::Produce, Self::Unbatched, Self::EndToEnd];

    /// What its row begins with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Produce => PRODUCE_AT,
            Self::Unbatched => "produce unbatched at",
            Self::EndToEnd => "end to end at",
        }
    }

    /// The one whose maximum it takes a share of.
    pub(crate) fn maximum_of(self) -> Self {
        match self {
            Self::EndToEnd => Self::Produce,
            other => other,
        }
    }

    /// The workload, apart from how fast and how long.
    fn workload(self) -> &'static str {
        match self {
            Self::Produce => "record_bytes = 1024\n",
            Self::Unbatched => {
                "record_bytes = 200\nproducers = 8\n\
                 [producer]\n\"linger.ms\" = \"0\"\n\"batch.size\" = \"0\"\n"
            }
            Self::EndToEnd => "record_bytes = 1024\nconsumer_groups = 1\n",
        }
    }

    /// A quantity and where `run.json` has it.
    fn quantities(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Produce | Self::Unbatched => &[
                ("response p50 ms", "/aggregatedPublishResponseLatency50pct"),
                ("response p99 ms", "/aggregatedPublishResponseLatency99pct"),
                (RESPONSE_P999, "/aggregatedPublishResponseLatency999pct"),
                ("broker CPU-s/GB", "/cpu/brokerSecondsPerGB"),
                (ACHIEVED_RATE, "/aggregatedPublishRate"),
                (TARGET_RATE, "/targetRate"),
            ],
            Self::EndToEnd => &[
                ("end-to-end p50 ms", "/aggregatedEndToEndLatency50pct"),
                ("end-to-end p99 ms", "/aggregatedEndToEndLatency99pct"),
                ("end-to-end p99.9 ms", "/aggregatedEndToEndLatency999pct"),
                ("broker CPU-s/GB", "/cpu/brokerSecondsPerGB"),
                (ACHIEVED_RATE, "/aggregatedPublishRate"),
                (TARGET_RATE, "/targetRate"),
            ],
        }
    }
}

/// How fast and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Records per second; as fast as possible without.
    pub(crate) records_per_s: Option<f64>,
    pub(crate) warm_up_s: f64,
    pub(crate) measured_s: f64,
}

/// What a cell came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Quantities and their values.
    pub(crate) values: Vec<(&'static str, f64)>,
    /// Space between them.
    pub(crate) flags: String,
    pub(crate) records_per_s: f64,
}

/// Runs a cell on a broker, in a process of its own; its report stays in `out`, which is made. The
/// topics stay too, as deleting them would cost a broker time later.
///
/// # Errors
/// The load failed, or records were lost.
pub(crate) fn run(
    cell: Cell,
    pace: Pace,
    served: Served,
    client_cpu: usize,
    out: &Path,
) -> anyhow::Result<Outcome> {
    std::fs::create_dir_all(out)?;
    let file = out.join("workload.toml");
    std::fs::write(&file, text(cell, pace))?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("load")
        .arg(&file)
        .args(["--bootstrap-server", &served.address.to_string()])
        .args(["--broker-pid", &served.pid.to_string()])
        .args(["--client-cpu", &client_cpu.to_string(), "--keep-topics"])
        .arg("--dir")
        .arg(out)
        .arg("--out")
        .arg(out)
        // Its error is one line of the report.
        .env("RUST_LIB_BACKTRACE", "0")
        .stderr(Stdio::piped());
    let output = interrupt::output(&mut command)?;
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the load failed: {told}{errors}");
    let text = std::fs::read_to_string(results(out)?.join("run.json"))?;
    let run: Value = serde_json::from_str(&text)?;
    outcome(cell, run.pointer("/results/0").context("a result")?)
}

/// The file that `ringbrook-bench load` reads.
fn text(cell: Cell, pace: Pace) -> String {
    let (load, verify) = match pace.records_per_s {
        Some(rate) => (rate.to_string(), "always"),
        None => ("\"max\"".to_owned(), "off"),
    };
    format!(
        "name = \"cell\"\nload = {load}\nverify = \"{verify}\"\n\
         warm_up_s = {}\nmeasured_s = {}\n{}",
        pace.warm_up_s,
        pace.measured_s,
        cell.workload()
    )
}

/// The directory that a load made in `out`.
fn results(out: &Path) -> anyhow::Result<PathBuf> {
    for entry in std::fs::read_dir(out)? {
        let path = entry?.path();
        if path.join("run.json").exists() {
            return Ok(path);
        }
    }
    anyhow::bail!("no results in {}", out.display())
}

fn outcome(cell: Cell, result: &Value) -> anyhow::Result<Outcome> {
    let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_f64);
    let known = cell.quantities().iter();
    let values = known.filter_map(|(name, pointer)| Some((*name, number(pointer)?)));
    let flags = result["flags"].as_array().into_iter().flatten();
    let flags: Vec<_> = flags.filter_map(Value::as_str).collect();
    Ok(Outcome {
        values: values.collect(),
        flags: flags.join(" "),
        records_per_s: number("/aggregatedPublishRate").context("a rate")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_toml_with_its_load() {
        let pace = Pace {
            records_per_s: Some(1500.0),
            warm_up_s: 2.0,
            measured_s: 5.5,
        };
        for cell in Cell::ALL {
            let workload: toml::Table = toml::from_str(&text(cell, pace)).unwrap();
            assert_eq!(workload["load"].as_integer(), Some(1500), "{cell:?}");
            assert_eq!(workload["verify"].as_str(), Some("always"));
        }
        let pace = Pace {
            records_per_s: None,
            ..pace
        };
        let workload: toml::Table = toml::from_str(&text(Cell::Unbatched, pace)).unwrap();
        assert_eq!(workload["load"].as_str(), Some("max"));
        assert_eq!(workload["producer"]["batch.size"].as_str(), Some("0"));
    }

    #[test]
    fn latencies_and_flags_of_a_result_are_found() {
        let result = json!({
            "aggregatedPublishRate": 99.5,
            "targetRate": 100.0,
            "aggregatedPublishResponseLatency999pct": 7.5,
            "flags": ["overloaded", "client-bound"],
        });
        let found = outcome(Cell::Produce, &result).unwrap();
        assert!(found.values.contains(&(RESPONSE_P999, 7.5)));
        assert!(found.values.contains(&(TARGET_RATE, 100.0)));
        assert_eq!(found.values.len(), 3);
        assert_eq!(found.flags, "overloaded client-bound");
        assert!(outcome(Cell::Produce, &json!({})).is_err());
    }
}
