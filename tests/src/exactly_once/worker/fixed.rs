//! A worker of the fixed lane: it owns two input partitions alone, and whoever takes over its
//! transactional id fences it. Speaks raw frames with transactions v2 (KIP-890: partitions join
//! implicitly, every transaction has an epoch of its own), which librdkafka does not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use ringbrook_protocol::messages::end_txn_response::EndTxnResponse;
use ringbrook_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ringbrook_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ringbrook_protocol::messages::{
    EndTxnRequest, FindCoordinatorRequest, GroupId, InitProducerIdRequest, OffsetFetchRequest,
    ProducerId, TransactionalId, TxnOffsetCommitRequest,
};
use ringbrook_protocol::{Request, ResponseError, StrBytes};
use ringbrook_record::{BatchBuilder, Codec, Header};

use super::{Failure, Plan, Round, TRANSACTION_TIMEOUT_MS, Transferring, WorkerOptions, say};
use crate::exactly_once::transfer::parse_input;
use crate::exactly_once::{Random, Transfer};
use crate::{
    Client, by_name, error, now_ms, produce_request, single_produced, topic_name, wait_until,
};
use crate::{ReadRecord, read_committed};

/// Input partitions of each worker.
pub(in crate::exactly_once) const PARTITIONS_PER_WORKER: i32 = 2;

const FIND_COORDINATOR: i16 = 4;
const INIT_PRODUCER_ID: i16 = 5;
const PRODUCE: i16 = 12;
const TXN_OFFSET_COMMIT: i16 = 5;
const END_TXN: i16 = 5;
const OFFSET_FETCH: i16 = 8;

/// What FindCoordinator is asked for.
const KEY_GROUP: i8 = 0;
const KEY_TRANSACTION: i8 = 1;

/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Errors that pass by themselves.
const RETRIABLE: &[ResponseError] = &[
    ResponseError::ConcurrentTransactions,
    ResponseError::CoordinatorLoadInProgress,
    ResponseError::CoordinatorNotAvailable,
    ResponseError::NotCoordinator,
    ResponseError::NotLeaderOrFollower,
    ResponseError::UnknownTopicOrPartition,
    ResponseError::NotEnoughReplicas,
    ResponseError::UnstableOffsetCommit,
    ResponseError::RequestTimedOut,
];

/// Errors after which a producer is fenced for good.
const FENCED: &[ResponseError] = &[
    ResponseError::ProducerFenced,
    ResponseError::InvalidProducerEpoch,
    ResponseError::InvalidProducerIdMapping,
    ResponseError::InvalidTxnState,
];

/// The worker.
pub(super) struct FixedWorker<'a> {
    options: &'a WorkerOptions,
    stopping: &'a AtomicBool,
    client: Option<Client>,
    producer: (i64, i16),
    /// The next sequence number in each output partition.
    sequences: BTreeMap<i32, i32>,
    /// Where to read on in each input partition.
    positions: BTreeMap<i32, i64>,
    /// The input partition whose turn it is to be read first.
    turn: usize,
    random: Random,
    transactions: u64,
    /// The error and the API that were told last.
    waits_for: Option<(ResponseError, i16)>,
}

impl<'a> FixedWorker<'a> {
    pub(super) fn start(
        options: &'a WorkerOptions,
        stopping: &'a AtomicBool,
    ) -> anyhow::Result<Result<Self, Failure>> {
        let mut worker = Self {
            options,
            stopping,
            client: None,
            producer: (-1, -1),
            sequences: BTreeMap::new(),
            positions: BTreeMap::new(),
            turn: 0,
            random: options.random(),
            transactions: 0,
            waits_for: None,
        };
        let begun = worker.begin()?;
        Ok(begun.map(|()| worker))
    }

    /// The partitions that this worker alone reads.
    fn partitions(&self) -> anyhow::Result<Vec<i32>> {
        let first = i32::try_from(self.options.index)? * PARTITIONS_PER_WORKER;
        Ok((first..first + PARTITIONS_PER_WORKER).collect())
    }

    /// Fences predecessors, ends what they left open, and finds out where they stopped.
    fn begin(&mut self) -> anyhow::Result<Result<(), Failure>> {
        if let Err(failure) = self.find(KEY_TRANSACTION, self.options.transactional_id())? {
            return Ok(Err(failure));
        }
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.transactional_id()))
            .with_transaction_timeout_ms(TRANSACTION_TIMEOUT_MS)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = self.call(&request, INIT_PRODUCER_ID, |it| it.error_code)?;
        self.producer = match answer {
            Ok(answer) => (answer.producer_id.0, answer.producer_epoch),
            Err(failure) => return Ok(Err(failure)),
        };
        self.sequences.clear();
        if let Err(failure) = self.find(KEY_GROUP, self.options.group())? {
            return Ok(Err(failure));
        }
        self.read_positions()
    }

    fn transactional_id(&self) -> TransactionalId {
        TransactionalId(StrBytes::from_string(self.options.transactional_id()))
    }

    /// Waits for the coordinator of `key`; on one node it is always the broker itself.
    fn find(&mut self, key_type: i8, key: String) -> anyhow::Result<Result<(), Failure>> {
        let request = FindCoordinatorRequest::default()
            .with_key_type(key_type)
            .with_coordinator_keys(vec![StrBytes::from_string(key)]);
        let found = self.call(&request, FIND_COORDINATOR, |answer| {
            let first = answer.coordinators.first();
            first.map_or(answer.error_code, |it| it.error_code)
        })?;
        Ok(found.map(drop))
    }

    fn read_positions(&mut self) -> anyhow::Result<Result<(), Failure>> {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(topic_name(&self.options.input()))
            .with_partition_indexes(self.partitions()?);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(self.options.group())))
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default()
            .with_groups(vec![group])
            .with_require_stable(true);
        let answer = self.call(&request, OFFSET_FETCH, |answer| {
            let groups = || answer.groups.iter();
            let partitions = groups()
                .flat_map(|it| &it.topics)
                .flat_map(|it| &it.partitions);
            let codes = groups().map(|it| it.error_code);
            let codes = codes.chain(partitions.map(|it| it.error_code));
            codes.into_iter().find(|code| *code != 0).unwrap_or(0)
        })?;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return Ok(Err(failure)),
        };
        let topics = answer.groups.into_iter().flat_map(|it| it.topics);
        self.positions = topics
            .flat_map(|it| it.partitions)
            .map(|it| (it.partition_index, it.committed_offset.max(0)))
            .collect();
        Ok(Ok(()))
    }

    /// Sends the same request until it is answered with something that does not pass by itself.
    /// Everything that is sent here may be sent again: batches have sequence numbers, and the end
    /// of a transaction is known to the broker by its epoch.
    fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        code: impl Fn(&R::Response) -> i16,
    ) -> anyhow::Result<Result<R::Response, Failure>> {
        loop {
            if self.client.is_none() {
                self.client = Client::connect(self.options.bootstrap).ok();
            }
            if let Some(client) = &mut self.client {
                match client.call(request, version) {
                    Ok(answer) => {
                        let found = code(&answer);
                        match error(found) {
                            None if found == 0 => return Ok(Ok(answer)),
                            Some(error) if RETRIABLE.contains(&error) => {
                                self.wait_for(error, R::KEY)?;
                            }
                            Some(error) if FENCED.contains(&error) => {
                                let why = format!("{error:?} for {}", R::KEY);
                                return Ok(Err(Failure::Fatal(why)));
                            }
                            Some(ResponseError::TransactionAbortable) => {
                                return Ok(Err(Failure::Abort(format!("for {}", R::KEY))));
                            }
                            other => bail!("{other:?} ({found}) for API {}", R::KEY),
                        }
                    }
                    Err(_) => self.client = None,
                }
            }
            if self.stopping.load(Ordering::Relaxed) {
                return Ok(Err(Failure::Fatal("stopped while waiting".to_owned())));
            }
            wait_until(PAUSE, || false);
        }
    }

    /// Tells once what is waited for: a worker that waits for ever shall say why.
    fn wait_for(&mut self, error: ResponseError, api: i16) -> anyhow::Result<()> {
        if self.waits_for != Some((error, api)) {
            self.waits_for = Some((error, api));
            say(&format!("waits because of {error:?} for API {api}"))?;
        }
        Ok(())
    }

    /// Up to `records_max` records of the partitions in turn.
    fn gather(&mut self, records_max: usize) -> anyhow::Result<Vec<(i32, ReadRecord)>> {
        let mut partitions = self.partitions()?;
        let middle = self.turn % partitions.len();
        partitions.rotate_left(middle);
        self.turn += 1;
        let mut batch = Vec::new();
        let input = self.options.input();
        for partition in partitions {
            let position = self.positions.get(&partition).copied().unwrap_or(0);
            if self.client.is_none() {
                self.client = Client::connect(self.options.bootstrap).ok();
            }
            let Some(client) = &mut self.client else {
                wait_until(PAUSE, || false);
                return Ok(Vec::new());
            };
            let read = read_committed(client.wire(), &input, partition, position);
            // The broker is away, or not ready again.
            let Ok(read) = read else {
                self.client = None;
                wait_until(PAUSE, || false);
                return Ok(Vec::new());
            };
            let room = records_max - batch.len();
            let records = read.records.into_iter().take(room);
            batch.extend(records.map(|record| (partition, record)));
        }
        if batch.is_empty() {
            wait_until(PAUSE, || false);
        }
        Ok(batch)
    }

    fn batches(
        &mut self,
        batch: &[(i32, ReadRecord)],
        plan: &Plan,
    ) -> anyhow::Result<Vec<(i32, Bytes)>> {
        self.transactions += 1;
        let transaction = self.options.transaction(self.transactions);
        let mut values: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for (_, record) in batch {
            let (source, number) = parse_input(&record.value)?;
            let transfer = Transfer {
                source,
                number,
                transaction: transaction.clone(),
                size: batch.len(),
                is_doomed: plan.is_doomed,
            };
            let partition = source.output_partition(self.options.output_partitions);
            let values = values.entry(partition).or_default();
            values.push(transfer.value(plan.padding));
        }
        let mut batches = Vec::new();
        for (partition, values) in values {
            // More than one batch, so that sequence numbers go on within a transaction.
            for part in values.chunks(100) {
                let sequence = self.sequences.entry(partition).or_insert(0);
                let (id, epoch) = self.producer;
                let builder = BatchBuilder::new().producer(id, epoch, *sequence);
                let mut builder = builder.transactional();
                for value in part {
                    let none = std::iter::empty::<Header<'_>>();
                    builder.append(now_ms(), None, Some(value.as_bytes()), none)?;
                }
                *sequence += i32::try_from(part.len())?;
                batches.push((partition, builder.finish(Codec::None, None)?.freeze()));
            }
        }
        Ok(batches)
    }

    fn commit_offsets(
        &mut self,
        batch: &[(i32, ReadRecord)],
    ) -> anyhow::Result<Result<(), Failure>> {
        let mut next = BTreeMap::new();
        for (partition, record) in batch {
            next.insert(*partition, record.offset + 1);
        }
        let partitions = next.iter().map(|(&partition, &offset)| {
            TxnOffsetCommitRequestPartition::default()
                .with_partition_index(partition)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(-1)
        });
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name(&self.options.input()))
            .with_partitions(partitions.collect());
        let (id, epoch) = self.producer;
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_group_id(GroupId(StrBytes::from_string(self.options.group())))
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        let committed = self.call(&request, TXN_OFFSET_COMMIT, |answer| {
            let partitions = answer.topics.iter().flat_map(|it| &it.partitions);
            let mut codes = partitions.map(|it| it.error_code);
            codes.find(|code| *code != 0).unwrap_or(0)
        })?;
        Ok(committed.map(drop))
    }

    fn end(&mut self, is_commit: bool) -> anyhow::Result<Result<(), Failure>> {
        let (id, epoch) = self.producer;
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_committed(is_commit);
        let ended = self.call(&request, END_TXN, |it: &EndTxnResponse| it.error_code)?;
        Ok(ended.map(|answer| {
            self.producer = (answer.producer_id.0, answer.producer_epoch);
            self.sequences.clear();
        }))
    }

    fn transact(
        &mut self,
        batch: &[(i32, ReadRecord)],
        plan: &Plan,
    ) -> anyhow::Result<Result<(), Failure>> {
        let output = self.options.output();
        for (partition, records) in self.batches(batch, plan)? {
            let request = produce_request(by_name(&output), partition, -1, records)
                .with_transactional_id(Some(self.transactional_id()));
            let produced = self.call(&request, PRODUCE, |answer| {
                let produced = single_produced(answer.clone());
                produced.map_or(-1, |it| it.error_code)
            })?;
            if let Err(failure) = produced {
                return Ok(Err(failure));
            }
        }
        if !plan.is_doomed || plan.has_offsets {
            return self.commit_offsets(batch);
        }
        Ok(Ok(()))
    }
}

impl Transferring for FixedWorker<'_> {
    fn round(&mut self) -> anyhow::Result<Result<Round, Failure>> {
        let plan = Plan::draw(&mut self.random);
        let batch = self.gather(plan.records_max)?;
        if batch.is_empty() {
            return Ok(Ok(Round::Idle));
        }
        let transacted = self.transact(&batch, &plan)?;
        let is_commit = transacted.is_ok() && !plan.is_doomed;
        if let Err(failure @ Failure::Fatal(_)) = transacted {
            return Ok(Err(failure));
        }
        if let Err(failure) = self.end(is_commit)? {
            return Ok(Err(match failure {
                // An end that cannot be aborted is final.
                Failure::Abort(why) | Failure::Fatal(why) => Failure::Fatal(why),
            }));
        }
        if let Err(failure) = transacted {
            return Ok(Err(failure));
        }
        if plan.is_doomed {
            return Ok(Ok(Round::Aborted(batch.len())));
        }
        for (partition, record) in &batch {
            self.positions.insert(*partition, record.offset + 1);
        }
        Ok(Ok(Round::Committed(batch.len())))
    }
}
