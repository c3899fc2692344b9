//! Bringing what is about to be sent into the page cache, through the ring, so that a `sendfile` of
//! it does not wait for the disk; reading ahead for readers of old segments, and dropping behind
//! them what was not cached before they came. Which reader wants what is decided in `log::scans`.
//! Called by the broker for every region of a fetch; a region that was appended just now returns at
//! once, without a lock or a system call.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

use super::partition_log::PartitionLog;
use super::read::FileRegion;
use super::scans::{ReadAhead, Scans, Step, Wanted};
use crate::error::ReadError;
use crate::io::{Cached, Disk};
use crate::units::usize_from;

/// Bytes brought in by one ring read; the buffer is thrown away, so it is to stay in the
/// processor's cache.
const CHUNK_BYTES: u64 = 256 << 10;
/// Bytes that are brought in and dropped as one: a part of a chunk of which something is cached.
const GRAIN_BYTES: u64 = 64 << 10;
/// Readers of all logs that are read ahead for at the same time; each has a buffer of
/// [`CHUNK_BYTES`]. Further ones read what they are asked for.
const READ_AHEADS_MAX: usize = 64;

/// Read-aheads under way. Their memory is the process's, so their limit is too.
static READ_AHEADS: AtomicUsize = AtomicUsize::new(0);

/// The right to read ahead.
struct Permit;

impl Permit {
    fn take() -> Option<Self> {
        let before = READ_AHEADS.fetch_add(1, Ordering::Relaxed);
        let permit = Self;
        (before < READ_AHEADS_MAX).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        READ_AHEADS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<D: Disk> PartitionLog<D> {
    /// Brings a region into the page cache through the ring, so that a `sendfile` of it does not
    /// wait for the disk. Returns at once when it is cached. Readers that go through old segments
    /// are read ahead for, and what they alone brought in is dropped behind them.
    ///
    /// # Errors
    /// [`ReadError::Io`] when the file cannot be read.
    pub async fn ensure_cached(self: &Arc<Self>, region: &FileRegion<D>) -> Result<(), ReadError> {
        if region.is_recent || region.len == 0 {
            return Ok(());
        }
        let end = region.position + region.len as u64;
        let wanted = Wanted {
            segment: region.base_offset,
            range: region.position..end,
            segment_bytes: region.segment_bytes,
        };
        let reader = loop {
            let (reader, step) = self.with_scans(|scans| scans.step(&wanted));
            match step {
                Step::Cached => break reader,
                // An error means that the read-ahead ended; either way the next step tells.
                Step::Wait(mut progress) => {
                    drop(progress.wait_for(|reached| end <= *reached).await);
                }
                Step::Ask(range) => {
                    self.bring_in_wanted(reader, region, range).await?;
                    break reader;
                }
            }
        };
        let (ahead, droppable) =
            self.with_scans(|scans| (scans.read_ahead(reader, &wanted), scans.take_droppable()));
        if let Some(ahead) = ahead
            && let Some(permit) = Permit::take()
        {
            let (log, file) = (Arc::clone(self), Arc::clone(&region.file));
            let segment = region.base_offset;
            self.disk.on_loop(async move {
                log.read_ahead(segment, file, ahead).await;
                drop(permit);
            });
        }
        self.drop_pages(droppable);
        Ok(())
    }

    /// Finds out what of the region is cached, and reads the rest.
    async fn bring_in_wanted(
        &self,
        reader: u64,
        region: &FileRegion<D>,
        asked: Range<u64>,
    ) -> Result<(), ReadError> {
        let end = region.position + region.len as u64;
        if self.disk.cached(&region.file, asked.clone()) == Cached::All {
            self.with_scans(|scans| scans.found(reader, asked.end, false));
            return Ok(());
        }
        let range = region.position..end;
        self.bring_in(region.base_offset, &region.file, range, |_| {})
            .await?;
        self.with_scans(|scans| scans.found(reader, end, true));
        Ok(())
    }

    async fn read_ahead(self: Arc<Self>, segment: i64, file: Arc<D::File>, ahead: ReadAhead) {
        let ReadAhead {
            reader,
            range,
            progress,
        } = ahead;
        let reached = |position| {
            self.with_scans(|scans| scans.read_ahead_reached(reader, position));
            progress.send_replace(position);
        };
        // Whoever wants these bytes reads them again and answers with the error.
        if let Err(error) = self.bring_in(segment, &file, range, reached).await {
            tracing::debug!(%error, "nothing was read ahead");
        }
    }

    /// Reads what is not cached of a range, whole grains of it.
    async fn bring_in(
        &self,
        segment: i64,
        file: &Arc<D::File>,
        range: Range<u64>,
        reached: impl Fn(u64),
    ) -> io::Result<()> {
        let mut at = range.start - range.start % GRAIN_BYTES;
        let end = range.end.next_multiple_of(GRAIN_BYTES);
        let mut buf = Vec::new();
        while at < end {
            let chunk = at..end.min(at + CHUNK_BYTES);
            for part in self.parts_to_read(file, &chunk) {
                let Part { range, is_new } = part;
                buf.resize(usize_from(range.end - range.start), 0);
                let (result, returned) = self.disk.read_at_async(file, buf, range.start).await;
                buf = returned;
                let read = result? as u64;
                if is_new && 0 < read {
                    let brought = range.start..range.start + read;
                    self.with_scans(|scans| scans.brought(segment, file, brought));
                }
            }
            at = chunk.end;
            reached(at);
        }
        Ok(())
    }

    /// The parts of a chunk that are not cached, and whether nothing of them is.
    fn parts_to_read(&self, file: &Arc<D::File>, chunk: &Range<u64>) -> Vec<Part> {
        let part = |range, cached| match cached {
            Cached::All => None,
            cached => Some(Part {
                range,
                is_new: cached == Cached::Nothing,
            }),
        };
        match self.disk.cached(file, chunk.clone()) {
            Cached::Some => {}
            whole => return part(chunk.clone(), whole).into_iter().collect(),
        }
        let grains = (chunk.start..chunk.end).step_by(usize_from(GRAIN_BYTES));
        grains
            .filter_map(|start| {
                let grain = start..chunk.end.min(start + GRAIN_BYTES);
                let cached = self.disk.cached(file, grain.clone());
                part(grain, cached)
            })
            .collect()
    }

    /// Drops pages away from this thread: the kernel may have to wait for other processors.
    fn drop_pages(&self, pages: Vec<(Arc<D::File>, Range<u64>)>) {
        if pages.is_empty() {
            return;
        }
        let disk = self.disk.clone();
        self.disk.in_background(self.health.id(), move || {
            for (file, range) in pages {
                if let Err(error) = disk.drop_cache(&file, range) {
                    tracing::debug!(%error, "pages stay cached");
                }
            }
        });
    }

    /// Forgets readers that came no more, and drops what they brought in. Called from time to time
    /// by a background thread.
    pub(crate) fn sweep_scans(&self) {
        let pages = {
            let mut guard = self.lock_scans();
            let Some(scans) = guard.as_mut() else { return };
            let pages = scans.sweep();
            if scans.is_empty() {
                *guard = None;
            }
            pages
        };
        for (file, range) in pages {
            if let Err(error) = self.disk.drop_cache(&file, range) {
                tracing::debug!(%error, "pages stay cached");
            }
        }
    }

    /// Does something with the readers of older parts.
    fn with_scans<T>(&self, action: impl FnOnce(&mut Scans<D::File>) -> T) -> T {
        action(self.lock_scans().get_or_insert_default())
    }

    fn lock_scans(&self) -> MutexGuard<'_, Option<Box<Scans<D::File>>>> {
        self.scans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of a file to read.
struct Part {
    range: Range<u64>,
    /// Nothing of it is cached.
    is_new: bool,
}
