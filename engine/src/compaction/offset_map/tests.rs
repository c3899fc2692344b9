//! Tests of the offset map, also against a `HashMap`.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[test]
fn a_slot_has_24_bytes_and_the_load_factor_bounds_the_keys() {
    let map = OffsetMap::new(24 * 1000 + 23, 0.9);
    assert_eq!(map.slots.len(), 1000);
    assert_eq!(map.keys_max(), 900);
}

#[test]
fn the_smallest_map_and_bad_factors_take_one_key_and_leave_a_slot_empty() {
    for factor in [0.0, -1.0, f64::NAN] {
        assert_eq!(OffsetMap::new(0, factor).keys_max(), 1);
    }
    for factor in [1.0, 9.0, f64::INFINITY] {
        assert_eq!(OffsetMap::new(24 * 10, factor).keys_max(), 9);
    }
    let mut map = OffsetMap::new(0, 0.9);
    assert!(!map.is_full());
    map.put(b"a", 5);
    assert!(map.is_full());
    assert_eq!((map.get(b"a"), map.get(b"b")), (Some(5), None));
}

#[test]
fn a_later_offset_overwrites_the_earlier_one() {
    let mut map = OffsetMap::new(2400, 0.9);
    map.put(b"key", 0);
    assert_eq!(map.get(b"key"), Some(0));
    map.put(b"key", 7);
    assert_eq!(map.get(b"key"), Some(7));
    assert_eq!(map.keys_count(), 1);
}

#[test]
fn clearing_forgets_keys_and_latest_offset() {
    let mut map = OffsetMap::new(2400, 0.9);
    map.put(b"key", 3);
    map.set_latest_offset(3);
    map.clear();
    assert_eq!((map.get(b"key"), map.keys_count()), (None, 0));
    assert_eq!(map.latest_offset(), -1);
}

#[test]
#[should_panic(expected = "the map has 1 keys")]
fn a_full_map_refuses_another_put() {
    let mut map = OffsetMap::new(48, 0.5);
    map.put(b"a", 1);
    map.put(b"b", 2);
}

#[test]
fn probes_read_the_hash_and_then_go_on_to_the_next_slot() {
    let map = OffsetMap::new(24 * 1000, 0.9);
    let hash = hash_of(b"");
    // d41d8cd98f00b204e9800998ecf8427e, the MD5 of nothing.
    assert_eq!(hash[..4], [0xd4, 0x1d, 0x8c, 0xd9]);
    let first = 0xd41d_8cd9_u32.cast_signed().unsigned_abs() as usize;
    let second = 0x1d8c_d98f_usize;
    let last = 0xecf8_427e_u32.cast_signed().unsigned_abs() as usize;
    assert_eq!(map.probe(hash, 0), first % 1000);
    assert_eq!(map.probe(hash, 1), second % 1000);
    assert_eq!(map.probe(hash, 12), last % 1000);
    assert_eq!(map.probe(hash, 13), (last + 1) % 1000);
    assert_eq!(map.probe(hash, 20), (last + 8) % 1000);
    let mut smallest = [0; HASH_BYTES];
    smallest[0] = 0x80;
    assert_eq!(map.probe(smallest, 0), 0);
}

#[test]
fn the_table_grows_with_its_keys_and_loses_none() {
    let mut map = OffsetMap::new(24 * 100_000, 0.9);
    assert_eq!(map.slots.len(), SLOTS_MIN);
    let mut sizes = vec![map.slots.len()];
    for n in 0..90_000_i64 {
        map.put(&n.to_be_bytes(), n);
        if sizes.last() != Some(&map.slots.len()) {
            sizes.push(map.slots.len());
        }
    }
    assert_eq!(sizes, [4096, 16_384, 65_536, 100_000]);
    assert!(map.is_full());
    assert!((0..90_000_i64).all(|n| map.get(&n.to_be_bytes()) == Some(n)));
    map.clear();
    assert_eq!(map.slots.len(), SLOTS_MIN);
}

proptest! {
    #[test]
    fn the_map_equals_a_hash_map(
        slots in 2_usize..300,
        puts in prop::collection::vec((0_u16..400, 0_i64..i64::MAX), 0..500),
    ) {
        let mut map = OffsetMap::new(slots * 24, 1.0);
        let mut model = HashMap::new();
        for (key, offset) in puts {
            if map.is_full() {
                break;
            }
            map.put(&key.to_be_bytes(), offset);
            model.insert(key, offset);
        }
        prop_assert_eq!(map.keys_count(), model.len());
        for key in 0_u16..400 {
            prop_assert_eq!(map.get(&key.to_be_bytes()), model.get(&key).copied());
        }
    }
}
