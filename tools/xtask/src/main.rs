//! Developer tasks: `cargo xtask ci` is everything that must pass before a commit, `cargo xtask
//! tidy` the checks that no other tool makes. Not part of the product.

#![expect(
    clippy::print_stdout,
    reason = "a command-line tool reports on standard output"
)]

mod ci;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Developer tasks of Ringbrook.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Format check, tidy, clippy, tests and documentation; warnings are errors.
    Ci,
    /// Layout, layering, sizes and text rules of CONTRIBUTING.md.
    Tidy,
}

fn main() -> anyhow::Result<ExitCode> {
    let root = workspace_root()?;
    let is_clean = match Arguments::parse().task {
        Task::Ci => ci::run(&root)?,
        Task::Tidy => tidy::run(&root)?,
    };
    Ok(if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn workspace_root() -> anyhow::Result<PathBuf> {
    let manifest_dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = manifest_dir
        .ancestors()
        .nth(2)
        .context("xtask lies two levels below the root")?;
    Ok(root.to_path_buf())
}
