//! Tests of what is printed of the producer.

use super::*;

/// Advice reads these lines (`ringbrook-bench advise --metrics`), from Kafka's tool and from ours.
#[test]
fn rates_and_averages_have_the_names_of_kafkas_metrics() {
    let mut counters = ProducerCounters {
        requests: 100,
        records_sent: 1000,
        records_acknowledged: 1000,
        bytes_uncompressed: 200 * 61 + 1000 * 1032,
        bytes_sent: 200 * 61 + 1000 * 1032,
        ..ProducerCounters::default()
    };
    counters.batches_by_reason[0] = 200;
    let table = metrics("c", &counters, 2000);
    let lines = [
        ("batch-size-avg", "5221.000"),
        ("record-send-rate", "500.000"),
        ("record-size-avg", "1032.000"),
        ("records-per-request-avg", "10.000"),
    ];
    for (name, value) in lines {
        let name = format!("producer-metrics:{name}:{{client-id=c}} ");
        let line = table.lines().find(|line| line.starts_with(&name));
        let found = line.and_then(|line| line.split(" : ").nth(1));
        assert_eq!(found, Some(value), "{name}: {table}");
    }
}
