//! Writes to the page cache that a ring's thread makes itself.
//!
//! On ext4 the ring gives every buffered write to a kernel worker, which costs 8 us: twice the
//! write of 16 KiB, half of that of 64 KiB. So small ones are made on the thread, unless the disk
//! makes writers wait: a write that waits long sends all that follow through the ring for a while,
//! where a wait holds nobody else up. That while doubles as long as waits come soon after its end,
//! so under lasting writeback the thread is held up once a minute. Whether a slow write waited, or
//! the core was busy with something else, is asked only soon after another slow one: asking is a
//! system call, which each write pays for meanwhile. Where the core turns out to be busy nobody
//! asks for a while. Writes to a file whose blocks are being reserved never come here. Of durable
//! writes only the first half does: the sync is made elsewhere. It is handed over once the thread's
//! other tasks have run, to a thread that has to be woken; so that the disk is not idle for a fifth
//! of the time, the pages of large writes that are synced next are on their way to it before.
//!
//! Used by [`super::ring`]; what was measured is in BENCHMARKS.md.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::buffer::WriteBuffers;
use super::page_cache;
use super::ring::IOV_MAX;

/// Larger writes keep the thread from its other tasks for too long; for them a worker costs little.
/// 128 KiB of batches and the zeros behind them are not large yet.
const BYTES_MAX: usize = 192 << 10;
/// A write that waits and takes so long disturbs others.
const WAIT: Duration = Duration::from_millis(1);
/// How long writes go through the ring after the first wait.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// How long at most.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long after a slow write the kernel is asked whether the next one waited.
const WATCH: Duration = Duration::from_millis(100);
/// How long it is not asked after a slow write that did not wait.
const REST: Duration = Duration::from_millis(300);

thread_local! {
    static CALM: Cell<Calm> = const { Cell::new(Calm::new()) };
}

/// Writes of this size that are synced next have their pages written at once: of smaller ones many
/// are written in the time of a sync, which costs less in one go.
const WRITEBACK_FROM_BYTES: usize = 32 << 10;

/// Whether a write of so many bytes that is synced next has had its pages' writing started.
pub(super) fn has_writeback(bytes: usize) -> bool {
    WRITEBACK_FROM_BYTES <= bytes
}

/// Writes `buffers.pieces[range]` without its first `skip` bytes; returns the bytes written, or
/// `None` when the write has to go through the ring. `is_synced`: a sync follows.
pub(super) fn write(
    file: &File,
    buffers: &WriteBuffers,
    range: &Range<usize>,
    skip: usize,
    position: u64,
    is_synced: bool,
) -> Option<io::Result<usize>> {
    if BYTES_MAX < buffers.range_bytes(range.start, range.end) {
        return None;
    }
    let mut calm = CALM.get();
    let begun = now();
    if !calm.holds(begun) {
        return None;
    }
    let waits_before = calm.is_watched(begun).then(waits_of_this_thread);
    let mut slices = Vec::with_capacity((2 * range.len()).min(IOV_MAX));
    buffers
        .slices(range.start, range.end, skip)
        .take(IOV_MAX)
        .for_each(|slice| slices.push(IoSlice::new(slice)));
    let result = rustix::io::pwritev(file, &slices, position)
        .map_err(io::Error::from)
        .and_then(|bytes| {
            if is_synced && has_writeback(bytes) {
                // What fails here may not fail again in the sync.
                page_cache::start_writeback(file, &(position..position + bytes as u64))?;
            }
            Ok(bytes)
        });
    let ended = now();
    if WAIT <= ended.saturating_duration_since(begun) {
        match waits_before {
            None => calm.watch(ended),
            Some(before) if before < waits_of_this_thread() => calm.end(begun, ended),
            Some(_) => calm.rest(ended),
        }
        CALM.set(calm);
    }
    Some(result)
}

#[expect(
    clippy::disallowed_methods,
    reason = "measures what the kernel makes of a call; no logic or test depends on the time"
)]
fn now() -> Instant {
    Instant::now()
}

/// The thread's voluntary context switches: not those by which the scheduler let others run.
fn waits_of_this_thread() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is to memory of the struct's size and alignment, which the kernel fills.
    let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    // Not possible with these arguments.
    assert_eq!(result, 0, "getrusage of the own thread failed");
    // SAFETY: the call succeeded, so it filled the struct.
    unsafe { usage.assume_init() }.ru_nvcsw
}

/// Whether writes may be made here. Pure: it is told the time.
#[derive(Debug, Clone, Copy)]
struct Calm {
    /// Not before; `None` before the first wait.
    begins_at: Option<Instant>,
    /// How long the last pause was.
    pause: Duration,
    /// Until when the kernel is asked whether a slow write waited.
    watched_until: Option<Instant>,
    /// Until when a slow write is no reason to ask.
    rests_until: Option<Instant>,
}

impl Calm {
    const fn new() -> Self {
        Self {
            begins_at: None,
            pause: Duration::ZERO,
            watched_until: None,
            rests_until: None,
        }
    }

    fn holds(&self, now: Instant) -> bool {
        self.begins_at.is_none_or(|begin| begin <= now)
    }

    fn is_watched(&self, now: Instant) -> bool {
        self.watched_until.is_some_and(|until| now < until)
    }

    /// A write was slow, and nobody knows whether it waited or the core was busy with something
    /// else: the next ones are looked at more closely.
    fn watch(&mut self, ended: Instant) {
        if self.rests_until.is_none_or(|until| until <= ended) {
            self.watched_until = Some(ended + WATCH);
        }
    }

    /// A slow write did not wait: the core is shared, and the next slow ones say as little.
    fn rest(&mut self, ended: Instant) {
        self.watched_until = None;
        self.rests_until = Some(ended + REST);
    }

    /// A write that was made here had to wait.
    fn end(&mut self, begun: Instant, ended: Instant) {
        let lasted = self
            .begins_at
            .map(|begin| begun.saturating_duration_since(begin));
        self.pause = match lasted {
            Some(lasted) if lasted < self.pause => (self.pause * 2).min(PAUSE_MAX),
            _ => PAUSE_MIN,
        };
        let begins_at = ended + self.pause;
        self.begins_at = Some(begins_at);
        self.watched_until = Some(begins_at + self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_micros(20);
    const SLOW: Duration = Duration::from_millis(3);

    #[test]
    fn a_wait_sends_the_writes_of_the_next_second_through_the_ring() {
        let begin = now();
        let mut calm = Calm::new();
        assert!(calm.holds(begin));
        calm.end(begin, begin + SLOW);
        assert!(!calm.holds(begin + SLOW));
        assert!(!calm.holds(begin + PAUSE_MIN));
        assert!(calm.holds(begin + SLOW + PAUSE_MIN));
    }

    #[test]
    fn slow_writes_are_looked_at_closely_for_a_while_and_after_a_pause() {
        let begin = now();
        let mut calm = Calm::new();
        assert!(!calm.is_watched(begin), "asking costs a system call");
        calm.watch(begin);
        assert!(calm.holds(begin), "one slow write proves nothing");
        assert!(calm.is_watched(begin) && !calm.is_watched(begin + WATCH));
        calm.end(begin, begin + SLOW);
        let resumed = begin + SLOW + PAUSE_MIN;
        assert!(calm.is_watched(resumed) && !calm.is_watched(resumed + PAUSE_MIN));
    }

    #[test]
    fn on_a_shared_core_slow_writes_are_seldom_looked_at() {
        let begin = now();
        let mut calm = Calm::new();
        calm.watch(begin);
        calm.rest(begin + SLOW);
        assert!(!calm.is_watched(begin + SLOW) && calm.holds(begin + SLOW));
        calm.watch(begin + SLOW);
        assert!(!calm.is_watched(begin + SLOW), "it rests");
        let rested = begin + SLOW + REST;
        calm.watch(rested);
        assert!(calm.is_watched(rested));
    }

    #[test]
    fn waiting_is_noticed_by_the_kernel() {
        let before = waits_of_this_thread();
        let (_sender, receiver) = std::sync::mpsc::channel::<()>();
        assert!(receiver.recv_timeout(SLOW).is_err());
        assert!(before < waits_of_this_thread());
    }

    #[test]
    fn pauses_double_under_lasting_writeback_and_are_short_again_after_calm() {
        let mut calm = Calm::new();
        let mut at = now();
        let mut waits = 0;
        let end = at + Duration::from_secs(600);
        while at < end {
            // As soon as it may, it writes, and has to wait soon after.
            at = calm.begins_at.map_or(at, |begin| begin + FAST);
            calm.end(at, at + SLOW);
            waits += 1;
        }
        assert!(calm.pause == PAUSE_MAX, "{calm:?}");
        assert!(waits < 20, "{waits} waits in ten minutes");
        at = calm.begins_at.expect("after a wait") + PAUSE_MAX;
        calm.end(at, at + SLOW);
        assert_eq!(calm.pause, PAUSE_MIN);
    }
}
