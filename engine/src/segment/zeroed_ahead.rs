//! Zeros that are on the disk past a segment's end, for durable appends to overwrite.
//!
//! An append that makes a file longer, or goes to blocks that were never written, changes the
//! file's inode and extents, so each `fdatasync` writes these too and waits for them; and files
//! that were created one after the other share a block of inodes, for which their syncs wait in
//! turn. A sync of bytes that overwrite others writes nothing but these. What was measured is in
//! BENCHMARKS.md.
//!
//! Here is only the account of it: what `log::zero_ahead` may zero, and who has to wait. **Bytes
//! that are being zeroed are written by nobody else**: a drain that comes so far calls the job off
//! and waits for what it is writing, and once the segment is sealed nothing is zeroed any more, so
//! that its file can be cut or removed.

use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Not zeroed where zeroing begins: appends go on there meanwhile.
const MARGIN_BYTES: u64 = if cfg!(test) { 512 } else { 128 << 10 };
/// Zeroed by a job, as much as the segment has but within these bounds: a segment that stays small
/// is not to cost many times its size.
const STEP_BYTES_MIN: u64 = if cfg!(test) { 1024 } else { 128 << 10 };
const STEP_BYTES_MAX: u64 = if cfg!(test) { 2048 } else { 1 << 20 };
/// Most zeros that a crash leaves behind a segment: a job begins when less than half a step is
/// left.
pub(super) const ZEROS_BYTES_MAX: u64 = STEP_BYTES_MAX / 2 + STEP_BYTES_MAX;
const _: () = assert!(
    MARGIN_BYTES <= STEP_BYTES_MAX / 2,
    "the first job begins there"
);

/// What is being done.
#[derive(Debug, Default)]
enum Work {
    #[default]
    None,
    /// A job was started that has not begun.
    Queued(Range<u64>),
    /// A job has zeroed up to the range's start.
    Running {
        range: Range<u64>,
        /// It writes zeros behind the range's start, right now.
        is_writing: bool,
        /// It writes no further ones.
        is_called_off: bool,
    },
}

#[derive(Debug, Default)]
struct State {
    /// Everything below was zeroed, or is not to be.
    zeroed_to: u64,
    work: Work,
    /// A job has begun, so the file may be longer than the segment.
    has_begun: bool,
    is_sealed: bool,
}

impl State {
    /// Lets no zeros be written any more, except those that are being written.
    fn call_off(&mut self) {
        match &mut self.work {
            Work::None => {}
            Work::Queued(_) => self.work = Work::None,
            Work::Running { is_called_off, .. } => *is_called_off = true,
        }
    }

    fn is_writing(&self) -> bool {
        matches!(self.work, Work::Running { is_writing, .. } if is_writing)
    }
}

/// The account of one segment; see the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct ZeroedAhead {
    state: Mutex<State>,
    /// Signalled when zeros were written.
    written: Condvar,
}

impl ZeroedAhead {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a job is to be started that zeroes more of a segment that ends at `end` and is never
    /// longer than `limit`. Called by the drain, behind what it wrote.
    pub(crate) fn queue(&self, end: u64, limit: u64) -> bool {
        let step = end.clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
        let mut state = self.lock();
        let is_far = end + step / 2 <= state.zeroed_to;
        if state.is_sealed || is_far || !matches!(state.work, Work::None) {
            return false;
        }
        let from = if end < state.zeroed_to {
            state.zeroed_to
        } else {
            end + MARGIN_BYTES
        };
        let to = (from + step).min(limit);
        if to <= from {
            return false;
        }
        state.work = Work::Queued(from..to);
        true
    }

    /// The right to do what was queued; `None` when that was called off.
    pub(crate) fn begin(&self) -> Option<Zeroing<'_>> {
        let mut state = self.lock();
        let Work::Queued(range) = &state.work else {
            return None;
        };
        let range = range.clone();
        let end = range.end;
        state.work = Work::Running {
            range,
            is_writing: false,
            is_called_off: false,
        };
        state.has_begun = true;
        Some(Zeroing { account: self, end })
    }

    /// Before bytes up to `end` are written: calls off what would zero them. Returns whether
    /// [`Self::wait`] has to be called first, as some are being zeroed.
    pub(crate) fn must_wait(&self, end: u64) -> bool {
        let mut state = self.lock();
        let next = match &state.work {
            Work::None => return false,
            Work::Queued(range) | Work::Running { range, .. } => range.start,
        };
        if end <= next {
            return false;
        }
        state.call_off();
        state.is_writing()
    }

    /// Waits until no zeros are being written, which is not for long. Blocks.
    pub(crate) fn wait(&self) {
        drop(self.wait_with(self.lock()));
    }

    fn wait_with<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.written
            .wait_while(state, |state| state.is_writing())
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nothing be zeroed any more. Returns when nothing is, and whether the file may be longer
    /// than the segment. Blocks.
    pub(crate) fn seal(&self) -> bool {
        let mut state = self.lock();
        state.is_sealed = true;
        state.call_off();
        self.wait_with(state).has_begun
    }
}

/// The right to zero a range, until dropped.
pub(crate) struct Zeroing<'a> {
    account: &'a ZeroedAhead,
    end: u64,
}

impl Zeroing<'_> {
    /// Where the range ends.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The next at most `bytes_max` bytes to write zeros to; [`Self::written`] has to follow.
    /// `None` when that was all, or the rest was called off.
    pub(crate) fn next(&self, bytes_max: u64) -> Option<Range<u64>> {
        let mut state = self.account.lock();
        let Work::Running {
            range,
            is_writing,
            is_called_off,
        } = &mut state.work
        else {
            return None;
        };
        if *is_called_off || range.is_empty() {
            return None;
        }
        *is_writing = true;
        Some(range.start..range.end.min(range.start + bytes_max))
    }

    /// Zeros are written up to `to`: appends may go there.
    pub(crate) fn written(&self, to: u64) {
        let mut state = self.account.lock();
        if let Work::Running {
            range, is_writing, ..
        } = &mut state.work
        {
            range.start = to;
            *is_writing = false;
        }
        drop(state);
        self.account.written.notify_all();
    }

    /// The zeros up to `to` were written to the disk, so that they need not be with the next sync.
    pub(crate) fn written_back(&self, to: u64) {
        self.account.lock().zeroed_to = to;
    }
}

impl Drop for Zeroing<'_> {
    fn drop(&mut self) {
        self.account.lock().work = Work::None;
        self.account.written.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1 << 30;

    /// Zeroes what is queued for a segment that ends at `end`.
    fn zero_next(account: &ZeroedAhead, end: u64) -> Option<Range<u64>> {
        if !account.queue(end, LIMIT) {
            return None;
        }
        let zeroing = account.begin().expect("it was queued");
        let range = zeroing.next(STEP_BYTES_MAX).expect("not called off");
        zeroing.written(range.end);
        zeroing.written_back(range.end);
        assert!(zeroing.next(1).is_none(), "that was all");
        Some(range)
    }

    #[test]
    fn it_begins_ahead_of_the_end_and_goes_on_where_it_stopped() {
        let account = ZeroedAhead::default();
        let end = STEP_BYTES_MAX;
        let first = end + MARGIN_BYTES..end + MARGIN_BYTES + STEP_BYTES_MAX;
        assert_eq!(zero_next(&account, end), Some(first.clone()));
        assert_eq!(zero_next(&account, end + 1), None, "enough is zeroed");
        let near = first.end - STEP_BYTES_MAX / 2 + 1;
        let second = first.end..first.end + STEP_BYTES_MAX;
        assert_eq!(zero_next(&account, near), Some(second));
    }

    #[test]
    fn little_is_zeroed_of_a_small_segment_and_nothing_past_the_limit() {
        let account = ZeroedAhead::default();
        let first = 10 + MARGIN_BYTES..10 + MARGIN_BYTES + STEP_BYTES_MIN;
        assert_eq!(zero_next(&account, 10), Some(first));
        let account = ZeroedAhead::default();
        let limit = 100 + MARGIN_BYTES + 10;
        assert!(account.queue(100, limit));
        let zeroing = account.begin().expect("it was queued");
        assert_eq!(zeroing.next(4), Some(limit - 10..limit - 6));
        assert_eq!(zeroing.end(), limit);
        zeroing.written_back(limit);
        drop(zeroing);
        assert!(!account.queue(limit - 1, limit));
    }

    #[test]
    fn an_append_waits_only_for_zeros_that_are_being_written() {
        let account = ZeroedAhead::default();
        assert!(account.queue(0, LIMIT));
        let zeroing = account.begin().expect("it was queued");
        let first = zeroing.next(100).expect("not called off");
        assert!(!account.must_wait(first.start), "it is not so far");
        assert!(account.must_wait(first.start + 1));
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| account.wait());
            zeroing.written(first.end);
            waiting.join().expect("waiting does not panic");
        });
        assert!(!account.must_wait(LIMIT), "it has nothing left to write");
        assert!(zeroing.next(100).is_none(), "called off");
        assert!(!account.queue(0, LIMIT), "one job at a time");
        drop(zeroing);
        assert!(account.queue(0, LIMIT), "what was given up is not zeroed");
    }

    #[test]
    fn an_append_that_comes_first_calls_off_what_has_not_begun() {
        let account = ZeroedAhead::default();
        assert!(account.queue(0, LIMIT));
        assert!(!account.must_wait(MARGIN_BYTES), "it is not so far");
        assert!(!account.must_wait(MARGIN_BYTES + 1));
        assert!(account.begin().is_none());
    }

    #[test]
    fn a_sealed_segment_waits_for_what_is_written_and_is_zeroed_no_further() {
        let account = ZeroedAhead::default();
        assert!(account.queue(0, LIMIT));
        std::thread::scope(|threads| {
            let zeroing = account.begin().expect("it was queued");
            let first = zeroing.next(100).expect("not called off");
            let sealing = threads.spawn(|| account.seal());
            zeroing.written(first.end);
            assert!(sealing.join().expect("sealing does not panic"));
            assert!(zeroing.next(100).is_none());
        });
        assert!(!account.queue(LIMIT / 2, LIMIT));
        let queued = ZeroedAhead::default();
        assert!(queued.queue(0, LIMIT));
        assert!(!queued.seal(), "nothing was written");
        assert!(queued.begin().is_none());
    }
}
