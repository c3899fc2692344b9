//! The sharded map against a plain one, and what copies share.

use std::collections::HashMap as StdHashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::ShardedMap;

proptest! {
    #[test]
    fn equals_a_plain_map_after_any_changes(
        operations in prop::collection::vec((0u16..600, any::<Option<u32>>()), 0..400)
    ) {
        let mut map = ShardedMap::default();
        let mut model = StdHashMap::new();
        for (key, value) in operations {
            match value {
                Some(value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                None => prop_assert_eq!(map.remove(&key), model.remove(&key)),
            }
        }
        prop_assert_eq!(map.len(), model.len());
        let all: StdHashMap<u16, u32> = map.iter().map(|(key, value)| (*key, *value)).collect();
        prop_assert_eq!(all, model);
    }
}

#[test]
fn a_copy_keeps_what_it_had() {
    let mut map = ShardedMap::default();
    for key in 0..1000u32 {
        map.insert(key, key);
    }
    let before = map.clone();
    map.insert(7, 70);
    map.remove(&8);
    assert_eq!(before.get(&7), Some(&7));
    assert_eq!(before.get(&8), Some(&8));
    assert_eq!(before.len(), 1000);
    assert_eq!(map.get(&7), Some(&70));
    assert!(!map.contains_key(&8));
    assert!(before != map);
}

#[test]
fn one_change_unshares_one_shard() {
    let mut map = ShardedMap::default();
    for key in 0..10_000u32 {
        map.insert(key, key);
    }
    let before = map.clone();
    map.insert(7, 70);
    let unshared: Vec<_> = map.entries_not_shared_with(&before).collect();
    assert!(
        unshared
            .iter()
            .any(|(key, value)| (**key, **value) == (7, 70))
    );
    assert!(
        unshared.len() < 200,
        "{} of 10,000 entries copied",
        unshared.len()
    );
    let shared = map
        .shards
        .iter()
        .zip(before.shards.iter())
        .filter(|(a, b)| Arc::ptr_eq(a, b))
        .count();
    assert_eq!(shared, 255);
}

#[test]
fn removing_an_absent_key_copies_nothing() {
    let mut map = ShardedMap::default();
    map.insert(1, 1);
    let before = map.clone();
    assert_eq!(map.remove(&2), None);
    assert!(Arc::ptr_eq(&map.shards, &before.shards));
}

#[test]
fn maps_with_different_hash_seeds_compare_by_content() {
    let (mut a, mut b) = (ShardedMap::default(), ShardedMap::default());
    for key in 0..300u32 {
        a.insert(key, key);
        b.insert(299 - key, 299 - key);
    }
    assert!(a == b);
    b.insert(5, 6);
    assert!(a != b);
}
