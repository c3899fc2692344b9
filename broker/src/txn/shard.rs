//! The transactional ids of one partition of `__transaction_state`: their state, the queue of
//! records to append and of markers to write, all under one short lock that is never held across
//! an await. Requests come in here; appending is left to `drain`, markers to `sender`.
//!
//! A shard lives from a load to the unload. Unloaded, it answers what is still under way with
//! `NotCoordinator` and changes no more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, oneshot};

use super::config::BATCH_BYTES;
use super::environment::Environment;
use super::error::TxnError;
use super::loading::LoadedId;
use super::metadata::TransactionMetadata;
use super::schema::{encode_key, encode_value};
use super::state::TransactionState;
use super::topic_partition::TopicPartition;
use super::transaction::{Next, Outcome, Reply, Transaction};
use crate::coordinator::{CoordinatorRecord, SchemaError, TransactionMarker};

/// A record to be appended.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) record: CoordinatorRecord,
    /// The answer once the record is committed, and whom to tell, if anybody asked.
    pub(crate) reply: Option<(Reply, oneshot::Sender<Reply>)>,
}

/// Something to be done for a transaction that is decided.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) task: Task,
    /// How often it was tried in vain.
    pub(crate) failures: u32,
}

/// What a job does.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// Write the marker to a partition.
    Marker(TopicPartition, TransactionMarker),
    /// Append once more that the transaction is complete.
    Complete,
}

/// A transactional id with the size of its last record.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) transaction: Transaction,
    pub(crate) size_bytes: usize,
    /// Told when no step is under way any more; there only while somebody waits for it.
    idle: Option<Arc<Notify>>,
}

impl Entry {
    fn new(transaction: Transaction, size_bytes: usize) -> Self {
        Self {
            transaction,
            size_bytes,
            idle: None,
        }
    }

    /// Wakes who waits for the end of the step that was under way, if it has ended.
    fn tell_idle(&mut self) {
        if !self.transaction.is_busy()
            && let Some(idle) = self.idle.take()
        {
            idle.notify_waiters();
        }
    }
}

/// What became of a request.
pub(crate) enum Handled {
    Reply(Reply),
    /// It has to come again with a fresh producer id.
    ProducerIdNeeded,
    /// The answer comes once the record is committed.
    Queued(oneshot::Receiver<Reply>),
}

/// The transactional ids of one partition of `__transaction_state`.
pub(crate) struct Shard {
    pub(crate) partition: i32,
    state: Mutex<ShardState>,
    /// Wakes the sender when there is more to send.
    pub(crate) jobs_queued: Notify,
}

impl Shard {
    pub(crate) fn new(partition: i32, state: ShardState) -> Self {
        Self {
            partition,
            state: Mutex::new(state),
            jobs_queued: Notify::new(),
        }
    }

    /// The state. A panic under the lock left at worst one id in a wrong state, which other ids do
    /// not depend on.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ShardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for a request.
    ///
    /// # Errors
    /// `NotCoordinator` when the partition was unloaded since the request found the shard.
    pub(crate) fn lock_active(&self) -> Result<MutexGuard<'_, ShardState>, TxnError> {
        let state = self.lock();
        if state.is_unloaded {
            Err(TxnError::NotCoordinator)
        } else {
            Ok(state)
        }
    }
}

/// What a shard's lock guards.
pub(crate) struct ShardState {
    environment: Arc<Environment>,
    /// Epoch in which this broker leads the partition; markers carry it.
    pub(crate) coordinator_epoch: i32,
    pub(crate) entries: HashMap<Arc<str>, Entry>,
    pub(crate) writes: VecDeque<Write>,
    /// Bytes of the records in `writes`.
    pub(crate) queued_bytes: usize,
    pub(crate) jobs: VecDeque<Job>,
    /// Whether a drain runs, which will see whatever is queued.
    pub(crate) is_draining: bool,
    /// Whether a sender runs, which will see whatever is queued.
    pub(crate) is_sending: bool,
    pub(crate) is_unloaded: bool,
}

impl ShardState {
    /// The ids of a partition that was read back; what is left to do for them is queued.
    pub(crate) fn loaded(
        environment: Arc<Environment>,
        coordinator_epoch: i32,
        ids: HashMap<Arc<str>, LoadedId>,
        now_ms: i64,
    ) -> Self {
        let mut state = Self {
            environment,
            coordinator_epoch,
            entries: HashMap::with_capacity(ids.len()),
            writes: VecDeque::new(),
            queued_bytes: 0,
            jobs: VecDeque::new(),
            is_draining: false,
            is_sending: false,
            is_unloaded: false,
        };
        for (id, loaded) in ids {
            let (transaction, next) = Transaction::loaded(loaded.metadata, now_ms);
            let entry = Entry::new(transaction, loaded.size_bytes);
            state.environment.count_state(0, entry.size_bytes);
            state.entries.insert(Arc::clone(&id), entry);
            state.follow(&id, next);
        }
        state
    }

    /// Gives an event to an id and queues what it wants appended.
    ///
    /// # Errors
    /// `InvalidProducerIdMapping` when there is no such id.
    pub(crate) fn request(
        &mut self,
        transactional_id: &str,
        event: impl FnOnce(&mut Transaction) -> Outcome,
    ) -> Result<Handled, TxnError> {
        let (id, entry) = self
            .entries
            .get_key_value_mut(transactional_id)
            .ok_or(TxnError::InvalidProducerIdMapping)?;
        let id = Arc::clone(id);
        match event(&mut entry.transaction) {
            Outcome::Reply(reply) => Ok(Handled::Reply(reply)),
            Outcome::ProducerIdNeeded => Ok(Handled::ProducerIdNeeded),
            Outcome::Append(reply) => {
                let (sender, receiver) = oneshot::channel();
                match self.queue_write(&id, Some((reply, sender)), Limits::Hold) {
                    Ok(()) => Ok(Handled::Queued(receiver)),
                    Err(error) => {
                        self.append_failed(&id);
                        Err(error)
                    }
                }
            }
        }
    }

    /// Resolves when the step of the id that is under way has ended; none when no step is.
    pub(crate) fn until_idle(&mut self, transactional_id: &str) -> Option<OwnedNotified> {
        let entry = self.entries.get_mut(transactional_id)?;
        let idle = entry.transaction.is_busy().then_some(&mut entry.idle)?;
        // From here on it hears of the end, before it is polled as well.
        Some(Arc::clone(idle.get_or_insert_default()).notified_owned())
    }

    /// Makes sure that the id exists, so that a producer can ask for it. A new one is as if it
    /// were not there until its first record is committed.
    pub(crate) fn create(&mut self, transactional_id: &str, producer_id: i64, timeout_ms: i32) {
        let now_ms = self.environment.now_ms();
        if !self.entries.contains_key(transactional_id) {
            let transaction = Transaction::unwritten(producer_id, timeout_ms, now_ms);
            let entry = Entry::new(transaction, 0);
            self.entries.insert(Arc::from(transactional_id), entry);
        }
    }

    /// Begins to forget an id that nobody uses.
    pub(crate) fn expire(&mut self, id: &Arc<str>) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.transaction.expire();
            self.queue_step(id);
        }
    }

    /// Queues the record that the id wants appended, whatever is queued already; nobody waits for
    /// it.
    fn queue_step(&mut self, id: &Arc<str>) {
        if let Err(error) = self.queue_write(id, None, Limits::Pass) {
            // Only a topic with a name that never fit a record before could bring this about.
            tracing::error!(transactional_id = %id, %error, "cannot encode a transaction");
            self.append_failed(id);
        }
    }

    fn queue_write(
        &mut self,
        id: &Arc<str>,
        reply: Option<(Reply, oneshot::Sender<Reply>)>,
        limits: Limits,
    ) -> Result<(), TxnError> {
        let entry = self.entries.get(id).ok_or(TxnError::UnknownServerError)?;
        let target = entry.transaction.appending();
        let target = target.ok_or(TxnError::UnknownServerError)?;
        let record = record_of(id, target, self.environment.version())?;
        let size_bytes = record.size_bytes();
        if let Limits::Hold = limits {
            let limits = &self.environment.config.limits;
            let growth_bytes = size_bytes.saturating_sub(entry.size_bytes);
            let is_queue_full = limits.queue_bytes_max < self.queued_bytes + size_bytes;
            // The other states only move an id towards its end.
            let is_growing = 0 < growth_bytes
                && matches!(
                    target.state,
                    TransactionState::Empty | TransactionState::Ongoing
                );
            let is_state_full = is_growing
                && limits.state_bytes_max < self.environment.state_bytes() + growth_bytes;
            if is_queue_full || is_state_full {
                self.environment.metrics.turned_away.increment();
                return Err(TxnError::CoordinatorNotAvailable);
            }
        }
        self.queued_bytes += size_bytes;
        self.writes.push_back(Write {
            transactional_id: Arc::clone(id),
            record,
            reply,
        });
        Ok(())
    }

    /// Takes what is to be appended next; none ends the drain.
    pub(crate) fn next_batch(&mut self) -> Option<Vec<Write>> {
        let mut batch: Vec<Write> = Vec::new();
        let mut bytes = 0;
        while let Some(write) = self.writes.front() {
            bytes += write.record.size_bytes();
            if !batch.is_empty() && BATCH_BYTES < bytes {
                break;
            }
            batch.extend(self.writes.pop_front());
        }
        let batch_bytes: usize = batch.iter().map(|write| write.record.size_bytes()).sum();
        self.queued_bytes -= batch_bytes;
        self.is_draining = !batch.is_empty();
        self.is_draining.then_some(batch)
    }

    /// Takes over records that have been committed, or have failed.
    pub(crate) fn apply(&mut self, batch: Vec<Write>, result: Result<(), TxnError>, now_ms: i64) {
        let result = if self.is_unloaded {
            Err(TxnError::NotCoordinator)
        } else {
            result
        };
        for write in batch {
            let size_bytes = write.record.size_bytes();
            match result {
                Err(_) => self.append_failed(&write.transactional_id),
                Ok(()) => self.appended(&write.transactional_id, size_bytes, now_ms),
            }
            if let Some((reply, sender)) = write.reply {
                tell(sender, result.and(reply));
            }
        }
    }

    fn appended(&mut self, id: &Arc<str>, size_bytes: usize, now_ms: i64) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        self.environment.count_state(entry.size_bytes, size_bytes);
        entry.size_bytes = size_bytes;
        let next = entry.transaction.appended(now_ms);
        self.count(id);
        self.follow(id, next);
    }

    /// Counts a decision that has just been written.
    fn count(&self, id: &Arc<str>) {
        let metrics = &self.environment.metrics;
        let state = self
            .entries
            .get(id)
            .map(|entry| entry.transaction.metadata().state);
        match state {
            Some(TransactionState::PrepareCommit) => metrics.committed.increment(),
            Some(TransactionState::PrepareAbort) => metrics.aborted.increment(),
            Some(TransactionState::Dead) => metrics.ids_expired.increment(),
            _ => {}
        }
    }

    fn append_failed(&mut self, id: &Arc<str>) {
        if let Some(entry) = self.entries.get_mut(id) {
            let next = entry.transaction.append_failed();
            self.follow(id, next);
        }
    }

    /// A marker of the transaction is written, or its partition gone.
    pub(crate) fn marker_written(&mut self, id: &Arc<str>, now_ms: i64) {
        if let Some(entry) = self.entries.get_mut(id) {
            let next = entry.transaction.marker_written(now_ms);
            self.follow(id, next);
        }
    }

    /// A partition refused the marker in favour of a newer coordinator or producer.
    pub(crate) fn markers_given_up(&mut self, id: &Arc<str>) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.transaction.markers_given_up();
            entry.tell_idle();
        }
    }

    /// Tries once more to have it written that the transaction is complete.
    pub(crate) fn retry_completion(&mut self, id: &Arc<str>, now_ms: i64) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.transaction.retry_completion(now_ms);
            self.queue_step(id);
        }
    }

    /// Carries out what follows from a step.
    fn follow(&mut self, id: &Arc<str>, next: Next) {
        match next {
            Next::Nothing => {
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.tell_idle();
                }
            }
            Next::Append => self.queue_step(id),
            Next::Forget => {
                if let Some(entry) = self.entries.remove(id) {
                    self.environment.count_state(entry.size_bytes, 0);
                }
            }
            Next::RetryCompletion => self.jobs.push_back(Job {
                transactional_id: Arc::clone(id),
                task: Task::Complete,
                failures: 1,
            }),
            Next::WriteMarkers => {
                let Some(entry) = self.entries.get(id) else {
                    return;
                };
                let marker = entry.transaction.marker(self.coordinator_epoch);
                let partitions = entry.transaction.metadata().partitions.iter();
                self.jobs.extend(partitions.map(|partition| Job {
                    transactional_id: Arc::clone(id),
                    task: Task::Marker(partition.clone(), marker),
                    failures: 0,
                }));
            }
        }
    }

    /// Whether the job still makes sense: the transaction waits for it.
    pub(crate) fn is_due(&self, job: &Job) -> bool {
        let Some(entry) = self.entries.get(&job.transactional_id) else {
            return false;
        };
        match &job.task {
            Task::Complete => entry.transaction.is_completion_failed(),
            Task::Marker(_, marker) => {
                entry.transaction.is_writing_markers()
                    && entry.transaction.marker(self.coordinator_epoch) == *marker
            }
        }
    }

    /// Starts a drain if there is something to append and none runs. The caller then spawns it.
    pub(crate) fn begin_drain(&mut self) -> bool {
        let begins = !self.is_draining && !self.writes.is_empty();
        self.is_draining |= begins;
        begins
    }

    /// Starts a sender if there is something to send and none runs. The caller then spawns it.
    pub(crate) fn begin_sending(&mut self) -> bool {
        let begins = !self.is_sending && !self.jobs.is_empty();
        self.is_sending |= begins;
        begins
    }

    /// The partition moved away: answers everything queued and stops.
    pub(crate) fn unload(&mut self) {
        self.is_unloaded = true;
        for (_, entry) in self.entries.drain() {
            self.environment.count_state(entry.size_bytes, 0);
        }
        self.jobs.clear();
        self.queued_bytes = 0;
        for write in std::mem::take(&mut self.writes) {
            if let Some((_, sender)) = write.reply {
                tell(sender, Err(TxnError::NotCoordinator));
            }
        }
    }
}

/// Whether a write may be turned away.
#[derive(Clone, Copy)]
enum Limits {
    /// It is turned away when too much is queued or known already.
    Hold,
    /// It is what is left to do for something already begun.
    Pass,
}

/// Answers a request; its connection may be gone by now, which changes nothing.
fn tell(sender: oneshot::Sender<Reply>, reply: Reply) {
    if sender.send(reply).is_err() {
        tracing::debug!("nobody waits for the answer any more");
    }
}

fn record_of(
    id: &Arc<str>,
    target: &TransactionMetadata,
    version: i16,
) -> Result<CoordinatorRecord, TxnError> {
    let encode = || {
        let key = encode_key(id)?;
        let value = match target.state {
            TransactionState::Dead => None,
            _ => Some(encode_value(target, version)?),
        };
        Ok(CoordinatorRecord { key, value })
    };
    encode().map_err(|error: SchemaError| {
        tracing::warn!(transactional_id = %id, %error, "cannot encode a transaction");
        TxnError::UnknownServerError
    })
}
