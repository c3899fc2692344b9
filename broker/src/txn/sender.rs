//! Writes the markers of the decided transactions of a shard, and has it written down when a
//! transaction has all of them.
//!
//! One sender runs per shard at a time, as a task of its own. It has a bounded number of writes
//! under way and polls them together: markers that go to the same partition share its next write to
//! disk. What fails waits, longer each time, and is tried again without end: a transaction that is
//! decided stays decided.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, future};

use super::config::{MARKER_RETRY_BACKOFF, MARKER_RETRY_BACKOFF_MAX};
use super::drain;
use super::environment::Environment;
use super::marker::MarkerError;
use super::shard::{Job, Shard, Task};

/// Starts the sender of a shard that has something to send, or tells the one that runs. Must be
/// called on a core's runtime, inside its `LocalSet`.
pub(crate) fn start(shard: &Arc<Shard>, environment: &Arc<Environment>) {
    let begins = shard.lock().begin_sending();
    if begins {
        let sender = Sender::new(Arc::clone(shard), Arc::clone(environment));
        drop(tokio::task::spawn_local(sender.run()));
    } else {
        shard.jobs_queued.notify_one();
    }
}

/// A marker that is being written, with how it went.
type Written = (Job, Result<(), MarkerError>);

struct Sender {
    shard: Arc<Shard>,
    environment: Arc<Environment>,
    under_way: FuturesUnordered<LocalBoxFuture<'static, Written>>,
    /// What failed, by when it is due. The number makes equal times distinct.
    waiting: BTreeMap<(Duration, u64), Job>,
    next_number: u64,
    is_finished: bool,
}

/// Lets the next job start a new sender should this one end early: its runtime shut down.
impl Drop for Sender {
    fn drop(&mut self) {
        if !self.is_finished {
            self.shard.lock().is_sending = false;
        }
    }
}

impl Sender {
    fn new(shard: Arc<Shard>, environment: Arc<Environment>) -> Self {
        Self {
            shard,
            environment,
            under_way: FuturesUnordered::new(),
            waiting: BTreeMap::new(),
            next_number: 0,
            is_finished: false,
        }
    }

    /// Sends until nothing is left to send.
    async fn run(mut self) {
        loop {
            self.begin_due();
            self.begin_queued();
            drain::start(&self.shard, &self.environment);
            if self.try_finish() {
                return;
            }
            let shard = Arc::clone(&self.shard);
            let until_due = self.until_due();
            let written = tokio::select! {
                Some(written) = self.under_way.next() => Some(written),
                () = shard.jobs_queued.notified() => None,
                () = until_due => None,
            };
            if let Some((job, result)) = written {
                self.written(job, result);
                // Those that were written together are answered together.
                while let Some(Some((job, result))) = self.under_way.next().now_or_never() {
                    self.written(job, result);
                }
            }
        }
    }

    /// Ends the sender when nothing is left; under the lock, so that a new job starts another one.
    fn try_finish(&mut self) -> bool {
        if !self.under_way.is_empty() || !self.waiting.is_empty() {
            return false;
        }
        let mut state = self.shard.lock();
        if !state.jobs.is_empty() {
            return false;
        }
        state.is_sending = false;
        self.is_finished = true;
        true
    }

    /// Resolves when the next job that waits is due; never without one.
    fn until_due(&self) -> LocalBoxFuture<'static, ()> {
        match self.waiting.keys().next() {
            Some((due, _)) if self.has_room() => {
                let now = self.environment.parts.clock.monotonic();
                tokio::time::sleep(due.saturating_sub(now)).boxed_local()
            }
            _ => future::pending().boxed_local(),
        }
    }

    fn has_room(&self) -> bool {
        self.under_way.len() < self.environment.config.limits.marker_writes_max
    }

    /// Begins what has waited long enough.
    fn begin_due(&mut self) {
        let now = self.environment.parts.clock.monotonic();
        while self.has_room()
            && let Some(waiting) = self.waiting.first_entry()
            && waiting.key().0 <= now
        {
            let job = waiting.remove();
            self.begin(job);
        }
    }

    /// Begins what was queued, as much as there is room for.
    fn begin_queued(&mut self) {
        while self.has_room() {
            let Some(job) = self.shard.lock().jobs.pop_front() else {
                return;
            };
            if job.failures == 0 {
                self.begin(job);
            } else {
                self.wait(job);
            }
        }
    }

    fn begin(&mut self, job: Job) {
        let mut state = self.shard.lock();
        if !state.is_due(&job) {
            return;
        }
        match &job.task {
            Task::Complete => {
                let now_ms = self.environment.now_ms();
                state.retry_completion(&job.transactional_id, now_ms);
            }
            Task::Marker(partition, marker) => {
                drop(state);
                let write = self.environment.parts.markers.write(partition, *marker);
                let write = async move {
                    let result = write.await;
                    (job, result)
                };
                self.under_way.push(write.boxed_local());
            }
        }
    }

    fn written(&mut self, job: Job, result: Result<(), MarkerError>) {
        let metrics = &self.environment.metrics;
        let id = &job.transactional_id;
        let Task::Marker(partition, _) = &job.task else {
            return;
        };
        let mut state = self.shard.lock();
        if !state.is_due(&job) {
            return;
        }
        match result {
            Ok(()) => {
                metrics.markers.increment();
                state.marker_written(id, self.environment.now_ms());
            }
            Err(MarkerError::Dropped) => {
                tracing::info!(transactional_id = %id, %partition, "partition of a marker is gone");
                metrics.markers_dropped.increment();
                state.marker_written(id, self.environment.now_ms());
            }
            Err(MarkerError::Fenced) => {
                tracing::error!(transactional_id = %id, %partition, "markers no longer ours");
                metrics.markers_fenced.increment();
                state.markers_given_up(id);
            }
            Err(MarkerError::Retriable) => {
                drop(state);
                metrics.marker_retries.increment();
                let failures = job.failures.saturating_add(1);
                self.wait(Job { failures, ..job });
            }
        }
    }

    fn wait(&mut self, job: Job) {
        let now = self.environment.parts.clock.monotonic();
        let due = now.saturating_add(backoff(job.failures));
        self.waiting.insert((due, self.next_number), job);
        self.next_number += 1;
    }
}

/// How long to wait after so many failures: twice as long each time, up to a limit.
fn backoff(failures: u32) -> Duration {
    let factor = 1_u32
        .checked_shl(failures.saturating_sub(1))
        .unwrap_or(u32::MAX);
    MARKER_RETRY_BACKOFF
        .saturating_mul(factor)
        .min(MARKER_RETRY_BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_limit() {
        let waits = [1, 2, 3, 7, 8, 31, 32, 33, u32::MAX].map(|it| backoff(it).as_millis());
        assert_eq!(waits, [10, 20, 40, 640, 1000, 1000, 1000, 1000, 1000]);
    }
}
