//! Writes SVG: shapes and text in pixels, nothing that a file would have to load.

/// Colours of lines and bars, in turn; they differ in brightness too.
const COLORS: [&str; 8] = [
    "#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#7f7f7f",
];

/// The colour number `index`; they repeat.
pub(super) fn color(index: usize) -> &'static str {
    COLORS.get(index % COLORS.len()).unwrap_or(&COLORS[0])
}

/// Pixels that a character takes on average, as a share of its font's size.
const CHARACTER_SHARE: f64 = 0.56;

/// About how wide a text is.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER_SHARE
}

/// Which end of a text is at its place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stroke {
    Solid,
    Dashed,
    /// A model rather than a measurement.
    Thin,
    /// Of grids and frames.
    Faint,
}

impl Stroke {
    const fn attributes(self) -> &'static str {
        match self {
            Self::Solid => "stroke-width=\"2\"",
            Self::Dashed => "stroke-width=\"2\" stroke-dasharray=\"6 4\"",
            Self::Thin => "stroke-width=\"1\" stroke-dasharray=\"2 2\"",
            Self::Faint => "stroke-width=\"0.7\" stroke-opacity=\"0.25\"",
        }
    }
}

/// A picture while it is drawn.
#[derive(Debug, Default)]
pub(crate) struct Svg(String);

impl Svg {
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), color: &str, stroke: Stroke) {
        self.polyline(&[from, to], color, stroke);
    }

    /// One point is no line.
    pub(super) fn polyline(&mut self, points: &[(f64, f64)], color: &str, stroke: Stroke) {
        if points.len() < 2 {
            return;
        }
        let points = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}"));
        self.0.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" {}/>\n",
            points.collect::<Vec<_>>().join(" "),
            stroke.attributes()
        ));
    }

    /// `corner` is the one at the top left.
    pub(crate) fn rectangle(&mut self, corner: (f64, f64), size: (f64, f64), fill: &str) {
        self.0.push_str(&format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{fill}\"/>\n",
            corner.0, corner.1, size.0, size.1
        ));
    }

    pub(super) fn dot(&mut self, at: (f64, f64), color: &str) {
        self.0.push_str(&format!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{color}\"/>\n",
            at.0, at.1
        ));
    }

    /// `at` is on the text's base line.
    pub(crate) fn text(&mut self, at: (f64, f64), anchor: Anchor, size: f64, text: &str) {
        self.put_text(at, anchor, size, "#222", "", text);
    }

    /// The same in another colour.
    pub(crate) fn colored_text(
        &mut self,
        at: (f64, f64),
        anchor: Anchor,
        size: f64,
        color: &str,
        text: &str,
    ) {
        self.put_text(at, anchor, size, color, "", text);
    }

    /// From the bottom up, its middle at `at`.
    pub(super) fn upward_text(&mut self, at: (f64, f64), size: f64, text: &str) {
        let turn = format!(" transform=\"rotate(-90 {:.1} {:.1})\"", at.0, at.1);
        self.put_text(at, Anchor::Middle, size, "#222", &turn, text);
    }

    fn put_text(
        &mut self,
        at: (f64, f64),
        anchor: Anchor,
        size: f64,
        color: &str,
        turn: &str,
        text: &str,
    ) {
        self.0.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{size}\" text-anchor=\"{}\" \
             fill=\"{color}\"{turn}>{}</text>\n",
            at.0,
            at.1,
            anchor.name(),
            escape(text)
        ));
    }

    /// The whole picture, on white.
    pub(crate) fn finish(self, width: f64, height: f64) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>\n",
            self.0
        )
    }
}

/// Text as markup takes it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// An entry of a legend: its label, colour and stroke.
pub(super) type Entry = (String, &'static str, Stroke);

const LEGEND_FONT: f64 = 12.0;
const LEGEND_LINE: f64 = 18.0;
const SAMPLE_WIDTH: f64 = 26.0;

/// Writes a legend from `top` down, in lines between `left` and `right`; its height.
pub(super) fn legend(svg: &mut Svg, entries: &[Entry], (left, right): (f64, f64), top: f64) -> f64 {
    let (mut x, mut y) = (left, top + LEGEND_LINE);
    for (label, color, stroke) in entries {
        let width = SAMPLE_WIDTH + text_width(label, LEGEND_FONT) + 18.0;
        if right < x + width && left < x {
            x = left;
            y += LEGEND_LINE;
        }
        svg.line(
            (x, y - 4.0),
            (x + SAMPLE_WIDTH - 6.0, y - 4.0),
            color,
            *stroke,
        );
        svg.text((x + SAMPLE_WIDTH, y), Anchor::Start, LEGEND_FONT, label);
        x += width;
    }
    if entries.is_empty() {
        0.0
    } else {
        y - top + 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<b>\"&\""), "&lt;b&gt;&quot;&amp;&quot;");
        let mut svg = Svg::default();
        svg.text((1.0, 2.0), Anchor::End, 12.0, "a<b");
        assert!(svg.finish(10.0, 10.0).contains(">a&lt;b</text>"));
    }

    #[test]
    fn a_legend_goes_on_in_the_next_line() {
        let entry = |label: &str| (label.to_owned(), color(0), Stroke::Solid);
        let entries = [entry("a long enough label"), entry("another long label")];
        let mut svg = Svg::default();
        let one = legend(&mut svg, &entries, (0.0, 1000.0), 0.0);
        let two = legend(&mut svg, &entries, (0.0, 200.0), 0.0);
        assert!(one < two, "{one} and {two}");
        assert!(legend(&mut svg, &[], (0.0, 200.0), 0.0).abs() < f64::EPSILON);
    }
}
