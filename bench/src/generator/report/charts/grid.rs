//! What linger.ms and batch.size do to throughput, latency and batches.

use super::super::super::measured::Measured;
use super::super::super::model;
use super::super::cells::{Cell, by_field, grouped, values_count};
use super::super::curves::{Curve, Panel, Point};
use super::super::heat_map::{self, Map, Sides, Spot};
use super::super::svg::Stroke;
use super::{
    BATCH_BYTES, BATCH_SIZE, Charts, LINGER, LINGER_MS, LOAD, MB_PER_S, RESPONSE_MS, titled,
};

/// All of them, for each group of cells that differ in nothing else.
pub(super) fn draw(charts: &mut Charts, cells: &[&Cell<'_>]) {
    let groups = grouped(cells, &[LINGER_MS, LOAD]);
    let several = groups.into_iter();
    let several: Vec<_> = several
        .filter(|(_, cells)| 1 < values_count(cells, LINGER_MS))
        .flat_map(|(_, cells)| cells)
        .collect();
    // Again, for labels that set apart only those that are drawn.
    for (group, cells) in grouped(&several, &[LINGER_MS, BATCH_SIZE, LOAD]) {
        let (closed, open): (Vec<_>, Vec<_>) = cells.iter().partition(|cell| cell.is_closed());
        throughput(charts, &group, &closed);
        latency(charts, &group, &open);
        batch_bytes(charts, &group, &open);
        maps(charts, &group, &closed, &open);
    }
}

/// A curve over linger.ms.
fn curve(
    cells: &[&Cell<'_>],
    (label, color, stroke): (String, usize, Stroke),
    point: impl Fn(&Cell<'_>, f64) -> Point,
) -> Curve {
    let points = cells.iter().map(|cell| point(cell, cell.number(LINGER_MS)));
    let mut points: Vec<_> = points.collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    Curve {
        label,
        points,
        color,
        stroke,
    }
}

fn throughput(charts: &mut Charts, group: &str, closed: &[&Cell<'_>]) {
    let sizes = by_field(closed, BATCH_SIZE);
    let curves = sizes.iter().enumerate().map(|(color, (size, cells))| {
        let style = (format!("batch.size {size}"), color, Stroke::Solid);
        curve(cells, style, |cell, x| cell.point(x, Measured::mb_per_s))
    });
    let panels = [Panel {
        title: String::new(),
        curves: curves.collect(),
    }];
    let title = "Throughput against linger.ms, as fast as possible";
    charts.curves(
        ("throughput-by-linger", title),
        group,
        (LINGER, MB_PER_S),
        &panels,
    );
}

fn latency(charts: &mut Charts, group: &str, open: &[&Cell<'_>]) {
    let loads = by_field(open, LOAD);
    let panels = by_field(open, BATCH_SIZE).into_iter().map(|(size, cells)| {
        let mut curves = Vec::new();
        for (load, cells) in by_field(&cells, LOAD) {
            let color = loads.iter().position(|it| it.0 == load).unwrap_or_default();
            for (percentile, stroke) in [(99.0, Stroke::Solid), (99.9, Stroke::Dashed)] {
                let style = (format!("p{percentile} at {load}"), color, stroke);
                curves.push(curve(&cells, style, |cell, x| {
                    if !cell.has_latencies() {
                        return Point::at(x, f64::NAN);
                    }
                    cell.point(x, |run| run.latencies().response.ms(percentile))
                }));
            }
        }
        Panel {
            title: format!("batch.size {size}"),
            curves,
        }
    });
    let panels: Vec<_> = panels.collect();
    let title = "p99 and p99.9 against linger.ms, at shares of the maximum";
    charts.curves(
        ("p99-by-linger", title),
        group,
        (LINGER, RESPONSE_MS),
        &panels,
    );
}

fn batch_bytes(charts: &mut Charts, group: &str, open: &[&Cell<'_>]) {
    let panels = by_field(open, LOAD).into_iter().map(|(load, cells)| {
        let mut curves = Vec::new();
        for (color, (size, cells)) in by_field(&cells, BATCH_SIZE).into_iter().enumerate() {
            let style = (format!("batch.size {size}"), color, Stroke::Solid);
            curves.push(curve(&cells, style, |cell, x| {
                cell.point(x, |run| run.batching.bytes_per_batch())
            }));
            let style = (format!("model, {size}"), color, Stroke::Thin);
            curves.push(curve(&cells, style, |cell, x| {
                Point::at(x, cell.series(expected_batch_bytes).median())
            }));
        }
        Panel {
            title: format!("load {load}"),
            curves,
        }
    });
    let panels: Vec<_> = panels.collect();
    let title = "Bytes per batch against linger.ms, and the model";
    charts.curves(
        ("batch-bytes-by-linger", title),
        group,
        (LINGER, BATCH_BYTES),
        &panels,
    );
}

fn expected_batch_bytes(run: &Measured) -> f64 {
    let rate = run.target_rate.unwrap_or_else(|| run.records_per_s());
    model::expected_batch_bytes(&run.workload, rate)
}

fn maps(charts: &mut Charts, group: &str, closed: &[&Cell<'_>], open: &[&Cell<'_>]) {
    let p99 = |cell: &Cell<'_>| {
        if cell.is_overloaded() {
            return Spot::Overloaded;
        }
        Spot::Value(
            cell.series(|run| run.latencies().response.ms(99.0))
                .median(),
        )
    };
    let rate = |cell: &Cell<'_>| Spot::Value(cell.series(Measured::mb_per_s).median());
    map(
        charts,
        ("p99-map", "p99 of response times, ms"),
        group,
        open,
        p99,
    );
    map(
        charts,
        ("throughput-map", "MB/s, as fast as possible"),
        group,
        closed,
        rate,
    );
}

/// A map for each load; none unless both settings vary.
fn map(
    charts: &mut Charts,
    (name, title): (&str, &str),
    group: &str,
    cells: &[&Cell<'_>],
    spot: impl Fn(&Cell<'_>) -> Spot,
) {
    let values = |name| -> Vec<String> {
        let groups = by_field(cells, name).into_iter();
        groups.map(|group| group.0).collect()
    };
    let (lingers, sizes) = (values(LINGER_MS), values(BATCH_SIZE));
    if lingers.len() < 2 || sizes.len() < 2 {
        return;
    }
    let maps = by_field(cells, LOAD).into_iter().map(|(load, cells)| {
        let at = |size: &String, linger: &String| {
            let found = cells
                .iter()
                .find(|cell| cell.field(BATCH_SIZE) == size && cell.field(LINGER_MS) == linger);
            found.map_or(Spot::Missing, |cell| spot(cell))
        };
        let rows = sizes
            .iter()
            .map(|size| lingers.iter().map(|linger| at(size, linger)).collect());
        Map {
            title: format!("load {load}"),
            rows: rows.collect(),
        }
    });
    let maps: Vec<_> = maps.collect();
    let sides = Sides {
        columns: ("linger.ms", &lingers),
        rows: ("batch.size", &sizes),
    };
    let title = titled(title, group);
    let svg = heat_map::draw(&title, &sides, &maps);
    charts.add(name, group, title, svg);
}
