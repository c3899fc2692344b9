//! What the rounds come to: medians, ranges, ratios; as lines to read and as JSON.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::interrupt;

/// Measurements of one quantity, one per round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series(pub(crate) Vec<f64>);

impl Series {
    /// The middle one, or the mean of the two in the middle; 0 without measurements.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        if sorted.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        }
    }

    /// The least.
    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The greatest.
    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Quotients round by round.
    pub(crate) fn over(&self, other: &Series) -> Series {
        let pairs = self.0.iter().zip(&other.0);
        Series(
            pairs
                .map(|(dividend, divisor)| dividend / divisor)
                .collect(),
        )
    }

    /// Sums round by round.
    pub(crate) fn plus(&self, other: &Series) -> Series {
        let pairs = self.0.iter().zip(&other.0);
        Series(pairs.map(|(one, another)| one + another).collect())
    }

    /// Differences round by round.
    pub(crate) fn minus(&self, other: &Series) -> Series {
        let pairs = self.0.iter().zip(&other.0);
        Series(pairs.map(|(whole, part)| whole - part).collect())
    }

    /// `median (least-greatest)`, with as many digits as such a number deserves.
    pub(crate) fn text(&self) -> String {
        let digits = match self.median() {
            small if small < 10.0 => 2,
            medium if medium < 100.0 => 1,
            _ => 0,
        };
        format!(
            "{:.digits$} ({:.digits$}-{:.digits$})",
            self.median(),
            self.min(),
            self.max()
        )
    }

    /// For the file of results.
    pub(crate) fn json(&self) -> Value {
        json!({"median": self.median(), "min": self.min(), "max": self.max(), "rounds": self.0})
    }
}

/// One quantity of both sides.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) scenario: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) null: Series,
    pub(crate) broker: Series,
    /// Greatest ratio of the medians that is aimed at.
    pub(crate) aim: Option<f64>,
}

impl Comparison {
    /// Broker's median over null server's median.
    pub(crate) fn ratio(&self) -> f64 {
        self.broker.median() / self.null.median()
    }

    /// The line printed.
    pub(crate) fn text(&self) -> String {
        let Self {
            scenario,
            unit,
            null,
            broker,
            ..
        } = self;
        let ratios = broker.over(null);
        format!(
            "{scenario:<22} {unit:<12} null {:<20} broker {:<20} ratio {:.2} ({:.2}-{:.2}){}",
            null.text(),
            broker.text(),
            self.ratio(),
            ratios.min(),
            ratios.max(),
            aim_text(self.aim, self.ratio()),
        )
    }

    /// The line for the file of results.
    pub(crate) fn json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "unit": self.unit,
            "null": self.null.json(),
            "broker": self.broker.json(),
            "ratio": self.ratio(),
            "aim": self.aim,
        })
    }
}

/// One quantity of the broker under a load, beside that under a plain load in the same run.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) scenario: &'static str,
    /// The load.
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) plain: Series,
    pub(crate) broker: Series,
}

impl Cost {
    /// The line printed.
    pub(crate) fn text(&self) -> String {
        let ratios = self.broker.over(&self.plain);
        format!(
            "{:<22} {:<24} {:<14} plain {:<24} this {:<24} ratio {:.2} ({:.2}-{:.2})",
            self.scenario,
            self.what,
            self.unit,
            self.plain.text(),
            self.broker.text(),
            self.broker.median() / self.plain.median(),
            ratios.min(),
            ratios.max(),
        )
    }

    /// The line for the file of results.
    pub(crate) fn json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "what": self.what,
            "unit": self.unit,
            "plain": self.plain.json(),
            "broker": self.broker.json(),
            "ratio": self.broker.median() / self.plain.median(),
        })
    }
}

/// One quantity of the broker alone.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) scenario: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) series: Series,
    /// Greatest median that is aimed at.
    pub(crate) aim: Option<f64>,
}

impl Measurement {
    /// The line printed.
    pub(crate) fn text(&self) -> String {
        let Self {
            scenario,
            what,
            unit,
            series,
            aim,
        } = self;
        let aim = aim_text(*aim, series.median());
        format!("{scenario:<22} {what}: {} {unit}{aim}", series.text())
    }

    /// The line for the file of results.
    pub(crate) fn json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "what": self.what,
            "unit": self.unit,
            "broker": self.series.json(),
            "aim": self.aim,
        })
    }
}

fn aim_text(aim: Option<f64>, found: f64) -> String {
    aim.map_or_else(String::new, |aim| {
        let outcome = if found <= aim { "met" } else { "MISSED" };
        format!("  aim <= {aim}: {outcome}")
    })
}

/// The machine, as far as it bears on the figures.
pub(crate) fn environment() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models: Vec<_> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map(|(_, model)| model.trim())
        .collect();
    json!({
        "cpu": models.first(),
        "cores": models.len(),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_average": read("/proc/loadavg").split(' ').next(),
    })
}

/// Appends `value` as one line to the file at `path`, if there is to be one.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn append_json(path: Option<&Path>, value: &Value) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut file = File::options().create(true).append(true).open(path)?;
    Ok(writeln!(file, "{value}")?)
}

/// Prints a line to standard output. When nobody reads it any more the program ends.
///
/// # Panics
/// It cannot be written for another reason.
pub(crate) fn line(text: &str) {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => interrupt::end_without_reader(),
        Err(error) => panic!("results cannot be written: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert!((Series(vec![9.0, 1.0, 5.0]).median() - 5.0).abs() < 1e-9);
        assert!((Series(vec![9.0, 1.0, 5.0, 6.0]).median() - 5.5).abs() < 1e-9);
    }

    #[test]
    fn a_line_tells_medians_ranges_and_whether_the_aim_is_met() {
        let comparison = Comparison {
            scenario: "fetch-1m",
            unit: "CPU-s/GiB",
            null: Series(vec![0.2, 0.1, 0.3]),
            broker: Series(vec![0.3, 0.3, 0.3]),
            aim: Some(1.25),
        };
        let line = comparison.text();
        assert!(line.contains("null 0.20 (0.10-0.30)"), "{line}");
        assert!(line.contains("ratio 1.50 (1.00-3.00)"), "{line}");
        assert!(line.ends_with("aim <= 1.25: MISSED"), "{line}");
    }
}
