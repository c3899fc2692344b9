//! Fills the input topics with numbered records, with librdkafka's idempotent producer, which goes
//! on over crashes of the broker.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message};

use crate::exactly_once::transfer::input_value;
use crate::exactly_once::worker::input_topic;
use crate::exactly_once::{Random, Source};
use crate::{now, wait_until};

/// How long the last records may take after the last fault.
const FLUSH: Duration = Duration::from_secs(60);
/// Records are sent in bursts at this distance.
const BURST: Duration = Duration::from_millis(50);

/// What is fed.
#[derive(Debug)]
pub(super) struct Feeder<'a> {
    pub(super) bootstrap: SocketAddr,
    pub(super) prefix: &'a str,
    pub(super) sources: &'a [Source],
    pub(super) records_per_s: u64,
    pub(super) seed: u64,
}

impl Feeder<'_> {
    /// Feeds until `is_over`; returns how many records each partition was given.
    ///
    /// # Errors
    /// Not everything was acknowledged in the end.
    pub(super) fn run(&self, is_over: &AtomicBool) -> anyhow::Result<BTreeMap<Source, i64>> {
        let producer: ThreadedProducer<Deliveries> = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap.to_string())
            .set("broker.address.family", "v4")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "5")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .create_with_context(Deliveries::default())?;
        let mut fed: BTreeMap<_, i64> = self.sources.iter().map(|it| (*it, 0)).collect();
        let mut random = Random::of(self.seed, "feeder", 0);
        let begin = now();
        let mut sent = 0;
        while !is_over.load(Ordering::Relaxed) {
            let elapsed_ms = u64::try_from(begin.elapsed().as_millis())?;
            while sent < elapsed_ms * self.records_per_s / 1000 {
                let source = self.sources[random.index(0, self.sources.len())];
                let Some(number) = fed.get_mut(&source) else {
                    continue;
                };
                let topic = input_topic(self.prefix, source.lane);
                let value = input_value(source, *number);
                let record = BaseRecord::<(), str>::to(&topic)
                    .partition(source.partition)
                    .payload(&value);
                // A full queue while the broker is away: later.
                if producer.send(record).is_err() {
                    break;
                }
                *number += 1;
                sent += 1;
            }
            wait_until(BURST, || is_over.load(Ordering::Relaxed));
        }
        producer.flush(FLUSH)?;
        let failed = producer.context().failed();
        ensure!(failed.is_empty(), "not acknowledged: {failed:?}");
        Ok(fed)
    }
}

/// Records that were given up, by topic, partition and error: a flush that has nothing left says
/// nothing of them.
#[derive(Default)]
struct Deliveries(Mutex<BTreeMap<(String, i32, String), u32>>);

impl Deliveries {
    fn failed(&self) -> BTreeMap<(String, i32, String), u32> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _nothing: ()) {
        if let Err((error, message)) = result {
            let place = (message.topic().to_owned(), message.partition());
            let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *failed
                .entry((place.0, place.1, error.to_string()))
                .or_default() += 1;
        }
    }
}
