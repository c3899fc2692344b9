//! The charts of a report. Which there are depends on what was varied: a line, a bar or a place
//! of a map is a cell, and what it does not say the title does. Latencies of cells that were
//! overloaded or saturated are in none.

mod grid;
mod rows;
mod time;

use super::cells::{self, Cell, by_field, grouped, labelled, values_count};
use super::curves::{self, Curve, Panel};
use super::scale::{Axis, Scale};
use super::svg::Stroke;
use super::{Chart, Study, bars};

const LOAD: &str = "load";
const LINGER_MS: &str = "producer.linger.ms";
const BATCH_SIZE: &str = "producer.batch.size";
const PARTITIONS: &str = "partitions_per_topic";

const LINGER: Axis = Axis {
    label: "linger.ms",
    scale: Scale::Steps,
};
const MB_PER_S: Axis = Axis {
    label: "MB/s (10^6 bytes of values)",
    scale: Scale::Linear,
};
const RESPONSE_MS: Axis = Axis {
    label: "response time, ms",
    scale: Scale::Log,
};
const MS: Axis = Axis {
    label: "ms",
    scale: Scale::Log,
};
const BATCH_BYTES: Axis = Axis {
    label: "bytes per batch",
    scale: Scale::Log,
};
const RATE: Axis = Axis {
    label: "records/s achieved",
    scale: Scale::Linear,
};
const NINES: Axis = Axis {
    label: "percentile",
    scale: Scale::Nines,
};
const SECONDS: Axis = Axis {
    label: "seconds since the load began",
    scale: Scale::Linear,
};
const RESIDENT_MB: Axis = Axis {
    label: "resident memory of the broker, MB",
    scale: Scale::Linear,
};

/// All charts that the measurements can be drawn as.
pub(super) fn all(study: &Study) -> Vec<Chart> {
    let cells = cells::of(&study.measured);
    let cells: Vec<_> = cells.iter().collect();
    let mut charts = Charts::default();
    grid::draw(&mut charts, &cells);
    by_rate(&mut charts, &cells);
    percentiles(&mut charts, &cells);
    rows::draw(&mut charts, &cells);
    time::draw(&mut charts, &cells);
    charts.0
}

#[derive(Default)]
struct Charts(Vec<Chart>);

impl Charts {
    /// A chart of the cells that `group` says; without a point there is none.
    fn curves(
        &mut self,
        (name, title): (&str, &str),
        group: &str,
        axes: (Axis, Axis),
        panels: &[Panel],
    ) {
        let title = titled(title, group);
        let svg = curves::draw(&title, axes, panels);
        self.add(name, group, title, svg);
    }

    fn bars(
        &mut self,
        (name, title): (&str, &str),
        unit: &str,
        series: &[&str],
        rows: &[bars::Row],
    ) {
        let svg = bars::draw(title, unit, series, rows);
        self.add(name, "", title.to_owned(), svg);
    }

    fn add(&mut self, name: &str, group: &str, title: String, svg: Option<String>) {
        let Some(svg) = svg else { return };
        let words = group.split(|it: char| !it.is_ascii_alphanumeric());
        let words = words.filter(|word| !word.is_empty());
        let parts: Vec<_> = std::iter::once(name).chain(words).collect();
        self.0.push(Chart {
            name: parts.join("-"),
            title,
            svg,
        });
    }
}

fn titled(title: &str, group: &str) -> String {
    if group.is_empty() {
        title.to_owned()
    } else {
        format!("{title}; {group}")
    }
}

/// The label of a line; of the only one too.
fn label_or<'a>(label: &'a str, only: &'a str) -> &'a str {
    if label.is_empty() { only } else { label }
}

/// More lines do not fit one chart.
const LINES_MAX: usize = 9;

/// The throughput-latency curve, when rates vary.
fn by_rate(charts: &mut Charts, cells: &[&Cell<'_>]) {
    let open: Vec<_> = cells
        .iter()
        .copied()
        .filter(|cell| !cell.is_closed())
        .collect();
    if values_count(&open, LOAD) < 3 {
        return;
    }
    let lines = grouped(&open, &[LOAD]);
    let groups = if lines.len() <= LINES_MAX {
        vec![(String::new(), open)]
    } else {
        grouped(&open, &[LOAD, LINGER_MS, BATCH_SIZE])
    };
    for (group, cells) in groups {
        let lines = grouped(&cells, &[LOAD]);
        let mut curves = Vec::new();
        for (color, (label, cells)) in lines.iter().enumerate() {
            if lines.len() == 1 {
                curves = [50.0, 99.0, 99.9]
                    .iter()
                    .enumerate()
                    .map(|(color, it)| rate_curve(cells, *it, &format!("p{it}"), color))
                    .collect();
            } else {
                curves.push(rate_curve(cells, 99.0, label, color));
            }
        }
        let overloaded = cells.iter().filter(|cell| cell.is_overloaded()).count();
        let title = match overloaded {
            0 => "Response times against the rate".to_owned(),
            count => format!("Response times against the rate ({count} overloaded cells left out)"),
        };
        let panels = [Panel {
            title: if lines.len() == 1 {
                String::new()
            } else {
                "p99".to_owned()
            },
            curves,
        }];
        charts.curves(
            ("latency-by-rate", &title),
            &group,
            (RATE, RESPONSE_MS),
            &panels,
        );
    }
}

fn rate_curve(cells: &[&Cell<'_>], percentile: f64, label: &str, color: usize) -> Curve {
    let points = cells
        .iter()
        .filter(|cell| cell.has_latencies())
        .map(|cell| {
            let rate = cell.series(|run| run.records_per_s()).median();
            cell.point(rate, |run| run.latencies().response.ms(percentile))
        });
    let mut points: Vec<_> = points.collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    Curve {
        label: label.to_owned(),
        points,
        color,
        stroke: Stroke::Solid,
    }
}

/// Percentile plots show so many cells at most.
const CELLS_MAX: usize = 4;

/// Latencies by percentile, a panel per kind, of a few cells: those that differ in linger.ms where
/// that is what the study is about, else some that are spread over all.
fn percentiles(charts: &mut Charts, cells: &[&Cell<'_>]) {
    let open: Vec<_> = cells
        .iter()
        .copied()
        .filter(|cell| cell.has_latencies())
        .collect();
    let is_grid = [LINGER_MS, BATCH_SIZE, LOAD]
        .iter()
        .all(|name| 1 < values_count(&open, name));
    if !is_grid {
        return percentiles_of(charts, "", &spread(&open));
    }
    for (group, cells) in grouped(&open, &[LINGER_MS, BATCH_SIZE, LOAD]) {
        // Heavy loads and small batches show most of what lingering does.
        let loads = by_field(&cells, LOAD).into_iter().rev();
        let sizes = loads.flat_map(|(_, cells)| by_field(&cells, BATCH_SIZE));
        let most = sizes.map(|(_, cells)| cells).find(|cells| 1 < cells.len());
        percentiles_of(charts, &group, &spread(&most.unwrap_or_default()));
    }
}

/// Some cells of many: the last of each stretch, as the greatest rates are of most interest.
fn spread<'a, 'b>(cells: &[&'b Cell<'a>]) -> Vec<&'b Cell<'a>> {
    let step = cells.len().div_ceil(CELLS_MAX).max(1);
    let skipped = (cells.len() + step - 1) % step;
    cells.iter().copied().skip(skipped).step_by(step).collect()
}

fn percentiles_of(charts: &mut Charts, group: &str, cells: &[&Cell<'_>]) {
    let labelled = labelled(cells);
    let kinds = ["service", "response", "end-to-end", "commit"];
    let panels = kinds.iter().enumerate().map(|(kind, name)| {
        let curves = labelled
            .iter()
            .enumerate()
            .map(|(color, (label, cell))| Curve {
                label: label_or(label, "latency").to_owned(),
                points: time::nines(cell, kind),
                color,
                stroke: Stroke::Solid,
            });
        Panel {
            title: (*name).to_owned(),
            curves: curves.collect(),
        }
    });
    let panels: Vec<_> = panels
        .filter(|panel| panel.curves.iter().any(|it| !it.points.is_empty()))
        .collect();
    let title = "Latency by percentile";
    charts.curves(("percentiles", title), group, (NINES, MS), &panels);
}

#[cfg(test)]
mod tests;
