//! Recommends linger.ms and batch.size for a load, with the reason: fits what requests, batches and
//! bytes cost client and broker to a short calibration or to a study, predicts what every setting
//! would come to, and takes the cheapest that keeps the goal. With `--check` the advice is run and
//! compared with the prediction; with `--study` and no rate, predictions are compared with all
//! cells of a study.

mod calibration;
mod check;
mod costs;
mod metrics;
mod prediction;
mod recommendation;
mod regret;
mod study_check;

use std::fmt;
use std::io::BufRead;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;

use self::calibration::calibrate;
use self::costs::Costs;
use self::metrics::{ProducerMetrics, Watch};
use self::prediction::{Prediction, predict};
use self::recommendation::{Recommendation, recommend, table};
use super::TargetArgs;
use super::keys::Keys;
use super::observed;
use super::run::run;
use super::target::Target;
use super::workload::{Load, Workload};
use crate::report::line;

/// The settings that are looked at.
const LINGER_MS: [u32; 9] = [0, 1, 2, 5, 10, 20, 30, 50, 100];
const BATCH_SIZES: [u32; 7] = [16_384, 32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576];

/// What is wanted.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdviseArgs {
    /// Records per second of all producers together
    #[arg(long, required_unless_present_any = ["metrics", "study"])]
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
    /// Watch a producer at work: take rate and record size from what its `--print-metrics` prints,
    /// or from the table that Kafka's JmxTool prints of any Java client, and advise anew when the
    /// advice changes; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "record_bytes"])]
    metrics: Option<PathBuf>,
    /// Directory of results of a study: take costs from it instead of measuring them; without a
    /// rate, compare predictions with all of its cells and write advice.md into it
    #[arg(long, value_name = "DIR")]
    study: Option<PathBuf>,
    /// Run the advice for some seconds, and say how far the prediction was off
    #[arg(long)]
    check: bool,
    /// Seconds of each of the five measurements; a check takes three times as long
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[command(flatten)]
    target: TargetArgs,
}

/// Measures or reads, predicts, and prints the advice.
///
/// # Errors
/// The broker or a client failed, or the metrics or the study cannot be read.
pub(crate) fn command(args: &AdviseArgs) -> anyhow::Result<()> {
    if let Some(dir) = &args.study
        && args.rate.is_none()
        && args.metrics.is_none()
    {
        return study_check::write(dir);
    }
    let target = match (&args.study, args.check) {
        (Some(_), false) => None,
        _ => Some(Target::open(&args.target)?),
    };
    let mut adviser = Adviser {
        args,
        target,
        costs: None,
        last: None,
    };
    match &args.metrics {
        None => adviser.advise(&demand(args))?,
        Some(path) if path.as_os_str() == "-" => adviser.watch(std::io::stdin().lock())?,
        Some(path) => {
            let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
            adviser.watch(std::io::BufReader::new(file))?;
        }
    }
    adviser.target.map_or(Ok(()), Target::close)
}

/// Advises once, or each time that a producer says something which changes the advice.
struct Adviser<'a> {
    args: &'a AdviseArgs,
    /// Nothing when costs come from a study and nothing is checked.
    target: Option<Target>,
    /// Once they are known.
    costs: Option<Costs>,
    /// The settings that were recommended last.
    last: Option<[(&'static str, String); 2]>,
}

impl Adviser<'_> {
    /// Follows metrics until they end.
    fn watch(&mut self, lines: impl BufRead) -> anyhow::Result<()> {
        let mut watch = Watch::default();
        let mut has_any = false;
        for text in lines.lines() {
            if let Some(found) = watch.line(&text?) {
                has_any = true;
                self.hear(&found)?;
            }
        }
        match watch.end() {
            Ok(found) => self.hear(&found),
            Err(name) => {
                ensure!(has_any, "there is no line of producer-metrics:{name}");
                Ok(())
            }
        }
    }

    fn hear(&mut self, found: &ProducerMetrics) -> anyhow::Result<()> {
        if !found.is_sending() {
            return Ok(());
        }
        line(&format!("the producer: {found}"));
        self.advise(&Demand {
            records_per_s: found.records_per_s,
            record_bytes: found.record_bytes(),
            ..demand(self.args)
        })
    }

    fn advise(&mut self, demand: &Demand) -> anyhow::Result<()> {
        let costs = match self.costs {
            Some(costs) => costs,
            None => self.find_costs(demand)?,
        };
        let all = candidates(demand, &costs);
        let chosen = recommend(&all, demand.p99_ms).context("there are settings to choose from")?;
        if self.last.replace(chosen.settings()).as_ref() == Some(&chosen.settings()) {
            return Ok(());
        }
        line(&format!("wanted: {demand}"));
        for text in table(&all, &chosen.prediction) {
            line(&text);
        }
        line(&chosen.reason(&all, demand.p99_ms));
        for (name, value) in chosen.settings() {
            line(&format!("{name}={value}"));
        }
        match &self.target {
            Some(target) if self.args.check => check(self.args, target, demand, &chosen),
            _ => Ok(()),
        }
    }

    fn find_costs(&mut self, demand: &Demand) -> anyhow::Result<Costs> {
        let costs = match (&self.args.study, &self.target) {
            (None, Some(target)) => {
                let base = demand.workload(self.args.seconds);
                calibrate(target, &base, demand.records_per_s, &self.args.target)
                    .context("measuring what requests cost")?
            }
            (study, _) => from_study(study.as_deref())?,
        };
        line(&format!("measured: {costs}"));
        self.costs = Some(costs);
        Ok(costs)
    }
}

fn from_study(dir: Option<&std::path::Path>) -> anyhow::Result<Costs> {
    let dir = dir.context("a study or a broker")?;
    let cells = observed::read(dir)?;
    let costs = Costs::fit(&cells.iter().collect::<Vec<_>>());
    costs.context("the study has no open loop that was sustained")
}

/// The load that settings are wanted for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Demand {
    records_per_s: f64,
    record_bytes: usize,
    partitions: u16,
    producers: u32,
    is_keyed: bool,
    p99_ms: f64,
}

/// What the command line says; rate and record size may come from metrics instead.
fn demand(args: &AdviseArgs) -> Demand {
    Demand {
        records_per_s: args.rate.unwrap_or_default(),
        record_bytes: args.record_bytes,
        partitions: args.partitions,
        producers: args.producers,
        is_keyed: args.keyed,
        p99_ms: args.p99_ms,
    }
}

impl Demand {
    /// As a workload, without its settings.
    fn workload(&self, seconds: f64) -> Workload {
        Workload {
            name: "advice".to_owned(),
            partitions_per_topic: self.partitions.into(),
            record_bytes: self.record_bytes,
            producers: self.producers,
            keys: if self.is_keyed {
                Keys::Uniform
            } else {
                Keys::None
            },
            warm_up_s: seconds / 3.0,
            measured_s: seconds,
            ..Workload::default()
        }
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = if self.is_keyed { "with" } else { "without" };
        write!(
            f,
            "{:.0} records/s of {} bytes {keys} keys from {} producers to {} partitions, p99 \
             within {} ms",
            self.records_per_s, self.record_bytes, self.producers, self.partitions, self.p99_ms
        )
    }
}

/// What every setting would come to, by linger.ms, then batch.size.
fn candidates(demand: &Demand, costs: &Costs) -> Vec<Prediction> {
    let mut all = Vec::new();
    for linger_ms in LINGER_MS {
        for batch_size in BATCH_SIZES {
            let mut workload = demand.workload(1.0);
            let settings = [
                ("linger.ms", linger_ms.to_string()),
                ("batch.size", batch_size.to_string()),
            ];
            for (name, value) in settings {
                workload.producer.insert(name.to_owned(), value);
            }
            all.push(predict(&workload, demand.records_per_s, costs));
        }
    }
    all
}

/// Runs the advice.
fn check(
    args: &AdviseArgs,
    target: &Target,
    demand: &Demand,
    chosen: &Recommendation,
) -> anyhow::Result<()> {
    let mut workload = demand.workload(args.seconds * 3.0);
    workload.load = Load::Rate(demand.records_per_s);
    for (name, value) in chosen.settings() {
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
    let prediction = &chosen.prediction;
    line(&format!(
        "checked: p99 {p99_ms:.2} ms (predicted {:.2}, {:+.0} %), {batch_bytes:.0} bytes per batch \
         (predicted {:.0}, {:+.0} %) {:?}",
        prediction.p99_ms,
        off(prediction.p99_ms, p99_ms),
        prediction.batch_bytes,
        off(prediction.batch_bytes, batch_bytes),
        measured.flags(),
    ));
    Ok(())
}

#[cfg(test)]
mod tests;
