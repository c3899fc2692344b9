//! Tables as CSV, and the lines that Kafka's performance tools print.

use super::super::latency::Latency;
use super::super::measured::{Flag, Measured};

/// The columns of `summary.csv` and of the table in reports, in order.
const COLUMNS: [&str; 33] = [
    "cell",
    "repetition",
    "record_bytes",
    "keys",
    "linger_ms",
    "batch_size",
    "rate_target",
    "rate_achieved",
    "mb_per_s",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "service_p99_ms",
    "end_to_end_p50_ms",
    "end_to_end_p99_ms",
    "batch_bytes",
    "batch_records",
    "requests_per_s",
    "transactions_per_s",
    "commit_p50_ms",
    "commit_p99_ms",
    "full",
    "linger",
    "piggyback",
    "broker_cpu_s_per_gb",
    "client_cpu_s_per_gb",
    "broker_resident_mb",
    "broker_idle_mb",
    "disk_flushes_per_s",
    "batches_per_disk_flush",
    "flags",
];

/// A line per measurement.
pub(super) fn summary_csv(measured: &[Measured]) -> String {
    let mut text = COLUMNS.join(",");
    text.push('\n');
    for it in measured {
        text.push_str(&summary_fields(it).join(","));
        text.push('\n');
    }
    text
}

/// The same as Markdown.
pub(super) fn summary_markdown(measured: &[Measured]) -> String {
    let mut text = format!(
        "| {} |\n|{}\n",
        COLUMNS.join(" | "),
        "---|".repeat(COLUMNS.len())
    );
    for it in measured {
        text.push_str(&format!("| {} |\n", summary_fields(it).join(" | ")));
    }
    text
}

/// The rows of the summary: names and fields.
pub(super) fn summary_rows(measured: &[Measured]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    (
        COLUMNS.to_vec(),
        measured.iter().map(summary_fields).collect(),
    )
}

fn summary_fields(measured: &Measured) -> Vec<String> {
    let total = measured.total();
    let response = &total.latencies.response;
    let end_to_end = &total.latencies.end_to_end;
    let batching = &measured.batching;
    let workload = &measured.workload;
    let ms = |value: f64| format!("{value:.3}");
    let if_any = |latency: &Latency, percentile: f64| {
        let ms = (0 < latency.count()).then(|| latency.ms(percentile));
        ms.map_or_else(String::new, |ms| format!("{ms:.3}"))
    };
    let commit = &total.latencies.commit;
    let requests_per_s = batching.requests as f64 / measured.elapsed_s;
    let flags: Vec<_> = measured.flags().into_iter().map(Flag::name).collect();
    let optional =
        |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    let resident_mb = measured
        .broker
        .map(|usage| usage.resident_bytes as f64 / 1e6);
    let flushes = measured.disk_flushes;
    let share = |name: &str| format!("{:.3}", batching.trigger_share(name));
    vec![
        workload.name.replace(',', ";"),
        measured.repetition.to_string(),
        workload.record_bytes.to_string(),
        format!("{:?}", workload.keys).to_lowercase(),
        workload.producer_setting("linger.ms").to_owned(),
        workload.producer_setting("batch.size").to_owned(),
        measured
            .target_rate
            .map_or_else(|| "max".to_owned(), |rate| format!("{rate:.0}")),
        format!("{:.0}", measured.records_per_s()),
        format!("{:.2}", measured.mb_per_s()),
        ms(response.ms(50.0)),
        ms(response.ms(95.0)),
        ms(response.ms(99.0)),
        ms(response.ms(99.9)),
        ms(response.max_ms()),
        ms(total.latencies.service.ms(99.0)),
        if_any(end_to_end, 50.0),
        if_any(end_to_end, 99.0),
        format!("{:.0}", batching.bytes_per_batch()),
        format!("{:.2}", batching.records_per_batch()),
        format!("{requests_per_s:.0}"),
        optional((0 < total.committed).then(|| total.committed as f64 / measured.elapsed_s)),
        if_any(commit, 50.0),
        if_any(commit, 99.0),
        share("full"),
        share("linger"),
        share("piggyback"),
        optional(measured.broker_cpu_s_per_gb()),
        format!("{:.3}", measured.client_cpu_s_per_gb()),
        optional(resident_mb),
        optional(measured.resident_idle.map(|it| it as f64 / 1e6)),
        optional(flushes.map(|it| it as f64 / measured.elapsed_s)),
        optional(measured.batches_per_flush()),
        flags.join(" "),
    ]
}

/// A line per second of a run.
pub(super) fn periods_csv(measured: &Measured) -> String {
    let mut text = "at_s,sent_per_s,acknowledged_per_s,failed_per_s,read_per_s,mb_per_s,backlog,\
                    response_p50_ms,response_p99_ms,response_max_ms,service_p99_ms,\
                    end_to_end_p99_ms,broker_resident_bytes\n"
        .to_owned();
    for period in &measured.periods {
        let interval = &period.interval;
        let per_s = |count: u64| format!("{:.1}", count as f64 / period.length_s);
        let latencies = &interval.latencies;
        let fields = [
            format!("{:.3}", period.at_s),
            per_s(interval.sent),
            per_s(interval.acknowledged),
            per_s(interval.failed),
            per_s(interval.read),
            format!(
                "{:.3}",
                interval.acknowledged_bytes as f64 / 1e6 / period.length_s
            ),
            period.backlog.to_string(),
            format!("{:.3}", latencies.response.ms(50.0)),
            format!("{:.3}", latencies.response.ms(99.0)),
            format!("{:.3}", latencies.response.max_ms()),
            format!("{:.3}", latencies.service.ms(99.0)),
            format!("{:.3}", latencies.end_to_end.ms(99.0)),
            period
                .resident_bytes
                .map_or_else(String::new, |bytes| bytes.to_string()),
        ];
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

/// The last line of `kafka-producer-perf-test`, so that what reads that can read this. Its MB are
/// 2^20 bytes; its latencies are whole milliseconds, here of response times.
pub(crate) fn summary_line(measured: &Measured) -> String {
    let total = measured.total();
    let response = &total.latencies.response;
    format!(
        "{} records sent, {:.6} records/sec ({:.2} MB/sec), {:.2} ms avg latency, {:.2} ms max \
         latency, {:.0} ms 50th, {:.0} ms 95th, {:.0} ms 99th, {:.0} ms 99.9th.",
        total.acknowledged,
        measured.records_per_s(),
        total.acknowledged_bytes as f64 / measured.elapsed_s / 1_048_576.0,
        response.mean_ms(),
        response.max_ms(),
        response.ms(50.0),
        response.ms(95.0),
        response.ms(99.0),
        response.ms(99.9),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::tests::measured;
    use super::*;

    #[test]
    fn every_line_has_every_column() {
        let csv = summary_csv(&[measured(Some(1000.0), 1000, 5), measured(None, 5000, 7)]);
        let counts: Vec<_> = csv.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(counts, [COLUMNS.len(); 3]);
        assert!(csv.contains(",max,5000,"), "{csv}");
        let periods = periods_csv(&measured(None, 5000, 7));
        let counts: Vec<_> = periods
            .lines()
            .map(|line| line.split(',').count())
            .collect();
        assert_eq!(counts, [13, 13]);
    }

    #[test]
    fn the_summary_reads_as_that_of_kafka() {
        let line = summary_line(&measured(Some(1000.0), 1000, 5));
        let expected = "10000 records sent, 1000.000000 records/sec (0.95 MB/sec), 5.00 ms avg";
        assert!(line.starts_with(expected), "{line}");
        assert!(line.ends_with("5 ms 99.9th."), "{line}");
    }
}
