//! The result of a cell: what each side cost, and the ratios between them.

use serde_json::{Value, json};

use super::cost::Cost;
use crate::report::Series;

/// What one side did, round by round.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<Cost>,
}

impl Side {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            rounds: Vec::new(),
        }
    }

    /// A quantity of every round.
    pub(crate) fn series(&self, of: impl Fn(&Cost) -> f64) -> Series {
        Series(self.rounds.iter().map(of).collect())
    }

    /// A percentile of every round, in microseconds; empty when rounds were too short for it.
    pub(crate) fn percentiles(&self, part: f64) -> Series {
        let of_round = |cost: &Cost| cost.latencies.percentile_us(part);
        let known: Option<Vec<f64>> = self.rounds.iter().map(of_round).collect();
        Series(known.unwrap_or_default())
    }

    fn batches_per_write(&self) -> Series {
        let known: Option<Vec<f64>> = self.rounds.iter().map(|it| it.batches_per_write).collect();
        Series(known.unwrap_or_default())
    }

    fn text(&self) -> String {
        let mut text = format!(
            "  {:<22} CPU us/op {:<22} op/s {:<26} MB/s {:<18}",
            self.name,
            self.series(Cost::cpu_us).text(),
            self.series(Cost::operations_per_s).text(),
            self.series(|cost| cost.bytes_per_s() / 1e6).text(),
        );
        for (name, part) in PERCENTILES {
            let series = self.percentiles(part);
            if !series.0.is_empty() {
                text += &format!(" {name} us {}", series.text());
            }
        }
        let batches = self.batches_per_write();
        if !batches.0.is_empty() {
            text += &format!(" batches/write {}", batches.text());
        }
        text.trim_end().to_owned()
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "name": self.name,
            "cpu_us_per_op": self.series(Cost::cpu_us).json(),
            "ops_per_s": self.series(Cost::operations_per_s).json(),
            "bytes_per_s": self.series(Cost::bytes_per_s).json(),
            "bytes_per_cpu_s": self.series(Cost::bytes_per_cpu_s).json(),
        });
        for (name, part) in PERCENTILES {
            let series = self.percentiles(part);
            if !series.0.is_empty() {
                value[format!("{name}_us")] = series.json();
            }
        }
        let batches = self.batches_per_write();
        if !batches.0.is_empty() {
            value["batches_per_write"] = batches.json();
        }
        value
    }
}

const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// What is aimed at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    fn text(self, found: f64) -> String {
        let (sign, limit, is_met) = match self {
            Aim::AtMost(limit) => ("<=", limit, found <= limit),
            Aim::AtLeast(limit) => (">=", limit, limit <= found),
        };
        let outcome = if is_met { "met" } else { "MISSED" };
        format!("  aim {sign} {limit}: {outcome}")
    }

    fn json(self) -> Value {
        match self {
            Aim::AtMost(limit) => json!({"at_most": limit}),
            Aim::AtLeast(limit) => json!({"at_least": limit}),
        }
    }
}

/// A quantity computed from several sides, round by round.
#[derive(Debug)]
pub(crate) struct Ratio {
    pub(crate) name: &'static str,
    pub(crate) values: Series,
    /// Of costs: the least dividend over the least divisor. Whatever disturbs a round adds to its
    /// cost, so this is what is left on a machine that is not quiet.
    pub(crate) of_least: Option<f64>,
    pub(crate) aim: Option<Aim>,
}

/// The result of a cell.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) cell: String,
    pub(crate) sides: Vec<Side>,
    pub(crate) ratios: Vec<Ratio>,
}

impl Table {
    pub(crate) fn new(cell: String, sides: Vec<Side>) -> Self {
        Self {
            cell,
            sides,
            ratios: Vec::new(),
        }
    }

    /// Adds a ratio that is computed from the rounds' series; nothing without rounds.
    pub(crate) fn ratio(&mut self, name: &'static str, values: Series, aim: Option<Aim>) {
        if !values.0.is_empty() {
            self.ratios.push(Ratio {
                name,
                values,
                of_least: None,
                aim,
            });
        }
    }

    /// Adds the ratio of two costs.
    pub(crate) fn cost_ratio(
        &mut self,
        name: &'static str,
        dividend: &Series,
        divisor: &Series,
        aim: Option<Aim>,
    ) {
        self.ratios.push(Ratio {
            name,
            values: dividend.over(divisor),
            of_least: Some(dividend.min() / divisor.min()),
            aim,
        });
    }

    /// The lines printed.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![self.cell.clone()];
        lines.extend(self.sides.iter().map(Side::text));
        for ratio in &self.ratios {
            let median = ratio.values.median();
            let aim = ratio.aim.map_or_else(String::new, |aim| aim.text(median));
            let of_least = ratio
                .of_least
                .map_or_else(String::new, |least| format!(" least/least {least:.2}"));
            lines.push(format!(
                "  = {:<44} {}{of_least}{aim}",
                ratio.name,
                ratio.values.text()
            ));
        }
        lines.join("\n")
    }

    /// The line for the file of results.
    pub(crate) fn json(&self) -> Value {
        let ratio = |ratio: &Ratio| {
            json!({
                "name": ratio.name,
                "value": ratio.values.json(),
                "least_over_least": ratio.of_least,
                "aim": ratio.aim.map(Aim::json),
            })
        };
        json!({
            "cell": self.cell,
            "sides": self.sides.iter().map(Side::json).collect::<Vec<_>>(),
            "ratios": self.ratios.iter().map(ratio).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_ratios_and_whether_aims_are_met() {
        let mut table = Table::new("append/x".into(), Vec::new());
        let values = Series(vec![1.2, 1.4, 1.1]);
        table.ratio("engine / pwritev", values.clone(), Some(Aim::AtMost(1.3)));
        table.cost_ratio("CPU", &values, &Series(vec![1.1, 1.0, 1.1]), None);
        table.ratio("rate", values, Some(Aim::AtLeast(1.3)));
        table.ratio("unknown", Series::default(), None);
        let text = table.text();
        assert!(text.contains("1.20 (1.10-1.40)  aim <= 1.3: met"), "{text}");
        assert!(text.contains("1.09 (1.00-1.40) least/least 1.10"), "{text}");
        assert!(text.ends_with("aim >= 1.3: MISSED"), "{text}");
        assert!(!text.contains("unknown"), "{text}");
        assert_eq!(table.json()["ratios"][0]["aim"]["at_most"], 1.3);
    }
}
