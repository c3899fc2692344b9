//! How busy a log dir is with writing for clients, so that background work can stand back. A drain
//! adds two to counters and nobody takes the time: whoever watches has a clock.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the drains of a log dir's logs.
#[derive(Debug, Default)]
pub(crate) struct WriteGauge {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// What the gauge shows at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WriteActivity {
    /// Drains that write, or wait for the disk, right now.
    pub(crate) in_flight: u64,
    /// Drains that ended so far.
    pub(crate) ended: u64,
}

/// A drain under way; ends when dropped.
#[derive(Debug)]
pub(crate) struct WriteUnderWay<'a>(&'a WriteGauge);

impl Drop for WriteUnderWay<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl WriteGauge {
    /// Notes that a drain begins to write.
    pub(crate) fn begin(&self) -> WriteUnderWay<'_> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        WriteUnderWay(self)
    }

    /// What goes on now. Cheap.
    pub(crate) fn activity(&self) -> WriteActivity {
        // In this order, so that the difference is never negative.
        let ended = self.ended.load(Ordering::Acquire);
        let begun = self.begun.load(Ordering::Acquire);
        WriteActivity {
            in_flight: begun.saturating_sub(ended),
            ended,
        }
    }
}
