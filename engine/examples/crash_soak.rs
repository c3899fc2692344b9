//! Runs the crash campaign for as many seeds as wanted, by hand:
//! `cargo run --release -p ringbrook-engine --features sim --example crash_soak -- --seeds 100000`.
//! With `--keyed` it is the campaign of logs that are compacted and moved.
//! A failure is printed with its seed, generation, step and what led to it; `--seed X` repeats it.

#![expect(clippy::print_stdout, reason = "a command-line tool reports on it")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use ringbrook_engine::proof::{Failure, KeyedTally, Plan, Rule, Tally, run_keyed_seed, run_seed};

/// Power cuts, failed writes and restarts on a simulated disk.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Run this seed alone.
    #[arg(long, conflicts_with_all = ["seeds", "first_seed"])]
    seed: Option<u64>,
    /// Compacted logs that are moved between log dirs.
    #[arg(long)]
    keyed: bool,
    /// Threads, each with seeds of its own.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Stops and starts of each machine.
    #[arg(long, default_value_t = Plan::default().generations)]
    generations: u64,
    /// Steps between two stops.
    #[arg(long, default_value_t = Plan::default().steps)]
    steps: u64,
}

#[derive(Default)]
struct Results {
    tally: Tally,
    keyed_tally: KeyedTally,
    broken: BTreeMap<Rule, u64>,
    first: Option<Box<Failure>>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (first, count) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.first_seed, arguments.seeds),
    };
    let plan = Plan {
        generations: arguments.generations,
        steps: arguments.steps,
        ..Plan::default()
    };
    // What panics is reported as a failure of its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let end = first.saturating_add(count);
    let (next, results) = (AtomicU64::new(first), Mutex::new(Results::default()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| run_share(&next, end, plan, arguments.keyed, &results));
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    if arguments.keyed {
        println!("{count} seeds from {first}: {:?}", results.keyed_tally);
    } else {
        println!("{count} seeds from {first}: {:?}", results.tally);
    }
    let Some(failure) = results.first else {
        println!("nothing is broken");
        return ExitCode::SUCCESS;
    };
    println!("{failure}");
    println!("broken seeds by rule: {:?}", results.broken);
    println!("repeat with --seed {}", failure.seed);
    ExitCode::FAILURE
}

fn run_share(next: &AtomicU64, end: u64, plan: Plan, is_keyed: bool, results: &Mutex<Results>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if end <= seed {
            return;
        }
        let mut tallies = (Tally::default(), KeyedTally::default());
        let result = if is_keyed {
            run_keyed_seed(seed, plan).map(|tally| tallies.1 = tally)
        } else {
            run_seed(seed, plan).map(|tally| tallies.0 = tally)
        };
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                results.tally.add(&tallies.0);
                results.keyed_tally.add(&tallies.1);
            }
            Err(failure) => {
                println!("seed {seed}: {}", failure.breach);
                *results.broken.entry(failure.breach.rule).or_default() += 1;
                if results.first.as_ref().is_none_or(|first| seed < first.seed) {
                    results.first = Some(failure);
                }
            }
        }
    }
}
