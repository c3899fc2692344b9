//! Writes to the page cache that a ring's thread makes itself.
//!
//! On ext4 the ring gives every buffered write to a kernel worker, which costs 8 us: twice the
//! write of 16 KiB, half of that of 64 KiB. So small ones are made on the thread, unless the disk
//! makes writers wait: a write that waits long sends all that follow through the ring for a while,
//! where a wait holds nobody else up. That while doubles as long as waits come soon after its end,
//! so under lasting writeback the thread is held up once a minute. Durable writes always wait for
//! the disk and never come here.
//!
//! Used by [`super::ring`]; what was measured is in BENCHMARKS.md.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::buffer::WriteBuffers;
use super::ring::IOV_MAX;

/// Larger writes keep the thread from its other tasks for too long; for them a worker costs little.
const BYTES_MAX: usize = 128 << 10;
/// A write that waits and takes so long disturbs others.
const WAIT: Duration = Duration::from_millis(1);
/// How long writes go through the ring after the first wait.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// How long at most.
const PAUSE_MAX: Duration = Duration::from_secs(60);

thread_local! {
    static CALM: Cell<Calm> = const { Cell::new(Calm::new()) };
}

/// Writes `buffers.pieces[range]` without its first `skip` bytes; returns the bytes written, or
/// `None` when the write has to go through the ring.
pub(super) fn write(
    file: &File,
    buffers: &WriteBuffers,
    range: &Range<usize>,
    skip: usize,
    position: u64,
) -> Option<io::Result<usize>> {
    if BYTES_MAX < buffers.range_bytes(range.start, range.end) {
        return None;
    }
    let mut calm = CALM.get();
    let begun = now();
    if !calm.holds(begun) {
        return None;
    }
    let waits_before = waits_of_this_thread();
    let slices: Vec<_> = buffers
        .slices(range.start, range.end, skip)
        .take(IOV_MAX)
        .map(IoSlice::new)
        .collect();
    let result = rustix::io::pwritev(file, &slices, position);
    let ended = now();
    let took = ended.saturating_duration_since(begun);
    if has_waited(took, || waits_before..waits_of_this_thread()) {
        calm.end(begun, ended);
        CALM.set(calm);
    }
    Some(result.map_err(io::Error::from))
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
    if result != 0 {
        // Not possible with these arguments; each slow write counts as a wait then.
        return i64::MAX;
    }
    // SAFETY: the call succeeded, so it filled the struct.
    unsafe { usage.assume_init() }.ru_nvcsw
}

/// Whether a write took long because it had to wait, not because the core was busy with something
/// else. The waits of the thread before and after are asked for only when it took long: that is a
/// system call, and nearly every write is fast.
fn has_waited(took: Duration, waits: impl FnOnce() -> Range<i64>) -> bool {
    if took < WAIT {
        return false;
    }
    let waits = waits();
    waits.start < waits.end || waits.end == i64::MAX
}

/// Whether writes may be made here. Pure: it is told the time.
#[derive(Debug, Clone, Copy)]
struct Calm {
    /// Not before; `None` before the first wait.
    begins_at: Option<Instant>,
    /// How long the last pause was.
    pause: Duration,
}

impl Calm {
    const fn new() -> Self {
        Self {
            begins_at: None,
            pause: Duration::ZERO,
        }
    }

    fn holds(&self, now: Instant) -> bool {
        self.begins_at.is_none_or(|begin| begin <= now)
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
        self.begins_at = Some(ended + self.pause);
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
    fn only_a_slow_write_that_waited_counts() {
        assert!(has_waited(SLOW, || 4..5));
        assert!(!has_waited(SLOW, || 4..4), "the core was busy");
        assert!(!has_waited(FAST, || 4..5));
        assert!(has_waited(SLOW, || i64::MAX..i64::MAX), "unknown");
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
