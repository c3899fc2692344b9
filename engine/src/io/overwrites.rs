//! Syncs of bytes that overwrite durable ones: the pages of many files are written, then one flush
//! of the disk's cache makes all of them durable.
//!
//! One job at a time per ring's thread: what comes while it runs makes the next one, as appends to
//! a log gather behind its write. A sync by itself would flush for itself, and wake a kernel worker
//! and the ring's thread for each file. What comes alone is synced by a job, too: a sync of its
//! file would write the metadata that zeros further ahead have changed. What was measured is in
//! BENCHMARKS.md.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::barrier::Barrier;
use super::page_cache;

/// Files in one job.
const FILES_MAX: usize = 64;
/// How often the thread's other tasks run between two jobs. After a job the logs that were synced
/// publish, let those who waited for that append again, and write what is queued: then they are in
/// the next job too. With fewer turns two halves of the logs would take turns instead.
const TURNS: u32 = 3;

thread_local! {
    static OVERWRITES: RefCell<Overwrites> = RefCell::default();
}

/// Overwritten bytes of a file.
struct Overwrite {
    file: Arc<File>,
    range: Range<u64>,
}

/// Who waits until they are durable.
struct Waiting {
    overwrite: Overwrite,
    barrier: Arc<Barrier>,
    done: oneshot::Sender<io::Result<()>>,
}

/// Those of one thread's ring.
#[derive(Default)]
struct Overwrites {
    waiting: Vec<Waiting>,
    /// A task runs job after job while there are any.
    is_running: bool,
}

/// Makes `range` of a file durable whose bytes overwrite durable ones.
///
/// # Errors
/// As the operating system says; or the thread that synced it panicked.
pub(super) async fn sync(
    file: Arc<File>,
    range: Range<u64>,
    barrier: Arc<Barrier>,
) -> io::Result<()> {
    let (done, synced) = oneshot::channel();
    let is_running = OVERWRITES.with_borrow_mut(|overwrites| {
        overwrites.waiting.push(Waiting {
            overwrite: Overwrite { file, range },
            barrier,
            done,
        });
        std::mem::replace(&mut overwrites.is_running, true)
    });
    if !is_running {
        // The task reports to those who wait; nobody waits for the handle.
        drop(tokio::task::spawn_local(run(Running)));
    }
    synced
        .await
        .unwrap_or_else(|_gone| Err(io::Error::other("the sync was given up")))
}

/// Ends when dropped, also with a runtime that ends before its tasks: those who wait hear of it.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        // At the thread's end nobody waits any more.
        let _at_end = OVERWRITES.try_with(|overwrites| overwrites.take());
    }
}

/// Syncs what waits until nothing does.
async fn run(running: Running) {
    loop {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        let Some(group) = OVERWRITES.with_borrow_mut(Overwrites::next) else {
            break;
        };
        sync_group(group).await;
    }
    drop(running);
}

impl Overwrites {
    /// What the next job syncs: files of one filesystem.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let barrier = Arc::clone(&self.waiting.first()?.barrier);
        let mut left = FILES_MAX;
        let group = self
            .waiting
            .extract_if(.., |it| {
                let is_taken = 0 < left && Arc::ptr_eq(&it.barrier, &barrier);
                left -= usize::from(is_taken);
                is_taken
            })
            .collect();
        Some(group)
    }
}

async fn sync_group(group: Vec<Waiting>) {
    let Some(barrier) = group.first().map(|it| Arc::clone(&it.barrier)) else {
        return;
    };
    let (overwrites, waiting): (Vec<_>, Vec<_>) =
        group.into_iter().map(|it| (it.overwrite, it.done)).unzip();
    let job = move || sync_all(&overwrites, &barrier);
    // Where the thread panicked, those who wait see that nobody answers.
    if let Ok(results) = tokio::task::spawn_blocking(job).await {
        for (done, result) in waiting.into_iter().zip(results) {
            // A drain that was dropped took its log dir offline.
            let _is_heard: Result<(), _> = done.send(result);
        }
    }
}

/// Has all pages on their way before it waits for any, then flushes once. A failed flush is a
/// failure of each.
fn sync_all(overwrites: &[Overwrite], barrier: &Barrier) -> Vec<io::Result<()>> {
    // What fails here may not fail again below.
    let started: Vec<_> = overwrites
        .iter()
        .map(|it| page_cache::start_writeback(&it.file, &it.range))
        .collect();
    let written: Vec<_> = overwrites
        .iter()
        .zip(started)
        .map(|(it, started)| started.and_then(|()| page_cache::write_back(&it.file, &it.range)))
        .collect();
    let flushed = barrier.flush().map_err(|error| error.to_string());
    written
        .into_iter()
        .map(|written| written.and_then(|()| flushed.clone().map_err(io::Error::other)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::io::run_on_ring;

    fn barrier(dir: &tempfile::TempDir) -> Option<Arc<Barrier>> {
        let found = Barrier::of(&File::create(dir.path().join("0")).unwrap(), dir.path());
        if found.is_none() {
            eprintln!("the filesystem is not known to overwrite in place");
        }
        found
    }

    /// A pipe can be neither written back nor synced.
    #[test]
    fn each_file_of_a_group_gets_its_own_result() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let Some(barrier) = barrier(&dir) else { return };
        let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
        let pipe = Arc::new(File::from(pipe));
        let results = run_on_ring(async move {
            let tasks: Vec<_> = (0..3 * FILES_MAX)
                .map(|index| {
                    let file = if index % 5 == 0 {
                        Arc::clone(&pipe)
                    } else {
                        let file = tempfile::tempfile_in(dir.path()).unwrap();
                        file.write_all_at(&[1; 5000], 0).unwrap();
                        Arc::new(file)
                    };
                    tokio::task::spawn_local(sync(file, 0..5000, Arc::clone(&barrier)))
                })
                .collect();
            let mut results = Vec::new();
            for task in tasks {
                results.push(task.await.unwrap().is_ok());
            }
            results
        });
        let expected: Vec<_> = (0..3 * FILES_MAX).map(|index| index % 5 != 0).collect();
        assert_eq!(results, expected);
        let left = OVERWRITES.with_borrow(|it| (it.is_running, it.waiting.len()));
        assert_eq!(left, (false, 0));
    }

    #[test]
    fn a_runtime_that_ends_early_leaves_nothing_behind() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let Some(barrier) = barrier(&dir) else { return };
        let start = |barrier: &Arc<Barrier>| {
            let file = Arc::new(tempfile::tempfile_in(dir.path()).unwrap());
            tokio::task::spawn_local(sync(file, 0..1, Arc::clone(barrier)))
        };
        run_on_ring(async {
            (0..10).for_each(|_| drop(start(&barrier)));
            tokio::task::yield_now().await;
        });
        let left = OVERWRITES.with_borrow(|it| (it.is_running, it.waiting.len()));
        assert_eq!(left, (false, 0));
        run_on_ring(async { start(&barrier).await.unwrap() }).unwrap();
    }

    fn written(dir: &tempfile::TempDir) -> Overwrite {
        let file = tempfile::tempfile_in(dir.path()).unwrap();
        file.write_all_at(&[1; 5000], 0).unwrap();
        Overwrite {
            file: Arc::new(file),
            range: 0..5000,
        }
    }

    #[test]
    fn pages_are_on_the_disk_when_a_job_ends() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let Some(barrier) = barrier(&dir) else { return };
        let overwrites = [written(&dir), written(&dir)];
        let unwritten = |it: &Overwrite| page_cache::unwritten_pages(&it.file, &it.range);
        if overwrites.iter().any(|it| unwritten(it) == 0) {
            eprintln!("the kernel does not tell which pages are written");
            return;
        }
        let results = sync_all(&overwrites, &barrier);
        assert!(results.iter().all(Result::is_ok));
        assert!(overwrites.iter().all(|it| unwritten(it) == 0));
    }

    /// A pipe cannot be flushed.
    #[test]
    fn a_failed_flush_is_a_failure_of_each() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
        let barrier = Barrier { dir: pipe.into() };
        let results = sync_all(&[written(&dir), written(&dir)], &barrier);
        assert!(results.len() == 2 && results.iter().all(Result::is_err));
    }
}
