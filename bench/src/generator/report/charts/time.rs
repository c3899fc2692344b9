//! Latency and memory while time goes on, and latencies by percentile.

use super::super::super::latency::Latencies;
use super::super::super::measured::{Measured, Period};
use super::super::cells::{Cell, grouped};
use super::super::curves::{Curve, Panel, Point};
use super::super::svg::Stroke;
use super::{Charts, MS, RESIDENT_MB, SECONDS};

/// More runs beside each other are too much to look at.
const RUNS_MAX: usize = 3;
/// Fewer seconds are no course of time.
const PERIODS_MIN: usize = 8;
/// Of more seconds each minute is a point.
const SECONDS_MAX: usize = 300;
const PERIODS_PER_MINUTE: usize = 60;

/// Of each run, if there are few.
pub(super) fn draw(charts: &mut Charts, cells: &[&Cell<'_>]) {
    let labelled = grouped(cells, &[]);
    let runs = labelled.iter().flat_map(|(label, cells)| {
        let runs = cells.iter().flat_map(|cell| &cell.runs);
        runs.map(move |run| (label.as_str(), *run))
    });
    let runs: Vec<_> = runs
        .filter(|(_, run)| PERIODS_MIN <= run.periods.len())
        .collect();
    if RUNS_MAX < runs.len() {
        return;
    }
    let panels = runs.iter().map(|(label, run)| Panel {
        title: (*label).to_owned(),
        curves: latencies(run),
    });
    let panels: Vec<_> = panels.collect();
    let is_long = runs.iter().any(|(_, run)| SECONDS_MAX < run.periods.len());
    let title = if is_long {
        "Latency of each minute"
    } else {
        "Latency of each second"
    };
    charts.curves(("latency-over-time", title), "", (SECONDS, MS), &panels);
    let panels = runs.iter().map(|(label, run)| Panel {
        title: (*label).to_owned(),
        curves: vec![memory(run)],
    });
    let panels: Vec<_> = panels.collect();
    let title = "Memory of the broker";
    charts.curves(
        ("memory-over-time", title),
        "",
        (SECONDS, RESIDENT_MB),
        &panels,
    );
}

/// Seconds, or minutes of a long run: their end, and their latencies together.
fn stretches(periods: &[Period]) -> Vec<(f64, Latencies)> {
    let length = if periods.len() <= SECONDS_MAX {
        1
    } else {
        PERIODS_PER_MINUTE
    };
    let stretches = periods.chunks(length).map(|stretch| {
        let mut all = Latencies::default();
        for period in stretch {
            all.merge(&period.interval.latencies);
        }
        (stretch.last().map_or(0.0, |period| period.at_s), all)
    });
    stretches.collect()
}

fn latencies(run: &Measured) -> Vec<Curve> {
    let stretches = stretches(&run.periods);
    let kinds = [
        ("response p99", 1, 99.0, 0, Stroke::Solid),
        ("response p99.9", 1, 99.9, 0, Stroke::Dashed),
        ("end-to-end p99", 2, 99.0, 1, Stroke::Solid),
        ("commit p99", 3, 99.0, 2, Stroke::Solid),
    ];
    let curves = kinds
        .iter()
        .map(|(label, kind, percentile, color, stroke)| {
            let points = stretches.iter().filter_map(|(at_s, latencies)| {
                let named = latencies.named();
                let (_, latency) = named.get(*kind).filter(|it| it.1.count() != 0)?;
                Some(Point::at(*at_s, latency.ms(*percentile)))
            });
            Curve {
                label: (*label).to_owned(),
                points: points.collect(),
                color: *color,
                stroke: *stroke,
            }
        });
    curves.collect()
}

fn memory(run: &Measured) -> Curve {
    let points = run.periods.iter().filter_map(|period| {
        let bytes = period.resident_bytes?;
        Some(Point::at(period.at_s, bytes as f64 / 1e6))
    });
    Curve {
        label: "resident".to_owned(),
        points: points.collect(),
        color: 0,
        stroke: Stroke::Solid,
    }
}

/// Latencies of one kind, all repetitions together: 1 / (1 - quantile) and milliseconds, as far as
/// there are samples.
pub(super) fn nines(cell: &Cell<'_>, kind: usize) -> Vec<Point> {
    let mut all = Latencies::default();
    for run in &cell.runs {
        all.merge(&run.latencies());
    }
    let named = all.named();
    let Some((_, latency)) = named.get(kind).filter(|it| it.1.count() != 0) else {
        return Vec::new();
    };
    // Beyond, few samples would tell: p99.99 needs a million.
    let inverse_max = latency.count() as f64 / 100.0;
    let steps = latency.histogram().iter_quantiles(8);
    let points = steps
        .filter(|step| step.quantile_iterated_to() < 1.0)
        .map(|step| {
            let inverse = 1.0 / (1.0 - step.quantile_iterated_to());
            Point::at(inverse, step.value_iterated_to() as f64 / 1000.0)
        });
    points
        .take_while(|point| point.x <= inverse_max.max(1.0))
        .collect()
}
