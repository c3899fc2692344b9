//! Builds the workspace's programs in the profile of the tests that run them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};

/// Builds what `cargo build` makes of `args`; returns the directory of the profile.
///
/// # Errors
/// It does not build.
pub(crate) fn build(args: &[&str]) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    // <target>/<profile>/deps/<test>, or <target>/<profile>/<binary>
    let profile = test
        .ancestors()
        .skip(1)
        .find(|dir| !dir.ends_with("deps"))
        .context("tests run in a target directory")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet"]).args(args);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    cargo
        .arg("--target-dir")
        .arg(profile.parent().context("a target directory")?);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = cargo.status().context("cargo does not run")?;
    ensure!(status.success(), "cargo build {args:?} fails");
    Ok(profile.to_owned())
}
