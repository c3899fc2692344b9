//! Records become batches here, and batches wait for their brokers. Pure: records, time and leaders
//! in, batches out; the producer appends under its lock and the sender drains.
//!
//! The rule of Kafka's `RecordAccumulator`: a partition is ready when its first batch is full, has
//! lingered, or need not linger because memory is exhausted, somebody flushes or the producer is
//! closed. Once a partition of a broker is ready, the first batch of every partition of that broker
//! goes along. Differences: `buffer.memory` counts the bytes of records, not whole buffers, so that
//! many partitions with little data do not exhaust it; a partition that may not be sent to is
//! passed over instead of ending the round of its broker; batches return in their order also
//! without idempotence.

mod drain;
mod queue;
mod ready;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hashbrown::HashMap;
use ringbrook_protocol::ResponseError;
use ringbrook_record::Codec;
use ringbrook_record::batch_header::HEADER_BYTES;
use tokio::time::Instant;

pub(super) use drain::{DrainLimits, LeaderOf};
use queue::PartitionQueue;

use super::batch::{Batch, BatchKey, RawRecord};
use super::compression_ratio::CompressionRatio;
use super::counters::ProducerCounters;
use super::delivery::{Callback, Delivery};
use super::outcome::Outcome;
use super::partitioner::{BuiltInPartitioner, PartitionQueue as PartitionLoad};
use super::transaction::{Transactions, lock};
use crate::config::ProducerConfig;
use crate::error::{BrokerError, ClientError};
use crate::metadata::TopicMetadata;
use crate::topic_partition::TopicPartition;

/// What a new batch sets aside for its records at once when there is no buffer to be used again.
const FRESH_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How many buffers are kept to be used again.
const SPARE_BUFFERS_MAX: usize = 64;

/// What an accumulator takes from the configuration.
#[derive(Debug, Clone)]
pub(super) struct AccumulatorSettings {
    pub(super) batch_size: usize,
    pub(super) linger: Duration,
    pub(super) buffer_memory: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) codec: Codec,
    /// `partitioner.adaptive.partitioning.enable`.
    pub(super) is_adaptive: bool,
}

impl AccumulatorSettings {
    pub(super) fn of(config: &ProducerConfig) -> Self {
        Self {
            batch_size: config.batch_size,
            linger: config.linger,
            buffer_memory: config.buffer_memory,
            delivery_timeout: config.effective_delivery_timeout(),
            codec: config.compression_type,
            is_adaptive: config.partitioner_adaptive_partitioning_enable,
        }
    }
}

struct TopicEntry {
    /// Its partitions' numbers among the queues.
    slots: Vec<Option<usize>>,
    ratio: CompressionRatio,
    partitioner: BuiltInPartitioner,
}

/// All records that are not yet acknowledged, but for the batches that are with a broker: these
/// count, but the sender has them.
pub(super) struct Accumulator {
    settings: AccumulatorSettings,
    topic_indexes: HashMap<Arc<str>, usize>,
    topics: Vec<TopicEntry>,
    queues: Vec<PartitionQueue>,
    /// Partitions with batches; others among them are dropped when they are met.
    active: Vec<usize>,
    /// Where the next drain begins, so that no partition starves.
    drain_from: usize,
    used_bytes: usize,
    /// How many senders wait for memory.
    waiting_count: usize,
    flushes_count: usize,
    is_closing: bool,
    /// Why nothing can be sent any more.
    fatal: Option<ClientError>,
    is_ending_transaction: bool,
    next_serial: u64,
    incomplete: BTreeMap<BatchKey, Arc<Outcome>>,
    spare: Vec<Vec<u8>>,
    unavailable_nodes: Vec<i32>,
    /// Which records may be taken and which batches be sent, for a transactional producer.
    transactions: Option<Arc<Mutex<Transactions>>>,
    /// Memory of the partitioners' question.
    load: Vec<PartitionLoad>,
    pub(super) counters: ProducerCounters,
}

/// Which partition a record goes to.
#[derive(Clone, Copy)]
pub(super) enum Destination {
    /// This one.
    Partition(i32),
    /// The one that records without a key stick to now.
    Sticky,
}

/// What became of a record.
pub(super) enum Appended {
    /// It is in a batch. The sender has to look when `wakes`.
    In { delivery: Delivery, wakes: bool },
    /// There is no memory now; the callback comes back.
    Exhausted(Option<Callback>),
    /// It can never be in a batch.
    Refused(ClientError),
}

impl Accumulator {
    pub(super) fn new(settings: AccumulatorSettings) -> Self {
        let counters = ProducerCounters {
            batch_size: settings.batch_size,
            ..ProducerCounters::default()
        };
        Self {
            settings,
            topic_indexes: HashMap::new(),
            topics: Vec::new(),
            queues: Vec::new(),
            active: Vec::new(),
            drain_from: 0,
            used_bytes: 0,
            waiting_count: 0,
            flushes_count: 0,
            is_closing: false,
            fatal: None,
            is_ending_transaction: false,
            next_serial: 0,
            incomplete: BTreeMap::new(),
            spare: Vec::new(),
            unavailable_nodes: Vec::new(),
            transactions: None,
            load: Vec::new(),
            counters,
        }
    }

    /// Takes records only within transactions. Their lock is taken inside this one's.
    pub(super) fn with_transactions(mut self, transactions: Arc<Mutex<Transactions>>) -> Self {
        self.transactions = Some(transactions);
        self
    }

    /// Adds a record to the last batch of its partition, or to a new one. `has_turn` says that the
    /// caller has waited for memory and is the first of those who do.
    pub(super) fn append(
        &mut self,
        topic: &TopicMetadata,
        destination: Destination,
        record: &RawRecord<'_>,
        callback: Option<Callback>,
        has_turn: bool,
        now: impl FnOnce() -> Instant,
    ) -> Appended {
        if self.is_closing {
            return Appended::Refused(ClientError::Closed("producer"));
        }
        if let Some(fatal) = &self.fatal {
            return Appended::Refused(fatal.clone());
        }
        if !has_turn && 0 < self.waiting_count {
            return Appended::Exhausted(callback);
        }
        let topic_index = self.topic_index(&topic.name);
        let Some(partition) = self.partition(topic, topic_index, destination) else {
            let code = ResponseError::LeaderNotAvailable.code();
            let error = BrokerError::new(code, format!("topic {} without partitions", topic.name));
            return Appended::Refused(error.into());
        };
        let size_bytes = record.size_bytes_max();
        let slot = self.slot(topic_index, &topic.name, partition);
        let has_room = self.has_room(slot, size_bytes);
        let header_bytes = if has_room { 0 } else { HEADER_BYTES };
        if self.settings.buffer_memory < self.used_bytes + size_bytes + header_bytes {
            return Appended::Exhausted(callback);
        }
        if let Err(error) = self.admit(&topic.name, partition) {
            return Appended::Refused(error);
        }
        if !has_room {
            if matches!(destination, Destination::Sticky) {
                self.update_load(topic, topic_index);
            }
            self.open_batch(slot, &topic.name, partition, size_bytes, now());
        }
        let ratio = self.ratio(topic_index);
        let queue = &mut self.queues[slot];
        let last = queue
            .batches
            .back_mut()
            .expect("a batch with room, or a new one");
        let before = if has_room { last.size_bytes() } else { 0 };
        let delivery = match last.append(record, callback) {
            Ok(delivery) => delivery,
            Err(error) => {
                self.drop_empty_last(slot);
                let error = ClientError::InvalidArgument(format!("the record: {error}"));
                return Appended::Refused(error);
            }
        };
        let added = last.size_bytes() - before;
        last.reserved_bytes += added;
        self.used_bytes += added;
        let written = estimated_bytes(ratio, last);
        queue.is_last_full |= self.settings.batch_size <= written;
        let wakes = !has_room || queue.is_last_full;
        if matches!(destination, Destination::Sticky) {
            let is_switch_allowed = queue.is_last_full;
            let partitioner = &mut self.topics[topic_index].partitioner;
            partitioner.update(topic, added, is_switch_allowed);
        }
        Appended::In { delivery, wakes }
    }

    /// A record of a transactional producer belongs to a transaction, and so does its partition.
    /// Under this lock: no transaction ends between this and the record's place in a batch.
    fn admit(&self, topic: &Arc<str>, partition: i32) -> Result<(), ClientError> {
        let Some(transactions) = &self.transactions else {
            return Ok(());
        };
        let partition = TopicPartition::new(Arc::clone(topic), partition);
        lock(transactions).add_partition(&partition)
    }

    /// Whether the transaction has the partition already, so that batches may go there.
    fn is_admitted(&self, queue: &PartitionQueue) -> bool {
        self.transactions.as_ref().is_none_or(|transactions| {
            let partition = TopicPartition::new(Arc::clone(&queue.topic), queue.partition);
            lock(transactions).is_send_allowed(&partition)
        })
    }

    fn partition(
        &mut self,
        topic: &TopicMetadata,
        topic_index: usize,
        destination: Destination,
    ) -> Option<i32> {
        match destination {
            Destination::Partition(partition) => Some(partition),
            Destination::Sticky => self.topics[topic_index].partitioner.partition(topic),
        }
    }

    /// Whether the last batch of a partition takes a record of `size_bytes` more.
    fn has_room(&self, slot: usize, size_bytes: usize) -> bool {
        let queue = &self.queues[slot];
        let Some(last) = queue.batches.back() else {
            return false;
        };
        if queue.is_last_full || !last.is_open() || last.was_sent {
            return false;
        }
        let written = estimated_bytes(self.ratio(queue.topic_index), last);
        written + size_bytes <= self.settings.batch_size
    }

    fn open_batch(
        &mut self,
        slot: usize,
        topic: &Arc<str>,
        partition: i32,
        size_bytes: usize,
        now: Instant,
    ) {
        let key = BatchKey {
            serial: self.next_serial,
            first_record: 0,
        };
        self.next_serial += 1;
        let outcome = Outcome::new(Arc::clone(topic), partition);
        let buffer = self.buffer(size_bytes);
        let batch = Batch::new(key, slot, Arc::clone(&outcome), now, buffer);
        self.incomplete.insert(key, outcome);
        let queue = &mut self.queues[slot];
        queue.is_last_full = false;
        queue.batches.push_back(batch);
        if !std::mem::replace(&mut queue.is_active, true) {
            self.active.push(slot);
        }
    }

    /// How long queues are, for the next choice of a partition.
    fn update_load(&mut self, topic: &TopicMetadata, topic_index: usize) {
        if !self.settings.is_adaptive {
            return;
        }
        let entry = &mut self.topics[topic_index];
        self.load.clear();
        let mut is_complete = true;
        for partition in &topic.partitions {
            let Some(leader) = partition.leader else {
                continue;
            };
            if self.unavailable_nodes.contains(&leader) {
                is_complete = false;
                continue;
            }
            let index = usize::try_from(partition.partition).unwrap_or_default();
            let slot = entry.slots.get(index).copied().flatten();
            let batches = slot.map_or(0, |slot| self.queues[slot].batches.len());
            self.load.push(PartitionLoad {
                partition: partition.partition,
                batches_count: u32::try_from(batches).unwrap_or(u32::MAX),
            });
        }
        entry.partitioner.update_load(&self.load, is_complete);
    }

    /// Brokers that have taken nothing for `partitioner.availability.timeout.ms`.
    pub(super) fn set_unavailable(&mut self, nodes: Vec<i32>) {
        self.unavailable_nodes = nodes;
    }

    fn drop_empty_last(&mut self, slot: usize) {
        let batches = &mut self.queues[slot].batches;
        if let Some(empty) = batches.pop_back_if(|last| last.records_count() == 0) {
            self.incomplete.remove(&empty.key);
        }
    }

    fn buffer(&mut self, size_bytes: usize) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| {
            let wanted = self.settings.batch_size.max(HEADER_BYTES + size_bytes);
            Vec::with_capacity(wanted.min(FRESH_BUFFER_BYTES_MAX))
        })
    }

    /// Memory for a compressed batch.
    pub(super) fn spare_buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps memory to be used again.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        let is_useful = 0 < buffer.capacity()
            && buffer.capacity() <= 2 * self.settings.batch_size.max(FRESH_BUFFER_BYTES_MAX);
        if is_useful && self.spare.len() < SPARE_BUFFERS_MAX {
            self.spare.push(buffer);
        }
    }

    fn topic_index(&mut self, topic: &Arc<str>) -> usize {
        if let Some(index) = self.topic_indexes.get(topic) {
            return *index;
        }
        let index = self.topics.len();
        let batch_size = self.settings.batch_size;
        self.topics.push(TopicEntry {
            slots: Vec::new(),
            ratio: CompressionRatio::default(),
            partitioner: BuiltInPartitioner::new(batch_size, fastrand::Rng::new()),
        });
        self.topic_indexes.insert(Arc::clone(topic), index);
        index
    }

    fn slot(&mut self, topic_index: usize, topic: &Arc<str>, partition: i32) -> usize {
        let index = usize::try_from(partition).unwrap_or_default();
        let slots = &mut self.topics[topic_index].slots;
        if let Some(Some(slot)) = slots.get(index) {
            return *slot;
        }
        let slot = self.queues.len();
        if slots.len() <= index {
            slots.resize(index + 1, None);
        }
        slots[index] = Some(slot);
        let queue = PartitionQueue::new(Arc::clone(topic), topic_index, partition);
        self.queues.push(queue);
        slot
    }

    fn ratio(&self, topic_index: usize) -> Option<CompressionRatio> {
        let is_compressed = self.settings.codec != Codec::None;
        is_compressed.then(|| self.topics[topic_index].ratio)
    }

    /// A batch of a partition was compressed.
    pub(super) fn compressed(&mut self, slot: usize, before: usize, after: usize) {
        self.counters.bytes_sent += after as u64;
        let topic_index = self.queues[slot].topic_index;
        let records = |bytes: usize| bytes.saturating_sub(HEADER_BYTES);
        let ratio = &mut self.topics[topic_index].ratio;
        ratio.observe(records(before), records(after));
    }

    /// A batch was written, or given up: its outcome is decided.
    pub(super) fn release(&mut self, key: BatchKey, reserved_bytes: usize) {
        self.incomplete.remove(&key);
        self.used_bytes -= reserved_bytes;
    }

    /// What all open deliveries wait for.
    pub(super) fn incomplete(&self) -> Vec<Arc<Outcome>> {
        self.incomplete.values().map(Arc::clone).collect()
    }

    /// Whether something is not yet acknowledged.
    pub(super) fn has_incomplete(&self) -> bool {
        !self.incomplete.is_empty()
    }

    /// Bytes that are not yet acknowledged.
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// How many senders wait for memory.
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting_count
    }

    /// Somebody begins to wait for memory, or stops.
    pub(super) fn wait_for_memory(&mut self, begins: bool) {
        if begins {
            self.counters.buffer_waits += 1;
            self.waiting_count += 1;
        } else {
            self.waiting_count -= 1;
        }
    }

    /// Somebody begins to flush, or stops.
    pub(super) fn flush(&mut self, begins: bool) {
        if begins {
            self.flushes_count += 1;
        } else {
            self.flushes_count -= 1;
        }
    }

    /// No more records are taken.
    pub(super) fn close(&mut self) {
        self.is_closing = true;
    }

    /// No more records are taken because of an error.
    pub(super) fn refuse(&mut self, fatal: ClientError) {
        self.fatal = Some(fatal);
    }

    /// Whether nothing can be sent any more because of an error.
    pub(super) fn is_refusing(&self) -> bool {
        self.fatal.is_some()
    }

    /// Whether no more records are taken.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Whether a transaction waits for its records.
    pub(super) fn end_transaction(&mut self, begins: bool) {
        self.is_ending_transaction = begins;
    }
}

/// How large a batch that takes records is likely to be when it is sent.
fn estimated_bytes(ratio: Option<CompressionRatio>, batch: &Batch) -> usize {
    let size_bytes = batch.size_bytes();
    match ratio {
        Some(ratio) if batch.is_open() => HEADER_BYTES + ratio.estimate(size_bytes - HEADER_BYTES),
        _ => size_bytes,
    }
}

#[cfg(test)]
mod tests;
