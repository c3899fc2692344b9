//! Draws bars as SVG: a row per cell, with a bar per quantity.

use super::scale::{Scale, Span, number};
use super::svg::{Anchor, Entry, Stroke, Svg, color, legend, text_width};

const BAR_HEIGHT: f64 = 14.0;
const ROW_GAP: f64 = 8.0;
const BARS_WIDTH: f64 = 560.0;
/// For the numbers behind the bars.
const RIGHT: f64 = 60.0;
const TOP: f64 = 46.0;
const FONT: f64 = 12.0;

/// A value, and between what it varied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bar {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The bars of one cell.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) label: String,
    /// One for each series; nothing where it is not known.
    pub(super) bars: Vec<Option<Bar>>,
    /// Behind the bars.
    pub(super) note: String,
}

/// Draws rows; nothing without a value. `series` has the names of the bars of each row.
pub(super) fn draw(title: &str, unit: &str, series: &[&str], rows: &[Row]) -> Option<String> {
    let values = rows.iter().flat_map(|row| row.bars.iter().flatten());
    let span = Span::of(values.flat_map(|bar| [bar.value, bar.high]), Scale::Linear)?;
    let longest = |text: fn(&Row) -> &str| {
        let widths = rows.iter().map(|row| text_width(text(row), FONT));
        widths.fold(0.0, f64::max)
    };
    let left = longest(|row| &row.label) + 24.0;
    let width = left + BARS_WIDTH + RIGHT + longest(|row| &row.note);
    let width = width.max(text_width(title, 17.0) + 24.0);
    let mut svg = Svg::default();
    svg.text((12.0, 24.0), Anchor::Start, 17.0, title);
    let row_height = BAR_HEIGHT * series.len() as f64 + ROW_GAP;
    let bottom = TOP + row_height * rows.len() as f64;
    for (place, label) in &span.ticks {
        let x = left + span.share_of_place(*place) * BARS_WIDTH;
        svg.line((x, TOP), (x, bottom), "#000", Stroke::Faint);
        svg.text((x, bottom + 16.0), Anchor::Middle, 11.5, label);
    }
    let mut top = TOP;
    for row in rows {
        draw_row(&mut svg, &span, row, (left, top));
        top += row_height;
    }
    let middle = left + BARS_WIDTH / 2.0;
    svg.text((middle, bottom + 36.0), Anchor::Middle, 13.0, unit);
    let names = if series.len() < 2 { &[] } else { series };
    let entries = names.iter().enumerate();
    let entries: Vec<Entry> = entries
        .map(|(index, name)| ((*name).to_owned(), color(index), Stroke::Solid))
        .collect();
    let legend = legend(&mut svg, &entries, (left, width), bottom + 42.0);
    Some(svg.finish(width, bottom + 50.0 + legend))
}

fn draw_row(svg: &mut Svg, span: &Span, row: &Row, (left, top): (f64, f64)) {
    let height = BAR_HEIGHT * row.bars.len() as f64;
    let middle = top + height / 2.0 + FONT / 2.0 - 1.0;
    svg.text((left - 8.0, middle), Anchor::End, FONT, &row.label);
    let mut reach: f64 = left;
    for (index, bar) in row.bars.iter().enumerate() {
        let Some(bar) = bar else { continue };
        let y = top + BAR_HEIGHT * index as f64;
        let x = |value: f64| left + span.share(value) * BARS_WIDTH;
        let size = ((x(bar.value) - left).max(1.0), BAR_HEIGHT - 2.0);
        svg.rectangle((left, y), size, color(index));
        if bar.low < bar.high {
            let y = y + size.1 / 2.0;
            svg.line((x(bar.low), y), (x(bar.high), y), "#000", Stroke::Solid);
        }
        let text = number(bar.value);
        let end = x(bar.value.max(bar.high)) + 5.0;
        svg.text((end, y + BAR_HEIGHT - 4.0), Anchor::Start, 11.0, &text);
        reach = reach.max(end + text_width(&text, 11.0));
    }
    svg.colored_text(
        (reach + 8.0, middle),
        Anchor::Start,
        FONT,
        "#666",
        &row.note,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(value: f64) -> Option<Bar> {
        Some(Bar {
            value,
            low: value,
            high: value,
        })
    }

    #[test]
    fn every_row_has_its_label_bars_and_note() {
        let row = |label: &str, bars: Vec<Option<Bar>>| Row {
            label: label.to_owned(),
            bars,
            note: "3 batches per flush".to_owned(),
        };
        let rows = [
            row("lz4", vec![bar(1.5), bar(3.0)]),
            row("zstd", vec![None, bar(12.5)]),
        ];
        let svg = draw("CPU", "CPU-s/GB", &["broker", "client"], &rows).expect("values");
        // One rectangle is the background.
        assert_eq!(svg.matches("<rect").count(), 4, "{svg}");
        for text in [
            "lz4",
            "zstd",
            ">broker<",
            ">client<",
            ">12.5<",
            "3 batches per flush",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn rows_without_values_are_no_chart() {
        let rows = [Row {
            label: "unknown".to_owned(),
            bars: vec![None],
            note: String::new(),
        }];
        assert!(draw("CPU", "s", &["broker"], &rows).is_none());
        assert!(draw("CPU", "s", &["broker"], &[]).is_none());
    }
}
