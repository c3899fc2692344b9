//! Appending and reading back: offsets, bytes, refusals.

use ringbrook_record::{Batch, BatchBuilder, Batches, Codec, TimestampType};

use super::support::*;
use crate::config::{CleanupPolicy, LogConfig, TargetCompression};
use crate::error::{AppendError, ReadError};
use crate::io::SimDisk;
use crate::log::AppendContext;

#[test]
fn offsets_are_dense_and_bytes_are_the_producers() {
    let log = create(&SimDisk::new(1), LogConfig::default());
    let sent: Vec<_> = [(3, 10), (1, 2000), (5, 0)]
        .map(|(n, bytes)| batch(n, bytes))
        .into();
    let mut next = 0;
    for (records, count) in sent.iter().zip([3, 1, 5]) {
        let appended = append(&log, records, client()).unwrap();
        assert_eq!(
            (appended.base_offset, appended.last_offset),
            (next, next + count - 1)
        );
        assert_eq!(appended.log_append_time_ms, -1);
        next += count;
    }
    let offsets = log.offsets();
    assert_eq!(
        (offsets.log_end, offsets.flushed, offsets.high_watermark),
        (9, 9, 9)
    );
    let stored = read_all(&log, 0);
    for (batch, sent) in Batches::new(&stored).zip(&sent) {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        assert_eq!(batch.header.partition_leader_epoch, 0);
        assert_eq!(
            batch.bytes[16..],
            sent[16..],
            "all after the leader epoch is unchanged (L4)"
        );
    }
}

#[test]
fn read_starts_at_the_batch_and_respects_the_limits() {
    let log = create(&SimDisk::new(1), LogConfig::default());
    let records = batch(10, 100);
    for _ in 0..5 {
        append(&log, &records, client()).unwrap();
    }
    let size = records.len();
    let read = |start, max, upper, min_one| {
        let slice = log.read_blocking(start, max, upper, min_one).unwrap();
        slice
            .regions
            .first()
            .map_or((0, 0), |region| (region.position, region.len))
    };
    let at = |batches: usize| (batches * size) as u64;
    assert_eq!(read(0, 1 << 20, 50, false), (0, 5 * size));
    assert_eq!(
        read(13, 1 << 20, 50, false),
        (at(1), 4 * size),
        "the batch that holds 13"
    );
    assert_eq!(
        read(10, size + 7, 50, false),
        (at(1), size + 7),
        "cut by bytes"
    );
    assert_eq!(
        read(10, size - 1, 50, false),
        (0, 0),
        "the first batch does not fit"
    );
    assert_eq!(
        read(10, 1, 50, true),
        (at(1), size),
        "the first batch comes whole"
    );
    assert_eq!(
        read(10, 1 << 20, 30, false),
        (at(1), 2 * size),
        "up to the high watermark"
    );
    assert_eq!(
        read(50, 1 << 20, 50, true),
        (0, 0),
        "the end is empty, no error"
    );
    assert_eq!(read(30, 1 << 20, 30, true), (0, 0));
    for offset in [-1, 51] {
        let result = log.read_blocking(offset, 100, 50, true);
        assert!(matches!(
            result,
            Err(ReadError::OffsetOutOfRange { log_end: 50, .. })
        ));
    }
    assert_eq!(log.bytes_available(20, 50), Some(at(3)));
    assert_eq!(log.bytes_available(20, 30), Some(at(1)));
    assert_eq!(log.bytes_available(50, 50), Some(0));
}

#[test]
fn reads_far_from_the_tail_use_the_index() {
    let config = LogConfig {
        index_interval_bytes: 200,
        ..LogConfig::default()
    };
    let log = create(&SimDisk::new(1), config);
    let records = batch(2, 50);
    for _ in 0..500 {
        append(&log, &records, client()).unwrap();
    }
    for start in [0, 1, 2, 501, 998, 999] {
        let slice = log.read_blocking(start, 1, 1000, true).unwrap();
        let bytes = log.load_blocking(&slice).unwrap();
        let header = Batch::parse(&bytes).unwrap().header;
        assert_eq!(header.base_offset, start / 2 * 2);
    }
}

#[test]
fn rolls_and_reads_across_segments() {
    let records = batch(10, 100);
    let segment_bytes = u32::try_from(records.len() * 3).unwrap();
    let config = LogConfig {
        segment_bytes,
        ..LogConfig::default()
    };
    let log = create(&SimDisk::new(1), config);
    for _ in 0..10 {
        append(&log, &records, client()).unwrap();
    }
    assert_eq!(log.segments_count(), 4);
    assert_eq!(log.size_bytes(), 10 * records.len() as u64);
    let stored = read_all(&log, 0);
    let bases: Vec<_> = Batches::new(&stored)
        .map(|batch| batch.unwrap().header.base_offset)
        .collect();
    assert_eq!(bases, (0..10).map(|n| n * 10).collect::<Vec<_>>());
    let slice = log.read_blocking(20, 1 << 20, 100, true).unwrap();
    assert_eq!(slice.bytes, records.len(), "a read ends with its segment");
    assert_eq!(
        log.bytes_available(20, 100),
        None,
        "in an older segment there is enough"
    );
    assert_eq!(
        log.offsets().recovery_point,
        90,
        "rolled segments are synced"
    );
}

fn refused(config: LogConfig, records: &[u8], ctx: AppendContext) -> AppendError {
    let log = create(&SimDisk::new(1), config);
    let error = append(&log, &records.to_vec().into(), ctx).unwrap_err();
    assert_eq!(log.offsets().log_end, 0, "nothing is stored");
    append(&log, &batch(1, 1), client()).expect("the log goes on");
    error
}

#[test]
fn damaged_batches_are_corrupt() {
    let good = batch(3, 100);
    let mut flipped = good.to_vec();
    flipped[80] ^= 1;
    let mut short = good.to_vec();
    short[8..12].copy_from_slice(&13_i32.to_be_bytes());
    for bytes in [flipped, short] {
        let error = refused(LogConfig::default(), &bytes, client());
        assert!(matches!(error, AppendError::CorruptMessage(_)), "{error:?}");
    }
}

#[test]
fn malformed_appends_are_invalid_records() {
    let good = batch(3, 100);
    let two = [&good[..], &good[..]].concat();
    let mut magic = good.to_vec();
    magic[16] = 1;
    let with_offset = build(BatchBuilder::new().base_offset(5), 3, 10, 1000).to_vec();
    let control = marker(1, 0, true).to_vec();
    let no_sequence = produced(5, 0, -1, 1, 1).to_vec();
    for bytes in [
        two,
        magic,
        with_offset,
        control,
        no_sequence,
        good[..60].to_vec(),
        Vec::new(),
    ] {
        let error = refused(LogConfig::default(), &bytes, client());
        assert!(
            matches!(error, AppendError::InvalidRecord { .. }),
            "{error:?}"
        );
    }
}

#[test]
fn large_batches_are_refused() {
    let records = batch(1, 1000);
    let max_message_bytes = u32::try_from(records.len() - 1).unwrap();
    let config = LogConfig {
        max_message_bytes,
        ..LogConfig::default()
    };
    let error = refused(config, &records, client());
    assert!(
        matches!(error, AppendError::MessageTooLarge { .. }),
        "{error:?}"
    );
    let config = LogConfig {
        segment_bytes: 500,
        ..LogConfig::default()
    };
    let error = refused(config, &records, client());
    assert!(
        matches!(error, AppendError::RecordListTooLarge { .. }),
        "{error:?}"
    );
}

#[test]
fn compacted_topic_needs_keys() {
    let cleanup_policy = CleanupPolicy {
        delete: false,
        compact: true,
    };
    let config = LogConfig {
        cleanup_policy,
        ..LogConfig::default()
    };
    let mut builder = BatchBuilder::new();
    builder.append(1000, Some(b"k"), None, NO_HEADERS).unwrap();
    builder.append(1000, None, Some(b"v"), NO_HEADERS).unwrap();
    let error = refused(
        config,
        &builder.finish(Codec::None, None).unwrap(),
        client(),
    );
    let AppendError::InvalidRecord { record_errors, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        record_errors
            .iter()
            .map(|(index, _)| *index)
            .collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn timestamps_out_of_range_are_refused() {
    let config = LogConfig {
        timestamp_before_max_ms: 100,
        timestamp_after_max_ms: 50,
        ..LogConfig::default()
    };
    for (timestamp, is_good) in [
        (899, false),
        (900, true),
        (1050, true),
        (1051, false),
        (-1, true),
    ] {
        let log = create(&SimDisk::new(1), config);
        let result = append(&log, &timed(timestamp, 1), client());
        assert_eq!(result.is_ok(), is_good, "{timestamp}: {result:?}");
        if let Err(error) = result {
            assert!(
                matches!(error, AppendError::InvalidTimestamp { .. }),
                "{error:?}"
            );
        }
    }
}

#[test]
fn log_append_time_is_stamped_and_the_crc_follows() {
    let config = LogConfig {
        timestamp_type: TimestampType::LogAppendTime,
        ..LogConfig::default()
    };
    let log = create(&SimDisk::new(1), config);
    let ctx = AppendContext {
        now_ms: 77_000,
        ..client()
    };
    let appended = append(&log, &timed(5, 3), ctx).unwrap();
    assert_eq!(appended.log_append_time_ms, 77_000);
    let stored = read_all(&log, 0);
    let batch = Batch::parse(&stored).unwrap();
    batch.verify_crc().unwrap();
    assert_eq!(
        batch.header.attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(batch.header.max_timestamp, 77_000);
    assert_eq!(batch.bytes[61..], timed(5, 3)[61..]);
}

#[test]
fn other_codec_is_rebuilt_with_the_same_records() {
    for (source, target) in [
        (Codec::None, Codec::Zstd),
        (Codec::Lz4, Codec::None),
        (Codec::Gzip, Codec::Snappy),
    ] {
        let compression = TargetCompression::Codec {
            codec: target,
            level: None,
        };
        let log = create(
            &SimDisk::new(1),
            LogConfig {
                compression,
                ..LogConfig::default()
            },
        );
        let mut builder = BatchBuilder::new().producer(9, 1, 0);
        for n in 0..20_u8 {
            builder
                .append(1000 + i64::from(n), Some(&[n]), Some(&[n; 50]), NO_HEADERS)
                .unwrap();
        }
        let sent = builder.finish(source, None).unwrap().freeze();
        append(&log, &sent, client()).unwrap();
        let stored = read_all(&log, 0);
        let batch = Batch::parse(&stored).unwrap();
        batch.verify_crc().unwrap();
        assert_eq!(batch.header.attributes.codec().unwrap(), target);
        assert_eq!(
            (batch.header.producer_id, batch.header.base_sequence),
            (9, 0)
        );
        assert_eq!(
            (batch.header.max_timestamp, batch.header.last_offset()),
            (1019, 19)
        );
        let mut buffer = ringbrook_record::RecordBuffer::new();
        let values: Vec<_> = batch
            .records(&mut buffer, 1 << 20)
            .unwrap()
            .map(|record| record.unwrap().value.unwrap().to_vec())
            .collect();
        assert_eq!(values, (0..20).map(|n| vec![n; 50]).collect::<Vec<_>>());
    }
}

#[test]
fn replicated_batches_keep_their_offsets_and_epochs() {
    use crate::log::Origin;
    let leader = create(&SimDisk::new(1), LogConfig::default());
    for epoch in [3, 3, 4] {
        append(
            &leader,
            &batch(5, 20),
            AppendContext {
                leader_epoch: epoch,
                ..client()
            },
        )
        .unwrap();
    }
    let bytes = read_all(&leader, 0);
    let follower = create(&SimDisk::new(1), LogConfig::default());
    let ctx = AppendContext {
        origin: Origin::Replica,
        ..client()
    };
    append(&follower, &bytes.clone().into(), ctx).unwrap();
    assert_eq!(read_all(&follower, 0), bytes);
    assert_eq!(follower.latest_epoch(), Some(4));
    assert_eq!(follower.end_offset_for_epoch(3).unwrap().end_offset, 10);
    let error = append(&follower, &bytes.into(), ctx).unwrap_err();
    assert!(matches!(
        error,
        AppendError::OffsetNotMonotonic {
            found: 0,
            log_end: 15
        }
    ));
}

#[test]
fn appends_without_a_drain_share_the_next_write() {
    let disk = SimDisk::new(1);
    let log = create(&disk, LogConfig::default());
    let first = log.append(batch(1, 10), client()).unwrap();
    let drain = first.drain.expect("nobody writes yet");
    for _ in 0..20 {
        let next = log.append(batch(1, 10), client()).unwrap();
        assert!(next.drain.is_none(), "a writer is there");
    }
    assert_eq!(
        log.offsets().log_end,
        0,
        "nothing is published before it is written"
    );
    // A drain that never ran leaves its duty to the next append.
    drop(drain);
    let last = log.append(batch(1, 10), client()).unwrap();
    last.drain.expect("the duty is free again").run_blocking();
    assert_eq!(log.offsets().log_end, 22);
}

/// The segment after a gap begins above what is published; syncing the one before it broke L1.
#[test]
fn follower_rolls_across_a_gap_of_its_leader() {
    let config = LogConfig {
        segment_bytes: 500,
        ..LogConfig::default()
    };
    let disk = SimDisk::new(1);
    let log = create(&disk, config);
    let follower = AppendContext {
        origin: crate::log::Origin::Replica,
        ..client()
    };
    for base_offset in [0_i64, 100, 200] {
        let mut records = batch(1, 300).to_vec();
        records[..8].copy_from_slice(&base_offset.to_be_bytes());
        records[12..16].copy_from_slice(&0_i32.to_be_bytes());
        append(&log, &records.into(), follower).unwrap();
    }
    let offsets = log.offsets();
    assert_eq!((log.segments_count(), offsets.log_end), (3, 201));
    let (log, _) = open(&disk.restart(), config, hints(false));
    assert_eq!((log.segments_count(), log.offsets().log_end), (3, 201));
}
