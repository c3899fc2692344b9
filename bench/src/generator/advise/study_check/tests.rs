//! Tests of the report.

use super::super::costs::tests::{COSTS, grid};
use super::*;

fn model() -> Model {
    let group = Group {
        label: String::new(),
        cells: grid(&COSTS),
    };
    Model {
        pairs: predict_all(&group).expect("cells enough"),
        costs: COSTS,
        group,
    }
}

#[test]
fn the_report_has_errors_worst_cells_and_regrets() {
    let text = advice(&[model()]);
    for part in [
        "| bytes per batch | ",
        "| p99 | ",
        "predicted worst for:\n\n- rate=",
        "### records of 1024 B without keys",
        "| 40000 | 20 | linger.ms ",
        "0 by prediction only",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("NaN") && !text.contains("| inf"), "{text}");
}

#[test]
fn a_goal_that_the_advice_missed_is_shouted() {
    assert!(!advice(&[model()]).contains("| NO |"));
    let mut model = model();
    for pair in &mut model.pairs {
        if pair.cell.linger_ms() == 20.0 {
            pair.cell.p99_ms = 500.0;
        }
    }
    assert!(advice(&[model]).contains("| NO |"));
}

#[test]
fn the_chart_has_a_series_per_linger() {
    let svg = chart(&[model()]).expect("drawn");
    assert!(
        svg.contains("linger.ms 20") && svg.contains("1.5 times off"),
        "{svg}"
    );
}
