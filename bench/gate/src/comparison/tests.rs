//! Tests of the comparison: what fails, what is told.

use super::*;
use crate::baseline::Expected;

fn baseline(rows: &[(&str, u64, Option<f64>)]) -> Baseline {
    let rows = rows.iter().map(|(name, instructions, tolerance_percent)| {
        let expected = Expected {
            instructions: *instructions,
            tolerance_percent: *tolerance_percent,
        };
        ((*name).to_owned(), expected)
    });
    Baseline {
        facts: BTreeMap::new(),
        rows: rows.collect(),
    }
}

fn verdict(base: u64, tolerance: Option<f64>, count: u64) -> Verdict {
    let compared = compare(
        &baseline(&[("a", base, tolerance)]),
        &[("a".to_owned(), count)],
    );
    assert_eq!(compared.len(), 1);
    compared[0].verdict.clone()
}

#[test]
fn more_than_two_percent_is_slower() {
    assert_eq!(verdict(10_000, None, 10_200), Verdict::Same);
    assert_eq!(verdict(10_000, None, 10_201), Verdict::Slower);
    assert_eq!(verdict(10_000, None, 9_800), Verdict::Same);
    assert_eq!(verdict(10_000, None, 9_799), Verdict::Faster);
}

#[test]
fn a_row_may_have_its_own_tolerance() {
    assert_eq!(verdict(10_000, Some(5.0), 10_500), Verdict::Same);
    assert_eq!(verdict(10_000, Some(5.0), 10_501), Verdict::Slower);
}

#[test]
fn a_row_that_was_nothing_and_is_something_is_slower() {
    assert_eq!(verdict(0, None, 1), Verdict::Slower);
    assert_eq!(verdict(0, None, 0), Verdict::Same);
}

#[test]
fn new_and_missing_rows_fail_and_faster_ones_do_not() {
    let baseline = baseline(&[("gone", 10, None), ("fast", 100, None)]);
    let counts = [("fast".to_owned(), 50), ("new".to_owned(), 7)];
    let compared = compare(&baseline, &counts);
    let told: Vec<_> = compared
        .iter()
        .map(|row| (row.name.as_str(), row.is_good()))
        .collect();
    assert_eq!(told, [("fast", true), ("new", false), ("gone", false)]);
}

#[test]
fn a_line_names_the_row_and_by_how_much() {
    let counts = [("a/b".to_owned(), 1100)];
    let line = compare(&baseline(&[("a/b", 1000, None)]), &counts)[0].line();
    for part in ["a/b", "1000", "1100", "+10.00 %", "SLOWER", "+2.0 %"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn differing_facts_are_named_with_both_values() {
    let facts = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let expected = facts(&[("rustc", "1.95"), ("cc", "12")]);
    assert!(differing_facts(&expected, &expected).is_empty());
    let lines = differing_facts(&expected, &facts(&[("rustc", "1.96"), ("libc", "2.36")]));
    assert_eq!(
        lines,
        [
            "cc: nothing here, 12 in the baseline",
            "libc: 2.36 here, nothing in the baseline",
            "rustc: 1.96 here, 1.95 in the baseline",
        ]
    );
}
