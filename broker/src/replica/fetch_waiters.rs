//! Fetches that wait for a partition to advance.
//!
//! Nothing polls: an append that publishes new offsets wakes whoever waits for them, on the core
//! that published, outside of the log's lock.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

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
    use super::*;

    #[test]
    fn a_deregistered_fetch_is_not_woken() {
        let waiters = FetchWaiters::default();
        let wait = Arc::<FetchWait>::default();
        waiters.register(&wait);
        waiters.deregister(&wait);
        assert_eq!(Arc::strong_count(&wait), 1);
    }
}
