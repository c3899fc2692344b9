//! One run of a load: topics are made, clients started, warmed up, measured and ended, and every
//! record is looked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

use super::TargetArgs;
use super::consuming::{self, Reader};
use super::crew::{Crew, Plan};
use super::disk;
use super::ledger::{Acknowledged, Verdict};
use super::measured::{Batching, Measured, Period};
use super::recorder::GroupRecords;
use super::target::{Target, Usage};
use super::workload::Workload;
use crate::process::{self, now};

/// Joining groups and connecting takes no longer.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// Kafka's `delivery.timeout.ms`, and a little.
const ANSWERS_LIMIT: Duration = Duration::from_secs(150);
/// Groups that get nothing for so long will not get more.
const SILENCE: Duration = Duration::from_secs(10);
const PERIOD: Duration = Duration::from_secs(1);

/// Runs `workload`, which has no sweep, once. `records_per_s` is of all producers together; closed
/// loop without. `on_period` is told of every second measured.
///
/// # Errors
/// The broker or a client failed. That records are lost is no error but a verdict.
pub(crate) fn run(
    target: &Target,
    workload: &Workload,
    repetition: u32,
    records_per_s: Option<f64>,
    args: &TargetArgs,
    on_period: &mut dyn FnMut(&Period),
) -> anyhow::Result<Measured> {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let names = (0..workload.topics).map(|it| format!("load-{}-{it}", &unique[..12]));
    let names: Vec<_> = names.collect();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let broker_settings = runtime.block_on(target.settings())?;
    runtime.block_on(target.create_topics(&names, workload))?;
    let measured = Run {
        target,
        workload,
        repetition,
        records_per_s,
        args,
        topics: names.iter().map(|it| it.as_str().into()).collect(),
        runtime: &runtime,
        broker_settings,
    };
    // After a failure the topics stay, for whoever wants to know why.
    let measured = measured.run(on_period)?;
    if !args.keep_topics {
        runtime.block_on(target.delete_topics(&names))?;
    }
    Ok(measured)
}

struct Run<'a> {
    target: &'a Target,
    workload: &'a Workload,
    repetition: u32,
    records_per_s: Option<f64>,
    args: &'a TargetArgs,
    topics: Vec<Arc<str>>,
    runtime: &'a Runtime,
    broker_settings: BTreeMap<String, String>,
}

/// What is known at a moment, to be compared with a later one.
struct Moment {
    at: Instant,
    broker: Option<Usage>,
    client_cpu_s: f64,
    flushes: Option<u64>,
}

impl Run<'_> {
    fn run(&self, on_period: &mut dyn FnMut(&Period)) -> anyhow::Result<Measured> {
        let warm_up = Duration::from_secs_f64(self.workload.warm_up_s);
        let measured = Duration::from_secs_f64(self.workload.measured_s);
        let mut crew = Crew::start(Plan {
            bootstrap: self.target.bootstrap.clone(),
            workload: self.workload.clone(),
            topics: self.topics.clone(),
            group_prefix: self
                .topics
                .first()
                .map_or_else(String::new, |it| it.to_string()),
            records_per_s: self.records_per_s,
            duration: warm_up + measured,
            threads_count: self.args.client_threads,
            cpu: self.args.client_cpu,
        })?;
        crew.wait_ready(READY_LIMIT)?;
        let resident_idle = self.target.usage()?.map(|usage| usage.resident_bytes);
        let epoch = crew.begin();
        crew.wait_for_time(epoch + warm_up)?;
        let mut totals = Totals::default();
        totals.add(&crew.take_interval());
        let counters = crew.counters();
        let before = self.moment()?;
        let mut periods: Vec<Period> = Vec::new();
        let (mut last, end) = (before.at, before.at + measured);
        while last < end {
            crew.wait_for_time((last + PERIOD).min(end))?;
            let interval = crew.take_interval();
            let at = now();
            totals.add(&interval);
            let period = Period {
                at_s: at.duration_since(epoch).as_secs_f64(),
                length_s: at.duration_since(last).as_secs_f64(),
                interval,
                backlog: totals.backlog(self.workload.consumer_groups),
                resident_bytes: self.target.usage()?.map(|usage| usage.resident_bytes),
            };
            on_period(&period);
            periods.push(period);
            last = at;
        }
        let after = self.moment()?;
        let batching = Batching::between(&counters, &crew.counters());
        let recorders = crew.recorders().to_vec();
        let verdicts = self.end(crew)?;
        let failure = recorders.iter().find_map(|it| it.failure());
        let since = |before: u64, after: u64| after.saturating_sub(before);
        Ok(Measured {
            workload: self.workload.clone(),
            repetition: self.repetition,
            target_rate: self.records_per_s,
            elapsed_s: after.at.duration_since(before.at).as_secs_f64(),
            periods,
            batching,
            broker: before
                .broker
                .zip(after.broker)
                .map(|(before, after)| Usage {
                    cpu_s: after.cpu_s - before.cpu_s,
                    resident_bytes: after.resident_bytes,
                }),
            broker_settings: self.broker_settings.clone(),
            resident_idle,
            client_cpu_s: after.client_cpu_s - before.client_cpu_s,
            client_threads: self.args.client_threads,
            disk_flushes: before.flushes.zip(after.flushes).map(|(b, a)| since(b, a)),
            verdicts,
            failure,
        })
    }

    fn moment(&self) -> anyhow::Result<Moment> {
        Ok(Moment {
            at: now(),
            broker: self.target.usage()?,
            client_cpu_s: process::cpu_seconds("self")?,
            flushes: disk::flushes(&self.args.dir),
        })
    }

    /// Waits for the last answers and readers, and compares.
    fn end(&self, mut crew: Crew) -> anyhow::Result<Vec<Verdict>> {
        crew.wait_for_producers(ANSWERS_LIMIT)?;
        let mut acknowledged = Acknowledged::default();
        for recorder in crew.recorders() {
            acknowledged.merge(recorder.take_acknowledged());
        }
        let mut groups: Vec<_> = crew.groups().collect();
        crew.wait_for_groups(acknowledged.count(), SILENCE)?;
        let recorder = crew
            .recorders()
            .first()
            .cloned()
            .context("a thread at least")?;
        let topics = crew.indexes();
        crew.end()?;
        if !self.workload.is_verified() {
            return Ok(Vec::new());
        }
        if groups.is_empty() {
            let records = GroupRecords::default();
            let reader = Reader {
                topics,
                records: records.clone(),
                recorder,
            };
            let read =
                consuming::read_back(&self.target.bootstrap, self.workload, &self.topics, &reader);
            self.runtime.block_on(read)?;
            groups.push(records);
        }
        Ok(groups
            .iter()
            .map(|it| it.lock().verdict(&acknowledged))
            .collect())
    }
}

/// Since the load began.
#[derive(Default)]
struct Totals {
    acknowledged: u64,
    read: u64,
}

impl Totals {
    fn add(&mut self, interval: &super::recorder::Interval) {
        self.acknowledged += interval.acknowledged;
        self.read += interval.read;
    }

    /// Records that groups have still to read, on average.
    fn backlog(&self, groups: u32) -> u64 {
        let read = self.read.checked_div(groups.into());
        read.map_or(0, |read| self.acknowledged.saturating_sub(read))
    }
}
