//! The wait of a drain for those it has just woken, so that their appends share its next sync: on
//! the ring's thread, by letting the other tasks run again and again. Those on other rings need
//! some 10 us to wake up, so a timer is too coarse; and what the ring was told to do is not handed
//! to the kernel meanwhile, so nobody waits here while other syncs are under way.
//!
//! Used by [`super::UringDisk`]; [`super::ring`] tells how long syncs take.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::sync_groups;

/// The wait takes this part of a sync at most: what it may gain is a whole one.
const PARTS: u32 = 2;
/// However slow the disk is, those who answer at once have done so by then.
const WAIT_MAX: Duration = Duration::from_micros(200);

thread_local! {
    static SYNC_TIME: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Measures a sync that a drain of this thread waits for.
pub(super) struct SyncTimer(Instant);

impl SyncTimer {
    pub(super) fn begin() -> Self {
        Self(now())
    }

    pub(super) fn end(self) {
        SYNC_TIME.set(now().saturating_duration_since(self.0));
    }
}

/// Lets others run until `is_enough` says so, for a moment at most. Returns its last answer.
pub(super) async fn wait_until(is_enough: impl FnMut() -> bool) -> bool {
    wait(limit(), is_enough).await
}

fn limit() -> Duration {
    #[cfg(test)]
    if let Some(limit) = TEST_LIMIT.get() {
        return limit;
    }
    (SYNC_TIME.get() / PARTS).min(WAIT_MAX)
}

async fn wait(limit: Duration, mut is_enough: impl FnMut() -> bool) -> bool {
    let begun = now();
    loop {
        tokio::task::yield_now().await;
        if is_enough() {
            return true;
        }
        if !sync_groups::is_idle() || limit <= now().saturating_duration_since(begun) {
            return false;
        }
    }
}

#[cfg(test)]
thread_local! {
    static TEST_LIMIT: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Lets the waits of this thread last so long, however short its syncs are.
#[cfg(test)]
pub(crate) fn wait_as_long_as(limit: Duration) {
    TEST_LIMIT.set(Some(limit));
}

#[expect(
    clippy::disallowed_methods,
    reason = "measures the disk and others; only the length of a wait depends on the time"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::io::run_on_ring;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn others_run_until_it_is_enough() {
        let appended = Rc::new(Cell::new(0));
        let is_complete = run_on_ring(async {
            for _ in 0..3 {
                let appended = Rc::clone(&appended);
                drop(tokio::task::spawn_local(async move {
                    tokio::task::yield_now().await;
                    appended.set(appended.get() + 1);
                }));
            }
            wait(LONG, || appended.get() == 3).await
        });
        assert!(is_complete);
    }

    #[test]
    fn what_does_not_come_is_not_waited_for_long() {
        SYNC_TIME.set(LONG);
        assert_eq!(limit(), WAIT_MAX);
        assert!(!run_on_ring(wait_until(|| false)));
    }

    #[test]
    fn a_sync_is_waited_for_no_longer_than_it_is_worth() {
        SYNC_TIME.set(Duration::ZERO);
        let mut turns = 0;
        let is_complete = run_on_ring(wait_until(|| {
            turns += 1;
            false
        }));
        assert!(!is_complete);
        assert_eq!(turns, 1, "others run once all the same");
    }

    #[test]
    fn nobody_waits_while_a_sync_is_under_way() {
        let (_reader, pipe) = rustix::pipe::pipe().unwrap();
        let file = std::sync::Arc::new(std::fs::File::from(pipe));
        let is_complete = run_on_ring(async {
            drop(tokio::task::spawn_local(sync_groups::sync(file)));
            wait(LONG, || false).await
        });
        assert!(!is_complete, "what the ring was told comes first");
    }
}
