//! A bar chart of ratios as SVG: how many times as good one side is as another, on a logarithmic
//! axis, with the spread of the rounds and what is aimed at.

use crate::generator::{Anchor, Stroke, Svg};

const WIDTH: f64 = 960.0;
const BAR_HEIGHT: f64 = 22.0;
const HEAD_HEIGHT: f64 = 56.0;
const FOOT_HEIGHT: f64 = 30.0;
const LABELS_WIDTH: f64 = 420.0;
/// Behind the longest bar, for its figure.
const FIGURES_WIDTH: f64 = 80.0;
const BETTER: &str = "#2ca02c";
const WORSE: &str = "#d62728";
const AIM: &str = "#1f77b4";
const BLACK: &str = "#000";
/// Lines to read ratios by.
const TICKS: [f64; 11] = [
    0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0,
];

/// One ratio.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) aim: Option<f64>,
}

/// Draws bars; nothing without any.
pub(crate) fn draw(title: &str, bars: &[Bar]) -> Option<String> {
    if bars.is_empty() {
        return None;
    }
    let bottom = HEAD_HEIGHT + bars.len() as f64 * BAR_HEIGHT;
    let axis = Axis::of(bars);
    let mut svg = Svg::default();
    svg.text((10.0, 22.0), Anchor::Start, 16.0, title);
    let text = "times better; thin line: the rounds; blue: the aim";
    svg.text((10.0, 42.0), Anchor::Start, 11.0, text);
    for tick in TICKS.into_iter().filter(|tick| axis.has(*tick)) {
        let x = axis.x(tick);
        let is_equal = (tick - 1.0).abs() < 1e-9;
        let stroke = if is_equal {
            Stroke::Solid
        } else {
            Stroke::Faint
        };
        svg.line((x, HEAD_HEIGHT), (x, bottom), BLACK, stroke);
        let label = tick.to_string();
        svg.text((x, bottom + 16.0), Anchor::Middle, 11.0, &label);
    }
    let mut top = HEAD_HEIGHT;
    for bar in bars {
        draw_bar(&mut svg, &axis, bar, top);
        top += BAR_HEIGHT;
    }
    Some(svg.finish(WIDTH, bottom + FOOT_HEIGHT))
}

fn draw_bar(svg: &mut Svg, axis: &Axis, bar: &Bar, top: f64) {
    let base_line = top + BAR_HEIGHT / 2.0 + 4.0;
    let labels_end = LABELS_WIDTH - 10.0;
    svg.text((labels_end, base_line), Anchor::End, 12.0, &bar.label);
    let color = if bar.median < 1.0 { WORSE } else { BETTER };
    let (one, end) = (axis.x(1.0), axis.x(bar.median));
    let size = ((end - one).abs(), BAR_HEIGHT - 8.0);
    svg.rectangle((one.min(end), top + 4.0), size, color);
    let middle = top + BAR_HEIGHT / 2.0;
    let (low, high) = ((axis.x(bar.min), middle), (axis.x(bar.max), middle));
    svg.line(low, high, BLACK, Stroke::Thin);
    if let Some(aim) = bar.aim {
        let x = axis.x(aim);
        let (from, to) = ((x, top + 1.0), (x, top + BAR_HEIGHT - 1.0));
        svg.line(from, to, AIM, Stroke::Solid);
    }
    let digits = if bar.median < 10.0 { 2 } else { 0 };
    let figure = format!("{:.digits$}", bar.median);
    let behind = end.max(axis.x(bar.max)).max(one) + 6.0;
    svg.text((behind, base_line), Anchor::Start, 12.0, &figure);
}

/// Where ratios lie.
struct Axis {
    /// Logarithms.
    low: f64,
    high: f64,
}

impl Axis {
    fn of(bars: &[Bar]) -> Self {
        let values = bars
            .iter()
            .flat_map(|bar| [bar.min, bar.max, bar.median, bar.aim.unwrap_or(1.0)]);
        let (low, high) = values.fold((1.0_f64, 1.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        Self {
            low: (low / 1.2).log10(),
            high: (high * 1.2).log10(),
        }
    }

    fn has(&self, ratio: f64) -> bool {
        (self.low..=self.high).contains(&ratio.log10())
    }

    fn x(&self, ratio: f64) -> f64 {
        let share = (ratio.log10() - self.low) / (self.high - self.low);
        let room = WIDTH - LABELS_WIDTH - FIGURES_WIDTH;
        LABELS_WIDTH + share.clamp(0.0, 1.0) * room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_become_an_svg_with_their_labels_and_figures() {
        let bar = |label: &str, median: f64| Bar {
            label: label.to_owned(),
            median,
            min: median / 2.0,
            max: median * 2.0,
            aim: Some(4.0),
        };
        let svg = draw("title", &[bar("good", 21.0), bar("bad", 0.25)]).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for part in ["title", "good", "bad", "21", "0.25"] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(!svg.contains("NaN"));
        assert!(draw("title", &[]).is_none());
    }

    #[test]
    fn greater_ratios_lie_further_right() {
        let axis = Axis {
            low: -1.0,
            high: 2.0,
        };
        let places = [0.1, 1.0, 10.0, 100.0].map(|ratio| axis.x(ratio));
        assert!(places.is_sorted(), "{places:?}");
        assert!((axis.x(1e-9) - axis.x(0.1)).abs() < 1e-9);
    }
}
