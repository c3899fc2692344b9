//! What is measured on one side in one round, row by row.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::fs::{OFlags, open};

use super::brokers::Broker;
use super::cells::{self, Cell, Pace, SHARE_PERCENT};
use super::comparison::Effort;
use super::others::Others;
use super::quantities::{CREATE_MS, IDLE, IDLE_PARTITIONS, RESIDENT_MIB, START_MS};
use super::results::Observation;
use super::sides::{Side, references};
use super::{LOADS, QUANTITIES, load};
use crate::admin::Admin;
use crate::client::Limit;
use crate::process::{now, resident_bytes, rest};
use crate::round::{Amounts, Quota};
use crate::scenario::{Batches, Load, Shape};

const MIB: f64 = 1024.0 * 1024.0;
/// How long a broker has nothing to do before its memory is measured.
const REST: Duration = Duration::from_secs(2);

/// Rows that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rows {
    /// Time to start, and memory of a broker that does nothing.
    Idle,
    /// The loads of `against`, as fast as possible.
    Raw,
    /// Latencies at half of the maximum of the broker compared with.
    Rates,
    /// Kafka's own performance tools.
    PerfTest,
    /// librdkafka.
    Librdkafka,
}

impl Rows {
    pub(crate) const ALL: [Self; 5] = [
        Self::Idle,
        Self::Raw,
        Self::Rates,
        Self::PerfTest,
        Self::Librdkafka,
    ];
}

/// Records per second at most, by whose and of what.
pub(crate) type Maxima = HashMap<(Side, Cell), f64>;

/// One side in one round.
pub(crate) struct Visit<'a> {
    pub(crate) round: u32,
    pub(crate) side: Side,
    /// All that take part.
    pub(crate) sides: &'a [Side],
    pub(crate) effort: &'a Effort,
    /// Where results stay.
    pub(crate) dir: &'a Path,
    pub(crate) kafka_lib: &'a Path,
    /// Told what is done next.
    pub(crate) say: &'a dyn Fn(&str),
}

impl Visit<'_> {
    /// A broker that has done nothing yet: how long it took to start, and its memory.
    ///
    /// # Errors
    /// It does not serve.
    pub(crate) fn idle(&self, broker: &Broker) -> anyhow::Result<Vec<Observation>> {
        (self.say)(IDLE);
        let partitions = self.effort.idle_partitions;
        let mut found = Vec::new();
        if let Some(started_in) = broker.started_in {
            found.push(self.observed(IDLE, START_MS, 1e3 * started_in.as_secs_f64()));
        }
        let resident = || anyhow::Ok(resident_bytes(broker.served.pid)? as f64 / MIB);
        rest(REST);
        found.push(self.observed(IDLE, RESIDENT_MIB, resident()?));
        let begin = now();
        let mut admin = Admin::connect(broker.served.address)?;
        admin.create_served(&format!("idle-{}", uuid::Uuid::new_v4()), partitions)?;
        let created_ms = 1e3 * begin.elapsed().as_secs_f64();
        found.push(self.observed(IDLE_PARTITIONS, CREATE_MS, created_ms));
        rest(REST);
        found.push(self.observed(IDLE_PARTITIONS, RESIDENT_MIB, resident()?));
        Ok(found)
    }

    /// One of the loads of `against`. Loads of a kind that came before need less of a warm-up.
    ///
    /// # Errors
    /// The broker or its client failed, or records miss.
    pub(crate) fn raw(
        &self,
        broker: &Broker,
        (name, shape): (&str, Shape),
    ) -> anyhow::Result<Vec<Observation>> {
        (self.say)(name);
        self.settle()?;
        let kind = LOADS.iter().find(|(_, other)| is_like(&shape, other));
        let is_first = kind.is_some_and(|(first, _)| *first == name);
        let warm_up_s = self.warm_up_s() * if is_first { 1.0 } else { 0.25 };
        let effort = self.effort;
        let quota = |seconds: f64, produced_bytes| Quota {
            limit: Limit {
                duration: Duration::from_secs_f64(seconds),
                requests: u64::MAX,
            },
            produced_bytes,
        };
        let amounts = Amounts {
            partitions: effort.partitions,
            warm_up: quota(warm_up_s, 2 * effort.produced_bytes),
            load: quota(effort.raw_s, effort.produced_bytes),
            fetched_partition_bytes: effort.fetched_partition_bytes,
        };
        let (sample, _) = load(broker.served, &amounts, name, &shape)?;
        let observed = QUANTITIES.map(|(quantity, of)| self.observed(name, quantity, of(&sample)));
        Ok(observed.into())
    }

    /// A cell at half of the maxima of those that this side is compared with. What is not known of
    /// this side's own maximum is found first.
    ///
    /// # Errors
    /// A load failed, or a maximum is not known.
    pub(crate) fn rates(
        &self,
        broker: &Broker,
        cell: Cell,
        maxima: &mut Maxima,
    ) -> anyhow::Result<Vec<Observation>> {
        let mut found = Vec::new();
        for reference in references(self.side, self.sides) {
            let key = (reference, cell.maximum_of());
            if reference == self.side && !maxima.contains_key(&key) {
                maxima.insert(key, self.maximum(broker, cell.maximum_of())?);
            }
            let maximum = maxima.get(&key);
            let maximum = maximum.with_context(|| format!("no maximum of {}", reference.name()))?;
            let row = format!("{} {SHARE_PERCENT} % of {}", cell.name(), reference.name());
            (self.say)(&row);
            self.settle()?;
            let pace = Pace {
                records_per_s: Some((maximum * SHARE_PERCENT / 100.0).ceil()),
                warm_up_s: self.effort.rate_warm_up_s,
                measured_s: self.effort.rate_s,
            };
            let outcome = self.cell(broker, cell, pace, &row)?;
            for (quantity, value) in outcome.values {
                let flags = outcome.flags.clone();
                found.push(Observation {
                    flags,
                    ..self.observed(&row, quantity, value)
                });
            }
        }
        Ok(found)
    }

    fn maximum(&self, broker: &Broker, cell: Cell) -> anyhow::Result<f64> {
        let row = format!("{:?} as fast as possible", cell);
        (self.say)(&row);
        let pace = Pace {
            records_per_s: None,
            warm_up_s: self.warm_up_s() / 2.0,
            measured_s: self.effort.raw_s,
        };
        let maximum = self.cell(broker, cell, pace, &row)?.records_per_s;
        ensure!(0.0 < maximum, "{row}: nothing was acknowledged");
        Ok(maximum)
    }

    fn cell(
        &self,
        broker: &Broker,
        cell: Cell,
        pace: Pace,
        row: &str,
    ) -> anyhow::Result<cells::Outcome> {
        let name = format!("{}-{}-{row}", self.side.name(), self.round);
        let name = name.replace([' ', '%'], "-");
        let out: PathBuf = self.dir.join("loads").join(name);
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        cells::run(cell, pace, broker.served, self.effort.client_cpu, &out)
    }

    /// Clients that are not ours.
    ///
    /// # Errors
    /// One failed.
    pub(crate) fn others(&self, broker: &Broker, rows: Rows) -> anyhow::Result<Vec<Observation>> {
        (self.say)(if rows == Rows::PerfTest {
            "kafka-producer-perf-test, kafka-consumer-perf-test"
        } else {
            "librdkafka"
        });
        self.settle()?;
        let others = Others {
            kafka_lib: self.kafka_lib,
            records: self.effort.other_records,
            partitions: self.effort.partitions,
        };
        let figures = if rows == Rows::PerfTest {
            others.perf_tests(broker.served)?
        } else {
            others.librdkafka(broker.served)?
        };
        let figures = figures.into_iter();
        Ok(figures
            .map(|(row, quantity, value)| self.observed(row, quantity, value))
            .collect())
    }

    fn warm_up_s(&self) -> f64 {
        if self.side.warms_up_slowly() {
            self.effort.warm_up_s
        } else {
            self.effort.warm_up_s.min(Effort::NATIVE_WARM_UP_S)
        }
    }

    /// Has everything written that others left to be written, so that nobody pays for them.
    fn settle(&self) -> anyhow::Result<()> {
        let dir = open(self.dir, OFlags::RDONLY, rustix::fs::Mode::empty())?;
        Ok(rustix::fs::syncfs(dir)?)
    }

    fn observed(&self, row: &str, quantity: &str, value: f64) -> Observation {
        Observation {
            round: self.round,
            side: self.side,
            row: row.to_owned(),
            quantity: quantity.to_owned(),
            value,
            flags: String::new(),
        }
    }
}

/// Whether what warms a broker up for one load does so for another.
fn is_like(one: &Shape, other: &Shape) -> bool {
    matches!(
        (one.load, other.load),
        (
            Load::Produce(Batches::Filled(_)),
            Load::Produce(Batches::Filled(_))
        ) | (
            Load::Produce(Batches::OneRecord),
            Load::Produce(Batches::OneRecord)
        ) | (Load::Fetch { .. }, Load::Fetch { .. })
    )
}
