//! `report.html`: one page with everything in it, to look at and to send to somebody.

use super::super::ratios::Row;
use super::svg::escape;
use super::{Chart, Study, conclusions, markdown, tables};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;\
    padding:0 1em;color:#222}table{border-collapse:collapse;font-size:13px;display:block;\
    overflow-x:auto}td,th{padding:3px 8px;border-bottom:1px solid #ddd;text-align:right;\
    white-space:nowrap}td:first-child,th:first-child{text-align:left}figure{margin:2em 0}\
    svg{max-width:100%;height:auto}dt{font-weight:600}";

/// The whole page. It loads nothing from anywhere.
pub(super) fn report(study: &Study, ratios: &[Row], charts: &[Chart]) -> String {
    let figures = charts.iter().map(|chart| {
        format!(
            "<figure>{}<figcaption>{}</figcaption></figure>\n",
            chart.svg,
            escape(&chart.title)
        )
    });
    let paragraphs = markdown::remarks(&study.measured);
    let paragraphs = paragraphs
        .lines()
        .map(|line| format!("<p>{}</p>\n", escape(line)));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n{environment}\
         {conclusions}<h2>Results</h2>\n{table}{remarks}{ratios}<h2>Charts</h2>\n{figures}\
         </body></html>\n",
        title = escape(&study.name),
        environment = environment(study),
        conclusions = conclusions::html(&study.measured),
        table = table(study),
        ratios = ratios_table(ratios),
        remarks = paragraphs.collect::<String>(),
        figures = figures.collect::<String>(),
    )
}

fn environment(study: &Study) -> String {
    let mut text = format!("<p>Broker: {}</p><dl>", escape(&study.target));
    let disk = serde_json::json!(study.disk);
    for fields in [&study.environment, &disk]
        .into_iter()
        .filter_map(|it| it.as_object())
    {
        for (name, value) in fields {
            text.push_str(&format!(
                "<dt>{}</dt><dd>{}</dd>",
                escape(name),
                escape(&markdown::told(value))
            ));
        }
    }
    text + "</dl>\n"
}

fn table(study: &Study) -> String {
    let (names, rows) = tables::summary_rows(&study.measured);
    let names = names.into_iter().map(|name| name.replace('_', " "));
    table_of(&names.collect::<Vec<_>>(), &rows)
}

/// With a heading; nothing without any.
fn ratios_table(ratios: &[Row]) -> String {
    if ratios.is_empty() {
        return String::new();
    }
    let names = [
        "ratio",
        "what",
        "cells",
        "median (least-greatest)",
        "runs",
        "flags",
    ];
    let rows = ratios.iter().map(|row| {
        let fields = [row.id, row.meaning, &row.cells, &row.value()].map(str::to_owned);
        let others = [row.runs().to_string(), row.flags.clone()];
        fields.into_iter().chain(others).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!(
        "<h2>Ratios</h2>\n{}",
        table_of(&names.map(str::to_owned), &rows)
    )
}

fn table_of(names: &[String], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, texts: &[String]| {
        let cells = texts
            .iter()
            .map(|text| format!("<{tag}>{}</{tag}>", escape(text)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows = rows.iter().map(|row| cells("td", row)).collect::<String>();
    format!("<table>{}{rows}</table>\n", cells("th", names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_a_heading_and_hold_text_only() {
        let table = table_of(&["a".to_owned()], &[vec!["<b>".to_owned()]]);
        assert_eq!(
            table,
            "<table><tr><th>a</th></tr>\n<tr><td>&lt;b&gt;</td></tr>\n</table>\n"
        );
        assert!(ratios_table(&[]).is_empty());
    }
}
