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
        if state.zeroed_to < written.start {
            state.zeros_from = written.start;
        }
        state.zeroed_to = to;
        state.has_begun = true;
        Some(to)
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
mod tests {
    use super::*;

    type Account = ZeroedAhead<()>;

    const LIMIT: u64 = 1 << 30;

    /// Zeroes what is queued for a segment that ends at `end`.
    fn zero_next(account: &Account, end: u64) -> Option<Range<u64>> {
        if !account.queue(end, LIMIT, false) {
            return None;
        }
        let zeroing = account.begin().expect("it was queued");
        let range = zeroing.next(AHEAD_BYTES_MAX).expect("not called off");
        zeroing.written(range.end);
        zeroing.written_back(range.end);
        assert!(zeroing.next(1).is_none(), "that was all");
        Some(range)
    }

    #[test]
    fn it_begins_ahead_of_the_end_and_goes_on_where_it_stopped() {
        let account = Account::default();
        let end = AHEAD_BYTES_MAX;
        let first = end + MARGIN_BYTES..end + MARGIN_BYTES + AHEAD_BYTES_MAX / 2;
        assert_eq!(zero_next(&account, end), Some(first.clone()));
        assert_eq!(zero_next(&account, end + 1), None, "enough is zeroed");
        let near = first.end - AHEAD_BYTES_MAX / 2 + 1;
        let second = first.end..first.end + AHEAD_BYTES_MAX / 2;
        assert_eq!(zero_next(&account, near), Some(second));
    }

    /// A sync that meets a job takes longer: then the next one meets none.
    #[test]
    fn a_log_that_is_alone_is_zeroed_in_small_steps_as_it_grows() {
        let account = Account::default();
        let queue = |end| account.queue(end, LIMIT, true);
        let mut end = AHEAD_BYTES_MAX;
        let mut zeroed_to = end + MARGIN_BYTES;
        while zeroed_to < end + AHEAD_BYTES_MAX {
            assert!(queue(end));
            let zeros = zero_all(&begin(&account));
            assert_eq!(zeros, zeroed_to..zeroed_to + STEP_BYTES);
            zeroed_to = zeros.end;
        }
        for _ in 0..20 {
            end = zeroed_to - AHEAD_BYTES_MAX;
            assert!(!queue(end), "as much is ahead as is to be");
            assert!(queue(end + 1));
            zeroed_to = zero_all(&begin(&account)).end;
            assert_eq!(zeroed_to, end + AHEAD_BYTES_MAX + STEP_BYTES);
        }
    }

    #[test]
    fn several_small_steps_share_a_sync_that_comes_in_time() {
        let account = Account::default();
        let (mut syncs, mut end, steps) = (0, AHEAD_BYTES_MAX, 40);
        for step in 0..steps {
            assert!(account.queue(end, LIMIT, true));
            let zeroing = begin(&account);
            let zeros = zero_all(&zeroing);
            if let Some(durable) = zeroing.to_sync() {
                syncs += 1;
                zeroing.synced(durable);
            }
            if end + AHEAD_BYTES_MAX < zeros.end {
                end = zeros.end - AHEAD_BYTES_MAX;
                assert!(is_overwriting(&account, end..end + 1), "step {step}");
            }
            end += 1;
        }
        assert_eq!(syncs, steps * STEP_BYTES / (AHEAD_BYTES_MAX / 2));
    }

    #[test]
    fn the_last_zeros_of_a_segment_get_a_sync_however_few_they_are() {
        let account = Account::default();
        let first = zero_durably(&account, AHEAD_BYTES_MAX);
        let limit = first.end + STEP_BYTES / 2;
        assert!(account.queue(first.end - 1, limit, true));
        let zeroing = begin(&account);
        assert_eq!(zero_all(&zeroing), first.end..limit);
        sync(&zeroing);
        assert!(is_overwriting(&account, first.end..limit));
    }

    #[test]
    fn little_is_zeroed_of_a_small_segment_and_nothing_past_the_limit() {
        let account = Account::default();
        let first = 10 + MARGIN_BYTES..10 + MARGIN_BYTES + AHEAD_BYTES_MIN / 2;
        assert_eq!(zero_next(&account, 10), Some(first));
        let account = Account::default();
        let limit = 100 + MARGIN_BYTES + 10;
        assert!(account.queue(100, limit, false));
        let zeroing = account.begin().expect("it was queued");
        assert_eq!(zeroing.next(4), Some(limit - 10..limit - 6));
        assert_eq!(zeroing.end(), limit);
        zeroing.written_back(limit);
        drop(zeroing);
        assert!(!account.queue(limit - 1, limit, false));
    }

    #[test]
    fn zeros_follow_batches_to_the_next_border_where_borders_are_passed_fast() {
        const STEP: u64 = CACHED_STEP_BYTES;
        let account = Account::default();
        let extend = |range: Range<u64>, ms| account.extend(&range, alone_at(ms), 10 * STEP - 1);
        assert_eq!(extend(0..STEP + 1, 10_000), None, "nobody knows how fast");
        assert_eq!(extend(STEP + 1..STEP + 2, 10_001), None, "within a step");
        let later = 10_000 + CACHED_STEP_MS_MAX;
        assert_eq!(extend(STEP + 2..2 * STEP + 1, later), None, "slowly");
        let at = 2 * STEP + 1;
        assert_eq!(extend(at..3 * STEP, later + 1), None, "nor past the border");
        assert_eq!(extend(3 * STEP..at + STEP, later + 2), Some(4 * STEP));
        assert_eq!(
            extend(at + STEP..4 * STEP, later + 3),
            None,
            "to the border"
        );
        let late = later + CACHED_STEP_MS_MAX + 1;
        assert_eq!(extend(4 * STEP..7 * STEP + 1, late), Some(8 * STEP));
        assert_eq!(extend(7 * STEP + 1..8 * STEP + 1, later), None, "set back");
        let last = extend(8 * STEP + 1..9 * STEP + 1, later + 1);
        assert_eq!(last, Some(10 * STEP - 1), "the segment's limit");
        assert_eq!(extend(9 * STEP + 1..10 * STEP + 1, later + 2), None);
        assert!(account.seal(), "they are to be cut off");
        assert_eq!(extend(10 * STEP + 1..11 * STEP + 1, later + 3), None);
    }

    /// Where no other log is written.
    fn alone_at(ms: i64) -> WrittenAt {
        WrittenAt { ms, drains: 0 }
    }

    #[test]
    fn a_drain_writes_no_zeros_that_other_logs_evict() {
        const STEP: u64 = CACHED_STEP_BYTES;
        let account = Account::default();
        let evicting = EVICTED_BYTES / STEP;
        let extend = |index: u64, drains| {
            let written = index * STEP + 1..(index + 1) * STEP + 1;
            account.extend(&written, WrittenAt { ms: 0, drains }, LIMIT)
        };
        assert_eq!(extend(0, 5), None, "the first border");
        assert!(extend(1, 5 + evicting - 1).is_some());
        assert!(extend(2, 5 + 2 * evicting - 1).is_none());
        assert!(extend(3, 5 + 2 * evicting).is_some());
    }

    #[test]
    fn a_drain_writes_no_zeros_where_a_job_does_or_did() {
        const STEP: u64 = CACHED_STEP_BYTES;
        let account = Account::default();
        assert_eq!(account.extend(&(0..STEP + 1), alone_at(0), LIMIT), None);
        let zeros = zero_next(&account, STEP + 1).expect("nothing is zeroed");
        assert_eq!(
            account.extend(&(zeros.start - 1..zeros.end - 1), alone_at(0), LIMIT),
            None
        );
        assert!(account.queue(zeros.end - 1, LIMIT, false));
        let behind = zeros.end - 1..zeros.end + STEP;
        assert_eq!(
            account.extend(&behind, alone_at(0), LIMIT),
            None,
            "it is to begin"
        );
        account.call_off();
        assert!(account.extend(&behind, alone_at(0), LIMIT).is_some());
    }

    #[test]
    fn an_append_waits_only_for_zeros_that_are_being_written() {
        let account = Account::default();
        assert!(account.queue(0, LIMIT, false));
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
        assert!(!account.queue(0, LIMIT, false), "one job at a time");
        drop(zeroing);
        assert!(
            account.queue(0, LIMIT, false),
            "what was given up is not zeroed"
        );
    }

    #[test]
    fn an_append_that_comes_first_calls_off_what_has_not_begun() {
        let account = Account::default();
        assert!(account.queue(0, LIMIT, false));
        assert!(!account.must_wait(MARGIN_BYTES), "it is not so far");
        assert!(!account.must_wait(MARGIN_BYTES + 1));
        assert!(account.begin().is_none());
    }

    #[test]
    fn a_sealed_segment_waits_for_what_is_written_and_is_zeroed_no_further() {
        let account = Account::default();
        assert!(account.queue(0, LIMIT, false));
        std::thread::scope(|threads| {
            let zeroing = account.begin().expect("it was queued");
            let first = zeroing.next(100).expect("not called off");
            let sealing = threads.spawn(|| account.seal());
            zeroing.written(first.end);
            assert!(sealing.join().expect("sealing does not panic"));
            assert!(zeroing.next(100).is_none());
        });
        assert!(!account.queue(LIMIT / 2, LIMIT, false));
        let queued = Account::default();
        assert!(queued.queue(0, LIMIT, false));
        assert!(!queued.seal(), "nothing was written");
        assert!(queued.begin().is_none());
    }

    fn is_overwriting(account: &Account, range: Range<u64>) -> bool {
        account.barrier_for(&range).is_some()
    }

    /// What was queued, with a disk that has a barrier.
    fn begin(account: &Account) -> Zeroing<'_, ()> {
        let zeroing = account.begin().expect("it was queued");
        zeroing.set_barrier(Some(Arc::new(())));
        zeroing
    }

    /// All that is left of a job but its sync.
    fn zero_all(zeroing: &Zeroing<'_, ()>) -> Range<u64> {
        let zeros = zeroing.next(AHEAD_BYTES_MAX).expect("not called off");
        zeroing.written(zeros.end);
        zeroing.written_back(zeros.end);
        zeros
    }

    fn sync(zeroing: &Zeroing<'_, ()>) {
        zeroing.synced(zeroing.to_sync().expect("something is not durable"));
    }

    /// A whole job of a segment that ends at `end`.
    fn zero_durably(account: &Account, end: u64) -> Range<u64> {
        assert!(account.queue(end, LIMIT, false));
        let zeroing = begin(account);
        let zeros = zero_all(&zeroing);
        sync(&zeroing);
        zeros
    }

    #[test]
    fn zeros_are_overwritten_without_metadata_once_they_are_durable() {
        let account = Account::default();
        assert!(account.queue(0, LIMIT, false));
        let zeroing = begin(&account);
        assert_eq!(zeroing.to_sync(), None, "nothing is zeroed");
        let zeros = zero_all(&zeroing);
        assert!(!is_overwriting(&account, zeros.clone()), "they may be lost");
        assert_eq!(zeroing.to_sync(), Some(zeros.clone()));
        zeroing.synced(zeros.clone());
        assert_eq!(zeroing.to_sync(), None, "once is enough");
        let at = zeros.start;
        assert!(!is_overwriting(&account, 10..20), "before the zeros");
        assert!(!is_overwriting(&account, at - 1..at + 1), "half of it");
        assert!(is_overwriting(&account, zeros.clone()));
        assert!(!is_overwriting(&account, at..zeros.end + 1), "past them");
        account.forget_barrier();
        assert!(!is_overwriting(&account, zeros), "nothing to do it with");
    }

    #[test]
    fn nothing_is_synced_where_appends_sync_the_whole_file() {
        let account = Account::default();
        assert!(account.queue(0, LIMIT, false));
        let zeroing = account.begin().expect("it was queued");
        zeroing.set_barrier(None);
        zero_all(&zeroing);
        assert_eq!(zeroing.to_sync(), None);
    }

    #[test]
    fn durable_zeros_are_used_while_more_are_written() {
        let account = Account::default();
        let first = zero_durably(&account, 0);
        assert!(account.queue(first.end - 10, LIMIT, false));
        let zeroing = begin(&account);
        let last = first.end - 10..first.end;
        assert!(is_overwriting(&account, last.clone()));
        let second = zero_all(&zeroing);
        assert!(is_overwriting(&account, last));
        assert!(!is_overwriting(&account, second.clone()), "not durable yet");
        sync(&zeroing);
        assert!(is_overwriting(&account, first.start..second.end));
    }

    #[test]
    fn between_zeros_there_may_be_a_gap() {
        let account = Account::default();
        let first = zero_durably(&account, 0);
        let end = first.end + 50;
        assert!(account.queue(end, LIMIT, false));
        let zeroing = begin(&account);
        assert_eq!(zeroing.to_sync(), None, "nothing new is zeroed");
        let second = zero_all(&zeroing);
        assert_eq!(second.start, end + MARGIN_BYTES);
        sync(&zeroing);
        assert!(is_overwriting(&account, second));
        assert!(!is_overwriting(&account, end..end + 1), "in the gap");
    }

    #[test]
    fn zeros_of_the_page_cache_become_durable_with_those_behind_them() {
        let account = Account::default();
        let end = 4 * CACHED_STEP_BYTES + 1;
        assert_eq!(
            account.extend(&(0..CACHED_STEP_BYTES + 1), alone_at(0), LIMIT),
            None
        );
        let written = 3 * CACHED_STEP_BYTES..end;
        let to = account
            .extend(&written, alone_at(0), LIMIT)
            .expect("a border was passed");
        assert!(account.queue(end, LIMIT, false));
        let zeroing = begin(&account);
        assert!(!is_overwriting(&account, end..to));
        let zeros = zero_all(&zeroing);
        assert_eq!(zeros.start, to);
        sync(&zeroing);
        assert!(is_overwriting(&account, written.start..zeros.end));
        assert!(!is_overwriting(&account, written.start - 1..to), "before");
    }

    #[test]
    fn nothing_counts_as_durable_in_a_sealed_segment() {
        let account = Account::default();
        assert!(account.queue(0, LIMIT, false));
        let zeroing = begin(&account);
        let zeros = zero_all(&zeroing);
        let durable = zeroing.to_sync().expect("they are not durable");
        assert!(account.seal());
        zeroing.synced(durable);
        zeroing.set_barrier(Some(Arc::new(())));
        assert!(!is_overwriting(&account, zeros));
    }
}
