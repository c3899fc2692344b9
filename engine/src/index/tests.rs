//! Tests of the index formats and lookups.

use std::path::Path;

use proptest::prelude::*;

use super::txn_index::TXN_ENTRY_BYTES;
use super::*;
use crate::io::{Access, Disk, SimDisk, block_on_ready};

fn entry(relative_offset: u32) -> OffsetEntry {
    OffsetEntry {
        relative_offset,
        position: relative_offset * 10,
    }
}

/// Finds `key` wherever the entry is.
fn find(index: &SparseIndex<OffsetEntry>, disk: &SimDisk, key: u32) -> Option<OffsetEntry> {
    match index.find(key) {
        Lookup::Found(entry) => Some(entry),
        Lookup::Absent => None,
        Lookup::InFile(entries) => {
            let file = disk.open(Path::new("/index")).unwrap();
            let search = entries.find::<OffsetEntry, _>(Access::Blocking, disk, &file, key);
            block_on_ready(search).unwrap()
        }
    }
}

/// Finds the neighbours of `key` as a segment does, and again from memory.
fn around(
    index: &mut SparseIndex<OffsetEntry>,
    disk: &SimDisk,
    key: u32,
) -> Neighbours<OffsetEntry> {
    let entries = match index.around(key) {
        Ok(found) => return found,
        Err(entries) => entries,
    };
    let file = disk.open(Path::new("/index")).unwrap();
    let search = entries.page::<OffsetEntry, _>(Access::Blocking, disk, &file, key);
    index.remember(entries, block_on_ready(search).unwrap());
    index
        .around(key)
        .expect("the page that was just read holds the key's floor")
}

/// The last entry of a page used to have no neighbour above, and its floor was lost: a fetch there
/// read all headers of its segment.
#[test]
fn every_entry_of_a_large_index_has_its_neighbours() {
    let disk = SimDisk::new(0);
    let file = disk.create(Path::new("/index")).unwrap();
    for count in [256, 257, 1024, 16_383] {
        let mut index = SparseIndex::empty();
        (1..=count).for_each(|key| index.push(entry(key)));
        let unwritten = index.encode_unwritten();
        disk.write_all_at(&file, &unwritten.bytes, 0).unwrap();
        index.mark_written(unwritten.count);
        for key in 1..=count {
            index.forget_page();
            let found = around(&mut index, &disk, key);
            assert_eq!(found.floor, Some(entry(key)));
            assert_eq!(found.ceiling, (key < count).then(|| entry(key + 1)));
        }
    }
}

#[test]
fn entries_have_kafkas_layout() {
    let mut bytes = Vec::new();
    OffsetEntry {
        relative_offset: 0x0102_0304,
        position: 0x0506_0708,
    }
    .encode(&mut bytes);
    assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
    bytes.clear();
    TimeEntry {
        timestamp: 0x0102_0304_0506_0708,
        relative_offset: 9,
    }
    .encode(&mut bytes);
    assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9]);
    bytes.clear();
    let aborted = AbortedTransaction {
        producer_id: 1,
        first_offset: 2,
        last_offset: 3,
        last_stable_offset: 4,
    };
    aborted.encode(&mut bytes);
    assert_eq!(bytes.len(), TXN_ENTRY_BYTES);
    assert_eq!(bytes[..10], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(bytes[26..], [0, 0, 0, 0, 0, 0, 0, 4]);
}

/// A transaction index with markers at these offsets.
fn txn_index_file(last_offsets: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &last_offset in last_offsets {
        let aborted = AbortedTransaction {
            producer_id: 1,
            first_offset: 10,
            last_offset,
            last_stable_offset: last_offset + 1,
        };
        aborted.encode(&mut bytes);
    }
    bytes
}

#[test]
fn txn_index_refuses_what_is_not_its_format() {
    let encode = txn_index_file;
    assert!(TxnIndex::decode(&encode(&[12, 14]), 10).is_some());
    assert!(
        TxnIndex::decode(&encode(&[14, 12]), 10).is_none(),
        "not increasing"
    );
    assert!(
        TxnIndex::decode(&encode(&[12]), 13).is_none(),
        "below the segment"
    );
    assert!(TxnIndex::decode(&encode(&[12])[..33], 10).is_none(), "cut");
    let mut version = encode(&[12]);
    version[1] = 1;
    assert!(TxnIndex::decode(&version, 10).is_none(), "unknown version");
}

#[test]
fn txn_index_above_the_recovery_point_may_be_torn_and_below_it_not() {
    let trusted = |bytes: &[u8]| {
        let index = TxnIndex::decode_trusted(bytes, 10, 20)?;
        Some(index.entries().iter().map(|it| it.last_offset).collect())
    };
    let below = Some(vec![12, 14, 16]);
    let bytes = txn_index_file(&[12, 14, 16, 20, 22]);
    let fourth = 3 * TXN_ENTRY_BYTES;
    assert_eq!(trusted(&bytes), below);
    assert_eq!(trusted(&bytes[..fourth + 5]), below, "the file was cut");
    for range in [fourth..bytes.len(), fourth..fourth + TXN_ENTRY_BYTES] {
        let mut zeroed = bytes.clone();
        zeroed[range].fill(0);
        assert_eq!(trusted(&zeroed), below, "a crash leaves zeros");
    }
    for entry in 0..3 {
        let at = entry * TXN_ENTRY_BYTES;
        let mut damaged = bytes.clone();
        damaged[at + 1] = 7;
        assert_eq!(trusted(&damaged), None, "version of entry {entry}");
        let mut damaged = bytes.clone();
        damaged[at + 18] ^= 0x80;
        assert_eq!(trusted(&damaged), None, "sign of the marker of {entry}");
        if entry < 2 {
            let mut damaged = bytes.clone();
            damaged[at + 18] ^= 0x40;
            assert_eq!(
                trusted(&damaged),
                None,
                "entry {entry} is above those after"
            );
            damaged[at..at + TXN_ENTRY_BYTES].fill(0);
            assert_eq!(trusted(&damaged), None, "entry {entry} is zero");
        }
    }
}

#[test]
fn txn_index_may_be_torn_where_a_sector_ends() {
    // The 16th entry lies across the border of the first two sectors.
    let offsets: Vec<i64> = (11..40).collect();
    let bytes = txn_index_file(&offsets);
    let mut torn = bytes.clone();
    torn[512..].fill(0);
    let index = TxnIndex::decode_trusted(&torn, 10, 26).unwrap();
    assert_eq!(index.entries().len(), 15);
}

#[test]
fn txn_lookup_takes_what_overlaps_the_fetch() {
    let mut index = TxnIndex::default();
    for (first_offset, last_offset, last_stable_offset) in [(0, 5, 3), (3, 9, 10), (12, 20, 21)] {
        index.push(AbortedTransaction {
            producer_id: first_offset,
            first_offset,
            last_offset,
            last_stable_offset,
        });
    }
    let mut found = Vec::new();
    assert!(
        index.collect(6, 10, &mut found),
        "the second entry covers the fetch"
    );
    assert_eq!(
        found
            .iter()
            .map(|entry| entry.first_offset)
            .collect::<Vec<_>>(),
        [3]
    );
    found.clear();
    assert!(!index.collect(0, 30, &mut found));
    assert_eq!(found.len(), 3);
}

proptest! {
    #[test]
    fn lookup_equals_a_linear_search(
        steps in prop::collection::vec(1_u32..20, 0..700),
        written in 0_usize..700,
        keys in prop::collection::vec(0_u32..8000, 20),
    ) {
        let mut at = 0;
        let all: Vec<_> = steps.iter().map(|step| { at += step; entry(at) }).collect();
        let disk = SimDisk::new(0);
        let file = disk.create(Path::new("/index")).unwrap();
        let mut index = SparseIndex::empty();
        for (number, &entry) in all.iter().enumerate() {
            if number == written {
                let unwritten = index.encode_unwritten();
                disk.write_all_at(&file, &unwritten.bytes, unwritten.position).unwrap();
                index.mark_written(unwritten.count);
            }
            index.push(entry);
        }
        prop_assert_eq!(index.count(), all.len());
        for key in keys {
            let expected = all.iter().rev().find(|entry| entry.relative_offset <= key);
            prop_assert_eq!(find(&index, &disk, key), expected.copied());
            let found = around(&mut index, &disk, key);
            prop_assert_eq!(found.floor, expected.copied());
            let above = all.iter().find(|entry| key < entry.relative_offset);
            // At the end of a page the next entry may be unknown, but never wrong.
            if found.ceiling.is_some() || found.floor.is_none() {
                prop_assert_eq!(found.ceiling, above.copied());
            }
        }
    }

    #[test]
    fn decoding_a_txn_index_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(index) = TxnIndex::decode(&bytes, 0) {
            prop_assert_eq!(index.file_bytes(), bytes.len() as u64);
        }
    }
}
