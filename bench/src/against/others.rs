//! Cross-checks with clients that are not ours: Kafka's own performance tools and librdkafka, each
//! with the CPU time that the broker spends meanwhile.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use uuid::Uuid;

use super::quantities::{BROKER_CPU_US, CLIENT_CPU_US, RECORDS_PER_S};
use crate::admin::Admin;
use crate::interrupt;
use crate::process::Served;
use crate::{client_consume, client_produce};

/// Bytes of a record's value.
const VALUE_BYTES: usize = 1024;

/// A row, a quantity of it and the value.
pub(crate) type Figure = (&'static str, &'static str, f64);

/// Which of Kafka's tools there are, and how much they do.
#[derive(Debug)]
pub(crate) struct Others<'a> {
    /// Jars of Apache Kafka, its tools included.
    pub(crate) kafka_lib: &'a Path,
    pub(crate) records: u32,
    pub(crate) partitions: u16,
}

impl Others<'_> {
    /// `kafka-producer-perf-test` as fast as it can, then `kafka-consumer-perf-test` over the same
    /// records; both with their defaults.
    ///
    /// # Errors
    /// A tool failed, or told something else than it always does.
    pub(crate) fn perf_tests(&self, served: Served) -> anyhow::Result<Vec<Figure>> {
        const PRODUCER: &str = "kafka-producer-perf-test";
        const CONSUMER: &str = "kafka-consumer-perf-test";
        let topic = self.create_topic(served)?;
        let address = served.address.to_string();
        let records = self.records.to_string();
        let common = ["--bootstrap-server", &address, "--topic", &topic];
        let common = [&common[..], &["--num-records", &records]].concat();
        let bytes = VALUE_BYTES.to_string();
        let producer = ["--record-size", &bytes, "--throughput", "-1"];
        let (told, cpu_us) = self.accounted(served, || {
            self.tool("ProducerPerformance", &[&common[..], &producer].concat())
        })?;
        let (count, rate) = produced(&told).with_context(|| told.clone())?;
        ensure!(count == self.records, "{PRODUCER} sent {count} records");
        let mut figures = vec![
            (PRODUCER, RECORDS_PER_S, rate),
            (PRODUCER, BROKER_CPU_US, cpu_us),
        ];
        let consumer = ["--hide-header"];
        let (told, cpu_us) = self.accounted(served, || {
            self.tool("ConsumerPerformance", &[&common[..], &consumer].concat())
        })?;
        let (count, rate) = consumed(&told).with_context(|| told.clone())?;
        // It counts whole polls.
        ensure!(self.records <= count, "{CONSUMER} read {count} records");
        figures.push((CONSUMER, RECORDS_PER_S, rate));
        figures.push((CONSUMER, BROKER_CPU_US, cpu_us));
        Ok(figures)
    }

    /// librdkafka as fast as it can, idempotent, with linger.ms 5 and batch.size 16384; then it
    /// reads the same records.
    ///
    /// # Errors
    /// A record was not written or not read.
    pub(crate) fn librdkafka(&self, served: Served) -> anyhow::Result<Vec<Figure>> {
        const PRODUCER: &str = "librdkafka producer";
        const CONSUMER: &str = "librdkafka consumer";
        let topic = self.create_topic(served)?;
        let address = served.address.to_string();
        let records = f64::from(self.records);
        let mut figures = Vec::new();
        let (took, cpu_us) = self.accounted(served, || {
            client_produce::once(&address, &topic, self.records, VALUE_BYTES)
        })?;
        let consumed = self.accounted(served, || {
            let partitions = self.partitions;
            client_consume::once(&address, &topic, partitions, self.records, VALUE_BYTES)
        })?;
        for (row, (took, cpu_us)) in [(PRODUCER, (took, cpu_us)), (CONSUMER, consumed)] {
            figures.push((row, RECORDS_PER_S, records / took.seconds));
            figures.push((row, BROKER_CPU_US, cpu_us));
            figures.push((row, CLIENT_CPU_US, 1e6 * took.cpu_seconds / records));
        }
        Ok(figures)
    }

    fn create_topic(&self, served: Served) -> anyhow::Result<String> {
        let topic = format!("others-{}", Uuid::new_v4().simple());
        Admin::connect(served.address)?.create_served(&topic, self.partitions)?;
        Ok(topic)
    }

    /// What `action` gives, and the microseconds of CPU that a record cost the broker meanwhile.
    fn accounted<T>(
        &self,
        served: Served,
        action: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, f64)> {
        let before = served.cpu_seconds()?;
        let result = action()?;
        let cpu_s = served.cpu_seconds()? - before;
        Ok((result, 1e6 * cpu_s / f64::from(self.records)))
    }

    /// Runs one of Kafka's tools on the cores of this thread; its output.
    fn tool(&self, class: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let jars: PathBuf = self.kafka_lib.join("*");
        let mut command = Command::new("java");
        command
            // As its start script has it.
            .args(["-Xmx512m", "-server", "-XX:+UseG1GC", "-cp"])
            .arg(jars)
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
            .arg(format!("org.apache.kafka.tools.{class}"))
            .args(arguments)
            .stderr(Stdio::piped());
        let output = interrupt::output(&mut command).context("java cannot be started")?;
        let told = String::from_utf8(output.stdout)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{class}: {told}{errors}");
        Ok(told)
    }
}

/// Records and records per second of the producer's last line: `500000 records sent, 61234.5
/// records/sec (59.80 MB/sec), ...`.
fn produced(told: &str) -> Option<(u32, f64)> {
    let line = told.lines().rfind(|line| line.contains("99.9th"))?;
    let mut words = line.split_whitespace();
    let count = words.next()?.parse().ok()?;
    let rate = words.nth(2)?.parse().ok()?;
    Some((count, rate))
}

/// Records, and records per second of fetching, which does not count joining the group.
fn consumed(told: &str) -> Option<(u32, f64)> {
    const COUNT: usize = 4;
    const FETCH_RATE: usize = 9;
    let line = told.lines().rfind(|line| line.contains(", "))?;
    let columns: Vec<_> = line.split(',').map(str::trim).collect();
    let count = columns.get(COUNT)?.parse().ok()?;
    let rate = columns.get(FETCH_RATE)?.parse().ok()?;
    Some((count, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_producers_last_line_is_read() {
        let told = "27841 records sent, 5568.2 records/sec (5.44 MB/sec), 1.2 ms avg latency, \
                    99.0 ms max latency.\n\
                    50000 records sent, 61234.5 records/sec (59.80 MB/sec), 3.10 ms avg latency, \
                    412.00 ms max latency, 2 ms 50th, 6 ms 95th, 9 ms 99th, 40 ms 99.9th.\n";
        assert_eq!(produced(told), Some((50_000, 61_234.5)));
        assert_eq!(produced("nothing of the kind\n"), None);
    }

    #[test]
    fn the_consumers_columns_are_read() {
        let told = "2026-11-21 10:00:00:123, 2026-11-21 10:00:02:456, 48.8281, 20.9290, 50001, \
                    21431.6, 800, 1533, 31.8513, 32615.8\n";
        assert_eq!(consumed(told), Some((50_001, 32_615.8)));
        assert_eq!(consumed("WARNING: Exiting before consuming\n"), None);
    }
}
