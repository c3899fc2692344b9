//! One producer of a load: sends stamped records on its schedule, or as fast as it can.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use ringbrook_client::config::{ProducerConfig, Properties};
use ringbrook_client::producer::{Producer, ProducerRecord};

use super::committing::Committer;
use super::keys::KeyChoice;
use super::pacer::Pacer;
use super::payload::{Payload, Stamp};
use super::recorder::{Recorder, SentRecord};
use super::schedule::Schedule;
use super::workload::Workload;

/// A producer of native clients' kind.
pub(crate) type LoadProducer = Producer<Bytes, Bytes>;

/// Makes the producer `index` of a workload, knowing its topics already. If it is transactional,
/// its `transactional.id` is named for the first topic, and initialized.
///
/// # Errors
/// Its settings are not valid, a topic is not there, or there is no coordinator.
pub(crate) async fn connect(
    bootstrap: &str,
    workload: &Workload,
    topics: &[Arc<str>],
    index: u32,
) -> anyhow::Result<LoadProducer> {
    let mut properties = Properties::new()
        .with("bootstrap.servers", bootstrap)
        .with("client.id", format!("load-producer-{index}"));
    if workload.is_transactional() {
        let topic = topics.first().context("a load has a topic at least")?;
        properties.set("transactional.id", format!("{topic}-{index}"));
    }
    for (name, value) in &workload.producer {
        properties.set(name, value);
    }
    let producer = Producer::builder(ProducerConfig::from_properties(&properties)?).build()?;
    for topic in topics {
        producer.partitions_for(topic).await?;
    }
    if workload.is_transactional() {
        producer.init_transactions().await?;
    }
    Ok(producer)
}

/// What a producer does.
pub(crate) struct Producing {
    producer: LoadProducer,
    topics: Vec<Arc<str>>,
    index: u32,
    value_bytes: u32,
    payload: Payload,
    keys: KeyChoice,
    /// Nothing in a closed loop.
    schedule: Option<Schedule>,
    /// Nothing without transactions.
    committer: Option<Committer>,
    recorder: Recorder,
}

impl Producing {
    /// `records_per_s` of all producers together; closed loop without.
    ///
    /// # Errors
    /// A value is too large for a record.
    pub(crate) fn new(
        producer: LoadProducer,
        workload: &Workload,
        records_per_s: Option<f64>,
        topics: Vec<Arc<str>>,
        index: u32,
        recorder: Recorder,
    ) -> anyhow::Result<Self> {
        let seed = workload.seed.wrapping_add(u64::from(index) << 32);
        let schedule = records_per_s.map(|rate| {
            Schedule::new(
                workload.arrival,
                rate,
                index,
                workload.producers,
                workload.seed,
            )
        });
        Ok(Self {
            committer: Committer::of(workload, &producer, index, &recorder),
            producer,
            topics,
            index,
            value_bytes: u32::try_from(workload.record_bytes).context("record_bytes")?,
            payload: Payload::new(workload.record_bytes, workload.compressible_percent, seed),
            keys: KeyChoice::new(workload.keys, workload.key_count, seed),
            schedule,
            recorder,
        })
    }

    /// Sends from `epoch` for `duration`, then waits until all is acknowledged or given up.
    ///
    /// # Errors
    /// The machine has no timers left, a transaction is neither committed nor aborted, or the
    /// producer did not end in order.
    pub(crate) async fn run(mut self, epoch: Instant, duration: Duration) -> anyhow::Result<()> {
        let pacer = Pacer::new()?;
        let end_ns = super::latency::as_ns(duration);
        for sequence in 0.. {
            let intended_ns = match &mut self.schedule {
                Some(schedule) => schedule.next_ns(),
                None => self.recorder.elapsed_ns(),
            };
            if end_ns <= intended_ns || end_ns <= self.recorder.elapsed_ns() {
                break;
            }
            if self.schedule.is_some() {
                self.wait_until(&pacer, epoch, intended_ns).await?;
            }
            self.send(sequence, intended_ns).await?;
        }
        if let Some(committer) = &mut self.committer {
            committer.end().await?;
        }
        Ok(self.producer.close().await?)
    }

    /// Waits for the time of the next record; a transaction that has to end before it does.
    async fn wait_until(
        &mut self,
        pacer: &Pacer,
        epoch: Instant,
        intended_ns: u64,
    ) -> anyhow::Result<()> {
        if let Some(committer) = &mut self.committer {
            let deadline_ns = committer.deadline_ns().filter(|it| *it < intended_ns);
            if let Some(deadline_ns) = deadline_ns {
                pacer
                    .wait_until(epoch + Duration::from_nanos(deadline_ns))
                    .await?;
                committer.end().await?;
            }
        }
        pacer
            .wait_until(epoch + Duration::from_nanos(intended_ns))
            .await
    }

    async fn send(&mut self, sequence: u64, intended_ns: u64) -> anyhow::Result<()> {
        if let Some(committer) = &mut self.committer {
            committer.begin_record()?;
        }
        let sent = SentRecord {
            producer: self.index,
            sequence,
            intended_ns,
            sent_ns: self.recorder.elapsed_ns(),
            value_bytes: self.value_bytes,
            is_transactional: self.committer.is_some(),
        };
        let value = self.payload.value(Stamp {
            producer: self.index,
            sequence,
            intended_ns,
        });
        let turn = usize::try_from(sequence).unwrap_or_default() % self.topics.len().max(1);
        let topic = self
            .topics
            .get(turn)
            .context("a load has a topic at least")?;
        let record = ProducerRecord::of(Arc::clone(topic), self.keys.key(), Some(value));
        self.recorder.note_sent();
        let recorder = self.recorder.clone();
        let result = self
            .producer
            .send_with(record, move |outcome| match outcome {
                Ok(_) => recorder.note_acknowledged(&sent),
                Err(error) => recorder.note_failed(|| error.to_string()),
            });
        if let Err(error) = result.await {
            self.recorder.note_failed(|| error.to_string());
        }
        match &mut self.committer {
            Some(committer) => committer.end_if_due().await,
            None => Ok(()),
        }
    }
}
