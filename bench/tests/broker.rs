//! The scenarios that need a broker still work: they run small against the broker of this checkout,
//! built in the profile of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Builds the broker, as the bench crate does not depend on it.
fn broker() -> anyhow::Result<PathBuf> {
    let bench = Path::new(env!("CARGO_BIN_EXE_ringbrook-bench"));
    let profile = bench.parent().context("a target directory")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "ringbrook-broker"]);
    cargo.args(["--bin", "ringbrook"]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    cargo
        .arg("--target-dir")
        .arg(profile.parent().context("a target directory")?);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    ensure!(cargo.status()?.success(), "the broker does not build");
    Ok(profile.join("ringbrook"))
}

/// Runs a scenario; its lines of output.
fn run(scenario: &str) -> anyhow::Result<Vec<String>> {
    let dir = tempfile::tempdir()?;
    let results = dir.path().join("results.jsonl");
    let output = Command::new(env!("CARGO_BIN_EXE_ringbrook-bench"))
        .args(["run", scenario, "--quick", "--rounds", "1"])
        // Any machine has a first core.
        .args(["--server-cpu", "0", "--client-cpu", "0", "--dir"])
        .arg(dir.path())
        .arg("--json")
        .arg(&results)
        .arg("--ringbrook")
        .arg(broker()?)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{text}{errors}");
    let results = std::fs::read_to_string(&results)?;
    ensure!(results.contains(&format!("\"{scenario}\"")), "{results}");
    Ok(text.lines().map(str::to_owned).collect())
}

/// Whether a line has all `words`.
fn tells(lines: &[String], words: &[&str]) {
    let has_all = |line: &String| words.iter().all(|word| line.contains(word));
    assert!(lines.iter().any(has_all), "nothing of {words:?}: {lines:?}");
}

#[test]
fn commits_of_one_and_of_many_groups_are_measured() -> anyhow::Result<()> {
    let lines = run("offset-commit")?;
    for load in [
        "1 group:",
        "64 groups:",
        "1 group, durable:",
        "64 groups, durable:",
    ] {
        tells(&lines, &[load, "commits/s"]);
        tells(&lines, &[load, "CPU us/commit"]);
    }
    Ok(())
}

#[test]
fn groups_of_both_protocols_are_joined() -> anyhow::Result<()> {
    let lines = run("group-join")?;
    for protocol in ["classic:", "consumer:"] {
        tells(&lines, &[protocol, "ms until all are assigned"]);
        tells(&lines, &[protocol, "ms of broker CPU"]);
    }
    Ok(())
}

#[test]
fn transactions_are_compared_with_plain_produce() -> anyhow::Result<()> {
    for scenario in ["transactions", "transactions-durable"] {
        let lines = run(scenario)?;
        for load in [
            "idempotent",
            "1,000-record transactions",
            "100 ms transactions",
        ] {
            tells(&lines, &[load, "records/s", "ratio"]);
            tells(&lines, &[load, "CPU us/record", "ratio"]);
        }
    }
    Ok(())
}
