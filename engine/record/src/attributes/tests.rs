//! Tests of the attribute bits against the numbers of Kafka's format.

use super::*;

#[test]
fn each_setter_sets_the_bit_of_the_format_and_clears_it_again() {
    let zero = Attributes(0);
    assert_eq!(zero.with_codec(Codec::Zstd).0, 0x04);
    assert_eq!(
        zero.with_timestamp_type(TimestampType::LogAppendTime).0,
        0x08
    );
    assert_eq!(zero.with_transactional(true).0, 0x10);
    assert_eq!(zero.with_control(true).0, 0x20);
    assert_eq!(zero.with_delete_horizon(true).0, 0x40);
    let all = Attributes(0x7F);
    assert_eq!(all.with_codec(Codec::None).0, 0x78);
    assert_eq!(all.with_timestamp_type(TimestampType::CreateTime).0, 0x77);
    assert_eq!(all.with_transactional(false).0, 0x6F);
    assert_eq!(all.with_control(false).0, 0x5F);
    assert_eq!(all.with_delete_horizon(false).0, 0x3F);
}

#[test]
fn unused_high_bits_are_carried_along() {
    let attributes = Attributes(-128).with_codec(Codec::Lz4).with_control(true);
    assert_eq!(attributes.0, -128 | 0x23);
    assert!(attributes.is_control());
    assert_eq!(attributes.codec().unwrap(), Codec::Lz4);
    assert_eq!(attributes.timestamp_type(), TimestampType::CreateTime);
}

#[test]
fn codec_ids_five_to_seven_are_unknown() {
    for id in 0..=4_i16 {
        let [_, low] = id.to_be_bytes();
        assert_eq!(Attributes(id).codec().unwrap().id(), low);
    }
    for id in 5..=7_i16 {
        let found = Attributes(id).codec();
        assert!(
            matches!(found, Err(RecordError::UnknownCodec { .. })),
            "{id}: {found:?}"
        );
    }
}
