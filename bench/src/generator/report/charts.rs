//! The charts of a report. Which there are depends on what was varied.

use std::collections::BTreeMap;

use super::super::keys::Keys;
use super::super::latency::Latency;
use super::super::measured::{Flag, Measured};
use super::super::workload::Load;
use super::curves::{Axis, Curve, Scale, draw};
use super::{Chart, Study};

const LINGER: Axis = Axis {
    label: "linger.ms",
    scale: Scale::Linear,
};
const MB_PER_S: Axis = Axis {
    label: "MB/s (10^6 bytes of values)",
    scale: Scale::Linear,
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
    label: "seconds",
    scale: Scale::Linear,
};
/// Percentile plots show so many runs at most.
const RUNS_MAX: usize = 6;

/// All charts that the measurements can be drawn as.
///
/// # Errors
/// The drawing library failed.
pub(super) fn all(study: &Study) -> anyhow::Result<Vec<Chart>> {
    let mut charts = Charts::default();
    for (group, measured) in groups(&study.measured) {
        charts.by_linger(&group, &measured)?;
        charts.by_rate(&group, &measured)?;
    }
    charts.percentiles(&study.measured)?;
    charts.over_time(&study.measured)?;
    Ok(charts.0)
}

/// Measurements that differ in load and in the settings of batching only, by what they have in
/// common.
fn groups(measured: &[Measured]) -> BTreeMap<String, Vec<&Measured>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for it in measured {
        let workload = &it.workload;
        let keys = if workload.keys == Keys::None {
            "no-keys"
        } else {
            "keys"
        };
        let group = format!("{}B-{keys}", workload.record_bytes);
        groups.entry(group).or_default().push(it);
    }
    groups
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}

fn linger_ms(measured: &Measured) -> f64 {
    number(measured.workload.producer_setting("linger.ms"))
}

/// The load as a label.
fn load(measured: &Measured) -> String {
    measured.workload.load.into()
}

/// Curves over linger.ms of a quantity, one for each label; repetitions are averaged.
fn curves_over(
    measured: &[&Measured],
    x: impl Fn(&Measured) -> f64,
    y: impl Fn(&Measured) -> f64,
    label: impl Fn(&Measured) -> String,
) -> Vec<Curve> {
    let mut by_label: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for it in measured {
        by_label.entry(label(it)).or_default().push((x(it), y(it)));
    }
    let curves = by_label.into_iter().map(|(label, mut points)| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let means = points
            .chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq())
            .map(|same| {
                let sum: f64 = same.iter().map(|(_, y)| y).sum();
                (same.first().map_or(0.0, |it| it.0), sum / same.len() as f64)
            });
        Curve::new(label, means.collect())
    });
    curves.collect()
}

#[derive(Default)]
struct Charts(Vec<Chart>);

impl Charts {
    fn add(
        &mut self,
        name: String,
        title: String,
        (x, y): (Axis, Axis),
        curves: &[Curve],
    ) -> anyhow::Result<()> {
        if let Some(svg) = draw(&title, x, y, curves)? {
            self.0.push(Chart { name, title, svg });
        }
        Ok(())
    }

    /// What linger.ms does, when it varies.
    fn by_linger(&mut self, group: &str, measured: &[&Measured]) -> anyhow::Result<()> {
        let varies = measured
            .windows(2)
            .any(|pair| linger_ms(pair[0]) != linger_ms(pair[1]));
        if !varies {
            return Ok(());
        }
        let batch_size = |it: &Measured| {
            format!(
                "batch.size {:>7}",
                number(it.workload.producer_setting("batch.size"))
            )
        };
        let (closed, open): (Vec<_>, Vec<_>) = measured
            .iter()
            .copied()
            .partition(|it| it.workload.load == Load::Max);
        self.add(
            format!("throughput-by-linger-{group}"),
            format!("Throughput against linger.ms, {group}, as fast as possible"),
            (LINGER, MB_PER_S),
            &curves_over(&closed, linger_ms, Measured::mb_per_s, batch_size),
        )?;
        let p99 = |it: &Measured| it.latencies().response.ms(99.0);
        let labelled = |it: &Measured| {
            let overloaded = if it.has(Flag::Overloaded) {
                " (overloaded)"
            } else {
                ""
            };
            format!("{} of max, {}{overloaded}", load(it), batch_size(it))
        };
        self.add(
            format!("p99-by-linger-{group}"),
            format!("p99 of response times against linger.ms, {group}"),
            (LINGER, MS),
            &curves_over(&open, linger_ms, p99, labelled),
        )?;
        let batch_bytes = |it: &Measured| it.batching.bytes_per_batch();
        let label = |it: &Measured| format!("{} of max, {}", load(it), batch_size(it));
        let mut curves = curves_over(&open, linger_ms, batch_bytes, label);
        for mut model in curves_over(&open, linger_ms, expected_batch_bytes, label) {
            model.is_thin = true;
            model.label.push_str(" (model)");
            curves.push(model);
        }
        self.add(
            format!("batch-bytes-by-linger-{group}"),
            format!("Bytes per batch against linger.ms, {group}; thin: the model"),
            (LINGER, BATCH_BYTES),
            &curves,
        )
    }

    /// The throughput-latency curve, when rates vary.
    fn by_rate(&mut self, group: &str, measured: &[&Measured]) -> anyhow::Result<()> {
        let open: Vec<_> = measured
            .iter()
            .copied()
            .filter(|it| it.target_rate.is_some())
            .collect();
        if open
            .windows(2)
            .all(|pair| pair[0].target_rate == pair[1].target_rate)
        {
            return Ok(());
        }
        let label = |it: &Measured| {
            let setting = |name| it.workload.producer_setting(name);
            format!(
                "linger.ms {} batch.size {}",
                setting("linger.ms"),
                setting("batch.size")
            )
        };
        let p99 = |it: &Measured| it.latencies().response.ms(99.0);
        self.add(
            format!("latency-by-rate-{group}"),
            format!("p99 of response times against the rate, {group}"),
            (RATE, MS),
            &curves_over(&open, Measured::records_per_s, p99, label),
        )
    }

    fn percentiles(&mut self, measured: &[Measured]) -> anyhow::Result<()> {
        let runs = measured
            .iter()
            .filter(|it| it.target_rate.is_some())
            .take(RUNS_MAX);
        let mut curves = Vec::new();
        for run in runs {
            let latencies = run.latencies();
            for (kind, latency) in latencies.named().into_iter().filter(|it| it.1.count() != 0) {
                curves.push(Curve::new(
                    format!("{} {kind}", run.workload.name),
                    nines(latency),
                ));
            }
        }
        let title = "Latency by percentile".to_owned();
        self.add("percentiles".to_owned(), title, (NINES, MS), &curves)
    }

    fn over_time(&mut self, measured: &[Measured]) -> anyhow::Result<()> {
        let Some(longest) = measured.iter().max_by_key(|it| it.periods.len()) else {
            return Ok(());
        };
        let p99 = |at: usize| {
            let points = longest.periods.iter().filter_map(|period| {
                let latencies = period.interval.latencies.named();
                let (_, latency) = latencies.get(at).filter(|it| it.1.count() != 0)?;
                Some((period.at_s, latency.ms(99.0)))
            });
            points.collect()
        };
        let curves = [
            Curve::new("response p99", p99(1)),
            Curve::new("end-to-end p99", p99(2)),
        ];
        let title = format!("p99 of each second, {}", longest.workload.name);
        self.add("p99-over-time".to_owned(), title, (SECONDS, MS), &curves)
    }
}

/// 1 / (1 - quantile) and milliseconds, as far as there are samples.
fn nines(latency: &Latency) -> Vec<(f64, f64)> {
    let steps = latency.histogram().iter_quantiles(4);
    let points = steps
        .filter(|step| step.quantile_iterated_to() < 1.0)
        .map(|step| {
            let inverse = 1.0 / (1.0 - step.quantile_iterated_to());
            (inverse, step.value_iterated_to() as f64 / 1000.0)
        });
    points.collect()
}

fn expected_batch_bytes(measured: &Measured) -> f64 {
    let rate = measured
        .target_rate
        .unwrap_or_else(|| measured.records_per_s());
    super::super::model::expected_batch_bytes(&measured.workload, rate)
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::tests::measured;
    use super::*;

    #[test]
    fn a_grid_has_the_charts_of_a_grid() {
        let mut grid = Vec::new();
        for linger in ["0", "5", "20"] {
            for (target, load) in [(Some(1000.0), "80%"), (None, "max")] {
                let mut cell = measured(target, 1000, 5);
                cell.workload
                    .producer
                    .insert("linger.ms".to_owned(), linger.to_owned());
                cell.workload.load = load.parse().expect("a load");
                cell.batching.batches = 10;
                cell.batching.bytes = 10_000;
                grid.push(cell);
            }
        }
        let study = Study {
            name: "grid".to_owned(),
            environment: serde_json::json!({}),
            disk: crate::generator::disk::DiskBaseline {
                fdatasync_p50_ms: 1.0,
                fdatasync_p99_ms: 2.0,
                sequential_write_mb_per_s: 3.0,
            },
            target: "a broker".to_owned(),
            measured: grid,
        };
        let charts = all(&study).expect("drawn");
        let names: Vec<_> = charts.iter().map(|chart| chart.name.as_str()).collect();
        let expected = [
            "throughput-by-linger-1024B-no-keys",
            "p99-by-linger-1024B-no-keys",
            "batch-bytes-by-linger-1024B-no-keys",
            "percentiles",
            "p99-over-time",
        ];
        assert_eq!(names, expected);
    }
}
