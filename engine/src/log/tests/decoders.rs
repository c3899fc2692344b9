//! Every decoder of the engine's small files and every index: arbitrary bytes never panic, what was
//! encoded decodes to the same, lookups equal a naive model. And whole directories: any file of a
//! log damaged anywhere, opening and reading it may fail but not panic or run for ever. (Batches
//! and records are fuzzed in their own crate.)

use std::path::Path;

use proptest::prelude::*;
use ringbrook_record::Batches;

use super::support::*;
use crate::config::LogConfig;
use crate::index::{
    AbortedTransaction, IndexEntry, Lookup, OffsetEntry, SparseIndex, TimeEntry, TxnIndex,
};
use crate::io::{Access, Disk, SimDisk, block_on_ready};
use crate::log::leader_epoch::LeaderEpochs;
use crate::log::open::OpenHints;
use crate::log::producer_snapshot::{decode_snapshot, encode_snapshot};
use crate::segment::{DirKind, FileKind, partition_dir_name, segment_file_name};

fn aborted() -> impl Strategy<Value = Vec<AbortedTransaction>> {
    let one = (any::<i64>(), 0_i64..1000, 1_i64..100, 0_i64..);
    prop::collection::vec(one, 0..20).prop_map(|all| {
        let mut last_offset = 0;
        let all = all.into_iter();
        all.map(|(producer_id, before, step, last_stable_offset)| {
            last_offset += step;
            let first_offset = (last_offset - 1 - before).max(0);
            AbortedTransaction {
                producer_id,
                first_offset,
                last_offset,
                last_stable_offset,
            }
        })
        .collect()
    })
}

/// The largest entry not above `key`, wherever it is.
fn find<E: IndexEntry>(index: &SparseIndex<E>, disk: &SimDisk, key: E::Key) -> Option<E> {
    match index.find(key) {
        Lookup::Found(entry) => Some(entry),
        Lookup::Absent => None,
        Lookup::InFile(entries) => {
            let file = disk.open(Path::new("/index")).unwrap();
            let search = entries.find::<E, _>(Access::Blocking, disk, &file, key);
            block_on_ready(search).unwrap()
        }
    }
}

/// An index of which the first `written` entries are in the file.
fn index_of<E: IndexEntry>(all: &[E], written: usize) -> (SparseIndex<E>, SimDisk) {
    let disk = SimDisk::new(0);
    let file = disk.create(Path::new("/index")).unwrap();
    let mut index = SparseIndex::empty();
    for (number, &entry) in all.iter().enumerate() {
        if number == written {
            let unwritten = index.encode_unwritten();
            disk.write_all_at(&file, &unwritten.bytes, unwritten.position)
                .unwrap();
            index.mark_written(unwritten.count);
        }
        index.push(entry);
    }
    (index, disk)
}

/// A log of several segments with transactions, closed cleanly, on a disk of its own.
fn closed_log(config: LogConfig) -> SimDisk {
    let disk = SimDisk::new(3);
    let log = create(&disk, config);
    for number in 0..12 {
        append(&log, &produced(7, 0, number, 1, 100), client()).unwrap();
        append(&log, &transactional(9, 0, number, 1), client()).unwrap();
        append(&log, &marker(9, 0, number % 2 == 0), coordinator()).unwrap();
    }
    log.close(0).unwrap();
    disk.kill_process()
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Replace(Vec<u8>),
    Remove,
}

fn damage() -> impl Strategy<Value = (usize, Damage)> {
    let kind = prop_oneof![
        4 => (any::<usize>(), 1_u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        2 => any::<usize>().prop_map(Damage::Cut),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Damage::Replace),
        1 => Just(Damage::Remove),
    ];
    (any::<usize>(), kind)
}

fn apply(disk: &SimDisk, file: usize, damage: &Damage) {
    let files = disk.list(&partition_dir()).unwrap();
    let path = partition_dir().join(&files[file % files.len()].name);
    let mut content = disk.read_file(&path, 1 << 20).unwrap().unwrap();
    match damage {
        Damage::Flip(at, bits) if !content.is_empty() => {
            let at = at % content.len();
            content[at] ^= bits;
        }
        Damage::Flip(..) => {}
        Damage::Cut(at) => content.truncate(at % (content.len() + 1)),
        Damage::Replace(bytes) => content.clone_from(bytes),
        Damage::Remove => return disk.remove_file(&path).unwrap(),
    }
    let file = disk.create(&path).unwrap();
    disk.write_all_at(&file, &content, 0).unwrap();
}

proptest! {
    #[test]
    fn snapshots_of_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode_snapshot(&bytes).is_none_or(|state| state.len() * 46 <= bytes.len()));
        // With a right version and CRC the count and entries are reached.
        let mut sealed = vec![0, 1, 0, 0, 0, 0];
        sealed.extend_from_slice(&bytes);
        let crc = crc32c::crc32c(&bytes);
        sealed[2..6].copy_from_slice(&crc.to_be_bytes());
        if let Some(state) = decode_snapshot(&sealed) {
            prop_assert!(state.len() * 46 <= bytes.len());
            let again = decode_snapshot(&encode_snapshot(&state)).unwrap();
            prop_assert_eq!(again.len(), state.len());
        }
    }

    #[test]
    fn leader_epochs_round_trip_and_never_panic(
        steps in prop::collection::vec((1_i32..5, 0_i64..50), 0..20),
        text in "[0-9 \n-]{0,60}",
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut epochs = LeaderEpochs::default();
        let (mut epoch, mut offset) = (0, 0);
        for (by, further) in steps {
            (epoch, offset) = (epoch + by, offset + further);
            epochs.assign(epoch, offset);
        }
        prop_assert_eq!(LeaderEpochs::parse(epochs.render().as_bytes()), Ok(epochs));
        for content in [text.as_bytes(), &bytes] {
            if let Ok(parsed) = LeaderEpochs::parse(content) {
                prop_assert_eq!(LeaderEpochs::parse(parsed.render().as_bytes()), Ok(parsed));
            }
        }
    }

    #[test]
    fn transaction_indices_round_trip(all in aborted()) {
        let mut index = TxnIndex::default();
        let mut bytes = Vec::new();
        for aborted in &all {
            index.push(*aborted);
            aborted.encode(&mut bytes);
        }
        let decoded = TxnIndex::decode(&bytes, 0);
        prop_assert_eq!(decoded.is_some(), true);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        index.collect(0, i64::MAX, &mut before);
        decoded.unwrap().collect(0, i64::MAX, &mut after);
        prop_assert_eq!(before, after);
    }

    #[test]
    fn time_lookups_equal_a_linear_search(
        steps in prop::collection::vec((1_i64..30, 1_u32..9), 0..600),
        written in 0_usize..600,
        keys in prop::collection::vec(-10_i64..12_000, 20),
    ) {
        let (mut timestamp, mut relative_offset) = (0, 0);
        let all: Vec<_> = steps
            .iter()
            .map(|(later, further)| {
                (timestamp, relative_offset) = (timestamp + later, relative_offset + further);
                TimeEntry { timestamp, relative_offset }
            })
            .collect();
        let (index, disk) = index_of(&all, written);
        for key in keys {
            let expected = all.iter().rev().find(|entry| entry.timestamp <= key);
            prop_assert_eq!(find(&index, &disk, key), expected.copied());
        }
    }

    #[test]
    fn lookups_in_damaged_index_files_never_panic(
        content in prop::collection::vec(any::<u8>(), 0..4000),
        claimed_bytes in 0_u64..100_000,
        key: u32,
        time: i64,
    ) {
        let disk = SimDisk::new(0);
        let file = disk.create(Path::new("/index")).unwrap();
        disk.write_all_at(&file, &content, 0).unwrap();
        find(&SparseIndex::<OffsetEntry>::from_file(claimed_bytes), &disk, key);
        find(&SparseIndex::<TimeEntry>::from_file(claimed_bytes), &disk, time);
    }

    #[test]
    fn names_round_trip_and_never_panic(
        base_offset in 0_i64..,
        topic in "[a-zA-Z0-9._-]{1,40}",
        partition in 0_i32..,
        any_name in "\\PC{0,60}",
        near_name in "[0-9]{18,22}\\.(log|index|timeindex|txnindex|snapshot|swap)?",
    ) {
        for kind in FileKind::ALL {
            let name = segment_file_name(base_offset, kind);
            prop_assert_eq!(FileKind::parse(&name), Some((kind, base_offset)));
        }
        for name in [&any_name, &near_name] {
            if let Some((kind, base_offset)) = FileKind::parse(name) {
                prop_assert_eq!(&segment_file_name(base_offset, kind), name);
            }
            DirKind::parse(name);
        }
        if let Some(name) = partition_dir_name(&topic, partition) {
            let is_own = name.ends_with("-delete") || name.ends_with("-future");
            let expected = DirKind::Partition { topic, partition };
            prop_assert!(is_own || DirKind::parse(&name) == expected);
        }
    }
}

/// Flips a bit of every byte of every file in turn. Whatever opens then goes on: it takes another
/// aborted transaction, for whose place in the index all before it count.
#[test]
fn a_log_with_any_byte_damaged_never_panics_and_goes_on() {
    let config = LogConfig {
        segment_bytes: 1 << 20,
        index_interval_bytes: 100,
        ..LogConfig::default()
    };
    let intact = closed_log(config);
    let files = intact.list(&partition_dir()).unwrap();
    for (index, file) in files.iter().enumerate() {
        let path = partition_dir().join(&file.name);
        let bytes = intact.read_file(&path, 1 << 20).unwrap().unwrap().len();
        for (at, is_clean) in (0..bytes).flat_map(|at| [(at, false), (at, true)]) {
            let disk = closed_log(config);
            apply(&disk, index, &Damage::Flip(at, 1 << (at % 8)));
            let with = OpenHints {
                recovery_point: 25,
                ..hints(is_clean)
            };
            let Ok((log, _)) = try_open(&disk, config, with) else {
                continue;
            };
            // They may be refused, if a producer's state is damaged.
            drop(append(&log, &transactional(9, 0, 12, 1), client()));
            drop(append(&log, &marker(9, 0, false), coordinator()));
            assert!(!log.is_offline(), "{} at {at}, {is_clean}", file.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_logs_open_or_fail_but_never_panic(
        damages in prop::collection::vec(damage(), 1..4),
        is_clean: bool,
        recovery_point in 0_i64..40,
        log_start in prop_oneof![Just(0_i64), 0_i64..50],
    ) {
        let config = LogConfig {
            segment_bytes: 900,
            index_interval_bytes: 100,
            ..LogConfig::default()
        };
        let disk = closed_log(config);
        for (file, damage) in &damages {
            apply(&disk, *file, damage);
        }
        let with = OpenHints {
            recovery_point,
            log_start,
            ..hints(is_clean)
        };
        let Ok((log, _)) = try_open(&disk, config, with) else {
            return Ok(());
        };
        let offsets = log.offsets();
        prop_assert!(offsets.log_start <= offsets.log_end);
        // A damaged header may put the end billions of offsets away.
        let range = offsets.log_start..=offsets.log_end;
        for start in range.clone().take(100).chain(range.rev().take(100)) {
            if let Ok(slice) = log.read_blocking(start, 500, offsets.log_end, true)
                && let Ok(bytes) = log.load_blocking(&slice)
            {
                prop_assert!(Batches::new(&bytes).count() <= bytes.len() / 61 + 1);
            }
            drop(log.aborted_transactions(start, offsets.log_end));
            let epoch = log.epoch_of(start);
            prop_assert!(epoch.is_none_or(|epoch| 0 <= epoch));
        }
        // Refused or not, the next append must not panic either.
        drop(append(&log, &produced(8, 0, 0, 1, 10), client()));
    }
}
