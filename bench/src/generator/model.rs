//! What a producer's batching comes to, by the rule of its accumulator: how many records gather
//! before a request leaves, and in how many batches. Pure.
//!
//! Records without keys stick to one partition of a topic until its batch is full; records with
//! keys spread over all. A request leaves when the first batch that waits has waited `linger.ms`,
//! or when one is full, and takes the batches of all partitions along. The sticky partition changes
//! when a batch is full or, because a batch that takes no more records is seldom full to the byte,
//! after twice `batch.size`: two full batches, and what was left of the second to a third, small
//! one, which goes along with a request of the next partition (KIP-794).

use super::keys::Keys;
use super::workload::Workload;

/// Bytes of a batch's header.
const BATCH_HEADER_BYTES: f64 = 61.0;
/// Bytes of a record beside key and value, about.
const RECORD_OVERHEAD_BYTES: f64 = 8.0;
/// Bytes of keys made here.
const KEY_BYTES: f64 = 12.0;
/// Clients wait in whole milliseconds, so that a batch waits half a one more on average.
const TIMER_MS: f64 = 1.0;
/// Batches per full batch of records without keys: every third one is small.
const SMALL_BATCHES: f64 = 1.5;
/// Fuller batches are those that their size ended.
const FULL_SHARE: f64 = 0.99;
/// Kafka's default of `max.request.size`.
const REQUEST_BYTES_MAX: f64 = 1_048_576.0;

/// Bytes that one record takes in a batch, uncompressed.
pub(crate) fn record_bytes(workload: &Workload) -> f64 {
    let key_bytes = if workload.keys == Keys::None {
        0.0
    } else {
        KEY_BYTES
    };
    workload.record_bytes as f64 + key_bytes + RECORD_OVERHEAD_BYTES
}

/// What decides how a producer's records gather.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Batching {
    /// Of one record in a batch.
    record_bytes: f64,
    /// Batches that fill at the same time.
    open_batches: f64,
    /// Partitions of all topics.
    partitions: f64,
    /// Records of a full batch.
    full_records: f64,
    /// Records of the largest request.
    request_records_max: f64,
    linger_ms: f64,
}

/// Records that leave together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gathered {
    pub(crate) records: f64,
    /// That the longest waiting of them waits at most, in milliseconds.
    pub(crate) wait_ms: f64,
    /// Whether a full batch sent them, not `linger.ms`.
    pub(crate) is_full: bool,
}

impl Batching {
    /// Of the producers of a workload; keys are taken as uniform.
    pub(crate) fn of(workload: &Workload) -> Self {
        let number = |name: &str, default: f64| {
            let text = workload.producer_setting(name);
            text.parse::<f64>().unwrap_or(default)
        };
        let topics = f64::from(workload.topics);
        let partitions = topics * f64::from(workload.partitions_per_topic);
        let record_bytes = record_bytes(workload);
        let batch_size = number("batch.size", 0.0);
        let request_bytes = number("max.request.size", REQUEST_BYTES_MAX);
        let full_records = ((batch_size - BATCH_HEADER_BYTES) / record_bytes)
            .floor()
            .max(1.0);
        let request_records = (request_bytes / record_bytes).floor();
        Self {
            record_bytes,
            open_batches: if workload.keys == Keys::None {
                topics
            } else {
                partitions
            },
            partitions,
            full_records,
            request_records_max: request_records
                .min(partitions * full_records)
                .max(full_records),
            linger_ms: number("linger.ms", 0.0),
        }
    }

    /// What gathers at `records_per_ms` of one producer when nothing else makes records wait.
    pub(crate) fn gathered(&self, records_per_ms: f64) -> Gathered {
        let wait_ms = if self.linger_ms == 0.0 {
            0.0
        } else {
            self.linger_ms + TIMER_MS / 2.0
        };
        let by_time = 1.0 + records_per_ms * wait_ms;
        let by_size = self.until_full();
        if by_time < by_size {
            return Gathered {
                records: by_time,
                wait_ms,
                is_full: false,
            };
        }
        Gathered {
            records: by_size,
            wait_ms: by_size / records_per_ms,
            is_full: true,
        }
    }

    /// Records of the largest request: what gathers at most while requests cannot leave.
    pub(crate) fn records_max(&self) -> f64 {
        self.request_records_max
    }

    /// Batches that `records` of one request are in.
    pub(crate) fn batches(&self, records: f64) -> f64 {
        if self.open_batches <= 1.0 {
            let full = records / self.full_records;
            let batches = if full < FULL_SHARE {
                1.0
            } else {
                full * SMALL_BATCHES
            };
            return batches.min(records.max(1.0));
        }
        // Balls into bins: those that hold none are no batches.
        let empty = (1.0 - 1.0 / self.open_batches).powf(records);
        let spread = self.open_batches * (1.0 - empty);
        spread
            .max(records / self.full_records)
            .clamp(1.0, records.max(1.0))
    }

    /// Bytes of a batch on average when `records` leave together.
    pub(crate) fn batch_bytes(&self, records: f64) -> f64 {
        records / self.batches(records) * self.record_bytes + BATCH_HEADER_BYTES
    }

    /// Records until the first of the open batches is full.
    fn until_full(&self) -> f64 {
        if self.open_batches <= 1.0 {
            return self.full_records;
        }
        let each = first_to_reach(self.full_records, self.open_batches);
        (self.open_batches * each).max(self.full_records)
    }
}

/// Bytes of a batch on average at `records_per_s` of all producers together, by linger.ms and
/// batch.size alone.
pub(crate) fn expected_batch_bytes(workload: &Workload, records_per_s: f64) -> f64 {
    let batching = Batching::of(workload);
    let records_per_ms = records_per_s / 1000.0 / f64::from(workload.producers);
    batching.batch_bytes(batching.gathered(records_per_ms).records)
}

/// How much each of `bins` has got on average when the first of them has got `count`, if every
/// arrival goes to any of them: the mean of the least of so many gamma distributed times.
fn first_to_reach(count: f64, bins: f64) -> f64 {
    /// From here on a normal distribution is close enough.
    const EXACT_MAX: f64 = 200.0;
    const STEPS: u32 = 400;
    if EXACT_MAX < count {
        let place = (bins - 0.375) / (bins + 0.25);
        return count - count.sqrt() * normal_quantile(place);
    }
    // The mean is the integral of the chance that none has got there.
    let step = count * 1.5 / f64::from(STEPS);
    let chances = (0..STEPS).map(|index| {
        let mean = (f64::from(index) + 0.5) * step;
        poisson_below(count, mean).powf(bins)
    });
    chances.sum::<f64>() * step
}

/// The chance that fewer than `count` come when `mean` are expected.
fn poisson_below(count: f64, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut sum = 0.0;
    let mut index = 0.0;
    while index < count {
        sum += term;
        index += 1.0;
        term *= mean / index;
    }
    sum.min(1.0)
}

/// The standard normal distribution's value below which the share `place` lies; accurate to 0.001
/// (Abramowitz and Stegun, 26.2.23).
pub(crate) fn normal_quantile(place: f64) -> f64 {
    let tail = place.min(1.0 - place).max(1e-12);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let value = t - above / below;
    if place < 0.5 { -value } else { value }
}

#[cfg(test)]
mod tests;
