//! Tests of regrets.

use super::super::check::predict_all;
use super::super::costs::tests::{COSTS, grid};
use super::*;
use crate::generator::observed::Group;

fn pairs() -> Vec<Pair> {
    let group = Group {
        label: String::new(),
        cells: grid(&COSTS),
    };
    predict_all(&group).expect("cells enough")
}

fn at_rate(pairs: &[Pair], rate: f64) -> Vec<&Pair> {
    pairs
        .iter()
        .filter(|it| it.cell.target_rate == Some(rate))
        .collect()
}

#[test]
fn good_advice_keeps_the_goals_that_can_be_kept() {
    let pairs = pairs();
    for rate in [2000.0, 40_000.0] {
        let all = regrets(&at_rate(&pairs, rate));
        assert_eq!(all.len(), GOALS_MS.len());
        for regret in &all {
            assert!(regret.is_kept() || regret.cheapest.is_none(), "{regret:?}");
        }
    }
}

#[test]
fn a_wrong_prediction_is_regretted() {
    let mut pairs = pairs();
    for pair in &mut pairs {
        if pair.cell.target_rate == Some(40_000.0) && 0.0 < pair.cell.linger_ms() {
            // As if nothing but this was measured to be slow.
            pair.cell.p99_ms = 500.0;
        }
    }
    let of_rate = at_rate(&pairs, 40_000.0);
    let all = regrets(&of_rate);
    let last = all.last().expect("goals");
    assert!(0.0 < last.recommended.linger_ms(), "it saves most");
    assert!(!last.is_kept() && last.cheapest.is_some());
    assert!(10.0 < last.p99_factor().expect("sustained"));
}

#[test]
fn what_was_overloaded_has_no_p99() {
    let mut pairs = pairs();
    for pair in &mut pairs {
        pair.cell.is_overloaded = pair.cell.linger_ms() != 0.0;
    }
    let all = regrets(&at_rate(&pairs, 40_000.0));
    let regretted = all
        .iter()
        .find(|it| it.recommended.is_overloaded)
        .expect("one");
    assert_eq!((regretted.p99_factor(), regretted.is_kept()), (None, false));
}
