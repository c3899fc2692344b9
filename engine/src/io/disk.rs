//! The only way the engine touches storage. Two implementations: [`super::UringDisk`] in
//! production, [`super::SimDisk`] in tests. The engine is generic over it, so the seam costs
//! nothing at run time.
//!
//! Blocking operations are for background threads and start-up, never for a thread that runs a
//! ring. The `async` ones are awaited on a ring's thread; their futures are not `Send`.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::buffer::WriteBuffers;
use super::failure::DirId;

/// Size and age of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// Length in bytes.
    pub bytes: u64,
    /// Last change in milliseconds since 1970.
    pub modified_ms: i64,
}

/// Room on the filesystem of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// All bytes.
    pub total_bytes: u64,
    /// Bytes an unprivileged process may still use.
    pub usable_bytes: u64,
}

/// When what was written is on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durable {
    /// When the kernel likes; it is in the page cache when the write returns.
    #[default]
    Later,
    /// After a sync that follows at once. It is in the page cache when the write returns, or on its
    /// way to the disk.
    AfterSync,
    /// When the write returns.
    OnReturn,
}

/// How durable a write is, and whether it has to wait for something of ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteMode {
    /// When it is on the disk.
    pub durable: Durable,
    /// A job of ours may hold the file's lock in the kernel, for as long as it reads or writes the
    /// filesystem's own blocks: reserving blocks does.
    pub is_file_busy: bool,
}

/// How much of a range of a file is in the page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// Every page.
    All,
    /// Some pages, or it is not known.
    Some,
    /// No page.
    Nothing,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Its name; entries whose names are not UTF-8 are left out, no file of ours has one.
    pub name: String,
    /// A directory, not a file.
    pub is_dir: bool,
}

/// Storage. See the module's documentation for which thread may call what.
pub trait Disk: Clone + Debug + Send + Sync + 'static {
    /// An open file, readable and writable at any position by several threads at once.
    type File: Debug + Send + Sync + 'static;
    /// Holds an exclusive lock until dropped.
    type Lock: Debug + Send + Sync + 'static;
    /// Makes overwritten bytes of many files durable at once.
    type Barrier: Debug + Send + Sync + 'static;

    /// Opens an existing file.
    ///
    /// # Errors
    /// As the operating system says; `NotFound` when it does not exist.
    fn open(&self, path: &Path) -> io::Result<Arc<Self::File>>;
    /// Creates a file, or empties the existing one. The name is durable only after
    /// [`Disk::sync_dir`] on its parent.
    ///
    /// # Errors
    /// As the operating system says.
    fn create(&self, path: &Path) -> io::Result<Arc<Self::File>>;
    /// Length of an open file in bytes.
    ///
    /// # Errors
    /// As the operating system says.
    fn file_bytes(&self, file: &Self::File) -> io::Result<u64>;
    /// Size and age of a file by name.
    ///
    /// # Errors
    /// As the operating system says; `NotFound` when it does not exist.
    fn stat(&self, path: &Path) -> io::Result<FileStat>;
    /// Reads until `buf` is full or the file ends; returns the bytes read.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, file: &Self::File, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `bytes`. Durable only after [`Disk::sync`].
    ///
    /// # Errors
    /// As the operating system says; then an unknown part was written.
    fn write_all_at(&self, file: &Self::File, bytes: &[u8], position: u64) -> io::Result<()>;
    /// Cuts or extends the file; also gives back blocks reserved past its end.
    ///
    /// # Errors
    /// As the operating system says.
    fn set_len(&self, file: &Self::File, bytes: u64) -> io::Result<()>;
    /// Reserves blocks for a range without changing the file's length. A hint: callers go on when
    /// it fails.
    ///
    /// # Errors
    /// As the operating system says, `Unsupported` included.
    fn allocate(&self, file: &Self::File, range: Range<u64>) -> io::Result<()>;
    /// Asks for the range to be written to the disk soon, without waiting for it and without any
    /// promise: it only keeps the kernel from writing a lot at once later.
    ///
    /// # Errors
    /// As the operating system says.
    fn start_writeback(&self, file: &Self::File, range: Range<u64>) -> io::Result<()>;
    /// Has the range's bytes written to the disk and waits for that. Not durable by itself: they
    /// may be in the disk's cache, and the file's length and extents in memory only.
    ///
    /// # Errors
    /// As the operating system says; told once for each open file, as with [`Self::sync`].
    fn write_back(&self, file: &Self::File, range: Range<u64>) -> io::Result<()>;
    /// Makes the file's bytes and length durable. A failure is final (L6): what was not written is
    /// unknown, and a second call may report success.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// The barrier for a file in `dir`; `None` where overwriting bytes may change metadata, or
    /// where that is not known.
    fn barrier(&self, file: &Self::File, dir: &Path) -> Option<Arc<Self::Barrier>>;
    /// Sets when the file counts as last changed, in milliseconds since 1970. Retention asks it for
    /// segments whose records have no timestamps. Not durable by itself.
    ///
    /// # Errors
    /// As the operating system says.
    fn set_modified(&self, file: &Self::File, modified_ms: i64) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory and its missing parents.
    ///
    /// # Errors
    /// As the operating system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// As the operating system says.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Renames a file or directory, replacing an existing file.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with everything in it.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on a file, which is created; `None` when another holder has it.
    ///
    /// # Errors
    /// As the operating system says.
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>>;
    /// Room on the filesystem that holds `path`.
    ///
    /// # Errors
    /// As the operating system says.
    fn space(&self, path: &Path) -> io::Result<DiskSpace>;

    /// Reads from the page cache only, at most one call's worth; may be called on a ring's thread.
    ///
    /// # Errors
    /// `WouldBlock` when the bytes are not cached, else as the operating system says.
    fn read_cached(&self, file: &Self::File, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// How much of the range is in the page cache. May be called on a ring's thread.
    fn cached(&self, file: &Self::File, range: Range<u64>) -> Cached;
    /// Tells the kernel that reads of this open file follow no order it could guess, so that it
    /// reads what is asked for and nothing ahead. May be called on a ring's thread.
    ///
    /// # Errors
    /// As the operating system says.
    fn expect_random_reads(&self, file: &Self::File) -> io::Result<()>;
    /// Drops the clean pages of the range that nobody uses at the moment from the page cache.
    ///
    /// # Errors
    /// As the operating system says.
    fn drop_cache(&self, file: &Self::File, range: Range<u64>) -> io::Result<()>;

    /// Writes `buffers.pieces[range]` without its first `skip` bytes at `position` in one
    /// operation, and returns the bytes written, which may be fewer. The operation owns the buffers
    /// until the kernel is done with them (L7), also when the future is dropped.
    fn write_vectored_at(
        &self,
        file: &Arc<Self::File>,
        buffers: WriteBuffers,
        range: Range<usize>,
        skip: usize,
        position: u64,
        mode: WriteMode,
    ) -> impl Future<Output = (io::Result<usize>, WriteBuffers)>;
    /// Reads up to `buf.len()` bytes in one operation that owns `buf` (L7); fewer at the file's
    /// end.
    fn read_at_async(
        &self,
        file: &Arc<Self::File>,
        buf: Vec<u8>,
        position: u64,
    ) -> impl Future<Output = (io::Result<usize>, Vec<u8>)>;
    /// [`Disk::sync`] without blocking the thread.
    fn sync_async(&self, file: &Arc<Self::File>) -> impl Future<Output = io::Result<()>>;
    /// Makes bytes durable that overwrite others, all of which a [`Disk::sync`] made durable since
    /// the file was last cut; what else changed of the file is not. `barrier` is the file's.
    fn sync_overwritten(
        &self,
        file: &Arc<Self::File>,
        range: Range<u64>,
        barrier: &Arc<Self::Barrier>,
    ) -> impl Future<Output = io::Result<()>>;
    /// Runs a blocking job away from this thread and waits for its result. A job that panics makes
    /// an error.
    fn off_loop<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>>;
    /// Starts a task on this ring's thread and does not wait for it. It may be dropped when the
    /// thread ends.
    fn on_loop(&self, task: impl Future<Output = ()> + 'static);
    /// Starts a blocking job away from this thread and does not wait for it. It may have to wait
    /// for others of the same log dir: many need few threads, and a slow disk holds up no other.
    fn in_background(&self, dir: DirId, job: impl FnOnce() + Send + 'static);

    /// Reads a whole small file of at most `bytes_max` bytes; `None` when it does not exist.
    ///
    /// # Errors
    /// `InvalidData` when it is longer, else as the operating system says.
    fn read_file(&self, path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = self.file_bytes(&file)?;
        if bytes_max < bytes {
            let message = format!("{bytes} bytes are more than the {bytes_max} allowed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let mut content = vec![0; crate::units::usize_from(bytes)];
        let read = self.read_at(&file, &mut content, 0)?;
        content.truncate(read);
        Ok(Some(content))
    }

    /// Replaces a file as a whole and durably: `<path>.tmp`, sync, rename, sync of the directory.
    ///
    /// # Errors
    /// As the operating system says; then the old file still stands.
    fn replace_file(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = Path::new(&name);
        let file = self.create(temporary)?;
        self.write_all_at(&file, content, 0)?;
        self.sync(&file)?;
        self.rename(temporary, path)?;
        match path.parent() {
            Some(parent) => self.sync_dir(parent),
            None => Ok(()),
        }
    }

    /// Removes a file; it need not exist.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_file_if_present(&self, path: &Path) -> io::Result<()> {
        match self.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
