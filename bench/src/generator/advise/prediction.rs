//! What each linger.ms would come to, and which to take. Pure.

use std::fmt;

use super::super::keys::Keys;
use super::super::model;
use super::super::workload::Workload;
use super::costs::Costs;

/// The settings that are looked at.
const LINGER_MS: [u32; 9] = [0, 1, 2, 5, 10, 20, 30, 50, 100];
/// Above this share of its time a queue in front of a broker grows at every burst.
const UTILISATION_MAX: f64 = 0.6;
const BATCH_SIZE_MIN: f64 = 16_384.0;
const BATCH_SIZE_MAX: f64 = 1_048_576.0;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Demand {
    pub(super) records_per_s: f64,
    pub(super) record_bytes: usize,
    pub(super) partitions: u16,
    pub(super) producers: u32,
    pub(super) is_keyed: bool,
    pub(super) p99_ms: f64,
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

/// What a setting would come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prediction {
    pub(super) linger_ms: u32,
    pub(super) batch_size: u32,
    pub(super) batch_bytes: f64,
    pub(super) requests_per_s: f64,
    /// The share of its time that the broker works.
    pub(super) utilisation: f64,
    pub(super) p99_ms: f64,
}

/// The setting to take, and those looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Advice {
    pub(super) prediction: Prediction,
    all: Vec<Prediction>,
}

/// The shortest linger.ms that leaves the broker room and keeps the goal; if none keeps it, that
/// with the least p99.
pub(super) fn advise(demand: &Demand, costs: &Costs) -> Advice {
    let all = LINGER_MS.map(|linger_ms| predict(demand, costs, linger_ms));
    let is_good =
        |it: &&Prediction| it.utilisation <= UTILISATION_MAX && it.p99_ms <= demand.p99_ms;
    let by_p99 = |a: &&Prediction, b: &&Prediction| a.p99_ms.total_cmp(&b.p99_ms);
    let [first, ..] = &all;
    let chosen = all
        .iter()
        .find(is_good)
        .or_else(|| all.iter().min_by(by_p99));
    Advice {
        prediction: *chosen.unwrap_or(first),
        all: all.to_vec(),
    }
}

fn predict(demand: &Demand, costs: &Costs, linger_ms: u32) -> Prediction {
    let mut workload = Workload {
        record_bytes: demand.record_bytes,
        partitions_per_topic: demand.partitions.into(),
        producers: demand.producers,
        keys: if demand.is_keyed {
            Keys::Uniform
        } else {
            Keys::None
        },
        ..Workload::default()
    };
    workload
        .producer
        .insert("linger.ms".to_owned(), linger_ms.to_string());
    workload
        .producer
        .insert("batch.size".to_owned(), BATCH_SIZE_MAX.to_string());
    let gathered_bytes = model::expected_batch_bytes(&workload, demand.records_per_s);
    let batch_size = batch_size_for(gathered_bytes);
    workload
        .producer
        .insert("batch.size".to_owned(), batch_size.to_string());
    let batch_bytes = model::expected_batch_bytes(&workload, demand.records_per_s);
    let bytes_per_s = demand.records_per_s * model::record_bytes(&workload);
    let batches_per_s = bytes_per_s / batch_bytes;
    // A request takes the batches of all partitions along, each producer's apart.
    let batches_per_request = if demand.is_keyed && 0 < linger_ms {
        let gathered = demand.records_per_s * f64::from(linger_ms) / 1000.0;
        let gathered = 1.0 + gathered / f64::from(demand.producers);
        gathered.min(demand.partitions.into())
    } else {
        1.0
    };
    let requests_per_s = batches_per_s / batches_per_request;
    let utilisation = costs.utilisation(requests_per_s, batches_per_s, bytes_per_s);
    let queueing = if utilisation < 1.0 {
        1.0 / (1.0 - utilisation)
    } else {
        f64::INFINITY
    };
    // A batch that fills before its time does not wait for it.
    let partitions = if demand.is_keyed {
        f64::from(demand.partitions)
    } else {
        1.0
    };
    let bytes_per_ms = bytes_per_s / 1000.0 / f64::from(demand.producers) / partitions;
    let waited_ms = f64::from(linger_ms).min(f64::from(batch_size) / bytes_per_ms);
    Prediction {
        linger_ms,
        batch_size,
        batch_bytes,
        requests_per_s,
        utilisation,
        p99_ms: waited_ms + costs.idle_p99_ms * queueing,
    }
}

/// The power of two that holds twice what is gathered, so that bursts fit.
fn batch_size_for(gathered_bytes: f64) -> u32 {
    let wanted = (gathered_bytes * 2.0).clamp(BATCH_SIZE_MIN, BATCH_SIZE_MAX);
    let sizes = (14..=20).map(|bits| 1_u32 << bits);
    sizes
        .into_iter()
        .find(|size| wanted <= f64::from(*size))
        .unwrap_or(1 << 20)
}

impl Advice {
    /// The properties to set.
    pub(super) fn settings(&self) -> [(&'static str, String); 2] {
        let it = &self.prediction;
        [
            ("linger.ms", it.linger_ms.to_string()),
            ("batch.size", it.batch_size.to_string()),
        ]
    }

    /// The advice for people, with the table of what else was looked at.
    pub(super) fn explanation(&self, demand: &Demand) -> Vec<String> {
        let mut lines =
            vec!["linger.ms  batch.size  bytes/batch  requests/s  utilisation   p99 ms".to_owned()];
        for it in &self.all {
            let mark = if it.linger_ms == self.prediction.linger_ms {
                " <-"
            } else {
                ""
            };
            lines.push(format!(
                "{:>9}  {:>10}  {:>11.0}  {:>10.0}  {:>10.0} %  {:>7.2}{mark}",
                it.linger_ms,
                it.batch_size,
                it.batch_bytes,
                it.requests_per_s,
                it.utilisation * 100.0,
                it.p99_ms
            ));
        }
        lines.push(self.reason(demand));
        for (name, value) in self.settings() {
            lines.push(format!("{name}={value}"));
        }
        lines
    }

    fn reason(&self, demand: &Demand) -> String {
        let chosen = &self.prediction;
        let crowded = self
            .all
            .iter()
            .rev()
            .find(|it| it.linger_ms < chosen.linger_ms && UTILISATION_MAX < it.utilisation);
        if 1.0 <= chosen.utilisation {
            return "No setting makes this load fit: it needs more brokers, larger records, or \
                    fewer of them."
                .to_owned();
        }
        if demand.p99_ms < chosen.p99_ms {
            return format!(
                "No setting keeps p99 within {} ms; this one comes closest. Records alone take \
                 most of it, or the broker has too little room.",
                demand.p99_ms
            );
        }
        match crowded {
            Some(shorter) => format!(
                "linger.ms {} would keep the broker busy for {:.0} % of its time, so that queues \
                 grow; from {} on there is room.",
                shorter.linger_ms,
                shorter.utilisation * 100.0,
                chosen.linger_ms
            ),
            None => {
                "The broker has room for this load even when nothing waits: a longer linger.ms \
                     would only add itself to the latency."
                    .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs {
        request_s: 20e-6,
        batch_s: 4e-6,
        byte_s: 0.8e-9,
        idle_p50_ms: 0.2,
        idle_p99_ms: 0.5,
    };

    fn demand(records_per_s: f64) -> Demand {
        Demand {
            records_per_s,
            record_bytes: 100,
            partitions: 8,
            producers: 1,
            is_keyed: false,
            p99_ms: 20.0,
        }
    }

    #[test]
    fn a_slow_load_need_not_wait() {
        let advice = advise(&demand(1000.0), &COSTS);
        assert_eq!(advice.prediction.linger_ms, 0);
        assert!((advice.prediction.p99_ms - 0.5).abs() < 0.1, "{advice:?}");
        assert!(
            advice
                .explanation(&demand(1000.0))
                .join("\n")
                .contains("even when nothing waits")
        );
    }

    #[test]
    fn a_load_of_more_requests_than_fit_has_to_gather_them() {
        let advice = advise(&demand(200_000.0), &COSTS);
        assert!(0 < advice.prediction.linger_ms, "{advice:?}");
        assert!(advice.prediction.utilisation <= UTILISATION_MAX);
        let text = advice.explanation(&demand(200_000.0)).join("\n");
        assert!(text.contains("so that queues grow"), "{text}");
    }

    #[test]
    fn keys_need_a_longer_time_for_the_same_batches() {
        let keyless = advise(&demand(60_000.0), &COSTS).prediction;
        let keyed = Demand {
            is_keyed: true,
            partitions: 256,
            ..demand(60_000.0)
        };
        let keyed = advise(&keyed, &COSTS).prediction;
        assert!(keyed.batch_bytes < keyless.batch_bytes || keyless.linger_ms < keyed.linger_ms);
    }

    #[test]
    fn a_load_beyond_all_settings_is_said_to_be() {
        let demand = demand(1e9);
        let text = advise(&demand, &COSTS).explanation(&demand).join("\n");
        assert!(text.contains("more brokers"), "{text}");
    }

    #[test]
    fn batch_size_has_room_for_bursts() {
        assert_eq!(batch_size_for(1000.0), 16_384);
        assert_eq!(batch_size_for(20_000.0), 65_536);
        assert_eq!(batch_size_for(1e9), 1_048_576);
    }
}
