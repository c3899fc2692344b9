//! Tests of the baseline: what an update writes, what is read again.

use super::*;

fn run(counts: &[(&str, u64)]) -> Run {
    Run {
        facts: Vec::new(),
        rows: counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect(),
    }
}

#[test]
fn what_was_stored_is_loaded() {
    let facts = BTreeMap::from([("rustc".to_owned(), "rustc 1.95.0".to_owned())]);
    let runs = [
        run(&[("a/b, c", 1000), ("d", 1000)]),
        run(&[("a/b, c", 1020), ("d", 1000)]),
    ];
    let baseline = Baseline::of(facts, &runs, &Baseline::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("baseline.toml");
    baseline.store(&path).unwrap();
    assert_eq!(Baseline::load(&path).unwrap(), baseline);
}

#[test]
fn a_row_that_varies_has_a_wider_tolerance() {
    let runs = [
        run(&[("steady", 1000), ("wild", 1030)]),
        run(&[("steady", 1001), ("wild", 1000)]),
    ];
    let baseline = Baseline::of(BTreeMap::new(), &runs, &Baseline::default());
    let steady = baseline.rows["steady"];
    assert_eq!(
        (steady.instructions, steady.tolerance_percent),
        (1000, None)
    );
    let wild = baseline.rows["wild"];
    assert_eq!(
        (wild.instructions, wild.tolerance_percent),
        (1000, Some(9.0))
    );
    assert!((steady.tolerance_percent() - 2.0).abs() < 1e-9);
}

#[test]
fn an_update_keeps_the_tolerance_that_a_row_has() {
    let mut former = Baseline::of(
        BTreeMap::new(),
        &[run(&[("moved", 1000)])],
        &Baseline::default(),
    );
    let row = former.rows.get_mut("moved").unwrap();
    row.tolerance_percent = Some(8.0);
    let updated = Baseline::of(BTreeMap::new(), &[run(&[("moved", 900)])], &former);
    let row = updated.rows["moved"];
    assert_eq!((row.instructions, row.tolerance_percent), (900, Some(8.0)));
}

#[test]
fn a_missing_or_misspelt_baseline_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("baseline.toml");
    assert!(Baseline::load(&path).is_err());
    std::fs::write(&path, "[facts]\n[rows.a]\ninstrutions = 7\n").unwrap();
    assert!(Baseline::load(&path).is_err());
}

#[test]
fn the_committed_baseline_has_the_rows_that_run() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.toml");
    let baseline = Baseline::load(&path).unwrap();
    let mut names: Vec<_> = ringbrook_gate::rows::all()
        .into_iter()
        .map(|row| row.name)
        .collect();
    names.sort();
    assert_eq!(baseline.rows.into_keys().collect::<Vec<_>>(), names);
}
