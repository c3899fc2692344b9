//! Draws maps of a quantity over two settings as SVG: the darker, the more.

use super::scale::number;
use super::svg::{Anchor, Svg, text_width};

const CELL: (f64, f64) = (74.0, 40.0);
const GAP: f64 = 28.0;
const TOP: f64 = 64.0;
const FONT: f64 = 12.0;
/// Of the least and of the greatest value: red, green, blue.
const LIGHT: [f64; 3] = [247.0, 251.0, 255.0];
const DARK: [f64; 3] = [8.0, 81.0, 156.0];
const NOTHING: &str = "#dddddd";

/// What is in a place of the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Spot {
    Value(f64),
    /// Measured, but not what the map shows.
    Overloaded,
    Missing,
}

/// A map.
#[derive(Debug, Clone)]
pub(super) struct Map {
    /// What sets it apart from the others.
    pub(super) title: String,
    /// Row by row, as many in each as there are columns.
    pub(super) rows: Vec<Vec<Spot>>,
}

/// The labels along the sides, with what they are values of.
pub(super) struct Sides<'a> {
    pub(super) columns: (&'a str, &'a [String]),
    pub(super) rows: (&'a str, &'a [String]),
}

/// Draws maps beside each other in one range of colours; nothing without a value.
pub(super) fn draw(title: &str, sides: &Sides<'_>, maps: &[Map]) -> Option<String> {
    let range = range(maps)?;
    let labels = sides.rows.1.iter().map(|label| text_width(label, FONT));
    let left = labels.fold(0.0, f64::max) + 44.0;
    let map_width = CELL.0 * sides.columns.1.len() as f64;
    let map_height = CELL.1 * sides.rows.1.len() as f64;
    let mut svg = Svg::default();
    svg.text((12.0, 24.0), Anchor::Start, 17.0, title);
    svg.upward_text((18.0, TOP + map_height / 2.0), 13.0, sides.rows.0);
    for (index, label) in sides.rows.1.iter().enumerate() {
        let y = TOP + CELL.1 * (index as f64 + 0.5) + 4.0;
        svg.text((left - 8.0, y), Anchor::End, FONT, label);
    }
    let mut x = left;
    for map in maps {
        svg.text((x, TOP - 12.0), Anchor::Start, 13.0, &map.title);
        draw_map(&mut svg, map, range, x);
        for (index, label) in sides.columns.1.iter().enumerate() {
            let middle = x + CELL.0 * (index as f64 + 0.5);
            svg.text(
                (middle, TOP + map_height + 17.0),
                Anchor::Middle,
                FONT,
                label,
            );
        }
        let middle = x + map_width / 2.0;
        let below = TOP + map_height + 36.0;
        svg.text((middle, below), Anchor::Middle, 13.0, sides.columns.0);
        x += map_width + GAP;
    }
    let width = (x - GAP + 16.0).max(text_width(title, 17.0) + 24.0);
    Some(svg.finish(width, TOP + map_height + 50.0))
}

fn draw_map(svg: &mut Svg, map: &Map, range: (f64, f64), left: f64) {
    for (row, spots) in map.rows.iter().enumerate() {
        for (column, spot) in spots.iter().enumerate() {
            let corner = (left + CELL.0 * column as f64, TOP + CELL.1 * row as f64);
            let size = (CELL.0 - 2.0, CELL.1 - 2.0);
            let (fill, ink, text) = match *spot {
                Spot::Value(value) => {
                    let shade = shade(value, range);
                    let ink = if 0.55 < shade { "#fff" } else { "#222" };
                    (mixed(shade), ink, number(value))
                }
                Spot::Overloaded => (NOTHING.to_owned(), "#666", "overloaded".to_owned()),
                Spot::Missing => continue,
            };
            svg.rectangle(corner, size, &fill);
            let middle = (corner.0 + size.0 / 2.0, corner.1 + size.1 / 2.0 + 4.0);
            svg.colored_text(middle, Anchor::Middle, FONT, ink, &text);
        }
    }
}

fn range(maps: &[Map]) -> Option<(f64, f64)> {
    let spots = maps.iter().flat_map(|map| map.rows.iter().flatten());
    let values = spots.filter_map(|spot| match spot {
        Spot::Value(value) if value.is_finite() => Some(*value),
        _ => None,
    });
    values.fold(None, |range, value| {
        let (low, high): (f64, f64) = range.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// From 0 to 1, by the logarithm: latencies differ by factors.
fn shade(value: f64, (low, high): (f64, f64)) -> f64 {
    let log = |value: f64| value.max(1e-6).ln();
    if log(high) <= log(low) {
        return 0.0;
    }
    (log(value) - log(low)) / (log(high) - log(low))
}

fn mixed(shade: f64) -> String {
    let parts = LIGHT.iter().zip(DARK);
    let parts = parts.map(|(light, dark)| format!("{:.0}", light + (dark - light) * shade));
    format!("rgb({})", parts.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides<'a>(columns: &'a [String], rows: &'a [String]) -> Sides<'a> {
        Sides {
            columns: ("linger.ms", columns),
            rows: ("batch.size", rows),
        }
    }

    #[test]
    fn every_place_has_its_number_and_shade() {
        let (columns, rows) = (["0".to_owned(), "5".to_owned()], ["16384".to_owned()]);
        let maps = [
            Map {
                title: "80%".to_owned(),
                rows: vec![vec![Spot::Value(1.0), Spot::Value(100.0)]],
            },
            Map {
                title: "max".to_owned(),
                rows: vec![vec![Spot::Overloaded, Spot::Missing]],
            },
        ];
        let svg = draw("p99", &sides(&columns, &rows), &maps).expect("values");
        for text in [
            "rgb(247,251,255)",
            "rgb(8,81,156)",
            ">100<",
            ">overloaded<",
            ">80%<",
        ] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        // One rectangle is the background.
        assert_eq!(svg.matches("<rect").count(), 4);
    }

    #[test]
    fn maps_without_values_are_none() {
        let map = Map {
            title: String::new(),
            rows: vec![vec![Spot::Missing]],
        };
        assert!(draw("p99", &sides(&[], &[]), &[map]).is_none());
    }
}
