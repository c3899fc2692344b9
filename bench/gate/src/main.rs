//! The instruction gate: counts the instructions of the hot paths under valgrind and compares them
//! with `bench/gate/baseline.toml`. Clocks of shared machines are too noisy to tell that a commit
//! made a path 3 % slower; instruction counts repeat to a fraction of a percent.
//!
//! `bench/gate/run` builds and runs it, `bench/gate/run --update` writes the baseline anew. It
//! fails when a row takes more than its tolerance above the baseline (2 % unless the row varies),
//! when a row is new or gone, and says which. Where compilers, C library, valgrind or the processor
//! that valgrind shows are not those of the baseline, it reports and does not fail, since other
//! compilers give other counts. A row that is faster is told, and is no failure.
//!
//! What it does not see: system calls, waiting, caches, io_uring. Fewer instructions are mostly but
//! not always less time; `cargo bench -p ringbrook-bench` and `ringbrook-bench run` measure time.

#![expect(
    clippy::print_stdout,
    reason = "a command-line tool reports on standard output"
)]

mod baseline;
mod callgrind;
mod comparison;
mod facts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use baseline::Baseline;
use callgrind::Run;
use comparison::{Compared, compare, differing_facts};

/// The broker's allocator: its cost is part of every path.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compares instruction counts of the hot paths with the committed baseline.
#[derive(Parser)]
#[command(name = "ringbrook-gate")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Write the baseline anew
    #[arg(long)]
    update: bool,
    /// Counts to compare with
    #[arg(long, default_value = "bench/gate/baseline.toml")]
    baseline: PathBuf,
    /// How often an update counts, to see what varies
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

#[derive(Subcommand)]
enum Command {
    /// Do the work of all rows once (the gate starts this under valgrind)
    Rows {
        /// Where rows keep their files
        dir: PathBuf,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Command::Rows { dir }) = &arguments.command {
        do_rows(dir);
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::ensure!(
        !cfg!(debug_assertions),
        "this is a debug build, whose counts mean nothing: bench/gate/run builds a release"
    );
    let Some(valgrind) = callgrind::version() else {
        println!(
            "GATE DID NOT RUN: there is no valgrind to count with (apt-get install -y valgrind)"
        );
        return Ok(ExitCode::FAILURE);
    };
    if arguments.update {
        update(&arguments, valgrind)?;
        return Ok(ExitCode::SUCCESS);
    }
    check(&arguments.baseline, valgrind)
}

fn do_rows(dir: &Path) {
    for (name, value) in facts::of_this_process() {
        println!("fact {name}: {value}");
    }
    for row in ringbrook_gate::rows::all() {
        println!("row {}", row.name);
        row.run(dir);
    }
}

fn facts_of(run: &Run, valgrind: String) -> BTreeMap<String, String> {
    let mut facts: BTreeMap<_, _> = run.facts.iter().cloned().collect();
    facts.insert("valgrind".to_owned(), valgrind);
    facts.insert("libc".to_owned(), facts::libc());
    facts
}

fn update(arguments: &Arguments, valgrind: String) -> anyhow::Result<()> {
    let mut runs = Vec::new();
    for _ in 0..arguments.runs.max(1) {
        runs.push(callgrind::run()?);
    }
    let facts = facts_of(&runs[0], valgrind);
    let path = &arguments.baseline;
    let former = if path.exists() {
        Baseline::load(path)?
    } else {
        Baseline::default()
    };
    let baseline = Baseline::of(facts, &runs, &former);
    let rows = baseline.rows.iter();
    let counts: Vec<_> = rows
        .map(|(name, row)| (name.clone(), row.instructions))
        .collect();
    print(&compare(&former, &counts));
    baseline.store(path)?;
    println!("written: {}", path.display());
    Ok(())
}

fn check(path: &Path, valgrind: String) -> anyhow::Result<ExitCode> {
    let baseline = Baseline::load(path)?;
    let mut run = callgrind::run()?;
    let differing = differing_facts(&baseline.facts, &facts_of(&run, valgrind));
    let mut compared = compare(&baseline, &run.rows);
    if differing.is_empty() && !compared.iter().all(Compared::is_good) {
        // An unlucky seed of a hash map is not a slow-down: only what stays is.
        let again = callgrind::run()?;
        for ((_, count), (_, again)) in run.rows.iter_mut().zip(&again.rows) {
            *count = (*count).min(*again);
        }
        compared = compare(&baseline, &run.rows);
    }
    print(&compared);
    let bad = compared.iter().filter(|row| !row.is_good()).count();
    if !differing.is_empty() {
        println!("GATE NOT ENFORCED: counts are not comparable with those of the baseline:");
        for line in differing {
            println!("  {line}");
        }
        println!("  {bad} of {} rows would have failed", compared.len());
        return Ok(ExitCode::SUCCESS);
    }
    if bad == 0 {
        println!("gate passed: {} rows", compared.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("GATE FAILED: {bad} of {} rows:", compared.len());
    for row in compared.iter().filter(|row| !row.is_good()) {
        println!("  {}", row.line());
    }
    println!("Find the cause, or, where the change is worth it, say so in the commit with");
    println!("  bench/gate/run --update");
    Ok(ExitCode::FAILURE)
}

fn print(compared: &[Compared]) {
    println!(
        "{:<46} {:>11} {:>11} {:>10}",
        "instructions", "baseline", "now", "change"
    );
    for row in compared {
        println!("{}", row.line());
    }
}
