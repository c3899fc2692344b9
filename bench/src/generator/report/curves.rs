//! Draws curves over two axes as SVG, in one panel or in several that share their axes.

use super::scale::{Axis, Span};
use super::svg::{Anchor, Entry, Stroke, Svg, color, legend};

const PANEL_HEIGHT: f64 = 330.0;
/// Of all panels together, when there are few.
const PANELS_WIDTH: f64 = 840.0;
const PANEL_WIDTH_MIN: f64 = 290.0;
const GAP: f64 = 28.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 60.0;
const BELOW: f64 = 52.0;
/// More points are a line without dots.
const DOTS_MAX: usize = 40;

/// A measured value, and between what it varied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Point {
    /// Without a spread.
    pub(super) fn at(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            low: y,
            high: y,
        }
    }
}

/// Points joined by a line, which is interrupted where a point has no finite value.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    pub(super) label: String,
    pub(super) points: Vec<Point>,
    /// Curves of one colour belong together.
    pub(super) color: usize,
    pub(super) stroke: Stroke,
}

/// Curves that share a frame.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    /// What sets it apart from the others.
    pub(super) title: String,
    pub(super) curves: Vec<Curve>,
}

/// Where a panel is drawn.
struct Frame<'a> {
    left: f64,
    width: f64,
    x: &'a Span,
    y: &'a Span,
}

impl Frame<'_> {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.left + self.x.share(x) * self.width,
            TOP + (1.0 - self.y.share(y)) * PANEL_HEIGHT,
        )
    }
}

/// Draws panels; nothing when there is no point.
pub(super) fn draw(title: &str, axes: (Axis, Axis), panels: &[Panel]) -> Option<String> {
    let curves = || panels.iter().flat_map(|panel| &panel.curves);
    let points = || curves().flat_map(|curve| &curve.points);
    let x = Span::of(points().map(|it| it.x), axes.0.scale)?;
    let y = Span::of(
        points().flat_map(|it| [it.y, it.low, it.high]),
        axes.1.scale,
    )?;
    let count = panels.len().max(1) as f64;
    let width = ((PANELS_WIDTH - GAP * (count - 1.0)) / count).max(PANEL_WIDTH_MIN);
    let all_width = LEFT + count * (width + GAP) - GAP + RIGHT;
    let mut svg = Svg::default();
    svg.text((LEFT, 24.0), Anchor::Start, 17.0, title);
    let mut left = LEFT;
    for panel in panels {
        let frame = Frame {
            left,
            width,
            x: &x,
            y: &y,
        };
        draw_frame(&mut svg, &frame, &panel.title, left <= LEFT);
        for curve in &panel.curves {
            draw_curve(&mut svg, &frame, curve);
        }
        left += width + GAP;
    }
    let bottom = TOP + PANEL_HEIGHT;
    svg.upward_text((18.0, TOP + PANEL_HEIGHT / 2.0), 13.0, axes.1.label);
    let middle = f64::midpoint(LEFT, all_width - RIGHT);
    svg.text((middle, bottom + 38.0), Anchor::Middle, 13.0, axes.0.label);
    let mut entries: Vec<Entry> = Vec::new();
    for curve in curves().filter(|curve| !curve.points.is_empty()) {
        let entry = (curve.label.clone(), color(curve.color), curve.stroke);
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    let height = bottom + BELOW;
    let legend = legend(&mut svg, &entries, (LEFT, all_width - RIGHT), height);
    Some(svg.finish(all_width, height + legend + 8.0))
}

fn draw_frame(svg: &mut Svg, frame: &Frame<'_>, title: &str, is_first: bool) {
    const GRID: &str = "#000";
    let (right, bottom) = (frame.left + frame.width, TOP + PANEL_HEIGHT);
    svg.text((frame.left, TOP - 10.0), Anchor::Start, 13.0, title);
    for (place, label) in &frame.x.ticks {
        let x = frame.left + frame.x.share_of_place(*place) * frame.width;
        svg.line((x, TOP), (x, bottom), GRID, Stroke::Faint);
        svg.text((x, bottom + 17.0), Anchor::Middle, 11.5, label);
    }
    for (place, label) in &frame.y.ticks {
        let y = bottom - frame.y.share_of_place(*place) * PANEL_HEIGHT;
        svg.line((frame.left, y), (right, y), GRID, Stroke::Faint);
        if is_first {
            svg.text((frame.left - 7.0, y + 4.0), Anchor::End, 11.5, label);
        }
    }
    svg.polyline(
        &[(frame.left, TOP), (frame.left, bottom), (right, bottom)],
        "#444",
        Stroke::Thin,
    );
}

fn draw_curve(svg: &mut Svg, frame: &Frame<'_>, curve: &Curve) {
    let color = color(curve.color);
    let places = curve.points.iter().map(|point| frame.at(point.x, point.y));
    let places: Vec<_> = places.collect();
    for joined in places.split(|place| !place.1.is_finite()) {
        svg.polyline(joined, color, curve.stroke);
    }
    if curve.stroke == Stroke::Thin || DOTS_MAX < places.len() {
        return;
    }
    let dots = curve.points.iter().zip(places);
    for (point, place) in dots.filter(|(_, place)| place.1.is_finite()) {
        svg.dot(place, color);
        if point.low < point.high {
            let ends = (frame.at(point.x, point.low), frame.at(point.x, point.high));
            svg.line(ends.0, ends.1, color, Stroke::Solid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scale::Scale;
    use super::*;

    const AXIS: Axis = Axis {
        label: "ms",
        scale: Scale::Log,
    };

    fn curve(label: &str, points: &[(f64, f64)]) -> Curve {
        Curve {
            label: label.to_owned(),
            points: points.iter().map(|(x, y)| Point::at(*x, *y)).collect(),
            color: 0,
            stroke: Stroke::Solid,
        }
    }

    fn panel(curves: Vec<Curve>) -> Panel {
        Panel {
            title: "80 %".to_owned(),
            curves,
        }
    }

    #[test]
    fn curves_become_an_svg_with_their_labels() {
        let curves = vec![
            curve("batch.size 16384", &[(1.0, 2.0), (10.0, 200.0)]),
            curve("batch.size 1048576", &[(1.0, 3.0), (10.0, 20.0)]),
        ];
        let panels = [panel(curves.clone()), panel(curves)];
        let svg = draw("p99", (AXIS, AXIS), &panels).expect("points");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert_eq!(
            svg.matches("batch.size 1048576").count(),
            1,
            "one legend for all panels"
        );
        assert_eq!(svg.matches("80 %").count(), 2);
        assert!(
            !svg.contains("NaN") && svg.matches("http").count() == 1,
            "nothing to load"
        );
    }

    #[test]
    fn a_line_is_interrupted_where_a_value_is_missing() {
        let points = [
            (1.0, 1.0),
            (2.0, 2.0),
            (3.0, f64::NAN),
            (4.0, 4.0),
            (5.0, 5.0),
        ];
        let svg = |points: &[(f64, f64)]| {
            let panels = [panel(vec![curve("one", points)])];
            draw("p99", (AXIS, AXIS), &panels).expect("points")
        };
        let of_curve = "fill=\"none\" stroke=\"#1f77b4\"";
        let lines = |points: &[(f64, f64)]| svg(points).matches(of_curve).count();
        assert_eq!(lines(&points), lines(&points[..2]) + 1);
        assert!(!svg(&points).contains("NaN"));
    }

    #[test]
    fn no_points_are_no_chart_and_one_point_is_one() {
        assert!(draw("empty", (AXIS, AXIS), &[]).is_none());
        assert!(draw("empty", (AXIS, AXIS), &[panel(vec![curve("none", &[])])]).is_none());
        let one = [panel(vec![curve("one", &[(5.0, 5.0)])])];
        assert!(draw("one", (AXIS, AXIS), &one).is_some());
    }
}
