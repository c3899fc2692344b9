//! Files and directories of the simulated disk: what a process sees, what is on the platter, and
//! the changes between the two. [`super::SimDisk`] decides when which method is called.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

const SECTOR_BYTES: usize = 512;

/// A small seeded generator (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Seed {
    state: u64,
}

impl Seed {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        crate::units::usize_from(self.next() % limit as u64)
    }

    /// A generator for what follows, independent of later draws here.
    pub(super) fn fork(&mut self) -> Self {
        Self { state: self.next() }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Inode {
    File(FileData),
    Dir(Dir),
}

impl Inode {
    /// The process that knew of a failed write or sync is gone.
    pub(super) fn forget_failure(&mut self) {
        if let Self::File(file) = self {
            file.has_failed = false;
        }
    }

    /// Keeps what is durable and, by seed, parts of the rest; the result is durable.
    pub(super) fn cut_power(&mut self, seed: &mut Seed) {
        match self {
            Self::File(file) => file.cut_power(seed),
            Self::Dir(dir) => dir.cut_power(seed),
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write { position: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => content.resize(*len, 0),
            Self::Write { position, bytes } => {
                let end = position + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*position..end].copy_from_slice(bytes);
            }
        }
    }

    /// Applies what a power cut may leave of it: nothing, all, the length without the bytes, or
    /// some sectors: the first ones or any.
    fn apply_in_part(&self, content: &mut Vec<u8>, seed: &mut Seed) {
        let Self::Write { position, bytes } = self else {
            if seed.below(2) == 0 {
                self.apply(content);
            }
            return;
        };
        let end = position + bytes.len();
        let first_sector = position / SECTOR_BYTES;
        let sectors = end.div_ceil(SECTOR_BYTES) - first_sector;
        let fate = seed.below(6);
        match fate {
            0 | 1 => return,
            2 | 3 => return self.apply(content),
            _ => {}
        }
        let kept_first = seed.below(sectors + 1);
        for sector in 0..sectors {
            let is_kept = match fate {
                4 => sector < kept_first,
                _ => seed.below(2) == 0,
            };
            if is_kept {
                let from = ((first_sector + sector) * SECTOR_BYTES).max(*position);
                let to = ((first_sector + sector + 1) * SECTOR_BYTES).min(end);
                if content.len() < to {
                    content.resize(to, 0);
                }
                content[from..to].copy_from_slice(&bytes[from - position..to - position]);
            }
        }
        // The length may have been written before the bytes were: they read as zeros then.
        if content.len() < end && seed.below(3) == 0 {
            content.resize(end, 0);
        }
    }
}

/// A change with whether it is known to be on the platter.
#[derive(Debug, Clone)]
struct Pending {
    change: Change,
    is_synced: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct FileData {
    /// Survives a power cut: nothing relies on its loss.
    pub(super) modified_ms: i64,
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Of each sector of `durable` whether a sync wrote to it since the file was last cut: what
    /// overwrites it changes no metadata.
    written: Vec<bool>,
    /// Changes since the last sync, oldest first. A later one overwrites an earlier one, whichever
    /// of them is synced. Never begins with a synced one.
    pending: VecDeque<Pending>,
    has_failed: bool,
}

impl FileData {
    pub(super) fn content(&self) -> &[u8] {
        &self.seen
    }

    /// Whether a write or sync of this file failed.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn set_failed(&mut self) {
        self.has_failed = true;
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push_back(Pending {
            change,
            is_synced: false,
        });
    }

    pub(super) fn write(&mut self, position: usize, bytes: &[u8]) {
        self.change(Change::Write {
            position,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.change(Change::SetLen(len));
    }

    pub(super) fn sync(&mut self) {
        while let Some(pending) = self.pending.pop_front() {
            self.settle(&pending.change);
        }
    }

    /// A change is on the platter.
    fn settle(&mut self, change: &Change) {
        change.apply(&mut self.durable);
        self.written
            .resize(self.durable.len().div_ceil(SECTOR_BYTES), false);
        match change {
            Change::Write { position, bytes } => {
                let end = position + bytes.len();
                self.written[position / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES)].fill(true);
            }
            Change::SetLen(_) => self.written.fill(false),
        }
    }

    /// Makes writes in `range` durable that overwrite what is. Others may be lost as before, and
    /// so may lengths.
    pub(super) fn sync_overwritten(&mut self, range: &Range<usize>) {
        let Self {
            pending,
            written,
            durable,
            ..
        } = self;
        for pending in &mut *pending {
            let Change::Write { position, bytes } = &pending.change else {
                // Unsynced, the cut may take the blocks along.
                return;
            };
            let end = position + bytes.len();
            let sectors = written.get(position / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
            pending.is_synced |= range.start <= *position
                && end <= range.end.min(durable.len())
                && sectors.is_some_and(|sectors| sectors.iter().all(|&is_written| is_written));
        }
        self.settle_synced();
    }

    fn settle_synced(&mut self) {
        while let Some(first) = self.pending.pop_front_if(|first| first.is_synced) {
            self.settle(&first.change);
        }
    }

    /// Makes the newest change durable, and of the others only what it needs: the lengths that were
    /// set before it.
    pub(super) fn sync_last_write(&mut self) {
        if let Some(last) = self.pending.back_mut() {
            last.is_synced = true;
        }
        for pending in &mut self.pending {
            pending.is_synced |= matches!(pending.change, Change::SetLen(_));
        }
        self.settle_synced();
    }

    /// A failed sync: any part was written, and the kernel forgets that the rest of the pages is
    /// dirty, so it will never be written.
    pub(super) fn fail_sync(&mut self, seed: &mut Seed) {
        for pending in self.pending.drain(..) {
            if pending.is_synced {
                pending.change.apply(&mut self.durable);
            } else {
                pending.change.apply_in_part(&mut self.durable, seed);
            }
        }
    }

    fn cut_power(&mut self, seed: &mut Seed) {
        self.fail_sync(seed);
        self.seen.clone_from(&self.durable);
        self.written.clear();
        self.has_failed = false;
    }
}

/// Names set or removed together.
type NameChange = Vec<(String, Option<u64>)>;

#[derive(Debug, Clone, Default)]
pub(super) struct Dir {
    seen: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    pending: Vec<NameChange>,
}

fn apply(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    for (name, inode) in change {
        match inode {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

impl Dir {
    pub(super) fn entries(&self) -> &BTreeMap<String, u64> {
        &self.seen
    }

    pub(super) fn change(&mut self, change: NameChange) {
        apply(&mut self.seen, &change);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    fn cut_power(&mut self, seed: &mut Seed) {
        let kept = seed.below(self.pending.len() + 1);
        self.pending.truncate(kept);
        self.sync();
        self.seen.clone_from(&self.durable);
    }
}
