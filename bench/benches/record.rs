//! What a batch costs on its way into a log: CRC, header, pass over the records, header patch.
//!
//! Explains the broker's CPU time per GiB: `cargo bench -p ringbrook-bench --bench record`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringbrook_record::{
    Batch, BatchBuilder, BatchHeader, Codec, DecoderContext, Header, HeaderPatch, TimestampType,
};

const NOW_MS: i64 = 1_700_000_000_000;
const LIMIT_BYTES: usize = 1 << 30;

/// A batch of records of about `record_bytes`, half of each random and half text, so that codecs
/// find something and not everything.
fn batch(records: usize, record_bytes: usize, codec: Codec) -> Vec<u8> {
    let mut state = 1u64;
    let mut builder = BatchBuilder::new();
    for _ in 0..records {
        let mut value = Vec::with_capacity(record_bytes);
        while value.len() < record_bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            value.extend_from_slice(&state.to_le_bytes());
            value.extend_from_slice(b"orderid=");
        }
        let header = Header {
            key: b"trace",
            value: Some(b"0123456789abcdef"),
        };
        builder
            .append(NOW_MS, Some(b"customer-1"), Some(&value), [header])
            .expect("the batch is small");
    }
    let bytes = builder.finish(codec, None).expect("the codec compresses");
    bytes.to_vec()
}

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

criterion_group!(benches, crc, header, skim);
criterion_main!(benches);
