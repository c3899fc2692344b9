//! Writes what a shard has queued, batch by batch, and applies each batch once it is committed.
//!
//! One drain runs per shard at a time, started by whoever queues the first write, as a task of its
//! own: a client that goes away while its commit is written takes nothing with it. What is queued
//! while a batch is under way forms the next one, so one sync to disk serves many groups.

use std::sync::Arc;

use ringbrook_engine::Clock;

use super::error::GroupError;
use super::shard::{Now, Shard, ShardState};
use super::write::{
    BATCH_BYTES, Batch, Commit, ConsumerWrite, GroupWrite, Marker, Removal, RemovalPlan, Removed,
    TRANSACTIONAL_BATCHES_MAX, TransactionProducer, Write, tell,
};
use crate::coordinator::{CoordinatorBatch, CoordinatorLog, CoordinatorRecord, TransactionMarker};

/// What a drain needs from outside.
pub(crate) struct Environment {
    pub(crate) log: Arc<dyn CoordinatorLog>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Environment {
    pub(crate) fn now(&self) -> Now {
        Now {
            ms: self.clock.now_ms(),
            monotonic: self.clock.monotonic(),
        }
    }
}

/// Writes until nothing is queued. The caller has just got `true` from `begin_drain`.
pub(crate) async fn drain(shard: Arc<Shard>, environment: Arc<Environment>) {
    let mut running = Running {
        shard: &shard,
        is_finished: false,
    };
    loop {
        let batch = shard.lock().next_batch(environment.now());
        match batch {
            Some(Batch::Writes(writes)) => write_batch(&shard, &environment, writes).await,
            Some(Batch::Transactional(writes)) => {
                write_transactional(&shard, &environment, writes).await;
            }
            Some(Batch::Removal(plan)) => write_removal(&shard, &environment, plan).await,
            None => break,
        }
    }
    running.is_finished = true;
}

/// Lets the next write start a new drain should this one end early: its runtime shut down, or the
/// log panicked. Requests of the batch under way learn of it by their dropped senders.
struct Running<'a> {
    shard: &'a Shard,
    is_finished: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.shard.lock().is_draining = false;
        }
    }
}

async fn write_batch(shard: &Shard, environment: &Environment, writes: Vec<Write>) {
    let result = append(shard, environment, records_of(&writes)).await;
    let is_too_large = matches!(
        result,
        Err(GroupError::MessageTooLarge | GroupError::RecordListTooLarge)
    );
    if !is_too_large {
        return shard.lock().apply_writes(writes, result, environment.now());
    }
    // The topic takes smaller batches than we make: a write must not fail for its neighbours.
    for write in writes {
        let alone = vec![write];
        let result = match &alone[..] {
            [Write::Consumer(write)] => append_in_parts(shard, environment, write).await,
            _ => append(shard, environment, records_of(&alone)).await,
        };
        shard.lock().apply_writes(alone, result, environment.now());
    }
}

/// Writes what a consumer group says in as many batches as it takes: the target assignment of a
/// large group need not fit one. Its epoch comes after all of it, so a group that is read back
/// after half of it computes it again.
async fn append_in_parts(
    shard: &Shard,
    environment: &Environment,
    write: &ConsumerWrite,
) -> Result<i64, GroupError> {
    let mut rest = write.records.as_deref().unwrap_or_default();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(batch_len(rest.iter()));
        append(shard, environment, part.to_vec()).await?;
        rest = after;
    }
    Ok(-1)
}

async fn append(
    shard: &Shard,
    environment: &Environment,
    records: Vec<CoordinatorRecord>,
) -> Result<i64, GroupError> {
    if records.is_empty() {
        return Ok(-1);
    }
    environment
        .log
        .append(
            shard.partition,
            CoordinatorBatch::Records(records),
            environment.now().ms,
        )
        .await
        .map_err(GroupError::from)
}

fn records_of(writes: &[Write]) -> Vec<CoordinatorRecord> {
    let mut records = Vec::new();
    for write in writes {
        match write {
            Write::Commit(commit) => records.extend(commit.records.iter().cloned()),
            Write::Group(group) => records.extend(group.record.iter().cloned()),
            Write::Consumer(write) => {
                records.extend(write.records.iter().flatten().cloned());
            }
            Write::Marker(_) => unreachable!("markers are batches of their own"),
            Write::Removal(_) | Write::Barrier(_) => {}
        }
    }
    records
}

/// Appends all batches, then waits for them in their order: producers that commit at the same time
/// share a sync to disk, although each has a batch of its own.
async fn write_transactional(shard: &Shard, environment: &Environment, writes: Vec<Write>) {
    let now_ms = environment.now().ms;
    let append = |mut write: Write| {
        let batch = transactional_batch(&mut write);
        let appended = batch.map(|batch| environment.log.append(shard.partition, batch, now_ms));
        (write, appended)
    };
    let under_way: Vec<_> = writes.into_iter().map(append).collect();
    for (write, appended) in under_way {
        let result = match appended {
            Some(appended) => appended.await.map_err(GroupError::from),
            None => Ok(-1),
        };
        let mut state = shard.lock();
        state.apply_writes(vec![write], result, environment.now());
    }
}

/// The batch of a write, if it is one; takes the records out of it.
fn transactional_batch(write: &mut Write) -> Option<CoordinatorBatch> {
    match write {
        Write::Commit(commit) => {
            let producer = commit.transaction?;
            Some(CoordinatorBatch::Transactional {
                records: std::mem::take(&mut commit.records),
                producer_id: producer.producer_id,
                producer_epoch: producer.producer_epoch,
                guard: producer.guard,
            })
        }
        Write::Marker(Marker { marker, .. }) => Some(CoordinatorBatch::Marker(*marker)),
        Write::Group(_) | Write::Consumer(_) | Write::Removal(_) | Write::Barrier(_) => None,
    }
}

/// Writes the tombstones in as many batches as it takes. The group's own tombstone comes last, so
/// a crash in between leaves a group with fewer offsets, never offsets without a group.
async fn write_removal(shard: &Shard, environment: &Environment, plan: RemovalPlan) {
    let mut result = plan.refusal.map_or(Ok(()), Err);
    let mut rest = &plan.tombstones[..];
    while result.is_ok() && !rest.is_empty() {
        let (batch, after) = rest.split_at(batch_len(rest.iter().map(|(record, _)| record)));
        let records = batch.iter().map(|(record, _)| record.clone()).collect();
        result = append(shard, environment, records).await.map(|_| ());
        let removed: Vec<Removed> = batch.iter().map(|(_, removed)| removed.clone()).collect();
        let mut state = shard.lock();
        if state.is_unloaded {
            result = Err(GroupError::NotCoordinator);
        } else if result.is_ok() {
            state.apply_removed(&removed);
            rest = after;
        }
    }
    if result.is_err() {
        let kept: Vec<Removed> = rest.iter().map(|(_, removed)| removed.clone()).collect();
        shard.lock().abort_removed(&kept);
    }
    plan.reply
        .send(result.map_err(GroupError::as_coordinator_error));
}

/// How many of the records fill a batch; one at least.
fn batch_len<'a>(records: impl Iterator<Item = &'a CoordinatorRecord>) -> usize {
    let mut bytes = 0;
    let fits = records.take_while(|record| {
        bytes += record.size_bytes();
        bytes <= BATCH_BYTES
    });
    fits.count().max(1)
}

impl ShardState {
    /// What to write next; without anything, the drain is over.
    fn next_batch(&mut self, now: Now) -> Option<Batch> {
        let mut writes = Vec::new();
        let mut bytes = 0;
        let mut kind: Option<bool> = None;
        while let Some(write) = self.writes.pop_front() {
            let is_transactional = write.is_transactional();
            let differs = kind.is_some() && is_transactional.is_some() && kind != is_transactional;
            let is_full = kind == Some(true) && TRANSACTIONAL_BATCHES_MAX <= writes.len();
            if differs || is_full {
                self.writes.push_front(write);
                break;
            }
            match write {
                // What the group says now has to be written before it is gone.
                Write::Removal(Removal::Group { group_id, done })
                    if writes.is_empty() && self.has_unwritten(&group_id) =>
                {
                    self.queue_removal(Removal::Group { group_id, done });
                }
                Write::Removal(removal) if writes.is_empty() => {
                    return Some(Batch::Removal(self.plan_removal(removal, now)));
                }
                Write::Removal(_) => {
                    self.writes.push_front(write);
                    break;
                }
                // The group has been deleted since; a record of it now would bring it back.
                Write::Group(group) if !self.groups.contains_key(&group.group_id) => {}
                write => {
                    let size_bytes = size_bytes(&write);
                    if !writes.is_empty() && BATCH_BYTES < bytes + size_bytes {
                        self.writes.push_front(write);
                        break;
                    }
                    bytes += size_bytes;
                    if let Write::Commit(_) | Write::Consumer(_) = write {
                        self.queued_bytes -= size_bytes;
                    }
                    kind = kind.or(is_transactional);
                    writes.push(write);
                }
            }
        }
        self.is_draining = !writes.is_empty();
        self.is_draining.then_some(match kind {
            Some(true) => Batch::Transactional(writes),
            Some(false) | None => Batch::Writes(writes),
        })
    }

    fn has_unwritten(&self, group_id: &str) -> bool {
        let entry = self.groups.get(group_id);
        entry.is_some_and(|entry| 0 < entry.unwritten)
    }

    /// Takes over writes that have been appended, or have failed.
    fn apply_writes(&mut self, writes: Vec<Write>, result: Result<i64, GroupError>, now: Now) {
        let result = if self.is_unloaded {
            Err(GroupError::NotCoordinator)
        } else {
            result
        };
        if let Err(error) = result {
            tracing::warn!(%error, writes = writes.len(), "cannot write to __consumer_offsets");
        }
        let mut log_offset = result.unwrap_or(-1);
        let mut is_lost = false;
        for write in writes {
            match write {
                Write::Commit(commit) => self.apply_commit(commit, result, &mut log_offset, now),
                Write::Group(group) => self.apply_group(group, result, &mut log_offset, now),
                Write::Consumer(write) => {
                    let count = write.records.as_ref().map_or(0, Vec::len);
                    log_offset += i64::try_from(count).unwrap_or(i64::MAX);
                    is_lost |= !self.apply_consumer(write, result.map(|_| ()));
                }
                Write::Marker(marker) => self.apply_marker(marker, result),
                Write::Barrier(done) => tell(done, result.map(|_| ())),
                Write::Removal(_) => unreachable!("removals are written on their own"),
            }
        }
        if is_lost && !self.is_unloaded {
            tracing::error!("consumer groups are ahead of their log, which is read back");
            self.must_reload = true;
            self.unload(now);
        }
    }

    fn apply_commit(
        &mut self,
        commit: Commit,
        result: Result<i64, GroupError>,
        log_offset: &mut i64,
        now: Now,
    ) {
        if let Err(error) = result {
            return tell(commit.done, Err(error.as_coordinator_error()));
        }
        // A commit outside any group makes a simple group.
        let entry = self.create_group(&commit.group_id, now.ms);
        for (topic, partition, mut committed) in commit.offsets {
            committed.log_offset = *log_offset;
            *log_offset += 1;
            match commit.transaction {
                Some(TransactionProducer { producer_id, .. }) => {
                    let offsets = &mut entry.offsets;
                    offsets.add_pending(producer_id, &topic, partition, committed);
                }
                None => entry.offsets.apply(&topic, partition, committed),
            }
        }
        if let Some(producer) = commit.transaction {
            let groups = self.open_transactions.entry(producer.producer_id);
            groups.or_default().insert(commit.group_id);
        }
        tell(commit.done, Ok(()));
    }

    fn apply_marker(&mut self, write: Marker, result: Result<i64, GroupError>) {
        if result.is_ok() {
            let TransactionMarker {
                producer_id,
                is_commit,
                ..
            } = write.marker;
            let groups = self.open_transactions.remove(&producer_id);
            for group_id in groups.unwrap_or_default() {
                // A group deleted since has taken its pending offsets with it.
                if let Some(entry) = self.groups.get_mut(&group_id) {
                    entry.offsets.end_transaction(producer_id, is_commit);
                }
            }
        }
        tell(write.done, result.map(|_| ()));
    }

    fn apply_group(
        &mut self,
        write: GroupWrite,
        result: Result<i64, GroupError>,
        log_offset: &mut i64,
        now: Now,
    ) {
        let outcome = write.record.and_then(|_| {
            *log_offset += 1;
            result.map(|_| ())
        });
        self.with_classic(&write.group_id, now, |group, actions| {
            group.persisted(write.then, outcome, now.ms, actions);
        });
    }
}

fn size_bytes(write: &Write) -> usize {
    match write {
        Write::Commit(commit) => commit.size_bytes,
        Write::Group(group) => group
            .record
            .as_ref()
            .map_or(0, CoordinatorRecord::size_bytes),
        Write::Consumer(write) => write.size_bytes,
        Write::Marker(_) | Write::Removal(_) | Write::Barrier(_) => 0,
    }
}
