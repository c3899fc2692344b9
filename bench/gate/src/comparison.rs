//! Counts beside the baseline: what is slower, what is faster, what is new or gone. Pure.

use std::collections::BTreeMap;

use crate::baseline::{Baseline, percent_above};

/// What is to be said of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// Within the tolerance.
    Same,
    /// It takes fewer instructions than the tolerance explains.
    Faster,
    /// It takes more.
    Slower,
    /// The baseline does not know it.
    New,
    /// The baseline has it, but it did not run.
    Gone,
}

/// One row beside its baseline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) base: u64,
    pub(crate) count: u64,
    pub(crate) tolerance_percent: f64,
}

impl Compared {
    /// Whether it is no reason to fail.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.verdict, Verdict::Same | Verdict::Faster)
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let Self {
            name, base, count, ..
        } = self;
        let percent = percent_above(*base, *count);
        let note = match self.verdict {
            Verdict::Same => String::new(),
            Verdict::Faster => "  faster: --update keeps it".to_owned(),
            Verdict::Slower => format!("  SLOWER, tolerated: {:+.1} %", self.tolerance_percent),
            Verdict::New => return format!("{name:<46} {:>11} {count:>11}  NEW", "-"),
            Verdict::Gone => return format!("{name:<46} {base:>11} {:>11}  GONE", "-"),
        };
        format!("{name:<46} {base:>11} {count:>11} {percent:>+8.2} %{note}")
    }
}

/// Compares counts with the baseline, in the order in which they were counted.
pub(crate) fn compare(baseline: &Baseline, counts: &[(String, u64)]) -> Vec<Compared> {
    let measured = counts.iter().map(|(name, count)| {
        let Some(expected) = baseline.rows.get(name) else {
            return Compared {
                name: name.clone(),
                verdict: Verdict::New,
                base: 0,
                count: *count,
                tolerance_percent: 0.0,
            };
        };
        let tolerance_percent = expected.tolerance_percent();
        let percent = percent_above(expected.instructions, *count);
        let verdict = if tolerance_percent < percent {
            Verdict::Slower
        } else if percent < -tolerance_percent {
            Verdict::Faster
        } else {
            Verdict::Same
        };
        Compared {
            name: name.clone(),
            verdict,
            base: expected.instructions,
            count: *count,
            tolerance_percent,
        }
    });
    let is_gone = |name: &String| !counts.iter().any(|(counted, _)| counted == name);
    let gone = baseline.rows.iter().filter(|(name, _)| is_gone(name));
    let gone = gone.map(|(name, expected)| Compared {
        name: name.clone(),
        verdict: Verdict::Gone,
        base: expected.instructions,
        count: 0,
        tolerance_percent: 0.0,
    });
    measured.chain(gone).collect()
}

/// The facts that are not the baseline's, as lines.
pub(crate) fn differing_facts(
    expected: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut names: Vec<_> = expected.keys().chain(found.keys()).collect();
    names.sort();
    names.dedup();
    let value = |facts: &BTreeMap<String, String>, name| {
        let value = facts.get(name).map(String::as_str);
        value.unwrap_or("nothing").to_owned()
    };
    let lines = names.into_iter().filter_map(|name| {
        let (expected, found) = (value(expected, name), value(found, name));
        (expected != found).then(|| format!("{name}: {found} here, {expected} in the baseline"))
    });
    lines.collect()
}

#[cfg(test)]
mod tests;
