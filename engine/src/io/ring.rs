//! The ring operations of [`super::UringDisk`]: vectored write, read, sync. Each owns its buffers
//! and descriptor until the completion arrives; when its future is dropped, tokio-uring keeps the
//! operation's data alive until then (L7).

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use io_uring_06::{IoUring, cqueue, opcode, squeue, types};
use tokio_uring::{OneshotOutputTransform, UnsubmittedOneshot};

use super::buffer::WriteBuffers;
use super::disk::{Durable, WriteMode};
use super::inline_writes;

/// Slices one vectored write may have, the kernel's `UIO_MAXIOV`.
pub(super) const IOV_MAX: usize = 1024;

/// Syncs of one thread in flight at a time.
const SYNCS_MAX: u32 = 64;
/// Leaves a limit of the kernel's as it is.
const UNCHANGED: u32 = 0;

thread_local! {
    static HAS_MANY_SYNCS: Cell<bool> = const { Cell::new(false) };
}

fn bytes_or_error(cqe: &cqueue::Entry) -> io::Result<usize> {
    match usize::try_from(cqe.result()) {
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(io::Error::from_raw_os_error(-cqe.result())),
    }
}

/// What a vectored write holds until it completes: the slices point into `buffers`' heap memory,
/// which does not move with this struct.
struct WriteData {
    buffers: WriteBuffers,
    _iovecs: Box<[libc::iovec]>,
    _file: Arc<File>,
}

struct WriteDone;

impl OneshotOutputTransform for WriteDone {
    type Output = (io::Result<usize>, WriteBuffers);
    type StoredData = WriteData;

    fn transform_oneshot_output(self, data: WriteData, cqe: cqueue::Entry) -> Self::Output {
        (bytes_or_error(&cqe), data.buffers)
    }
}

/// Lets the kernel have as many syncs of this thread in flight as there may be logs to sync. Left
/// alone it runs four a core at a time; the others would wait although they could share a commit of
/// the filesystem's journal. The limit belongs to the thread, whichever of its rings sets it.
fn allow_many_syncs() {
    if HAS_MANY_SYNCS.replace(true) {
        return;
    }
    let limits = &mut [SYNCS_MAX, UNCHANGED];
    let ring = IoUring::new(1);
    let set = ring.and_then(|ring| ring.submitter().register_iowq_max_workers(limits));
    if let Err(error) = set {
        tracing::debug!(%error, "syncs stay limited to four a core");
    }
}

/// Writes at most [`IOV_MAX`] slices of `buffers.pieces[range]`: right here when that is short work
/// that nothing will hold up, else through the ring. A durable write made here is synced by the
/// ring: the kernel lets ring writes to different files wait for each other when their inodes fall
/// into the same of 64 buckets, syncs included that are part of them; it does not for syncs alone.
pub(super) async fn write_vectored(
    file: Arc<File>,
    buffers: WriteBuffers,
    range: Range<usize>,
    skip: usize,
    position: u64,
    mode: WriteMode,
) -> (io::Result<usize>, WriteBuffers) {
    let is_durable = mode.durable == Durable::OnReturn;
    if is_durable {
        allow_many_syncs();
    }
    let is_synced = mode.durable != Durable::Later;
    if !mode.is_file_busy
        && let Some(result) =
            inline_writes::write(&file, &buffers, &range, skip, position, is_synced)
    {
        let result = match result {
            Ok(bytes) if is_durable => sync(file).await.map(|()| bytes),
            result => result,
        };
        return (result, buffers);
    }
    let iovecs: Box<[libc::iovec]> = buffers
        .slices(range.start, range.end, skip)
        .take(IOV_MAX)
        .map(|slice| libc::iovec {
            iov_base: slice.as_ptr().cast_mut().cast(),
            iov_len: slice.len(),
        })
        .collect();
    let count = u32::try_from(iovecs.len()).expect("at most IOV_MAX slices were taken");
    let flags = if is_durable { libc::RWF_DSYNC } else { 0 };
    let sqe = opcode::Writev::new(types::Fd(file.as_raw_fd()), iovecs.as_ptr(), count)
        .offset(position)
        .rw_flags(flags)
        .build();
    let data = WriteData {
        buffers,
        _iovecs: iovecs,
        _file: file,
    };
    submit(data, WriteDone, sqe).await
}

struct ReadData {
    buf: Vec<u8>,
    _file: Arc<File>,
}

struct ReadDone;

impl OneshotOutputTransform for ReadDone {
    type Output = (io::Result<usize>, Vec<u8>);
    type StoredData = ReadData;

    fn transform_oneshot_output(self, data: ReadData, cqe: cqueue::Entry) -> Self::Output {
        (bytes_or_error(&cqe), data.buf)
    }
}

/// Reads up to `buf.len()` bytes.
pub(super) async fn read(
    file: Arc<File>,
    mut buf: Vec<u8>,
    position: u64,
) -> (io::Result<usize>, Vec<u8>) {
    let bytes = u32::try_from(buf.len()).unwrap_or(u32::MAX);
    let sqe = opcode::Read::new(types::Fd(file.as_raw_fd()), buf.as_mut_ptr(), bytes)
        .offset(position)
        .build();
    submit(ReadData { buf, _file: file }, ReadDone, sqe).await
}

struct SyncDone;

impl OneshotOutputTransform for SyncDone {
    type Output = io::Result<()>;
    type StoredData = Arc<File>;

    fn transform_oneshot_output(self, _file: Arc<File>, cqe: cqueue::Entry) -> Self::Output {
        bytes_or_error(&cqe).map(|_bytes| ())
    }
}

/// `fdatasync`.
pub(super) async fn sync(file: Arc<File>) -> io::Result<()> {
    let sqe = opcode::Fsync::new(types::Fd(file.as_raw_fd()))
        .flags(types::FsyncFlags::DATASYNC)
        .build();
    submit(file, SyncDone, sqe).await
}

async fn submit<D, T>(data: D, done: T, sqe: squeue::Entry) -> T::Output
where
    D: Unpin + 'static,
    T: OneshotOutputTransform<StoredData = D> + Unpin,
{
    UnsubmittedOneshot::new(data, done, sqe).submit().await
}

/// Runs a test on a ring's runtime. Tasks are spawned with `tokio::task::spawn_local`.
#[cfg(test)]
pub(crate) fn run_on_ring<F: Future>(test: F) -> F::Output {
    tokio_uring::start(test)
}
