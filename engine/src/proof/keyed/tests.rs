//! The campaign of compacted and moved logs within the test run, and its checks shown to be able to
//! fail. `RINGBROOK_PROOF_SEED` runs one seed, `RINGBROOK_PROOF_SEEDS` more.

use super::*;
use crate::proof::sabotage::{Sabotage, with};

const SEEDS_DEFAULT: u64 = 250;

fn env_number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap())
}

#[test]
fn cleaned_and_moved_logs_keep_what_counts() {
    let (first, count) = match env_number("RINGBROOK_PROOF_SEED") {
        Some(seed) => (seed, 1),
        None => (
            0,
            env_number("RINGBROOK_PROOF_SEEDS").unwrap_or(SEEDS_DEFAULT),
        ),
    };
    let mut total = KeyedTally::default();
    for seed in first..first + count {
        match run_keyed_seed(seed, Plan::default()) {
            Ok(tally) => total.add(&tally),
            Err(failure) => panic!("{failure}"),
        }
    }
    println!("{count} seeds: {total:?}");
    if count < SEEDS_DEFAULT {
        return;
    }
    // The campaign means something only if it meets what it is about.
    assert!(count < total.cuts && count / 4 < total.cuts_in_recovery);
    assert!(count / 20 < total.faults && count < total.rounds && count < total.moves);
    assert!(count * 10 < total.dropped_records && count * 10 < total.records);
    assert!(count / 20 < total.lost_batches);
}

#[test]
fn a_keyed_seed_does_the_same_again() {
    for seed in 0..15 {
        let plan = Plan::default();
        let (first, second) = (run_keyed_seed(seed, plan), run_keyed_seed(seed, plan));
        assert_eq!(first, second, "seed {seed}");
    }
}

/// The rules that seeds find broken while something is sabotaged; stops at the one expected.
fn found_broken(sabotage: Sabotage, expected: Rule) -> Vec<Rule> {
    let mut found = Vec::new();
    for seed in 0..400 {
        let result = with(sabotage, || run_keyed_seed(seed, Plan::default()));
        if let Err(failure) = result {
            found.push(failure.breach.rule);
        }
        if found.last() == Some(&expected) {
            break;
        }
    }
    found
}

#[test]
fn every_sabotaged_rule_of_compaction_and_moves_is_found_and_named() {
    let variants = [
        (Sabotage::TombstoneDroppedEarly, Rule::Compaction),
        (Sabotage::LatestOfKeyDropped, Rule::Compaction),
        (Sabotage::RewrittenNotSynced, Rule::Compaction),
        (Sabotage::LastSequenceDropped, Rule::Producers),
        (Sabotage::CopyNotSynced, Rule::L4),
    ];
    for (sabotage, rule) in variants {
        let found = found_broken(sabotage, rule);
        println!("{sabotage:?}: {found:?}");
        assert_eq!(found.last(), Some(&rule), "{sabotage:?}: {found:?}");
    }
}
