//! Tests of reading metrics, once and again and again.

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

fn all(text: &str) -> Vec<ProducerMetrics> {
    let mut watch = Watch::default();
    let mut found: Vec<_> = text.lines().filter_map(|line| watch.line(line)).collect();
    found.extend(watch.end());
    found
}

#[test]
fn the_metrics_of_a_java_producer_are_read() {
    let found = all(TEXT);
    assert_eq!(found.len(), 1);
    assert!((found[0].records_per_s - 48_000.12).abs() < 1e-6);
    assert_eq!(
        found[0].request_latency_ms,
        Some(1.25),
        "not that of a node"
    );
    assert_eq!(found[0].record_bytes(), 1110);
}

#[test]
fn what_is_printed_again_is_read_again() {
    let again = TEXT.replace("48000.120", "96000.000");
    let rates: Vec<_> = all(&format!("{TEXT}{again}"))
        .iter()
        .map(|it| it.records_per_s)
        .collect();
    assert_eq!(rates, [48_000.12, 96_000.0]);
}

/// Our own producer does not count what requests take: the next header ends what it says.
#[test]
fn the_metrics_of_our_producer_are_read_without_a_latency_of_requests() {
    let ours: String = TEXT
        .lines()
        .filter(|line| !line.contains("request-latency-avg"))
        .map(|line| format!("{line}\n"))
        .collect();
    let found = all(&format!("{ours}{ours}"));
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|it| it.request_latency_ms.is_none()));
}

#[test]
fn a_missing_metric_is_named() {
    let mut watch = Watch::default();
    for line in TEXT.replace("record-send-rate", "x").lines() {
        assert_eq!(watch.line(line), None);
    }
    assert_eq!(watch.end(), Err("record-send-rate"));
}

#[test]
fn every_line_of_a_jmx_table_is_a_look_at_the_producer() {
    let column =
        |name: &str| format!("\"kafka.producer:type=producer-metrics,client-id=p:{name}\"");
    let names = [
        "batch-size-avg",
        "record-queue-time-avg",
        "record-send-rate",
        "record-size-avg",
        "records-per-request-avg",
        "request-latency-avg",
    ];
    let mut header = vec!["\"time\"".to_owned()];
    header.extend(names.map(column));
    header
        .push("\"kafka.producer:type=producer-node-metrics,client-id=p:record-send-rate\"".into());
    let header = header.join(",");
    let text = format!(
        "{header}\n1000,15400.25,3.5,48000.0,1110.0,14.1,1.25,7.0\n\
         2000,NaN,NaN,0.0,NaN,NaN,NaN,7.0\n3000,16000.0,3.0,50000.0,1110.0,14.5,1.5,7.0\n"
    );
    let found = all(&text);
    let sending: Vec<_> = found.iter().filter(|it| it.is_sending()).collect();
    assert_eq!(sending.len(), 2, "{found:?}");
    assert!(
        (sending[1].records_per_s - 50_000.0).abs() < 1e-9,
        "not that of a node"
    );
}
