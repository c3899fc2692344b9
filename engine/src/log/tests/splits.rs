//! Segments with offsets further from their base offset than index entries can tell, as Kafka
//! before 1.1 wrote them, are split when the log is opened: contents, indices, damage, power cuts.

use std::collections::BTreeMap;

use super::support::*;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::index::AbortedTransaction;
use crate::io::{Disk, Fault, SimDisk};
use crate::log::open::OpenHints;
use crate::proof::rebuild::check_rebuilt;
use crate::segment::{FileKind, segment_file_name};

/// One more than the largest distance of an offset to its segment's base.
const REACH: i64 = 1 << 31;
/// Offsets of the batches of one segment, which has to become three.
const WIDE: [i64; 9] = [
    3,
    4,
    700,
    REACH - 1,
    REACH,
    REACH + 9,
    2 * REACH - 1,
    2 * REACH,
    2 * REACH + 8,
];
/// What follows from [`WIDE`]: a piece begins with the first batch out of reach of the last one.
const PIECES: [i64; 3] = [0, REACH, 2 * REACH];
/// Base offset of the segment behind it.
const NEXT: i64 = 3 * REACH;

fn config() -> LogConfig {
    LogConfig {
        index_interval_bytes: 100,
        ..LogConfig::default()
    }
}

/// What the checkpoint says after everything was flushed.
fn flushed(is_clean: bool) -> OpenHints {
    OpenHints {
        recovery_point: 4 * REACH,
        ..hints(is_clean)
    }
}

fn stored(offset: i64) -> Vec<u8> {
    let mut bytes = timed(1000 + offset % 1000, 1).to_vec();
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes[12..16].copy_from_slice(&0_i32.to_be_bytes());
    bytes
}

fn write(disk: &SimDisk, base_offset: i64, kind: FileKind, bytes: &[u8]) {
    let file = disk
        .create(&partition_dir().join(segment_file_name(base_offset, kind)))
        .unwrap();
    disk.write_all_at(&file, bytes, 0).unwrap();
    disk.sync(&file).unwrap();
}

/// The offset as it got into the indices: its lower 32 bits.
fn wrapped(base_offset: i64, offset: i64) -> [u8; 4] {
    let relative = (offset - base_offset).to_be_bytes();
    [relative[4], relative[5], relative[6], relative[7]]
}

/// A segment as Kafka wrote it, with an offset index entry for each batch but the first.
fn write_segment(disk: &SimDisk, base_offset: i64, offsets: &[i64]) {
    let (mut log, mut index) = (Vec::new(), Vec::new());
    for &offset in offsets {
        if !log.is_empty() {
            index.extend_from_slice(&wrapped(base_offset, offset));
            index.extend_from_slice(&u32::try_from(log.len()).unwrap().to_be_bytes());
        }
        log.extend_from_slice(&stored(offset));
    }
    let newest = offsets.iter().max_by_key(|offset| *offset % 1000).unwrap();
    let mut times = (1000 + newest % 1000).to_be_bytes().to_vec();
    times.extend_from_slice(&wrapped(base_offset, *newest));
    write(disk, base_offset, FileKind::Log, &log);
    write(disk, base_offset, FileKind::OffsetIndex, &index);
    write(disk, base_offset, FileKind::TimeIndex, &times);
    disk.sync_dir(&partition_dir()).unwrap();
}

/// A log of these segments.
fn written(seed: u64, segments: &[(i64, &[i64])]) -> SimDisk {
    let disk = SimDisk::new(seed);
    let log = create(&disk, config());
    log.close(0).unwrap();
    for (base_offset, offsets) in segments {
        write_segment(&disk, *base_offset, offsets);
    }
    disk
}

fn wide_and_next(seed: u64) -> SimDisk {
    written(seed, &[(0, &WIDE), (NEXT, &[NEXT + 2])])
}

fn bytes_of(offsets: &[i64]) -> Vec<u8> {
    offsets.iter().flat_map(|offset| stored(*offset)).collect()
}

fn with_next(offsets: &[i64]) -> Vec<i64> {
    [offsets, &[NEXT + 2]].concat()
}

fn bases(disk: &SimDisk) -> Vec<i64> {
    let entries = disk.list(&partition_dir()).unwrap();
    let names = entries.iter().map(|entry| entry.name.as_str());
    let files = names.filter_map(FileKind::parse);
    let logs = files.filter(|(kind, _)| *kind == FileKind::Log);
    logs.map(|(_, base_offset)| base_offset).collect()
}

fn indices(disk: &SimDisk) -> BTreeMap<(i64, FileKind), Vec<u8>> {
    let mut found = BTreeMap::new();
    for base_offset in bases(disk) {
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
            let path = partition_dir().join(segment_file_name(base_offset, kind));
            let content = disk.read_file(&path, 1 << 20).unwrap().unwrap();
            found.insert((base_offset, kind), content);
        }
    }
    found
}

/// Only files that have their names for good.
fn assert_tidy(disk: &SimDisk) {
    for entry in disk.list(&partition_dir()).unwrap() {
        let is_other = entry.name == "partition.metadata" || entry.name.starts_with("leader-epoch");
        assert!(
            is_other || FileKind::parse(&entry.name).is_some(),
            "{}",
            entry.name
        );
    }
}

/// Opens the log, which has to hold batches at these offsets and nothing else.
fn assert_holds(disk: &SimDisk, hints: OpenHints, offsets: &[i64]) {
    let (log, report) = open(disk, config(), hints);
    assert_eq!(log.offsets().log_end, offsets.last().unwrap() + 1);
    log.advance_high_watermark(i64::MAX);
    assert!(read_all(&log, 0) == bytes_of(offsets), "{report:?}");
    for (index, &offset) in offsets.iter().enumerate() {
        let end = log.offsets().log_end;
        let slice = log.read_blocking(offset, 1, end, true).unwrap();
        assert_eq!(log.load_blocking(&slice).unwrap(), stored(offset));
        // An offset in the gap before leads to the same batch.
        if index == 0 || offsets[index - 1] < offset - 1 {
            let slice = log.read_blocking(offset - 1, 1, end, true).unwrap();
            assert_eq!(log.load_blocking(&slice).unwrap(), stored(offset));
        }
    }
    assert_tidy(disk);
}

#[test]
fn a_wide_segment_is_split_at_every_kind_of_open() {
    for hints in [hints(true), hints(false), flushed(true), flushed(false)] {
        let disk = wide_and_next(1);
        assert_holds(&disk, hints, &with_next(&WIDE));
        assert_eq!(bases(&disk), [&PIECES[..], &[NEXT]].concat(), "{hints:?}");
        check_rebuilt(&disk, &partition_dir(), &config()).unwrap();
        // The same when it is the last.
        let disk = written(1, &[(0, &WIDE)]);
        assert_holds(&disk, hints, &WIDE);
        assert_eq!(bases(&disk), PIECES, "{hints:?}");
        check_rebuilt(&disk, &partition_dir(), &config()).unwrap();
    }
}

#[test]
fn its_pieces_have_the_indices_a_recovery_makes_and_are_appended_to() {
    let disk = wide_and_next(1);
    assert_holds(&disk, hints(true), &with_next(&WIDE));
    let made = indices(&disk);
    assert!(made.values().any(|content| 8 < content.len()));
    let disk = disk.restart();
    for base_offset in PIECES {
        let path = partition_dir().join(segment_file_name(base_offset, FileKind::OffsetIndex));
        disk.remove_file(&path).unwrap();
    }
    assert_holds(&disk, hints(false), &with_next(&WIDE));
    assert_eq!(indices(&disk), made, "L3");
    let log = open(&disk, config(), hints(false)).0;
    let appended = append(&log, &batch(1, 10), client()).unwrap();
    assert_eq!(appended.base_offset, NEXT + 3);
}

#[test]
fn a_gap_to_the_next_segment_alone_is_no_reason_to_split() {
    for hints in [hints(true), hints(false), flushed(false)] {
        let near = [3, 4, REACH - 1];
        let disk = written(1, &[(0, &near), (NEXT, &[NEXT + 2])]);
        assert_holds(&disk, hints, &with_next(&near));
        assert_eq!(bases(&disk), [0, NEXT]);
    }
}

#[test]
fn a_segment_whose_first_batch_is_out_of_reach_is_split() {
    let far = [2 * REACH + 5, 2 * REACH + 6];
    for hints in [hints(true), hints(false)] {
        let disk = written(1, &[(0, &far), (NEXT, &[NEXT + 2])]);
        assert_holds(&disk, hints, &with_next(&far));
        assert_eq!(bases(&disk), [0, far[0], NEXT]);
        check_rebuilt(&disk, &partition_dir(), &config()).unwrap();
        assert_holds(&disk.restart(), hints, &with_next(&far));
    }
}

#[test]
fn aborted_transactions_go_with_their_markers() {
    let entry = |offset: i64| AbortedTransaction {
        producer_id: 9,
        first_offset: 3,
        last_offset: offset,
        last_stable_offset: offset + 1,
    };
    let disk = wide_and_next(1);
    let encode = |offsets: &[i64]| {
        let mut content = Vec::new();
        for offset in offsets {
            entry(*offset).encode(&mut content);
        }
        content
    };
    let all = encode(&[700, REACH + 9, 2 * REACH - 1]);
    write(&disk, 0, FileKind::TxnIndex, &all);
    disk.sync_dir(&partition_dir()).unwrap();
    assert_holds(&disk, hints(true), &with_next(&WIDE));
    let read = |base_offset| {
        let path = partition_dir().join(segment_file_name(base_offset, FileKind::TxnIndex));
        disk.read_file(&path, 1 << 20).unwrap()
    };
    assert_eq!(read(0), Some(encode(&[700])));
    assert_eq!(read(REACH), Some(encode(&[REACH + 9, 2 * REACH - 1])));
    assert_eq!(read(2 * REACH), None);
}

/// Changes a byte of the batch with this number in the first segment.
fn damage(disk: &SimDisk, number: usize, byte: usize, bits: u8) {
    let path = partition_dir().join(segment_file_name(0, FileKind::Log));
    let mut log = disk.read_file(&path, 1 << 20).unwrap().unwrap();
    log[number * stored(0).len() + byte] ^= bits;
    write(disk, 0, FileKind::Log, &log);
}

#[test]
fn a_damaged_batch_is_cut_away_by_a_recovery_and_left_alone_by_a_clean_open() {
    let last_byte = stored(0).len() - 1;
    let disk = wide_and_next(1);
    damage(&disk, 5, last_byte, 1);
    let (_, report) = open(&disk, config(), hints(false));
    let batch_bytes = u64::try_from(stored(0).len()).unwrap();
    assert_eq!(report.truncated_bytes, 5 * batch_bytes);
    assert_eq!(bases(&disk), PIECES[..2]);
    assert_holds(&disk, hints(false), &WIDE[..5]);

    let disk = wide_and_next(1);
    damage(&disk, 5, last_byte, 1);
    let (log, report) = open(&disk, config(), hints(true));
    assert_eq!((report.truncated_bytes, bases(&disk)), (0, vec![0, NEXT]));
    assert_eq!(log.offsets().log_end, NEXT + 3);
}

/// The base offset is not covered by the CRC, so a wrong one must not be taken for a far one.
#[test]
fn a_wild_base_offset_is_damage() {
    for (byte, bits) in [(0, 0x40), (3, 1), (4, 0x80)] {
        for segments in [
            &[(0, &[3_i64, 4, 5][..])][..],
            &[(0, &[3, 4, 5]), (6, &[6])],
        ] {
            let disk = written(1, segments);
            damage(&disk, 2, byte, bits);
            assert_holds(&disk, hints(false), &[3, 4]);
            assert_eq!(bases(&disk), [0], "byte {byte}");
        }
        let disk = written(1, &[(0, &[3, 4, 5])]);
        damage(&disk, 2, byte, bits);
        assert_holds(&disk, hints(true), &[3, 4]);
    }
}

#[test]
fn a_power_cut_at_every_operation_of_the_split_loses_nothing() {
    let mut whole = 0;
    for first_hints in [hints(true), hints(false), flushed(false)] {
        for cut in 0.. {
            let mut is_done = false;
            for seed in 0..6 {
                let disk = wide_and_next(seed);
                disk.fail_at(disk.mutations() + cut, Fault::PowerCut);
                is_done = try_open(&disk, config(), first_hints).is_ok();
                for later in [hints(false), flushed(false)] {
                    let disk = disk.restart();
                    whole += u32::from(bases(&disk).len() == 2);
                    assert_holds(&disk, later, &with_next(&WIDE));
                    assert_eq!(bases(&disk), [&PIECES[..], &[NEXT]].concat());
                }
            }
            if is_done {
                break;
            }
            assert!(cut < 500, "the open comes to an end");
        }
    }
    assert!(0 < whole, "some cuts come before the new segments count");
}

#[test]
fn a_second_power_cut_loses_nothing() {
    for first in 0..60 {
        for second in 0..30 {
            let disk = wide_and_next(first);
            disk.fail_at(disk.mutations() + first, Fault::PowerCut);
            drop(try_open(&disk, config(), hints(false)));
            let disk = disk.restart();
            disk.fail_at(second, Fault::PowerCut);
            drop(try_open(&disk, config(), hints(false)));
            assert_holds(&disk.restart(), hints(false), &with_next(&WIDE));
        }
    }
}

#[test]
fn a_failed_operation_fails_the_open_and_loses_nothing() {
    for at in 0..40 {
        let disk = wide_and_next(at);
        disk.fail_at(disk.mutations() + at, Fault::Eio);
        if let Err(error) = try_open(&disk, config(), hints(true)) {
            assert!(matches!(error, EngineError::Io { .. }), "{error}");
        }
        assert_holds(&disk.restart(), hints(false), &with_next(&WIDE));
    }
}
