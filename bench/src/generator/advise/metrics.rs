//! What a producer at work says of itself, once or again and again: the lines of
//! `kafka-producer-perf-test --print-metrics` and of `rbk producer-perf-test --print-metrics`,
//! `group:name:{tags} : value`, or the table of Kafka's `JmxTool`, a header of quoted names and a
//! line of values every interval, which works with any Java client. Pure.

use std::collections::HashMap;
use std::fmt;

/// What is taken from the metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ProducerMetrics {
    pub(super) records_per_s: f64,
    record_bytes: f64,
    batch_bytes: f64,
    records_per_request: f64,
    queue_time_ms: f64,
    /// Our own client does not count it.
    request_latency_ms: Option<f64>,
}

impl ProducerMetrics {
    /// From values by name; the name of one that is missing.
    fn of(values: &HashMap<String, f64>) -> Result<Self, &'static str> {
        let value = |name: &'static str| values.get(name).copied().ok_or(name);
        Ok(Self {
            records_per_s: value("record-send-rate")?,
            record_bytes: value("record-size-avg")?,
            batch_bytes: value("batch-size-avg")?,
            records_per_request: value("records-per-request-avg")?,
            queue_time_ms: value("record-queue-time-avg")?,
            request_latency_ms: value("request-latency-avg").ok(),
        })
    }

    /// Whether anything was sent of late: without records there is nothing to advise.
    pub(super) fn is_sending(&self) -> bool {
        0.0 < self.records_per_s && self.records_per_s.is_finite() && 0.0 < self.record_bytes
    }

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
             batches wait {:.2} ms",
            self.records_per_s,
            self.record_bytes,
            self.batch_bytes,
            self.records_per_request,
            self.queue_time_ms,
        )?;
        self.request_latency_ms
            .map_or(Ok(()), |ms| write!(f, ", requests take {ms:.2} ms"))
    }
}

/// Reads line by line; those of nodes and topics, and what is no metric, are passed over.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Of the printed metrics that are being read.
    values: HashMap<String, f64>,
    /// Names of the columns of a table, once its header was read; nothing for others' metrics.
    columns: Vec<Option<String>>,
}

/// The last of the names that are needed, as they are sorted.
const LAST_NAME: &str = "request-latency-avg";
const PRODUCER: &str = "producer-metrics";

impl Watch {
    /// Takes a line; what the producer said when that completes it.
    pub(super) fn line(&mut self, line: &str) -> Option<ProducerMetrics> {
        if line.starts_with("\"time\"") {
            self.columns = columns(line);
            return None;
        }
        if !self.columns.is_empty() {
            return self.row(line);
        }
        if line.starts_with("Metric Name") {
            // Printed anew; ours has no latency of requests that would end it.
            return self.end().ok();
        }
        let (name, value) = printed(line)?;
        let is_last = name == LAST_NAME;
        self.values.insert(name.to_owned(), value);
        if is_last { self.end().ok() } else { None }
    }

    /// What was said when nothing more comes.
    ///
    /// # Errors
    /// A metric that is needed is missing; its name.
    pub(super) fn end(&mut self) -> Result<ProducerMetrics, &'static str> {
        let found = ProducerMetrics::of(&self.values)?;
        self.values.clear();
        Ok(found)
    }

    fn row(&self, line: &str) -> Option<ProducerMetrics> {
        let pairs = self.columns.iter().zip(line.split(','));
        let values = pairs.filter_map(|(name, value)| {
            Some((name.clone()?, value.trim().trim_matches('"').parse().ok()?))
        });
        ProducerMetrics::of(&values.collect()).ok()
    }
}

/// The columns of `JmxTool`: `"time","kafka.producer:type=producer-metrics,client-id=p:NAME",...`.
fn columns(line: &str) -> Vec<Option<String>> {
    let names = line.trim().trim_matches('"').split("\",\"");
    let own = names.map(|name| {
        let (object, name) = name.rsplit_once(':')?;
        let is_own = object.contains("type=producer-metrics");
        is_own.then(|| name.to_owned())
    });
    own.collect()
}

fn printed(line: &str) -> Option<(&str, f64)> {
    let (name, value) = line.rsplit_once(':')?;
    let name = name.trim().strip_prefix(PRODUCER)?.strip_prefix(':')?;
    let (name, _tags) = name.split_once(':')?;
    Some((name.trim(), value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests;
