//! What a comparison found: observations, and where and with what they were made. Kept as
//! `comparison.json`, which is written after every side, so that little is lost when a run is cut
//! short, and from which the report can be made again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sides::Side;
use crate::report::Series;

/// The file's name in the directory of results.
const FILE: &str = "comparison.json";

/// One figure of one side in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Observation {
    pub(crate) round: u32,
    pub(crate) side: Side,
    /// What was done, such as `produce-16k`.
    pub(crate) row: String,
    /// What was measured, with its unit, such as `MB/s`.
    pub(crate) quantity: String,
    pub(crate) value: f64,
    /// What makes the figure doubtful, such as `overloaded`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) flags: String,
}

/// A whole comparison.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Machine, commit and command line.
    pub(crate) environment: Value,
    /// Versions of the brokers and of clients that are not ours.
    pub(crate) versions: BTreeMap<String, String>,
    /// How the sides were started, and their settings.
    pub(crate) settings: BTreeMap<Side, String>,
    /// How long, how much, how often.
    pub(crate) options: String,
    /// What went wrong: rows that miss or that cannot be trusted.
    pub(crate) failures: Vec<String>,
    pub(crate) observations: Vec<Observation>,
}

impl Results {
    /// Reads what an earlier run left in `dir`.
    ///
    /// # Errors
    /// There is nothing, or something else.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Writes it to `dir`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(dir.join(FILE), text + "\n").context(FILE)
    }

    /// Rows and quantities in the order in which they were first observed.
    pub(crate) fn quantities(&self) -> Vec<(&str, &str)> {
        let mut known = Vec::new();
        for it in &self.observations {
            let quantity = (it.row.as_str(), it.quantity.as_str());
            if !known.contains(&quantity) {
                known.push(quantity);
            }
        }
        known
    }

    /// A side's values of a quantity and those of another, of the rounds that both have; nothing
    /// when there is no such round.
    pub(crate) fn series(
        &self,
        sides: [Side; 2],
        (row, quantity): (&str, &str),
    ) -> Option<[Series; 2]> {
        let of = |side: Side| {
            let mine = self.observations.iter().filter(move |it| it.side == side);
            let mine = mine.filter(|it| it.row == row && it.quantity == quantity);
            mine.map(|it| (it.round, it.value))
                .collect::<BTreeMap<_, _>>()
        };
        let [ours, theirs] = sides.map(of);
        let both = ours
            .iter()
            .filter_map(|(round, value)| Some((*value, *theirs.get(round)?)));
        let (ours, theirs): (Vec<_>, Vec<_>) = both.unzip();
        (!ours.is_empty()).then_some([Series(ours), Series(theirs)])
    }

    /// The flags of a row on a side, each once.
    pub(crate) fn flags(&self, side: Side, row: &str) -> String {
        let mine = self.observations.iter();
        let mine = mine.filter(|it| it.side == side && it.row == row && !it.flags.is_empty());
        let mut flags: Vec<_> = mine.flat_map(|it| it.flags.split(' ')).collect();
        flags.sort_unstable();
        flags.dedup();
        flags.join(" ")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A comparison with a row of two rounds for two sides.
    pub(crate) fn results(row: &str, quantity: &str, ours: &[f64], theirs: &[f64]) -> Results {
        let mut results = Results::default();
        for (side, values) in [(Side::Ringbrook, ours), (Side::Kafka, theirs)] {
            for (round, value) in (1..).zip(values) {
                results.observations.push(Observation {
                    round,
                    side,
                    row: row.to_owned(),
                    quantity: quantity.to_owned(),
                    value: *value,
                    flags: String::new(),
                });
            }
        }
        results
    }

    #[test]
    fn only_rounds_that_both_sides_have_are_compared() {
        let results = results("idle", "start ms", &[1.0, 2.0, 3.0], &[10.0, 20.0]);
        let of = |sides| results.series(sides, ("idle", "start ms"));
        let [ours, theirs] = of([Side::Ringbrook, Side::Kafka]).unwrap();
        assert_eq!(ours.0, [1.0, 2.0]);
        assert_eq!(theirs.0, [10.0, 20.0]);
        assert!(of([Side::Ringbrook, Side::KafkaFlush]).is_none());
    }

    #[test]
    fn a_file_gives_back_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut written = results("idle", "start ms", &[1.0], &[10.0]);
        written.settings.insert(Side::KafkaFlush, "x=y".to_owned());
        written.write(dir.path()).unwrap();
        let read = Results::read(dir.path()).unwrap();
        assert_eq!(read.observations, written.observations);
        assert_eq!(read.settings, written.settings);
        assert!(Results::read(&dir.path().join("elsewhere")).is_err());
    }
}
