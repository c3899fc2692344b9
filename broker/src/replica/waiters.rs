//! Waiting for a partition to advance: acknowledgements and delayed fetches.
//!
//! Nothing polls: an append that publishes new offsets wakes whoever waits for them. Lists are per
//! partition and short; waking happens on the core that published, outside the log's lock.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

/// How a wait for an offset ended: with the high watermark of that moment when the offset is
/// published, or below the high watermark, whichever was waited for.
pub(crate) type Reached = Result<i64, NotReached>;

/// Why a wait for an offset ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotReached {
    /// The partition's log dir went offline: whether the records are on disk is unknown.
    StorageFailed,
    /// The partition was deleted or moved away while waiting.
    Gone,
}

/// A wait for an offset.
pub(crate) struct Waiting(oneshot::Receiver<Reached>);

impl Waiting {
    /// Waits.
    ///
    /// # Errors
    /// See [`NotReached`].
    pub(crate) async fn end(self) -> Reached {
        // Without a word the partition is gone together with those who waited for it.
        self.0.await.unwrap_or(Err(NotReached::Gone))
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

    /// Wakes the waiters for offsets up to `offset`; they are told the high watermark.
    pub(crate) fn advance(&self, offset: i64, high_watermark: i64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_empty() {
            return;
        }
        let reached: Vec<_> = waiting
            .extract_if(.., |(wanted, _)| *wanted <= offset)
            .collect();
        drop(waiting);
        Self::wake(reached, Ok(high_watermark));
    }

    /// Wakes all waiters: the partition will not advance any more.
    pub(crate) fn fail(&self, reason: NotReached) {
        let all = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        Self::wake(all, Err(reason));
    }

    fn wake(waiters: Vec<(i64, oneshot::Sender<Reached>)>, reached: Reached) {
        for (_, sender) in waiters {
            // The receiver is gone when the client's connection is.
            let (Ok(()) | Err(_)) = sender.send(reached);
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
        let mut five = waiters.register(5, || 0).expect("5 is not reached");
        let mut nine = waiters.register(9, || 0).expect("9 is not reached");
        waiters.advance(5, 4);
        assert_eq!(five.0.try_recv(), Ok(Ok(4)));
        assert!(nine.0.try_recv().is_err());
        waiters.fail(NotReached::StorageFailed);
        let failed = nine.end().now_or_never();
        assert_eq!(failed, Some(Err(NotReached::StorageFailed)));
    }

    #[test]
    fn who_waits_for_a_partition_that_is_gone_is_told_so() {
        let waiters = OffsetWaiters::default();
        let waiting = waiters.register(5, || 0).expect("5 is not reached");
        drop(waiters);
        assert_eq!(waiting.end().now_or_never(), Some(Err(NotReached::Gone)));
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
