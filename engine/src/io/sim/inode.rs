//! Files and directories of the simulated disk: what a process sees, what is on the platter, and
//! the changes between the two. [`super::SimDisk`] decides when which method is called.

use std::collections::BTreeMap;

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
}

#[derive(Debug, Clone, Default)]
pub(super) struct FileData {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

impl FileData {
    pub(super) fn content(&self) -> &[u8] {
        &self.seen
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
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
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Makes the newest change durable, and only that one.
    pub(super) fn sync_last_write(&mut self) {
        if let Some(change) = self.pending.pop() {
            change.apply(&mut self.durable);
        }
    }

    /// A failed sync: the kernel forgets that the pages are dirty, so they will never be written.
    pub(super) fn forget_pending(&mut self) {
        self.pending.clear();
    }

    fn cut_power(&mut self, seed: &mut Seed) {
        for mut change in std::mem::take(&mut self.pending) {
            match seed.below(3) {
                0 => {}
                1 => change.apply(&mut self.durable),
                _ => {
                    if let Change::Write { bytes, .. } = &mut change {
                        let sectors = bytes.len().div_ceil(SECTOR_BYTES);
                        bytes.truncate(seed.below(sectors + 1) * SECTOR_BYTES);
                    }
                    change.apply(&mut self.durable);
                }
            }
        }
        self.seen.clone_from(&self.durable);
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
