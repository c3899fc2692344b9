//! L6: after a failed write or sync a log dir is offline until restart. This is the flag and who
//! is told; the drain, the flush and the checkpoints set it, every append and read asks it.

#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::write_gauge::WriteGauge;

/// Jobs of a log dir that may write zeros ahead of appends at a time. More of them fill the disk's
/// queue, in which the appends' syncs wait; with fewer, appends of many logs overtake the zeros.
const ZEROING_MAX: usize = 4;

/// Told once when the log dir goes offline.
pub trait OfflineObserver: Send + Sync {
    /// The log dir is offline. Called outside of all locks.
    fn on_offline(&self);
}

/// Keeps the checkpoint file of a log dir's recovery points; the log manager does.
pub(crate) trait RecoveryPointWriter: Send + Sync {
    /// Writes the recovery points of the dir's logs, as they are now, durably. Blocks. Returns
    /// whether they are in the file; a failure took the dir offline.
    fn write_recovery_points(&self, dir: &Path) -> bool;
    /// The same for the log start offsets.
    fn write_log_starts(&self, dir: &Path) -> bool;
}

/// Tells log dirs apart for as long as the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DirId(u64);

impl DirId {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The health of one log dir, shared by its logs.
pub struct DirHealth {
    id: DirId,
    path: PathBuf,
    offline: AtomicBool,
    /// There is so little room left that clients' appends are refused.
    is_full: AtomicBool,
    reason: Mutex<Option<String>>,
    observers: Mutex<Vec<Weak<dyn OfflineObserver>>>,
    recovery_point_writer: OnceLock<Weak<dyn RecoveryPointWriter>>,
    writes: WriteGauge,
    zeroing: Arc<Semaphore>,
    /// Logs that hold this.
    logs_count: AtomicUsize,
}

impl std::fmt::Debug for DirHealth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DirHealth")
            .field("path", &self.path)
            .field("offline", &self.is_offline())
            .finish_non_exhaustive()
    }
}

impl DirHealth {
    /// A healthy directory.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            id: DirId::new(),
            path,
            offline: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            reason: Mutex::new(None),
            observers: Mutex::new(Vec::new()),
            recovery_point_writer: OnceLock::new(),
            writes: WriteGauge::default(),
            zeroing: Arc::new(Semaphore::new(ZEROING_MAX)),
            logs_count: AtomicUsize::new(0),
        }
    }

    /// Which it is.
    pub(crate) fn id(&self) -> DirId {
        self.id
    }

    /// The log dir.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a write or sync failed since start.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Acquire)
    }

    /// Whether clients' appends are refused because the file system is nearly full. Unlike a failed
    /// write this passes when room is made.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Sets what [`Self::is_full`] says; returns whether that is news.
    pub(crate) fn set_full(&self, is_full: bool) -> bool {
        self.is_full.swap(is_full, Ordering::Relaxed) != is_full
    }

    /// The first failure, when offline.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A log of the directory exists from now on.
    pub(crate) fn add_log(&self) {
        self.logs_count.fetch_add(1, Ordering::Relaxed);
    }

    /// A log of the directory exists no more.
    pub(crate) fn remove_log(&self) {
        self.logs_count.fetch_sub(1, Ordering::Relaxed);
    }

    /// The logs of the directory that exist, also those on their way here or out.
    pub(crate) fn logs_count(&self) -> usize {
        self.logs_count.load(Ordering::Relaxed)
    }

    /// Sets, once, who writes the recovery points of the dir's logs.
    pub(crate) fn set_recovery_point_writer(&self, writer: Weak<dyn RecoveryPointWriter>) {
        let is_first = self.recovery_point_writer.set(writer).is_ok();
        assert!(is_first, "a log dir has one log manager");
    }

    /// Who writes the recovery points of the dir's logs, while there is one.
    pub(crate) fn recovery_point_writer(&self) -> Option<Arc<dyn RecoveryPointWriter>> {
        self.recovery_point_writer.get()?.upgrade()
    }

    /// How busy the dir is with writing for clients.
    pub(crate) fn writes(&self) -> &WriteGauge {
        &self.writes
    }

    /// The right to write zeros, until dropped; `None` when as many jobs as are good have it.
    pub(crate) fn begin_zeroing(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.zeroing).try_acquire_owned().ok()
    }

    /// Asks to be told when the directory goes offline. Observers that are gone are forgotten.
    pub(crate) fn observe(&self, observer: Weak<dyn OfflineObserver>) {
        let mut observers = self
            .observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if observers.len() == observers.capacity() {
            observers.retain(|known| 0 < known.strong_count());
        }
        observers.push(observer);
    }

    /// Takes the directory offline, logs why and tells the observers; only the first call does.
    /// Call it without holding a lock.
    pub(crate) fn fail(&self, operation: &str, path: &Path, error: &dyn std::fmt::Display) {
        #[cfg(test)]
        if is_on(Sabotage::FailureIgnored) {
            return;
        }
        {
            let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
            if self.offline.load(Ordering::Acquire) {
                return;
            }
            *reason = Some(format!("{operation} {}: {error}", path.display()));
            self.offline.store(true, Ordering::Release);
        }
        tracing::error!(
            dir = %self.path.display(), file = %path.display(), operation, %error,
            "log directory is offline until restart"
        );
        let observers = std::mem::take(
            &mut *self
                .observers
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for observer in observers.iter().filter_map(Weak::upgrade) {
            observer.on_offline();
        }
    }
}
