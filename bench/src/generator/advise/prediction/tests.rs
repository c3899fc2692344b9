//! Tests of predictions, with known costs.

use super::super::costs::tests::COSTS;
use super::*;
use crate::generator::keys::Keys;

fn workload(linger_ms: u32, batch_size: u32) -> Workload {
    let mut workload = Workload::default();
    for (name, value) in [("linger.ms", linger_ms), ("batch.size", batch_size)] {
        workload.producer.insert(name.to_owned(), value.to_string());
    }
    workload
}

fn at_rate(records_per_s: f64, linger_ms: u32, batch_size: u32) -> Prediction {
    predict(&workload(linger_ms, batch_size), records_per_s, &COSTS)
}

#[test]
fn at_a_low_rate_linger_ms_adds_itself() {
    let alone = at_rate(500.0, 0, 16_384);
    assert!((0.25..0.45).contains(&alone.p99_ms), "{alone:?}");
    for linger_ms in [1, 5, 20] {
        let waiting = at_rate(500.0, linger_ms, 1 << 20);
        let added = waiting.p99_ms - alone.p99_ms;
        let linger = f64::from(linger_ms);
        assert!((linger - 0.2..linger + 1.1).contains(&added), "{waiting:?}");
    }
}

#[test]
fn full_batches_do_not_wait_for_linger_ms() {
    // 15 records of 1 KiB fill a batch in 0.3 ms.
    let full = at_rate(50_000.0, 100, 16_384);
    assert!(full.p99_ms < 1.0, "{full:?}");
    assert!(
        (full.batch_bytes - 10.0 * 1032.0 - 61.0).abs() < 1.0,
        "{full:?}"
    );
    assert!(
        (full.requests_per_s - 50_000.0 / 15.0).abs() < 1.0,
        "{full:?}"
    );
}

#[test]
fn what_finds_everything_busy_gathers_by_itself() {
    let costly = Costs {
        client: super::super::costs::Work {
            request_s: 40e-6,
            ..COSTS.client
        },
        ..COSTS
    };
    let crowded = predict(&workload(0, 131_072), 100_000.0, &costly);
    assert!(crowded.is_crowded && !crowded.is_overloaded, "{crowded:?}");
    assert!((0.9..0.97).contains(&crowded.utilisation), "{crowded:?}");
    assert!(crowded.requests_per_s < 30_000.0, "{crowded:?}");
    let relaxed = predict(&workload(5, 131_072), 100_000.0, &costly);
    assert!(
        !relaxed.is_crowded && relaxed.utilisation < 0.5,
        "{relaxed:?}"
    );
    assert!(relaxed.cores < crowded.cores);
}

#[test]
fn more_than_the_largest_requests_can_hold_is_too_much() {
    let overloaded = at_rate(3e6, 5, 16_384);
    assert!(
        overloaded.is_overloaded && overloaded.p99_ms.is_infinite(),
        "{overloaded:?}"
    );
}

#[test]
fn places_in_flight_limit_requests_of_slow_brokers() {
    let slow = Costs {
        request_p50_ms: 10.0,
        request_p99_ms: 15.0,
        is_syncing: true,
        ..COSTS
    };
    let prediction = predict(&workload(0, 131_072), 20_000.0, &slow);
    assert!(prediction.is_crowded, "{prediction:?}");
    assert!(
        (450.0..=501.0).contains(&prediction.requests_per_s),
        "{prediction:?}"
    );
    // The sync under way, and the own one.
    assert!((15.0..32.0).contains(&prediction.p99_ms), "{prediction:?}");
}

#[test]
fn latency_grows_with_utilisation() {
    let cheap = at_rate(50_000.0, 1, 16_384);
    let slow = Costs {
        broker: COSTS.broker.map(|it| super::super::costs::Work {
            request_s: it.request_s * 20.0,
            ..it
        }),
        ..COSTS
    };
    let busy = predict(&workload(1, 16_384), 50_000.0, &slow);
    assert!(0.7 < busy.utilisation && !busy.is_crowded, "{busy:?}");
    assert!(
        busy.is_broker_busier && cheap.p99_ms * 1.5 < busy.p99_ms,
        "{cheap:?} {busy:?}"
    );
}

#[test]
fn keys_make_smaller_batches() {
    let keyless = at_rate(20_000.0, 5, 131_072);
    let mut keyed = workload(5, 131_072);
    keyed.keys = Keys::Uniform;
    let keyed = predict(&keyed, 20_000.0, &COSTS);
    assert!(
        keyed.batch_bytes * 5.0 < keyless.batch_bytes,
        "{keyed:?} {keyless:?}"
    );
    assert!((keyed.requests_per_s / keyless.requests_per_s - 1.0).abs() < 0.01);
}

#[test]
fn the_sorted_value_at_a_share_is_the_percentile() {
    let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
    assert_eq!(
        (at(&sorted, 0.5), at(&sorted, 0.99), at(&sorted, 1.0)),
        (50.0, 99.0, 100.0)
    );
    assert_eq!(at(&[], 0.5), 0.0);
}
