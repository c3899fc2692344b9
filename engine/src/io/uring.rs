//! [`Disk`] on Linux: blocking calls for background threads, io_uring through tokio-uring for the
//! threads that run a ring. Files are plain `Arc<std::fs::File>`, so the broker can `sendfile`
//! them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::future::Future;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, FlockOperation};
use rustix::io::{Errno, ReadWriteFlags};

use super::barrier::Barrier;
use super::buffer::WriteBuffers;
use super::disk::{Cached, DirEntry, Disk, DiskSpace, FileStat, WriteMode};
use super::failure::DirId;
use super::{background_jobs, overwrites, page_cache, ring};
use crate::units::{epoch_ms, time_of};

/// The machine's disk. Has no state; the ring belongs to the calling thread's runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct UringDisk;

fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

impl Disk for UringDisk {
    type File = File;
    type Lock = File;
    type Barrier = Barrier;

    fn open(&self, path: &Path) -> io::Result<Arc<File>> {
        Ok(Arc::new(open_options().open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<File>> {
        Ok(Arc::new(
            open_options().create(true).truncate(true).open(path)?,
        ))
    }

    fn file_bytes(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        let metadata = fs::metadata(path)?;
        let modified_ms = epoch_ms(metadata.modified()?);
        Ok(FileStat {
            bytes: metadata.len(),
            modified_ms,
        })
    }

    fn read_at(&self, file: &File, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match file.read_at(&mut buf[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_all_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
        file.write_all_at(bytes, position)
    }

    fn set_len(&self, file: &File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)
    }

    fn allocate(&self, file: &File, range: Range<u64>) -> io::Result<()> {
        let bytes = range.end.saturating_sub(range.start);
        Ok(rustix::fs::fallocate(
            file,
            FallocateFlags::KEEP_SIZE,
            range.start,
            bytes,
        )?)
    }

    fn start_writeback(&self, file: &File, range: Range<u64>) -> io::Result<()> {
        page_cache::start_writeback(file, &range)
    }

    fn write_back(&self, file: &File, range: Range<u64>) -> io::Result<()> {
        page_cache::write_back(file, &range)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn barrier(&self, file: &File, dir: &Path) -> Option<Arc<Barrier>> {
        Barrier::of(file, dir)
    }

    fn set_modified(&self, file: &File, modified_ms: i64) -> io::Result<()> {
        file.set_modified(time_of(modified_ms))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(DirEntry {
                    name,
                    is_dir: kind.is_dir(),
                });
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<File>> {
        let file = open_options().create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Java takes the other kind of lock, which does not see ours.
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::AGAIN | Errno::ACCESS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        let found = rustix::fs::statvfs(path)?;
        Ok(DiskSpace {
            total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
            usable_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }

    fn read_cached(&self, file: &File, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut slices = [io::IoSliceMut::new(buf)];
        match rustix::io::preadv2(file, &mut slices, position, ReadWriteFlags::NOWAIT) {
            // tmpfs, for one, cannot be asked that way.
            Err(rustix::io::Errno::OPNOTSUPP) => Err(io::ErrorKind::WouldBlock.into()),
            result => Ok(result?),
        }
    }

    fn cached(&self, file: &File, range: Range<u64>) -> Cached {
        page_cache::cached(file, &range).unwrap_or(Cached::Some)
    }

    fn expect_random_reads(&self, file: &File) -> io::Result<()> {
        // A length of 0 means the whole file.
        Ok(rustix::fs::fadvise(file, 0, None, Advice::Random)?)
    }

    fn drop_cache(&self, file: &File, range: Range<u64>) -> io::Result<()> {
        let Some(bytes) = NonZeroU64::new(range.end.saturating_sub(range.start)) else {
            return Ok(());
        };
        let advice = Advice::DontNeed;
        Ok(rustix::fs::fadvise(file, range.start, Some(bytes), advice)?)
    }

    fn write_vectored_at(
        &self,
        file: &Arc<File>,
        buffers: WriteBuffers,
        range: Range<usize>,
        skip: usize,
        position: u64,
        mode: WriteMode,
    ) -> impl Future<Output = (io::Result<usize>, WriteBuffers)> {
        ring::write_vectored(Arc::clone(file), buffers, range, skip, position, mode)
    }

    fn read_at_async(
        &self,
        file: &Arc<File>,
        buf: Vec<u8>,
        position: u64,
    ) -> impl Future<Output = (io::Result<usize>, Vec<u8>)> {
        ring::read(Arc::clone(file), buf, position)
    }

    fn sync_async(&self, file: &Arc<File>) -> impl Future<Output = io::Result<()>> {
        ring::sync(Arc::clone(file))
    }

    fn sync_overwritten(
        &self,
        file: &Arc<File>,
        range: Range<u64>,
        barrier: &Arc<Barrier>,
    ) -> impl Future<Output = io::Result<()>> {
        overwrites::sync(Arc::clone(file), range, Arc::clone(barrier))
    }

    async fn off_loop<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        tokio::task::spawn_blocking(job)
            .await
            .map_err(io::Error::other)
    }

    fn on_loop(&self, task: impl Future<Output = ()> + 'static) {
        // The task reports for itself; nobody waits for the handle.
        drop(tokio::task::spawn_local(task));
    }

    fn in_background(&self, dir: DirId, job: impl FnOnce() + Send + 'static) {
        background_jobs::start(dir, job);
    }
}
