//! What logs do for a produce and for a fetch, on real files without a ring.

use std::hint::black_box;
use std::path::Path;

use ringbrook_engine::OffsetMap;
use ringbrook_engine::io::UringDisk;
use ringbrook_protocol::encode_response;
use ringbrook_record::Codec;

use super::{Row, repeated};
use crate::pieces::{
    FETCH_VERSION, Logs, append_group, batch, fetch_response, filled, numbered_batches, page_cache,
};

/// `groups` times as many batches as share a write, each of one record.
fn append(group: usize, groups: usize) -> Row {
    let name = format!("engine/append 1 KiB, {group} to a write");
    Row::new(name, move |dir| {
        let logs = Logs::open(&UringDisk, dir, 1, page_cache());
        let batch = batch(1, 1024, Codec::None);
        move || {
            repeated(groups, || {
                append_group(logs.first(), (0..group).map(|_| batch.clone()));
            });
        }
    })
}

fn append_large(codec: Codec) -> Row {
    let name = format!("engine/append 60 x 1 KiB, {}", codec.name());
    Row::new(name, move |dir| {
        let logs = Logs::open(&UringDisk, dir, 1, page_cache());
        let batch = batch(60, 1024, codec);
        move || {
            repeated(8, || {
                append_group(logs.first(), std::iter::once(batch.clone()));
            });
        }
    })
}

/// With a producer's sequence numbers to check.
fn append_numbered() -> Row {
    const COUNT: usize = 128;
    Row::new("engine/append 200 B, idempotent", |dir| {
        let logs = Logs::open(&UringDisk, dir, 1, page_cache());
        let mut batches = numbered_batches(2 * COUNT, 200).into_iter();
        move || {
            for batch in batches.by_ref().take(COUNT) {
                append_group(logs.first(), std::iter::once(batch));
            }
        }
    })
}

/// Where the bytes of an offset are: in memory near the log's end, by the index file far from it.
fn read(name: &'static str, batches_behind: i64) -> Row {
    Row::new(name, move |dir| {
        let logs = filled(&UringDisk, dir, 1, &batch(16, 1024, Codec::None), 1500);
        move || {
            let log = logs.first();
            let end = log.offsets().high_watermark;
            repeated(200, || {
                let start = black_box(end - 16 * batches_behind);
                let slice = log.read_blocking(start, 16 << 10, end, true);
                assert!(0 < slice.expect("the offset is in the log").bytes);
            });
        }
    })
}

/// What a fetch with news from all of its partitions takes: the reads and the answer around them.
fn assembly(partitions: i32, times: usize) -> Row {
    let name = format!("engine/fetch assembly, {partitions} partitions");
    Row::new(name, move |dir: &Path| {
        let batch = batch(16, 1024, Codec::None);
        let logs = filled(&UringDisk, dir, partitions, &batch, 4);
        move || {
            repeated(times, || {
                let slices = logs.all().iter().map(|log| {
                    let end = log.offsets().high_watermark;
                    let slice = log.read_blocking(end - 16, 1 << 20, end, true);
                    slice.expect("the offset is in the log").bytes
                });
                let response = fetch_response(slices);
                encode_response(7, &response, FETCH_VERSION).expect("an answer")
            });
        }
    })
}

/// What compaction pays per key.
fn offset_map() -> Row {
    const KEYS: u64 = 2000;
    Row::new("engine/offset map, put and get", |_| {
        let mut map = OffsetMap::new(256 << 10, 0.9);
        move || {
            for (offset, key) in (0_i64..).zip(0..KEYS) {
                map.put(black_box(&key.to_be_bytes()), offset);
            }
            for key in 0..KEYS {
                black_box(map.get(black_box(&key.to_be_bytes())));
            }
        }
    })
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        append(1, 128),
        append(8, 16),
        append(64, 4),
        append_numbered(),
        append_large(Codec::None),
        append_large(Codec::Lz4),
        read("engine/read, newest batch", 1),
        read("engine/read, by index", 1200),
        assembly(1, 200),
        assembly(100, 4),
        offset_map(),
    ]
}
