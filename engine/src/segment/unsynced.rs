//! What of a segment's log file nobody syncs soon and is to be handed to the disk in the
//! background. The account of it: one job a segment does that, so that a slow disk holds up one
//! background thread, and what comes meanwhile waits for the job's next look.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct State {
    /// To be handed over.
    bytes: Range<u64>,
    /// A job was started and has not found everything handed over.
    has_job: bool,
}

/// The account of one segment; see the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    state: Mutex<State>,
}

impl Unsynced {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was written. Returns whether a job is to be started.
    pub(crate) fn add(&self, written: Range<u64>) -> bool {
        let mut state = self.lock();
        if state.bytes.is_empty() {
            state.bytes = written;
        } else {
            state.bytes.end = written.end;
        }
        !std::mem::replace(&mut state.has_job, true)
    }

    /// What the job hands over next; `None` ends it.
    pub(crate) fn next(&self) -> Option<Range<u64>> {
        let mut state = self.lock();
        let next = std::mem::take(&mut state.bytes);
        state.has_job = !next.is_empty();
        state.has_job.then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_hands_over_what_comes_while_it_works() {
        let unsynced = Unsynced::default();
        assert!(unsynced.add(0..10));
        assert_eq!(unsynced.next(), Some(0..10));
        assert!(!unsynced.add(10..20), "the job is at work");
        assert!(!unsynced.add(20..30));
        assert_eq!(unsynced.next(), Some(10..30));
        assert_eq!(unsynced.next(), None);
        assert!(unsynced.add(30..40), "it has ended");
        assert_eq!(unsynced.next(), Some(30..40));
    }
}
