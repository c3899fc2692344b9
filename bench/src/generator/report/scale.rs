//! Where values lie on an axis, and which of them have labels. Pure.

/// How values lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Beginning at 0.
    Linear,
    Log,
    /// Few given values, 0 perhaps among them, each with a label: linger.ms, counts of partitions.
    Steps,
    /// Quantiles: as far apart as their nines. Values are 1 / (1 - quantile).
    Nines,
}

/// One axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) scale: Scale,
}

/// The stretch of an axis that is drawn.
#[derive(Debug, Clone)]
pub(super) struct Span {
    scale: Scale,
    low: f64,
    high: f64,
    /// Places and labels.
    pub(super) ticks: Vec<(f64, String)>,
}

/// Less counts as this where logarithms are taken.
const LEAST: f64 = 1e-6;
/// About so many labels.
const TICKS: f64 = 6.0;

impl Span {
    /// What holds all `values`; nothing without a finite value.
    pub(super) fn of(values: impl IntoIterator<Item = f64>, scale: Scale) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().filter(|it| it.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (first, last) = (*values.first()?, *values.last()?);
        let ticks = match scale {
            Scale::Linear => linear_ticks(last.max(0.0)),
            Scale::Log => log_ticks(first.max(LEAST), last.max(LEAST)),
            Scale::Steps => spaced(&values),
            Scale::Nines => nines(last),
        };
        let ticks: Vec<_> = ticks
            .into_iter()
            .map(|value| (place(scale, value), tick_label(scale, value)))
            .collect();
        let ends = [first, last].map(|value| place(scale, value));
        let low = ticks.first().map_or(ends[0], |tick| tick.0.min(ends[0]));
        let high = ticks.last().map_or(ends[1], |tick| tick.0.max(ends[1]));
        let low = if scale == Scale::Linear { 0.0 } else { low };
        let high = if low < high { high } else { low + 1.0 };
        Some(Self {
            scale,
            low,
            high,
            ticks,
        })
    }

    /// From 0 to 1 for what is within.
    pub(super) fn share(&self, value: f64) -> f64 {
        self.share_of_place(place(self.scale, value))
    }

    /// The same for the place of a tick.
    pub(super) fn share_of_place(&self, place: f64) -> f64 {
        (place - self.low) / (self.high - self.low)
    }
}

fn place(scale: Scale, value: f64) -> f64 {
    match scale {
        // The greater of it and a number would be the number.
        _ if value.is_nan() => value,
        Scale::Linear => value,
        Scale::Log | Scale::Nines => value.max(LEAST).log10(),
        Scale::Steps => value.max(0.0).ln_1p(),
    }
}

fn tick_label(scale: Scale, value: f64) -> String {
    match scale {
        Scale::Nines => {
            let percent = format!("{:.6}", 100.0 - 100.0 / value);
            let percent = percent.trim_end_matches('0').trim_end_matches('.');
            format!("{percent}%")
        }
        Scale::Steps => value.to_string(),
        Scale::Linear | Scale::Log => number(value),
    }
}

/// 0 and multiples of 1, 2 or 5 times a power of ten, the last not below `last`.
fn linear_ticks(last: f64) -> Vec<f64> {
    if last <= 0.0 {
        return vec![0.0];
    }
    let least = last / TICKS;
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|it| it * power);
    let step = steps.into_iter().find(|step| least <= *step);
    let step = step.unwrap_or(power * 10.0);
    let mut ticks = vec![0.0];
    let mut count = 0.0;
    while count * step < last {
        count += 1.0;
        ticks.push(count * step);
    }
    ticks
}

/// Powers of ten from `first` or below to `last` or above; with twice and five times them when
/// there are few.
fn log_ticks(first: f64, last: f64) -> Vec<f64> {
    let digits: &[f64] = if (last / first).log10() < 3.0 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let mut power = first.log10().floor();
    let mut ticks: Vec<f64> = Vec::new();
    while ticks.last().is_none_or(|tick| *tick < last) {
        for digit in digits {
            let tick = digit * 10_f64.powf(power);
            if tick <= first {
                // The greatest that is not above the least value begins the axis.
                ticks.clear();
            }
            if ticks.last().is_none_or(|greatest| *greatest < last) {
                ticks.push(tick);
            }
        }
        power += 1.0;
    }
    ticks
}

/// As many of the values as have room for a label.
fn spaced(values: &[f64]) -> Vec<f64> {
    const DISTANCE_MIN: f64 = 0.045;
    let places = values.iter().map(|value| place(Scale::Steps, *value));
    let places: Vec<_> = places.collect();
    let width = match (places.first(), places.last()) {
        (Some(first), Some(last)) if first < last => last - first,
        _ => 1.0,
    };
    let mut ticks = Vec::new();
    let mut free = f64::NEG_INFINITY;
    for (value, place) in values.iter().zip(places) {
        if free <= place {
            ticks.push(*value);
            free = place + width * DISTANCE_MIN;
        }
    }
    ticks
}

/// 0 %, 90 %, 99 % and so on, as far as `last` goes.
fn nines(last: f64) -> Vec<f64> {
    let mut ticks = vec![1.0];
    let mut next = 10.0;
    while next <= last * 1.0001 {
        ticks.push(next);
        next *= 10.0;
    }
    ticks
}

/// A number with as few digits as tell it.
pub(super) fn number(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        large if 1e6 <= large => (value / 1e6, "M"),
        large if 1e4 <= large => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        large if 100.0 <= large => 0,
        medium if 10.0 <= medium => 1,
        small if 1.0 <= small => 2,
        _ => 3,
    };
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], scale: Scale) -> Vec<String> {
        let span = Span::of(values.iter().copied(), scale).expect("values");
        span.ticks.into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn labels_are_few_and_round() {
        assert_eq!(
            labels(&[3.0, 47.0], Scale::Linear),
            ["0", "10", "20", "30", "40", "50"]
        );
        assert_eq!(
            labels(&[3.0, 47.0], Scale::Log),
            ["2", "5", "10", "20", "50"]
        );
        assert_eq!(
            labels(&[0.5, 20_000.0], Scale::Log),
            ["0.1", "1", "10", "100", "1000", "10k", "100k"]
        );
        assert_eq!(labels(&[0.0, 5.0, 20.0], Scale::Steps), ["0", "5", "20"]);
        assert_eq!(
            labels(&[1.0, 1000.0], Scale::Nines),
            ["0%", "90%", "99%", "99.9%"]
        );
    }

    #[test]
    fn every_value_has_a_place_within() {
        let sets: [&[f64]; 5] = [&[0.0], &[5.0], &[0.001, 7e6], &[1.0, 1.0], &[99.9, 100.1]];
        for scale in [Scale::Linear, Scale::Log, Scale::Steps, Scale::Nines] {
            for values in sets {
                let span = Span::of(values.iter().copied(), scale).expect("values");
                for value in values {
                    let share = span.share(*value);
                    assert!(
                        (-1e-9..=1.0 + 1e-9).contains(&share),
                        "{scale:?} {value}: {share}"
                    );
                }
            }
        }
        assert!(Span::of([f64::NAN, f64::INFINITY], Scale::Linear).is_none());
    }

    #[test]
    fn steps_that_are_close_share_a_label() {
        let values: Vec<_> = (0..100).map(f64::from).collect();
        assert!(labels(&values, Scale::Steps).len() < 25);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.0125, 9.5, 123.4, 16_384.0, 2_500_000.0].map(number);
        assert_eq!(texts, ["0", "0.013", "9.5", "123", "16.4k", "2.5M"]);
    }
}
