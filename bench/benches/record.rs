//! What a batch costs on its way into a log: CRC, header, pass over the records, header patch or
//! rebuilding, and the variable-length integers under it; and what building one costs.
//!
//! Explains the broker's CPU time per GiB: `cargo bench -p ringbrook-bench --bench record`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringbrook_gate::pieces::{LIMIT_BYTES, NOW_MS, batch, value};
use ringbrook_record::{
    Batch, BatchBuilder, BatchHeader, Codec, DecoderContext, HeaderPatch, RecordBuffer,
    TimestampType, varint,
};

fn crc(c: &mut Criterion) {
    let mut group = c.benchmark_group("crc32c");
    for bytes in [1 << 10, 16 << 10, 1 << 20] {
        let data = vec![7u8; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::from_parameter(bytes), &data, |b, data| {
            b.iter(|| crc32c::crc32c(black_box(data)));
        });
    }
    group.finish();
}

/// What the CRC is to be held against: one pass over the bytes that also writes them.
fn copy(c: &mut Criterion) {
    let mut group = c.benchmark_group("memcpy");
    for bytes in [1 << 10, 16 << 10, 1 << 20] {
        let data = vec![7u8; bytes];
        let mut target = vec![0u8; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(bytes), |b| {
            b.iter(|| {
                target.copy_from_slice(black_box(&data));
                black_box(&mut target);
            });
        });
    }
    group.finish();
}

fn header(c: &mut Criterion) {
    let bytes = batch(1, 200, Codec::None);
    c.bench_function("header/parse", |b| {
        b.iter(|| BatchHeader::parse(black_box(&bytes)));
    });
    let header = BatchHeader::parse(&bytes).expect("a batch");
    let payload = Batch::parse(&bytes).expect("a batch").payload();
    c.bench_function("header/patch offset and epoch", |b| {
        b.iter(|| {
            HeaderPatch::new(black_box(&header))
                .base_offset(4711)
                .partition_leader_epoch(3)
                .encode(payload)
        });
    });
    let large = batch(60, 1024, Codec::None);
    let header = BatchHeader::parse(&large).expect("a batch");
    let payload = Batch::parse(&large).expect("a batch").payload();
    c.bench_function("header/patch with LogAppendTime, 60 KiB", |b| {
        b.iter(|| {
            HeaderPatch::new(black_box(&header))
                .timestamps(TimestampType::LogAppendTime, NOW_MS + 1)
                .encode(payload)
        });
    });
}

fn skim(c: &mut Criterion) {
    for (records, record_bytes) in [(60, 1024), (600, 100)] {
        let mut group = c.benchmark_group(format!("skim/{records} x {record_bytes} B"));
        group.throughput(Throughput::Bytes((records * record_bytes) as u64));
        for codec in Codec::ALL {
            let bytes = batch(records, record_bytes, codec);
            let batch = Batch::parse(&bytes).expect("a batch");
            let mut context = DecoderContext::new();
            group.bench_function(codec.name(), |b| {
                b.iter(|| {
                    let shapes = batch.skim(&mut context, LIMIT_BYTES).expect("a stream");
                    shapes.map(|shape| shape.expect("a record").index).max()
                });
            });
        }
        group.finish();
    }
}

/// All that validation does with a batch that is appended as it came.
fn validate(c: &mut Criterion) {
    let mut group = c.benchmark_group("validate/60 x 1024 B");
    for codec in Codec::ALL {
        let bytes = batch(60, 1024, codec);
        let mut context = DecoderContext::new();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(codec.name(), |b| {
            b.iter(|| {
                let batch = Batch::parse(black_box(&bytes)).expect("a batch");
                batch.verify_crc().expect("the CRC fits");
                let shapes = batch.skim(&mut context, LIMIT_BYTES).expect("a stream");
                shapes.map(|shape| shape.expect("a record").index).max()
            });
        });
    }
    group.finish();
}

/// A producer's batch: records one after the other, then the codec, header and CRC.
fn build(c: &mut Criterion) {
    for (records, record_bytes) in [(60, 1024), (600, 100)] {
        let value = value(record_bytes);
        let mut group = c.benchmark_group(format!("build/{records} x {record_bytes} B"));
        group.throughput(Throughput::Bytes((records * record_bytes) as u64));
        for codec in Codec::ALL {
            group.bench_function(codec.name(), |b| {
                b.iter(|| {
                    let mut builder = BatchBuilder::new();
                    for _ in 0..records {
                        let value = Some(black_box(&value[..]));
                        builder
                            .append(NOW_MS, Some(b"customer-1"), value, [])
                            .expect("the batch is small");
                    }
                    builder.finish(codec, None).expect("the codec compresses")
                });
            });
        }
        group.finish();
    }
}

/// What patching a header in place saves.
fn rebuild(c: &mut Criterion) {
    let bytes = batch(60, 1024, Codec::None);
    let batch = Batch::parse(&bytes).expect("a batch");
    let mut group = c.benchmark_group("rebuild/60 x 1024 B");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("patch in place", |b| {
        b.iter(|| {
            HeaderPatch::new(black_box(&batch.header))
                .base_offset(4711)
                .encode(batch.payload())
        });
    });
    for codec in [Codec::None, Codec::Lz4] {
        group.bench_function(format!("rebuild as {}", codec.name()), |b| {
            b.iter(|| {
                let mut buffer = RecordBuffer::new();
                let mut builder = BatchBuilder::like(&batch.header);
                for record in batch.records(&mut buffer, LIMIT_BYTES).expect("records") {
                    let record = record.expect("a record");
                    let timestamp = batch.header.record_timestamp(record.timestamp_delta);
                    builder
                        .append(timestamp, record.key, record.value, record.headers)
                        .expect("as many fit as before");
                }
                builder.finish(codec, None).expect("the codec compresses")
            });
        });
    }
    group.finish();
}

fn varints(c: &mut Criterion) {
    const COUNT: i32 = 1000;
    let mut group = c.benchmark_group("varint/decode 1000");
    for (name, scale) in [
        ("1 byte", 0),
        ("2 bytes", 1_000),
        ("5 bytes", 1_000_000_000),
    ] {
        let mut bytes = Vec::new();
        (0..COUNT).for_each(|n| varint::put_varint(&mut bytes, scale + n % 60));
        group.throughput(Throughput::Elements(COUNT.unsigned_abs().into()));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut rest = black_box(bytes.as_slice());
                let mut sum = 0_i32;
                while !rest.is_empty() {
                    sum = sum.wrapping_add(varint::read_varint(&mut rest).expect("a varint"));
                }
                sum
            });
        });
    }
    group.finish();
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
    targets = crc, copy, header, skim, validate, build, rebuild, varints
}
criterion_main!(benches);
