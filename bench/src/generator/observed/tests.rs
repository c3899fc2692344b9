//! Tests of reading and grouping cells.

use serde_json::json;

use super::super::measured::tests::measured;
use super::super::workload::Load;
use super::*;

/// A cell of a study: 1 KiB records without keys at `rate`.
pub(crate) fn cell(rate: f64, linger_ms: u32, batch_size: u32, p99_ms: f64) -> Observed {
    let mut workload = Workload {
        load: Load::Rate(rate),
        ..Workload::default()
    };
    let settings = [
        ("linger.ms", linger_ms.to_string()),
        ("batch.size", batch_size.to_string()),
    ];
    for (name, value) in settings {
        workload.producer.insert(name.to_owned(), value);
    }
    workload.name = format!("rate={rate} linger.ms={linger_ms} batch.size={batch_size}");
    Observed {
        workload,
        target_rate: Some(rate),
        records_per_s: rate,
        requests_per_s: 100.0,
        batches_per_s: 100.0,
        bytes_per_s: rate * 1032.0 + 6100.0,
        p50_ms: p99_ms / 2.0,
        p99_ms,
        client_cores: 0.1,
        broker_cores: Some(0.1),
        client_threads: 1,
        flushes_per_s: None,
        is_overloaded: false,
        is_client_bound: false,
    }
}

fn result(name: &str, linger: &str, p99_ms: f64, flags: &[&str]) -> Value {
    json!({
        "workload": name,
        "config": Workload {
            name: name.to_owned(),
            producer: BTreeMap::from([("linger.ms".to_owned(), linger.to_owned())]),
            load: Load::PercentOfMax(50.0),
            ..Workload::default()
        },
        "targetRate": 1000.0,
        "elapsedSeconds": 10.0,
        "aggregatedPublishRate": 999.0,
        "aggregatedPublishResponseLatency50pct": p99_ms / 2.0,
        "aggregatedPublishResponseLatency99pct": p99_ms,
        "batching": { "batches": 2000, "requests": 1000, "bytes": 10_000_000 },
        "cpu": { "brokerSeconds": 2.5, "clientSeconds": 5.0 },
        "diskFlushes": 30,
        "flags": flags,
    })
}

#[test]
fn results_are_read_and_repetitions_become_medians() -> anyhow::Result<()> {
    let results = [
        result("a", "5", 4.0, &[]),
        result("a", "5", 9.0, &["overloaded"]),
        result("a", "5", 5.0, &[]),
        result("b", "20", 30.0, &["client-bound"]),
    ];
    let cells = parse(&json!({ "results": results }).to_string())?;
    assert_eq!(cells.len(), 2);
    let a = cells.iter().find(|it| it.linger_ms() == 5.0).context("a")?;
    assert_eq!(
        (a.p99_ms, a.is_overloaded, a.is_client_bound),
        (5.0, true, false)
    );
    assert_eq!((a.batch_bytes(), a.requests_per_s), (5000.0, 100.0));
    assert_eq!((a.client_cores, a.broker_cores), (0.5, Some(0.25)));
    assert_eq!(a.flushes_per_s, Some(3.0));
    assert_eq!(a.workload.load, Load::PercentOfMax(50.0));
    Ok(())
}

#[test]
fn a_result_that_lacks_something_is_named() {
    let mut broken = result("the cell", "5", 4.0, &[]);
    broken["batching"] = Value::Null;
    let error = parse(&json!({ "results": [broken] }).to_string()).expect_err("incomplete");
    assert!(format!("{error:#}").contains("the cell"), "{error:#}");
}

#[test]
fn what_a_run_leaves_behind_is_what_was_measured() -> anyhow::Result<()> {
    let run = measured(Some(1000.0), 1000, 5);
    let direct = Observed::of(&run);
    assert_eq!(direct.target_rate, Some(1000.0));
    assert!((direct.p99_ms - 5.0).abs() < 0.01);
    assert!((direct.client_cores - 0.2).abs() < 1e-9);
    Ok(())
}

#[test]
fn groups_differ_in_more_than_load_and_batching() {
    let mut keyed = cell(1000.0, 5, 16_384, 6.0);
    keyed.workload.keys = Keys::Uniform;
    let mut leader = cell(1000.0, 5, 16_384, 7.0);
    leader
        .workload
        .producer
        .insert("acks".to_owned(), "1".to_owned());
    let cells = [
        cell(2000.0, 5, 16_384, 6.0),
        cell(1000.0, 20, 16_384, 21.0),
        cell(1000.0, 5, 131_072, 6.0),
        keyed,
        leader,
    ];
    let found = groups(&cells);
    let labels: Vec<_> = found.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(found.len(), 3, "{labels:?}");
    assert!(
        labels.contains(&"records of 1024 B without keys, producer.acks=1"),
        "{labels:?}"
    );
    let plain = found
        .iter()
        .find(|it| it.cells.len() == 3)
        .expect("three alike");
    let rates: Vec<_> = plain.by_rate().iter().map(Vec::len).collect();
    assert_eq!(rates, [2, 1]);
    assert_eq!(plain.by_rate()[0][0].linger_ms(), 5.0);
    assert_eq!(model_groups(&cells).len(), 2, "keys are part of the model");
}

#[test]
fn medians_are_in_the_middle() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(vec![4.0, 1.0]), 2.5);
    assert_eq!(median(Vec::new()), 0.0);
}
