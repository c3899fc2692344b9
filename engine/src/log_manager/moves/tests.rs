//! Tests of moves between log dirs: everything comes along, nothing is lost at any operation, and
//! appends go on meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ringbrook_record::{BatchBuilder, Batches, Codec, EndTransactionMarker, Header};
use uuid::Uuid;

use crate::clock::{ManualClock, SystemClock};
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::io::{Disk, Fault, SimDisk, UringDisk};
use crate::log::{AppendContext, Origin, PartitionLog, TransactionStart};
use crate::log_dirs::LogDirs;
use crate::{LogManager, LogManagerOptions};

const NO_HEADERS: [Header<'static>; 0] = [];

fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 100,
        ..LogConfig::default()
    }
}

fn open<D: Disk>(disk: &D, dirs: &[&Path]) -> Result<Arc<LogManager<D>>, EngineError> {
    let paths: Vec<_> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
    let dirs = LogDirs::open(disk, &paths, 1, None)?;
    let options = LogManagerOptions {
        recovery_threads_per_data_dir: 0,
        ..LogManagerOptions::default()
    };
    let clock = Arc::new(ManualClock::new(1000));
    let opened = LogManager::open(disk.clone(), dirs, options, clock, &|_| small())?;
    Ok(opened.0)
}

fn sim(disk: &SimDisk) -> Arc<LogManager<SimDisk>> {
    try_sim(disk).unwrap()
}

fn try_sim(disk: &SimDisk) -> Result<Arc<LogManager<SimDisk>>, EngineError> {
    open(disk, &[Path::new("/a"), Path::new("/b"), Path::new("/c")])
}

/// A log in the first dir.
fn create<D: Disk>(manager: &LogManager<D>) -> Arc<PartitionLog<D>> {
    manager
        .create_log("t", 0, Uuid::from_u128(5), small())
        .unwrap()
}

fn batch(builder: BatchBuilder, value: u8) -> Bytes {
    let mut builder = builder;
    for key in 0..2u8 {
        builder
            .append(1000, Some(&[key]), Some(&[value; 60]), NO_HEADERS)
            .unwrap();
    }
    builder.finish(Codec::None, None).unwrap().freeze()
}

fn plain(value: u8) -> Bytes {
    batch(BatchBuilder::new(), value)
}

fn idempotent(producer_id: i64, sequence: i32) -> Bytes {
    batch(BatchBuilder::new().producer(producer_id, 0, sequence), 1)
}

fn context(origin: Origin, leader_epoch: i32) -> AppendContext {
    AppendContext {
        leader_epoch,
        origin,
        now_ms: 1000,
    }
}

/// Appends and writes; returns whether it is published.
fn append<D: Disk>(log: &Arc<PartitionLog<D>>, records: Bytes) -> bool {
    append_in_epoch(log, records, 3)
}

fn append_in_epoch<D: Disk>(log: &Arc<PartitionLog<D>>, records: Bytes, epoch: i32) -> bool {
    let Ok(appended) = log.append(records, context(Origin::Coordinator, epoch)) else {
        return false;
    };
    if let Some(drain) = appended.drain {
        drain.run_blocking();
    }
    let served = newest(log);
    served.advance_high_watermark(i64::MAX);
    appended.last_offset < served.offsets().log_end
}

/// The log itself, or the one that took its place.
fn newest<D: Disk>(log: &Arc<PartitionLog<D>>) -> &Arc<PartitionLog<D>> {
    let mut log = log;
    while let Some(successor) = log.successor() {
        log = successor;
    }
    log
}

fn content<D: Disk>(log: &PartitionLog<D>) -> Vec<u8> {
    let offsets = log.offsets();
    let (mut at, mut bytes) = (offsets.log_start, Vec::new());
    while at < offsets.log_end {
        let slice = log
            .read_blocking(at, 1 << 20, offsets.log_end, true)
            .unwrap();
        let part = log.load_blocking(&slice).unwrap();
        let Some(last) = Batches::new(&part).last() else {
            break;
        };
        at = last.unwrap().header.last_offset() + 1;
        bytes.extend_from_slice(&part);
    }
    bytes
}

fn moved_to<D: Disk>(manager: &LogManager<D>, dir: &str) -> Arc<PartitionLog<D>> {
    let log = manager.log("t", 0).expect("it is served");
    assert_eq!(log.log_dir(), Path::new(dir));
    log
}

/// Log dir, size above 0, lag and whether it is a copy, of every directory of the partition.
fn described<D: Disk>(manager: &LogManager<D>) -> Vec<(String, bool, i64, bool)> {
    let dirs = manager.describe_log_dirs().into_iter();
    let partitions = dirs.flat_map(|dir| {
        let path = dir.path.display().to_string();
        let partitions = dir.partitions.into_iter();
        partitions.map(move |it| {
            let has_bytes = 0 < it.size_bytes;
            (path.clone(), has_bytes, it.offset_lag, it.is_future)
        })
    });
    partitions.collect()
}

fn entries(disk: &SimDisk, dir: &str) -> Vec<String> {
    let entries = disk.list(Path::new(dir)).unwrap().into_iter();
    let dirs = entries.filter(|entry| entry.is_dir);
    dirs.map(|entry| entry.name).collect()
}

/// Batches of several epochs, idempotent and transactional ones, an abort, and a log start within a
/// batch.
fn fill<D: Disk>(log: &Arc<PartitionLog<D>>) {
    for value in 0..5 {
        assert!(append_in_epoch(log, plain(value), 1));
    }
    assert!(append(log, idempotent(7, 0)));
    assert!(append(log, idempotent(7, 2)));
    let builder = || BatchBuilder::new().producer(9, 0, 0).transactional();
    assert!(append(log, batch(builder(), 9)));
    let marker = EndTransactionMarker {
        is_commit: false,
        coordinator_epoch: 0,
    };
    let marker = marker.build_batch(9, 0, 1000).unwrap().freeze();
    assert!(append(log, marker));
    let builder = || BatchBuilder::new().producer(11, 0, 0).transactional();
    assert!(append(log, batch(builder(), 11)));
    log.advance_log_start_offset(1).unwrap();
}

#[test]
fn everything_comes_along() {
    let disk = SimDisk::new(1);
    let manager = sim(&disk);
    let old = create(&manager);
    fill(&old);
    let (bytes, offsets) = (content(&old), old.offsets());
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    assert_eq!(
        described(&manager),
        [
            ("/a".to_owned(), true, 0, false),
            ("/b".to_owned(), false, offsets.log_end, true)
        ],
        "the copy is seen with its lag"
    );
    manager.run_moves();
    let new = moved_to(&manager, "/b");
    assert_eq!(described(&manager), [("/b".to_owned(), true, 0, false)]);
    let moved = new.offsets();
    assert_eq!(content(&new), bytes, "bytes are the same (L4)");
    assert_eq!(
        (moved.log_start, moved.log_end, moved.high_watermark),
        (1, offsets.log_end, offsets.high_watermark)
    );
    assert_eq!(moved.last_stable, offsets.last_stable);
    assert_eq!(moved.recovery_point, moved.log_end, "it is all on disk");
    assert_eq!(new.topic_id(), Some(Uuid::from_u128(5)));
    assert_eq!(new.end_offset_for_epoch(1), old.end_offset_for_epoch(1));
    assert_eq!(
        new.aborted_transactions(0, i64::MAX),
        old.aborted_transactions(0, i64::MAX)
    );
    let sorted = |log: &PartitionLog<SimDisk>| {
        let mut producers = log.active_producers();
        producers.sort_by_key(|producer| producer.producer_id);
        producers
    };
    assert_eq!(sorted(&new), sorted(&old));
    let ctx = context(Origin::Client, 3);
    let again = new.append(idempotent(7, 0), ctx).unwrap();
    assert!(again.is_duplicate, "also batches before the last are known");
    assert!(append(&old, plain(1)), "who holds the old log is passed on");
    assert_eq!(old.offsets().log_end + 2, new.offsets().log_end);
    assert_eq!(content(&old), bytes, "and can go on reading");
    let names = entries(&disk, "/a");
    assert!(
        names.len() == 1 && names[0].ends_with("-delete"),
        "{names:?}"
    );
    let bytes = content(&new);
    drop(manager);
    let manager = sim(&disk.restart());
    let again = moved_to(&manager, "/b");
    assert_eq!(content(&again), bytes);
    assert_eq!(again.offsets().log_start, 1);
    assert_eq!(sorted(&again).len(), 3);
}

/// Producers whose batches are gone from the log are known after the move, also after a crash.
#[test]
fn producers_without_batches_come_along() {
    let disk = SimDisk::new(1);
    let manager = sim(&disk);
    let old = create(&manager);
    append(&old, idempotent(7, 0));
    for value in 0..12 {
        append(&old, plain(value));
    }
    let end = old.offsets().log_end;
    old.advance_log_start_offset(end - 4).unwrap();
    manager.run_retention();
    assert!(2 < old.offsets().log_start);
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    manager.run_moves();
    for manager in [manager, sim(&disk.restart())] {
        let new = moved_to(&manager, "/b");
        let producers: Vec<_> = new.active_producers();
        assert_eq!(producers.len(), 1);
        assert_eq!(
            (producers[0].producer_id, producers[0].last_sequence),
            (7, 1)
        );
        assert_eq!(new.offsets().log_start, end - 4);
    }
}

/// A transaction is being verified while its partition moves: the batch comes to the new place.
#[test]
fn verifications_under_way_come_along() {
    let manager = sim(&SimDisk::new(1));
    let old = create(&manager);
    old.update_config(LogConfig {
        transaction_verification: true,
        ..small()
    });
    let start = |producer_id| TransactionStart {
        producer_id,
        producer_epoch: 0,
        base_sequence: 0,
        is_v2: false,
    };
    let before = old.begin_verification(&start(1), 1000).unwrap();
    append(&old, plain(1));
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    manager.run_moves();
    let new = moved_to(&manager, "/b");
    let after = old.begin_verification(&start(2), 1000).unwrap();
    for (producer_id, guard) in [(1, before), (2, after)] {
        let builder = BatchBuilder::new().producer(producer_id, 0, 0);
        let records = batch(builder.transactional(), 1);
        let unverified = old.append(records.clone(), context(Origin::Client, 3));
        assert!(unverified.is_err(), "producer {producer_id}");
        let appended = old.append_verified(records, context(Origin::Client, 3), guard);
        if let Some(drain) = appended.unwrap().drain {
            drain.run_blocking();
        }
    }
    let open = new.active_producers();
    assert!(
        open.iter().all(|it| it.txn_start_offset.is_some()),
        "{open:?}"
    );
    assert_eq!(open.len(), 2);
}

#[test]
fn an_empty_log_moves() {
    let manager = sim(&SimDisk::new(1));
    let old = create(&manager);
    for value in 0..12 {
        append(&old, plain(value));
    }
    let end = old.offsets().log_end;
    old.advance_log_start_offset(end).unwrap();
    manager.run_retention();
    manager.alter_log_dir("t", 0, Path::new("/c")).unwrap();
    manager.run_moves();
    let new = moved_to(&manager, "/c");
    assert_eq!((new.offsets().log_start, new.offsets().log_end), (end, end));
    assert!(append(&new, plain(1)));
    assert_eq!(new.offsets().log_end, end + 2);
}

/// Appends that come while writes pause get their offsets and are written at the new place.
#[test]
fn appends_queue_while_writes_pause() {
    let disk = SimDisk::new(1);
    let manager = sim(&disk);
    let old = create(&manager);
    fill(&old);
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    let future = Arc::clone(&super::lock(&manager.moves).queue[0].future);
    while 0 < future.copy_from(&old, 100, 1000).unwrap() {}
    let pause = old.pause(std::time::Duration::ZERO).unwrap();
    let end = old.offsets().log_end;
    let mut last = end - 1;
    for sequence in [4, 6, 8] {
        let records = idempotent(7, sequence);
        let appended = old.append(records, context(Origin::Client, 4)).unwrap();
        assert!(appended.drain.is_none(), "nobody may write now");
        assert_eq!(appended.base_offset, last + 1);
        last = appended.last_offset;
    }
    assert_eq!(old.offsets().log_end, end, "they are not published");
    future.seal_as(old.knowledge(), 1000).unwrap();
    future.rename_dir("t-0").unwrap();
    let drain = old.hand_over(&future, 1000).unwrap();
    assert!(append(&old, idempotent(7, 10)) || future.offsets().log_end == end);
    drain.run_blocking();
    drop(pause);
    future.advance_high_watermark(i64::MAX);
    assert_eq!(future.offsets().log_end, last + 3);
    assert_eq!(future.latest_epoch(), Some(4));
    let known = future.active_producers();
    let seventh = known.iter().find(|it| it.producer_id == 7).unwrap();
    assert_eq!(seventh.last_sequence, 11);
    for batch in Batches::new(&content(&future)) {
        batch.unwrap().verify_crc().unwrap();
    }
}

#[test]
fn a_pause_that_is_given_up_writes_what_came_meanwhile() {
    let log = create(&sim(&SimDisk::new(1)));
    let pause = log.pause(std::time::Duration::ZERO).unwrap();
    let appended = log.append(plain(1), context(Origin::Client, 0)).unwrap();
    assert!(appended.drain.is_none());
    assert_eq!(log.offsets().log_end, 0);
    drop(pause);
    assert_eq!(log.offsets().log_end, 2);
    let busy = log.append(plain(1), context(Origin::Client, 0)).unwrap();
    assert!(log.pause(std::time::Duration::ZERO).is_none());
    busy.drain.unwrap().run_blocking();
    assert_eq!(log.offsets().log_end, 4);
}

#[test]
fn a_move_can_be_cancelled_and_replaced() {
    let disk = SimDisk::new(1);
    let manager = sim(&disk);
    let old = create(&manager);
    fill(&old);
    manager.limit_moves(0);
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    assert_eq!(described(&manager).len(), 2, "asked twice is asked once");
    manager.alter_log_dir("t", 0, Path::new("/c")).unwrap();
    let copies: Vec<_> = described(&manager).into_iter().filter(|it| it.3).collect();
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].0, "/c");
    manager.alter_log_dir("t", 0, Path::new("/a")).unwrap();
    assert_eq!(described(&manager), [("/a".to_owned(), true, 0, false)]);
    manager.run_background();
    for dir in ["/b", "/c"] {
        assert!(entries(&disk, dir).is_empty(), "copies are removed");
    }
    manager.limit_moves(u64::MAX);
    manager.run_moves();
    assert!(append(&moved_to(&manager, "/a"), plain(1)));
    assert!(old.successor().is_none());
    // A topic that is deleted takes its copy along.
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    manager.delete_log("t", 0).unwrap();
    manager.run_moves();
    assert!(described(&manager).is_empty());
}

#[test]
fn what_cannot_be_moved_is_refused() {
    let disk = SimDisk::new(1);
    let manager = sim(&disk);
    let alter = |topic: &str, dir: &str| manager.alter_log_dir(topic, 0, Path::new(dir));
    let error = alter("t", "/none").unwrap_err();
    assert!(matches!(error, EngineError::UnknownLogDir { .. }));
    let error = alter(&"x".repeat(240), "/b").unwrap_err();
    assert!(matches!(error, EngineError::InvalidTopicName { .. }));
    let error = alter("t", "/c").unwrap_err();
    assert!(matches!(error, EngineError::UnknownPartition { .. }));
    create(&manager);
    moved_to(&manager, "/c");
    let other = Uuid::from_u128(6);
    let other = manager.create_log("u", 0, other, small()).unwrap();
    assert_eq!(other.log_dir(), Path::new("/a"));
    disk.fail_at(disk.mutations() + 1, Fault::Eio);
    append(&other, plain(1));
    assert!(manager.describe_log_dirs()[0].error.is_some());
    let error = alter("t", "/a").unwrap_err();
    assert!(matches!(error, EngineError::LogDirOffline { .. }));
    let error = alter("u", "/b").unwrap_err();
    assert!(matches!(error, EngineError::LogDirOffline { .. }));
    let error = alter("t", "/b").unwrap_err();
    assert!(
        matches!(error, EngineError::LogDirOffline { .. }),
        "the dir that is offline may hold a copy"
    );
}

#[test]
fn retention_may_overtake_the_copy() {
    let manager = sim(&SimDisk::new(1));
    let old = create(&manager);
    for value in 0..30 {
        append(&old, plain(value));
    }
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    let future = Arc::clone(&super::lock(&manager.moves).queue[0].future);
    assert!(0 < future.copy_from(&old, 400, 1000).unwrap());
    old.advance_log_start_offset(41).unwrap();
    manager.run_retention();
    assert!(future.offsets().log_end < old.offsets().log_start);
    manager.run_moves();
    let new = moved_to(&manager, "/b");
    assert_eq!(new.offsets().log_start, 41);
    assert_eq!(content(&new), content(&old));
}

#[test]
fn a_restart_begins_the_move_again() {
    let disk = SimDisk::new(1);
    let manager = sim(&disk);
    let old = create(&manager);
    fill(&old);
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    let future = Arc::clone(&super::lock(&manager.moves).queue[0].future);
    assert!(0 < future.copy_from(&old, 100, 1000).unwrap());
    let bytes = content(&old);
    drop(manager);
    let disk = disk.restart();
    let manager = sim(&disk);
    assert_eq!(described(&manager).len(), 2);
    manager.run_moves();
    assert_eq!(content(&moved_to(&manager, "/b")), bytes);
    manager.run_background();
    assert_eq!(entries(&disk, "/b"), ["t-0"], "the first copy is removed");
}

/// The power is cut, or an operation fails, at every operation of a move, also while a second
/// producer's appends are queued. Afterwards exactly one log of the partition is served, with every
/// acknowledged record, and takes more.
#[test]
fn every_operation_of_a_move_may_fail() {
    for fault in [Fault::PowerCut, Fault::Eio, Fault::Enospc] {
        for is_durable in [true, false] {
            let operations = run_with(u64::MAX, fault, is_durable);
            assert!(30 < operations, "the move is not much work: {operations}");
            for cut in 0..operations {
                run_with(cut, fault, is_durable);
            }
        }
    }
}

/// Moves a log while operation number `cut` of the move fails. Returns the operations of the move.
fn run_with(cut: u64, fault: Fault, flush_before_ack: bool) -> u64 {
    let disk = SimDisk::new(cut);
    let manager = sim(&disk);
    let old = create(&manager);
    old.update_config(LogConfig {
        flush_before_ack,
        ..small()
    });
    fill(&old);
    if !flush_before_ack {
        old.flush(1000).unwrap();
    }
    manager.write_checkpoints().unwrap();
    let mut acknowledged = content(&old);
    let first = disk.mutations();
    if cut < u64::MAX {
        disk.fail_at(first + cut, fault);
    }
    if manager.alter_log_dir("t", 0, Path::new("/b")).is_ok() {
        manager.run_moves();
    }
    let operations = disk.mutations() - first;
    let served = newest(&old);
    if append(served, plain(77)) && flush_before_ack {
        acknowledged = content(served);
    }
    if cut == u64::MAX {
        assert_eq!(served.log_dir(), Path::new("/b"));
    }
    drop(manager);
    let disk = disk.restart();
    let manager = sim(&disk);
    let context = format!("{fault:?} at {cut}, durable: {flush_before_ack}");
    let log = manager.log("t", 0).expect(&context);
    assert!(
        content(&log).starts_with(&acknowledged),
        "{context}: records are lost: {:?} {} < {}",
        log,
        content(&log).len(),
        acknowledged.len()
    );
    assert_eq!(log.offsets().log_start, 1, "{context}");
    let current = ["/a", "/b", "/c"].map(|dir| {
        let names = entries(&disk, dir);
        names.iter().filter(|name| *name == "t-0").count()
    });
    assert_eq!(current.iter().sum::<usize>(), 1, "{context}: {current:?}");
    manager.run_moves();
    let log = manager.log("t", 0).expect(&context);
    assert!(content(&log).starts_with(&acknowledged), "{context}");
    assert!(append(&log, plain(78)), "{context}");
    operations
}

/// Appends one batch after the other, each when the one before is published, until told to stop.
/// Returns the records.
fn produce(log: &Arc<PartitionLog<UringDisk>>, producer_id: i64, is_done: &AtomicBool) -> i32 {
    let mut sequence = 0;
    while !is_done.load(Ordering::Acquire) {
        let records = idempotent(producer_id, sequence);
        let appended = log
            .append(records, context(Origin::Client, 0))
            .expect("an append is never refused");
        if let Some(drain) = appended.drain {
            drain.run_blocking();
        }
        sequence += 2;
        while newest(log).offsets().log_end <= appended.last_offset {
            std::thread::yield_now();
        }
    }
    sequence
}

/// Threads append while the partition is moved back and forth, on the real disk: offsets stay
/// dense, nothing is lost or doubled.
#[test]
fn appends_go_on_while_a_partition_moves() {
    let temp = tempfile::tempdir().unwrap();
    let dirs = [temp.path().join("a"), temp.path().join("b")];
    let disk = UringDisk;
    let paths = dirs.to_vec();
    let log_dirs = LogDirs::open(&disk, &paths, 1, None).unwrap();
    let clock = Arc::new(SystemClock::new());
    let options = LogManagerOptions::default();
    let config = LogConfig {
        segment_bytes: 500_000,
        timestamp_before_max_ms: i64::MAX,
        ..LogConfig::default()
    };
    let opened = LogManager::open(disk, log_dirs, options, clock, &|_| config);
    let (manager, _) = opened.unwrap();
    let first = manager
        .create_log("t", 0, Uuid::from_u128(5), config)
        .unwrap();
    let is_done = AtomicBool::new(false);
    let counts: Vec<i32> = std::thread::scope(|scope| {
        let producers: Vec<_> = (1..=3)
            .map(|producer_id| {
                let (first, is_done) = (&first, &is_done);
                scope.spawn(move || produce(first, producer_id, is_done))
            })
            .collect();
        for round in 0..6 {
            manager
                .alter_log_dir("t", 0, &dirs[(round + 1) % 2])
                .unwrap();
            manager.start_moves();
            let mut moves = super::lock(&manager.moves);
            while moves.is_running {
                moves = manager.moves_changed.wait(moves).unwrap();
            }
            assert!(moves.queue.is_empty());
        }
        is_done.store(true, Ordering::Release);
        producers
            .into_iter()
            .map(|producer| producer.join().unwrap())
            .collect()
    });
    let log = manager.log("t", 0).unwrap();
    assert_eq!(log.log_dir(), dirs[0], "six moves end where they began");
    assert_eq!(
        log.offsets().log_end,
        counts.iter().map(|&n| i64::from(n)).sum()
    );
    log.advance_high_watermark(i64::MAX);
    let (mut next_offset, mut next) = (0, [0; 4]);
    for batch in Batches::new(&content(&log)) {
        let header = batch.unwrap().header;
        assert_eq!(header.base_offset, next_offset);
        next_offset = header.last_offset() + 1;
        let producer = usize::try_from(header.producer_id).unwrap();
        assert_eq!(header.base_sequence, next[producer]);
        next[producer] += 2;
    }
    assert_eq!(next_offset, log.offsets().log_end);
    manager.shutdown().unwrap();
}

#[test]
fn with_little_room_clients_wait_and_coordinators_go_on() {
    let disk = SimDisk::new(1);
    let manager = sim(&disk);
    let log = create(&manager);
    let produce = || log.append(plain(1), context(Origin::Client, 0));
    produce().unwrap().drain.unwrap().run_blocking();
    disk.set_usable_bytes((256 << 20) - 1);
    manager.run_background();
    let error = produce().unwrap_err();
    assert!(matches!(error, crate::AppendError::LogDirFull), "{error:?}");
    assert!(append(&log, plain(2)), "coordinators may still write");
    let error = manager.alter_log_dir("t", 0, Path::new("/b")).unwrap_err();
    assert!(matches!(error, EngineError::NoSpace { .. }), "{error:?}");
    disk.set_usable_bytes(256 << 20);
    manager.run_background();
    produce().unwrap().drain.unwrap().run_blocking();
    assert_eq!(log.offsets().log_end, 6, "no restart is needed");
}

/// A copy does not fill the disk under the partitions that are there: it gives up before.
#[test]
fn a_copy_ends_when_there_is_no_room_for_it() {
    let disk = SimDisk::new(1);
    let manager = sim(&disk);
    let log = create(&manager);
    fill(&log);
    manager.alter_log_dir("t", 0, Path::new("/b")).unwrap();
    disk.set_usable_bytes(1 << 20);
    manager.run_moves();
    assert_eq!(described(&manager), [("/a".to_owned(), true, 0, false)]);
    assert!(manager.offline_dirs().is_empty());
    assert!(append(&log, plain(1)));
}

/// A log dir that cannot be used at the start is offline; the others are served.
#[test]
fn a_dir_that_cannot_be_used_at_the_start_is_offline() {
    let disk = SimDisk::new(1);
    disk.create(Path::new("/b")).unwrap();
    let manager = sim(&disk);
    let offline = manager.offline_dirs();
    assert_eq!(offline.len(), 1);
    assert_eq!(offline[0].0, Path::new("/b"));
    assert!(matches!(
        manager.check_all_online(),
        Err(EngineError::LogDirOffline { .. })
    ));
    assert!(append(&create(&manager), plain(1)));
    moved_to(&manager, "/a");
    let other = manager.create_log("u", 0, Uuid::from_u128(6), small());
    assert_eq!(other.unwrap().log_dir(), Path::new("/c"));
    let paths = [Path::new("/b")];
    assert!(open(&disk, &paths).is_err(), "with no other it is an error");
}

/// Directories with different topic ids: the broker says which it wants.
#[test]
fn a_namesake_of_another_topic_is_found_when_it_is_wanted() {
    let disk = SimDisk::new(1);
    let manager = sim(&disk);
    let old = create(&manager);
    fill(&old);
    let kept = content(&old);
    manager.shutdown().unwrap();
    drop(manager);
    // The newer topic of that name, created while /a was not there.
    let disk = disk.restart();
    let manager = open(&disk, &[Path::new("/b")]).unwrap();
    let newer = Uuid::from_u128(6);
    let log = manager.create_log("t", 0, newer, small()).unwrap();
    append(&log, plain(1));
    let wanted = content(&log);
    manager.shutdown().unwrap();
    drop(manager);
    let disk = disk.restart();
    let manager = try_sim(&disk);
    let manager = manager.unwrap();
    assert_eq!(content(&manager.log("t", 0).unwrap()), kept);
    manager.set_aside_log("t", 0).unwrap();
    let log = manager.create_log("t", 0, newer, small()).unwrap();
    assert_eq!(content(&log), wanted);
    manager.set_namesakes_aside();
    assert_eq!(entries(&disk, "/b"), ["t-0"]);
    assert!(entries(&disk, "/a")[0].ends_with("-stray"));
}
