//! What compaction pays per key: MD5 and a place in the offset map, put and looked up, with maps
//! that fit the processor's cache and maps that do not.
//!
//! Expected: the hash of one block, some 100 ns, and one miss of the cache in a large map. At 1 KiB
//! a record 300 MiB/s leave 3.2 us for a record; each is put once and looked up once.
//! `cargo bench -p ringbrook-bench --bench offset_map`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringbrook_engine::OffsetMap;

const LOAD_FACTOR: f64 = 0.9;
/// Kafka's 128 MiB, and one that stays in the cache.
const MAP_BYTES: [usize; 2] = [256 << 10, 128 << 20];
/// Among the tests, where filling a large one takes longer than all the rest.
const MAP_BYTES_SMALL: [usize; 2] = [64 << 10, 256 << 10];
const SLOT_BYTES: usize = 24;

/// A key of 16 bytes.
fn key(n: u64) -> [u8; 16] {
    let mut key = *b"customer00000000";
    key[8..].copy_from_slice(&n.to_be_bytes());
    key
}

/// Cargo says `--bench` when it is to be measured.
fn map_bytes() -> [usize; 2] {
    if std::env::args().any(|argument| argument == "--bench") {
        return MAP_BYTES;
    }
    MAP_BYTES_SMALL
}

/// A map that is filled to 80 % of its slots.
fn filled(bytes: usize) -> (OffsetMap, u64) {
    let mut map = OffsetMap::new(bytes, LOAD_FACTOR);
    let keys = (bytes / SLOT_BYTES * 8 / 10) as u64;
    for (offset, n) in (0_i64..).zip(0..keys) {
        map.put(&key(n), offset);
    }
    (map, keys)
}

fn put(c: &mut Criterion) {
    let mut group = c.benchmark_group("offset_map/put");
    group.throughput(Throughput::Elements(1));
    for bytes in map_bytes() {
        let (mut map, keys) = filled(bytes);
        let mut n = 0_u64;
        group.bench_function(BenchmarkId::from_parameter(bytes), |b| {
            b.iter(|| {
                // A stride that is prime to the number of keys visits them in no order.
                n = (n + 1_000_003) % keys;
                map.put(black_box(&key(n)), 7);
            });
        });
    }
    group.finish();
}

fn find(c: &mut Criterion) {
    let mut group = c.benchmark_group("offset_map/get");
    group.throughput(Throughput::Elements(1));
    for bytes in map_bytes() {
        let (map, keys) = filled(bytes);
        for (name, first) in [("present", 0), ("absent", keys)] {
            let mut n = 0_u64;
            group.bench_function(BenchmarkId::new(name, bytes), |b| {
                b.iter(|| {
                    n = (n + 1_000_003) % keys;
                    black_box(map.get(black_box(&key(first + n))))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, put, find);
criterion_main!(benches);
