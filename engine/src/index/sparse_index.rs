//! A sorted list of fixed-size entries: the older ones in a file, the newest in memory until they
//! are written. A closed segment has them all in its file and nothing in memory. Lookups are by
//! "largest entry not above"; the part in the file is searched with few reads of one page and works
//! on a ring's thread. The page found last is kept, so that a reader that goes on from there asks
//! the file once in some MiB of log.
//!
//! Unlike Kafka nothing is memory mapped: a page fault would block a ring's thread.

use std::io;
use std::sync::Arc;

use crate::io::{Access, Disk};

/// An entry of an index file.
pub(crate) trait IndexEntry: Copy {
    /// Encoded size.
    const BYTES: usize;
    /// What entries are sorted by; strictly increasing within a file.
    type Key: Ord + Copy;
    /// The entry's key.
    fn key(&self) -> Self::Key;
    /// Appends the encoded entry.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads the entry at the start of `bytes`; `None` when they are too few.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// Entries kept in memory before the drain writes them out: 4 MiB of log at least.
const UNWRITTEN_MAX: usize = 1024;
/// Entries fetched by the last read of a search.
const PAGE_ENTRIES: u32 = 256;

/// The index of one segment.
#[derive(Debug, Clone)]
pub(crate) struct SparseIndex<E> {
    written: u32,
    unwritten: Vec<E>,
    /// The page of the file that was searched last.
    page: Option<IndexPage<E>>,
}

impl<E: IndexEntry> SparseIndex<E> {
    /// An index whose file does not exist or is to be ignored.
    pub(crate) const fn empty() -> Self {
        Self {
            written: 0,
            unwritten: Vec::new(),
            page: None,
        }
    }

    /// An index whose file holds `bytes`; a part of an entry at its end is ignored.
    pub(crate) fn from_file(bytes: u64) -> Self {
        let written = u32::try_from(bytes / E::BYTES as u64).unwrap_or(u32::MAX);
        Self {
            written,
            unwritten: Vec::new(),
            page: None,
        }
    }

    /// Adds the newest entry.
    pub(crate) fn push(&mut self, entry: E) {
        if let Some(last) = self.unwritten.last() {
            assert!(
                last.key() < entry.key(),
                "index entries must strictly increase (L3)"
            );
        }
        self.unwritten.push(entry);
    }

    /// All entries, written or not.
    pub(crate) fn count(&self) -> usize {
        self.written as usize + self.unwritten.len()
    }

    /// Whether enough entries wait for [`Self::encode_unwritten`].
    pub(crate) fn is_write_due(&self) -> bool {
        UNWRITTEN_MAX <= self.unwritten.len()
    }

    /// The bytes to append to the file and where they go; call [`Self::mark_written`] with the
    /// same number of entries after the write.
    pub(crate) fn encode_unwritten(&self) -> UnwrittenEntries {
        let mut bytes = Vec::with_capacity(self.unwritten.len() * E::BYTES);
        for entry in &self.unwritten {
            entry.encode(&mut bytes);
        }
        let position = u64::from(self.written) * E::BYTES as u64;
        UnwrittenEntries {
            bytes,
            position,
            count: self.unwritten.len(),
        }
    }

    /// The first `count` entries in memory are in the file now.
    pub(crate) fn mark_written(&mut self, count: usize) {
        self.unwritten.drain(..count);
        if self.unwritten.is_empty() {
            self.unwritten.shrink_to(UNWRITTEN_MAX);
        }
        self.written += u32::try_from(count).expect("an index has less than 2^32 entries");
    }

    /// Gives back the memory for entries to come; the index will not grow any more.
    pub(crate) fn close(&mut self) {
        self.unwritten.shrink_to_fit();
    }

    /// The largest entry not above `key`, as far as memory knows.
    pub(crate) fn find(&self, key: E::Key) -> Lookup<E> {
        let above = self.unwritten.partition_point(|entry| entry.key() <= key);
        match above.checked_sub(1) {
            Some(index) => Lookup::Found(self.unwritten[index]),
            None if self.written == 0 => Lookup::Absent,
            None => Lookup::InFile(DiskEntries {
                count: self.written,
            }),
        }
    }

    /// The entries on both sides of `key`, as far as memory knows; else what of the file to search
    /// with [`DiskEntries::page`].
    pub(crate) fn around(&self, key: E::Key) -> Result<Neighbours<E>, DiskEntries> {
        let above = self.unwritten.partition_point(|entry| entry.key() <= key);
        let ceiling = self.unwritten.get(above).copied();
        let floor = above.checked_sub(1).map(|index| self.unwritten[index]);
        if floor.is_some() || self.written == 0 {
            return Ok(Neighbours { floor, ceiling });
        }
        let count = self.written;
        let known = self.page.as_ref();
        known
            .and_then(|page| page.around(key, count, ceiling))
            .ok_or(DiskEntries { count })
    }

    /// The first entry that `is_past`, which holds for all entries from some one on: the one in
    /// memory, and the part of the file to search before it is taken.
    pub(crate) fn first_where(
        &self,
        is_past: impl Fn(&E) -> bool,
    ) -> (Option<E>, Option<DiskEntries>) {
        let index = self.unwritten.partition_point(|entry| !is_past(entry));
        let in_file = (index == 0 && self.written != 0).then_some(DiskEntries {
            count: self.written,
        });
        (self.unwritten.get(index).copied(), in_file)
    }

    /// Keeps a page that was read for `entries`, unless the file has changed since.
    pub(crate) fn remember(&mut self, entries: DiskEntries, page: IndexPage<E>) {
        if entries.count == self.written {
            self.page = Some(page);
        }
    }

    /// Gives back the memory of the page that was searched last.
    pub(crate) fn forget_page(&mut self) {
        self.page = None;
    }

    /// The newest entry, as far as memory knows.
    pub(crate) fn last(&self) -> Lookup<E> {
        match self.unwritten.last() {
            Some(entry) => Lookup::Found(*entry),
            None if self.written == 0 => Lookup::Absent,
            None => Lookup::InFile(DiskEntries {
                count: self.written,
            }),
        }
    }
}

/// The entries on both sides of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neighbours<E> {
    /// The largest entry not above the key.
    pub(crate) floor: Option<E>,
    /// The smallest entry above the key; `None` when there is none or it is not known.
    pub(crate) ceiling: Option<E>,
}

/// Successive entries of an index file.
#[derive(Debug, Clone)]
pub(crate) struct IndexPage<E> {
    /// Index of the first one in the file.
    first: u32,
    entries: Box<[E]>,
}

impl<E: IndexEntry> IndexPage<E> {
    /// The entries around `key`, if the page of a file of `count` entries holds its floor. `next`
    /// is the entry behind the file's last one.
    pub(crate) fn around(&self, key: E::Key, count: u32, next: Option<E>) -> Option<Neighbours<E>> {
        let above = self.entries.partition_point(|entry| entry.key() <= key);
        let floor = above.checked_sub(1).map(|index| self.entries[index]);
        if floor.is_none() && self.first != 0 {
            return None;
        }
        if let Some(ceiling) = self.entries.get(above) {
            let ceiling = Some(*ceiling);
            return Some(Neighbours { floor, ceiling });
        }
        let is_last = count as usize <= self.first as usize + self.entries.len();
        is_last.then_some(Neighbours {
            floor,
            ceiling: next,
        })
    }
}

/// Entries to append to the index file.
pub(crate) struct UnwrittenEntries {
    pub(crate) bytes: Vec<u8>,
    pub(crate) position: u64,
    pub(crate) count: usize,
}

/// What memory knows about a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup<E> {
    /// The entry.
    Found(E),
    /// There is none.
    Absent,
    /// The file has to be searched.
    InFile(DiskEntries),
}

/// The part of an index that is in its file. Written entries never change, so it may be searched
/// without a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiskEntries {
    count: u32,
}

impl DiskEntries {
    /// The largest entry not above `key`. At most 25 reads, one of them of a page.
    pub(crate) async fn find<E: IndexEntry, D: Disk>(
        self,
        access: Access,
        disk: &D,
        file: &Arc<D::File>,
        key: E::Key,
    ) -> io::Result<Option<E>> {
        let page = self.page::<E, D>(access, disk, file, key).await?;
        let found = page.around(key, self.count, None);
        Ok(found.and_then(|found| found.floor))
    }

    /// The page that holds the largest entry not above `key`, if there is one. At most 25 reads,
    /// one of them of the page.
    pub(crate) async fn page<E: IndexEntry, D: Disk>(
        self,
        access: Access,
        disk: &D,
        file: &Arc<D::File>,
        key: E::Key,
    ) -> io::Result<IndexPage<E>> {
        let (mut low, mut high) = (0, self.count);
        while PAGE_ENTRIES < high - low {
            let middle = low + (high - low) / 2;
            let found = read_entries::<E, D>(access, disk, file, middle, 1).await?;
            match found.first() {
                Some(entry) if entry.key() <= key => low = middle,
                Some(_) => high = middle,
                // The file is shorter than it was: its entries cannot be trusted past here.
                None => high = middle,
            }
        }
        // What follows is what a reader that goes on from here asks for next; with the entry behind
        // the searched part, the one above every floor is there too.
        let count = (PAGE_ENTRIES + 1).min(self.count - low);
        let entries = read_entries::<E, D>(access, disk, file, low, count).await?;
        Ok(IndexPage {
            first: low,
            entries: entries.into(),
        })
    }

    /// The first entry that `is_past`, which holds for all entries from some one on. At most 25
    /// reads, one of them of a page.
    pub(crate) async fn first_where<E: IndexEntry, D: Disk>(
        self,
        access: Access,
        disk: &D,
        file: &Arc<D::File>,
        is_past: impl Fn(&E) -> bool,
    ) -> io::Result<Option<E>> {
        let (mut low, mut high) = (0, self.count);
        while PAGE_ENTRIES < high - low {
            let middle = low + (high - low) / 2;
            let found = read_entries::<E, D>(access, disk, file, middle, 1).await?;
            match found.first() {
                Some(entry) if !is_past(entry) => low = middle,
                // Also when the file is shorter than it was.
                _ => high = middle,
            }
        }
        // One more: the first that is past may be the one behind the searched part.
        let count = (PAGE_ENTRIES + 1).min(self.count - low);
        let entries = read_entries::<E, D>(access, disk, file, low, count).await?;
        Ok(entries.into_iter().find(|entry| is_past(entry)))
    }

    /// The newest entry in the file.
    pub(crate) async fn last<E: IndexEntry, D: Disk>(
        self,
        access: Access,
        disk: &D,
        file: &Arc<D::File>,
    ) -> io::Result<Option<E>> {
        let last = self.count.saturating_sub(1);
        Ok(read_entries::<E, D>(access, disk, file, last, 1)
            .await?
            .pop())
    }
}

async fn read_entries<E: IndexEntry, D: Disk>(
    access: Access,
    disk: &D,
    file: &Arc<D::File>,
    first: u32,
    count: u32,
) -> io::Result<Vec<E>> {
    let buf = vec![0; count as usize * E::BYTES];
    let position = u64::from(first) * E::BYTES as u64;
    let (result, buf) = access.read(disk, file, buf, position).await;
    let bytes = result?;
    Ok(buf[..bytes]
        .chunks_exact(E::BYTES)
        .filter_map(E::decode)
        .collect())
}
