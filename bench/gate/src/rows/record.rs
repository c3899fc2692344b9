//! What a batch costs on its way into a log, and what building one costs.

use std::hint::black_box;

use ringbrook_record::{
    Batch, BatchBuilder, BatchHeader, Codec, DecoderContext, HeaderPatch, RecordBuffer, varint,
};

use super::{Row, repeated};
use crate::pieces::{LIMIT_BYTES, NOW_MS, batch, value};

/// All that validation does with a batch that is appended as it came.
fn validate(name: &str, records: usize, record_bytes: usize, codec: Codec, times: usize) -> Row {
    let name = format!("record/validate {name}, {}", codec.name());
    Row::new(name, move |_| {
        let bytes = batch(records, record_bytes, codec);
        let mut context = DecoderContext::new();
        move || {
            repeated(times, || {
                let batch = Batch::parse(black_box(&bytes)).expect("a batch");
                batch.verify_crc().expect("the CRC fits");
                let shapes = batch.skim(&mut context, LIMIT_BYTES).expect("a stream");
                shapes.map(|shape| shape.expect("a record").index).max()
            });
        }
    })
}

fn build(codec: Codec) -> Row {
    Row::new(
        format!("record/build 60 x 1 KiB, {}", codec.name()),
        move |_| {
            let value = value(1024);
            move || {
                repeated(4, || {
                    let mut builder = BatchBuilder::new();
                    for _ in 0..60 {
                        let key: Option<&[u8]> = Some(b"customer-1");
                        builder
                            .append(NOW_MS, key, Some(black_box(&value)), [])
                            .expect("the batch is small");
                    }
                    builder.finish(codec, None).expect("the codec compresses")
                });
            }
        },
    )
}

fn patch() -> Row {
    Row::new("record/patch header", |_| {
        let bytes = batch(1, 200, Codec::None);
        let header = BatchHeader::parse(&bytes).expect("a batch");
        move || {
            let batch = Batch::parse(&bytes).expect("a batch");
            repeated(1000, || {
                HeaderPatch::new(black_box(&header))
                    .base_offset(4711)
                    .partition_leader_epoch(3)
                    .encode(batch.payload())
            });
        }
    })
}

/// What records cost when they have to be read one by one, keys and headers too.
fn records() -> Row {
    Row::new("record/iterate 600 x 100 B", |_| {
        let bytes = batch(600, 100, Codec::None);
        let mut buffer = RecordBuffer::new();
        move || {
            repeated(10, || {
                let batch = Batch::parse(black_box(&bytes)).expect("a batch");
                let records = batch.records(&mut buffer, LIMIT_BYTES).expect("records");
                records
                    .map(|record| record.expect("a record").value.map_or(0, <[u8]>::len))
                    .sum::<usize>()
            });
        }
    })
}

fn varints() -> Row {
    Row::new("record/varint decode", |_| {
        let mut bytes = Vec::new();
        for number in 0..1000 {
            varint::put_varint(&mut bytes, number * number * number / 7);
        }
        move || {
            repeated(10, || {
                let mut rest = black_box(bytes.as_slice());
                let mut sum = 0_i32;
                while !rest.is_empty() {
                    sum = sum.wrapping_add(varint::read_varint(&mut rest).expect("a varint"));
                }
                sum
            });
        }
    })
}

fn crc() -> Row {
    Row::new("record/crc32c 16 KiB", |_| {
        let bytes = value(16 << 10);
        move || repeated(64, || crc32c::crc32c(black_box(&bytes)))
    })
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![crc(), varints(), patch(), records()];
    rows.push(validate("1 x 200 B", 1, 200, Codec::None, 1000));
    for codec in Codec::ALL {
        rows.push(validate("60 x 1 KiB", 60, 1024, codec, 4));
        rows.push(build(codec));
    }
    rows
}
