//! `cargo xtask ci`: the one command that a commit must pass, and all that a hosted CI calls.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context;

use crate::tidy;

/// A cargo command line, with warnings in rustdoc turned into errors.
const STEPS: [(&str, &[&str]); 4] = [
    ("fmt", &["fmt", "--all", "--check"]),
    (
        "clippy",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ],
    ),
    ("test", &["test", "--workspace"]),
    ("doc", &["doc", "--workspace", "--no-deps"]),
];

/// Runs every step and prints its time. Stops at the first that fails; the cheap ones come first.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    if !timed("tidy", || tidy::run(root))? {
        return Ok(false);
    }
    for (name, arguments) in STEPS {
        if !timed(name, || cargo(root, arguments))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<bool> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root)
        .env("RUSTDOCFLAGS", "-D warnings");
    let status = command.status().context("cannot start cargo")?;
    Ok(status.success())
}

#[expect(
    clippy::disallowed_methods,
    reason = "measures the step itself; there is no Clock here"
)]
fn timed(name: &str, step: impl FnOnce() -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    println!("== {name}");
    let started = Instant::now();
    let is_clean = step()?;
    let outcome = if is_clean { "passed" } else { "FAILED" };
    println!(
        "== {name} {outcome} in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    Ok(is_clean)
}
