//! Golden bytes, computed apart from this code with Python's `struct` after the schemas of Kafka
//! 4.3; round trips; and random bytes, which must never do harm.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

mod consumer;

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

const OFFSET_V0: &str = "00000000001cbe991a1400076d65746120c3a90000018bcfe5687b";
const OFFSET_V1: &str = "00010000001cbe991a1400076d65746120c3a90000018bcfe5687b0000018bcfee903b";
const OFFSET_V2: &str = "00020000001cbe991a1400076d65746120c3a90000018bcfe5687b";
const OFFSET_V3: &str = "00030000001cbe991a140000000500076d65746120c3a90000018bcfe5687b";
const OFFSET_V4: &str = "00040000001cbe991a1400000005086d65746120c3a90000018bcfe5687b00";
const OFFSET_V4_TOPIC_ID: &str = "00040000001cbe991a1400000005086d65746120c3a90000018bcfe5687b0100\
     100f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// With a second tagged field, number 200, that nobody knows.
const OFFSET_V4_UNKNOWN_TAG: &str = "00040000001cbe991a1400000005086d65746120c3a90000018bcfe5687b0\
     200100f1e2d3c4b5a69788796a5b4c3d2e1f0c80103616263";

const GROUP_V0: &str = "00000008636f6e73756d65720000002a000572616e6765000a636c69656e742d312d780000\
     0002000a636c69656e742d312d780008636c69656e742d31000a2f3132372e302e302e310000afc80000000d0001\
     00000001000174ffffffff000000030102030006696e73742d790008636c69656e742d3200092f31302e302e302e\
     37000075300000000000000000";
const GROUP_V1: &str = "00010008636f6e73756d65720000002a000572616e6765000a636c69656e742d312d780000\
     0002000a636c69656e742d312d780008636c69656e742d31000a2f3132372e302e302e31000493e00000afc80000\
     000d000100000001000174ffffffff000000030102030006696e73742d790008636c69656e742d3200092f31302e\
     302e302e370000ea60000075300000000000000000";
const GROUP_V2: &str = "00020008636f6e73756d65720000002a000572616e6765000a636c69656e742d312d780000\
     018bcfe5687b00000002000a636c69656e742d312d780008636c69656e742d31000a2f3132372e302e302e310004\
     93e00000afc80000000d000100000001000174ffffffff000000030102030006696e73742d790008636c69656e74\
     2d3200092f31302e302e302e370000ea60000075300000000000000000";
const GROUP_V3: &str = "00030008636f6e73756d65720000002a000572616e6765000a636c69656e742d312d780000\
     018bcfe5687b00000002000a636c69656e742d312d78ffff0008636c69656e742d31000a2f3132372e302e302e31\
     000493e00000afc80000000d000100000001000174ffffffff000000030102030006696e73742d790004696e7374\
     0008636c69656e742d3200092f31302e302e302e370000ea60000075300000000000000000";
const GROUP_V4: &str = "000409636f6e73756d65720000002a0672616e67650b636c69656e742d312d780000018bcf\
     e5687b030b636c69656e742d312d780009636c69656e742d310b2f3132372e302e302e31000493e00000afc80e00\
     0100000001000174ffffffff040102030007696e73742d7905696e737409636c69656e742d320a2f31302e302e30\
     2e370000ea600000753001010000";
const GROUP_EMPTY: &str = "0003000000000000ffffffff0000018bcfe5687b00000000";

fn offset_value() -> OffsetCommitValue {
    OffsetCommitValue {
        offset: 123_456_789_012,
        leader_epoch: 5,
        metadata: Arc::from("meta \u{e9}"),
        commit_timestamp_ms: 1_700_000_000_123,
        expire_timestamp_ms: -1,
        topic_id: Uuid::nil(),
    }
}

fn topic_id() -> Uuid {
    Uuid::from_u128(0x0f1e_2d3c_4b5a_6978_8796_a5b4_c3d2_e1f0)
}

fn group_value() -> GroupMetadataValue {
    let member = |id: &str, instance: Option<&str>, client: &str, host: &str| MemberMetadata {
        member_id: Arc::from(id),
        group_instance_id: instance.map(Arc::from),
        client_id: Arc::from(client),
        client_host: Arc::from(host),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 30_000,
        subscription: Bytes::new(),
        assignment: Bytes::new(),
    };
    let mut first = member("client-1-x", None, "client-1", "/127.0.0.1");
    first.rebalance_timeout_ms = 300_000;
    first.session_timeout_ms = 45_000;
    first.subscription = Bytes::from_static(b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff");
    first.assignment = Bytes::from_static(b"\x01\x02\x03");
    GroupMetadataValue {
        protocol_type: Arc::from("consumer"),
        generation: 42,
        protocol: Some(Arc::from("range")),
        leader: Some(Arc::from("client-1-x")),
        current_state_timestamp_ms: 1_700_000_000_123,
        members: vec![
            first,
            member("inst-y", Some("inst"), "client-2", "/10.0.0.7"),
        ],
    }
}

#[test]
fn keys_equal_kafkas_bytes() {
    let offset = unhex("000100086d792d67726f757000066f726465727300000007");
    assert_eq!(
        encode_offset_commit_key("my-group", "orders", 7).unwrap(),
        offset
    );
    let group = unhex("000200086d792d67726f7570");
    assert_eq!(encode_group_metadata_key("my-group").unwrap(), group);

    let key = RecordKey::OffsetCommit(OffsetCommitKey {
        group_id: Arc::from("my-group"),
        topic: Arc::from("orders"),
        partition: 7,
    });
    assert_eq!(RecordKey::decode(&offset), Ok(key.clone()));
    let mut legacy = offset;
    legacy[1] = 0;
    assert_eq!(RecordKey::decode(&legacy), Ok(key));
    assert_eq!(
        RecordKey::decode(&group),
        Ok(RecordKey::GroupMetadata(Arc::from("my-group")))
    );
}

#[test]
fn keys_of_newer_group_protocols_are_unknown_not_damaged() {
    for kind in [9, 10, 15, 17, 23, i16::MAX] {
        assert_eq!(
            RecordKey::decode(&kind.to_be_bytes()),
            Ok(RecordKey::Unknown(kind))
        );
    }
    assert_eq!(
        RecordKey::decode(&[0]),
        Err(SchemaError::Truncated {
            needed: 2,
            available: 1
        })
    );
}

#[test]
fn offsets_are_written_as_version_4_and_with_expiry_as_version_1() {
    let mut value = offset_value();
    assert_eq!(value.encode().unwrap(), unhex(OFFSET_V4));
    value.topic_id = topic_id();
    assert_eq!(value.encode().unwrap(), unhex(OFFSET_V4_TOPIC_ID));
    value.expire_timestamp_ms = 1_700_000_600_123;
    assert_eq!(value.encode().unwrap(), unhex(OFFSET_V1));
}

#[test]
fn offsets_of_every_version_are_read() {
    let mut without_epoch = offset_value();
    without_epoch.leader_epoch = -1;
    let mut expiring = without_epoch.clone();
    expiring.expire_timestamp_ms = 1_700_000_600_123;
    let mut with_topic_id = offset_value();
    with_topic_id.topic_id = topic_id();
    for (bytes, expected) in [
        (OFFSET_V0, &without_epoch),
        (OFFSET_V1, &expiring),
        (OFFSET_V2, &without_epoch),
        (OFFSET_V3, &offset_value()),
        (OFFSET_V4, &offset_value()),
        (OFFSET_V4_TOPIC_ID, &with_topic_id),
        (OFFSET_V4_UNKNOWN_TAG, &with_topic_id),
    ] {
        assert_eq!(
            OffsetCommitValue::decode(&unhex(bytes)).as_ref(),
            Ok(expected),
            "{bytes}"
        );
    }
}

#[test]
fn groups_are_written_as_version_3() {
    assert_eq!(group_value().encode().unwrap(), unhex(GROUP_V3));
    let empty = GroupMetadataValue {
        protocol_type: Arc::from(""),
        generation: 0,
        protocol: None,
        leader: None,
        current_state_timestamp_ms: 1_700_000_000_123,
        members: Vec::new(),
    };
    assert_eq!(empty.encode().unwrap(), unhex(GROUP_EMPTY));
}

#[test]
fn groups_of_every_version_are_read() {
    let newest = group_value();
    let mut v2 = newest.clone();
    v2.members[1].group_instance_id = None;
    let mut v1 = v2.clone();
    v1.current_state_timestamp_ms = -1;
    let mut v0 = v1.clone();
    v0.members
        .iter_mut()
        .for_each(|member| member.rebalance_timeout_ms = -1);
    for (bytes, expected) in [
        (GROUP_V0, &v0),
        (GROUP_V1, &v1),
        (GROUP_V2, &v2),
        (GROUP_V3, &newest),
        (GROUP_V4, &newest),
    ] {
        assert_eq!(
            GroupMetadataValue::decode(&unhex(bytes)).as_ref(),
            Ok(expected),
            "{bytes}"
        );
    }
}

#[test]
fn newer_versions_and_cut_records_are_refused() {
    let mut newer = unhex(OFFSET_V4);
    newer[1] = 5;
    assert_eq!(
        OffsetCommitValue::decode(&newer),
        Err(SchemaError::UnsupportedVersion {
            record: "OffsetCommitValue",
            version: 5
        })
    );
    for text in [GROUP_V0, GROUP_V1, GROUP_V2, GROUP_V3, GROUP_V4] {
        let whole = unhex(text);
        for len in 0..whole.len() {
            assert!(
                GroupMetadataValue::decode(&whole[..len]).is_err(),
                "{len} of {text}"
            );
        }
    }
    for text in [
        OFFSET_V0,
        OFFSET_V1,
        OFFSET_V2,
        OFFSET_V3,
        OFFSET_V4_TOPIC_ID,
    ] {
        let whole = unhex(text);
        for len in 0..whole.len() {
            assert!(
                OffsetCommitValue::decode(&whole[..len]).is_err(),
                "{len} of {text}"
            );
        }
    }
}

#[test]
fn names_too_long_for_their_length_field_are_not_written() {
    let long = "x".repeat(32_768);
    let error = SchemaError::TooLong { length: 32_768 };
    assert_eq!(encode_group_metadata_key(&long), Err(error));
    assert_eq!(encode_offset_commit_key("g", &long, 0), Err(error));
    let mut group = group_value();
    group.members[0].client_id = long.into();
    assert_eq!(group.encode(), Err(error));
    assert!(encode_group_metadata_key(&"x".repeat(32_767)).is_ok());
}

#[test]
fn a_huge_member_count_ends_at_the_end_of_the_bytes() {
    let mut bytes = unhex(GROUP_EMPTY);
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&i32::MAX.to_be_bytes());
    assert!(matches!(
        GroupMetadataValue::decode(&bytes),
        Err(SchemaError::Truncated { .. })
    ));
    bytes[at..].copy_from_slice(&(-1_i32).to_be_bytes());
    assert_eq!(
        GroupMetadataValue::decode(&bytes),
        Err(SchemaError::InvalidLength { length: -1 })
    );
}

#[test]
fn topics_of_a_subscription_are_read_whatever_follows() {
    let topics = |bytes: &[u8]| {
        subscribed_topics(bytes)
            .map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let v0 = unhex("000000000002000161000262630000000411223344");
    assert_eq!(topics(&v0), Ok(vec!["a".to_owned(), "bc".to_owned()]));
    let newer = unhex("00630000000100016100aabbccddeeff");
    assert_eq!(topics(&newer), Ok(vec!["a".to_owned()]));
    assert!(topics(b"").is_err());
    assert!(topics(b"\xff\xff\0\0\0\0").is_err());
    assert!(topics(&unhex("00007fffffff0001")).is_err());
}

fn name() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,20}".prop_map(Arc::from)
}

fn blob() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

prop_compose! {
    fn any_member()(
        member_id in name(), group_instance_id in proptest::option::of(name()),
        client_id in name(), client_host in name(), rebalance_timeout_ms in any::<i32>(),
        session_timeout_ms in any::<i32>(), subscription in blob(), assignment in blob(),
    ) -> MemberMetadata {
        MemberMetadata {
            member_id, group_instance_id, client_id, client_host, rebalance_timeout_ms,
            session_timeout_ms, subscription, assignment,
        }
    }
}

proptest! {
    #[test]
    fn decode_inverts_encode_for_offsets(
        offset in any::<i64>(), leader_epoch in any::<i32>(), metadata in name(),
        commit_timestamp_ms in any::<i64>(), id in any::<u128>(),
    ) {
        let value = OffsetCommitValue {
            offset, leader_epoch, metadata, commit_timestamp_ms,
            expire_timestamp_ms: -1, topic_id: Uuid::from_u128(id),
        };
        prop_assert_eq!(OffsetCommitValue::decode(&value.encode().unwrap()), Ok(value));
    }

    #[test]
    fn decode_inverts_encode_for_groups(
        protocol_type in name(), generation in any::<i32>(),
        protocol in proptest::option::of(name()), leader in proptest::option::of(name()),
        current_state_timestamp_ms in any::<i64>(),
        members in proptest::collection::vec(any_member(), 0..5),
    ) {
        let value = GroupMetadataValue {
            protocol_type, generation, protocol, leader, current_state_timestamp_ms, members,
        };
        prop_assert_eq!(GroupMetadataValue::decode(&value.encode().unwrap()), Ok(value));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(RecordKey::decode(&bytes));
        drop(OffsetCommitValue::decode(&bytes));
        drop(GroupMetadataValue::decode(&bytes));
        drop(subscribed_topics(&bytes));
    }

    /// Random bytes rarely get past the version; damage to good records does.
    #[test]
    fn damaged_records_never_panic(
        version in 0..5_usize,
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
    ) {
        let groups = [GROUP_V0, GROUP_V1, GROUP_V2, GROUP_V3, GROUP_V4];
        let offsets = [OFFSET_V0, OFFSET_V1, OFFSET_V2, OFFSET_V3, OFFSET_V4_UNKNOWN_TAG];
        let (mut group, mut offset) = (unhex(groups[version]), unhex(offsets[version]));
        for (index, byte) in damage {
            let (group_len, offset_len) = (group.len(), offset.len());
            group[index % group_len] = byte;
            offset[index % offset_len] = byte;
        }
        drop(GroupMetadataValue::decode(&group));
        drop(OffsetCommitValue::decode(&offset));
    }
}
