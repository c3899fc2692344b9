//! Counting instructions with valgrind's callgrind.
//!
//! One process does all rows, so that valgrind starts once. Collection is off but for the time in
//! [`ringbrook_gate::rows::gate_measured`] (`--toggle-collect`): what a row makes ready is not
//! counted. When that function returns, callgrind writes a file and begins at zero again
//! (`--dump-after`), so the files in their order are the rows in theirs.
//!
//! What makes the counts the same everywhere: valgrind gives every program one made-up processor
//! (no AVX-512, fixed sizes of caches), so that crc32c, memchr and memcpy choose the same code on
//! all machines with AVX2; what was detected is one of the facts. The allocator is mimalloc as in
//! the broker, since its cost is part of every path here, told not to purge, which would depend on
//! time. Only the seeds of hash maps and the order of memory vary: what a row varies by from run to
//! run is measured and stated in the baseline.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// The function's name as valgrind shows it. Not a pattern: `--dump-after` takes none.
const MEASURED: &str = "ringbrook_gate::rows::gate_measured";
/// How a file says that the function has returned.
const TRIGGER: &str = "desc: Trigger: --dump-after=";

/// What one run of the rows gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// What the process says of itself, by name.
    pub(crate) facts: Vec<(String, String)>,
    /// Instructions of each row.
    pub(crate) rows: Vec<(String, u64)>,
}

/// The version of valgrind, if there is one.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("valgrind").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs all rows once.
pub(crate) fn run() -> anyhow::Result<Run> {
    let dir = tempfile::tempdir()?;
    let files = dir.path().join("logs");
    std::fs::create_dir(&files)?;
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--toggle-collect={MEASURED}"))
        .arg(format!("--dump-after={MEASURED}"))
        .arg(format!(
            "--callgrind-out-file={}",
            dir.path().join("counts").display()
        ))
        .arg(std::env::current_exe()?)
        .arg("rows")
        .arg(&files);
    // Nothing of the environment reaches the rows.
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path);
    command.env("MIMALLOC_PURGE_DELAY", "-1");
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "the rows ended with {}: {errors}",
        output.status
    );
    let counts = counts_below(dir.path())?;
    pair(&told, &counts).with_context(|| format!("valgrind said: {errors}"))
}

/// The counts of all files, in the order in which they were written.
fn counts_below(dir: &Path) -> anyhow::Result<Vec<u64>> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let part = parse(&text).with_context(|| format!("{} is no profile", path.display()))?;
        parts.extend(part);
    }
    parts.sort_unstable();
    Ok(parts.into_iter().map(|(_, count)| count).collect())
}

/// Number and instructions of a file; nothing of one that was not written at the end of a row.
fn parse(text: &str) -> anyhow::Result<Option<(u64, u64)>> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.map(|line| line.trim().parse::<u64>());
        number
            .with_context(|| format!("no line {name}"))?
            .with_context(|| format!("the line {name} has no number"))
    };
    ensure!(
        text.lines().any(|line| line.trim() == "events: Ir"),
        "it does not count instructions alone"
    );
    if !text.lines().any(|line| line.starts_with(TRIGGER)) {
        return Ok(None);
    }
    Ok(Some((field("part:")?, field("summary:")?)))
}

/// Puts together what the process told and what was counted.
fn pair(told: &str, counts: &[u64]) -> anyhow::Result<Run> {
    let mut run = Run::default();
    let mut names = Vec::new();
    for line in told.lines() {
        if let Some(name) = line.strip_prefix("row ") {
            names.push(name.to_owned());
        } else if let Some((name, value)) = line
            .strip_prefix("fact ")
            .and_then(|fact| fact.split_once(": "))
        {
            run.facts.push((name.to_owned(), value.to_owned()));
        }
    }
    ensure!(
        names.len() == counts.len() && !names.is_empty(),
        "{} rows ran, {} were counted",
        names.len(),
        counts.len()
    );
    run.rows = names.into_iter().zip(counts.iter().copied()).collect();
    Ok(run)
}

#[cfg(test)]
mod tests;
