//! Tests of which charts a study has, and of what is in them.

use serde_json::json;

use super::super::super::disk::DiskBaseline;
use super::super::super::measured::Measured;
use super::super::super::measured::tests::measured;
use super::super::super::workload::{Load, Workload, cells as cells_of};
use super::*;

/// The study of a workload whose cells are measured as `measure` says of each repetition.
fn study(text: &str, measure: impl Fn(&Workload, u32) -> Measured) -> Study {
    let workload: Workload = toml::from_str(text).expect("valid");
    let runs = cells_of(&workload).expect("cells").into_iter();
    let runs = runs.flat_map(|cell| {
        let measure = &measure;
        (0..workload.repetitions).map(move |repetition| {
            let mut run = measure(&cell, repetition);
            run.batching.batches = 10;
            run.batching.bytes = 10_000;
            run.workload = cell.clone();
            run.repetition = repetition;
            run
        })
    });
    Study {
        name: workload.name.clone(),
        environment: json!({}),
        disk: DiskBaseline {
            fdatasync_p50_ms: 1.0,
            fdatasync_p99_ms: 2.0,
            sequential_write_mb_per_s: 3.0,
        },
        target: "a broker".to_owned(),
        measured: runs.collect(),
    }
}

/// What its load says, at a maximum of 10,000 records per second.
fn as_said(cell: &Workload, _: u32) -> Measured {
    match cell.load {
        Load::Max | Load::FindMax => measured(None, 10_000, 9),
        Load::Rate(rate) => measured(Some(rate), 100_000, 5),
        Load::PercentOfMax(percent) if 100.0 < percent => measured(Some(percent * 100.0), 9000, 99),
        Load::PercentOfMax(percent) => {
            let mut run = measured(Some(percent * 100.0), 10_000, 5);
            run.elapsed_s = 10.0 * 100.0 / percent;
            run
        }
    }
}

fn names(charts: &[Chart]) -> Vec<&str> {
    charts.iter().map(|chart| chart.name.as_str()).collect()
}

fn svg<'a>(charts: &'a [Chart], name: &str) -> &'a str {
    let chart = charts.iter().find(|chart| chart.name == name);
    let found = names(charts);
    &chart
        .unwrap_or_else(|| panic!("{name} is not in {found:?}"))
        .svg
}

#[test]
fn a_grid_has_the_charts_of_a_grid_apart_by_keys_and_sizes() {
    let charts = all(&study(include_str!("../../presets/tuning.toml"), as_said));
    let kinds = [
        "throughput-by-linger",
        "p99-by-linger",
        "batch-bytes-by-linger",
        "p99-map",
        "throughput-map",
        "latency-by-rate",
        "percentiles",
    ];
    for kind in kinds {
        for group in ["keys-none-bytes-100", "keys-uniform-bytes-1024"] {
            let name = format!("{kind}-{group}");
            assert!(!svg(&charts, &name).contains("NaN"), "{name}");
        }
    }
    let p99 = svg(&charts, "p99-by-linger-keys-none-bytes-100");
    assert_eq!(p99.matches(">batch.size ").count(), 3, "a panel each");
    for line in ["p99 at 5%", "p99.9 at 80%"] {
        assert_eq!(p99.matches(&format!(">{line}<")).count(), 1, "{line}");
    }
    assert!(!p99.contains("max<"), "no latency of closed loops");
    let percentiles = svg(&charts, "percentiles-keys-none-bytes-100");
    for line in ["linger.ms 0", "linger.ms 5", "linger.ms 20"] {
        assert_eq!(
            percentiles.matches(&format!(">{line}<")).count(),
            1,
            "{line}"
        );
    }
}

#[test]
fn overloaded_cells_are_not_in_charts_of_latency() {
    let charts = all(&study(
        include_str!("../../presets/rate-curve.toml"),
        as_said,
    ));
    let curve = svg(&charts, "latency-by-rate");
    assert!(curve.contains("2 overloaded cells left out"));
    // Twelve loads that are not overloaded, three percentiles each.
    assert_eq!(curve.matches("<circle").count(), 36);
    assert!(!svg(&charts, "percentiles").contains("110%"));
}

#[test]
fn modes_of_flushing_tell_how_many_batches_share_a_flush() {
    let measure = |cell: &Workload, _: u32| {
        let mut run = measured(None, 1000, 5);
        run.disk_flushes = Some(if cell.variant == "no fsync" { 0 } else { 4 });
        run
    };
    let charts = all(&study(
        include_str!("../../presets/durability.toml"),
        measure,
    ));
    let bars = svg(&charts, "durability");
    assert_eq!(bars.matches("2.5 batches each").count(), 12);
    assert_eq!(bars.matches(">0 flushes/s<").count(), 4);
    assert!(bars.contains(">producers 64, fsync per 1,000 records<"));
    let lines = svg(&charts, "throughput-by-producers");
    for mode in ["fsync each batch", "no fsync"] {
        assert_eq!(lines.matches(&format!(">{mode}<")).count(), 1, "{mode}");
    }
}

#[test]
fn every_preset_has_its_charts() {
    let presets: [(&str, &[&str]); 7] = [
        (
            include_str!("../../presets/partitions.toml"),
            &["throughput-by-partitions", "memory-by-partitions"],
        ),
        (
            include_str!("../../presets/codecs.toml"),
            &["throughput", "cpu"],
        ),
        (
            include_str!("../../presets/transactions.toml"),
            &["throughput", "latency", "cpu"],
        ),
        (
            include_str!("../../presets/fan-out.toml"),
            &["throughput", "latency", "throughput-by-groups"],
        ),
        (
            include_str!("../../presets/end-to-end.toml"),
            &["percentiles", "latency-by-rate"],
        ),
        (
            include_str!("../../presets/axes.toml"),
            &["latency", "cpu", "p99-by-linger"],
        ),
        (include_str!("../../presets/quick.toml"), &["percentiles"]),
    ];
    for (preset, expected) in presets {
        let charts = all(&study(preset, as_said));
        for name in expected {
            assert!(!svg(&charts, name).contains("NaN"), "{name}");
        }
        let mut found = names(&charts);
        let count = found.len();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), count, "a file each");
    }
}

/// The other settings of each cell of `axes` are those of the base, and need not be said.
#[test]
fn one_setting_at_a_time_is_a_short_label() {
    let charts = all(&study(include_str!("../../presets/axes.toml"), as_said));
    let bars = svg(&charts, "latency");
    for label in ["base", "linger.ms=20", "log.flush.before.ack=false"] {
        assert!(bars.contains(&format!("{label}<")), "{label}");
    }
    let lines = svg(&charts, "p99-by-linger");
    assert_eq!(
        lines.matches(">batch.size ").count(),
        1,
        "others have no line"
    );
    assert!(!names(&charts).contains(&"p99-map"), "no map of a cross");
}

#[test]
fn repetitions_have_a_spread() {
    let text = "load = \"max\"\nrepetitions = 2\n[sweep]\nproducers = [1, 4]";
    let measure = |_: &Workload, repetition| measured(None, 1000 + u64::from(repetition) * 500, 5);
    let charts = all(&study(text, measure));
    let bars = svg(&charts, "throughput");
    assert_eq!(
        bars.matches("stroke=\"#000\" stroke-width=\"2\"").count(),
        2,
        "{bars}"
    );
}

/// A long run has a point a minute, of all its seconds together.
#[test]
fn a_soak_is_drawn_by_minutes() {
    let measure = |_: &Workload, _: u32| {
        let mut run = measured(Some(1000.0), 1000, 5);
        let period = run.periods[0].clone();
        run.periods = (1..=600)
            .map(|second| {
                let mut period = period.clone();
                period.at_s = f64::from(second);
                period
            })
            .collect();
        run
    };
    let charts = all(&study("load = 1000", measure));
    let svg_text = svg(&charts, "latency-over-time");
    assert!(svg_text.contains("Latency of each minute"));
    // p99 and p99.9, ten minutes each.
    assert_eq!(svg_text.matches("<circle").count(), 20);
    assert!(svg(&charts, "memory-over-time").contains("resident"));
}
