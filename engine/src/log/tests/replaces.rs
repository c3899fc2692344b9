//! Replacing segments by rewritten ones: contents, readers, refusals, and the machine going off at
//! every operation.

use std::sync::Arc;

use ringbrook_record::Batches;

use super::support::*;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::index::AbortedTransaction;
use crate::io::{Disk, Fault, SimDisk};
use crate::log::PartitionLog;
use crate::log::open::OpenHints;
use crate::segment::{FileKind, RewrittenSegment, Segment, SegmentRewriter, segment_file_name};

type Log = Arc<PartitionLog<SimDisk>>;
type Segments = Vec<Arc<Segment<SimDisk>>>;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 500,
        index_interval_bytes: 100,
        ..LogConfig::default()
    }
}

/// A log of 24 batches of one record in several segments.
fn filled(disk: &SimDisk) -> Log {
    let log = create(disk, config());
    for sequence in 0..24 {
        append(&log, &produced(9, 0, sequence, 1, 60), client()).unwrap();
    }
    assert!(6 < log.segments_count());
    log
}

fn rolled(log: &Log) -> Segments {
    let state = log.lock();
    let (_, rolled) = state.segments.split_last().unwrap();
    rolled.to_vec()
}

/// Writes the batches of `old` that pass into one segment, or into several that begin at `bases`.
fn rewrite(
    log: &Log,
    old: &Segments,
    bases: &[i64],
    passes: impl Fn(i64) -> bool,
) -> Result<Vec<RewrittenSegment<SimDisk>>, EngineError> {
    let mut done = Vec::new();
    for (index, &base) in bases.iter().enumerate() {
        let end = bases.get(index + 1).copied().unwrap_or(i64::MAX);
        let mut rewriter =
            SegmentRewriter::create(&log.disk, &log.dir.load(), base, &log.config())?;
        for segment in old {
            let file = log.open_blocking(segment, FileKind::Log)?;
            let mut bytes = vec![0; usize::try_from(segment.bytes()).unwrap()];
            log.disk.read_at(&file, &mut bytes, 0).unwrap();
            for batch in Batches::new(&bytes).map(Result::unwrap) {
                let offset = batch.header.base_offset;
                if (base..end).contains(&offset) && passes(offset) {
                    rewriter.append(&batch.header, batch.bytes)?;
                }
            }
        }
        let bytes = rewriter.bytes();
        let new = rewriter.finish(5000)?;
        assert_eq!(new.segment().bytes(), bytes);
        done.push(new);
    }
    Ok(done)
}

fn offsets_in(log: &Log) -> Vec<i64> {
    let end = log.offsets().log_end;
    let (mut offsets, mut at) = (Vec::new(), log.offsets().log_start);
    loop {
        let slice = log.read_blocking(at, 1 << 20, end, true).unwrap();
        let part = log.load_blocking(&slice).unwrap();
        if part.is_empty() {
            return offsets;
        }
        for batch in Batches::new(&part).map(Result::unwrap) {
            offsets.push(batch.header.base_offset);
            at = batch.header.last_offset() + 1;
        }
    }
}

fn names(disk: &SimDisk) -> Vec<String> {
    let entries = disk.list(&partition_dir()).unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

fn is_plain(name: &str) -> bool {
    ![".cleaned", ".swap"].iter().any(|end| name.ends_with(end))
}

/// Even offsets and everything from the active segment on.
fn kept(all: &[i64], active: i64) -> Vec<i64> {
    let passes = |offset: &&i64| **offset % 2 == 0 || active <= **offset;
    all.iter().filter(passes).copied().collect()
}

#[test]
fn a_rewritten_segment_takes_the_place_of_several() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let before = offsets_in(&log);
    let old = rolled(&log);
    let active = log.lock().active().base_offset();
    let new = rewrite(&log, &old, &[0], |offset| offset % 2 == 0).unwrap();
    let renamed = log.replace_segments(&old, new).unwrap();
    assert_eq!(offsets_in(&log), kept(&before, active));
    assert_eq!(log.segments_count(), 2);
    let swept = names(&disk);
    assert!(swept.iter().all(|name| is_plain(name)), "{swept:?}");
    for path in &renamed {
        disk.remove_file(path).unwrap();
    }
    let plain = |kind| segment_file_name(0, kind);
    let replaced = partition_dir().join(plain(FileKind::Log));
    assert_eq!(disk.stat(&replaced).unwrap().modified_ms, 5000);
    assert!(
        !names(&disk).contains(&segment_file_name(old[1].base_offset(), FileKind::Snapshot)),
        "snapshots go with the segments they stand before"
    );
    let expected = offsets_in(&log);
    log.close(0).unwrap();
    let log = open(&disk, config(), hints(true)).0;
    assert_eq!(offsets_in(&log), expected);
    append(&log, &produced(9, 0, 24, 1, 60), client()).unwrap();
    let expected = offsets_in(&log);
    let log = open(&disk.restart(), config(), hints(false)).0;
    assert_eq!(offsets_in(&log), expected);
    assert_eq!(log.active_producers()[0].last_sequence, 24);
}

#[test]
fn its_indices_are_those_a_recovery_makes() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let old = rolled(&log);
    let new = rewrite(&log, &old, &[0], |offset| offset % 3 != 1).unwrap();
    log.replace_segments(&old, new).unwrap();
    let read = |disk: &SimDisk, kind| {
        let path = partition_dir().join(segment_file_name(0, kind));
        disk.read_file(&path, 1 << 20).unwrap().unwrap()
    };
    let kinds = [FileKind::OffsetIndex, FileKind::TimeIndex];
    let written = kinds.map(|kind| read(&disk, kind));
    assert!(written.iter().all(|bytes| !bytes.is_empty()));
    let disk = disk.restart();
    open(&disk, config(), hints(false));
    assert_eq!(kinds.map(|kind| read(&disk, kind)), written, "L3");
}

#[test]
fn readers_of_replaced_segments_go_on() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let active = log.lock().active().base_offset();
    let all = offsets_in(&log);
    log.close_idle_files();
    log.close_idle_files();
    let old = rolled(&log);
    let slice = log.read_blocking(1, 100, 24, true).unwrap();
    let before = log.load_blocking(&slice).unwrap();
    let new = rewrite(&log, &old, &[0], |offset| offset % 2 == 0).unwrap();
    for path in log.replace_segments(&old, new).unwrap() {
        disk.remove_file(&path).unwrap();
    }
    assert_eq!(log.load_blocking(&slice).unwrap(), before);
    // A reader that chose its segment before, and looks for the file only now.
    for segment in &old {
        let file = log.open_blocking(segment, FileKind::Log).unwrap();
        assert_eq!(disk.file_bytes(&file).unwrap(), segment.bytes());
    }
    assert_eq!(offsets_in(&log), kept(&all, active));
}

#[test]
fn nothing_changes_when_the_segments_are_others_or_the_log_is_gone() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let (before, old) = (offsets_in(&log), rolled(&log));
    let attempt = |old: &Segments| {
        let new = rewrite(&log, old, &[old[0].base_offset()], |_| true).unwrap();
        log.replace_segments(old, new)
    };
    let with_gap = vec![Arc::clone(&old[0]), Arc::clone(&old[2])];
    let with_active = vec![Arc::clone(log.lock().active())];
    for wrong in [&with_gap, &with_active] {
        let result = attempt(wrong);
        assert!(matches!(result, Err(EngineError::SegmentsChanged { .. })));
    }
    assert_eq!(offsets_in(&log), before);
    assert!(
        names(&disk).iter().all(|name| is_plain(name)),
        "unused files are removed"
    );
    attempt(&old).unwrap();
    let result = attempt(&old);
    assert!(matches!(result, Err(EngineError::SegmentsChanged { .. })));
    let now = rolled(&log);
    log.close(0).unwrap();
    let new = rewrite(&log, &now, &[0], |_| true).unwrap();
    let result = log.replace_segments(&now, new);
    assert!(matches!(result, Err(EngineError::LogGone { .. })));
    assert_eq!(offsets_in(&log), before);
    assert!(names(&disk).iter().all(|name| is_plain(name)));
}

#[test]
fn an_abandoned_rewrite_leaves_no_files() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let before = names(&disk);
    let rewriter = SegmentRewriter::create(&disk, &partition_dir(), 0, &config()).unwrap();
    assert!(names(&disk).len() == before.len() + 3);
    assert_eq!(rewriter.bytes(), 0);
    rewriter.abandon();
    assert_eq!(names(&disk), before);
    disk.fail_at(disk.mutations() + 4, Fault::Enospc);
    let failed = rewrite(&log, &rolled(&log), &[0], |_| true);
    assert!(failed.is_err());
    assert_eq!(names(&disk), before, "also when the disk is full");
    assert!(
        !log.is_offline(),
        "a full disk costs the round, not the dir"
    );
}

#[test]
fn aborted_transactions_move_with_their_markers() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let old = rolled(&log);
    let mut rewriter = SegmentRewriter::create(&disk, &partition_dir(), 0, &config()).unwrap();
    let aborted = AbortedTransaction {
        producer_id: 9,
        first_offset: 1,
        last_offset: 5,
        last_stable_offset: 6,
    };
    rewriter.add_aborted(aborted);
    let new = vec![rewriter.finish(1).unwrap()];
    log.replace_segments(&old, new).unwrap();
    assert_eq!(log.aborted_transactions(0, 24), [aborted]);
    log.close(0).unwrap();
    let again = open(&disk, config(), hints(true)).0;
    assert_eq!(again.aborted_transactions(0, 24), [aborted]);
}

/// Replaces, with the fault at the given operation after the beginning of the replacement; returns
/// the disk and whether the replacement came to its end.
fn replace_with(seed: u64, bases: &[i64], fault_at: u64, fault: Fault) -> (SimDisk, Log, bool) {
    let disk = SimDisk::new(seed);
    let log = filled(&disk);
    let old = rolled(&log);
    disk.fail_at(disk.mutations() + fault_at, fault);
    let replaced = rewrite(&log, &old, bases, |offset| offset % 2 == 0)
        .and_then(|new| log.replace_segments(&old, new));
    (disk, log, replaced.is_ok())
}

fn after_recovery(disk: &SimDisk) -> Vec<i64> {
    let log = open(disk, config(), hints(false)).0;
    assert!(
        names(disk).iter().all(|name| is_plain(name)),
        "{:?}",
        names(disk)
    );
    assert_eq!(log.offsets().log_end, 24, "the end stays");
    assert_eq!(log.active_producers()[0].last_sequence, 23);
    append(&log, &produced(9, 0, 24, 1, 60), client()).unwrap();
    let mut offsets = offsets_in(&log);
    assert_eq!(offsets.pop(), Some(24));
    offsets
}

/// With the last batch of each range kept, a cut leaves all of the old or all of the new.
#[test]
fn a_power_cut_at_every_operation_leaves_the_old_or_the_new_segments() {
    for bases in [&[0][..], &[0, 8, 16][..]] {
        let (_, log, _) = replace_with(1, bases, u64::MAX / 2, Fault::PowerCut);
        let active = log.lock().active().base_offset();
        let old: Vec<i64> = (0..24).collect();
        let new = kept(&old, active);
        let last_rolled = active - 1;
        let (mut saw_old, mut saw_new) = (false, false);
        for cut in 0.. {
            let mut is_done = false;
            for seed in 0..12 {
                let (disk, _, done) = replace_with(seed, bases, cut, Fault::PowerCut);
                is_done = done;
                let disk = disk.restart();
                let found = after_recovery(&disk);
                saw_old |= found == old;
                saw_new |= found == new;
                // What lies past the last batch kept may come back: see `log::replace`.
                let with_rest: Vec<i64> = (0..24)
                    .filter(|offset| new.contains(offset) || *offset == last_rolled)
                    .collect();
                assert!(
                    found == old || !done && found == with_rest || found == new,
                    "cut {cut} seed {seed}: {found:?}"
                );
                assert!(!done || found == new, "cut {cut} seed {seed}: {found:?}");
            }
            if is_done {
                break;
            }
        }
        assert!(saw_old && saw_new, "both outcomes are met");
    }
}

#[test]
fn a_second_power_cut_while_the_swap_is_finished_changes_nothing() {
    let old: Vec<i64> = (0..24).collect();
    for first in 0..60 {
        for second in 0..25 {
            let (disk, log, _) = replace_with(first, &[0, 8, 16], first, Fault::PowerCut);
            let active = log.lock().active().base_offset();
            let disk = disk.restart();
            disk.fail_at(second, Fault::PowerCut);
            drop(try_open(&disk, config(), hints(false)));
            let found = after_recovery(&disk.restart());
            let new = kept(&old, active);
            let has_all = new.iter().all(|offset| found.contains(offset));
            assert!(has_all, "cuts {first} and {second}: {found:?}");
        }
    }
}

#[test]
fn a_failed_operation_of_the_swap_takes_the_dir_offline_and_loses_nothing() {
    let old: Vec<i64> = (0..24).collect();
    for at in 0..80 {
        let (disk, log, done) = replace_with(at, &[0], at, Fault::Eio);
        let new = kept(&old, log.lock().active().base_offset());
        let has_names = names(&disk).iter().all(|name| is_plain(name));
        assert!(done || log.is_offline() || has_names, "operation {at}");
        let with = OpenHints {
            recovery_point: log.offsets().recovery_point,
            ..hints(false)
        };
        drop(log);
        let again = open(&disk.restart(), config(), with).0;
        let found = offsets_in(&again);
        let has_all = new.iter().all(|offset| found.contains(offset));
        assert!(has_all, "operation {at}: {found:?}");
    }
}

/// Retention looks at segments without a lock; what replaced them meanwhile may hold more.
#[test]
fn retention_removes_only_segments_it_looked_at() {
    let disk = SimDisk::new(1);
    let log = filled(&disk);
    let all = offsets_in(&log);
    let old = rolled(&log);
    let new = rewrite(&log, &old, &[0], |_| true).unwrap();
    log.replace_segments(&old, new).unwrap();
    assert!(log.delete_segments(&old[..2]).unwrap().is_empty());
    assert_eq!(offsets_in(&log), all);
    assert!(!log.delete_segments(&rolled(&log)).unwrap().is_empty());
    assert_eq!(offsets_in(&log)[0], log.lock().active().base_offset());
}
