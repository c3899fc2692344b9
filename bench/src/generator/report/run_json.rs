//! `run.json`: everything for programs, with the names of the OpenMessaging benchmark's results
//! where it has one. Latencies are milliseconds, rates per second.

use serde_json::{Map, Value, json};

use super::super::latency::Latency;
use super::super::measured::{Measured, Period};
use super::Study;

/// The whole file.
pub(super) fn of(study: &Study) -> Value {
    json!({
        "name": study.name,
        "target": study.target,
        "environment": study.environment,
        "disk": study.disk,
        "results": study.measured.iter().map(result).collect::<Vec<_>>(),
    })
}

fn result(measured: &Measured) -> Value {
    let workload = &measured.workload;
    let total = measured.total();
    let mut result = json!({
        "workload": workload.name,
        "driver": "ringbrook-client",
        "messageSize": workload.record_bytes,
        "topics": workload.topics,
        "partitions": workload.partitions_per_topic,
        "producersPerTopic": workload.producers,
        "consumersPerTopic": workload.consumer_groups * workload.consumers_per_group,
        "config": workload,
        "repetition": measured.repetition,
        "targetRate": measured.target_rate,
        "elapsedSeconds": measured.elapsed_s,
        "aggregatedPublishRate": measured.records_per_s(),
        "aggregatedPublishErrors": total.failed,
        "aggregatedConsumeRate": total.read as f64 / measured.elapsed_s,
        "triggers": measured.batching.triggers,
        "batching": measured.batching,
        "bytesPerBatch": measured.batching.bytes_per_batch(),
        "cpu": {
            "brokerSeconds": measured.broker.map(|usage| usage.cpu_s),
            "brokerSecondsPerGB": measured.broker_cpu_s_per_gb(),
            "clientSeconds": measured.client_cpu_s,
            "clientThreads": measured.client_threads,
            "clientSecondsPerGB": measured.client_cpu_s_per_gb(),
        },
        "brokerResidentBytes": measured.broker.map(|usage| usage.resident_bytes),
        "brokerSettings": measured.broker_settings,
        "brokerResidentBytesIdle": measured.resident_idle,
        "diskFlushes": measured.disk_flushes,
        "batchesPerDiskFlush": measured.batches_per_flush(),
        "transactions": {"committed": total.committed, "aborted": total.aborted},
        "verification": measured.verdicts,
        "flags": measured.flags(),
        "failure": measured.failure,
    });
    if let Some(fields) = result.as_object_mut() {
        series(fields, "publishRate", measured, |it| {
            rate(it.interval.acknowledged, it)
        });
        series(fields, "publishErrorRate", measured, |it| {
            rate(it.interval.failed, it)
        });
        series(fields, "consumeRate", measured, |it| {
            rate(it.interval.read, it)
        });
        series(fields, "backlog", measured, |it| it.backlog as f64);
        let kinds = [
            "publishLatency",
            "publishResponseLatency",
            "endToEndLatency",
            "commitLatency",
        ];
        for (index, kind) in kinds.into_iter().enumerate() {
            latencies(fields, measured, kind, index);
        }
    }
    result
}

fn rate(count: u64, period: &Period) -> f64 {
    count as f64 / period.length_s
}

fn series(
    fields: &mut Map<String, Value>,
    name: &str,
    measured: &Measured,
    value: impl Fn(&Period) -> f64,
) {
    let values: Vec<_> = measured.periods.iter().map(value).collect();
    fields.insert(name.to_owned(), json!(values));
}

/// A name's ending and what it stands for.
type Quantity = (&'static str, fn(&Latency) -> f64);

const QUANTITIES: [Quantity; 8] = [
    ("Avg", Latency::mean_ms),
    ("50pct", |it| it.ms(50.0)),
    ("75pct", |it| it.ms(75.0)),
    ("95pct", |it| it.ms(95.0)),
    ("99pct", |it| it.ms(99.0)),
    ("999pct", |it| it.ms(99.9)),
    ("9999pct", |it| it.ms(99.99)),
    ("Max", Latency::max_ms),
];

/// Fewer samples say nothing about one in ten thousand.
const SAMPLES_OF_9999: u64 = 1_000_000;

fn latencies(fields: &mut Map<String, Value>, measured: &Measured, kind: &str, index: usize) {
    let total = measured.latencies();
    let Some((_, total)) = total.named().get(index).copied() else {
        return;
    };
    if total.count() == 0 {
        return;
    }
    for (ending, value) in QUANTITIES {
        if ending == "9999pct" && total.count() < SAMPLES_OF_9999 {
            continue;
        }
        fields.insert(
            format!("aggregated{}{ending}", capitalised(kind)),
            json!(value(total)),
        );
        series(fields, &format!("{kind}{ending}"), measured, |period| {
            let latencies = period.interval.latencies.named();
            latencies
                .get(index)
                .map_or(0.0, |(_, latency)| value(latency))
        });
    }
    let quantiles = [50.0, 75.0, 95.0, 99.0, 99.9, 99.99, 100.0].into_iter();
    let quantiles = quantiles
        .filter(|it| *it != 99.99 || SAMPLES_OF_9999 <= total.count())
        .map(|it| (it.to_string(), json!(total.ms(it))));
    fields.insert(
        format!("aggregated{}Quantiles", capitalised(kind)),
        Value::Object(quantiles.collect()),
    );
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::tests::measured;
    use super::*;

    #[test]
    fn the_names_are_those_of_the_benchmark() {
        let value = result(&measured(Some(1000.0), 1000, 5));
        assert_eq!(value["publishRate"], json!([1000.0]));
        assert_eq!(
            value["publishResponseLatency99pct"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
        let p99 = value["aggregatedPublishResponseLatency99pct"]
            .as_f64()
            .expect("a number");
        assert!((p99 - 5.0).abs() < 0.01, "{p99}");
        let service = value["aggregatedPublishLatency50pct"]
            .as_f64()
            .expect("a number");
        assert!((service - 0.5).abs() < 0.01, "{service}");
        assert!(
            value.get("aggregatedCommitLatency99pct").is_none(),
            "no transactions"
        );
        assert!(
            value.get("aggregatedEndToEndLatencyAvg").is_none(),
            "nobody read"
        );
        assert!(
            value.get("aggregatedPublishLatency9999pct").is_none(),
            "too few samples"
        );
        let quantiles = &value["aggregatedPublishLatencyQuantiles"];
        assert!(quantiles.get("99.9").is_some() && quantiles.get("99.99").is_none());
    }
}
