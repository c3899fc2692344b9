//! Waiting for a partition to pass an offset: acknowledgements.
//!
//! Nothing polls, and an offset that is passed costs its waiter a look at a number: only who has
//! looked too early is noted, with its task, to be woken by the append that publishes the offset.
//! So of a pipeline of requests whose batches are written together the first is noted at most.

use std::ops::Deref;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Milestone {
    /// This broker has the records: written, and with `flush.before.ack` on disk.
    Published,
    /// All in-sync replicas have them.
    Committed,
}

/// Why a wait for an offset ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotReached {
    /// The partition's log dir went offline: whether the records are on disk is unknown.
    StorageFailed,
    /// The partition was deleted or moved away while waiting.
    Gone,
}

/// How far a partition has come, and who waits for it to come further.
///
/// The offsets only grow: a log that is cut while somebody waits has to fail the waits first.
#[derive(Debug, Default)]
pub(crate) struct OffsetWaiters {
    published: AtomicI64,
    committed: AtomicI64,
    /// How often waiting was ended by a failure.
    failures: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By id.
    entries: Vec<Entry>,
    last_id: u64,
    /// That of the last failure.
    reason: Option<NotReached>,
}

/// A task that looked too early.
#[derive(Debug)]
struct Entry {
    id: u64,
    milestone: Milestone,
    offset: i64,
    task: Waker,
}

/// The partition's own hold of them: once it is gone, so is what is waited for.
#[derive(Debug)]
pub(crate) struct OwnOffsetWaiters(Arc<OffsetWaiters>);

impl OwnOffsetWaiters {
    /// For a partition that has come so far.
    pub(crate) fn new(published: i64, committed: i64) -> Self {
        Self(Arc::new(OffsetWaiters {
            published: published.into(),
            committed: committed.into(),
            ..OffsetWaiters::default()
        }))
    }
}

impl Deref for OwnOffsetWaiters {
    type Target = Arc<OffsetWaiters>;

    fn deref(&self) -> &Arc<OffsetWaiters> {
        &self.0
    }
}

impl Drop for OwnOffsetWaiters {
    fn drop(&mut self) {
        self.fail(NotReached::Gone);
    }
}

impl OffsetWaiters {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offset up to which the milestone is passed.
    fn reached(&self, milestone: Milestone) -> i64 {
        match milestone {
            Milestone::Published => self.published.load(Ordering::Acquire),
            Milestone::Committed => self.committed.load(Ordering::Acquire),
        }
    }

    /// Wakes the waiters for offsets up to these. Calls may come in another order than the offsets
    /// were reached in.
    pub(crate) fn advance(&self, published: i64, committed: i64) {
        self.published.fetch_max(published, Ordering::Release);
        self.committed.fetch_max(committed, Ordering::Release);
        let mut waiting = self.lock();
        if waiting.entries.is_empty() {
            return;
        }
        let is_reached = |entry: &mut Entry| entry.offset <= self.reached(entry.milestone);
        let reached: Vec<Entry> = waiting.entries.extract_if(.., is_reached).collect();
        drop(waiting);
        wake(reached);
    }

    /// Ends all waits that have begun: what they wait for may never come.
    pub(crate) fn fail(&self, reason: NotReached) {
        let mut waiting = self.lock();
        waiting.reason = Some(reason);
        // Under the lock, so that nobody is noted behind it who has not seen it.
        self.failures.fetch_add(1, Ordering::Release);
        let all = std::mem::take(&mut waiting.entries);
        drop(waiting);
        wake(all);
    }
}

fn wake(entries: Vec<Entry>) {
    for entry in entries {
        entry.task.wake();
    }
}

/// A wait for offsets of a partition, ended by every failure that comes after its beginning.
#[derive(Debug)]
pub(crate) struct OffsetWait {
    waiters: Arc<OffsetWaiters>,
    /// Those before its beginning.
    failures: u64,
    /// Its entry, if it was noted.
    noted_id: Option<u64>,
}

impl OffsetWait {
    /// Begins a wait: before the append whose offset is waited for, or a failure that comes before
    /// it is missed.
    pub(crate) fn new(waiters: &Arc<OffsetWaiters>) -> Self {
        Self {
            waiters: Arc::clone(waiters),
            failures: waiters.failures.load(Ordering::Acquire),
            noted_id: None,
        }
    }

    /// Ready when the milestone is passed up to `offset`.
    ///
    /// # Errors
    /// A failure, also one that came after the milestone was passed.
    pub(crate) fn poll(
        &mut self,
        ctx: &mut Context<'_>,
        milestone: Milestone,
        offset: i64,
    ) -> Poll<Result<(), NotReached>> {
        let waiters = &*self.waiters;
        if self.is_reached(milestone, offset) {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = waiters.lock();
        // Whoever advances or fails from now on finds the entry.
        if waiters.failures.load(Ordering::Acquire) != self.failures {
            return Poll::Ready(Err(waiting.reason.unwrap_or(NotReached::Gone)));
        }
        if self.is_reached(milestone, offset) {
            return Poll::Ready(Ok(()));
        }
        self.noted_id = Some(waiting.note(self.noted_id, milestone, offset, ctx.waker()));
        Poll::Pending
    }

    /// Whether the offset was reached, and without a failure: after one others may have appended
    /// at the same offsets, so that is looked at last.
    pub(crate) fn is_reached(&self, milestone: Milestone, offset: i64) -> bool {
        offset <= self.waiters.reached(milestone)
            && self.failures == self.waiters.failures.load(Ordering::Acquire)
    }
}

impl Waiting {
    /// Notes a task, or that it is another one than noted before.
    fn note(
        &mut self,
        noted_id: Option<u64>,
        milestone: Milestone,
        offset: i64,
        task: &Waker,
    ) -> u64 {
        let place = noted_id.and_then(|id| self.entries.binary_search_by_key(&id, |it| it.id).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            (entry.milestone, entry.offset) = (milestone, offset);
            entry.task.clone_from(task);
            return entry.id;
        }
        self.last_id += 1;
        self.entries.push(Entry {
            id: self.last_id,
            milestone,
            offset,
            task: task.clone(),
        });
        self.last_id
    }
}

#[cfg(test)]
mod tests;
