//! Tests of errors: of exact predictions there are none, of wrong ones the right ones.

use super::super::costs::tests::{COSTS, grid};
use super::*;

fn group(cells: Vec<Observed>) -> Group {
    Group {
        label: String::new(),
        cells,
    }
}

#[test]
fn a_study_that_follows_the_model_is_predicted_well() -> anyhow::Result<()> {
    let pairs = predict_all(&group(grid(&COSTS)))?;
    assert_eq!(pairs.len(), 24);
    let calm: Vec<_> = pairs.iter().filter(|it| it.is_calm()).collect();
    assert!(10 < calm.len());
    for quantity in &QUANTITIES {
        let errors = errors(&calm, quantity).context(quantity.0)?;
        assert!(0.9 <= errors.within_1_2, "{}: {errors:?}", quantity.0);
    }
    assert_eq!(overloads(&pairs).only_measured, 0);
    Ok(())
}

#[test]
fn the_cell_that_is_wrong_is_named() -> anyhow::Result<()> {
    let mut pairs = predict_all(&group(grid(&COSTS)))?;
    let wrong = pairs.get_mut(3).context("a pair")?;
    wrong.cell.p99_ms = wrong.prediction.p99_ms * 7.0;
    let name = wrong.cell.workload.name.clone();
    let all: Vec<_> = pairs.iter().collect();
    let p99 = QUANTITIES.iter().find(|it| it.0 == "p99").context("p99")?;
    let errors = errors(&all, p99).context("pairs")?;
    assert_eq!(errors.worst_cell, name);
    assert!((errors.worst - 7.0).abs() < 1e-6, "{errors:?}");
    assert!(errors.median < 1.2 && errors.within_2 < 1.0, "{errors:?}");
    Ok(())
}

#[test]
fn a_cell_is_not_predicted_from_itself() -> anyhow::Result<()> {
    let mut cells = grid(&COSTS);
    let honest = predict_all(&group(cells.clone()))?;
    cells[0].client_cores *= 50.0;
    cells[0].p99_ms *= 50.0;
    let pairs = predict_all(&group(cells))?;
    let of = |pairs: &[Pair]| pairs.first().map(|it| it.prediction);
    assert_eq!(
        of(&pairs),
        of(&honest),
        "the first cell is in the first part"
    );
    Ok(())
}

#[test]
fn overloads_are_counted_by_who_found_them() -> anyhow::Result<()> {
    let mut pairs = predict_all(&group(grid(&COSTS)))?;
    pairs[0].cell.is_overloaded = true;
    pairs[1].prediction.is_overloaded = true;
    pairs[2].cell.is_overloaded = true;
    pairs[2].prediction.is_overloaded = true;
    let counts = overloads(&pairs[..3]);
    let expected = Overloads {
        both: 1,
        only_predicted: 1,
        only_measured: 1,
        neither: 0,
    };
    assert_eq!(counts, expected);
    Ok(())
}

#[test]
fn factors_are_the_same_both_ways() {
    assert_eq!(
        (factor((2.0, 4.0)), factor((4.0, 2.0)), factor((0.0, 0.0))),
        (2.0, 2.0, 1.0)
    );
    assert!(factor((1.0, 0.0)).is_infinite() && factor((1.0, f64::INFINITY)).is_infinite());
}
