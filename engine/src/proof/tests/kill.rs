//! Real kills over the ring: this test binary starts itself as a child that appends with several
//! producers through io_uring while segments roll and retention and checkpoints run, and tells on
//! a pipe what was acknowledged; it is killed with SIGKILL at a random acknowledgement, and the
//! logs are opened and checked. A kill loses no page cache, so this holds the real disk to what the
//! process promised, not to what the machine did. `RINGBROOK_KILL_ROUNDS` makes a run longer,
//! `RINGBROOK_KILL_SEED` repeats its moments.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ringbrook_record::{BatchBuilder, Batches, Codec, Header};
use uuid::Uuid;

use super::env_number;
use crate::clock::SystemClock;
use crate::config::LogConfig;
use crate::io::{UringDisk, run_on_ring};
use crate::log::{AppendContext, LogListener, LogOffsets, Origin, PartitionLog};
use crate::log_dirs::LogDirs;
use crate::log_manager::{LogManager, LogManagerOptions};
use crate::proof::random::Random;

const ROUNDS_DEFAULT: u64 = 8;
const DIR: &str = "RINGBROOK_KILL_DIR";
const CHILD: &str = "proof::tests::kill::child_that_appends_until_it_is_killed";
const PRODUCERS: i64 = 3;
const PARTITIONS: i32 = 2;

type Log = Arc<PartitionLog<UringDisk>>;

fn config(partition: i32) -> LogConfig {
    LogConfig {
        segment_bytes: 20_000,
        index_interval_bytes: 500,
        retention_ms: -1,
        retention_bytes: 400_000,
        file_delete_delay_ms: 0,
        recovery_unflushed_bytes_max: 30_000,
        flush_before_ack: partition == 0,
        flush_messages: 20,
        ..LogConfig::default()
    }
}

fn open(dir: &Path) -> Arc<LogManager<UringDisk>> {
    let dirs = LogDirs::open(&UringDisk, &[dir.to_owned()], 1, Some("kill")).unwrap();
    let options = LogManagerOptions {
        producer_id_expiration_ms: i64::MAX,
        initial_task_delay_ms: 0,
        retention_check_interval_ms: 1,
        flush_offset_checkpoint_interval_ms: 1,
        ..LogManagerOptions::default()
    };
    let clock = Arc::new(SystemClock::new());
    let opened = LogManager::open(UringDisk, dirs, options, clock, &|_: &str| config(0));
    opened.unwrap().0
}

/// The one batch a producer sends with a sequence number.
fn records(producer_id: i64, sequence: i32) -> Bytes {
    let no_headers: [Header<'static>; 0] = [];
    let mut builder = BatchBuilder::new().producer(producer_id, 0, sequence);
    let bytes = usize::try_from(sequence % 700).unwrap();
    let value = vec![sequence.to_be_bytes()[3]; bytes];
    let key = sequence.to_be_bytes();
    builder
        .append(1000, Some(&key), Some(&value), no_headers)
        .unwrap();
    builder.finish(Codec::None, None).unwrap().freeze()
}

struct Published(tokio::sync::watch::Sender<i64>);

impl LogListener for Published {
    fn on_published(&self, offsets: LogOffsets) {
        self.0.send_replace(offsets.log_end);
    }

    fn on_failed(&self) {
        panic!("the log dir went offline");
    }
}

/// Appends for ever, each batch after the one before was acknowledged, and says so.
async fn produce(log: Log, producer_id: i64, mut published: tokio::sync::watch::Receiver<i64>) {
    let known = log.active_producers();
    let known = known.iter().find(|known| known.producer_id == producer_id);
    let mut sequence = known.map_or(0, |known| known.last_sequence);
    loop {
        let ctx = AppendContext {
            leader_epoch: 0,
            origin: Origin::Client,
            now_ms: 1000,
        };
        let appended = log.append(records(producer_id, sequence), ctx).unwrap();
        if let Some(drain) = appended.drain {
            drop(tokio::task::spawn_local(drain.run()));
        }
        let last = appended.last_offset;
        published.wait_for(|log_end| last < *log_end).await.unwrap();
        log.advance_high_watermark(i64::MAX);
        let (partition, offset) = (log.partition(), appended.base_offset);
        let line = format!("ack {partition} {producer_id} {sequence} {offset}\n");
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).unwrap();
        out.flush().unwrap();
        sequence += 1;
    }
}

/// Not a test by itself: what the parent below starts. Without its directory it has nothing to do.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let manager = open(&PathBuf::from(dir));
    let background = Arc::clone(&manager);
    let is_failed = Arc::new(AtomicBool::new(false));
    let failed = Arc::clone(&is_failed);
    std::thread::spawn(move || {
        while background.run_background().failures == 0 {
            std::thread::yield_now();
        }
        failed.store(true, Ordering::SeqCst);
    });
    run_on_ring(async {
        let mut producers = Vec::new();
        for partition in 0..PARTITIONS {
            let id = Uuid::from_u128(9);
            let log = manager.create_log("t", partition, id, config(partition));
            let log = log.unwrap();
            log.update_config(config(partition));
            let (sender, receiver) = tokio::sync::watch::channel(log.offsets().log_end);
            log.set_listener(Box::new(Published(sender)));
            for producer_id in 0..PRODUCERS {
                let produce = produce(Arc::clone(&log), producer_id, receiver.clone());
                producers.push(tokio::task::spawn_local(produce));
            }
        }
        for producer in producers {
            producer.await.unwrap();
        }
    });
    assert!(!is_failed.load(Ordering::SeqCst));
}

/// What was acknowledged, by partition and offset: producer and sequence number.
type Acknowledged = BTreeMap<(i32, i64), (i64, i32)>;

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the child after some acknowledgements; returns how many there were.
fn run_and_kill(dir: &Path, kill_after: u64, acknowledged: &mut Acknowledged) -> u64 {
    let mut child = start(dir);
    let mut count = 0;
    let lines = BufReader::new(child.stdout.take().unwrap());
    if kill_after == 0 {
        child.kill().unwrap();
    }
    // What the child had written before it died is still in the pipe.
    for line in lines.lines().map_while(Result::ok) {
        // Cut short by the kill, or of the test harness.
        let fields: Vec<&str> = line.split(' ').collect();
        let ["ack", partition, producer_id, sequence, offset] = fields[..] else {
            continue;
        };
        let key = (partition.parse().unwrap(), offset.parse().unwrap());
        let value = (producer_id.parse().unwrap(), sequence.parse().unwrap());
        let known = acknowledged.insert(key, value);
        assert!(known.is_none_or(|known| known == value), "{line}");
        count += 1;
        if count == kill_after {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(!status.success(), "it runs until it is killed: {status}");
    count
}

/// Everything acknowledged is there, with its bytes; each producer's sequence numbers follow one
/// another, so nothing is there twice.
fn check(dir: &Path, acknowledged: &Acknowledged) {
    let manager = open(dir);
    for partition in 0..PARTITIONS {
        let Some(log) = manager.log("t", partition) else {
            assert!(acknowledged.keys().all(|key| key.0 != partition));
            continue;
        };
        let offsets = log.offsets();
        let mut at = offsets.log_start;
        let mut last: BTreeMap<i64, i32> = BTreeMap::new();
        let mut found = BTreeMap::new();
        while at < offsets.log_end {
            let slice = log.read_blocking(at, 1 << 20, offsets.log_end, true);
            let bytes = log.load_blocking(&slice.unwrap()).unwrap();
            for batch in Batches::new(&bytes) {
                let batch = batch.unwrap();
                let header = batch.header;
                let (id, sequence) = (header.producer_id, header.base_sequence);
                assert_eq!(batch.bytes[16..], records(id, sequence)[16..]);
                if let Some(before) = last.insert(id, sequence) {
                    assert_eq!(before + 1, sequence, "partition {partition}, producer {id}");
                }
                found.insert((partition, header.base_offset), (id, sequence));
                assert_eq!(header.base_offset, at, "offsets are dense");
                at = header.last_offset() + 1;
            }
        }
        let from = (partition, offsets.log_start);
        let to = (partition + 1, 0);
        for (key, value) in acknowledged.range(from..to) {
            assert_eq!(found.get(key), Some(value), "{key:?} was acknowledged");
        }
        for known in log.active_producers() {
            let expected = last.get(&known.producer_id);
            assert!(expected.is_none_or(|last| *last == known.last_sequence));
        }
    }
}

#[test]
fn killed_process_lost_nothing_it_acknowledged() {
    let rounds = env_number("RINGBROOK_KILL_ROUNDS").unwrap_or(ROUNDS_DEFAULT);
    let seed =
        env_number("RINGBROOK_KILL_SEED").unwrap_or_else(|| RandomState::new().hash_one("kill"));
    println!("RINGBROOK_KILL_SEED={seed} RINGBROOK_KILL_ROUNDS={rounds}");
    let mut random = Random::new(seed);
    // Next to the build, as a temporary directory may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let mut acknowledged = Acknowledged::new();
    let mut count = 0;
    for round in 0..rounds {
        let kill_after = random.below(if round % 4 == 3 { 3 } else { 600 });
        count += run_and_kill(dir.path(), kill_after, &mut acknowledged);
        check(dir.path(), &acknowledged);
    }
    println!("{count} acknowledgements in {rounds} rounds");
    assert!(rounds < 4 || 10 < count);
}
