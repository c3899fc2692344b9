//! Histograms as files that the tools of HdrHistogram read: an interval log, a second per line, and
//! the percentiles of the whole run.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use super::super::latency::Latency;
use super::super::measured::Measured;

/// What histograms count in; files say milliseconds.
const US_PER_MS: f64 = 1000.0;
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// Writes both kinds of files for each kind of latency that was measured.
///
/// # Errors
/// A file cannot be written.
pub(super) fn write(measured: &Measured, dir: &Path) -> anyhow::Result<()> {
    let total = measured.latencies();
    for (index, (name, latency)) in total.named().into_iter().enumerate() {
        if latency.count() == 0 {
            continue;
        }
        let periods = measured.periods.iter().filter_map(|period| {
            let (_, latency) = *period.interval.latencies.named().get(index)?;
            Some((period.at_s - period.length_s, period.length_s, latency))
        });
        std::fs::write(dir.join(format!("{name}.hlog")), interval_log(periods)?)?;
        std::fs::write(dir.join(format!("{name}.hgrm")), percentiles(latency))?;
    }
    Ok(())
}

fn interval_log<'a>(
    periods: impl Iterator<Item = (f64, f64, &'a Latency)>,
) -> anyhow::Result<Vec<u8>> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("latencies in microseconds; times since the load began")
        .with_base_time(SystemTime::UNIX_EPOCH)
        .with_max_value_divisor(US_PER_MS)
        .begin_log_with(&mut log, &mut serializer)?;
    for (begin_s, length_s, latency) in periods {
        let begin = Duration::from_secs_f64(begin_s.max(0.0));
        let length = Duration::from_secs_f64(length_s.max(0.0));
        let written = writer.write_histogram(latency.histogram(), begin, length, None);
        written.map_err(|error| anyhow!("an interval log: {error:?}"))?;
    }
    Ok(log)
}

/// The text that HdrHistogram's plotter reads: value, percentile, count so far, 1/(1-percentile).
fn percentiles(latency: &Latency) -> String {
    let histogram = latency.histogram();
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut count = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        count += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let inverse = if quantile < 1.0 {
            format!("{:.2}", 1.0 / (1.0 - quantile))
        } else {
            "inf".to_owned()
        };
        let value_ms = step.value_iterated_to() as f64 / US_PER_MS;
        // Writing to a String cannot fail.
        writeln!(
            text,
            "{value_ms:12.3} {quantile:14.12} {count:10} {inverse:>14}"
        )
        .unwrap_or_default();
    }
    writeln!(
        text,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n\
         #[Max     = {:12.3}, Total count    = {:12}]",
        histogram.mean() / US_PER_MS,
        histogram.stdev() / US_PER_MS,
        histogram.max() as f64 / US_PER_MS,
        histogram.len(),
    )
    .unwrap_or_default();
    text
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::super::super::measured::tests::measured;
    use super::*;

    #[test]
    fn the_interval_log_reads_back() {
        let measured = measured(Some(1000.0), 1000, 5);
        let latencies = measured.latencies();
        let log = interval_log([(0.0, 1.0, &latencies.response)].into_iter()).expect("written");
        let entries: Vec<_> = IntervalLogIterator::new(&log)
            .map(|it| it.expect("valid"))
            .collect();
        let histograms = entries.iter().filter_map(|entry| match entry {
            LogEntry::Interval(interval) => Some(interval.max()),
            _ => None,
        });
        let maxima: Vec<_> = histograms.collect();
        assert!(
            matches!(maxima[..], [max] if (max - 5.0).abs() < 0.01),
            "{maxima:?}"
        );
    }

    #[test]
    fn percentiles_end_with_the_greatest_value() {
        let text = percentiles(&measured(Some(1000.0), 1000, 5).latencies().response);
        assert!(text.contains("1.000000000000        100"), "{text}");
        assert!(text.contains("Total count    =          100]"), "{text}");
    }
}
