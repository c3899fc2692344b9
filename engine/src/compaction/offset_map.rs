//! The last offset of each key, in a table of fixed size. A key is its MD5: two keys are the same
//! when their hashes are, so a slot has 24 bytes whatever the keys' length. Pure.
//!
//! | offset | bytes | meaning |
//! |---:|---:|---|
//! | 0 | 16 | MD5 of the key |
//! | 16 | 8 | offset; a slot of zeroes only is empty |
//!
//! Open addressing as in Kafka's `SkimpyOffsetMap`: the first probes read four bytes of the hash
//! each, one byte further on every time, the later ones go to the next slot. Nothing is removed.

use md5::{Digest, Md5};

const HASH_BYTES: usize = 16;
/// Probes that read the hash: at its bytes 0, 1, ... 12.
const HASH_PROBES: usize = HASH_BYTES - 3;

/// The two halves of the hash, then the offset.
type Slot = [u64; 3];

const EMPTY: Slot = [0; 3];
const SLOT_BYTES: usize = size_of::<Slot>();
const _: () = assert!(SLOT_BYTES == 24);
/// Slots at first: few keys stay in the processor's cache.
const SLOTS_MIN: usize = 4096;
/// How much larger the table becomes when it is full.
const GROWTH: usize = 4;

/// Maps keys to offsets. The table grows with its keys, as their hashes say where they go, and is
/// given back to the system by [`OffsetMap::clear`].
#[derive(Debug)]
pub struct OffsetMap {
    slots: Vec<Slot>,
    /// Keys at which the table grows, if it may.
    keys_before_growth: usize,
    slots_max: usize,
    load_factor: f64,
    keys_max: usize,
    keys_count: usize,
    latest_offset: i64,
}

/// Where a key is, or would be.
enum Place {
    Found(usize),
    Free(usize),
}

impl OffsetMap {
    /// A map of at most `bytes` bytes, for a moment a quarter more while it grows, of which the
    /// part `load_factor`, between 0 and 1, is used: a fuller one needs more probes. It has room
    /// for one key at least.
    #[must_use]
    pub fn new(bytes: usize, load_factor: f64) -> Self {
        let slots_max = (bytes / SLOT_BYTES).max(2);
        let slots_count = slots_max.min(SLOTS_MIN);
        Self {
            slots: vec![EMPTY; slots_count],
            keys_before_growth: keys_in(slots_count, load_factor),
            slots_max,
            load_factor,
            keys_max: keys_in(slots_max, load_factor),
            keys_count: 0,
            latest_offset: -1,
        }
    }

    /// Forgets all keys and gives the memory they used back to the system.
    pub fn clear(&mut self) {
        if 0 < self.keys_count {
            drop(self.resize(self.slots_max.min(SLOTS_MIN)));
        }
        self.keys_count = 0;
        self.latest_offset = -1;
    }

    /// Begins an empty table and returns the one before.
    fn resize(&mut self, slots_count: usize) -> Vec<Slot> {
        self.keys_before_growth = keys_in(slots_count, self.load_factor);
        std::mem::replace(&mut self.slots, vec![EMPTY; slots_count])
    }

    fn grow(&mut self) {
        let slots_count = self.slots.len().saturating_mul(GROWTH).min(self.slots_max);
        for slot in self.resize(slots_count) {
            if slot != EMPTY
                && let Place::Free(index) = self.find(hash_in(slot))
            {
                self.slots[index] = slot;
            }
        }
    }

    /// Number of keys.
    #[must_use]
    pub fn keys_count(&self) -> usize {
        self.keys_count
    }

    /// Most keys it takes.
    #[must_use]
    pub fn keys_max(&self) -> usize {
        self.keys_max
    }

    /// Whether no further key may be put in.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.keys_max <= self.keys_count
    }

    /// The offset up to which, inclusive, all records are in the map; -1 at first. Set by whoever
    /// fills the map.
    #[must_use]
    pub fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    /// Sets [`OffsetMap::latest_offset`].
    pub fn set_latest_offset(&mut self, offset: i64) {
        self.latest_offset = offset;
    }

    /// Sets the offset of a key, overwriting an earlier one.
    ///
    /// # Panics
    /// When [`OffsetMap::is_full`], even for a key that is there.
    pub fn put(&mut self, key: &[u8], offset: i64) {
        assert!(!self.is_full(), "the map has {} keys", self.keys_count);
        if self.keys_before_growth <= self.keys_count {
            self.grow();
        }
        let hash = hash_of(key);
        let index = match self.find(hash) {
            Place::Found(index) => index,
            Place::Free(index) => {
                self.keys_count += 1;
                index
            }
        };
        let [high, low] = halves(hash);
        self.slots[index] = [high, low, offset.cast_unsigned()];
    }

    /// The offset of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<i64> {
        match self.find(hash_of(key)) {
            Place::Found(index) => Some(self.slots[index][2].cast_signed()),
            Place::Free(_) => None,
        }
    }

    /// Ends at the latest after it passed every slot: one is always empty.
    fn find(&self, hash: [u8; HASH_BYTES]) -> Place {
        let [high, low] = halves(hash);
        let mut attempt = 0;
        loop {
            let index = self.probe(hash, attempt);
            let slot = self.slots[index];
            if slot == EMPTY {
                return Place::Free(index);
            }
            if (slot[0], slot[1]) == (high, low) {
                return Place::Found(index);
            }
            attempt += 1;
        }
    }

    fn probe(&self, hash: [u8; HASH_BYTES], attempt: usize) -> usize {
        let at = attempt.min(HASH_PROBES - 1);
        let beyond = attempt - at;
        let word = i32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]);
        // Java's absolute value, which leaves the smallest integer to be taken for 0.
        let start = word.checked_abs().unwrap_or(0).cast_unsigned() as usize;
        (start + beyond) % self.slots.len()
    }
}

/// The keys a table takes; one slot stays empty at least, which ends every search.
fn keys_in(slots_count: usize, load_factor: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of a number of slots, rounded down; a bad factor becomes 0"
    )]
    let keys = (slots_count as f64 * load_factor) as usize;
    keys.clamp(1, slots_count - 1)
}

fn hash_in(slot: Slot) -> [u8; HASH_BYTES] {
    let [high, low, _] = slot.map(u64::to_ne_bytes);
    let mut hash = [0; HASH_BYTES];
    hash[..8].copy_from_slice(&high);
    hash[8..].copy_from_slice(&low);
    hash
}

fn hash_of(key: &[u8]) -> [u8; HASH_BYTES] {
    Md5::digest(key).into()
}

fn halves(hash: [u8; HASH_BYTES]) -> [u64; 2] {
    let (halves, _) = hash.as_chunks::<8>();
    [halves[0], halves[1]].map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests;
