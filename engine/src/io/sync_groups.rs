//! Durable writes of many logs at once: their syncs are made in groups, each by one thread that
//! first has the dirty pages of all its files written and then syncs one file after the other.
//!
//! A sync waits three or four times: for the pages, for the inode or the journal, for the disk's
//! cache. Syncs side by side wake a kernel worker and the ring's thread for each of that, which
//! costs more CPU time than the disk needs when many small batches are synced. In a group most of
//! what a sync waits for has come when its turn comes, and its thread and the ring's are woken once
//! for all. But syncs side by side share the wait for the disk's cache, and in a group they do not:
//! where that is slow nothing is grouped, and few syncs never are.
//!
//! Used by [`super::ring`] for writes it made in place. What was measured is in BENCHMARKS.md.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::left_syncs::{self, Done};
use super::{page_cache, ring};

/// Files that a thread syncs one after the other, at most.
const GROUP_MAX: usize = 6;
/// Fewer are synced side by side.
const GROUP_MIN: usize = 3;
/// Groups side by side, at least: fewer would leave the disk idle between their syncs.
const GROUPS: usize = 5;
/// Files of one ring that are synced at a time.
const FILES_MAX: usize = 64;
/// A disk that takes longer for a sync whose pages it has is not held up by the CPU.
const FAST: Duration = Duration::from_micros(300);
/// Groups whose shortest sync tells how fast the disk is; to most others a busy core adds.
const GROUPS_JUDGED: u32 = 16;
/// How long syncs are made side by side after the first groups that were slow.
const APART_MIN: Duration = Duration::from_secs(1);
/// How long at most.
const APART_MAX: Duration = Duration::from_secs(60);

thread_local! {
    static SYNCS: RefCell<Syncs> = RefCell::default();
}

/// A file to sync, and who waits for that.
struct Waiting {
    file: Arc<File>,
    done: Done,
}

/// The syncs of one thread's ring.
#[derive(Default)]
struct Syncs {
    waiting: VecDeque<Waiting>,
    /// A task will start what waits.
    is_collecting: bool,
    files_in_flight: usize,
    pace: Pace,
}

/// Makes a file durable, like [`ring::sync`].
///
/// # Errors
/// As the operating system says; or the thread that synced it panicked.
pub(super) async fn sync(file: Arc<File>) -> io::Result<()> {
    if let Some(in_flight) = SYNCS.with_borrow_mut(Syncs::begin_alone) {
        let result = ring::sync(file).await;
        drop(in_flight);
        start();
        return result;
    }
    let enqueue = |done| {
        SYNCS.with_borrow_mut(|syncs| {
            syncs.waiting.push_back(Waiting { file, done });
            std::mem::replace(&mut syncs.is_collecting, true)
        })
    };
    left_syncs::leave(enqueue, || collect(Collecting)).await
}

/// Ends when dropped, also with a runtime that ends before its tasks.
struct Collecting;

impl Drop for Collecting {
    fn drop(&mut self) {
        // At the thread's end nobody collects any more.
        let _at_end = SYNCS.try_with(|syncs| syncs.borrow_mut().is_collecting = false);
    }
}

/// Files in flight, as many as it says, until dropped.
struct InFlight(usize);

impl Drop for InFlight {
    fn drop(&mut self) {
        let _at_end = SYNCS.try_with(|syncs| syncs.borrow_mut().files_in_flight -= self.0);
    }
}

/// Lets those write who were woken together with the first, then starts what waits.
async fn collect(collecting: Collecting) {
    tokio::task::yield_now().await;
    drop(collecting);
    start();
}

/// Starts what waits as far as the limits allow.
fn start() {
    if SYNCS.with_borrow(|syncs| syncs.waiting.is_empty()) {
        return;
    }
    let now = now();
    while let Some((mut group, in_flight)) = SYNCS.with_borrow_mut(|syncs| syncs.next(now)) {
        if GROUP_MIN <= group.len() {
            drop(tokio::task::spawn_local(sync_group(group, in_flight)));
        } else if let Some(alone) = group.pop() {
            drop(tokio::task::spawn_local(sync_alone(alone, in_flight)));
        }
    }
}

impl Syncs {
    /// Counts a sync as in flight that is to be made at once: so few are that nothing is grouped.
    fn begin_alone(&mut self) -> Option<InFlight> {
        if !self.waiting.is_empty() || GROUPS * GROUP_MIN <= self.files_in_flight + 1 {
            return None;
        }
        self.files_in_flight += 1;
        Some(InFlight(1))
    }

    /// Takes what is to be started next. What is less than a group waits for more: in flight is
    /// several times as much, whose end starts it at the latest.
    fn next(&mut self, now: Instant) -> Option<(Vec<Waiting>, InFlight)> {
        let waiting = self.waiting.len();
        let count = self.pace.group(self.files_in_flight + waiting, now);
        if waiting < count || FILES_MAX < self.files_in_flight + count {
            return None;
        }
        let group = self.waiting.drain(..count).collect();
        self.files_in_flight += count;
        Some((group, InFlight(count)))
    }
}

async fn sync_alone(waiting: Waiting, in_flight: InFlight) {
    let result = ring::sync(waiting.file).await;
    left_syncs::tell([waiting.done], [result]);
    drop(in_flight);
    start();
}

async fn sync_group(group: Vec<Waiting>, in_flight: InFlight) {
    let (files, waiting): (Vec<_>, Vec<_>) = group.into_iter().map(|it| (it.file, it.done)).unzip();
    // Where the thread panicked, those who wait see that nobody answers.
    if let Ok((results, fastest)) = tokio::task::spawn_blocking(move || sync_all(&files)).await {
        left_syncs::tell(waiting, results);
        SYNCS.with_borrow_mut(|syncs| syncs.pace.on_group(fastest, now()));
    }
    drop(in_flight);
    start();
}

/// Syncs the files. Returns the results and the shortest sync but the first's, which waits for all
/// that the others need not wait for again.
fn sync_all(files: &[Arc<File>]) -> (Vec<io::Result<()>>, Duration) {
    // What fails here may not fail again in the sync.
    let started: Vec<_> = files
        .iter()
        .map(|file| page_cache::start_writeback_of_all(file))
        .collect();
    let mut fastest = Duration::MAX;
    let mut results = Vec::with_capacity(files.len());
    for (file, started) in files.iter().zip(started) {
        let begun = now();
        let is_first = results.is_empty();
        results.push(started.and_then(|()| file.sync_data()));
        if !is_first {
            fastest = fastest.min(now().saturating_duration_since(begun));
        }
    }
    (results, fastest)
}

#[expect(
    clippy::disallowed_methods,
    reason = "measures what the disk makes of a call; nothing but the grouping depends on the time"
)]
fn now() -> Instant {
    Instant::now()
}

/// How many syncs make a group. Pure: it is told the time.
#[derive(Debug)]
struct Pace {
    /// Groups since the disk was last judged, and the shortest sync in them.
    groups: u32,
    fastest: Duration,
    /// No groups before.
    apart_until: Option<Instant>,
    /// How long syncs were made side by side the last time; zero after fast groups.
    apart: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            groups: 0,
            fastest: Duration::MAX,
            apart_until: None,
            apart: Duration::ZERO,
        }
    }
}

impl Pace {
    /// The size of the next group when so many files wait or are in flight.
    fn group(&self, files: usize, now: Instant) -> usize {
        let size = (files / GROUPS).min(GROUP_MAX);
        if size < GROUP_MIN || self.apart_until.is_some_and(|until| now < until) {
            1
        } else {
            size
        }
    }

    /// The shortest sync of a group took so long.
    fn on_group(&mut self, fastest: Duration, now: Instant) {
        self.groups += 1;
        self.fastest = self.fastest.min(fastest);
        if self.groups < GROUPS_JUDGED {
            return;
        }
        if self.fastest <= FAST {
            self.apart = Duration::ZERO;
        } else {
            self.apart = (self.apart * 2).clamp(APART_MIN, APART_MAX);
            self.apart_until = Some(now + self.apart);
        }
        (self.groups, self.fastest) = (0, Duration::MAX);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::io::run_on_ring;

    /// The times of the groups by which a disk is judged.
    fn judge(pace: &mut Pace, fastest: Duration, now: Instant) {
        (1..GROUPS_JUDGED).for_each(|_| pace.on_group(FAST * 100, now));
        pace.on_group(fastest, now);
    }

    #[test]
    fn few_syncs_are_made_side_by_side_and_many_in_groups() {
        let pace = Pace::default();
        let groups = [0, 1, 14, 15, 20, 30, 64].map(|files| pace.group(files, now()));
        assert_eq!(groups, [1, 1, 1, 3, 4, 6, 6]);
    }

    #[test]
    fn a_slow_disk_gets_no_groups_for_ever_longer() {
        let (mut pace, mut at) = (Pace::default(), now());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            judge(&mut pace, FAST * 2, at);
            let until = at + Duration::from_secs(seconds);
            assert_eq!(pace.group(64, at), 1);
            assert_eq!(pace.group(64, until - FAST), 1, "{seconds} s");
            assert_eq!(pace.group(64, until), 6);
            at = until;
        }
        judge(&mut pace, FAST, at);
        assert_eq!(pace.group(64, at), 6);
        judge(&mut pace, FAST * 2, at);
        assert_eq!(
            pace.group(64, at + APART_MIN),
            6,
            "short again after fast groups"
        );
    }

    #[test]
    fn a_busy_core_does_not_make_a_disk_slow() {
        let (mut pace, at) = (Pace::default(), now());
        judge(&mut pace, FAST, at);
        assert_eq!(pace.group(64, at), 6);
    }

    /// Syncs of which so many wait; what is taken from them does not count as ended.
    fn waiting(count: usize) -> Syncs {
        let mut syncs = Syncs::default();
        let file = Arc::new(tempfile::tempfile().unwrap());
        for _ in 0..count {
            let (done, _) = oneshot::channel();
            let file = Arc::clone(&file);
            syncs.waiting.push_back(Waiting { file, done });
        }
        syncs
    }

    fn take(syncs: &mut Syncs) -> Option<usize> {
        let (group, in_flight) = syncs.next(now())?;
        // Its end is told to this thread's syncs, which these are not.
        std::mem::forget(in_flight);
        Some(group.len())
    }

    #[test]
    fn no_more_than_the_limit_are_in_flight() {
        let mut syncs = waiting(100);
        let started: usize = std::iter::from_fn(|| take(&mut syncs)).sum();
        assert_eq!((started, syncs.files_in_flight), (60, 60));
    }

    #[test]
    fn what_is_less_than_a_group_waits_while_others_are_in_flight() {
        let mut syncs = waiting(32);
        assert_eq!(std::iter::from_fn(|| take(&mut syncs)).count(), 5);
        assert_eq!(syncs.waiting.len(), 2);
        assert!(syncs.begin_alone().is_none(), "nobody overtakes them");
        syncs.files_in_flight -= 18;
        assert_eq!(take(&mut syncs), Some(1), "too few are left for groups");
        syncs.files_in_flight = 0;
        assert_eq!(take(&mut syncs), Some(1), "nobody waits for ever");
    }

    #[test]
    fn few_syncs_are_made_at_once() {
        let mut syncs = Syncs::default();
        let begin = || {
            let in_flight = syncs.begin_alone()?;
            std::mem::forget(in_flight);
            Some(())
        };
        assert_eq!(std::iter::from_fn(begin).count(), GROUPS * GROUP_MIN - 1);
    }

    /// A pipe can be neither written back nor synced.
    #[test]
    fn each_file_of_a_group_gets_its_own_result() {
        let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
        let pipe = Arc::new(File::from(pipe));
        let results = run_on_ring(async move {
            let files: Vec<_> = (0..3 * FILES_MAX)
                .map(|index| match index % 5 {
                    0 => Arc::clone(&pipe),
                    _ => Arc::new(tempfile::tempfile().unwrap()),
                })
                .collect();
            let tasks: Vec<_> = files
                .into_iter()
                .map(|file| tokio::task::spawn_local(sync(file)))
                .collect();
            let mut results = Vec::new();
            for task in tasks {
                results.push(task.await.unwrap().is_ok());
            }
            results
        });
        let expected: Vec<_> = (0..3 * FILES_MAX).map(|index| index % 5 != 0).collect();
        assert_eq!(results, expected);
        let left = SYNCS.with_borrow(|syncs| (syncs.files_in_flight, syncs.waiting.len()));
        assert_eq!(left, (0, 0));
    }

    #[test]
    fn a_runtime_that_ends_early_leaves_nothing_in_flight() {
        let sync_some = || {
            for _ in 0..GROUP_MAX {
                let file = Arc::new(tempfile::tempfile().unwrap());
                drop(tokio::task::spawn_local(sync(file)));
            }
        };
        run_on_ring(async {
            sync_some();
            tokio::task::yield_now().await;
        });
        let file = Arc::new(tempfile::tempfile().unwrap());
        run_on_ring(async { sync(file).await }).unwrap();
        let left = SYNCS.with_borrow(|syncs| (syncs.files_in_flight, syncs.is_collecting));
        assert_eq!(left, (0, false));
    }
}
