//! The campaign within the test run: thousands of random seeds, and every sync point of a few
//! workloads. A failing seed is printed with what led to it; `RINGBROOK_PROOF_SEED` runs it alone,
//! `RINGBROOK_PROOF_SEEDS` runs more.

mod kill;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::campaign::sync_points;
use super::sabotage::{Sabotage, with};
use super::*;
use crate::io::Fault;

const SEEDS_DEFAULT: u64 = 2000;

fn env_number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap())
}

/// Runs the seeds on two threads; returns what happened, or panics with the first failure.
fn run_seeds(first: u64, count: u64, plan: Plan) -> Vec<Tally> {
    let next = AtomicU64::new(first);
    let tallies = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if first + count <= seed {
                        return;
                    }
                    match run_seed(seed, plan) {
                        Ok(tally) => tallies.lock().unwrap().push(tally),
                        Err(failure) => panic!("{failure}"),
                    }
                }
            });
        }
    });
    tallies.into_inner().unwrap()
}

#[test]
fn machines_lose_nothing_they_acknowledged() {
    let (first, count) = match env_number("RINGBROOK_PROOF_SEED") {
        Some(seed) => (seed, 1),
        None => (
            0,
            env_number("RINGBROOK_PROOF_SEEDS").unwrap_or(SEEDS_DEFAULT),
        ),
    };
    let tallies = run_seeds(first, count, Plan::default());
    let total = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    println!(
        "{count} seeds: {} starts, {} power cuts, {} of them in recovery, {} faults, {} batches, \
         {} lost, {} aborted transactions, {} logs with rebuilt indices, {} operations",
        total(|t| t.starts),
        total(|t| t.cuts + t.cuts_in_recovery),
        total(|t| t.cuts_in_recovery),
        total(|t| t.faults),
        total(|t| t.batches),
        total(|t| t.lost_batches),
        total(|t| t.aborted_transactions),
        total(|t| t.rebuilt_logs),
        total(|t| t.mutations),
    );
    if count < SEEDS_DEFAULT {
        return;
    }
    // The campaign means something only if it meets what it is about.
    assert!(count < total(|t| t.cuts) && count / 2 < total(|t| t.cuts_in_recovery));
    assert!(count / 10 < total(|t| t.faults) && count / 2 < total(|t| t.rebuilt_logs));
    assert!(count * 10 < total(|t| t.batches) && count / 10 < total(|t| t.lost_batches));
    assert!(count / 20 < total(|t| t.aborted_transactions));
}

/// The power goes off right at every sync point of a few workloads, and right after it; and at each
/// of them the operation fails instead.
#[test]
fn every_sync_point_may_be_the_last() {
    let small = Plan {
        generations: 1,
        steps: 25,
        first_fault: Some((0, None)),
    };
    let mut cuts = 0;
    for seed in 0..6 {
        for point in sync_points(seed, small) {
            for (at, fault) in [
                (point, Fault::PowerCut),
                (point + 1, Fault::PowerCut),
                (point, Fault::Eio),
            ] {
                let plan = Plan {
                    first_fault: Some((at, Some(fault))),
                    ..small
                };
                match run_seed(seed, plan) {
                    Ok(tally) => cuts += tally.cuts,
                    Err(failure) => panic!("{fault:?} at {at}: {failure}"),
                }
            }
        }
    }
    assert!(100 < cuts, "only {cuts} power cuts");
}

#[test]
fn a_seed_does_the_same_again() {
    for seed in 0..40 {
        let plan = Plan::default();
        let (first, second) = (run_seed(seed, plan), run_seed(seed, plan));
        assert_eq!(first, second, "seed {seed}");
    }
}

/// The rules that seeds find broken while something is sabotaged; stops at the one that is
/// expected.
fn found_broken(sabotage: Sabotage, expected: Rule) -> Vec<Rule> {
    let mut found = Vec::new();
    for seed in 0..300 {
        let result = with(sabotage, || run_seed(seed, Plan::default()));
        if let Err(failure) = result {
            found.push(failure.breach.rule);
        }
        if found.last() == Some(&expected) {
            break;
        }
    }
    found
}

/// The checks can fail: each invariant is broken on purpose, and the campaign names it.
#[test]
fn every_sabotaged_invariant_is_found_and_named() {
    let variants = [
        (Sabotage::HighWatermarkPastFlushed, Rule::L1),
        (Sabotage::SegmentsOverlap, Rule::L2),
        (Sabotage::EntriesOffBatchStarts, Rule::L3),
        (Sabotage::PayloadChanged, Rule::L4),
        (Sabotage::PublishedBeforeSync, Rule::L5),
        (Sabotage::FailureIgnored, Rule::L6),
        (Sabotage::RecoveryPointTooEarly, Rule::L5),
        (Sabotage::NamesNotSynced, Rule::L5),
        (Sabotage::ZeroedOverBatches, Rule::L4),
        (Sabotage::ZerosNotSynced, Rule::L5),
    ];
    for (sabotage, rule) in variants {
        let found = found_broken(sabotage, rule);
        println!("{sabotage:?}: {found:?}");
        assert_eq!(found.last(), Some(&rule), "{sabotage:?}: {found:?}");
    }
}
