//! The report of a comparison: `comparison.md`, and a chart for each pair of sides.

use std::path::Path;

use anyhow::Context;

use super::bars::{self, Bar};
use super::quantities::{AIMS, Aim, Better, better};
use super::results::Results;
use super::sides::{PAIRS, Pair};
use crate::report::Series;

/// The report's name in the directory of results.
pub(crate) const FILE: &str = "comparison.md";

/// What is not worse by more counts as equal.
const EQUAL_MAX: f64 = 1.01;

/// A quantity of a pair.
struct Row<'a> {
    row: &'a str,
    quantity: &'a str,
    ours: Series,
    theirs: Series,
    /// How many times as good ours is, round by round; nothing when neither is better.
    times: Option<Times>,
    flags: [String; 2],
}

/// A ratio: above 1, ours is better.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Times {
    /// Of the medians.
    median: f64,
    /// Of single rounds.
    min: f64,
    max: f64,
}

impl Times {
    fn of(better: Better, ours: &Series, theirs: &Series) -> Option<Self> {
        let (good, bad) = match better {
            Better::Less => (theirs, ours),
            Better::More => (ours, theirs),
            Better::Neither => return None,
        };
        let rounds = good.over(bad);
        let times = Self {
            median: good.median() / bad.median(),
            min: rounds.min(),
            max: rounds.max(),
        };
        // CPU times of a moment may be too short for the kernel's clock.
        let is_known = [times.median, times.min, times.max]
            .iter()
            .all(|it| it.is_finite() && 0.0 < *it);
        is_known.then_some(times)
    }

    fn text(self) -> String {
        let digits = if self.median < 10.0 { 2 } else { 1 };
        format!(
            "{:.digits$} ({:.digits$}-{:.digits$})",
            self.median, self.min, self.max
        )
    }

    fn loses(self) -> bool {
        self.median * EQUAL_MAX < 1.0
    }
}

/// Writes the report and its charts into `dir`.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write(results: &Results, dir: &Path) -> anyhow::Result<()> {
    let mut text = head(results);
    text.push_str(&aims(results));
    for pair in &PAIRS {
        let rows = rows(results, pair);
        if rows.is_empty() {
            continue;
        }
        let name = format!("{}-{}.svg", pair.ours.name(), pair.theirs.name());
        let title = format!(
            "{}: {} / {}",
            pair.title,
            pair.ours.name(),
            pair.theirs.name()
        );
        text.push_str(&table(pair, &rows));
        if let Some(svg) = bars::draw(&title, &charted(pair, &rows)) {
            std::fs::write(dir.join(&name), svg).with_context(|| name.clone())?;
            text.push_str(&format!("\n![{title}]({name})\n"));
        }
    }
    text.push_str(&settings(results));
    std::fs::write(dir.join(FILE), text).context(FILE)
}

/// For the terminal: what was aimed at, and what came out.
pub(crate) fn summary(results: &Results) -> String {
    aims(results)
}

fn rows<'a>(results: &'a Results, pair: &Pair) -> Vec<Row<'a>> {
    let quantities = results.quantities().into_iter();
    let rows = quantities.filter_map(|(row, quantity)| {
        let sides = [pair.ours, pair.theirs];
        let [ours, theirs] = results.series(sides, (row, quantity))?;
        Some(Row {
            row,
            quantity,
            times: Times::of(better(quantity), &ours, &theirs),
            flags: sides.map(|side| results.flags(side, row)),
            ours,
            theirs,
        })
    });
    rows.collect()
}

fn head(results: &Results) -> String {
    let mut text = "# Brokers side by side\n\n".to_owned();
    if let Some(environment) = results.environment.as_object() {
        for (name, value) in environment {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            line(&mut text, &format!("- {name}: {value}"));
        }
    }
    for (name, version) in &results.versions {
        line(&mut text, &format!("- {name}: {version}"));
    }
    line(&mut text, &format!("- {}", results.options));
    line(
        &mut text,
        "\nAll brokers ran on one core and all clients on another, over loopback, one broker after \
         the other on an empty directory. Figures are medians of the rounds, in parentheses the \
         least and the greatest. \"Times better\" is above 1 where the first side is better: the \
         ratio of the medians, in parentheses the least and the greatest of single rounds. What is \
         not worse by more than a hundredth counts as equal; what is worse is marked LOSES.",
    );
    if !results.failures.is_empty() {
        line(&mut text, "\n## Not measured\n");
        for failure in &results.failures {
            line(&mut text, &format!("- {}", failure.replace('\n', " ")));
        }
    }
    text
}

/// Every aim for every pair that was measured.
fn aims(results: &Results) -> String {
    let mut text = String::new();
    line(&mut text, "\n## Aims\n");
    line(&mut text, "| aim | sides | row | wanted | times better | |");
    line(&mut text, "|---|---|---|---|---|---|");
    let mut count = 0;
    for aim in &AIMS {
        for pair in &PAIRS {
            for row in rows(results, pair) {
                if !aim.is_about(pair, row.row, row.quantity) {
                    continue;
                }
                if let Some(times) = row.times {
                    count += 1;
                    line(&mut text, &aim_line(aim, pair, &row, times));
                }
            }
        }
    }
    if count == 0 {
        line(
            &mut text,
            "| nothing that is aimed at was measured | | | | | |",
        );
    }
    text
}

fn aim_line(aim: &Aim, pair: &Pair, row: &Row<'_>, times: Times) -> String {
    format!(
        "| {} | {} / {} | {} | {} | {} | {}{} |",
        aim.text,
        pair.ours.name(),
        pair.theirs.name(),
        row.row,
        aim.times,
        times.text(),
        verdict(aim, times),
        flags_text(row)
    )
}

fn verdict(aim: &Aim, times: Times) -> &'static str {
    if times.median < aim.times {
        "MISSED"
    } else if times.min < aim.times {
        "met, not in every round"
    } else {
        "met"
    }
}

fn flags_text(row: &Row<'_>) -> String {
    if row.flags.iter().all(String::is_empty) {
        return String::new();
    }
    let [ours, theirs] = &row.flags;
    format!(" [{ours} / {theirs}]")
}

fn table(pair: &Pair, rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    let (ours, theirs) = (pair.ours.name(), pair.theirs.name());
    line(&mut text, &format!("\n## {}\n", pair.title));
    line(
        &mut text,
        &format!("| row | quantity | {ours} | {theirs} | times better | |"),
    );
    line(&mut text, "|---|---|---|---|---|---|");
    for row in rows {
        let times = row.times.map_or_else(String::new, Times::text);
        let loses = row.times.is_some_and(Times::loses);
        line(
            &mut text,
            &format!(
                "| {} | {} | {} | {} | {times} | {}{} |",
                row.row,
                row.quantity,
                row.ours.text(),
                row.theirs.text(),
                if loses { "LOSES" } else { "" },
                flags_text(row)
            ),
        );
    }
    text
}

fn charted(pair: &Pair, rows: &[Row<'_>]) -> Vec<Bar> {
    let bars = rows.iter().filter_map(|row| {
        let times = row.times?;
        let aim = AIMS
            .iter()
            .find(|aim| aim.is_about(pair, row.row, row.quantity));
        Some(Bar {
            label: format!("{}, {}", row.row, row.quantity),
            median: times.median,
            min: times.min,
            max: times.max,
            aim: aim.map(|aim| aim.times),
        })
    });
    bars.collect()
}

fn settings(results: &Results) -> String {
    let mut text = "\n## How the sides were started\n".to_owned();
    for (side, settings) in &results.settings {
        line(&mut text, &format!("\n{}:\n", side.name()));
        for setting in settings.lines() {
            line(&mut text, &format!("    {setting}"));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::super::sides::Side;
    use super::*;

    #[test]
    fn what_is_worse_by_more_than_a_hundredth_loses() {
        let times = |ours: &[f64], theirs: &[f64], better| {
            Times::of(better, &Series(ours.to_vec()), &Series(theirs.to_vec())).unwrap()
        };
        let less = times(&[1.0, 2.0, 4.0], &[8.0, 8.0, 8.0], Better::Less);
        assert_eq!(less.text(), "4.00 (2.00-8.00)");
        assert!(!less.loses());
        assert!(times(&[1.0, 2.0], &[8.0, 8.0], Better::More).loses());
        assert!(!times(&[100.5], &[100.0], Better::Less).loses());
        assert!(times(&[101.5], &[100.0], Better::Less).loses());
    }

    #[test]
    fn an_aim_is_met_missed_or_met_in_some_rounds() {
        let verdict_of = |ours: &[f64], theirs: &[f64]| {
            let results = results("produce-16k", "CPU us/req", ours, theirs);
            let text = aims(&results);
            let line = text.lines().find(|line| line.contains("batches of 16 KiB"));
            line.unwrap().to_owned()
        };
        assert!(verdict_of(&[10.0, 10.0], &[50.0, 60.0]).ends_with("| met |"));
        let some = verdict_of(&[10.0, 10.0, 10.0], &[39.0, 50.0, 60.0]);
        assert!(some.ends_with("| met, not in every round |"), "{some}");
        let missed = verdict_of(&[10.0, 10.0], &[30.0, 30.0]);
        assert!(
            missed.contains("| 4 | 3.00 (3.00-3.00) | MISSED |"),
            "{missed}"
        );
    }

    #[test]
    fn durable_ringbrook_has_to_beat_kafka_that_is_not() {
        let results = results("produce-16k", "CPU us/req", &[10.0], &[9.0]);
        let text = aims(&results);
        let line = text
            .lines()
            .find(|line| line.contains("ahead of un-synced"));
        assert!(line.unwrap().contains("MISSED"), "{text}");
    }

    #[test]
    fn the_report_has_tables_charts_settings_and_failures() {
        let dir = tempfile::tempdir().unwrap();
        let mut results = results("fetch-1m", "CPU-s/GiB", &[0.5, 0.6], &[0.4, 0.4]);
        results.failures.push("kafka, round 2: gone".to_owned());
        results
            .settings
            .insert(Side::Kafka, "java -Xmx1g".to_owned());
        if let Some(first) = results.observations.first_mut() {
            first.flags = "overloaded".to_owned();
        }
        write(&results, dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        for part in [
            "| fetch-1m | CPU-s/GiB | 0.55 (0.50-0.60) | 0.40 (0.40-0.40) |",
            "| LOSES [overloaded / ] |",
            "kafka, round 2: gone",
            "    java -Xmx1g",
            "(ringbrook-kafka.svg)",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let svg = std::fs::read_to_string(dir.path().join("ringbrook-kafka.svg")).unwrap();
        assert!(svg.contains("fetch-1m, CPU-s/GiB"), "{svg}");
    }
}
