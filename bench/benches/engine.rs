//! The engine's parts on the real disk: appends by backend and group size, index entries, finding
//! what a fetch gets, its bytes from the disk or from the cache, and the answer around them.
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
use ringbrook_engine::{LogConfig, PartitionLog};
use ringbrook_gate::pieces::{CTX, FETCH_VERSION, Logs, batch, fetch_response, filled, page_cache};
use ringbrook_protocol::encode_response;
use ringbrook_record::Codec;
use rustix::fs::{Advice, fadvise};

/// An empty log on `disk`.
fn empty<D: Disk>(disk: &D, config: LogConfig) -> Logs<D> {
    Logs::open(disk, Path::new("."), 1, config)
}

/// Logs of batches of 16 records and 16 KiB each.
fn filled_logs(count: i32, batches: usize) -> Logs<UringDisk> {
    let batch = batch(16, 1000, Codec::None);
    filled(&UringDisk, Path::new("."), count, &batch, batches)
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
    for records in [1, 16] {
        let batch = batch(records, 1000, Codec::None);
        let mut group = c.benchmark_group(format!("append/{records} KiB, page cache"));
        for count in [1, 8, 64] {
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new("ring", count), |b| {
                b.iter_custom(|iterations| {
                    let logs = empty(&UringDisk, page_cache());
                    on_ring(append_groups(logs.first(), &batch, count, iterations, true))
                });
            });
            group.bench_function(BenchmarkId::new("blocking", count), |b| {
                b.iter_custom(|iterations| {
                    let logs = empty(&UringDisk, page_cache());
                    on_ring(append_groups(
                        logs.first(),
                        &batch,
                        count,
                        iterations,
                        false,
                    ))
                });
            });
            group.bench_function(BenchmarkId::new("memory", count), |b| {
                b.iter_custom(|iterations| {
                    let logs = empty(&SimDisk::new(1), page_cache());
                    on_ring(append_groups(
                        logs.first(),
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
    let batch = batch(1, 200, Codec::None);
    let mut group = c.benchmark_group("index append");
    for (name, index_interval_bytes) in [("none", u32::MAX), ("one a batch", 0)] {
        let config = LogConfig {
            index_interval_bytes,
            ..page_cache()
        };
        group.throughput(Throughput::Elements(64));
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                let logs = empty(&UringDisk, config);
                on_ring(append_groups(logs.first(), &batch, 64, iterations, true))
            });
        });
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    // 2,000 index entries: the older half is in the file, the newer in memory.
    let stored = filled_logs(1, 2000);
    let log = stored.first();
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

/// The bytes behind the last MiB of a log, from the page cache and from the disk.
fn tail_read(c: &mut Criterion) {
    const BYTES: usize = 64 << 10;
    let stored = filled_logs(1, 64);
    let log = stored.first();
    let end = log.offsets().high_watermark;
    let load = || {
        let slice = log.read_blocking(end - 16 * 8, BYTES, end, true);
        let slice = slice.expect("the offset is in the log");
        log.load_blocking(&slice).expect("the bytes are there")
    };
    let dir = stored.dir().expect("the disk is real");
    let path = dir.join("bench-0/00000000000000000000.log");
    let file = std::fs::File::open(path).expect("the log has a segment");
    file.sync_all().expect("the segment is written");
    let mut group = c.benchmark_group("tail read/64 KiB");
    group.throughput(Throughput::Bytes(BYTES as u64));
    group.bench_function("page cache", |b| b.iter(load));
    group.bench_function("file, dropped from the page cache", |b| {
        b.iter_custom(|iterations| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..iterations {
                fadvise(&file, 0, None, Advice::DontNeed).expect("the cache can be dropped");
                let begun = now();
                black_box(load());
                elapsed += begun.elapsed();
            }
            elapsed
        });
    });
    group.finish();
}

/// What a fetch with news from all its partitions takes: the reads, and the answer around them.
fn fetch_assembly(c: &mut Criterion) {
    let stored = filled_logs(100, 4);
    let mut group = c.benchmark_group("fetch assembly");
    for count in [1, 100] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("partitions", count), |b| {
            b.iter_custom(|iterations| {
                on_ring(async {
                    let begun = now();
                    for _ in 0..iterations {
                        let mut bytes = Vec::with_capacity(count);
                        for log in &stored.all()[..count] {
                            let end = log.offsets().high_watermark;
                            let slice = log.read(end - 16, 1 << 20, end, true).await;
                            bytes.push(slice.expect("the offset is in the log").bytes);
                        }
                        let response = fetch_response(bytes.into_iter());
                        let encoded = encode_response(7, &response, FETCH_VERSION);
                        black_box(encoded.expect("an answer"));
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
    targets = append, index_append, read, tail_read, fetch_assembly
}
criterion_main!(benches);
