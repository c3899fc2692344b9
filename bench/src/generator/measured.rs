//! What one run of a load came to.

use std::collections::BTreeMap;

use ringbrook_client::producer::{ProducerCounters, SendReason};
use serde::Serialize;

use super::latency::Latencies;
use super::ledger::Verdict;
use super::recorder::Interval;
use super::target::Usage;
use super::workload::Workload;

/// A run whose rate falls below this share of what was wanted is no measurement of latency.
const ACHIEVED_SHARE_MIN: f64 = 0.99;
/// A run that is behind by no more has answers under way, not a growing queue, however short it is.
const BEHIND_S_MAX: f64 = 0.1;
/// Above this share of its cores the generator itself may be the limit.
const CLIENT_SHARE_MAX: f64 = 0.9;

/// A second of a run.
#[derive(Debug, Clone)]
pub(crate) struct Period {
    /// Its end, since the load began.
    pub(crate) at_s: f64,
    pub(crate) length_s: f64,
    pub(crate) interval: Interval,
    /// Records acknowledged and not read by the slowest group, if any group reads.
    pub(crate) backlog: u64,
    pub(crate) resident_bytes: Option<u64>,
}

/// What the producers did, by the accumulator's own counters.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Batching {
    pub(crate) batches: u64,
    pub(crate) requests: u64,
    pub(crate) records: u64,
    /// Before compression.
    pub(crate) bytes: u64,
    pub(crate) sent_bytes: u64,
    /// Batches by what made the producer send them.
    pub(crate) triggers: BTreeMap<&'static str, u64>,
    /// Sends that waited for memory.
    pub(crate) buffer_waits: u64,
    pub(crate) retries: u64,
    /// Of all batches, in sum.
    pub(crate) queue_time_s: f64,
}

impl Batching {
    /// What all producers did between two looks at their counters.
    pub(crate) fn between(before: &[ProducerCounters], after: &[ProducerCounters]) -> Self {
        let mut sum = Self::default();
        for (before, after) in before.iter().zip(after) {
            sum.batches += after.batches() - before.batches();
            sum.requests += after.requests - before.requests;
            sum.records += after.records_sent - before.records_sent;
            sum.bytes += after.bytes_uncompressed - before.bytes_uncompressed;
            sum.sent_bytes += after.bytes_sent - before.bytes_sent;
            sum.buffer_waits += after.buffer_waits - before.buffer_waits;
            sum.retries += after.batches_retried - before.batches_retried;
            let queued = after.queue_time_sum.saturating_sub(before.queue_time_sum);
            sum.queue_time_s += queued.as_secs_f64();
            for reason in SendReason::ALL {
                let count = after.batches_for(reason) - before.batches_for(reason);
                *sum.triggers.entry(reason.name()).or_default() += count;
            }
        }
        sum
    }

    pub(crate) fn bytes_per_batch(&self) -> f64 {
        share(self.bytes as f64, self.batches as f64)
    }

    pub(crate) fn records_per_batch(&self) -> f64 {
        share(self.records as f64, self.batches as f64)
    }

    /// Of all batches, those sent for this reason.
    pub(crate) fn trigger_share(&self, name: &str) -> f64 {
        let count = self.triggers.get(name).copied().unwrap_or_default();
        share(count as f64, self.batches as f64)
    }
}

/// Why figures of a run need care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Flag {
    /// The rate wanted was not reached: latencies are those of a growing queue.
    Overloaded,
    /// The generator had no CPU left: the broker may be able to do more.
    ClientBound,
    /// A closed loop: latencies are those of full buffers.
    Saturated,
    /// Records were lost, doubled, reordered or damaged.
    Incorrect,
    /// Some records could not be sent.
    Failures,
}

impl Flag {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::ClientBound => "client-bound",
            Self::Saturated => "saturated",
            Self::Incorrect => "INCORRECT",
            Self::Failures => "failures",
        }
    }
}

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) workload: Workload,
    pub(crate) repetition: u32,
    /// Records per second wanted; nothing in a closed loop.
    pub(crate) target_rate: Option<f64>,
    /// Seconds measured.
    pub(crate) elapsed_s: f64,
    pub(crate) periods: Vec<Period>,
    pub(crate) batching: Batching,
    /// Of the broker during the measured time: CPU seconds, and memory at its end.
    pub(crate) broker: Option<Usage>,
    /// Settings of the broker that are not its defaults, as it says itself, if it was started here.
    pub(crate) broker_settings: BTreeMap<String, String>,
    /// Memory of the broker with topics and connected clients, before the first record, if its
    /// process is known. A broker that had other topics before has more than these need.
    pub(crate) resident_idle: Option<u64>,
    pub(crate) client_cpu_s: f64,
    pub(crate) client_threads: u32,
    /// Times that the disk was told to flush its cache, if known.
    pub(crate) disk_flushes: Option<u64>,
    /// Of each group that read, or of the reading after the load.
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) failure: Option<String>,
}

impl Measured {
    /// All periods together.
    pub(crate) fn total(&self) -> Interval {
        let mut total = Interval::default();
        for period in &self.periods {
            total.merge(&period.interval);
        }
        total
    }

    pub(crate) fn latencies(&self) -> Latencies {
        self.total().latencies
    }

    pub(crate) fn records_per_s(&self) -> f64 {
        share(self.sum(|it| it.acknowledged), self.elapsed_s)
    }

    /// MB are 10^6 bytes of values.
    pub(crate) fn mb_per_s(&self) -> f64 {
        share(self.gb() * 1000.0, self.elapsed_s)
    }

    pub(crate) fn broker_cpu_s_per_gb(&self) -> Option<f64> {
        self.broker.map(|usage| share(usage.cpu_s, self.gb()))
    }

    pub(crate) fn client_cpu_s_per_gb(&self) -> f64 {
        share(self.client_cpu_s, self.gb())
    }

    /// Of all periods, without their histograms.
    fn sum(&self, count: impl Fn(&Interval) -> u64) -> f64 {
        let counts = self.periods.iter().map(|period| count(&period.interval));
        counts.sum::<u64>() as f64
    }

    /// 10^9 bytes of values acknowledged.
    fn gb(&self) -> f64 {
        self.sum(|it| it.acknowledged_bytes) / 1e9
    }

    /// Batches that one flush of the disk made durable, on average; nothing without flushes. Other
    /// users of the disk count too.
    pub(crate) fn batches_per_flush(&self) -> Option<f64> {
        let flushes = self.disk_flushes.filter(|it| 0 < *it)?;
        Some(self.batching.batches as f64 / flushes as f64)
    }

    pub(crate) fn flags(&self) -> Vec<Flag> {
        let is_overloaded = self.target_rate.is_some_and(|rate| {
            let achieved = self.records_per_s() / rate;
            achieved < ACHIEVED_SHARE_MIN && BEHIND_S_MAX < (1.0 - achieved) * self.elapsed_s
        });
        let client_share = share(
            self.client_cpu_s,
            self.elapsed_s * f64::from(self.client_threads),
        );
        let is_incorrect = self.verdicts.iter().any(|verdict| !verdict.is_clean());
        let flags = [
            (is_overloaded, Flag::Overloaded),
            (CLIENT_SHARE_MAX < client_share, Flag::ClientBound),
            (self.target_rate.is_none(), Flag::Saturated),
            (is_incorrect, Flag::Incorrect),
            (self.failure.is_some(), Flag::Failures),
        ];
        flags
            .into_iter()
            .filter_map(|(is_so, flag)| is_so.then_some(flag))
            .collect()
    }

    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.flags().contains(&flag)
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run of 10 s at `rate` of which `achieved` was reached, with `p99_ms`.
    pub(crate) fn measured(target_rate: Option<f64>, achieved: u64, p99_ms: u64) -> Measured {
        let mut interval = Interval {
            sent: achieved * 10,
            acknowledged: achieved * 10,
            acknowledged_bytes: achieved * 10 * 1000,
            ..Interval::default()
        };
        for _ in 0..100 {
            interval.latencies.response.record_ns(p99_ms * 1_000_000);
            interval.latencies.service.record_ns(500_000);
        }
        Measured {
            workload: Workload::default(),
            repetition: 0,
            target_rate,
            elapsed_s: 10.0,
            periods: vec![Period {
                at_s: 20.0,
                length_s: 10.0,
                interval,
                backlog: 0,
                resident_bytes: Some(1 << 20),
            }],
            batching: Batching::default(),
            broker: Some(Usage {
                cpu_s: 1.0,
                resident_bytes: 1 << 20,
            }),
            broker_settings: BTreeMap::new(),
            resident_idle: Some(1 << 20),
            client_cpu_s: 2.0,
            client_threads: 1,
            disk_flushes: Some(0),
            verdicts: vec![Verdict::default()],
            failure: None,
        }
    }

    #[test]
    fn a_run_that_falls_behind_is_overloaded() {
        assert!(measured(Some(1000.0), 985, 1).has(Flag::Overloaded));
        assert!(measured(Some(1000.0), 995, 1).flags().is_empty());
        assert_eq!(measured(None, 995, 1).flags(), [Flag::Saturated]);
    }

    #[test]
    fn a_short_run_whose_last_answers_are_under_way_is_not_overloaded() {
        let mut short = measured(Some(25_000.0), 1000, 1);
        short.client_cpu_s = 0.0;
        // 10,000 records came in that time: 0.05 and 0.2 s behind.
        short.elapsed_s = 0.45;
        assert!(short.flags().is_empty());
        short.elapsed_s = 0.6;
        assert_eq!(short.flags(), [Flag::Overloaded]);
    }

    #[test]
    fn costs_are_per_byte_acknowledged() {
        let measured = measured(Some(1000.0), 1000, 1);
        assert!((measured.mb_per_s() - 1.0).abs() < 1e-9);
        assert!((measured.broker_cpu_s_per_gb().expect("known") - 100.0).abs() < 1e-6);
    }

    #[test]
    fn batches_share_flushes_if_there_are_any() {
        let mut measured = measured(None, 1000, 1);
        measured.batching.batches = 100;
        assert_eq!(measured.batches_per_flush(), None);
        measured.disk_flushes = Some(25);
        assert!((measured.batches_per_flush().expect("flushes") - 4.0).abs() < 1e-9);
    }

    #[test]
    fn a_busy_client_and_a_lost_record_are_flagged() {
        let mut measured = measured(Some(1000.0), 1000, 1);
        measured.client_cpu_s = 9.5;
        measured.verdicts[0].lost = 1;
        assert_eq!(measured.flags(), [Flag::ClientBound, Flag::Incorrect]);
    }
}
