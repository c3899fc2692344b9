//! A chart of predicted against measured values: points, the line where both are equal, and those
//! where one is half as much again as the other. `advise` draws with it.

use super::curves::{Curve, Panel, Point, draw};
use super::scale::{Axis, Scale};
use super::svg::Stroke;

/// How far the thin lines are off.
const OFF: f64 = 1.5;

/// Points by a label each: what was measured, then what was predicted, in milliseconds. Nothing
/// without points.
pub(crate) fn scatter(title: &str, series: &[(String, Vec<(f64, f64)>)]) -> Option<String> {
    const MEASURED: Axis = Axis {
        label: "measured, ms",
        scale: Scale::Log,
    };
    const PREDICTED: Axis = Axis {
        label: "predicted, ms",
        scale: Scale::Log,
    };
    let values = || series.iter().flat_map(|(_, points)| points);
    let both = || values().flat_map(|(a, b)| [*a, *b]);
    let least = both().min_by(f64::total_cmp)?;
    let most = both().max_by(f64::total_cmp)?;
    let line = |label: &str, factor: f64, stroke| Curve {
        label: label.to_owned(),
        points: [least, most].map(|it| Point::at(it, it * factor)).to_vec(),
        color: series.len(),
        stroke,
    };
    let mut curves = vec![
        line("1.5 times off", OFF, Stroke::Thin),
        line("1.5 times off", 1.0 / OFF, Stroke::Thin),
        line("equal", 1.0, Stroke::Dashed),
    ];
    for (color, (label, points)) in series.iter().enumerate() {
        // Each is a curve of its own, so that no line joins them.
        curves.extend(points.iter().map(|(x, y)| Curve {
            label: label.clone(),
            points: vec![Point::at(*x, *y)],
            color,
            stroke: Stroke::Solid,
        }));
    }
    let panel = Panel {
        title: String::new(),
        curves,
    };
    draw(title, (MEASURED, PREDICTED), &[panel])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_a_dot_and_every_series_one_entry() {
        let series = [
            ("a".to_owned(), vec![(1.0, 2.0), (5.0, 4.0)]),
            ("b".to_owned(), vec![(20.0, 30.0)]),
        ];
        let svg = scatter("p99", &series).expect("points");
        // The line of equality has dots at its ends.
        assert_eq!(svg.matches("<circle").count(), 3 + 2);
        assert_eq!(svg.matches(">a</text>").count(), 1, "{svg}");
        assert_eq!(scatter("p99", &[]), None);
    }
}
