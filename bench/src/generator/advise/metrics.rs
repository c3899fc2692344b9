//! What a producer at work says of itself, in the lines of `kafka-producer-perf-test
//! --print-metrics`: `group:name:{tags} : value`.

use std::collections::HashMap;
use std::fmt;

use anyhow::Context;

/// What is taken from the metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ProducerMetrics {
    pub(super) records_per_s: f64,
    record_bytes: f64,
    batch_bytes: f64,
    records_per_request: f64,
    queue_time_ms: f64,
    request_latency_ms: f64,
}

impl ProducerMetrics {
    /// Whole bytes of a record, at least what a stamp takes.
    pub(super) fn record_bytes(&self) -> usize {
        let least = super::super::payload::STAMP_BYTES;
        (least..1 << 20)
            .find(|bytes| self.record_bytes <= *bytes as f64)
            .unwrap_or(1 << 20)
    }
}

impl fmt::Display for ProducerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} records/s of {:.0} bytes, {:.0} bytes per batch, {:.1} records per request; \
             batches wait {:.2} ms, requests take {:.2} ms",
            self.records_per_s,
            self.record_bytes,
            self.batch_bytes,
            self.records_per_request,
            self.queue_time_ms,
            self.request_latency_ms
        )
    }
}

/// Reads the metrics of the producer as a whole; those of its nodes and topics are passed over.
///
/// # Errors
/// A metric that is needed is missing; names it.
pub(super) fn read(text: &str) -> anyhow::Result<ProducerMetrics> {
    let values: HashMap<&str, f64> = text.lines().filter_map(line).collect();
    let value = |name: &str| {
        let found = values.get(name).copied();
        found.with_context(|| format!("there is no line of producer-metrics:{name}"))
    };
    Ok(ProducerMetrics {
        records_per_s: value("record-send-rate")?,
        record_bytes: value("record-size-avg")?,
        batch_bytes: value("batch-size-avg")?,
        records_per_request: value("records-per-request-avg")?,
        queue_time_ms: value("record-queue-time-avg")?,
        request_latency_ms: value("request-latency-avg")?,
    })
}

fn line(line: &str) -> Option<(&str, f64)> {
    let (name, value) = line.rsplit_once(':')?;
    let name = name.trim().strip_prefix("producer-metrics:")?;
    let (name, _tags) = name.split_once(':')?;
    Some((name.trim(), value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
Metric Name                                             Value
producer-metrics:batch-size-avg:{client-id=p}         : 15400.250
producer-metrics:record-queue-time-avg:{client-id=p}  : 3.500
producer-metrics:record-send-rate:{client-id=p}       : 48000.120
producer-metrics:record-size-avg:{client-id=p}        : 1110.000
producer-metrics:records-per-request-avg:{client-id=p} : 14.100
producer-metrics:request-latency-avg:{client-id=p}    : 1.250
producer-node-metrics:request-latency-avg:{client-id=p, node-id=node-0} : 99.000
";

    #[test]
    fn the_metrics_of_a_java_producer_are_read() {
        let found = read(TEXT).expect("complete");
        assert!((found.records_per_s - 48_000.12).abs() < 1e-6);
        assert!(
            (found.request_latency_ms - 1.25).abs() < 1e-9,
            "not that of a node"
        );
        assert_eq!(found.record_bytes(), 1110);
    }

    #[test]
    fn a_missing_metric_is_named() {
        let error = read(&TEXT.replace("record-send-rate", "x"))
            .expect_err("missing")
            .to_string();
        assert!(error.contains("record-send-rate"), "{error}");
    }
}
