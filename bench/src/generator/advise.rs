//! Recommends linger.ms and batch.size for a load, with the reason: measures what a request, a
//! batch and a byte cost this broker, predicts what every setting would come to, and takes the
//! shortest linger.ms that leaves room. With `--check` the advice is run and compared with the
//! prediction.

mod calibration;
mod costs;
mod metrics;
mod prediction;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use self::calibration::calibrate;
use self::prediction::{Advice, Demand, advise};
use super::TargetArgs;
use super::keys::Keys;
use super::run::run;
use super::target::Target;
use super::workload::{Load, Workload};
use crate::report::line;

/// What is wanted.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdviseArgs {
    /// Records per second of all producers together
    #[arg(long, required_unless_present = "metrics")]
    rate: Option<f64>,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Partitions of the topic
    #[arg(long, default_value_t = 8)]
    partitions: u16,
    /// Producers that share the rate
    #[arg(long, default_value_t = 1)]
    producers: u32,
    /// Records have keys, so that they spread over all partitions
    #[arg(long)]
    keyed: bool,
    /// The p99 of response times that is good enough, in milliseconds
    #[arg(long, default_value_t = 20.0)]
    p99_ms: f64,
    /// Take rate, record size and partitions from what `kafka-producer-perf-test --print-metrics`
    /// printed of a producer at work; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "record_bytes"])]
    metrics: Option<PathBuf>,
    /// Run the advice for some seconds, and say how far the prediction was off
    #[arg(long)]
    check: bool,
    /// Seconds of each of the four measurements; a check takes three times as long
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[command(flatten)]
    target: TargetArgs,
}

/// Measures, predicts, and prints the advice.
///
/// # Errors
/// The broker or a client failed, or the metrics cannot be read.
pub(crate) fn command(args: &AdviseArgs) -> anyhow::Result<()> {
    let demand = demand(args)?;
    line(&format!("wanted: {demand}"));
    let target = Target::open(&args.target)?;
    let base = workload(&demand, args.seconds);
    let costs = calibrate(&target, &base, &args.target).context("measuring what requests cost")?;
    line(&format!("measured: {costs}"));
    let advice = advise(&demand, &costs);
    for text in advice.explanation(&demand) {
        line(&text);
    }
    if args.check {
        check(args, &target, &demand, &advice)?;
    }
    target.close()
}

fn demand(args: &AdviseArgs) -> anyhow::Result<Demand> {
    let given = Demand {
        records_per_s: args.rate.unwrap_or_default(),
        record_bytes: args.record_bytes,
        partitions: args.partitions,
        producers: args.producers,
        is_keyed: args.keyed,
        p99_ms: args.p99_ms,
    };
    let Some(path) = &args.metrics else {
        return Ok(given);
    };
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(path).with_context(|| path.display().to_string())?
    };
    let found = metrics::read(&text)?;
    line(&format!("the producer: {found}"));
    Ok(Demand {
        records_per_s: found.records_per_s,
        record_bytes: found.record_bytes(),
        ..given
    })
}

/// The workload of an advice, without its settings.
fn workload(demand: &Demand, seconds: f64) -> Workload {
    Workload {
        name: "advice".to_owned(),
        partitions_per_topic: demand.partitions.into(),
        record_bytes: demand.record_bytes,
        producers: demand.producers,
        keys: if demand.is_keyed {
            Keys::Uniform
        } else {
            Keys::None
        },
        warm_up_s: seconds / 3.0,
        measured_s: seconds,
        ..Workload::default()
    }
}

/// Runs the advice.
fn check(
    args: &AdviseArgs,
    target: &Target,
    demand: &Demand,
    advice: &Advice,
) -> anyhow::Result<()> {
    let mut workload = workload(demand, args.seconds * 3.0);
    workload.load = Load::Rate(demand.records_per_s);
    for (name, value) in advice.settings() {
        workload.producer.insert(name.to_owned(), value);
    }
    let measured = run(
        target,
        &workload,
        0,
        Some(demand.records_per_s),
        &args.target,
        &mut |_| {},
    )?;
    let p99_ms = measured.latencies().response.ms(99.0);
    let batch_bytes = measured.batching.bytes_per_batch();
    let off = |predicted: f64, measured: f64| (predicted / measured - 1.0) * 100.0;
    line(&format!(
        "checked: p99 {p99_ms:.2} ms (predicted {:.2}, {:+.0} %), {batch_bytes:.0} bytes per batch \
         (predicted {:.0}, {:+.0} %) {:?}",
        advice.prediction.p99_ms,
        off(advice.prediction.p99_ms, p99_ms),
        advice.prediction.batch_bytes,
        off(advice.prediction.batch_bytes, batch_bytes),
        measured.flags(),
    ));
    Ok(())
}
