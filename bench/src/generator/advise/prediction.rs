//! What a load comes to with certain settings: batches, requests, how busy client and broker are,
//! and latency. Pure.
//!
//! Records gather for `linger.ms` or until a batch is full (`model`). Requests that would keep
//! client or broker busy all the time, or that find all places in flight taken, wait, so that more
//! records gather for them: batching by itself, which is why linger.ms 0 need not overload a
//! broker. What gathers is limited by the largest request; beyond that the load is too much.
//! Latency is the wait in the batch, plus the time of a request, plus waiting for what is busy.

use super::super::model::{Batching, normal_quantile, record_bytes};
use super::super::workload::Workload;
use super::costs::{Costs, Flow, PACED_PER_S, Work};

/// Natural batching leaves the busier side so much to do.
const BUSY_MAX: f64 = 0.95;
/// Kafka's default of `max.in.flight.requests.per.connection`.
const IN_FLIGHT_MAX: f64 = 5.0;
/// Points at which the distribution of latencies is looked at.
const POINTS: u32 = 500;

/// What a setting would come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prediction {
    pub(super) linger_ms: f64,
    pub(super) batch_size: f64,
    pub(super) batch_bytes: f64,
    pub(super) requests_per_s: f64,
    /// The busier of client and broker, as a share of what it can do.
    pub(super) utilisation: f64,
    /// Of both.
    pub(super) cores: f64,
    pub(super) is_broker_busier: bool,
    /// More than linger.ms or full batches made records gather.
    pub(super) is_crowded: bool,
    pub(super) is_overloaded: bool,
    /// Of response times.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Predicts `workload`, with its settings, at `records_per_s` of all producers together.
pub(super) fn predict(workload: &Workload, records_per_s: f64, costs: &Costs) -> Prediction {
    let load = Loaded {
        workload,
        records_per_s,
        costs,
        batching: Batching::of(workload),
    };
    let alone = load.batching.gathered(load.records_per_ms());
    let records = load.records_per_request(alone.records);
    let flow = load.flow(records);
    let busy = load.busy(&flow);
    let is_overloaded = 1.0 < busy.most();
    let is_crowded = alone.records * 1.01 < records;
    let wait_ms = if is_crowded {
        records / load.records_per_ms()
    } else {
        alone.wait_ms
    };
    let parts = Parts {
        // Timers count milliseconds, and a batch waits for the next.
        wait_ms: (
            wait_ms,
            if is_crowded || alone.is_full || wait_ms == 0.0 {
                0.0
            } else {
                1.0
            },
        ),
        first_share: 1.0 / records,
        request_ms: (costs.request_p50_ms, costs.request_p99_ms),
        more_ms: load.work_ms(records) - load.work_ms(1.0),
        sync_busy: if costs.is_syncing {
            (flow.requests * costs.request_p50_ms / 1000.0).min(1.0)
        } else {
            0.0
        },
        // What gathers because of others that are busy waits in its batch already.
        utilisation: if is_crowded {
            0.0
        } else {
            busy.most().min(0.99)
        },
        busy_ms: load.lump_ms(records),
    };
    let latencies = parts.sorted();
    let setting = |name| workload.producer_setting(name).parse().unwrap_or_default();
    Prediction {
        linger_ms: setting("linger.ms"),
        batch_size: setting("batch.size"),
        batch_bytes: load.batching.batch_bytes(records),
        requests_per_s: flow.requests,
        utilisation: busy.most(),
        cores: busy.client * costs.client_threads + busy.broker,
        is_broker_busier: busy.client < busy.broker,
        is_crowded,
        is_overloaded,
        p50_ms: at(&latencies, 0.5),
        p99_ms: if is_overloaded {
            f64::INFINITY
        } else {
            at(&latencies, 0.99)
        },
    }
}

struct Loaded<'a> {
    workload: &'a Workload,
    records_per_s: f64,
    costs: &'a Costs,
    batching: Batching,
}

/// How busy each is, as a share of what it can do.
struct Busy {
    client: f64,
    broker: f64,
    bytes: f64,
}

impl Busy {
    fn most(&self) -> f64 {
        self.client.max(self.broker).max(self.bytes)
    }
}

impl Loaded<'_> {
    /// Of one producer.
    fn records_per_ms(&self) -> f64 {
        self.records_per_s / 1000.0 / f64::from(self.workload.producers)
    }

    /// What happens when so many records share a request.
    fn flow(&self, records: f64) -> Flow {
        let requests = self.records_per_s / records;
        let batches = self.batching.batches(records);
        Flow {
            requests,
            batches: requests * batches,
            records: self.records_per_s,
            bytes: requests * batches * self.batching.batch_bytes(records),
            wakes: self.records_per_s.min(PACED_PER_S),
        }
    }

    fn busy(&self, flow: &Flow) -> Busy {
        Busy {
            client: self.costs.client.cores(flow) / self.costs.client_threads,
            broker: self.costs.broker.map_or(0.0, |it| it.cores(flow)),
            bytes: flow.bytes / self.costs.bytes_per_s_max,
        }
    }

    /// What gathers when requests that find everything busy wait.
    fn records_per_request(&self, alone: f64) -> f64 {
        let most = self.batching.records_max().max(alone);
        let fits = |records: f64| {
            let flow = self.flow(records);
            let in_flight = flow.requests * self.costs.request_p50_ms / 1000.0;
            let places = IN_FLIGHT_MAX * f64::from(self.workload.producers);
            self.busy(&flow).most() <= BUSY_MAX && in_flight <= places
        };
        // A sender that is woken for several records at once sends them together.
        let paced = self.records_per_s / f64::from(self.workload.producers) / PACED_PER_S;
        let alone = alone.max(paced.min(most));
        if fits(alone) || !fits(most) {
            return if fits(alone) { alone } else { most };
        }
        let (mut few, mut many) = (alone, most);
        for _ in 0..40 {
            let middle = (few * many).sqrt();
            if fits(middle) {
                many = middle;
            } else {
                few = middle;
            }
        }
        many
    }

    /// Milliseconds for which a request keeps client and broker from the next: not what its records
    /// took one after the other while they gathered.
    fn lump_ms(&self, records: f64) -> f64 {
        let batches = self.batching.batches(records);
        let flow = Flow {
            requests: 1.0,
            batches,
            records: 0.0,
            bytes: records * record_bytes(self.workload),
            wakes: 0.0,
        };
        let work = |side: &Work| (side.cores(&flow) - side.idle_cores) * 1000.0;
        let broker = self.costs.broker.as_ref().map_or(0.0, work);
        work(&self.costs.client).max(broker)
    }

    /// Milliseconds of work for a request of so many records, at client and broker.
    fn work_ms(&self, records: f64) -> f64 {
        let batches = self.batching.batches(records);
        let flow = Flow {
            requests: 1.0,
            batches,
            records,
            bytes: records * record_bytes(self.workload),
            wakes: 0.0,
        };
        let broker = self.costs.broker.map_or(0.0, |it| it.cores(&flow));
        (self.costs.client.cores(&flow) + broker) * 1000.0
    }
}

/// What latency consists of.
struct Parts {
    /// How long batches gather: at least, and how much longer at most.
    wait_ms: (f64, f64),
    /// Of all records, those that are the first of what leaves together.
    first_share: f64,
    /// Of a lonely request of one record: p50 and p99.
    request_ms: (f64, f64),
    /// That a request of several records takes longer.
    more_ms: f64,
    /// How likely another sync is under way that has to end first.
    sync_busy: f64,
    /// Of what is busiest, and its work for one request.
    utilisation: f64,
    busy_ms: f64,
}

impl Parts {
    /// Latencies at points spread evenly over what may come together.
    fn sorted(&self) -> Vec<f64> {
        // Shares of the plastic number and its like: sequences whose points fill space evenly.
        const STEPS: [f64; 4] = [0.856_674_9, 0.733_891_9, 0.628_706_7, 0.538_597_8];
        let points = (1..=POINTS).map(|index| {
            let place = STEPS.map(|step| (f64::from(index) * step).fract());
            self.latency(place)
        });
        let mut latencies: Vec<f64> = points.collect();
        latencies.sort_by(f64::total_cmp);
        latencies
    }

    fn latency(&self, [age, timer, request, queue]: [f64; 4]) -> f64 {
        let (least, longer) = self.wait_ms;
        let span = if 0.0 < longer {
            least - 0.5 * longer + timer * longer
        } else {
            least
        };
        // The first record waits for all of it, the others came evenly after it.
        let wait = if age < self.first_share {
            span
        } else {
            span * (1.0 - (age - self.first_share) / (1.0 - self.first_share).max(1e-9))
        };
        let (p50, p99) = self.request_ms;
        let spread = (p99 / p50).max(1.0).ln() / normal_quantile(0.99);
        let request = p50 * (spread * normal_quantile(request)).exp();
        // Of two independent uses of one point: which share of it says whether, the rest how long.
        let sync = if queue < self.sync_busy {
            p50 * queue / self.sync_busy
        } else {
            0.0
        };
        wait + request + sync + self.more_ms.max(0.0) + self.queueing_ms(queue)
    }

    /// Waiting for what is busy, at a place of its distribution: that of requests which come at
    /// random and take the same time each, by its exponential tail.
    fn queueing_ms(&self, place: f64) -> f64 {
        let waiting = 1.0 - place;
        if self.utilisation <= waiting {
            return 0.0;
        }
        let pace = self.busy_ms / (2.0 * (1.0 - self.utilisation));
        pace * (self.utilisation / waiting.max(1e-4)).ln()
    }
}

/// The value at a share of sorted ones.
fn at(sorted: &[f64], share: f64) -> f64 {
    let place = (share * sorted.len() as f64).ceil() - 1.0;
    let index = (0..sorted.len())
        .take_while(|it| (*it as f64) < place)
        .count();
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
