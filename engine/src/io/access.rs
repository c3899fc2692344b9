//! Lets one piece of engine code run on either kind of thread: on a ring's thread its disk
//! operations go through the ring, on any other thread they block. In the second case no operation
//! is ever pending, so the code's future is finished after one poll, see [`block_on_ready`].

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::buffer::WriteBuffers;
use super::disk::{Disk, Durable, WriteMode};
use super::failure::DirId;

/// The kind of thread the code runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// A thread that runs a ring: never block it.
    Ring,
    /// Any other thread.
    Blocking,
}

impl Access {
    /// Reads up to `buf.len()` bytes: from the page cache when they are there, else as the thread
    /// allows. Fewer only at the file's end.
    pub(crate) async fn read<D: Disk>(
        self,
        disk: &D,
        file: &Arc<D::File>,
        mut buf: Vec<u8>,
        position: u64,
    ) -> (io::Result<usize>, Vec<u8>) {
        if self == Self::Blocking {
            let result = disk.read_at(file, &mut buf, position);
            return (result, buf);
        }
        match disk.read_cached(file, &mut buf, position) {
            Ok(bytes) if bytes == buf.len() => (Ok(bytes), buf),
            // A short answer means the file's end or the end of what is cached; ask the ring.
            Ok(_) => read_full(disk, file, buf, position).await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                read_full(disk, file, buf, position).await
            }
            Err(error) => (Err(error), buf),
        }
    }

    /// Writes `buffers.pieces[first..last]` whole, in as few operations as the kernel allows.
    pub(crate) async fn write<D: Disk>(
        self,
        disk: &D,
        file: &Arc<D::File>,
        buffers: WriteBuffers,
        range: std::ops::Range<usize>,
        position: u64,
        mode: WriteMode,
    ) -> (io::Result<()>, WriteBuffers) {
        if self == Self::Blocking {
            let is_durable = mode.durable == Durable::OnReturn;
            let result = write_blocking::<D>(disk, file, &buffers, range, position, is_durable);
            return (result, buffers);
        }
        let total = buffers.range_bytes(range.start, range.end);
        let mut written = 0;
        let mut buffers = buffers;
        while written < total {
            let at = position + written as u64;
            let (result, returned) = disk
                .write_vectored_at(file, buffers, range.clone(), written, at, mode)
                .await;
            buffers = returned;
            match result {
                Ok(0) => return (Err(io::Error::from(io::ErrorKind::WriteZero)), buffers),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (Err(error), buffers),
            }
        }
        (Ok(()), buffers)
    }

    /// Lets the other tasks of a ring's thread run; nothing on other threads.
    pub(crate) async fn let_others_run(self) {
        if self == Self::Ring {
            tokio::task::yield_now().await;
        }
    }

    /// Makes a file durable.
    pub(crate) async fn sync<D: Disk>(self, disk: &D, file: &Arc<D::File>) -> io::Result<()> {
        match self {
            Self::Ring => disk.sync_async(file).await,
            Self::Blocking => disk.sync(file),
        }
    }

    /// Makes bytes durable that overwrite durable ones; see [`Disk::sync_overwritten`].
    pub(crate) async fn sync_overwritten<D: Disk>(
        self,
        disk: &D,
        file: &Arc<D::File>,
        range: std::ops::Range<u64>,
        barrier: &Arc<D::Barrier>,
    ) -> io::Result<()> {
        match self {
            Self::Ring => disk.sync_overwritten(file, range, barrier).await,
            Self::Blocking => disk.sync(file),
        }
    }

    /// Runs a job that blocks.
    pub(crate) async fn run<D: Disk, T: Send + 'static>(
        self,
        disk: &D,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Ring => disk.off_loop(job).await,
            Self::Blocking => Ok(job()),
        }
    }

    /// Starts a job of a log dir's that blocks and whose result nobody waits for.
    pub(crate) fn start<D: Disk>(self, disk: &D, dir: DirId, job: impl FnOnce() + Send + 'static) {
        match self {
            Self::Ring => disk.in_background(dir, job),
            Self::Blocking => job(),
        }
    }
}

async fn read_full<D: Disk>(
    disk: &D,
    file: &Arc<D::File>,
    buf: Vec<u8>,
    position: u64,
) -> (io::Result<usize>, Vec<u8>) {
    let mut buf = buf;
    loop {
        let (result, returned) = disk.read_at_async(file, buf, position).await;
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => buf = returned,
            other => return (other, returned),
        }
    }
}

fn write_blocking<D: Disk>(
    disk: &D,
    file: &Arc<D::File>,
    buffers: &WriteBuffers,
    range: std::ops::Range<usize>,
    position: u64,
    is_durable: bool,
) -> io::Result<()> {
    let mut at = position;
    for slice in buffers.slices(range.start, range.end, 0) {
        disk.write_all_at(file, slice, at)?;
        at += slice.len() as u64;
    }
    if is_durable { disk.sync(file) } else { Ok(()) }
}

/// The result of a future that uses [`Access::Blocking`] throughout.
///
/// # Panics
/// When the future is pending: it awaited something other than a blocking operation.
#[expect(
    clippy::inline_always,
    reason = "as a call of its own it copies the future, several hundred bytes for an append"
)]
#[inline(always)]
pub(crate) fn block_on_ready<F: Future>(future: F) -> F::Output {
    let mut ctx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut ctx) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a blocking operation was pending"),
    }
}
