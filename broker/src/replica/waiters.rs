//! Waiting for a partition to advance: acknowledgements and delayed fetches.
//!
//! Nothing polls: an append that publishes new offsets wakes whoever waits for them. Lists are per
//! partition and short; waking happens on the core that published, outside the log's lock.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use tokio::sync::{Notify, oneshot};

use super::Partition;

/// How a wait for an offset ended.
pub(crate) type Reached = Result<Progress, NotReached>;

/// How far an offset that was waited for has come.
pub(crate) enum Progress {
    /// All replicas have it.
    Committed,
    /// It is published in this partition: other replicas may lack it.
    Published(Weak<Partition>),
}

/// Why a wait for an offset ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotReached {
    /// The partition's log dir went offline: whether the records are on disk is unknown.
    StorageFailed,
    /// The partition was deleted or moved away while waiting.
    Gone,
}

/// A wait for an offset: a future of what [`Reached`] says.
pub(crate) struct Waiting(oneshot::Receiver<Reached>);

impl Future for Waiting {
    type Output = Reached;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Reached> {
        // Without a word the partition is gone together with those who waited for it.
        let told = Pin::new(&mut self.0).poll(ctx);
        told.map(|told| told.unwrap_or(Err(NotReached::Gone)))
    }
}

/// Waiters for an offset to be passed.
#[derive(Default)]
pub(crate) struct OffsetWaiters {
    waiting: Mutex<Vec<(i64, oneshot::Sender<Reached>)>>,
}

impl OffsetWaiters {
    /// Waits until [`OffsetWaiters::advance`] is called with at least `offset`.
    ///
    /// `current` is asked after the waiter is registered, so that an advance in between is not
    /// lost.
    pub(crate) fn register(&self, offset: i64, current: impl FnOnce() -> i64) -> Option<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if offset <= current() {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.push((offset, sender));
        Some(Waiting(receiver))
    }

    /// Wakes the waiters for offsets up to `offset` of `partition`, whose high watermark is given.
    pub(crate) fn advance(&self, partition: &Weak<Partition>, offset: i64, high_watermark: i64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_empty() {
            return;
        }
        let reached: Vec<_> = waiting
            .extract_if(.., |(wanted, _)| *wanted <= offset)
            .collect();
        drop(waiting);
        Self::wake(reached, |wanted| {
            Ok(if wanted <= high_watermark {
                Progress::Committed
            } else {
                Progress::Published(Weak::clone(partition))
            })
        });
    }

    /// Wakes all waiters: the partition will not advance any more.
    pub(crate) fn fail(&self, reason: NotReached) {
        let all = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        Self::wake(all, |_| Err(reason));
    }

    fn wake(waiters: Vec<(i64, oneshot::Sender<Reached>)>, reached: impl Fn(i64) -> Reached) {
        for (wanted, sender) in waiters {
            // The receiver is gone when the client's connection is.
            let (Ok(()) | Err(_)) = sender.send(reached(wanted));
        }
    }
}

/// A fetch that waits for any of its partitions to advance.
#[derive(Default)]
pub(crate) struct FetchWait {
    /// Notified after every publish to one of the partitions that the fetch is registered with.
    pub(crate) advanced: Notify,
}

/// The fetches that wait for a partition.
#[derive(Default)]
pub(crate) struct FetchWaiters {
    waiting: Mutex<Vec<Arc<FetchWait>>>,
}

impl FetchWaiters {
    pub(crate) fn register(&self, wait: &Arc<FetchWait>) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(wait));
    }

    pub(crate) fn deregister(&self, wait: &Arc<FetchWait>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|other| !Arc::ptr_eq(other, wait));
    }

    /// Lets the waiting fetches look again.
    pub(crate) fn wake(&self) {
        for wait in &*self.waiting.lock().unwrap_or_else(PoisonError::into_inner) {
            wait.advanced.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn only_waiters_for_reached_offsets_wake() {
        let waiters = OffsetWaiters::default();
        let four = waiters.register(4, || 0).expect("4 is not reached");
        let five = waiters.register(5, || 0).expect("5 is not reached");
        let mut nine = waiters.register(9, || 0).expect("9 is not reached");
        waiters.advance(&Weak::new(), 5, 4);
        let told = [four, five].map(|it| it.now_or_never().expect("an end"));
        assert!(matches!(told[0], Ok(Progress::Committed)));
        assert!(matches!(told[1], Ok(Progress::Published(_))));
        assert!((&mut nine).now_or_never().is_none());
        waiters.fail(NotReached::StorageFailed);
        let failed = nine.now_or_never();
        assert!(matches!(failed, Some(Err(NotReached::StorageFailed))));
    }

    #[test]
    fn who_waits_for_a_partition_that_is_gone_is_told_so() {
        let waiters = OffsetWaiters::default();
        let waiting = waiters.register(5, || 0).expect("5 is not reached");
        drop(waiters);
        let told = waiting.now_or_never();
        assert!(matches!(told, Some(Err(NotReached::Gone))));
    }

    #[test]
    fn an_offset_that_is_reached_needs_no_wait() {
        assert!(OffsetWaiters::default().register(5, || 5).is_none());
    }

    #[test]
    fn a_deregistered_fetch_is_not_woken() {
        let waiters = FetchWaiters::default();
        let wait = Arc::<FetchWait>::default();
        waiters.register(&wait);
        waiters.deregister(&wait);
        assert_eq!(Arc::strong_count(&wait), 1);
    }
}
