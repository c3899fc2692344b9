//! What the requests share that a connection handles without waiting in between.
//!
//! A pipeline of small requests pays once for it: the clock, the counter that all cores share, and
//! the look at what is served cost two hundredths of a small request each.

use std::cell::{Cell, RefCell, RefMut};
use std::sync::Arc;

use ringbrook_engine::Clock;

use crate::replica::{ReplicaManager, Served};
use crate::server::Broker;

/// See the module's documentation. Whatever waits has to [`end`](Turn::end) it.
#[derive(Default)]
pub(crate) struct Turn {
    requests: Cell<u64>,
    now_ms: Cell<Option<i64>>,
    served: RefCell<Option<Arc<Served>>>,
}

impl Turn {
    /// Counts a request; the broker's metrics hear of it when the turn ends.
    pub(super) fn count_request(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// Milliseconds since the Unix epoch when it was first asked in this turn.
    pub(super) fn now_ms(&self, clock: &dyn Clock) -> i64 {
        self.now_ms.get().unwrap_or_else(|| {
            let now_ms = clock.now_ms();
            self.now_ms.set(Some(now_ms));
            now_ms
        })
    }

    /// What was served when it was first asked in this turn. Held for a handler that does not wait.
    pub(super) fn served(&self, replicas: &ReplicaManager) -> RefMut<'_, Arc<Served>> {
        RefMut::map(self.served.borrow_mut(), |served| {
            served.get_or_insert_with(|| Arc::clone(&replicas.served()))
        })
    }

    /// Ends the turn: what has come is handled, as far as it can be without waiting.
    pub(crate) fn end(&self, broker: &Broker) {
        self.now_ms.set(None);
        self.served.take();
        let requests = self.requests.take();
        if requests != 0 {
            broker.metrics.requests.add(requests);
        }
    }
}
