//! Draws curves over two axes as SVG.

use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 480);
const COLORS: [RGBColor; 8] = [
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0x94, 0x67, 0xbd),
    RGBColor(0x8c, 0x56, 0x4b),
    RGBColor(0x17, 0xbe, 0xcf),
    RGBColor(0x7f, 0x7f, 0x7f),
];

/// How values lie on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Log,
    /// Quantiles: as far apart as their nines. Values are 1 / (1 - quantile).
    Nines,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log | Self::Nines => value.max(1e-6).log10(),
        }
    }

    fn label(self, place: f64) -> String {
        match self {
            Self::Linear => number(place),
            Self::Log => number(10_f64.powf(place)),
            Self::Nines => {
                let percent = 100.0 - 100.0 / 10_f64.powf(place);
                format!("{}%", number(percent))
            }
        }
    }
}

/// As few digits as tell numbers of an axis apart.
fn number(value: f64) -> String {
    let text = match value.abs() {
        large if 1e6 <= large => return format!("{:.3}M", value / 1e6).replace(".000", ""),
        medium if 100.0 <= medium => format!("{value:.0}"),
        small => format!(
            "{:.*}",
            if (1.0..=99.0).contains(&small) { 2 } else { 3 },
            value
        ),
    };
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

/// One axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) scale: Scale,
}

/// Points joined by a line.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    pub(super) label: String,
    pub(super) points: Vec<(f64, f64)>,
    /// A model rather than a measurement.
    pub(super) is_thin: bool,
}

impl Curve {
    pub(super) fn new(label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            label: label.into(),
            points,
            is_thin: false,
        }
    }
}

/// Draws curves; nothing when there is no point.
///
/// # Errors
/// The drawing library failed.
pub(super) fn draw(
    title: &str,
    x: Axis,
    y: Axis,
    curves: &[Curve],
) -> anyhow::Result<Option<String>> {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let xs = range(points().map(|(at, _)| x.scale.place(at)), x.scale);
    let ys = range(points().map(|(_, at)| y.scale.place(at)), y.scale);
    let (Some(xs), Some(ys)) = (xs, ys) else {
        return Ok(None);
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d(xs.0..xs.1, ys.0..ys.1)?;
        chart
            .configure_mesh()
            .x_desc(x.label)
            .y_desc(y.label)
            .x_label_formatter(&|at| x.scale.label(*at))
            .y_label_formatter(&|at| y.scale.label(*at))
            .draw()?;
        for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
            let places = curve
                .points
                .iter()
                .map(|(a, b)| (x.scale.place(*a), y.scale.place(*b)));
            let places: Vec<_> = places.collect();
            let style = color.stroke_width(if curve.is_thin { 1 } else { 2 });
            let drawn = chart.draw_series(LineSeries::new(places.iter().copied(), style))?;
            drawn
                .label(&curve.label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            if !curve.is_thin && places.len() <= 40 {
                let dots = places
                    .iter()
                    .map(|place| Circle::new(*place, 3, color.filled()));
                chart.draw_series(dots)?;
            }
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
    }
    Ok(Some(svg))
}

/// From the least to the greatest, with a margin; linear axes begin at 0.
fn range(places: impl Iterator<Item = f64>, scale: Scale) -> Option<(f64, f64)> {
    let bounds = places
        .filter(|place| place.is_finite())
        .fold(None, |bounds, place| {
            let (low, high): (f64, f64) = bounds.unwrap_or((place, place));
            Some((low.min(place), high.max(place)))
        });
    bounds.map(|(low, high)| {
        let low = if scale == Scale::Linear {
            low.min(0.0)
        } else {
            low
        };
        let margin = if low < high { (high - low) * 0.05 } else { 0.5 };
        (low, high + margin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIS: Axis = Axis {
        label: "ms",
        scale: Scale::Log,
    };

    #[test]
    fn curves_become_an_svg_with_their_labels() {
        let curves = [
            Curve::new("batch.size 16384", vec![(1.0, 2.0), (10.0, 200.0)]),
            Curve::new("batch.size 1048576", vec![(1.0, 3.0), (10.0, 20.0)]),
        ];
        let svg = draw("p99", AXIS, AXIS, &curves)
            .expect("drawn")
            .expect("there are points");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("batch.size 1048576") && svg.contains("p99"));
        assert!(!svg.contains("NaN") && !svg.contains("http://") || svg.contains("w3.org"));
    }

    #[test]
    fn no_points_are_no_chart_and_one_point_is_one() {
        assert!(draw("empty", AXIS, AXIS, &[]).expect("no error").is_none());
        let one = [Curve::new("one", vec![(5.0, 5.0)])];
        assert!(draw("one", AXIS, AXIS, &one).expect("no error").is_some());
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(Scale::Linear.label(2_500_000.0), "2.500M");
        assert_eq!(Scale::Linear.label(20.0), "20");
        assert_eq!(Scale::Log.label(-2.0), "0.01");
        assert_eq!(Scale::Nines.label(3.0), "99.9%");
    }
}
