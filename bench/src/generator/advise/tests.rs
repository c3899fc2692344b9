//! Tests of the whole advice, with known costs.

use super::costs::tests::{COSTS, grid};
use super::*;

fn demand(records_per_s: f64, p99_ms: f64) -> Demand {
    Demand {
        records_per_s,
        record_bytes: 100,
        partitions: 8,
        producers: 1,
        is_keyed: false,
        p99_ms,
    }
}

fn chosen(demand: &Demand) -> Recommendation {
    recommend(&candidates(demand, &COSTS), demand.p99_ms).expect("settings")
}

#[test]
fn a_tight_goal_leaves_no_time_to_wait() {
    assert_eq!(chosen(&demand(1000.0, 1.0)).prediction.linger_ms, 0.0);
}

#[test]
fn a_load_of_more_requests_than_fit_has_to_gather_them() {
    let found = chosen(&demand(200_000.0, 20.0)).prediction;
    assert!(
        0.0 < found.linger_ms && found.utilisation <= 0.7,
        "{found:?}"
    );
    assert!(found.p99_ms <= 20.0, "{found:?}");
}

#[test]
fn keys_need_a_longer_time_for_the_same_batches() {
    let keyless = chosen(&demand(60_000.0, 50.0)).prediction;
    let keyed = Demand {
        is_keyed: true,
        partitions: 256,
        ..demand(60_000.0, 50.0)
    };
    let keyed = chosen(&keyed).prediction;
    assert!(keyed.batch_bytes < keyless.batch_bytes || keyless.linger_ms < keyed.linger_ms);
}

#[test]
fn a_study_gives_the_costs_too() {
    let cells = grid(&COSTS);
    let costs = Costs::fit(&cells.iter().collect::<Vec<_>>()).expect("cells");
    let demand = demand(100_000.0, 20.0);
    let from_study = recommend(&candidates(&demand, &costs), 20.0).expect("settings");
    let known = chosen(&demand);
    let ratio = from_study.prediction.p99_ms / known.prediction.p99_ms;
    assert!((0.5..2.0).contains(&ratio), "{from_study:?} {known:?}");
}
