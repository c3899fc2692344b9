//! A bar per cell: throughput, latency, what they cost, and how flushes are shared; and lines over
//! counts of clients and partitions.

use super::super::super::fields::{FLUSHING, short};
use super::super::super::measured::Measured;
use super::super::bars::Row;
use super::super::cells::{Cell, grouped, labelled, values_count};
use super::super::curves::{Curve, Panel};
use super::super::scale::{Axis, Scale};
use super::super::svg::Stroke;
use super::{BATCH_SIZE, Charts, LINGER_MS, LOAD, MB_PER_S, PARTITIONS, RESIDENT_MB, label_or};

/// More bars do not fit a page.
const ROWS_MAX: usize = 48;
/// Counts that throughput is drawn against when they have three values at least, with their axes.
const COUNTS: [(&str, &str, Axis); 3] = [
    (
        PARTITIONS,
        "partitions",
        Axis {
            label: "partitions per topic",
            scale: Scale::Steps,
        },
    ),
    (
        "producers",
        "producers",
        Axis {
            label: "producers",
            scale: Scale::Steps,
        },
    ),
    (
        "consumer_groups",
        "groups",
        Axis {
            label: "consumer groups",
            scale: Scale::Steps,
        },
    ),
];

/// All that the cells allow.
pub(super) fn draw(charts: &mut Charts, cells: &[&Cell<'_>]) {
    let (closed, open): (Vec<_>, Vec<_>) = cells.iter().copied().partition(|cell| cell.is_closed());
    let is_grid = 1 < values_count(cells, LINGER_MS)
        && 1 < values_count(cells, BATCH_SIZE)
        && 1 < values_count(cells, LOAD);
    if !is_grid {
        throughput(charts, &closed);
        latency(charts, &open);
    }
    cost(
        charts,
        if ROWS_MAX < cells.len() {
            &closed
        } else {
            cells
        },
    );
    for (field, name, axis) in COUNTS {
        by_count(charts, &closed, field, (name, axis));
    }
}

/// A row for each cell, unless there is nothing to compare or too much.
fn rows(cells: &[&Cell<'_>], row: impl Fn(&Cell<'_>, String) -> Row) -> Vec<Row> {
    if !(2..=ROWS_MAX).contains(&cells.len()) {
        return Vec::new();
    }
    let labelled = labelled(cells).into_iter();
    labelled.map(|(label, cell)| row(cell, label)).collect()
}

fn throughput(charts: &mut Charts, closed: &[&Cell<'_>]) {
    let is_about_flushes = FLUSHING.iter().any(|name| 1 < values_count(closed, name));
    let rows = rows(closed, |cell, label| Row {
        label,
        bars: vec![cell.bar(|run| Some(run.mb_per_s()))],
        note: if is_about_flushes {
            flushes(cell)
        } else {
            String::new()
        },
    });
    let unit = "MB/s (10^6 bytes of values)";
    if is_about_flushes {
        let title = "Throughput, and batches that share a flush of the disk";
        charts.bars(("durability", title), unit, &["MB/s"], &rows);
    } else {
        let title = "Throughput, as fast as possible";
        charts.bars(("throughput", title), unit, &["MB/s"], &rows);
    }
}

/// How the disk was flushed, in words.
fn flushes(cell: &Cell<'_>) -> String {
    let flushes = cell.bar(|run| Some(run.disk_flushes? as f64 / run.elapsed_s));
    let batches = cell.bar(Measured::batches_per_flush);
    match (flushes, batches) {
        (None, _) => String::new(),
        (Some(flushes), None) => format!("{:.0} flushes/s", flushes.value),
        (Some(flushes), Some(batches)) => format!(
            "{:.0} flushes/s, {:.1} batches each",
            flushes.value, batches.value
        ),
    }
}

fn latency(charts: &mut Charts, open: &[&Cell<'_>]) {
    // Rates alone have a curve.
    let is_about_rates = grouped(open, &[LOAD]).len() == 1;
    if is_about_rates {
        return;
    }
    let rows = rows(open, |cell, label| {
        let response = |percentile: f64| {
            cell.bar(|run| Some(run.latencies().response.ms(percentile)))
                .filter(|_| cell.has_latencies())
        };
        let end_to_end = cell
            .bar(|run| {
                let latency = run.latencies().end_to_end;
                (0 < latency.count()).then(|| latency.ms(99.0))
            })
            .filter(|_| cell.has_latencies());
        Row {
            label,
            bars: vec![response(50.0), response(99.0), end_to_end],
            note: if cell.is_overloaded() {
                "overloaded".to_owned()
            } else {
                String::new()
            },
        }
    });
    let has_readers = rows
        .iter()
        .any(|row| row.bars.get(2).is_some_and(Option::is_some));
    let names = ["response p50", "response p99", "end-to-end p99"];
    let count = if has_readers { 3 } else { 2 };
    let rows: Vec<_> = rows
        .into_iter()
        .map(|mut row| {
            row.bars.truncate(count);
            row
        })
        .collect();
    let names = names.get(..count).unwrap_or(&names);
    charts.bars(("latency", "Latency at a rate"), "ms", names, &rows);
}

fn cost(charts: &mut Charts, cells: &[&Cell<'_>]) {
    let rows = rows(cells, |cell, label| Row {
        label,
        bars: vec![
            cell.bar(Measured::broker_cpu_s_per_gb),
            cell.bar(|run| Some(run.client_cpu_s_per_gb())),
        ],
        note: String::new(),
    });
    let title = "CPU of broker and client";
    let unit = "CPU seconds per GB (10^9 bytes of values)";
    charts.bars(("cpu", title), unit, &["broker", "client"], &rows);
}

/// 10^6 bytes; no number when they are not known.
fn mb(bytes: Option<u64>) -> f64 {
    bytes.map_or(f64::NAN, |bytes| bytes as f64 / 1e6)
}

fn by_count(charts: &mut Charts, closed: &[&Cell<'_>], field: &str, (name, axis): (&str, Axis)) {
    let lines = grouped(closed, &[field]).into_iter();
    let several: Vec<_> = lines
        .filter(|(_, cells)| 2 < cells.len())
        .flat_map(|(_, cells)| cells)
        .collect();
    let lines = grouped(&several, &[field]);
    let panel = |title: &str, quantity: fn(&Measured) -> f64| {
        let curves = lines.iter().enumerate().map(|(color, (label, cells))| {
            let points = cells
                .iter()
                .map(|cell| cell.point(cell.number(field), quantity));
            let mut points: Vec<_> = points.collect();
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            Curve {
                label: label_or(label, "measured").to_owned(),
                points,
                color,
                stroke: Stroke::Solid,
            }
        });
        Panel {
            title: title.to_owned(),
            curves: curves.collect(),
        }
    };
    let title = format!("Throughput against {}", short(field).replace('_', " "));
    let chart = format!("throughput-by-{name}");
    let panels = [panel("", Measured::mb_per_s)];
    charts.curves((&chart, &title), "", (axis, MB_PER_S), &panels);
    if field == PARTITIONS {
        let panels = [
            panel("before the first record", |run| mb(run.resident_idle)),
            panel("after the load", |run| {
                mb(run.broker.map(|usage| usage.resident_bytes))
            }),
        ];
        let title = "Memory of the broker against partitions";
        charts.curves(
            ("memory-by-partitions", title),
            "",
            (axis, RESIDENT_MB),
            &panels,
        );
    }
}
