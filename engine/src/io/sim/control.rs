//! What tests ask and tell the simulated disk besides the operations of [`super::Disk`]: which
//! operations made something durable, which met a fault, when background jobs run.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Fault, Inode, SimDisk, World};

/// A fault that an operation met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetFault {
    /// What happened.
    pub fault: Fault,
    /// The operation, as a verb: `write`, `sync`, `rename`.
    pub operation: &'static str,
    /// The file or directory, by the name it was opened with.
    pub path: PathBuf,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Waiting {
    is_deferring: bool,
    jobs: VecDeque<Job>,
}

/// Background jobs of one disk.
#[derive(Clone, Default)]
pub(super) struct Jobs {
    waiting: Arc<Mutex<Waiting>>,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Jobs")
            .field("waiting", &self.lock().jobs.len())
            .finish()
    }
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the job, or keeps it for later.
    pub(super) fn start(&self, job: impl FnOnce() + Send + 'static) {
        let mut waiting = self.lock();
        if waiting.is_deferring {
            waiting.jobs.push_back(Box::new(job));
            return;
        }
        drop(waiting);
        job();
    }

    /// The machine is off: jobs will not run any more.
    pub(super) fn forget(&self) {
        // Dropped outside of the lock: a job may own what calls the disk when it is dropped.
        let jobs = std::mem::take(&mut self.lock().jobs);
        drop(jobs);
    }
}

impl SimDisk {
    /// From now on background jobs wait for [`SimDisk::run_background_jobs`], or run at once again.
    pub fn defer_background(&self, is_deferring: bool) {
        self.jobs.lock().is_deferring = is_deferring;
    }

    /// Runs at most `jobs_max` of the background jobs that wait, oldest first; returns how many.
    pub fn run_background_jobs(&self, jobs_max: usize) -> usize {
        let mut count = 0;
        while count < jobs_max {
            let Some(job) = self.jobs.lock().jobs.pop_front() else {
                break;
            };
            job();
            count += 1;
        }
        count
    }

    /// Whether the machine is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.world().is_off
    }

    /// The numbers of the changing operations that made something durable: where a power cut right
    /// before or after makes the greatest difference.
    #[must_use]
    pub fn sync_points(&self) -> Vec<u64> {
        self.world().sync_points.clone()
    }

    /// The faults that operations have met, in order.
    #[must_use]
    pub fn met_faults(&self) -> Vec<MetFault> {
        self.world().met.clone()
    }

    /// Writes and syncs of files of which an earlier write or sync had failed: there must be none
    /// (L6).
    #[must_use]
    pub fn retries(&self) -> Vec<(&'static str, PathBuf)> {
        self.world().retries.clone()
    }

    /// The disk after the process was killed but the machine ran on: everything written is there,
    /// nothing un-synced became durable by it. The old handles and files fail from now on.
    #[must_use]
    pub fn kill_process(&self) -> Self {
        self.jobs.forget();
        let mut world = self.world();
        world.is_off = true;
        let mut inodes = std::mem::take(&mut world.inodes);
        let seed = world.seed.fork();
        drop(world);
        inodes.values_mut().for_each(Inode::forget_failure);
        Self::of(World::new(inodes, seed))
    }

    /// Another disk with the same content, durable or not; both go on by themselves.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut world = self.world();
        let seed = world.seed.fork();
        Self::of(World::new(world.inodes.clone(), seed))
    }
}
