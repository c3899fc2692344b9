//! Zeros past a segment's end for small appends to overwrite: on the disk for durable appends, in
//! the page cache for others.
//!
//! An append that makes a file longer, or goes to blocks that were never written, changes the
//! file's inode and extents, so each `fdatasync` writes these too and waits for them; and files
//! that were created one after the other share a block of inodes, for which their syncs wait in
//! turn. A sync of bytes that overwrite others writes nothing but these.
//!
//! An append to the page cache brings in the pages it needs, one by one where it is small or does
//! not begin at a border of a power of two; each is accounted for, mapped to a block and handed to
//! the disk by itself. A write of 64 KiB that begins at its border brings in one folio of this
//! size, and what overwrites that costs little more than the copy. What was measured is in
//! BENCHMARKS.md.
//!
//! A segment that is still small gets its first zeros with the appends themselves, up to the next
//! power of two: one sync for both, and no job for a log that may never grow.
//!
//! Here is only the account of it: what `log::zero_ahead` may zero, and who has to wait. **Bytes
//! that are being zeroed are written by nobody else**: a drain that comes so far calls the job off
//! and waits for what it is writing, and once the segment is sealed nothing is zeroed any more, so
//! that its file can be cut or removed.
//!
//! Zeros that a sync of the whole file made durable need no metadata written when they are
//! overwritten. Where the disk has a barrier for that, a job ends with such a sync once enough
//! zeros are not durable, so that those of the appends write data only, and one flush makes many
//! files durable: see
//! [`Disk::sync_overwritten`](crate::io::Disk::sync_overwritten).

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::recent_writes::RecentWrites;
#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};

/// Not zeroed where zeroing begins: appends go on there meanwhile.
const MARGIN_BYTES: u64 = if cfg!(test) { 512 } else { 128 << 10 };
/// Zeroed ahead, as much as the segment has but within these bounds: a segment that stays small is
/// not to cost many times its size.
const AHEAD_BYTES_MIN: u64 = if cfg!(test) { 2048 } else { 256 << 10 };
const AHEAD_BYTES_MAX: u64 = if cfg!(test) { 4096 } else { 2 << 20 };
/// Zeroed by a job of a log that is alone, which begins as soon as less is ahead. An append's sync
/// that meets a job takes longer, and an append that waits for two syncs is not to meet two such:
/// larger jobs hold up one sync after the other. Where other logs are written at the same time, a
/// job zeroes half of what is to be ahead, and begins when the other half is left: that takes fewer
/// jobs, and the appends of many logs wait for each other longer than for any job.
const STEP_BYTES: u64 = if cfg!(test) { 512 } else { 128 << 10 };
/// Most zeros that a crash leaves behind a segment.
pub(super) const ZEROS_BYTES_MAX: u64 = AHEAD_BYTES_MAX + STEP_BYTES;
/// Appends to the page cache that pass a border of so many bytes write zeros up to the next one:
pub(crate) const CACHED_STEP_BYTES: u64 = if cfg!(test) { 512 } else { 64 << 10 };
/// if the border before was passed within this time. Zeros that are not overwritten before the
/// kernel writes what is old, after seconds, would go to the disk for nothing.
const CACHED_STEP_MS_MAX: i64 = 1000;
/// Nor is it worthwhile if about so much was written to other logs meanwhile: no cache of the core
/// has the zeros any more when they are overwritten.
const EVICTED_BYTES: u64 = 16 << 20;
/// A durable append that makes a segment longer than its zeros brings some along, to the next power
/// of two but at least a page, which the disk is sent anyway:
const FIRST_ZEROS_BYTES_MIN: u64 = if cfg!(test) { 64 } else { 4 << 10 };
/// and at most so far, where the first job begins to zero.
const FIRST_ZEROS_BYTES_MAX: u64 = 2 * MARGIN_BYTES;
/// and if the last append came within this time. Others are few, or their log is hardly used.
const FIRST_ZEROS_MS_MAX: i64 = 1000;
const _: () = assert!(
    CACHED_STEP_BYTES <= ZEROS_BYTES_MAX,
    "recovery takes them for zeros"
);
const _: () = assert!(
    MARGIN_BYTES <= AHEAD_BYTES_MAX / 2,
    "the first job begins there"
);

/// When an append to the page cache was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WrittenAt {
    /// The broker's time.
    pub(crate) ms: i64,
    /// Drains of all logs of the log dir before it.
    pub(crate) drains: u64,
}

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

#[derive(Debug)]
struct State<B> {
    /// Everything below was zeroed, or is not to be.
    zeroed_to: u64,
    /// The zeros before that without a gap, some of which were overwritten since.
    zeros_from: u64,
    /// Of these, what was made durable.
    durable: Range<u64>,
    /// Makes overwritten bytes durable; `None` where nothing is known to.
    barrier: Option<Arc<B>>,
    work: Work,
    /// So many zeros that are not durable are worth a sync.
    sync_bytes: u64,
    /// When the last append to the page cache passed a border of [`CACHED_STEP_BYTES`].
    passed_at: Option<WrittenAt>,
    /// When the last durable append to a small segment was written, by the broker's time.
    written_ms: Option<i64>,
    writes: RecentWrites,
    /// Zeroing has begun, so the file may be longer than the segment.
    has_begun: bool,
    is_sealed: bool,
}

impl<B> State<B> {
    /// Lets no zeros be written any more, except those that are being written.
    fn call_off(&mut self) {
        match &mut self.work {
            Work::None => {}
            Work::Queued(_) => self.work = Work::None,
            Work::Running { is_called_off, .. } => *is_called_off = true,
        }
    }

    /// Zeros are about to be written up to `to`, behind batches at `written`.
    fn add_zeros(&mut self, written: &Range<u64>, to: u64) {
        if self.zeroed_to < written.start {
            self.zeros_from = written.start;
        }
        self.zeroed_to = to;
        self.has_begun = true;
    }

    fn is_writing(&self) -> bool {
        matches!(self.work, Work::Running { is_writing, .. } if is_writing)
    }
}

/// The account of one segment; see the module's documentation.
#[derive(Debug)]
pub(crate) struct ZeroedAhead<B> {
    state: Mutex<State<B>>,
    /// Signalled when zeros were written.
    written: Condvar,
}

impl<B> Default for ZeroedAhead<B> {
    fn default() -> Self {
        let state = State {
            zeroed_to: 0,
            zeros_from: 0,
            durable: 0..0,
            barrier: None,
            work: Work::None,
            sync_bytes: 0,
            passed_at: None,
            written_ms: None,
            writes: RecentWrites::default(),
            has_begun: false,
            is_sealed: false,
        };
        Self {
            state: Mutex::new(state),
            written: Condvar::new(),
        }
    }
}

impl<B> ZeroedAhead<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How large the durable writes were of late.
    pub(crate) fn recent_writes(&self) -> RecentWrites {
        self.lock().writes
    }

    /// A durable write of so many batches and bytes was made. Returns how large such writes are.
    pub(crate) fn on_write(&self, batches: u64, bytes: u64) -> RecentWrites {
        let mut state = self.lock();
        state.writes.add(batches, bytes);
        state.writes
    }

    /// Whether a job is to be started that zeroes more of a segment that ends at `end` and is never
    /// longer than `limit`. Called by the drain, behind what it wrote. `is_alone`: no other log is
    /// written at the moment.
    pub(crate) fn queue(&self, end: u64, limit: u64, is_alone: bool) -> bool {
        let ahead = end.clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
        let (left, step) = if is_alone {
            (ahead, STEP_BYTES)
        } else {
            (ahead / 2, ahead / 2)
        };
        let mut state = self.lock();
        let is_far = end + left <= state.zeroed_to;
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
        // What ends at the limit gets no company.
        state.sync_bytes = if to == limit { 1 } else { ahead / 2 };
        true
    }

    /// Up to where the drain writes zeros behind batches that it is about to write to the page
    /// cache at `written`, of a segment that is never longer than `limit`; `None` for no zeros.
    /// They are accounted for as if they were written: a write that fails takes the log offline.
    pub(crate) fn extend(&self, written: &Range<u64>, at: WrittenAt, limit: u64) -> Option<u64> {
        if written.end <= written.start.next_multiple_of(CACHED_STEP_BYTES) {
            return None;
        }
        let mut state = self.lock();
        let before = state.passed_at.replace(at)?;
        let is_fast = (0..CACHED_STEP_MS_MAX).contains(&at.ms.saturating_sub(before.ms));
        // As if all wrote as much at a time.
        let drains = at.drains.saturating_sub(before.drains);
        let is_cached = drains.saturating_mul(written.end - written.start) < EVICTED_BYTES;
        let to = written.end.next_multiple_of(CACHED_STEP_BYTES).min(limit);
        let has_room = written.end.max(state.zeroed_to) < to;
        if !is_fast
            || !is_cached
            || !has_room
            || state.is_sealed
            || !matches!(state.work, Work::None)
        {
            return None;
        }
        state.add_zeros(written, to);
        Some(to)
    }

    /// The same behind batches that are about to be made durable at `written`, with the zeros, in a
    /// segment that is still small. [`Self::extended_durably`] has to follow.
    pub(crate) fn extend_durably(
        &self,
        written: &Range<u64>,
        written_ms: i64,
        limit: u64,
    ) -> Option<u64> {
        if FIRST_ZEROS_BYTES_MAX <= written.end {
            return None;
        }
        let mut state = self.lock();
        let before_ms = state.written_ms.replace(written_ms)?;
        let is_fast = (0..FIRST_ZEROS_MS_MAX).contains(&written_ms.saturating_sub(before_ms));
        let to = written.end.next_power_of_two();
        let to = to.max(FIRST_ZEROS_BYTES_MIN).min(limit);
        let is_needed = state.zeroed_to < written.end && written.end < to;
        if !is_fast || !is_needed || state.is_sealed || !matches!(state.work, Work::None) {
            return None;
        }
        state.add_zeros(written, to);
        Some(to)
    }

    /// What [`Self::extend_durably`] added was written and the file synced; `barrier` makes durable
    /// what overwrites it.
    pub(crate) fn extended_durably(&self, barrier: Option<Arc<B>>) {
        let mut state = self.lock();
        if !state.is_sealed {
            state.durable = state.zeros_from..state.zeroed_to;
            state.barrier = barrier;
        }
    }

    /// What was queued or is running zeroes nothing more. Appends may not go there yet: see
    /// [`Self::must_wait`].
    pub(crate) fn call_off(&self) {
        self.lock().call_off();
    }

    /// The right to do what was queued; `None` when that was called off.
    pub(crate) fn begin(&self) -> Option<Zeroing<'_, B>> {
        let mut state = self.lock();
        let Work::Queued(range) = &state.work else {
            return None;
        };
        let range = range.clone();
        let end = range.end;
        if range.start != state.zeroed_to {
            state.zeros_from = range.start;
        }
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

    fn wait_with<'a>(&'a self, state: MutexGuard<'a, State<B>>) -> MutexGuard<'a, State<B>> {
        self.written
            .wait_while(state, |state| state.is_writing())
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What makes a write of `range` durable without the file's metadata, as it overwrites zeros
    /// that are durable; `None` where it does not.
    pub(crate) fn barrier_for(&self, range: &Range<u64>) -> Option<Arc<B>> {
        let state = self.lock();
        let is_overwriting = state.durable.start <= range.start && range.end <= state.durable.end;
        #[cfg(test)]
        let is_overwriting =
            is_overwriting || is_on(Sabotage::ZerosNotSynced) && range.end <= state.zeroed_to;
        state.barrier.clone().filter(|_| is_overwriting)
    }

    /// Lets go of the barrier, and of what that holds, until the next job.
    pub(crate) fn forget_barrier(&self) {
        self.lock().barrier = None;
    }

    /// Lets nothing be zeroed any more, nor be taken for durable zeros. Returns when nothing is,
    /// and whether the file may be longer than the segment. Blocks.
    pub(crate) fn seal(&self) -> bool {
        let mut state = self.lock();
        state.is_sealed = true;
        (state.durable, state.barrier) = (0..0, None);
        state.call_off();
        self.wait_with(state).has_begun
    }
}

/// The right to zero a range, until dropped.
pub(crate) struct Zeroing<'a, B> {
    account: &'a ZeroedAhead<B>,
    end: u64,
}

impl<B> Zeroing<'_, B> {
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

    /// The zeros on the disk that a sync of the file makes durable, if those of which it is not
    /// known yet are worth one; `None` when they are not, or nothing would be gained.
    pub(crate) fn to_sync(&self) -> Option<Range<u64>> {
        let state = self.account.lock();
        let zeros = state.zeros_from..state.zeroed_to;
        let is_new = !zeros.is_empty() && state.durable.end + state.sync_bytes <= zeros.end;
        (is_new && state.barrier.is_some()).then_some(zeros)
    }

    /// The file was synced since [`Self::to_sync`] named `zeros`.
    pub(crate) fn synced(&self, zeros: Range<u64>) {
        let mut state = self.account.lock();
        if !state.is_sealed {
            state.durable = zeros;
        }
    }

    /// What makes durable what overwrites the zeros.
    pub(crate) fn set_barrier(&self, barrier: Option<Arc<B>>) {
        let mut state = self.account.lock();
        if !state.is_sealed {
            state.barrier = barrier;
        }
    }
}

impl<B> Drop for Zeroing<'_, B> {
    fn drop(&mut self) {
        self.account.lock().work = Work::None;
        self.account.written.notify_all();
    }
}

#[cfg(test)]
mod tests;
