//! A hash map whose copies share what they do not change.
//!
//! The metadata image is immutable, so every change makes a new one. A plain `HashMap` would copy
//! all topics for each topic created; this map is cut into shards behind `Arc`s, and a change
//! copies one shard (1/256 of the entries) and the table of shards, and only when another image
//! still refers to them. With 100,000 topics that is about 400 entries per change.
//!
//! It is not concurrent: readers hold an image, one writer (the state machine) owns the next one.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

#[cfg(test)]
mod tests;

const SHARDS: usize = 256;

/// Which byte of the little-endian hash chooses the shard (bits 48..56): hashbrown uses the lowest
/// bits for the bucket and the highest seven for the tag, so the keys of a shard still spread.
const SHARD_HASH_BYTE: usize = 6;

type Shard<K, V> = HashMap<K, V, RandomState>;

/// A copy-on-write hash map. `clone` is one reference count.
#[derive(Debug, Clone)]
pub(super) struct ShardedMap<K, V> {
    shards: Arc<[Arc<Shard<K, V>>; SHARDS]>,
    hasher: RandomState,
    len: usize,
}

impl<K, V> Default for ShardedMap<K, V> {
    fn default() -> Self {
        let hasher = RandomState::default();
        let empty = Arc::new(HashMap::with_hasher(hasher.clone()));
        Self {
            shards: Arc::new(std::array::from_fn(|_| Arc::clone(&empty))),
            hasher,
            len: 0,
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> ShardedMap<K, V> {
    /// How many entries the map holds.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The value of `key`.
    pub(super) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shards[self.shard_index(key)].get(key)
    }

    /// Whether `key` has a value.
    pub(super) fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(key).is_some()
    }

    /// Sets the value of `key` and returns the former one. Copies the shard if it is shared.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let index = self.shard_index(&key);
        let former = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[index]).insert(key, value);
        if former.is_none() {
            self.len += 1;
        }
        former
    }

    /// Takes `key` out and returns its value. Copies the shard if it is shared and has the key.
    pub(super) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let index = self.shard_index(key);
        if !self.shards[index].contains_key(key) {
            return None;
        }
        let former = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[index]).remove(key);
        self.len -= 1;
        former
    }

    /// All entries in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// Entries of shards that `other` does not share: every entry that differs is among them.
    /// The cost is the size of what changed since the two maps were one.
    pub(super) fn entries_not_shared_with<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a K, &'a V)> {
        self.shards
            .iter()
            .zip(other.shards.iter())
            .filter(|(mine, theirs)| !Arc::ptr_eq(mine, theirs))
            .flat_map(|(mine, _)| mine.iter())
    }

    fn shard_index<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        usize::from(self.hasher.hash_one(key).to_le_bytes()[SHARD_HASH_BYTE])
    }
}

impl<K: Hash + Eq + Clone, V: Clone + PartialEq> PartialEq for ShardedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && self
                .entries_not_shared_with(other)
                .all(|(key, value)| other.get(key) == Some(value))
    }
}
