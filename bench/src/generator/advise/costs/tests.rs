//! Tests of fitting: cells are made from known costs, and the costs have to come back.

use super::super::super::observed::tests::cell;
use super::*;

const CLIENT: Work = Work {
    request_s: 10e-6,
    batch_s: 2e-6,
    record_s: 0.8e-6,
    byte_s: 0.2e-9,
    wake_s: 4e-6,
    idle_cores: 0.01,
};
const BROKER: Work = Work {
    request_s: 12e-6,
    batch_s: 3e-6,
    record_s: 0.0,
    byte_s: 0.6e-9,
    wake_s: 0.0,
    idle_cores: 0.005,
};

/// Costs that predictions are tested with too.
pub(in super::super) const COSTS: Costs = Costs {
    client: CLIENT,
    client_threads: 1.0,
    broker: Some(BROKER),
    bytes_per_s_max: 1e9,
    request_p50_ms: 0.12,
    request_p99_ms: 0.3,
    is_syncing: false,
};

/// A cell as it would be measured if predictions from `costs` were exact.
pub(in super::super) fn exact(
    costs: &Costs,
    rate: f64,
    linger_ms: u32,
    batch_size: u32,
) -> Observed {
    let mut cell = cell(rate, linger_ms, batch_size, 1.0);
    let prediction = predict(&cell.workload, rate, costs);
    let batching = super::super::super::model::Batching::of(&cell.workload);
    let records = rate / prediction.requests_per_s;
    cell.requests_per_s = prediction.requests_per_s;
    cell.batches_per_s = prediction.requests_per_s * batching.batches(records);
    cell.bytes_per_s = cell.batches_per_s * prediction.batch_bytes;
    let flow = Flow::of(&cell);
    cell.client_cores = costs.client.cores(&flow);
    cell.broker_cores = costs.broker.map(|it| it.cores(&flow));
    cell.p50_ms = prediction.p50_ms;
    cell.p99_ms = prediction.p99_ms;
    cell.is_overloaded = prediction.is_overloaded;
    cell
}

/// A grid of exact cells.
pub(in super::super) fn grid(costs: &Costs) -> Vec<Observed> {
    let mut cells = Vec::new();
    for rate in [2000.0, 40_000.0, 200_000.0] {
        for linger_ms in [0, 1, 5, 20] {
            for batch_size in [16_384, 131_072] {
                cells.push(exact(costs, rate, linger_ms, batch_size));
            }
        }
    }
    cells
}

#[test]
fn costs_come_back_from_what_they_cause() {
    let cells = grid(&COSTS);
    let fitted = Costs::fit(&cells.iter().collect::<Vec<_>>()).expect("cells");
    for cell in &cells {
        let flow = Flow::of(cell);
        for (known, found) in [
            (COSTS.client.cores(&flow), fitted.client.cores(&flow)),
            (
                BROKER.cores(&flow),
                fitted.broker.expect("known").cores(&flow),
            ),
        ] {
            assert!((found / known - 1.0).abs() < 0.03, "{known} {found}");
        }
    }
    assert!((fitted.request_p50_ms / 0.12).ln().abs() < 0.2, "{fitted}");
    assert!((fitted.request_p99_ms / 0.3).ln().abs() < 0.3, "{fitted}");
    assert!(!fitted.is_syncing);
}

#[test]
fn no_cost_is_negative_whatever_the_noise() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut cells = grid(&COSTS);
    for cell in &mut cells {
        cell.client_cores *= 0.5 + random.f64();
    }
    let fitted = Costs::fit(&cells.iter().collect::<Vec<_>>()).expect("cells");
    let costs = fitted.client;
    for cost in [
        costs.request_s,
        costs.batch_s,
        costs.record_s,
        costs.byte_s,
        costs.wake_s,
        costs.idle_cores,
    ] {
        assert!(0.0 <= cost, "{fitted}");
    }
}

#[test]
fn flushes_with_every_request_are_syncs() {
    let mut cells = grid(&COSTS);
    for cell in &mut cells {
        cell.flushes_per_s = Some(cell.requests_per_s * 0.3 + 50.0);
    }
    assert!(
        Costs::fit(&cells.iter().collect::<Vec<_>>())
            .expect("cells")
            .is_syncing
    );
    for cell in &mut cells {
        cell.flushes_per_s = Some(2.0);
    }
    assert!(
        !Costs::fit(&cells.iter().collect::<Vec<_>>())
            .expect("cells")
            .is_syncing
    );
}

#[test]
fn without_a_sustained_open_loop_there_are_no_costs() {
    let mut closed = cell(1000.0, 5, 16_384, 9.0);
    closed.target_rate = None;
    let mut overloaded = cell(1000.0, 5, 16_384, 900.0);
    overloaded.is_overloaded = true;
    assert_eq!(Costs::fit(&[&closed, &overloaded]), None);
}
