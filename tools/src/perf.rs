//! What the tools that measure share: going at a given rate, and figures as Java writes them.

mod date_format;
mod metrics;
mod rate;

pub(crate) use date_format::DateFormat;
pub(crate) use metrics::metrics_table;
pub(crate) use rate::Rate;

use clap::Arg;

use crate::frame::values;

/// Bytes in what Kafka's tools call MB.
pub(crate) const MB_BYTES: f64 = 1024.0 * 1024.0;

/// An option with one value or more behind it, as `--command-property acks=1 linger.ms=5`.
pub(crate) fn several(name: &'static str, described_as: &'static str, help: &'static str) -> Arg {
    values(name, described_as, help)
        .allow_hyphen_values(false)
        .num_args(1..)
}

/// A number with so many digits behind the point, as Java's `%.4f` writes it.
pub(crate) fn fixed(value: f64, digits: usize) -> String {
    if value.is_infinite() {
        return if value < 0.0 { "-Infinity" } else { "Infinity" }.to_owned();
    }
    format!("{value:.digits$}")
}

/// A count as a number to divide; exact up to 2^53.
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Where a share of `len` sorted values begins: the index of a percentile, as Kafka's tools take
/// it, never behind the last value.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length, cut off as Java does"
)]
pub(crate) fn percentile_index(len: usize, share: f64) -> usize {
    ((len as f64 * share) as usize).min(len.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_java_does() {
        assert_eq!(fixed(1.0 / 3.0, 4), "0.3333");
        assert_eq!(fixed(f64::NAN, 2), "NaN");
        assert_eq!(fixed(f64::INFINITY, 2), "Infinity");
        assert_eq!(fixed(f64::NEG_INFINITY, 2), "-Infinity");
    }

    #[test]
    fn percentiles_stay_within_the_values() {
        assert_eq!(percentile_index(0, 0.5), 0);
        assert_eq!(percentile_index(1, 0.999), 0);
        assert_eq!(percentile_index(10, 0.5), 5);
        assert_eq!(percentile_index(1000, 0.999), 999);
        assert_eq!(percentile_index(3, 1.0), 2);
    }
}
