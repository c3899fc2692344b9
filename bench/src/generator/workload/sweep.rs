//! A grid of cells: every combination of the values that a workload sweeps over.

use std::collections::BTreeMap;

use anyhow::Context;

use super::Workload;

/// Names of fields, such as `record_bytes` and `producer.linger.ms`, and the values of each.
pub(crate) type Sweep = BTreeMap<String, Vec<toml::Value>>;

/// The cells of a workload, each a workload without a sweep whose name says what varies; the
/// workload itself when nothing does. In the order of the names, the last varying fastest.
///
/// # Errors
/// A name is no field, or a value is not of its kind, or contradicts others.
pub(crate) fn cells(workload: &Workload) -> anyhow::Result<Vec<Workload>> {
    let mut base = workload.clone();
    let sweep = std::mem::take(&mut base.sweep);
    let base = toml::Value::try_from(&base).context("a workload is TOML")?;
    let mut cells = vec![(String::new(), base)];
    for (name, values) in &sweep {
        let mut more = Vec::new();
        for (label, cell) in &cells {
            for value in values {
                let mut cell = cell.clone();
                set(&mut cell, name, value)?;
                more.push((format!("{label} {}={}", short(name), text(value)), cell));
            }
        }
        cells = more;
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

/// Settings of clients and topics are texts, whatever the file says.
fn set(cell: &mut toml::Value, name: &str, value: &toml::Value) -> anyhow::Result<()> {
    let table = cell.as_table_mut().context("a workload is a table")?;
    let setting = name.split_once('.').and_then(|(kind, setting)| {
        let is_kind = matches!(kind, "producer" | "consumer" | "topic");
        is_kind.then_some((kind, setting))
    });
    match setting {
        Some((kind, setting)) => {
            let settings = table
                .entry(kind)
                .or_insert_with(|| toml::Table::new().into());
            let settings = settings.as_table_mut().context("settings are a table")?;
            settings.insert(setting.to_owned(), text(value).into());
        }
        None => {
            table.insert(name.to_owned(), value.clone());
        }
    }
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
    fn an_unknown_name_is_an_error() {
        let error = cells(&workload("[sweep]\nlinger = [0]")).expect_err("unknown");
        assert!(format!("{error:#}").contains("linger"), "{error:#}");
    }
}
