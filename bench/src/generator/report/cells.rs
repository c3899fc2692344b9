//! The measurements of a study by cell, with what sets each apart from the others. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::fields::{Fields, flatten, label, varying};
use super::super::measured::{Flag, Measured};
use super::super::workload::BASE;
use super::bars::Bar;
use super::curves::Point;
use crate::report::Series;

/// All repetitions of one cell.
#[derive(Debug, Clone)]
pub(super) struct Cell<'a> {
    pub(super) fields: Fields,
    pub(super) runs: Vec<&'a Measured>,
}

/// The cells of a study, in the order of their first run, by numbers where labels have them.
pub(super) fn of(measured: &[Measured]) -> Vec<Cell<'_>> {
    let mut cells: Vec<Cell<'_>> = Vec::new();
    for run in measured {
        let config = serde_json::to_value(&run.workload).unwrap_or(Value::Null);
        let fields = flatten(&config);
        match cells.iter_mut().find(|cell| cell.fields == fields) {
            Some(cell) => cell.runs.push(run),
            None => cells.push(Cell {
                fields,
                runs: vec![run],
            }),
        }
    }
    let names = varying(cells.iter().map(|cell| &cell.fields));
    cells.sort_by_cached_key(|cell| natural(&label(&cell.fields, &names)));
    cells
}

impl Cell<'_> {
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn name(&self) -> &str {
        self.runs.first().map_or("", |run| &run.workload.name)
    }

    /// The number that a field is; 0 if it is none.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.field(name).parse().unwrap_or_default()
    }

    /// As fast as possible: its latencies are those of full buffers.
    pub(super) fn is_closed(&self) -> bool {
        self.runs.iter().all(|run| run.target_rate.is_none())
    }

    /// Whether some run did not reach its rate: its latencies are those of a growing queue.
    pub(super) fn is_overloaded(&self) -> bool {
        self.runs.iter().any(|run| run.has(Flag::Overloaded))
    }

    /// Whether its latencies are those of a broker that keeps up.
    pub(super) fn has_latencies(&self) -> bool {
        !self.is_closed() && !self.is_overloaded()
    }

    /// A quantity of each repetition.
    pub(super) fn series(&self, quantity: impl Fn(&Measured) -> f64) -> Series {
        Series(self.runs.iter().map(|run| quantity(run)).collect())
    }

    /// The median of a quantity, over a place on the other axis.
    pub(super) fn point(&self, x: f64, quantity: impl Fn(&Measured) -> f64) -> Point {
        let series = self.series(quantity);
        Point {
            x,
            y: series.median(),
            low: series.min(),
            high: series.max(),
        }
    }

    /// The median of a quantity; nothing when a run does not know it.
    pub(super) fn bar(&self, quantity: impl Fn(&Measured) -> Option<f64>) -> Option<Bar> {
        let values: Option<Vec<f64>> = self.runs.iter().map(|run| quantity(run)).collect();
        let series = Series(values?);
        Some(Bar {
            value: series.median(),
            low: series.min(),
            high: series.max(),
        })
    }
}

/// Each cell with what sets it apart: from all others, or from the base where one setting at a time
/// was varied; that one comes first.
pub(super) fn labelled<'a, 'b>(cells: &[&'b Cell<'a>]) -> Vec<(String, &'b Cell<'a>)> {
    if !cells.iter().any(|cell| is_base(cell.name())) {
        let groups = grouped(cells, &[]).into_iter();
        let labelled = groups.flat_map(|(label, cells)| {
            let cells = cells.into_iter();
            cells.map(move |cell| (label.clone(), cell))
        });
        return labelled.collect();
    }
    let names = cells.iter().map(|cell| (cell.name().to_owned(), *cell));
    let mut names: Vec<_> = names.collect();
    names.sort_by_cached_key(|(name, _)| (!is_base(name), natural(name)));
    names
}

/// Whether a cell of this name is what others differ from in one setting.
fn is_base(name: &str) -> bool {
    name.rsplit(' ').next() == Some(BASE)
}

/// Cells that are alike but for the fields `but`, in groups with a label that sets them apart.
pub(super) fn grouped<'a, 'b>(
    cells: &[&'b Cell<'a>],
    but: &[&str],
) -> Vec<(String, Vec<&'b Cell<'a>>)> {
    let mut groups: Vec<(Fields, Vec<&'b Cell<'a>>)> = Vec::new();
    for cell in cells {
        let mut alike = cell.fields.clone();
        alike.retain(|name, _| !but.contains(&name.as_str()));
        match groups.iter_mut().find(|group| group.0 == alike) {
            Some(group) => group.1.push(cell),
            None => groups.push((alike, vec![cell])),
        }
    }
    let names = varying(groups.iter().map(|group| &group.0));
    let groups = groups.into_iter();
    groups
        .map(|(alike, cells)| (label(&alike, &names), cells))
        .collect()
}

/// The cells by the value of one field, in the order of the values.
pub(super) fn by_field<'a, 'b>(
    cells: &[&'b Cell<'a>],
    name: &str,
) -> Vec<(String, Vec<&'b Cell<'a>>)> {
    let mut groups: BTreeMap<_, (String, Vec<&'b Cell<'a>>)> = BTreeMap::new();
    for cell in cells {
        let value = cell.field(name);
        let group = groups.entry(natural(value)).or_default();
        value.clone_into(&mut group.0);
        group.1.push(cell);
    }
    groups.into_values().collect()
}

/// How many different values a field has.
pub(super) fn values_count(cells: &[&Cell<'_>], name: &str) -> usize {
    by_field(cells, name).len()
}

/// What sorts texts by the numbers in them: a text and the number behind it, over and over.
pub(super) fn natural(text: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0_u64)];
    let mut in_number = false;
    for letter in text.chars() {
        let digit = letter.to_digit(10);
        if digit.is_none() && in_number {
            parts.push((String::new(), 0));
        }
        in_number = digit.is_some();
        let Some((word, number)) = parts.last_mut() else {
            continue;
        };
        match digit {
            None => word.push(letter),
            Some(digit) => *number = number.saturating_mul(10).saturating_add(digit.into()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::tests::measured;
    use super::*;

    fn run(linger: &str, target_rate: Option<f64>, achieved: u64) -> Measured {
        let mut run = measured(target_rate, achieved, 5);
        let setting = ("linger.ms".to_owned(), linger.to_owned());
        run.workload.producer.extend([setting]);
        run
    }

    #[test]
    fn repetitions_are_one_cell_with_a_spread() {
        let runs = [
            run("20", None, 300),
            run("5", None, 100),
            run("20", None, 500),
        ];
        let cells = of(&runs);
        assert_eq!(cells.len(), 2);
        assert_eq!(cells[0].field("producer.linger.ms"), "5", "by number");
        let point = cells[1].point(20.0, Measured::records_per_s);
        assert_eq!((point.y, point.low, point.high), (400.0, 300.0, 500.0));
        assert!(cells[0].bar(|_| None).is_none());
    }

    #[test]
    fn groups_differ_in_what_their_label_says() {
        let runs = [run("5", Some(100.0), 100), run("20", Some(100.0), 100)];
        let cells = of(&runs);
        let cells: Vec<_> = cells.iter().collect();
        let apart = grouped(&cells, &[]);
        let labels: Vec<_> = apart.iter().map(|group| group.0.as_str()).collect();
        assert_eq!(labels, ["linger.ms 5", "linger.ms 20"]);
        let together = grouped(&cells, &["producer.linger.ms"]);
        assert_eq!((together.len(), together[0].0.as_str()), (1, ""));
        assert_eq!(values_count(&cells, "producer.linger.ms"), 2);
    }

    #[test]
    fn cells_that_differ_from_a_base_say_in_what() {
        let mut runs = [run("5", None, 9), run("20", None, 9), run("5", None, 9)];
        runs[2].workload.producers = 4;
        let names = ["base", "linger.ms=20", "producers=4"];
        for (run, name) in runs.iter_mut().zip(names) {
            name.clone_into(&mut run.workload.name);
        }
        runs.reverse();
        let cells = of(&runs);
        let cells: Vec<_> = cells.iter().collect();
        let labels: Vec<_> = labelled(&cells).into_iter().map(|it| it.0).collect();
        assert_eq!(labels, names);
        let two: Vec<_> = labelled(&cells[1..]).into_iter().map(|it| it.0).collect();
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn what_falls_behind_has_no_latencies() {
        let runs = [
            run("5", Some(100.0), 50),
            run("6", Some(100.0), 100),
            run("7", None, 9),
        ];
        let cells = of(&runs);
        let has: Vec<_> = cells.iter().map(Cell::has_latencies).collect();
        assert_eq!(has, [false, true, false]);
    }

    #[test]
    fn texts_are_sorted_by_their_numbers() {
        let mut labels = ["batch 131072", "batch 16384", "5%", "110%", "80%"];
        labels.sort_by_key(|label| natural(label));
        assert_eq!(labels, ["5%", "80%", "110%", "batch 16384", "batch 131072"]);
    }
}
