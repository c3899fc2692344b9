//! The checker tells each violation, and finds workers that break the rules in a model of them
//! that is killed at random.

use std::collections::BTreeMap;

use super::*;
use crate::exactly_once::{Lane, Random};

const SOURCE: Source = Source {
    lane: Lane::Group,
    partition: 0,
};
const OUTPUTS: i32 = 3;

fn transfer(number: i64, transaction: &str, size: usize) -> Transfer {
    Transfer {
        source: SOURCE,
        number,
        transaction: transaction.to_owned(),
        size,
        is_doomed: false,
    }
}

/// Observes records at the offsets 0, 1, 2 ... of output partition 0.
fn observe(records: &[Transfer]) -> Result<Checker, Violation> {
    let mut checker = Checker::new(OUTPUTS);
    for (offset, record) in (0..).zip(records) {
        checker.observe(0, offset, record.value(0).as_bytes())?;
    }
    Ok(checker)
}

fn finish(records: &[Transfer], fed: i64, committed: i64) -> Result<(), Violation> {
    let of = |value| BTreeMap::from([(SOURCE, value)]);
    observe(records)?.finish(&of(fed), &of(committed))
}

#[test]
fn everything_once_and_in_order_passes() {
    let records = [
        transfer(0, "a", 2),
        transfer(1, "a", 2),
        transfer(2, "b", 1),
    ];
    finish(&records, 3, 3).unwrap();
}

#[test]
fn each_violation_is_told() {
    let first = transfer(0, "a", 1);
    let doomed = Transfer {
        is_doomed: true,
        ..first.clone()
    };
    assert!(matches!(
        observe(&[doomed]),
        Err(Violation::AbortedVisible { .. })
    ));
    assert!(matches!(
        observe(&[first.clone(), transfer(0, "b", 1)]),
        Err(Violation::Twice { offset: 1, .. })
    ));
    assert!(matches!(
        observe(&[first.clone(), transfer(2, "b", 1)]),
        Err(Violation::Gap { expected: 1, .. })
    ));
    let only = std::slice::from_ref(&first);
    assert!(matches!(
        finish(only, 2, 1),
        Err(Violation::Incomplete { transferred: 1, .. })
    ));
    for committed in [-1, 0, 2] {
        assert!(matches!(
            finish(only, 1, committed),
            Err(Violation::OffsetsDisagree { .. })
        ));
    }
    assert!(matches!(
        finish(&[transfer(0, "a", 2)], 1, 1),
        Err(Violation::TornTransaction { missing: 1, .. })
    ));
}

#[test]
fn offsets_that_do_not_increase_and_strays_are_told() {
    let mut checker = Checker::new(OUTPUTS);
    let value = |number| transfer(number, "a", 3).value(5);
    checker.observe(0, 7, value(0).as_bytes()).unwrap();
    assert_eq!(
        checker.observe(0, 7, value(1).as_bytes()),
        Err(Violation::OffsetPassed {
            partition: 0,
            offset: 7
        })
    );
    let elsewhere = checker.observe(1, 0, value(1).as_bytes());
    assert!(matches!(elsewhere, Err(Violation::Stray { .. })));
    let foreign = checker.observe(0, 8, b"not of a worker");
    assert!(matches!(foreign, Err(Violation::Stray { .. })));
}

/// How a worker of the model transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    Right,
    /// Produces without a transaction.
    Plain,
    /// Commits its offset by itself before it ends the transaction.
    OffsetBefore,
    /// Commits its offset by itself after the transaction.
    OffsetAfter,
    /// Goes on with the next records after an abort instead of going back.
    NoRewind,
}

/// A worker that is killed at random between two of its steps, and what a reader sees of it.
fn simulate(seed: u64, variant: Variant) -> Result<(), Violation> {
    const FED: i64 = 1000;
    let mut random = Random::new(seed);
    let mut checker = Checker::new(OUTPUTS);
    let (mut committed, mut position, mut offset) = (0, 0, 0);
    for transaction in 0..10_000 {
        if FED <= position {
            break;
        }
        // Killed before the step of this number; most transactions have no such step.
        let killed_at = random.index(0, 12);
        let size = random
            .index(1, 6)
            .min(usize::try_from(FED - position).unwrap());
        let is_doomed = random.chance(15);
        let next = position + i64::try_from(size).unwrap();
        let records = (position..next).map(|number| Transfer {
            is_doomed,
            ..transfer(number, &transaction.to_string(), size)
        });
        let mut show = |records: &mut dyn Iterator<Item = Transfer>| {
            for record in records {
                checker.observe(0, offset, record.value(0).as_bytes())?;
                offset += 1;
            }
            // The marker.
            offset += 1;
            Ok(())
        };
        let is_plain = variant == Variant::Plain;
        let mut records = records;
        // Without transactions part of a killed worker's records are visible.
        match (is_plain, killed_at) {
            (true, 0) => show(&mut records.by_ref().take(size / 2))?,
            (true, _) => show(&mut records)?,
            _ => {}
        }
        if killed_at == 0 {
            position = committed;
            continue;
        }
        if variant == Variant::OffsetBefore || is_plain {
            committed = next;
        }
        if killed_at == 1 || is_doomed {
            let goes_on = variant == Variant::NoRewind && is_doomed;
            position = if goes_on { next } else { committed };
            continue;
        }
        if !is_plain {
            show(&mut records)?;
        }
        if killed_at == 2 && variant == Variant::OffsetAfter {
            position = committed;
            continue;
        }
        committed = next;
        position = next;
    }
    let of = |value| BTreeMap::from([(SOURCE, value)]);
    checker.finish(&of(FED), &of(committed))
}

#[test]
fn a_worker_that_does_right_passes_whenever_it_is_killed() {
    for seed in 0..200 {
        simulate(seed, Variant::Right).unwrap_or_else(|it| panic!("seed {seed}: {it}"));
    }
}

#[test]
fn workers_that_break_the_rules_are_found() {
    let broken = [
        Variant::Plain,
        Variant::OffsetBefore,
        Variant::OffsetAfter,
        Variant::NoRewind,
    ];
    for variant in broken {
        for seed in 0..50 {
            let found = simulate(seed, variant);
            assert!(found.is_err(), "{variant:?} passes with seed {seed}");
        }
    }
}
