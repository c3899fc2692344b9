//! The table that `--print-metrics` prints. Pure.

/// Metrics by group and name, sorted, with their values behind a common column.
pub(crate) fn metrics_table(client_id: &str, metrics: &[(&str, &str, String)]) -> String {
    let mut rows: Vec<(String, &str)> = metrics
        .iter()
        .map(|(group, name, value)| {
            let name = format!("{group}:{name}:{{client-id={client_id}}}");
            (name, value.as_str())
        })
        .collect();
    rows.sort();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or_default();
    let mut text = format!("\n{:<width$}   Value\n", "Metric Name");
    for (name, value) in rows {
        text.push_str(&format!("{name:<width$} : {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_sorted_in_columns() {
        let text = metrics_table("c", &[("g", "bb", "2".into()), ("g", "a", "1.000".into())]);
        let expected = [
            "",
            "Metric Name          Value",
            "g:a:{client-id=c}  : 1.000",
            "g:bb:{client-id=c} : 2",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
    }
}
