//! The engine's parts on the real disk: appends by backend and group size, index entries, finding
//! what a fetch gets, from a file or from the cache.
//!
//! Explains the figures of `ringbrook-bench engine`:
//! `cargo bench -p ringbrook-bench --bench engine`. Directories are made in the working directory.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringbrook_engine::io::{Disk, SimDisk, UringDisk};
use ringbrook_engine::{
    AppendContext, LogConfig, LogDirs, LogManager, LogManagerOptions, Origin, PartitionLog,
    SystemClock,
};
use ringbrook_record::{BatchBuilder, Codec};
use uuid::Uuid;

const NOW_MS: i64 = 1_700_000_000_000;
const CTX: AppendContext = AppendContext {
    leader_epoch: 0,
    origin: Origin::Client,
    now_ms: NOW_MS,
};

fn page_cache() -> LogConfig {
    LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    }
}

/// A batch of records of 1 KiB, or of one smaller record.
fn batch(bytes: usize) -> Bytes {
    let value = vec![7u8; bytes.min(1024)];
    let mut builder = BatchBuilder::new();
    for _ in 0..bytes.div_ceil(1024) {
        builder
            .append(NOW_MS, None, Some(&value), [])
            .expect("the batch is small");
    }
    builder
        .finish(Codec::None, None)
        .expect("nothing to compress")
        .freeze()
}

/// Logs in a directory that goes away with this.
struct Logs<D: Disk> {
    logs: Vec<Arc<PartitionLog<D>>>,
    _manager: Arc<LogManager<D>>,
    _dir: tempfile::TempDir,
}

fn logs<D: Disk>(disk: &D, count: i32, config: LogConfig) -> Logs<D> {
    let dir = tempfile::tempdir_in(".").expect("the working directory can be written");
    let path = if size_of::<D>() == 0 {
        dir.path().to_owned()
    } else {
        // In memory.
        Path::new("/data").to_owned()
    };
    let dirs = LogDirs::open(disk, &[path], 1, None).expect("a log dir");
    let (manager, _) = LogManager::open(
        disk.clone(),
        dirs,
        LogManagerOptions::default(),
        Arc::new(SystemClock::new()),
        &|_| config,
    )
    .expect("an empty log dir opens");
    let create = |partition| {
        let id = Uuid::from_u128(1);
        manager.create_log("bench", partition, id, config)
    };
    Logs {
        logs: (0..count)
            .map(|partition| create(partition).expect("a log"))
            .collect(),
        _manager: manager,
        _dir: dir,
    }
}

/// Appends `group` batches and writes them at once; returns the time of `iterations` such groups.
async fn append_groups<D: Disk>(
    log: &Arc<PartitionLog<D>>,
    batch: &Bytes,
    group: usize,
    iterations: u64,
    is_on_ring: bool,
) -> Duration {
    let begun = now();
    for _ in 0..iterations {
        let mut drain = None;
        for _ in 0..group {
            let appended = log.append(batch.clone(), CTX).expect("the batch is good");
            drain = drain.or(appended.drain);
        }
        let drain = drain.expect("nobody else drains");
        if is_on_ring {
            drain.run().await;
        } else {
            drain.run_blocking();
        }
    }
    begun.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn on_ring<F: Future>(future: F) -> F::Output {
    let mut ring = tokio_uring::uring_builder();
    ring.setup_single_issuer()
        .setup_coop_taskrun()
        .setup_taskrun_flag();
    let runtime = tokio_uring::Runtime::new(tokio_uring::builder().uring_builder(&ring));
    runtime.expect("the kernel has io_uring").block_on(future)
}

fn append(c: &mut Criterion) {
    for bytes in [1 << 10, 16 << 10] {
        let batch = batch(bytes);
        let mut group = c.benchmark_group(format!("append/{} KiB, page cache", bytes >> 10));
        for count in [1, 8, 64] {
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new("ring", count), |b| {
                b.iter_custom(|iterations| {
                    let logs = logs(&UringDisk, 1, page_cache());
                    on_ring(append_groups(
                        &logs.logs[0],
                        &batch,
                        count,
                        iterations,
                        true,
                    ))
                });
            });
            group.bench_function(BenchmarkId::new("blocking", count), |b| {
                b.iter_custom(|iterations| {
                    let logs = logs(&UringDisk, 1, page_cache());
                    on_ring(append_groups(
                        &logs.logs[0],
                        &batch,
                        count,
                        iterations,
                        false,
                    ))
                });
            });
            group.bench_function(BenchmarkId::new("memory", count), |b| {
                b.iter_custom(|iterations| {
                    let logs = logs(&SimDisk::new(1), 1, page_cache());
                    on_ring(append_groups(
                        &logs.logs[0],
                        &batch,
                        count,
                        iterations,
                        false,
                    ))
                });
            });
        }
        group.finish();
    }
}

/// The difference of the two is the cost of an offset index entry and a time index entry.
fn index_append(c: &mut Criterion) {
    let batch = batch(200);
    let mut group = c.benchmark_group("index append");
    for (name, index_interval_bytes) in [("none", u32::MAX), ("one a batch", 0)] {
        let config = LogConfig {
            index_interval_bytes,
            ..page_cache()
        };
        group.throughput(Throughput::Elements(64));
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                let logs = logs(&UringDisk, 1, config);
                on_ring(append_groups(&logs.logs[0], &batch, 64, iterations, true))
            });
        });
    }
    group.finish();
}

/// Fills logs with batches of 16 records and 16 KiB each.
fn filled(count: i32, batches: usize) -> Logs<UringDisk> {
    let logs = logs(&UringDisk, count, page_cache());
    let batch = batch(16 << 10);
    for log in &logs.logs {
        for _ in 0..batches {
            let appended = log.append(batch.clone(), CTX).expect("the batch is good");
            appended.drain.expect("nobody else drains").run_blocking();
        }
        log.advance_high_watermark(i64::MAX);
    }
    logs
}

fn read(c: &mut Criterion) {
    // 2,000 index entries: the older half is in the file, the newer in memory.
    let stored = filled(1, 2000);
    let log = &stored.logs[0];
    let end = log.offsets().log_end;
    let places = [
        ("the newest batch, remembered", end - 16),
        ("an index entry in memory (warm)", end - 16 * 500),
        ("an index entry in the file (cold)", 16 * 300),
    ];
    let mut group = c.benchmark_group("read/find");
    for (name, start) in places {
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                on_ring(async {
                    let begun = now();
                    for _ in 0..iterations {
                        let slice = log.read(black_box(start), 16 << 10, end, true).await;
                        assert!(0 < slice.expect("the offset is in the log").bytes);
                    }
                    begun.elapsed()
                })
            });
        });
    }
    group.finish();
}

fn fetch_assembly(c: &mut Criterion) {
    let stored = filled(100, 4);
    let mut group = c.benchmark_group("fetch assembly");
    for count in [1, 100] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("partitions", count), |b| {
            b.iter_custom(|iterations| {
                on_ring(async {
                    let begun = now();
                    for _ in 0..iterations {
                        let mut bytes = 0;
                        for log in &stored.logs[..count] {
                            let end = log.offsets().high_watermark;
                            let slice = log.read(end - 16, 1 << 20, end, true).await;
                            bytes += slice.expect("the offset is in the log").bytes;
                        }
                        assert!(0 < bytes);
                    }
                    begun.elapsed()
                })
            });
        });
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! {
    name = benches;
    config = quick();
    targets = append, index_append, read, fetch_assembly
}
criterion_main!(benches);
