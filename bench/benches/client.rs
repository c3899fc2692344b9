//! What the client does with records, without a network: choosing a partition, putting records into
//! batches, sealing and numbering them, reading what was fetched.
//!
//! Explains the client's CPU time per record: `cargo bench -p ringbrook-bench --bench client`.
//! Expected: appending a record costs its copy and some 100 ns; reading one without compression
//! costs no copy; with compression the codec costs more than all the rest.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastrand::Rng;
use ringbrook_client::config::{ConsumerConfig, ProducerConfig};
use ringbrook_client::consumer::probe::ConsumerProbe;
use ringbrook_client::producer::partitioner::{BuiltInPartitioner, partition_for_key};
use ringbrook_client::producer::probe::ProducerProbe;
use ringbrook_gate::pieces::{fetched, topic_metadata, value};
use ringbrook_record::Codec;

const PARTITIONS: i32 = 8;

fn partition(c: &mut Criterion) {
    let mut group = c.benchmark_group("partition");
    group.throughput(Throughput::Elements(1));
    for bytes in [8, 16, 64] {
        let key = value(bytes);
        group.bench_function(BenchmarkId::new("murmur2 of a key", bytes), |b| {
            b.iter(|| partition_for_key(black_box(&key), PARTITIONS));
        });
    }
    let topic = topic_metadata(PARTITIONS);
    let mut partitioner = BuiltInPartitioner::new(16_384, Rng::with_seed(7));
    group.bench_function("sticky", |b| {
        b.iter(|| {
            let partition = partitioner.partition(black_box(&topic));
            partitioner.update(&topic, 1024, true);
            partition
        });
    });
    group.finish();
}

fn producer(batch_size: usize, codec: Codec) -> ProducerProbe {
    let config = ProducerConfig {
        linger: Duration::ZERO,
        batch_size,
        compression_type: codec,
        ..ProducerConfig::default()
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "a point in time is wanted, whichever"
    )]
    let now = std::time::Instant::now().into();
    ProducerProbe::new(&config, topic_metadata(PARTITIONS), now)
}

/// Puts records into batches until there is about a batch for each partition.
fn append(probe: &mut ProducerProbe, value: &[u8], is_keyed: bool, records: u32) {
    for number in 0..records {
        let key = number.to_be_bytes();
        let key = is_keyed.then_some(&key[..]);
        assert!(probe.append(key, black_box(value)), "there is memory");
    }
}

/// From `send` to the acknowledgement: records into batches, batches to brokers and back.
fn accumulate(c: &mut Criterion) {
    const RECORDS: u32 = 100;
    for (value_bytes, batch_size) in [(100, 16_384), (1024, 16_384), (1024, 1 << 20)] {
        let value = value(value_bytes);
        let name = format!("accumulator/{value_bytes} B, batch.size {batch_size}");
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(RECORDS.into()));
        for (name, is_keyed) in [("without keys", false), ("with keys", true)] {
            let mut probe = producer(batch_size, Codec::None);
            group.bench_function(name, |b| {
                b.iter(|| {
                    append(&mut probe, &value, is_keyed, RECORDS);
                    probe.send_ready().expect("batches are sealed")
                });
            });
        }
        group.finish();
    }
}

/// The half after the batches are filled: ready, drain, numbers, seal, answer.
fn drain(c: &mut Criterion) {
    let value = value(1024);
    let mut group = c.benchmark_group("drain/8 batches of 15 KiB");
    group.throughput(Throughput::Elements(8));
    for codec in Codec::ALL {
        let filled = || {
            let mut probe = producer(16_384, codec);
            append(&mut probe, &value, true, 8 * 14);
            probe
        };
        group.bench_function(codec.name(), |b| {
            b.iter_batched_ref(
                filled,
                |probe| probe.send_ready().expect("batches are sealed"),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// What `poll` does with the records of an answer.
fn consume(c: &mut Criterion) {
    for (records, record_bytes) in [(60, 1024), (600, 100)] {
        let mut group = c.benchmark_group(format!("consume/{records} x {record_bytes} B"));
        group.throughput(Throughput::Bytes((records * record_bytes) as u64));
        for codec in Codec::ALL {
            let batches = fetched(1, records, record_bytes, codec);
            let mut probe = ConsumerProbe::new(&ConsumerConfig::default());
            group.bench_function(codec.name(), |b| {
                b.iter(|| probe.read(black_box(batches.clone())).expect("batches"));
            });
        }
        group.finish();
    }
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! {
    name = benches;
    config = quick();
    targets = partition, accumulate, drain, consume
}
criterion_main!(benches);
