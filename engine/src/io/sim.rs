//! [`Disk`] in memory, for tests: a power cut keeps what was synced and, by seed, any part of the
//! rest; reads, writes and syncs fail at the operation a test names. Never used in production.
//!
//! The model is stricter than ext4: an un-synced write may be lost, kept, torn into any of its
//! 512-byte sectors, or leave its length without its bytes, independently of the others of its
//! file; names of a directory survive in the order they were made, up to any point after its last
//! sync, whatever was synced inside the files, and independently of other directories. A rename is
//! one change: both names or neither. Reserved blocks ([`Disk::allocate`]) leave no trace.
//!
//! Operations happen in the order of the calls; background jobs run at once, or when the test says
//! so, see [`SimDisk::defer_background`].

mod control;
mod inode;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::access::block_on_ready;
use super::buffer::WriteBuffers;
use super::disk::{Cached, DirEntry, Disk, DiskSpace, Durable, FileStat, WriteMode};
use super::failure::DirId;
use crate::units::usize_from;
use control::Jobs;
pub use control::MetFault;
use inode::{Dir, FileData, Inode, Seed};

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The operation fails with EIO; a write may have written a part, a sync loses what it had.
    Eio,
    /// The operation fails with ENOSPC and changes nothing.
    Enospc,
    /// The machine is off from here on: this and every later operation fails.
    PowerCut,
}

/// An open file of a [`SimDisk`].
#[derive(Debug)]
pub struct SimFile {
    inode: u64,
    /// Its name when it was opened.
    path: PathBuf,
}

/// Holds a lock file until dropped.
#[derive(Debug)]
pub struct SimLock {
    world: Arc<Mutex<World>>,
    inode: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.locked.retain(|&inode| inode != self.inode);
    }
}

#[derive(Debug)]
struct World {
    inodes: BTreeMap<u64, Inode>,
    locked: Vec<u64>,
    mutations: u64,
    /// The mutations that made something durable.
    sync_points: Vec<u64>,
    reads: u64,
    /// Vectored writes that said a sync comes next.
    writes_before_sync: u64,
    faults: BTreeMap<u64, Fault>,
    met: Vec<MetFault>,
    /// Writes and syncs of files that had failed before.
    retries: Vec<(&'static str, PathBuf)>,
    is_off: bool,
    seed: Seed,
    write_bytes_max: usize,
    usable_bytes: u64,
}

const ROOT: u64 = 0;

impl World {
    fn new(inodes: BTreeMap<u64, Inode>, seed: Seed) -> Self {
        Self {
            inodes,
            locked: Vec::new(),
            mutations: 0,
            reads: 0,
            writes_before_sync: 0,
            sync_points: Vec::new(),
            faults: BTreeMap::new(),
            met: Vec::new(),
            retries: Vec::new(),
            is_off: false,
            seed,
            write_bytes_max: usize::MAX,
            usable_bytes: 1 << 39,
        }
    }
}

/// An in-memory disk; clones share it.
#[derive(Debug, Clone)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
    jobs: Jobs,
}

impl SimDisk {
    /// An empty disk. The seed decides what survives a power cut.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let inodes = BTreeMap::from([(ROOT, Inode::Dir(Dir::default()))]);
        Self::of(World::new(inodes, Seed::new(seed)))
    }

    fn of(world: World) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            jobs: Jobs::default(),
        }
    }

    /// Changing operations so far: creates, writes, syncs, renames, removals, cuts.
    #[must_use]
    pub fn mutations(&self) -> u64 {
        self.world().mutations
    }

    /// Reads of files so far.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.world().reads
    }

    /// Vectored writes so far that said that their sync comes next ([`Durable::AfterSync`]).
    #[must_use]
    pub fn writes_before_sync(&self) -> u64 {
        self.world().writes_before_sync
    }

    /// Makes the changing operation number `mutation` (the first is 0) fail.
    pub fn fail_at(&self, mutation: u64, fault: Fault) {
        self.world().faults.insert(mutation, fault);
    }

    /// What [`Disk::space`] says is left, of 1 TiB.
    pub fn set_usable_bytes(&self, bytes: u64) {
        self.world().usable_bytes = bytes;
    }

    /// Vectored writes stop after at most this many bytes: short writes.
    pub fn set_write_bytes_max(&self, bytes: usize) {
        self.world().write_bytes_max = bytes.max(1);
    }

    /// The disk after the machine came back: what was synced plus, by seed, parts of the rest. The
    /// old handles and files fail from now on.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut world = self.world();
        world.is_off = true;
        let mut seed = world.seed.fork();
        let mut inodes = world.inodes.clone();
        for inode in inodes.values_mut() {
            inode.cut_power(&mut seed);
        }
        self.jobs.forget();
        Self::of(World::new(reachable(&inodes), seed))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reachable(inodes: &BTreeMap<u64, Inode>) -> BTreeMap<u64, Inode> {
    let mut found = BTreeMap::new();
    let mut open = vec![ROOT];
    while let Some(id) = open.pop() {
        if let Some(inode) = inodes.get(&id) {
            if let Inode::Dir(dir) = inode {
                open.extend(dir.entries().values());
            }
            found.insert(id, inode.clone());
        }
    }
    found
}

fn power_is_off() -> io::Error {
    io::Error::other("the simulated machine is off")
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("{} does not exist", path.display()),
    )
}

impl World {
    fn check_on(&self) -> io::Result<()> {
        if self.is_off {
            Err(power_is_off())
        } else {
            Ok(())
        }
    }

    /// Counts a changing operation and gives the fault it is to meet.
    fn begin_mutation(
        &mut self,
        operation: &'static str,
        path: &Path,
    ) -> io::Result<Option<Fault>> {
        self.check_on()?;
        let number = self.mutations;
        let fault = self.faults.remove(&number);
        self.mutations += 1;
        if let Some(fault) = fault {
            let path = path.to_owned();
            self.met.push(MetFault {
                fault,
                operation,
                path,
            });
        }
        match fault {
            Some(Fault::PowerCut) => {
                self.is_off = true;
                Err(power_is_off())
            }
            Some(Fault::Enospc) => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            other => Ok(other),
        }
    }

    fn mutate(&mut self, operation: &'static str, path: &Path) -> io::Result<()> {
        match self.begin_mutation(operation, path)? {
            None => Ok(()),
            Some(_) => Err(io::Error::from_raw_os_error(libc::EIO)),
        }
    }

    /// Notes that the mutation under way makes something durable.
    fn note_sync(&mut self) {
        self.sync_points.push(self.mutations.saturating_sub(1));
    }

    /// Counts a write or sync of a file that failed before.
    fn note_retry(&mut self, operation: &'static str, file: &SimFile) {
        if let Some(Inode::File(data)) = self.inodes.get(&file.inode)
            && data.has_failed()
        {
            self.retries.push((operation, file.path.clone()));
        }
    }

    fn add(&mut self, inode: Inode) -> u64 {
        let id = self
            .inodes
            .last_key_value()
            .map_or(ROOT, |(&last, _)| last + 1);
        self.inodes.insert(id, inode);
        id
    }

    fn dir(&mut self, id: u64) -> io::Result<&mut Dir> {
        match self.inodes.get_mut(&id) {
            Some(Inode::Dir(dir)) => Ok(dir),
            _ => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        }
    }

    fn file(&mut self, id: u64) -> io::Result<&mut FileData> {
        match self.inodes.get_mut(&id) {
            Some(Inode::File(file)) => Ok(file),
            _ => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        }
    }

    fn find(&mut self, path: &Path) -> io::Result<u64> {
        self.check_on()?;
        let mut at = ROOT;
        for name in names(path) {
            at = *self
                .dir(at)?
                .entries()
                .get(name)
                .ok_or_else(|| not_found(path))?;
        }
        Ok(at)
    }

    fn parent<'a>(&mut self, path: &'a Path) -> io::Result<(u64, &'a str)> {
        let name = names(path).last().ok_or_else(|| not_found(path))?;
        let parent = path.parent().ok_or_else(|| not_found(path))?;
        Ok((self.find(parent)?, name))
    }
}

fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;
    type Barrier = ();

    fn open(&self, path: &Path) -> io::Result<Arc<SimFile>> {
        let mut world = self.world();
        let inode = world.find(path)?;
        world.file(inode)?;
        Ok(Arc::new(SimFile {
            inode,
            path: path.to_owned(),
        }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<SimFile>> {
        let mut world = self.world();
        world.mutate("create", path)?;
        let (parent, name) = world.parent(path)?;
        let inode = match world.dir(parent)?.entries().get(name).copied() {
            Some(inode) => {
                world.file(inode)?.set_len(0);
                inode
            }
            None => {
                let inode = world.add(Inode::File(FileData::default()));
                world
                    .dir(parent)?
                    .change(vec![(name.to_owned(), Some(inode))]);
                inode
            }
        };
        Ok(Arc::new(SimFile {
            inode,
            path: path.to_owned(),
        }))
    }

    fn file_bytes(&self, file: &SimFile) -> io::Result<u64> {
        let mut world = self.world();
        world.check_on()?;
        Ok(world.file(file.inode)?.content().len() as u64)
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        let mut world = self.world();
        let inode = world.find(path)?;
        let file = world.file(inode)?;
        Ok(FileStat {
            bytes: file.content().len() as u64,
            modified_ms: file.modified_ms,
        })
    }

    fn read_at(&self, file: &SimFile, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut world = self.world();
        world.check_on()?;
        world.reads += 1;
        let content = world.file(file.inode)?.content();
        let rest = content.get(usize_from(position)..).unwrap_or_default();
        let bytes = rest.len().min(buf.len());
        buf[..bytes].copy_from_slice(&rest[..bytes]);
        Ok(bytes)
    }

    fn write_all_at(&self, file: &SimFile, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut world = self.world();
        world.note_retry("write", file);
        let fault = world.begin_mutation("write", &file.path)?;
        let kept = if fault.is_some() {
            world.seed.below(bytes.len() + 1)
        } else {
            bytes.len()
        };
        let data = world.file(file.inode)?;
        data.write(usize_from(position), &bytes[..kept]);
        if fault.is_some() {
            data.set_failed();
        }
        match fault {
            None => Ok(()),
            Some(_) => Err(io::Error::from_raw_os_error(libc::EIO)),
        }
    }

    fn set_len(&self, file: &SimFile, bytes: u64) -> io::Result<()> {
        let mut world = self.world();
        world.mutate("set the length of", &file.path)?;
        world.file(file.inode)?.set_len(usize_from(bytes));
        Ok(())
    }

    fn allocate(&self, file: &SimFile, _range: Range<u64>) -> io::Result<()> {
        self.world().mutate("allocate", &file.path)
    }

    fn start_writeback(&self, _file: &SimFile, _range: Range<u64>) -> io::Result<()> {
        self.world().check_on()
    }

    fn write_back(&self, file: &SimFile, _range: Range<u64>) -> io::Result<()> {
        // What was written may be lost as before.
        self.world().mutate("write back", &file.path)
    }

    fn sync(&self, file: &SimFile) -> io::Result<()> {
        self.sync_by(file, FileData::sync)
    }

    fn barrier(&self, _file: &SimFile, _dir: &Path) -> Option<Arc<()>> {
        Some(Arc::new(()))
    }

    fn set_modified(&self, file: &SimFile, modified_ms: i64) -> io::Result<()> {
        let mut world = self.world();
        world.mutate("date", &file.path)?;
        world.file(file.inode)?.modified_ms = modified_ms;
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.mutate("sync the directory", path)?;
        world.note_sync();
        let id = world.find(path)?;
        world.dir(id)?.sync();
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.mutate("create the directory", path)?;
        let mut at = ROOT;
        for name in names(path) {
            at = match world.dir(at)?.entries().get(name).copied() {
                Some(inode) => inode,
                None => {
                    let inode = world.add(Inode::Dir(Dir::default()));
                    world.dir(at)?.change(vec![(name.to_owned(), Some(inode))]);
                    inode
                }
            };
        }
        world.dir(at).map(|_dir| ())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut world = self.world();
        let id = world.find(path)?;
        let entries = world.dir(id)?.entries().clone();
        Ok(entries
            .into_iter()
            .map(|(name, inode)| {
                let is_dir = matches!(world.inodes.get(&inode), Some(Inode::Dir(_)));
                DirEntry { name, is_dir }
            })
            .collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.mutate("rename", from)?;
        let (from_parent, from_name) = world.parent(from)?;
        let (to_parent, to_name) = world.parent(to)?;
        if from_parent != to_parent {
            return Err(io::Error::from(io::ErrorKind::CrossesDevices));
        }
        let dir = world.dir(from_parent)?;
        let inode = *dir
            .entries()
            .get(from_name)
            .ok_or_else(|| not_found(from))?;
        dir.change(vec![
            (from_name.to_owned(), None),
            (to_name.to_owned(), Some(inode)),
        ]);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.mutate("remove", path)?;
        let (parent, name) = world.parent(path)?;
        let dir = world.dir(parent)?;
        if !dir.entries().contains_key(name) {
            return Err(not_found(path));
        }
        dir.change(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.remove_file(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<SimLock>> {
        let file = self.create(path)?;
        let mut world = self.world();
        if world.locked.contains(&file.inode) {
            return Ok(None);
        }
        world.locked.push(file.inode);
        Ok(Some(SimLock {
            world: Arc::clone(&self.world),
            inode: file.inode,
        }))
    }

    fn space(&self, _path: &Path) -> io::Result<DiskSpace> {
        Ok(DiskSpace {
            total_bytes: 1 << 40,
            usable_bytes: self.world().usable_bytes,
        })
    }

    fn read_cached(&self, file: &SimFile, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.read_at(file, buf, position)
    }

    fn cached(&self, _file: &SimFile, _range: Range<u64>) -> Cached {
        Cached::Some
    }

    fn expect_random_reads(&self, _file: &SimFile) -> io::Result<()> {
        self.world().check_on()
    }

    fn drop_cache(&self, _file: &SimFile, _range: Range<u64>) -> io::Result<()> {
        self.world().check_on()
    }

    async fn write_vectored_at(
        &self,
        file: &Arc<SimFile>,
        buffers: WriteBuffers,
        range: Range<usize>,
        skip: usize,
        position: u64,
        mode: WriteMode,
    ) -> (io::Result<usize>, WriteBuffers) {
        let durable = mode.durable == Durable::OnReturn;
        self.world().writes_before_sync += u64::from(mode.durable == Durable::AfterSync);
        let result = self.write_slices(file, &buffers, range, skip, position, durable);
        (result, buffers)
    }

    async fn read_at_async(
        &self,
        file: &Arc<SimFile>,
        mut buf: Vec<u8>,
        position: u64,
    ) -> (io::Result<usize>, Vec<u8>) {
        let result = self.read_at(file, &mut buf, position);
        (result, buf)
    }

    fn sync_async(&self, file: &Arc<SimFile>) -> impl Future<Output = io::Result<()>> {
        std::future::ready(self.sync(file))
    }

    async fn sync_overwritten(
        &self,
        file: &Arc<SimFile>,
        range: Range<u64>,
        _barrier: &Arc<()>,
    ) -> io::Result<()> {
        let range = usize_from(range.start)..usize_from(range.end);
        self.sync_by(file, |data| data.sync_overwritten(&range))
    }

    async fn off_loop<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        Ok(job())
    }

    fn on_loop(&self, task: impl Future<Output = ()> + 'static) {
        block_on_ready(task);
    }

    fn in_background(&self, _dir: DirId, job: impl FnOnce() + Send + 'static) {
        self.jobs.start(job);
    }
}

impl SimDisk {
    fn sync_by(&self, file: &SimFile, sync: impl FnOnce(&mut FileData)) -> io::Result<()> {
        let mut guard = self.world();
        let world = &mut *guard;
        world.note_retry("sync", file);
        match world.begin_mutation("sync", &file.path)? {
            None => {
                world.note_sync();
                sync(world.file(file.inode)?);
                Ok(())
            }
            Some(_) => {
                let mut seed = world.seed.fork();
                let data = world.file(file.inode)?;
                data.fail_sync(&mut seed);
                data.set_failed();
                Err(io::Error::from_raw_os_error(libc::EIO))
            }
        }
    }

    fn write_slices(
        &self,
        file: &SimFile,
        buffers: &WriteBuffers,
        range: Range<usize>,
        skip: usize,
        position: u64,
        durable: bool,
    ) -> io::Result<usize> {
        let mut world = self.world();
        world.note_retry("write", file);
        let fault = world.begin_mutation("write", &file.path)?;
        let mut bytes = Vec::new();
        for slice in buffers.slices(range.start, range.end, skip) {
            bytes.extend_from_slice(slice);
        }
        bytes.truncate(world.write_bytes_max);
        if fault.is_some() {
            let kept = world.seed.below(bytes.len() + 1);
            let data = world.file(file.inode)?;
            data.write(usize_from(position), &bytes[..kept]);
            data.set_failed();
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let data = world.file(file.inode)?;
        data.write(usize_from(position), &bytes);
        if durable {
            data.sync_last_write();
            world.note_sync();
        }
        Ok(bytes.len())
    }
}
