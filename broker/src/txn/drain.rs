//! Appends what a shard has queued, batch by batch, and applies each batch once it is committed.
//!
//! One drain runs per shard at a time, started by whoever queues the first record, as a task of its
//! own: a client that goes away takes nothing with it. What is queued while a batch is under way
//! forms the next one, so one sync to disk serves many transactions.

use std::sync::Arc;

use super::environment::Environment;
use super::error::TxnError;
use super::sender;
use super::shard::{Shard, Write};
use crate::coordinator::{CoordinatorBatch, CoordinatorLogError};

/// Starts the drain of a shard that has something to append, unless one runs. Must be called on a
/// core's runtime, inside its `LocalSet`.
pub(crate) fn start(shard: &Arc<Shard>, environment: &Arc<Environment>) {
    if shard.lock().begin_drain() {
        let drain = drain(Arc::clone(shard), Arc::clone(environment));
        drop(tokio::task::spawn_local(drain));
    }
}

async fn drain(shard: Arc<Shard>, environment: Arc<Environment>) {
    let mut running = Running {
        shard: &shard,
        is_finished: false,
    };
    loop {
        let Some(batch) = shard.lock().next_batch() else {
            break;
        };
        append_batch(&shard, &environment, batch).await;
        sender::start(&shard, &environment);
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

async fn append_batch(shard: &Shard, environment: &Environment, batch: Vec<Write>) {
    let result = append(shard, environment, &batch).await;
    let is_too_large = matches!(
        result,
        Err(CoordinatorLogError::MessageTooLarge | CoordinatorLogError::RecordListTooLarge)
    );
    if !is_too_large || batch.len() == 1 {
        return apply(shard, environment, batch, result);
    }
    // The topic takes smaller batches than we make: a record must not fail for its neighbours.
    for write in batch {
        let alone = vec![write];
        let result = append(shard, environment, &alone).await;
        apply(shard, environment, alone, result);
    }
}

async fn append(
    shard: &Shard,
    environment: &Environment,
    batch: &[Write],
) -> Result<i64, CoordinatorLogError> {
    let records = batch.iter().map(|write| write.record.clone()).collect();
    let batch = CoordinatorBatch::Records(records);
    let now_ms = environment.now_ms();
    let log = &environment.parts.log;
    log.append(shard.partition, batch, now_ms).await
}

fn apply(
    shard: &Shard,
    environment: &Environment,
    batch: Vec<Write>,
    result: Result<i64, CoordinatorLogError>,
) {
    let metrics = &environment.metrics;
    match result {
        Ok(_) => {
            metrics.batches.increment();
            metrics
                .records
                .add(u64::try_from(batch.len()).unwrap_or(u64::MAX));
        }
        Err(error) => {
            metrics.append_failures.increment();
            let partition = shard.partition;
            tracing::warn!(partition, %error, "cannot write to __transaction_state");
        }
    }
    let result = result.map(|_| ()).map_err(TxnError::from);
    let now_ms = environment.now_ms();
    shard.lock().apply(batch, result, now_ms);
}
