//! The log over the real disk and ring: appends of many tasks and threads, few writes, reopening.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ringbrook_record::Batches;

use super::support::*;
use crate::config::LogConfig;
use crate::io::{Cached, DirHealth, Disk, UringDisk};
use crate::log::{LogIdentity, LogListener, LogOffsets, LogOpener, PartitionLog, create_log};
use crate::segment::{CACHED_STEP_BYTES, FileKind, segment_file_name};

type Log = Arc<PartitionLog<UringDisk>>;

fn identity(dir: &Path) -> LogIdentity {
    LogIdentity {
        topic: "t".into(),
        partition: 0,
        topic_id: None,
        dir: dir.join("t-0"),
    }
}

fn new_log(dir: &Path, config: LogConfig) -> Log {
    let health = Arc::new(DirHealth::new(dir.into()));
    create_log(
        &UringDisk,
        identity(dir),
        &health,
        config,
        uuid::Uuid::from_u128(3),
        0,
    )
    .unwrap()
}

fn reopened(dir: &Path, config: LogConfig, is_clean: bool) -> Log {
    let health = Arc::new(DirHealth::new(dir.into()));
    let opener = LogOpener {
        disk: &UringDisk,
        identity: identity(dir),
        health: &health,
        config,
        hints: hints(is_clean),
    };
    opener.open().unwrap().0
}

/// Wakes whoever waits for the log end, and counts publications.
struct Publications {
    count: AtomicUsize,
    log_end: tokio::sync::watch::Sender<i64>,
}

struct Listener(Arc<Publications>);

impl LogListener for Listener {
    fn on_published(&self, offsets: LogOffsets) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.log_end.send_replace(offsets.log_end);
    }

    fn on_failed(&self) {
        panic!("the log dir went offline");
    }
}

fn listen(log: &Log) -> Arc<Publications> {
    let publications = Arc::new(Publications {
        count: 0.into(),
        log_end: tokio::sync::watch::Sender::new(0),
    });
    log.set_listener(Box::new(Listener(Arc::clone(&publications))));
    publications
}

/// The drains a runtime has to finish before it ends: a runtime that goes away with one in its
/// hands leaves others' batches unwritten.
type Drains = Rc<RefCell<Vec<tokio::task::JoinHandle<()>>>>;

async fn finish(drains: &Drains) {
    loop {
        let Some(drain) = drains.borrow_mut().pop() else {
            return;
        };
        drain.await.unwrap();
    }
}

/// Appends like a connection does: the drain runs as a task, the append waits to be published.
async fn produce(log: &Log, publications: &Publications, drains: &Drains, records: bytes::Bytes) {
    let mut log_end = publications.log_end.subscribe();
    let appended = log.append(records, client()).unwrap();
    if let Some(drain) = appended.drain {
        drains
            .borrow_mut()
            .push(tokio::task::spawn_local(drain.run()));
    }
    log_end
        .wait_for(|end| appended.last_offset < *end)
        .await
        .unwrap();
}

#[test]
fn concurrent_appends_share_writes_and_keep_their_order() {
    const TASKS: usize = 64;
    const EACH: usize = 20;
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        segment_bytes: 60_000,
        ..LogConfig::default()
    };
    let log = new_log(dir.path(), config);
    let publications = listen(&log);
    let drains = Drains::default();
    crate::io::run_on_ring(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (log, publications) = (Arc::clone(&log), Arc::clone(&publications));
                let drains = Rc::clone(&drains);
                tokio::task::spawn_local(async move {
                    for n in 0..EACH {
                        let producer = i64::try_from(task).unwrap();
                        let sequence = i32::try_from(n * 2).unwrap();
                        let records = produced(producer, 0, sequence, 2, 50);
                        produce(&log, &publications, &drains, records).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        finish(&drains).await;
    });
    let total = i64::try_from(TASKS * EACH * 2).unwrap();
    let offsets = log.offsets();
    assert_eq!((offsets.log_end, offsets.flushed), (total, total));
    let writes = publications.count.load(Ordering::Relaxed);
    assert!(
        writes < TASKS * EACH / 4,
        "{writes} writes for {} batches",
        TASKS * EACH
    );
    check_content(&log, TASKS, EACH);
    log.close(0).unwrap();
    drop(log);
    check_content(&reopened(dir.path(), config, true), TASKS, EACH);
    check_content(&reopened(dir.path(), config, false), TASKS, EACH);
}

/// Offsets are dense and each producer's batches are in order.
fn check_content(log: &Log, tasks: usize, each: usize) {
    let stored = read_all(log, 0);
    let mut next_offset = 0;
    let mut sequences = vec![0; tasks];
    for batch in Batches::new(&stored) {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        assert_eq!(batch.header.base_offset, next_offset);
        let producer = usize::try_from(batch.header.producer_id).unwrap();
        assert_eq!(batch.header.base_sequence, sequences[producer]);
        sequences[producer] += 2;
        next_offset = batch.header.last_offset() + 1;
    }
    assert_eq!(sequences, vec![i32::try_from(each * 2).unwrap(); tasks]);
}

#[test]
fn threads_append_to_one_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = new_log(
        dir.path(),
        LogConfig {
            segment_bytes: 20_000,
            ..LogConfig::default()
        },
    );
    let publications = listen(&log);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (log, publications) = (&log, &publications);
            scope.spawn(move || {
                crate::io::run_on_ring(async move {
                    let drains = Drains::default();
                    for n in 0..100 {
                        let records = produced(thread, 0, n, 1, 100);
                        produce(log, publications, &drains, records).await;
                        let end = log.offsets().log_end;
                        let slice = log.read(end - 1, 4096, end, true).await.unwrap();
                        assert!(0 < slice.bytes);
                    }
                    finish(&drains).await;
                });
            });
        }
    });
    assert_eq!(log.offsets().log_end, 300);
    let counted = Batches::new(&read_all(&log, 0)).count();
    assert_eq!(counted, 300);
}

#[test]
fn ring_reads_find_cold_batches() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        segment_bytes: 100_000,
        index_interval_bytes: 2000,
        flush_before_ack: false,
        ..LogConfig::default()
    };
    let log = new_log(dir.path(), config);
    for _ in 0..2000 {
        append(&log, &batch(1, 120), client()).unwrap();
    }
    log.close(0).unwrap();
    drop(log);
    let log = reopened(dir.path(), config, true);
    crate::io::run_on_ring(async {
        for start in [0, 1, 555, 1234, 1998, 1999] {
            let slice = log.read(start, 10_000, 2000, true).await.unwrap();
            log.ensure_cached(&slice.regions[0]).await.unwrap();
            let bytes = log.load_blocking(&slice).unwrap();
            let first = Batches::new(&bytes).next().unwrap().unwrap();
            assert_eq!(first.header.base_offset, start);
        }
        let end = log.read(2000, 10_000, 2000, true).await.unwrap();
        assert_eq!(end.bytes, 0);
    });
}

#[test]
fn blocks_reserved_ahead_are_given_back() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    };
    let log = new_log(dir.path(), config);
    for _ in 0..20 {
        append(&log, &batch(1, 100_000), client()).unwrap();
    }
    let path = dir.path().join("t-0/00000000000000000000.log");
    let before = std::fs::metadata(&path).unwrap();
    let bytes = log.size_bytes();
    let with_zeros = bytes.next_multiple_of(CACHED_STEP_BYTES);
    assert_eq!(before.len(), with_zeros, "blocks do not count");
    log.close(0).unwrap();
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!(after.len(), bytes);
    assert!(
        after.blocks() * 512 < after.len() + 64 * 1024,
        "{} blocks",
        after.blocks()
    );
}

/// Lets a log append alone until it expects no other, on a ring.
async fn append_alone(log: &Log) {
    for _ in 0..100 {
        let drain = log.append(batch(1, 100), client()).unwrap().drain.unwrap();
        drain.run().await;
    }
}

#[test]
fn a_durable_write_that_is_likely_to_have_one_batch_begins_before_other_tasks_run() {
    for flush_before_ack in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let config = LogConfig {
            flush_before_ack,
            ..LogConfig::default()
        };
        let log = new_log(dir.path(), config);
        crate::io::run_on_ring(async {
            append_alone(&log).await;
            let position = log.lock().active().bytes();
            let drain = log.append(batch(1, 100), client()).unwrap().drain.unwrap();
            let rest = drain.begin().expect("the sync is not over");
            let begun = bytes_at(dir.path(), position);
            assert_eq!(begun.iter().any(|&byte| byte != 0), flush_before_ack);
            let shared: Vec<_> = (0..2)
                .map(|_| log.append(batch(1, 100), client()).unwrap())
                .collect();
            assert!(shared.iter().all(|appended| appended.drain.is_none()));
            rest.await;
            assert_eq!(log.offsets().log_end, 103);
            let position = log.lock().active().bytes();
            let drain = log.append(batch(1, 100), client()).unwrap().drain.unwrap();
            let rest = drain.begin().expect("nothing has begun");
            let waits = bytes_at(dir.path(), position);
            assert!(waits.iter().all(|&byte| byte == 0), "two shared a write");
            rest.await;
        });
        assert_eq!(log.offsets().log_end, 104);
    }
}

/// What the log's first file has from a position on.
fn bytes_at(dir: &Path, position: u64) -> Vec<u8> {
    let file = segment_file_name(0, FileKind::Log);
    let mut bytes = std::fs::read(dir.join("t-0").join(file)).unwrap();
    bytes.split_off(usize::try_from(position).unwrap().min(bytes.len()))
}

#[test]
fn a_write_to_a_file_whose_blocks_are_being_reserved_does_not_hold_up_its_thread() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    };
    let log = new_log(dir.path(), config);
    crate::io::run_on_ring(async {
        // Opens the file, which is never done on the thread.
        let first = log.append(batch(1, 100), client()).unwrap();
        first.drain.unwrap().run().await;
        for is_reserving in [false, true] {
            log.lock().active().set_reserving(is_reserving);
            let drain = log.append(batch(1, 100), client()).unwrap().drain.unwrap();
            let mut drain = std::pin::pin!(drain.run());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let is_done_at_once = drain.as_mut().poll(&mut context).is_ready();
            assert_eq!(is_done_at_once, !is_reserving);
            if !is_done_at_once {
                drain.await;
            }
        }
    });
    assert_eq!(log.offsets().log_end, 3);
}

#[test]
fn idle_files_are_closed_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        segment_bytes: 2000,
        ..LogConfig::default()
    };
    let log = new_log(dir.path(), config);
    (0..60).for_each(|_| {
        append(&log, &batch(1, 100), client()).unwrap();
    });
    let ours = || {
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets =
            descriptors.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        let ours: Vec<_> = targets
            .filter(|path| path.starts_with(dir.path()))
            .collect();
        ours
    };
    let stored = read_all(&log, 0);
    assert!(3 < ours().len());
    // The job that syncs rolled segments opens their files and the directory for a moment, and may
    // not have ended yet. What it was to sync is synced here, so that it opens nothing once it has.
    log.flush(0).unwrap();
    let is_closed = || {
        log.close_idle_files();
        ours().is_empty()
    };
    crate::io::run_on_ring(wait_until("files stay open", is_closed));
    assert_eq!(read_all(&log, 0), stored);
    append(&log, &batch(1, 100), client()).unwrap();
    assert_eq!(log.offsets().log_end, 61);
    log.close_idle_files();
    assert!(
        !ours().is_empty(),
        "what was used since the last look stays open"
    );
    log.close(0).unwrap();
}

#[test]
fn an_idle_log_keeps_no_memory_for_its_queue() {
    let dir = tempfile::tempdir().unwrap();
    let log = new_log(dir.path(), LogConfig::default());
    let kept = || {
        let state = log.lock();
        [&state.queue, &state.spare].map(|it| it.batches.capacity() + it.buffers.pieces.capacity())
    };
    append(&log, &batch(1, 100), client()).unwrap();
    assert_ne!(kept(), [0; 2], "for the next drain");
    log.close_idle_files();
    assert_eq!(kept(), [0; 2]);
    append(&log, &batch(1, 100), client()).unwrap();
    assert_eq!(log.offsets().log_end, 2);
}

/// Reads the log from its beginning in pieces of half a MiB, as a consumer does.
async fn scan(log: &Log, end: i64) {
    let mut at = 0;
    while at < end {
        let slice = log.read(at, 512 << 10, end, true).await.unwrap();
        log.ensure_cached(&slice.regions[0]).await.unwrap();
        let bytes = log.load_blocking(&slice).unwrap();
        let whole = Batches::new(&bytes).map_while(Result::ok);
        at = whole.last().unwrap().header.last_offset() + 1;
    }
}

/// Lets the threads that work in the background do so.
async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, waiting).await.is_ok(), "{what}");
}

/// A consumer that reads everything once used to leave all of it in the page cache, at the expense
/// of what others read again and again.
#[test]
fn a_scan_drops_what_it_brought_in_and_nothing_else() {
    const MIB: u64 = 1 << 20;
    // Next to the other files of the build, as a temporary directory may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let config = LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    };
    let log = new_log(dir.path(), config);
    for _ in 0..400 {
        append(&log, &batch(1, 60_000), client()).unwrap();
    }
    log.close(0).unwrap();
    drop(log);
    let path = dir.path().join("t-0/00000000000000000000.log");
    let file = UringDisk.open(&path).unwrap();
    UringDisk.drop_cache(&file, 0..32 * MIB).unwrap();
    let cached = |range| UringDisk.cached(&file, range);
    if cached(0..20 * MIB) != Cached::Nothing {
        eprintln!("not tested: this filesystem does not drop cached pages");
        return;
    }
    let log = reopened(dir.path(), config, true);
    UringDisk.drop_cache(&file, 0..32 * MIB).unwrap();
    // Another reader's.
    let mut buf = vec![0; 2 << 20];
    UringDisk.expect_random_reads(&file).unwrap();
    UringDisk.read_at(&file, &mut buf, 8 * MIB).unwrap();
    // Pages are dropped in grains of 64 KiB. The kernel has its own mind about single ones: it
    // keeps those that it is using at the moment, and takes back others, above all on a busy
    // machine.
    let parts = |range: std::ops::Range<u64>, bytes, state| {
        let parts = range.step_by(bytes);
        let found = parts
            .clone()
            .filter(|&at| cached(at..at + bytes as u64) == state);
        (found.count(), parts.count())
    };
    let is_dropped = |range| {
        let (dropped, all) = parts(range, 64 << 10, Cached::Nothing);
        all * 9 <= dropped * 10
    };
    let is_kept = |range: std::ops::Range<u64>| {
        let (missing, all) = parts(range.clone(), 4 << 10, Cached::Nothing);
        missing * 10 <= all && parts(range, 64 << 10, Cached::Nothing).0 == 0
    };
    crate::io::run_on_ring(async {
        scan(&log, 400).await;
        // The pages of the first headers were cached before the scan was known to be one.
        wait_until("the beginning is dropped", || is_dropped(2 * MIB..8 * MIB)).await;
        wait_until("what comes behind is dropped", || {
            is_dropped(10 * MIB..16 * MIB)
        })
        .await;
        assert!(is_kept(8 * MIB..10 * MIB), "it was there before");
        // What was read ahead last may come in behind the first sweeps.
        wait_until("the end is dropped", || {
            log.close_idle_files();
            is_dropped(16 * MIB..22 * MIB)
        })
        .await;
        assert!(is_kept(8 * MIB..10 * MIB), "nor did the end take it along");
    });
}

#[test]
fn what_was_appended_just_now_is_not_asked_about() {
    let dir = tempfile::tempdir().unwrap();
    let log = new_log(dir.path(), LogConfig::default());
    let read = |start| log.read_blocking(start, 1, i64::MAX, true).unwrap().regions[0].clone();
    append(&log, &batch(1, 100), client()).unwrap();
    assert!(read(0).is_recent);
    log.close_idle_files();
    append(&log, &batch(1, 100), client()).unwrap();
    assert!(read(0).is_recent, "it may be some seconds old");
    log.close_idle_files();
    assert!(!read(0).is_recent, "two sweeps ago");
    assert!(read(1).is_recent);
    log.close_idle_files();
    assert!(!read(1).is_recent);
}
