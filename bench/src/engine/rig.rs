//! The engine set up for a benchmark: logs in a directory, a ring's runtime, appends that wait
//! until they are published, as a broker's connections do.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

use anyhow::{Context, ensure};
use bytes::Bytes;
use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{
    AppendContext, Drain, LogConfig, LogDirs, LogListener, LogManager, LogManagerOptions,
    LogOffsets, OpenSummary, Origin, PartitionLog, SystemClock,
};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::round::now_ms;

/// The topic of all logs.
const TOPIC: &str = "bench";
/// As the broker sets its rings up.
const RING_ENTRIES: u32 = 1024;
const RING_COMPLETIONS: u32 = 4096;

pub(crate) type Log = Arc<PartitionLog<UringDisk>>;
pub(crate) type Manager = Arc<LogManager<UringDisk>>;

/// Opens the logs in `dir` with so many threads.
///
/// # Errors
/// Those of the engine.
pub(crate) fn open(
    dir: &Path,
    config: LogConfig,
    threads: usize,
) -> anyhow::Result<(Manager, OpenSummary)> {
    let dirs = LogDirs::open(&UringDisk, &[dir.to_owned()], 1, None)?;
    let options = LogManagerOptions {
        recovery_threads_per_data_dir: threads,
        ..LogManagerOptions::default()
    };
    let clock = Arc::new(SystemClock::new());
    Ok(LogManager::open(UringDisk, dirs, options, clock, &|_| {
        config
    })?)
}

/// Creates so many logs.
///
/// # Errors
/// Those of the engine.
pub(crate) fn create_logs(
    manager: &Manager,
    count: usize,
    config: LogConfig,
) -> anyhow::Result<Vec<Log>> {
    let create = |partition| Ok(manager.create_log(TOPIC, partition, TOPIC_ID, config)?);
    (0..i32::try_from(count)?).map(create).collect()
}

const TOPIC_ID: Uuid = Uuid::from_u128(1);

/// Runs a future on a ring of its own.
///
/// # Errors
/// The kernel gave no ring.
pub(crate) fn on_ring<F: Future>(future: F) -> anyhow::Result<F::Output> {
    Ok(ring()?.block_on(future))
}

/// A ring for this thread.
///
/// # Errors
/// The kernel gave none.
pub(crate) fn ring() -> anyhow::Result<tokio_uring::Runtime> {
    let mut ring = tokio_uring::uring_builder();
    ring.setup_single_issuer()
        .setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_cqsize(RING_COMPLETIONS);
    let runtime = tokio_uring::Runtime::new(
        tokio_uring::builder()
            .entries(RING_ENTRIES)
            .uring_builder(&ring),
    );
    runtime.context("no ring")
}

/// Lets this process open as many files as it may.
///
/// # Errors
/// The limit cannot be raised.
pub(crate) fn raise_file_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// The appends of one log that wait, and what was published.
#[derive(Default)]
struct Waiting {
    log_end: i64,
    publications: u64,
    has_failed: bool,
    wakers: Vec<(i64, Waker)>,
}

/// Wakes the appends of one log when their batches are published.
#[derive(Clone, Default)]
pub(crate) struct Published(Arc<Mutex<Waiting>>);

impl Published {
    /// Listens to a log.
    pub(crate) fn of(log: &Log) -> Self {
        let published = Self::default();
        published.lock().log_end = log.offsets().log_end;
        log.set_listener(Box::new(published.clone()));
        published
    }

    /// How often batches were published: the number of writes.
    pub(crate) fn count(&self) -> u64 {
        self.lock().publications
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the batch with `last_offset` is published.
    async fn wait(&self, last_offset: i64) -> anyhow::Result<()> {
        let has_failed = poll_fn(|ctx| {
            let mut waiting = self.lock();
            if waiting.has_failed || last_offset < waiting.log_end {
                return Poll::Ready(waiting.has_failed);
            }
            waiting.wakers.push((last_offset, ctx.waker().clone()));
            Poll::Pending
        });
        ensure!(!has_failed.await, "the log dir went offline");
        Ok(())
    }

    /// The same on a thread that may block.
    fn wait_blocking(&self, last_offset: i64) -> anyhow::Result<()> {
        let waker = Waker::from(Arc::new(Parked(std::thread::current())));
        let mut ctx = std::task::Context::from_waker(&waker);
        let mut published = pin!(self.wait(last_offset));
        loop {
            match published.as_mut().poll(&mut ctx) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

/// A thread that waits.
struct Parked(std::thread::Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl LogListener for Published {
    fn on_published(&self, offsets: LogOffsets) {
        // Woken outside of the lock, which those on other rings take at once.
        let published = {
            let mut waiting = self.lock();
            waiting.log_end = offsets.log_end;
            waiting.publications += 1;
            let is_published = |(last_offset, _): &mut (i64, _)| *last_offset < offsets.log_end;
            let published = waiting.wakers.extract_if(.., is_published);
            published.collect::<Vec<_>>()
        };
        published.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn on_failed(&self) {
        let mut waiting = self.lock();
        waiting.has_failed = true;
        waiting.wakers.drain(..).for_each(|(_, waker)| waker.wake());
    }
}

/// The drains that run on this thread's ring; they have to end before it does.
#[derive(Clone, Default)]
pub(crate) struct Drains {
    running: Rc<Cell<usize>>,
    ended: Rc<Notify>,
}

impl Drains {
    fn start(&self, drain: Drain<UringDisk>) {
        let Some(rest) = drain.begin() else {
            return;
        };
        let drains = self.clone();
        drains.running.set(drains.running.get() + 1);
        tokio::task::spawn_local(async move {
            rest.await;
            drains.running.set(drains.running.get() - 1);
            drains.ended.notify_one();
        });
    }

    /// Waits for all of them.
    pub(crate) async fn finish(&self) {
        while 0 < self.running.get() {
            self.ended.notified().await;
        }
    }
}

/// A log that is appended to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) log: Log,
    pub(crate) published: Published,
}

impl Target {
    pub(crate) fn of(log: &Log) -> Self {
        Self {
            log: Arc::clone(log),
            published: Published::of(log),
        }
    }

    /// Appends a batch and waits until it is published, as durable as the log's settings ask.
    ///
    /// # Errors
    /// The engine refused it or failed.
    pub(crate) async fn append(
        &self,
        batch: Bytes,
        ctx: AppendContext,
        drains: &Drains,
    ) -> anyhow::Result<()> {
        let appended = self.log.append(batch, ctx)?;
        if let Some(drain) = appended.drain {
            drains.start(drain);
        }
        self.published.wait(appended.last_offset).await
    }

    /// The same on a thread that may block, which writes and syncs itself when nobody else does.
    ///
    /// # Errors
    /// The engine refused it or failed.
    pub(crate) fn append_blocking(&self, batch: Bytes, ctx: AppendContext) -> anyhow::Result<()> {
        let appended = self.log.append(batch, ctx)?;
        if let Some(drain) = appended.drain {
            drain.run_blocking();
        }
        self.published.wait_blocking(appended.last_offset)
    }
}

/// An append by a client, now.
///
/// # Errors
/// The clock is before 1970.
pub(crate) fn client() -> anyhow::Result<AppendContext> {
    Ok(AppendContext {
        leader_epoch: 0,
        origin: Origin::Client,
        now_ms: now_ms()?,
    })
}

/// Fills a log with batches of exactly `batch_bytes` bytes and syncs it; returns the records of a
/// batch.
///
/// # Errors
/// The engine failed.
pub(crate) fn fill(logs: &[Log], batch_bytes: usize, log_bytes: u64) -> anyhow::Result<i64> {
    let batch = crate::frames::batch(batch_bytes, now_ms()?)?;
    let ctx = client()?;
    for _ in 0..log_bytes / logs.len() as u64 / batch_bytes as u64 {
        for log in logs {
            if let Some(drain) = log.append(batch.clone(), ctx)?.drain {
                drain.run_blocking();
            }
        }
    }
    for log in logs {
        log.flush(ctx.now_ms)?;
        log.advance_high_watermark(i64::MAX);
    }
    let header = ringbrook_record::BatchHeader::parse(&batch)?;
    Ok(header.records_count.into())
}

/// The segment files below `dir`, those of a partition oldest first.
///
/// # Errors
/// A directory cannot be read.
pub(crate) fn segment_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|kind| kind == "log") {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}
