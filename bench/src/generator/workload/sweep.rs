//! The cells of a workload: every combination of the values that it sweeps over, or one value at a
//! time.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::Workload;

/// Names of fields, such as `record_bytes` and `producer.linger.ms`, and the values of each.
pub(crate) type Sweep = BTreeMap<String, Vec<toml::Value>>;

/// Several fields that vary together, under a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variant {
    /// In reports.
    pub(crate) name: String,
    /// As in a [`Sweep`], with a value each.
    #[serde(flatten)]
    pub(crate) fields: BTreeMap<String, toml::Value>,
}

/// What the cells of `axes` are called that differ from the others in nothing.
pub(crate) const BASE: &str = "base";

/// A cell while it is made: what varies, and the workload as TOML.
type Labelled = (String, toml::Value);

/// The cells of a workload, each a workload without a sweep whose name says what varies; the
/// workload itself when nothing does. Variants come first, in their order, then what is swept in
/// the order of the names, the last varying fastest, then what varies one at a time.
///
/// # Errors
/// A name is no field, or a value is not of its kind, or contradicts others.
pub(crate) fn cells(workload: &Workload) -> anyhow::Result<Vec<Workload>> {
    let mut base = workload.clone();
    let sweep = std::mem::take(&mut base.sweep);
    let axes = std::mem::take(&mut base.axes);
    let variants = std::mem::take(&mut base.variants);
    let mut cells = vec![(String::new(), as_toml(&base)?)];
    if !variants.is_empty() {
        cells = every(&cells, &variants, of_variant)?;
    }
    for (name, values) in &sweep {
        cells = every(&cells, values, |cell, value| varied(cell, name, value))?;
    }
    if !axes.is_empty() {
        cells = one_at_a_time(&cells, &axes)?;
    }
    let cells = cells.into_iter().map(|(label, cell)| {
        let mut cell: Workload = cell
            .try_into()
            .with_context(|| format!("the cell{label}"))?;
        if !label.is_empty() {
            label.trim().clone_into(&mut cell.name);
        }
        cell.check().with_context(|| format!("the cell{label}"))?;
        Ok(cell)
    });
    cells.collect()
}

/// The workload with another value of one field: a setting as in a sweep, or the values of a swept
/// one, as `sweep.load` or `axes.load`.
///
/// # Errors
/// The name is no field, or the value is not of its kind.
pub(crate) fn with_field(
    workload: &Workload,
    name: &str,
    value: &toml::Value,
) -> anyhow::Result<Workload> {
    let mut changed = as_toml(workload)?;
    set(&mut changed, name, value)?;
    let mut changed: Workload = changed.try_into().with_context(|| name.to_owned())?;
    changed.sweep.remove(name);
    changed.axes.remove(name);
    Ok(changed)
}

fn as_toml(workload: &Workload) -> anyhow::Result<toml::Value> {
    toml::Value::try_from(workload).context("a workload is TOML")
}

/// Every cell with every value.
fn every<T>(
    cells: &[Labelled],
    values: &[T],
    with: impl Fn(&Labelled, &T) -> anyhow::Result<Labelled>,
) -> anyhow::Result<Vec<Labelled>> {
    let pairs = cells
        .iter()
        .flat_map(|cell| values.iter().map(move |value| (cell, value)));
    pairs.map(|(cell, value)| with(cell, value)).collect()
}

fn varied((label, cell): &Labelled, name: &str, value: &toml::Value) -> anyhow::Result<Labelled> {
    let mut cell = cell.clone();
    set(&mut cell, name, value)?;
    Ok((format!("{label} {}={}", short(name), text(value)), cell))
}

fn of_variant((label, cell): &Labelled, variant: &Variant) -> anyhow::Result<Labelled> {
    let mut cell = cell.clone();
    for (name, value) in &variant.fields {
        set(&mut cell, name, value)?;
    }
    set(&mut cell, "variant", &variant.name.clone().into())?;
    Ok((format!("{label} {}", variant.name), cell))
}

/// Each cell as it is, then with each value of each axis that it does not have already.
fn one_at_a_time(cells: &[Labelled], axes: &Sweep) -> anyhow::Result<Vec<Labelled>> {
    let mut all = Vec::new();
    for (label, cell) in cells {
        all.push((format!("{label} {BASE}"), cell.clone()));
        let values = axes
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        for (name, value) in values {
            let varied = varied(&(label.clone(), cell.clone()), name, value)?;
            if varied.1 != *cell {
                all.push(varied);
            }
        }
    }
    Ok(all)
}

/// Settings of brokers, clients and topics are texts, whatever the file says.
fn set(cell: &mut toml::Value, name: &str, value: &toml::Value) -> anyhow::Result<()> {
    let table = cell.as_table_mut().context("a workload is a table")?;
    let (kind, value) = match name.split_once('.') {
        Some((kind @ ("broker" | "producer" | "consumer" | "topic"), setting)) => {
            (Some((kind, setting)), text(value).into())
        }
        Some((kind @ ("sweep" | "axes"), field)) => (Some((kind, field)), value.clone()),
        _ => (None, value.clone()),
    };
    let Some((kind, field)) = kind else {
        table.insert(name.to_owned(), value);
        return Ok(());
    };
    let fields = table
        .entry(kind)
        .or_insert_with(|| toml::Table::new().into());
    let fields = fields.as_table_mut().context("settings are a table")?;
    fields.insert(field.to_owned(), value);
    Ok(())
}

fn text(value: &toml::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// `producer.linger.ms` is `linger.ms` in a label.
fn short(name: &str) -> &str {
    name.strip_prefix("producer.").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::super::Load;
    use super::*;

    fn workload(text: &str) -> Workload {
        toml::from_str(text).expect("valid")
    }

    #[test]
    fn every_combination_is_a_cell() {
        let workload = workload(
            "[sweep]\n\"producer.linger.ms\" = [0, 5]\nload = [\"80%\", 1000]\n\
             record_bytes = [100]",
        );
        let cells = cells(&workload).expect("cells");
        let found: Vec<_> = cells
            .iter()
            .map(|it| (it.load, it.record_bytes, it.producer_setting("linger.ms")))
            .collect();
        let expected = [
            (Load::PercentOfMax(80.0), 100, "0"),
            (Load::PercentOfMax(80.0), 100, "5"),
            (Load::Rate(1000.0), 100, "0"),
            (Load::Rate(1000.0), 100, "5"),
        ];
        assert_eq!(found, expected);
        assert_eq!(cells[0].name, "load=80% linger.ms=0 record_bytes=100");
    }

    #[test]
    fn without_a_sweep_the_workload_is_the_cell() {
        let workload = workload("name = \"one\"");
        assert_eq!(cells(&workload).expect("cells"), vec![workload]);
    }

    #[test]
    fn axes_vary_one_at_a_time_around_the_base() {
        let workload = workload(
            "producers = 4\n[producer]\n\"linger.ms\" = \"5\"\n[axes]\nproducers = [1, 4]\n\
             \"producer.linger.ms\" = [0, 5, 20]\n\"broker.num.io.threads\" = [2]",
        );
        let cells = cells(&workload).expect("cells");
        let names: Vec<_> = cells.iter().map(|it| it.name.as_str()).collect();
        let expected = [
            "base",
            "broker.num.io.threads=2",
            "linger.ms=0",
            "linger.ms=20",
            "producers=1",
        ];
        assert_eq!(names, expected);
        assert_eq!(cells[1].broker["num.io.threads"], "2");
        assert_eq!(cells[4].producer_setting("linger.ms"), "5");
        let own: Vec<_> = cells.iter().map(Workload::needs_own_broker).collect();
        assert_eq!(own, [false, true, false, false, false]);
    }

    #[test]
    fn variants_change_several_fields_together() {
        let workload = workload(
            "[sweep]\nproducers = [1, 4]\n[[variants]]\nname = \"never\"\n\
             \"broker.log.flush.before.ack\" = false\n[[variants]]\nname = \"each\"",
        );
        let cells = cells(&workload).expect("cells");
        let found: Vec<_> = cells
            .iter()
            .map(|it| (it.name.as_str(), it.variant.as_str(), it.broker.len()))
            .collect();
        let expected = [
            ("never producers=1", "never", 1),
            ("never producers=4", "never", 1),
            ("each producers=1", "each", 0),
            ("each producers=4", "each", 0),
        ];
        assert_eq!(found, expected);
        assert_eq!(cells[0].broker["log.flush.before.ack"], "false");
    }

    #[test]
    fn a_field_that_is_set_is_no_longer_swept() {
        let swept = workload("[sweep]\nproducers = [1, 4]\nload = [\"5%\", \"max\"]");
        let set = with_field(&swept, "producers", &4.into()).expect("a field");
        assert_eq!((set.producers, set.sweep.len()), (4, 1));
        let fewer = toml::Value::Array(vec!["5%".into()]);
        let fewer = with_field(&set, "sweep.load", &fewer).expect("values");
        assert_eq!(cells(&fewer).expect("cells").len(), 1);
        assert!(with_field(&set, "producers", &"four".into()).is_err());
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let error = cells(&workload("[sweep]\nlinger = [0]")).expect_err("unknown");
        assert!(format!("{error:#}").contains("linger"), "{error:#}");
    }
}
