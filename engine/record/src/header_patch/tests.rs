//! Tests of the header patch: what changes, what does not, and that the CRC holds afterwards.

use proptest::prelude::*;

use super::*;
use crate::batch::Batch;
use crate::batch_builder::BatchBuilder;
use crate::codec::Codec;

fn produced(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new().producer(9, 8, 7);
    builder
        .append(100, Some(b"key"), Some(&[5; 3000]), [])
        .unwrap();
    builder.append(250, None, None, []).unwrap();
    builder.finish(codec, None).unwrap().to_vec()
}

fn patched(bytes: &[u8], patch: &HeaderPatch) -> Vec<u8> {
    let batch = Batch::parse(bytes).unwrap();
    [patch.encode(batch.payload()).as_slice(), batch.payload()].concat()
}

#[test]
fn base_offset_and_leader_epoch_change_twelve_bytes_and_no_crc() {
    let bytes = produced(Codec::Lz4);
    let header = Batch::parse(&bytes).unwrap().header;
    let patch = HeaderPatch::new(&header)
        .base_offset(i64::MAX - 5)
        .partition_leader_epoch(0x0102_0304);
    assert!(!patch.changes_crc());
    let after = patched(&bytes, &patch);
    for (position, (old, new)) in bytes.iter().zip(&after).enumerate() {
        let is_patched = position < 8 || (12..16).contains(&position);
        assert_eq!(old != new, is_patched, "byte {position}");
    }
    Batch::parse(&after).unwrap().verify_crc().unwrap();
}

#[test]
fn a_patch_that_sets_what_is_there_changes_nothing() {
    let bytes = produced(Codec::None);
    let header = Batch::parse(&bytes).unwrap().header;
    let patch = HeaderPatch::new(&header)
        .base_offset(0)
        .partition_leader_epoch(-1)
        .timestamps(TimestampType::CreateTime, 250);
    assert!(!patch.changes_crc());
    assert_eq!(patched(&bytes, &patch), bytes);
}

#[test]
fn log_append_time_rewrites_bit_max_timestamp_and_crc_only() {
    for codec in Codec::ALL {
        let bytes = produced(codec);
        let batch = Batch::parse(&bytes).unwrap();
        let patch =
            HeaderPatch::new(&batch.header).timestamps(TimestampType::LogAppendTime, 777_777);
        assert!(patch.changes_crc());
        let after = patched(&bytes, &patch);
        let after = Batch::parse(&after).unwrap();
        after.verify_crc().unwrap();
        let attributes = batch
            .header
            .attributes
            .with_timestamp_type(TimestampType::LogAppendTime);
        let crc = after.header.crc;
        let expected = BatchHeader {
            attributes,
            max_timestamp: 777_777,
            crc,
            ..batch.header
        };
        assert_eq!(after.header, expected);
        assert_ne!(crc, batch.header.crc);
        assert_eq!(after.payload(), batch.payload());
    }
}

proptest! {
    #[test]
    fn any_patch_leaves_a_valid_crc(
        base_offset: i64,
        leader_epoch: i32,
        append_time: Option<i64>,
        max_timestamp: i64,
    ) {
        let bytes = produced(Codec::None);
        let header = Batch::parse(&bytes).unwrap().header;
        let patch = HeaderPatch::new(&header)
            .base_offset(base_offset)
            .partition_leader_epoch(leader_epoch);
        let patch = match append_time {
            Some(time) => patch.timestamps(TimestampType::LogAppendTime, time),
            None => patch.timestamps(TimestampType::CreateTime, max_timestamp),
        };
        let after = patched(&bytes, &patch);
        let after = Batch::parse(&after).unwrap();
        after.verify_crc().unwrap();
        prop_assert_eq!(after.header.base_offset, base_offset);
        prop_assert_eq!(after.header.partition_leader_epoch, leader_epoch);
        prop_assert_eq!(after.header.max_timestamp, append_time.unwrap_or(max_timestamp));
    }
}

#[test]
fn another_producer_state_is_as_if_the_batch_had_been_built_with_it() {
    for codec in Codec::ALL {
        let bytes = produced(codec);
        let batch = Batch::parse(&bytes).unwrap();
        let patch = HeaderPatch::new(&batch.header).producer(9, 9, 0);
        assert!(patch.changes_crc());
        let after = patched(&bytes, &patch);
        let after = Batch::parse(&after).unwrap();
        after.verify_crc().unwrap();
        let mut expected = batch.header;
        (expected.producer_epoch, expected.base_sequence) = (9, 0);
        expected.crc = after.header.crc;
        assert_eq!(after.header, expected);
        assert_eq!(after.payload(), batch.payload());
    }
}
