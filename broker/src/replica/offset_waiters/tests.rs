//! Waits that end, fail, move to another task, and many threads at once.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::Wake;
use std::time::Duration;

use super::Milestone::{Committed, Published};
use super::*;

/// A task that counts how often it is woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn poll(
        self: &Arc<Self>,
        wait: &mut OffsetWait,
        milestone: Milestone,
        offset: i64,
    ) -> Poll<Result<(), NotReached>> {
        let waker = Waker::from(Arc::clone(self));
        wait.poll(&mut Context::from_waker(&waker), milestone, offset)
    }

    fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn only_waiters_for_reached_offsets_wake() {
    let waiters = OwnOffsetWaiters::new(0, 0);
    let tasks: [Arc<Task>; 4] = Default::default();
    let wanted = [
        (Published, 4),
        (Published, 5),
        (Committed, 5),
        (Published, 6),
    ];
    let mut waits = wanted.map(|_| OffsetWait::new(&waiters));
    let poll_all = |waits: &mut [OffsetWait]| {
        let polls = waits.iter_mut().zip(&tasks).zip(wanted);
        let ready = polls.map(|((wait, task), (milestone, offset))| {
            task.poll(wait, milestone, offset) == Poll::Ready(Ok(()))
        });
        ready.collect::<Vec<_>>()
    };
    assert_eq!(poll_all(&mut waits), [false; 4]);
    waiters.advance(5, 4);
    let wakes = || tasks.each_ref().map(|task| task.wakes());
    assert_eq!(wakes(), [1, 1, 0, 0]);
    assert_eq!(poll_all(&mut waits), [true, true, false, false]);
    waiters.advance(5, 5);
    assert_eq!(wakes(), [1, 1, 1, 0]);
    waiters.advance(6, 5);
    assert_eq!(wakes(), [1, 1, 1, 1]);
    assert_eq!(poll_all(&mut waits), [true; 4]);
}

#[test]
fn an_offset_that_is_reached_notes_nobody() {
    let waiters = OwnOffsetWaiters::new(5, 4);
    let task = Arc::<Task>::default();
    let mut wait = OffsetWait::new(&waiters);
    assert_eq!(task.poll(&mut wait, Published, 5), Poll::Ready(Ok(())));
    assert_eq!(waiters.lock().entries.len(), 0);
}

#[test]
fn an_older_word_takes_nothing_back() {
    let waiters = OwnOffsetWaiters::new(0, 0);
    waiters.advance(7, 7);
    waiters.advance(5, 5);
    for milestone in [Published, Committed] {
        let mut wait = OffsetWait::new(&waiters);
        let polled = Arc::<Task>::default().poll(&mut wait, milestone, 7);
        assert_eq!(polled, Poll::Ready(Ok(())));
    }
}

#[test]
fn who_looks_again_is_noted_once_with_its_last_task() {
    let waiters = OwnOffsetWaiters::new(0, 0);
    let (first, second) = (Arc::<Task>::default(), Arc::<Task>::default());
    let mut wait = OffsetWait::new(&waiters);
    for task in [&first, &first, &second] {
        assert_eq!(task.poll(&mut wait, Published, 1), Poll::Pending);
    }
    assert_eq!(waiters.lock().entries.len(), 1);
    waiters.advance(1, 0);
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert_eq!(second.poll(&mut wait, Committed, 1), Poll::Pending);
    waiters.advance(1, 1);
    assert_eq!(second.wakes(), 2);
}

#[test]
fn a_failure_ends_the_waits_before_it_and_no_later_ones() {
    let waiters = OwnOffsetWaiters::new(0, 0);
    let task = Arc::<Task>::default();
    let mut noted = OffsetWait::new(&waiters);
    let mut begun = OffsetWait::new(&waiters);
    assert_eq!(task.poll(&mut noted, Published, 3), Poll::Pending);
    waiters.fail(NotReached::StorageFailed);
    assert_eq!(task.wakes(), 1);
    // What others appended at these offsets in the meantime is not what was waited for.
    waiters.advance(9, 9);
    let failed = Poll::Ready(Err(NotReached::StorageFailed));
    assert_eq!(task.poll(&mut noted, Published, 3), failed);
    assert_eq!(task.poll(&mut begun, Published, 3), failed);
    let mut later = OffsetWait::new(&waiters);
    assert_eq!(task.poll(&mut later, Published, 9), Poll::Ready(Ok(())));
    assert_eq!(task.poll(&mut later, Published, 10), Poll::Pending);
}

#[test]
fn who_waits_for_a_partition_that_is_gone_is_told_so() {
    let waiters = OwnOffsetWaiters::new(0, 0);
    let task = Arc::<Task>::default();
    let mut wait = OffsetWait::new(&waiters);
    assert_eq!(task.poll(&mut wait, Published, 5), Poll::Pending);
    drop(waiters);
    assert_eq!(task.wakes(), 1);
    let gone = Poll::Ready(Err(NotReached::Gone));
    assert_eq!(task.poll(&mut wait, Published, 5), gone);
}

/// Tells a thread that it was woken.
struct Bell(SyncSender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Who has not heard it yet need not hear it twice.
        let (Ok(()) | Err(_)) = self.0.try_send(());
    }
}

/// One thread begins a wait when another is about to tell that its offset is reached.
#[test]
fn a_wait_that_begins_while_its_offset_is_reached_ends() {
    const END: i64 = 50_000;
    const LIMIT: Duration = Duration::from_secs(30);
    let waiters = OwnOffsetWaiters::new(0, 0);
    let begun = AtomicI64::new(0);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for offset in 1..=END {
                while begun.load(Ordering::Acquire) < offset {
                    std::hint::spin_loop();
                }
                waiters.advance(offset, offset);
            }
        });
        let (bell, woken) = sync_channel(1);
        let waker = Waker::from(Arc::new(Bell(bell)));
        let mut ctx = Context::from_waker(&waker);
        for offset in 1..=END {
            let mut wait = OffsetWait::new(&waiters);
            begun.store(offset, Ordering::Release);
            while wait.poll(&mut ctx, Committed, offset).is_pending() {
                let is_woken = woken.recv_timeout(LIMIT).is_ok();
                if !is_woken {
                    // Ends the other thread.
                    begun.store(END, Ordering::Release);
                }
                assert!(is_woken, "{offset} is forgotten");
            }
        }
    });
    assert_eq!(waiters.lock().entries.len(), 0);
}
