//! Counters of the broker's own doing: connections, requests and what was wrong with them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count so far.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The broker's counters, shared by all cores.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Connections accepted.
    pub(crate) connections_accepted: Counter,
    /// Connections refused because a limit on connections was reached.
    pub(crate) connections_refused: Counter,
    /// Connections closed because nothing came over them for `connections.max.idle.ms`.
    pub(crate) connections_idle_closed: Counter,
    /// Frames with a length or header that no request can have; each closed its connection.
    pub(crate) frames_invalid: Counter,
    /// Requests with an API key or version that is not served.
    pub(crate) requests_unsupported: Counter,
    /// Requests whose body could not be decoded; each closed its connection.
    pub(crate) requests_invalid: Counter,
    /// Requests whose handler panicked; each closed its connection.
    pub(crate) requests_panicked: Counter,
    /// Requests handled.
    pub(crate) requests: Counter,
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("connections accepted", &self.connections_accepted),
            ("refused", &self.connections_refused),
            ("idle closed", &self.connections_idle_closed),
            ("requests", &self.requests),
            ("unsupported", &self.requests_unsupported),
            ("not decodable", &self.requests_invalid),
            ("panicked", &self.requests_panicked),
            ("invalid frames", &self.frames_invalid),
        ];
        let counts = counts.map(|(name, count)| format!("{} {name}", count.value()));
        f.write_str(&counts.join(", "))
    }
}
