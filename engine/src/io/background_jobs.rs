//! Blocking jobs of a ring's thread that nobody waits for: for each log dir few threads take them
//! one after the other. A disk that is slow holds up its own.
//!
//! Logs that are written in turn come to the end of what they had reserved, zeroed or not yet
//! handed to the disk at the same time. A thread for each of a hundred such jobs costs more
//! than the jobs, and 200 MiB: a thread's first allocation brings in 2.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::failure::DirId;

/// Threads that run jobs of one ring's thread for a log dir, at most. More than those of a dir that
/// zero at a time, so that others need not wait for the disk with them.
const WORKERS_MAX: usize = 8;

type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    static JOBS: RefCell<HashMap<DirId, Arc<Jobs>>> = RefCell::default();
}

/// Runs a blocking job of a log dir's on another thread, after those that came before. Must be
/// called on a runtime; when it ends, jobs that no thread has begun on are dropped, or run first.
pub(super) fn start(dir: DirId, job: impl FnOnce() + Send + 'static) {
    let push = |jobs: &mut HashMap<_, Arc<Jobs>>| jobs.entry(dir).or_default().push(Box::new(job));
    let worker = JOBS.with_borrow_mut(push);
    if let Some(worker) = worker {
        // The jobs report for themselves; nobody waits for the handle.
        drop(tokio::task::spawn_blocking(move || worker.run()));
    }
}

/// The jobs of one ring's thread for one log dir.
#[derive(Default)]
struct Jobs(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    workers: usize,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job. Returns a worker to be run if there may be another one.
    fn push(self: &Arc<Self>, job: Job) -> Option<Worker> {
        let mut state = self.lock();
        state.waiting.push_back(job);
        let begins = state.workers < WORKERS_MAX;
        state.workers += usize::from(begins);
        begins.then(|| Worker(Some(Arc::clone(self))))
    }

    /// The job that waits longest; none ends the worker that asks.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        let job = state.waiting.pop_front();
        state.workers -= usize::from(job.is_none());
        job
    }
}

/// Runs jobs until none wait; has none any more when it has begun.
struct Worker(Option<Arc<Jobs>>);

impl Worker {
    fn run(mut self) {
        let Some(jobs) = self.0.take() else {
            return;
        };
        while let Some(job) = jobs.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a background job panicked");
            }
        }
    }
}

/// A runtime that ends drops the workers that it has not begun with.
impl Drop for Worker {
    fn drop(&mut self) {
        let Some(jobs) = self.0.take() else {
            return;
        };
        let mut state = jobs.lock();
        state.workers -= 1;
        let left = match state.workers {
            0 => std::mem::take(&mut state.waiting),
            _ => VecDeque::new(),
        };
        // A job may do something when it is dropped.
        drop(state);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::io::{DirHealth, run_on_ring};

    /// Counts what runs at the same time; each waits until it is let go.
    #[derive(Default)]
    struct Gate {
        running: Mutex<(usize, bool)>,
        changed: Condvar,
    }

    impl Gate {
        fn pass(&self) {
            let mut state = self.running.lock().unwrap();
            state.0 += 1;
            self.changed.notify_all();
            let wait = self.changed.wait_while(state, |state| !state.1);
            wait.unwrap().0 -= 1;
        }

        fn wait_for(&self, running: usize) {
            let state = self.running.lock().unwrap();
            let wait = self
                .changed
                .wait_timeout_while(state, Duration::from_secs(60), |it| it.0 < running);
            assert_eq!(wait.unwrap().0.0, running);
        }

        fn open(&self) {
            self.running.lock().unwrap().1 = true;
            self.changed.notify_all();
        }
    }

    /// Lets go of whoever waits also when the test fails.
    struct OpenAtEnd(Arc<Gate>);

    impl Drop for OpenAtEnd {
        fn drop(&mut self) {
            self.0.open();
        }
    }

    fn dir() -> DirId {
        DirHealth::new("/".into()).id()
    }

    fn workers() -> usize {
        JOBS.with_borrow(|dirs| dirs.values().map(|jobs| jobs.lock().workers).sum())
    }

    /// Waits until nobody has a job any more.
    async fn all_done() {
        let done = async {
            while 0 < workers() {
                tokio::task::yield_now().await;
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(60), done);
        done.await.expect("jobs end");
    }

    #[test]
    fn many_jobs_share_a_few_threads_and_all_run() {
        let (gate, done) = (Arc::new(Gate::default()), Arc::new(Mutex::new(Vec::new())));
        run_on_ring(async {
            let end = OpenAtEnd(Arc::clone(&gate));
            let (slow, other) = (dir(), dir());
            for _ in 0..WORKERS_MAX {
                let gate = Arc::clone(&gate);
                start(slow, move || gate.pass());
            }
            for n in 0..200 {
                let done = Arc::clone(&done);
                start(slow, move || done.lock().unwrap().push(n));
            }
            gate.wait_for(WORKERS_MAX);
            assert_eq!(workers(), WORKERS_MAX);
            assert!(done.lock().unwrap().is_empty(), "no ninth thread");
            let (told, heard) = tokio::sync::oneshot::channel();
            start(other, move || told.send(()).unwrap());
            let heard = tokio::time::timeout(Duration::from_secs(60), heard).await;
            assert_eq!(heard, Ok(Ok(())), "another dir's jobs do not wait");
            drop(end);
            all_done().await;
        });
        let mut done = done.lock().unwrap().clone();
        done.sort_unstable();
        assert_eq!(done, (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn a_job_that_panics_keeps_none_from_running() {
        let done = Arc::new(AtomicUsize::new(0));
        run_on_ring(async {
            let dir = dir();
            for n in 0..100 {
                let done = Arc::clone(&done);
                start(dir, move || {
                    assert!(n % 2 == 0, "on purpose");
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
            all_done().await;
        });
        assert_eq!(done.load(Ordering::Relaxed), 50);
    }

    #[test]
    fn a_worker_that_never_begins_makes_room_for_others_and_leaves_no_job() {
        let jobs = Arc::new(Jobs::default());
        let job = || Box::new(|| ()) as Job;
        let workers: Vec<_> = (0..20).filter_map(|_| jobs.push(job())).collect();
        assert_eq!(workers.len(), WORKERS_MAX);
        drop(workers);
        let state = jobs.lock();
        assert_eq!((state.workers, state.waiting.len()), (0, 0));
    }
}
