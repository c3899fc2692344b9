//! Counters of the broker's own doing: connections, requests and what was wrong with them.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The broker's counters, shared by all cores.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections accepted.
    pub connections_accepted: Counter,
    /// Connections refused because a limit on connections was reached.
    pub connections_refused: Counter,
    /// Connections closed because nothing came over them for `connections.max.idle.ms`.
    pub connections_idle_closed: Counter,
    /// Frames with a length or header that no request can have; each closed its connection.
    pub frames_invalid: Counter,
    /// Requests with an API key or version that is not served.
    pub requests_unsupported: Counter,
    /// Requests whose body could not be decoded; each closed its connection.
    pub requests_invalid: Counter,
    /// Requests whose handler panicked; each closed its connection.
    pub requests_panicked: Counter,
    /// Requests handled.
    pub requests: Counter,
}
