//! A whole command: every cell of a workload, as often as it says, then the report.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};

use super::LoadArgs;
use super::disk;
use super::environment;
use super::find_max::FindMax;
use super::measured::{Flag, Measured, Period};
use super::report::{self, Study};
use super::run::run;
use super::target::Target;
use super::workload::{Load, Sweep, Verify, Workload, cells, with_field};
use crate::report::line;

/// Seconds of each try while a maximum is looked for, as long as the OpenMessaging benchmark tries.
const TRY_S: f64 = 3.0;
const TRY_WARM_UP_S: f64 = 1.0;

/// Runs a load and reports.
///
/// # Errors
/// The workload is not valid, the broker or a client failed, or records were lost.
pub(crate) fn load(args: &LoadArgs) -> anyhow::Result<()> {
    let workload = workload(args)?;
    let cells = cells(&workload)?;
    if args.dry_run {
        for cell in &cells {
            line(&format!(
                "{}: {} s",
                cell.name,
                cell.warm_up_s + cell.measured_s
            ));
        }
        return Ok(());
    }
    check_target(args, &cells)?;
    let environment = environment::describe(&args.target);
    let disk = disk::baseline(&args.target.dir).context("the baseline of the disk")?;
    let target = Target::open(&args.target)?;
    let mut running = Running {
        args,
        base: &workload,
        target: Some(target),
        maxima: HashMap::new(),
        progress: progress(&cells, workload.repetitions)?,
    };
    let mut measured = running.all(&cells)?;
    running.progress.finish_and_clear();
    let target = running.target.take().context("a run leaves its broker")?;
    let mut description = target.description(&args.target);
    if cells.iter().any(|cell| !cell.broker.is_empty()) {
        description.push_str(" and the settings of each cell");
    }
    target.close()?;
    measured
        .sort_by(|a, b| (&a.workload.name, a.repetition).cmp(&(&b.workload.name, b.repetition)));
    let study = Study {
        name: workload.name.clone(),
        environment,
        disk,
        target: description,
        measured,
    };
    let dir = results_dir(args, &workload)?;
    report::write(&study, &dir)?;
    line(&format!("results: {}", dir.display()));
    let incorrect = study.measured.iter().find(|it| it.has(Flag::Incorrect));
    let verdicts = incorrect.map(|it| format!("{}: {:?}", it.workload.name, it.verdicts));
    ensure!(
        verdicts.is_none(),
        "records are not as they were sent: {verdicts:?}"
    );
    Ok(())
}

/// Whether the cells can be run on the broker that `args` names.
///
/// # Errors
/// They need one that is started for them.
fn check_target(args: &LoadArgs, cells: &[Workload]) -> anyhow::Result<()> {
    let Some(bootstrap) = &args.target.bootstrap_server else {
        return Ok(());
    };
    match cells.iter().find(|cell| cell.needs_own_broker()) {
        None => Ok(()),
        Some(cell) => bail!(
            "{}: settings of the broker (broker.NAME) and fresh_broker are for a broker that is \
             started for the run; {bootstrap} runs already: leave out --bootstrap-server, or set \
             them there by hand",
            cell.name
        ),
    }
}

/// The workload with what the command line changes.
fn workload(args: &LoadArgs) -> anyhow::Result<Workload> {
    let mut workload = Workload::open(&args.workload)?;
    for setting in &args.settings {
        let (name, value) = setting
            .split_once('=')
            .with_context(|| format!("--set {setting}: give FIELD=VALUE"))?;
        let value = value.parse::<toml::Value>();
        let value = value.unwrap_or_else(|_| setting[name.len() + 1..].into());
        workload = with_field(&workload, name, &value)?;
    }
    if let Some(load) = args.load {
        workload.load = load;
        workload.sweep.remove("load");
        workload.axes.remove("load");
    }
    workload.check()?;
    Ok(workload)
}

/// A bar for people; nothing when nobody looks.
fn progress(cells: &[Workload], repetitions: u32) -> anyhow::Result<ProgressBar> {
    let runs = u64::try_from(cells.len())? * u64::from(repetitions);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {eta} left  {msg}")?;
    Ok(ProgressBar::new(runs).with_style(style))
}

fn results_dir(args: &LoadArgs, workload: &Workload) -> anyhow::Result<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "directories are named for the time of the run"
    )]
    let now = SystemTime::now();
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    Ok(args.out.join(format!("{}-{seconds}", workload.name)))
}

/// The workload as it is before anything varies.
fn without_sweeps(workload: &Workload) -> Workload {
    Workload {
        sweep: Sweep::new(),
        axes: Sweep::new(),
        variants: Vec::new(),
        ..workload.clone()
    }
}

struct Running<'a> {
    args: &'a LoadArgs,
    /// With the settings that maxima are those of.
    base: &'a Workload,
    /// With the settings of the last run.
    target: Option<Target>,
    /// Records per second of closed loops, by what a maximum depends on.
    maxima: HashMap<String, f64>,
    progress: ProgressBar,
}

impl Running<'_> {
    /// Every cell `repetitions` times, in an order that spreads what changes with time over all.
    fn all(&mut self, cells: &[Workload]) -> anyhow::Result<Vec<Measured>> {
        let runs = cells
            .iter()
            .flat_map(|cell| (0..cell.repetitions).map(move |it| (cell, it)));
        let mut runs: Vec<_> = runs.collect();
        Rng::with_seed(self.base.seed).shuffle(&mut runs);
        let mut measured = Vec::new();
        for (cell, repetition) in runs {
            self.progress.set_message(cell.name.clone());
            let rate = self
                .rate(cell)
                .with_context(|| format!("the maximum of {}", cell.name))?;
            let run = self.one(cell, repetition, rate)?;
            self.say(&run);
            measured.push(run);
            self.progress.inc(1);
        }
        Ok(measured)
    }

    fn one(
        &mut self,
        cell: &Workload,
        repetition: u32,
        rate: Option<f64>,
    ) -> anyhow::Result<Measured> {
        let target = self.target.take().context("the last broker failed")?;
        let target = target.for_workload(&self.args.target, cell)?;
        let target = self.target.insert(target);
        let progress = &self.progress;
        let mut on_period = |period: &Period| {
            let rate = period.interval.acknowledged as f64 / period.length_s;
            let p99 = period.interval.latencies.response.ms(99.0);
            progress.set_message(format!(
                "{}: {rate:.0} records/s, p99 {p99:.1} ms",
                cell.name
            ));
        };
        run(
            target,
            cell,
            repetition,
            rate,
            &self.args.target,
            &mut on_period,
        )
        .with_context(|| format!("the run {}", cell.name))
    }

    fn say(&self, run: &Measured) {
        let flags: Vec<_> = run.flags().into_iter().map(Flag::name).collect();
        let text = format!(
            "{} {}\n    {}",
            run.workload.name,
            flags.join(" "),
            report::summary_line(run)
        );
        self.progress.suspend(|| line(&text));
    }

    /// Records per second of a cell; nothing in a closed loop.
    fn rate(&mut self, cell: &Workload) -> anyhow::Result<Option<f64>> {
        Ok(match cell.load {
            Load::Rate(rate) => Some(rate),
            Load::Max => None,
            Load::PercentOfMax(percent) => Some(self.maximum(cell)? * percent / 100.0),
            Load::FindMax => Some(self.find_max(cell)?),
        })
    }

    /// What a closed loop reaches with the settings of the base: the same for all cells that differ
    /// in batching and load only, or for all if the workload says so.
    fn maximum(&mut self, cell: &Workload) -> anyhow::Result<f64> {
        let mut closed = if cell.shares_of_base {
            without_sweeps(self.base)
        } else {
            cell.clone()
        };
        closed.load = Load::Max;
        for name in ["linger.ms", "batch.size"] {
            match self.base.producer.get(name) {
                Some(value) => drop(closed.producer.insert(name.to_owned(), value.clone())),
                None => drop(closed.producer.remove(name)),
            }
        }
        closed.verify = Verify::Off;
        closed.repetitions = 1;
        closed.warm_up_s = TRY_WARM_UP_S;
        closed.measured_s = TRY_S;
        closed.name = "looking for the maximum".to_owned();
        let key = format!("{closed:?}");
        if let Some(rate) = self.maxima.get(&key) {
            return Ok(*rate);
        }
        let mut rates = Vec::new();
        for _ in 0..3 {
            rates.push(self.one(&closed, 0, None)?.records_per_s());
        }
        rates.sort_by(f64::total_cmp);
        let rate = rates
            .get(1)
            .copied()
            .context("three runs have a middle one")?;
        // Sending on time costs the generator more than sending when there is room: shares of what
        // it cannot reach would measure nothing but itself.
        closed.load = Load::Rate(rate);
        let rate = rate.min(self.one(&closed, 0, Some(rate))?.records_per_s());
        self.progress
            .suspend(|| line(&format!("maximum for {}: {rate:.0} records/s", cell.name)));
        self.maxima.insert(key, rate);
        Ok(rate)
    }

    /// The greatest rate whose latencies stay within the limit of the workload.
    fn find_max(&mut self, cell: &Workload) -> anyhow::Result<f64> {
        let mut attempt = cell.clone();
        attempt.verify = Verify::Off;
        attempt.warm_up_s = TRY_WARM_UP_S;
        attempt.measured_s = TRY_S;
        let mut search = FindMax::new();
        loop {
            let tried = self.one(&attempt, 0, Some(search.rate()))?;
            let p99 = tried.latencies().response.ms(99.0);
            let is_sustained = !tried.has(Flag::Overloaded) && p99 <= cell.p99_limit_ms;
            let verdict = if is_sustained {
                "sustained"
            } else {
                "too much"
            };
            let text = format!("{:.0} records/s, p99 {p99:.1} ms: {verdict}", search.rate());
            self.progress.suspend(|| line(&text));
            if !search.observe(is_sustained) {
                break;
            }
        }
        let limit = cell.p99_limit_ms;
        search
            .found()
            .with_context(|| format!("no rate keeps p99 within {limit} ms"))
    }
}
