//! A worker of either lane with the native client: its consumer, in a group or on partitions of
//! its own, and its transactional producer, with the protocol that the broker's features name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_client::config::{ConsumerConfig, ProducerConfig, Properties};
use ringbrook_client::consumer::{
    Consumer, ConsumerGroupMetadata, ConsumerRecord, OffsetAndMetadata, RebalanceContext,
    RebalanceListener,
};
use ringbrook_client::producer::{Producer, ProducerRecord};
use ringbrook_client::serialization::BytesSerializer;
use ringbrook_client::{ClientError, TopicPartition};
use tokio::runtime::Runtime;

use super::{
    Failure, PARTITIONS_PER_FIXED_WORKER, Plan, Protocol, REQUEST_TIMEOUT_MS, Round,
    TRANSACTION_TIMEOUT_MS, Transferring, WorkerOptions,
};
use crate::exactly_once::transfer::parse_input;
use crate::exactly_once::{Lane, Random, Transfer};

/// How long a batch may gather.
const POLLS: usize = 4;
const POLL: Duration = Duration::from_millis(50);
/// Records of one poll: small, so that small transactions can be.
const POLL_RECORDS: &str = "20";
/// How long one call may take before it is made again.
const CALL_MS: &str = "5000";
/// How long a record may take: less than the broker is away at times.
const DELIVERY_TIMEOUT_MS: &str = "6000";

/// What an aborted transaction says that was meant to be.
const PLANNED: &str = "planned";

type Records = Vec<ConsumerRecord>;

/// Partitions that were taken away since it was asked last.
#[derive(Debug, Clone, Default)]
struct Revoked(Arc<Mutex<BTreeSet<i32>>>);

impl Revoked {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> BTreeSet<i32> {
        std::mem::take(&mut self.lock())
    }
}

/// Lost partitions are told as revoked ones.
impl RebalanceListener for Revoked {
    fn on_partitions_revoked<'a>(
        &'a self,
        _: &'a RebalanceContext,
        partitions: &'a [TopicPartition],
    ) -> futures_util::future::BoxFuture<'a, ()> {
        self.lock().extend(partitions.iter().map(|it| it.partition));
        Box::pin(std::future::ready(()))
    }
}

/// The worker.
pub(super) struct NativeWorker<'a> {
    options: &'a WorkerOptions,
    output: Arc<str>,
    producer: Producer<Bytes, Bytes>,
    consumer: Consumer,
    revoked: Revoked,
    random: Random,
    transactions: u64,
    /// Dropped last, so that what the client does in the background lives as long as the client.
    runtime: Runtime,
}

impl<'a> NativeWorker<'a> {
    pub(super) fn start(options: &'a WorkerOptions) -> anyhow::Result<Result<Self, Failure>> {
        ensure!(
            options.sabotage.is_none(),
            "native workers make no mistakes"
        );
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let (producer, consumer, revoked) = {
            let _inside = runtime.enter();
            let producer = Producer::builder(producer_config(options)?).build()?;
            let config = consumer_config(options)?;
            let consumer = Consumer::new(config, BytesSerializer, BytesSerializer)?;
            (producer, consumer, Revoked::default())
        };
        let mut worker = Self {
            options,
            output: options.output().into(),
            producer,
            consumer,
            revoked,
            random: options.random(),
            transactions: 0,
            runtime,
        };
        let begun = worker.begin()?;
        Ok(begun.map(|()| worker))
    }

    /// Fences predecessors, ends what they left open, and goes on where they stopped.
    fn begin(&mut self) -> anyhow::Result<Result<(), Failure>> {
        let producer = &self.producer;
        let initialized = self
            .runtime
            .block_on(persist(|| producer.init_transactions()));
        if initialized.is_err() {
            return Ok(initialized);
        }
        let input = self.options.input();
        match self.options.lane {
            Lane::Group => self
                .consumer
                .subscribe_with([input.as_str()], self.revoked.clone())?,
            Lane::Fixed => {
                let count = PARTITIONS_PER_FIXED_WORKER;
                let first = i32::try_from(self.options.index)? * count;
                let partitions = first..first + count;
                self.consumer.assign(
                    partitions.map(|partition| TopicPartition::new(input.as_str(), partition)),
                )?;
            }
        }
        Ok(Ok(()))
    }

    /// Reads about `records_max` records of partitions that are owned when it returns, with the
    /// membership under which they were read.
    async fn gather(
        &self,
        records_max: usize,
    ) -> Result<(Records, ConsumerGroupMetadata), Failure> {
        let mut batch = Records::new();
        let mut polls = 0;
        self.revoked.take();
        while batch.len() < records_max && polls < POLLS {
            let polled = self.consumer.poll(POLL).await;
            // What the poll returns is of partitions that are owned after its rebalance.
            let revoked = self.revoked.take();
            batch.retain(|record| !revoked.contains(&record.partition));
            let records = polled.map_err(|error| Failure::Fatal(format!("consumer: {error}")))?;
            if records.is_empty() {
                polls += 1;
            }
            batch.extend(records);
        }
        let metadata = self.consumer.group_metadata();
        let metadata = metadata.map_err(|error| Failure::Fatal(error.to_string()))?;
        Ok((batch, metadata))
    }

    async fn produce(&mut self, batch: &Records, plan: &Plan) -> anyhow::Result<Option<Failure>> {
        self.transactions += 1;
        let transaction = self.options.transaction(self.transactions);
        for record in batch {
            let value = record.value.as_deref().unwrap_or_default();
            let (source, number) = parse_input(value)?;
            ensure!(
                number == record.offset,
                "{source}/{number} at {}",
                record.offset
            );
            let transfer = Transfer {
                source,
                number,
                transaction: transaction.clone(),
                size: batch.len(),
                is_doomed: plan.is_doomed,
            };
            let partition = source.output_partition(self.options.output_partitions);
            let value = Bytes::from(transfer.value(plan.padding));
            let record = ProducerRecord::new(Arc::clone(&self.output), value);
            // The commit tells of what becomes of it.
            match self.producer.send(record.with_partition(partition)).await {
                Ok(delivery) => drop(delivery),
                Err(error) => return Ok(Some(classify(&error))),
            }
        }
        Ok(None)
    }

    async fn send_offsets(
        &self,
        batch: &Records,
        metadata: &ConsumerGroupMetadata,
    ) -> Result<(), Failure> {
        let mut next = BTreeMap::new();
        for record in batch {
            let offset = OffsetAndMetadata::new(record.offset + 1);
            next.insert(
                record.topic_partition(),
                offset.with_leader_epoch(record.leader_epoch),
            );
        }
        persist(|| {
            let producer = &self.producer;
            producer.send_offsets_to_transaction(next.clone(), metadata)
        })
        .await
    }

    /// Produces, commits offsets and ends the transaction.
    async fn transact(
        &mut self,
        batch: &Records,
        metadata: &ConsumerGroupMetadata,
        plan: &Plan,
    ) -> anyhow::Result<Result<(), Failure>> {
        if let Some(failure) = self.produce(batch, plan).await? {
            return Ok(Err(failure));
        }
        if (!plan.is_doomed || plan.has_offsets)
            && let Err(failure) = self.send_offsets(batch, metadata).await
        {
            return Ok(Err(failure));
        }
        if plan.is_doomed {
            // So that what is aborted has been written.
            self.producer.flush().await;
            return Ok(Err(Failure::Abort(PLANNED.to_owned())));
        }
        Ok(persist(|| self.producer.commit_transaction()).await)
    }

    /// Aborts, and goes back to where the batch began, in all its partitions. No poll was since.
    async fn give_up(&self, batch: &Records) -> Result<(), Failure> {
        persist(|| self.producer.abort_transaction()).await?;
        let mut firsts = BTreeMap::new();
        for record in batch {
            let first = firsts.entry(record.topic_partition());
            first.or_insert(record.offset);
        }
        let owned = self.consumer.assignment();
        for (partition, offset) in firsts {
            // Who has lost it since finds the committed offset when it comes back.
            if owned.contains(&partition) {
                let sought = self.consumer.seek(&partition, offset);
                sought.map_err(|error| Failure::Fatal(format!("cannot go back: {error}")))?;
            }
        }
        Ok(())
    }

    async fn transfer(&mut self) -> anyhow::Result<Result<Round, Failure>> {
        let plan = Plan::draw(&mut self.random);
        let (batch, metadata) = match self.gather(plan.records_max).await {
            Ok((batch, _)) if batch.is_empty() => return Ok(Ok(Round::Idle)),
            Ok(gathered) => gathered,
            Err(failure) => return Ok(Err(failure)),
        };
        if let Err(error) = self.producer.begin_transaction() {
            return Ok(Err(Failure::Fatal(error.to_string())));
        }
        match self.transact(&batch, &metadata, &plan).await? {
            Ok(()) => Ok(Ok(Round::Committed(batch.len()))),
            Err(Failure::Abort(why)) => Ok(self.give_up(&batch).await.and_then(|()| {
                if why == PLANNED {
                    Ok(Round::Aborted(batch.len()))
                } else {
                    Err(Failure::Abort(why))
                }
            })),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

impl Transferring for NativeWorker<'_> {
    fn round(&mut self) -> anyhow::Result<Result<Round, Failure>> {
        let handle = self.runtime.handle().clone();
        handle.block_on(self.transfer())
    }
}

/// Makes a call again as long as its time is up before its end.
async fn persist<F: Future<Output = Result<(), ClientError>>>(
    mut call: impl FnMut() -> F,
) -> Result<(), Failure> {
    loop {
        match call().await {
            Ok(()) => return Ok(()),
            Err(ClientError::Timeout { .. }) => {}
            Err(error) => return Err(classify(&error)),
        }
    }
}

/// Whatever is not fatal can be aborted, even if nothing but one `send` has failed.
fn classify(error: &ClientError) -> Failure {
    let why = error.to_string();
    if error.is_fatal() {
        Failure::Fatal(why)
    } else {
        Failure::Abort(why)
    }
}

fn common(options: &WorkerOptions) -> Properties {
    let mut properties = Properties::default();
    properties.set("bootstrap.servers", options.bootstrap.to_string());
    properties.set("reconnect.backoff.max.ms", "500");
    properties.set("request.timeout.ms", REQUEST_TIMEOUT_MS.to_string());
    properties
}

fn producer_config(options: &WorkerOptions) -> anyhow::Result<ProducerConfig> {
    let mut properties = common(options);
    properties.set("transactional.id", options.transactional_id());
    properties.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
    properties.set("linger.ms", "1");
    properties.set("max.block.ms", CALL_MS);
    properties.set("delivery.timeout.ms", DELIVERY_TIMEOUT_MS);
    ProducerConfig::from_properties(&properties).context("the producer's configuration")
}

fn consumer_config(options: &WorkerOptions) -> anyhow::Result<ConsumerConfig> {
    let mut properties = common(options);
    properties.set("group.id", options.group());
    properties.set("auto.offset.reset", "earliest");
    properties.set("enable.auto.commit", "false");
    properties.set("isolation.level", "read_committed");
    properties.set("max.poll.records", POLL_RECORDS);
    properties.set("fetch.max.wait.ms", "100");
    if options.lane == Lane::Group {
        // Static members come back to their partitions at once, the others wait for the session's
        // end.
        if options.index.is_multiple_of(2) {
            properties.set("group.instance.id", options.transactional_id());
        }
        match options.protocol {
            Protocol::Classic => {
                properties.set("session.timeout.ms", "2000");
                properties.set("heartbeat.interval.ms", "300");
            }
            Protocol::Consumer => properties.set("group.protocol", "consumer"),
        }
    }
    ConsumerConfig::from_properties(&properties).context("the consumer's configuration")
}
