//! Tables as Kafka's `ToolsUtils.prettyPrintTable` prints them: columns as wide as their longest
//! value, a tab behind each.

use serde_json::{Map, Value};

use crate::frame::{Context, Failure};

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its title, Kafka's.
    title: &'static str,
    /// Its name in JSON.
    key: &'static str,
}

pub(super) const fn column(title: &'static str, key: &'static str) -> Column {
    Column { title, key }
}

/// Prints the rows, each with a value per column.
pub(super) fn print(
    context: &mut Context,
    columns: &[Column],
    rows: Vec<Vec<Value>>,
) -> Result<(), Failure> {
    if context.is_json() {
        let keys = || columns.iter().map(|column| column.key.to_owned());
        let rows = rows.into_iter().map(|row| keys().zip(row).collect());
        let rows: Vec<Map<String, Value>> = rows.collect();
        return context.json(&rows);
    }
    for line in lines(columns, &rows) {
        context.line(line)?;
    }
    Ok(())
}

fn lines(columns: &[Column], rows: &[Vec<Value>]) -> Vec<String> {
    let titles = columns.iter().map(|column| column.title.to_owned());
    let mut table: Vec<Vec<String>> = vec![titles.collect()];
    table.extend(rows.iter().map(|row| row.iter().map(shown).collect()));
    let width = |index: usize| {
        let column = table.iter().filter_map(|row| row.get(index));
        column.map(|value| value.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        cells
            .map(|(value, width)| format!("{value:<width$}\t"))
            .collect()
    };
    table.iter().map(line).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_value() {
        let columns = [column("Id", "id"), column("Start", "start")];
        let rows = [
            vec![json!("longer"), json!(7)],
            vec![json!("a"), Value::Null],
        ];
        assert_eq!(
            lines(&columns, &rows),
            ["Id    \tStart\t", "longer\t7    \t", "a     \tNone \t",]
        );
        assert_eq!(lines(&columns, &[]), ["Id\tStart\t"]);
    }
}
