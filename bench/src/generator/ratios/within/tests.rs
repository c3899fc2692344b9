//! Tests of the ratios between the cells of a study.

use serde_json::json;

use super::super::super::workload::{Workload, cells};
use super::*;

/// The results of every cell of a workload, by what the quantities of a cell are.
fn results(text: &str, quantities: impl Fn(&Workload) -> (f64, f64, f64)) -> Vec<Value> {
    let workload: Workload = toml::from_str(text).expect("valid");
    let cells = cells(&workload).expect("cells").into_iter();
    let results = cells.flat_map(|cell| {
        let (rate, p99, cpu) = quantities(&cell);
        let result = move |times: f64| {
            json!({
                "config": cell,
                "aggregatedPublishRate": rate * times,
                "aggregatedPublishResponseLatency99pct": p99,
                "cpu": {"brokerSecondsPerGB": cpu, "clientSecondsPerGB": 2.0},
                "flags": ["saturated"],
            })
        };
        [result(1.0), result(1.0)]
    });
    results.collect()
}

fn lines(rows: &[Row]) -> Vec<String> {
    let lines = rows
        .iter()
        .map(|row| format!("{} {}: {}", row.id, row.cells, row.value()));
    lines.collect()
}

#[test]
fn durable_cells_are_divided_by_those_that_never_flush_producer_by_producer() {
    let preset = include_str!("../../presets/durability.toml");
    let results = results(preset, |cell| {
        let is_durable = cell.variant == "fsync each batch";
        let rate = if is_durable { 40.0 } else { 50.0 };
        (rate * f64::from(cell.producers), 1.0, 1.0)
    });
    let lines = lines(&rows(&results));
    assert_eq!(lines.len(), 12, "three modes by four counts: {lines:?}");
    let each =
        "R2 each batch before its acknowledgement / never; producers 16: 0.800 (0.800-0.800)";
    assert!(lines.iter().any(|line| line == each), "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("every 1000 ms / never; producers 64"))
    );
}

#[test]
fn batching_has_its_gain_and_linger_its_price() {
    let preset = include_str!("../../presets/batching.toml");
    let gains = results(preset, |cell| {
        let is_one = cell.producer_setting("batch.size") == "1";
        (if is_one { 10.0 } else { 90.0 }, 1.0, 1.0)
    });
    let gains = lines(&rows(&gains));
    assert_eq!(gains.len(), 4, "{gains:?}");
    let gain = "R6 batch.size 16384 / one record; bytes 100: 9.000 (9.000-9.000)";
    assert!(gains.iter().any(|line| line == gain), "{gains:?}");
    let preset = include_str!("../../presets/tuning.toml");
    let prices = results(preset, |cell| {
        let p99 = if cell.producer_setting("linger.ms") == "5" {
            6.0
        } else {
            2.0
        };
        (1.0, p99, 1.0)
    });
    let prices = lines(&rows(&prices));
    assert_eq!(prices.len(), 12, "keys, sizes, batch.size: {prices:?}");
    assert!(
        prices
            .iter()
            .all(|line| line.starts_with("R6b") && line.contains("3.000"))
    );
}

#[test]
fn recompression_is_compared_by_codec_and_not_where_there_is_none() {
    let preset = include_str!("../../presets/codecs.toml");
    let results = results(preset, |cell| {
        let is_kept = cell.topic["compression.type"] == "producer";
        (
            if is_kept { 30.0 } else { 10.0 },
            1.0,
            if is_kept { 1.0 } else { 4.0 },
        )
    });
    let rows = rows(&results);
    let of = |id: &str| rows.iter().filter(|row| row.id == id).count();
    // Five codecs to two others, less lz4 to lz4 and zstd to zstd; by records/s and by CPU.
    assert_eq!((of("R7"), of("R8")), (16, 4));
    let lines = lines(&rows);
    let expected = [
        "R7 none to lz4; codec none: 3.000",
        "R7 gzip to zstd; codec gzip: 0.250",
    ];
    for expected in expected {
        assert!(
            lines.iter().any(|line| line.starts_with(expected)),
            "{lines:?}"
        );
    }
}

#[test]
fn readers_and_transactions_are_compared_with_none() {
    let fan_out = include_str!("../../presets/fan-out.toml");
    let readers = results(fan_out, |cell| {
        (100.0 - f64::from(cell.consumer_groups), 1.0, 1.0)
    });
    let readers = lines(&rows(&readers));
    assert_eq!(readers.len(), 2, "{readers:?}");
    assert!(readers[1].starts_with("R10 4 groups: 0.960"), "{readers:?}");
    let transactions = include_str!("../../presets/transactions.toml");
    let kinds = results(transactions, |cell| {
        (1.0, 1.0 + cell.transaction_ms as f64, 1.0)
    });
    let kinds = lines(&rows(&kinds));
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    let slow = kinds.iter().find(|line| line.contains("101.000"));
    let slow = slow.expect("p99 at a rate");
    assert!(slow.starts_with("S8 transactions of 100 ms"), "{slow}");
}

#[test]
fn cells_without_a_counterpart_are_no_ratio_and_flags_of_either_side_are_told() {
    assert!(rows(&results("load = \"max\"", |_| (1.0, 1.0, 1.0))).is_empty());
    assert!(markdown(&[]).is_empty());
    let text = "load = \"max\"\n[sweep]\n\"producer.batch.size\" = [1, 16384]";
    let mut results = results(text, |_| (1.0, 1.0, 1.0));
    results[0]["flags"] = json!(["saturated", "client-bound"]);
    let table = markdown(&rows(&results));
    assert!(
        table.ends_with("| 1.000 (1.000-1.000) | 2 | client-bound |\n"),
        "{table}"
    );
}

#[test]
fn the_first_partition_pays_for_what_all_need() {
    let preset = include_str!("../../presets/partitions.toml");
    let mut results = results(preset, |_| (1.0, 1.0, 1.0));
    for result in &mut results {
        let count = result["config"]["partitions_per_topic"].as_f64();
        let bytes = 9e6 + 8000.0 * count.expect("a count");
        result["brokerResidentBytesIdle"] = json!(bytes);
    }
    let expected = [
        "S6 1 to 512 partitions; keys none: 8000.000 (8000.000-8000.000)",
        "S6 1 to 512 partitions; keys uniform: 8000.000 (8000.000-8000.000)",
    ];
    assert_eq!(lines(&rows(&results)), expected);
    for result in &mut results {
        result["config"]["fresh_broker"] = json!(false);
    }
    assert!(
        rows(&results).is_empty(),
        "memory of other topics counts there"
    );
}
