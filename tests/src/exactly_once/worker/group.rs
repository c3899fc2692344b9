//! A worker of the group lane: librdkafka's consumer in a group and its transactional producer
//! (transactions v1), the consume-transform-produce loop of KIP-447.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{
    Failure, Plan, Protocol, REQUEST_TIMEOUT_MS, Round, Sabotage, TRANSACTION_TIMEOUT_MS,
    Transferring, WorkerOptions,
};
use crate::exactly_once::transfer::parse_input;
use crate::exactly_once::{Random, Transfer};

/// How long one call of librdkafka may take before it is made again.
const CALL: Duration = Duration::from_secs(5);
/// How long a batch may gather.
const POLLS: usize = 4;
const POLL: Duration = Duration::from_millis(50);

/// What the consumer owns, told by its callbacks, which run within `poll`.
#[derive(Default)]
struct Ownership {
    state: Mutex<Owned>,
}

#[derive(Default)]
struct Owned {
    /// Membership as it was when partitions were assigned last. Membership of the moment might be
    /// a later one than that under which the records were read.
    metadata: Option<ConsumerGroupMetadata>,
    /// Partitions that were taken away since a batch was begun.
    revoked: BTreeSet<i32>,
}

impl ClientContext for Ownership {}

impl ConsumerContext for Ownership {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let partitions = partitions.elements();
            state
                .revoked
                .extend(partitions.iter().map(|it| it.partition()));
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let metadata = match rebalance {
            Rebalance::Assign(_) => consumer.group_metadata(),
            _ => None,
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.metadata = metadata;
    }
}

/// The worker.
pub(super) struct GroupWorker<'a> {
    options: &'a WorkerOptions,
    output: String,
    input: String,
    producer: ThreadedProducer<DefaultProducerContext>,
    consumer: BaseConsumer<Ownership>,
    random: Random,
    transactions: u64,
}

impl<'a> GroupWorker<'a> {
    pub(super) fn start(options: &'a WorkerOptions) -> anyhow::Result<Result<Self, Failure>> {
        let producer: ThreadedProducer<_> = producer_config(options).create()?;
        if options.sabotage != Some(Sabotage::Plain) {
            let initialized = persist(|| producer.init_transactions(CALL));
            if let Err(failure) = initialized {
                return Ok(Err(failure));
            }
        }
        let consumer: BaseConsumer<Ownership> =
            consumer_config(options).create_with_context(Ownership::default())?;
        let input = options.input();
        consumer.subscribe(&[&input])?;
        Ok(Ok(Self {
            options,
            output: options.output(),
            input,
            producer,
            consumer,
            random: options.random(),
            transactions: 0,
        }))
    }

    fn owned(&self) -> std::sync::MutexGuard<'_, Owned> {
        let state = &self.consumer.context().state;
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads up to `records_max` records of partitions that are owned when it returns.
    fn gather(&self, records_max: usize) -> Result<Vec<OwnedMessage>, Failure> {
        let mut batch: Vec<OwnedMessage> = Vec::new();
        self.owned().revoked.clear();
        let mut polls = 0;
        while batch.len() < records_max && polls < POLLS {
            match self.consumer.poll(POLL) {
                None => polls += 1,
                Some(Ok(message)) => batch.push(message.detach()),
                Some(Err(error)) => {
                    if let Some((_, why)) = self.consumer.client().fatal_error() {
                        return Err(Failure::Fatal(format!("consumer: {why}")));
                    }
                    // The broker is away; the consumer connects again by itself.
                    polls += 1;
                    drop(error);
                }
            }
            let revoked = std::mem::take(&mut self.owned().revoked);
            batch.retain(|message| !revoked.contains(&message.partition()));
        }
        Ok(batch)
    }

    fn produce(&mut self, batch: &[OwnedMessage], plan: &Plan) -> anyhow::Result<Option<Failure>> {
        self.transactions += 1;
        let transaction = self.options.transaction(self.transactions);
        for message in batch {
            let (source, number) = parse_input(message.payload().unwrap_or_default())?;
            let transfer = Transfer {
                source,
                number,
                transaction: transaction.clone(),
                size: batch.len(),
                is_doomed: plan.is_doomed,
            };
            let value = transfer.value(plan.padding);
            let partition = source.output_partition(self.options.output_partitions);
            let mut record = BaseRecord::<(), str>::to(&self.output)
                .partition(partition)
                .payload(&value);
            loop {
                match self.producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                        record = again;
                        self.producer.poll(POLL);
                    }
                    Err((error, _)) => return Ok(Some(self.classify(&error))),
                }
            }
        }
        Ok(None)
    }

    /// An error of the producer that is not one of a transactional call.
    fn classify(&self, error: &KafkaError) -> Failure {
        match self.producer.client().fatal_error() {
            Some((_, why)) => Failure::Fatal(why),
            None => Failure::Abort(error.to_string()),
        }
    }

    fn send_offsets(&self, batch: &[OwnedMessage]) -> Result<(), Failure> {
        let abort = |why: &str| Failure::Abort(why.to_owned());
        if self.consumer.assignment_lost() {
            return Err(abort("assignment lost"));
        }
        let mut next = BTreeMap::new();
        for message in batch {
            next.insert(message.partition(), message.offset() + 1);
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in next {
            let added =
                offsets.add_partition_offset(&self.input, partition, Offset::Offset(offset));
            added.map_err(|error| abort(&error.to_string()))?;
        }
        if self.options.sabotage.is_some() {
            let committed = self.consumer.commit(&offsets, CommitMode::Sync);
            return committed.map_err(|error| abort(&error.to_string()));
        }
        let current;
        let owned = self.owned();
        // The member epoch of KIP-848 grows without a rebalance of this member.
        let metadata = match self.options.protocol {
            Protocol::Classic => owned.metadata.as_ref(),
            Protocol::Consumer => {
                current = self.consumer.group_metadata();
                current.as_ref()
            }
        };
        let metadata = metadata.ok_or_else(|| abort("not a member"))?;
        persist(|| {
            let producer = &self.producer;
            producer.send_offsets_to_transaction(&offsets, metadata, CALL)
        })
    }

    /// Produces, commits offsets and ends the transaction.
    fn transact(
        &mut self,
        batch: &[OwnedMessage],
        plan: &Plan,
    ) -> anyhow::Result<Result<(), Failure>> {
        if let Some(failure) = self.produce(batch, plan)? {
            return Ok(Err(failure));
        }
        if (!plan.is_doomed || plan.has_offsets)
            && let Err(failure) = self.send_offsets(batch)
        {
            return Ok(Err(failure));
        }
        if plan.is_doomed {
            // So that what is aborted has been written.
            let flushed = self.producer.flush(CALL);
            return Ok(match flushed {
                Ok(()) => Err(Failure::Abort("planned".to_owned())),
                Err(error) => Err(self.classify(&error)),
            });
        }
        if self.options.sabotage == Some(Sabotage::Plain) {
            let flushed = self.producer.flush(CALL);
            return Ok(flushed.map_err(|error| self.classify(&error)));
        }
        Ok(persist(|| self.producer.commit_transaction(CALL)))
    }

    /// Goes back to where the batch began, in all its partitions. No callback has run since.
    fn rewind(&self, batch: &[OwnedMessage]) -> Result<(), Failure> {
        let mut firsts = BTreeMap::new();
        for message in batch {
            firsts
                .entry(message.partition())
                .or_insert(message.offset());
        }
        for (partition, offset) in firsts {
            let offset = Offset::Offset(offset);
            let sought = self.consumer.seek(&self.input, partition, offset, CALL);
            sought.map_err(|error| Failure::Fatal(format!("cannot go back: {error}")))?;
        }
        Ok(())
    }

    fn give_up(&self, batch: &[OwnedMessage]) -> Result<(), Failure> {
        if self.options.sabotage != Some(Sabotage::Plain) {
            persist(|| self.producer.abort_transaction(CALL))?;
        }
        self.rewind(batch)
    }
}

impl Transferring for GroupWorker<'_> {
    fn round(&mut self) -> anyhow::Result<Result<Round, Failure>> {
        let plan = Plan::draw(&mut self.random);
        let batch = match self.gather(plan.records_max) {
            Ok(batch) if batch.is_empty() => return Ok(Ok(Round::Idle)),
            Ok(batch) => batch,
            Err(failure) => return Ok(Err(failure)),
        };
        if self.options.sabotage != Some(Sabotage::Plain)
            && let Err(error) = self.producer.begin_transaction()
        {
            return Ok(Err(Failure::Fatal(error.to_string())));
        }
        match self.transact(&batch, &plan)? {
            Ok(()) => Ok(Ok(Round::Committed(batch.len()))),
            Err(Failure::Abort(why)) => Ok(self.give_up(&batch).and_then(|()| {
                if why == "planned" {
                    Ok(Round::Aborted(batch.len()))
                } else {
                    Err(Failure::Abort(why))
                }
            })),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

/// Makes a transactional call again as long as librdkafka says that it may be.
fn persist(mut call: impl FnMut() -> Result<(), KafkaError>) -> Result<(), Failure> {
    loop {
        let error = match call() {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(error)) => error,
            Err(error) => return Err(Failure::Fatal(error.to_string())),
        };
        if error.is_retriable() {
            continue;
        }
        let why = format!("{}: {}", error.name(), error.string());
        return Err(if error.txn_requires_abort() {
            Failure::Abort(why)
        } else {
            Failure::Fatal(why)
        });
    }
}

fn common_config(options: &WorkerOptions) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", options.bootstrap.to_string())
        .set("broker.address.family", "v4")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("topic.metadata.refresh.interval.ms", "1000");
    config
}

fn producer_config(options: &WorkerOptions) -> ClientConfig {
    let mut config = common_config(options);
    config.set("linger.ms", "1");
    if options.sabotage != Some(Sabotage::Plain) {
        config
            .set("transactional.id", options.transactional_id())
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string())
            .set("socket.timeout.ms", REQUEST_TIMEOUT_MS.to_string());
    }
    config
}

fn consumer_config(options: &WorkerOptions) -> ClientConfig {
    let mut config = common_config(options);
    config
        .set("group.id", options.group())
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "50");
    // Static members come back to their partitions at once, the others wait for the session's end.
    if options.index.is_multiple_of(2) {
        config.set("group.instance.id", options.transactional_id());
    }
    match options.protocol {
        Protocol::Classic => config
            .set("session.timeout.ms", "2000")
            .set("heartbeat.interval.ms", "300"),
        Protocol::Consumer => config.set("group.protocol", "consumer"),
    };
    config
}
