//! Consumer groups: golden bytes, written by Kafka 4.3.1's own classes; round trips; and damage.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const METADATA: &str = "000000000007010008fffffffffffffffb";
const METADATA_WITHOUT_HASH: &str = "00000000000700";
const TARGET: &str = "0000000000070100080000018bcfe5687b";
const TARGET_MEMBER: &str = "0000020f1e2d3c4b5a69788796a5b4c3d2e1f00400000000000000010000012c0000";
const MEMBER: &str = "000005696e73740009636c69656e742d310b2f3132372e302e302e31030261026201000493e0\
     0672616e676501000100";
const CLASSIC_MEMBER: &str = "00000003723109636c69656e742d310b2f3132372e302e302e310100ffffffff0001\
     0012010000afc8020672616e6765040102030000";
const CURRENT: &str = "0000000000090000000801020f1e2d3c4b5a69788796a5b4c3d2e1f003000000000000000101\
     0009030000000900000004020f1e2d3c4b5a69788796a5b4c3d2e1f00200000002010005020000000800";
/// Of a static member that is away, as Kafka before 4.3 wrote it: without epochs of partitions.
const CURRENT_WITHOUT_EPOCHS: &str = "0000fffffffe0000000800020f1e2d3c4b5a69788796a5b4c3d2e1f00300\
     00000000000001010001000100";
const REGEX: &str = "000003036131036132000000000000004d0000018bcfe5687b00";

fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn member() -> ConsumerMemberMetadataValue {
    ConsumerMemberMetadataValue {
        instance_id: Some(Arc::from("inst")),
        rack_id: None,
        client_id: Arc::from("client-1"),
        client_host: Arc::from("/127.0.0.1"),
        subscribed_topic_names: names(&["b", "a"]),
        subscribed_topic_regex: Some(Arc::from("")),
        rebalance_timeout_ms: 300_000,
        server_assignor: Some(Arc::from("range")),
        classic: None,
    }
}

fn classic_member() -> ConsumerMemberMetadataValue {
    ConsumerMemberMetadataValue {
        instance_id: None,
        rack_id: Some(Arc::from("r1")),
        subscribed_topic_names: names(&[]),
        subscribed_topic_regex: None,
        rebalance_timeout_ms: -1,
        server_assignor: None,
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: 45_000,
            supported_protocols: vec![(Arc::from("range"), Bytes::from_static(&[1, 2, 3]))],
        }),
        ..member()
    }
}

fn current() -> CurrentAssignmentValue {
    CurrentAssignmentValue {
        member_epoch: 9,
        previous_member_epoch: 8,
        state: 1,
        assigned_partitions: [(topic_id(), [(0, 9), (1, 4)].into())].into(),
        partitions_pending_revocation: [(topic_id(), [(2, 8)].into())].into(),
    }
}

#[test]
fn keys_equal_kafkas_bytes() {
    let id = || Arc::from("m1");
    for (part, golden) in [
        (ConsumerGroupKey::Metadata, "000300086d792d67726f7570"),
        (
            ConsumerGroupKey::LegacyPartitionMetadata,
            "000400086d792d67726f7570",
        ),
        (
            ConsumerGroupKey::Member(id()),
            "000500086d792d67726f757000026d31",
        ),
        (
            ConsumerGroupKey::TargetAssignment,
            "000600086d792d67726f7570",
        ),
        (
            ConsumerGroupKey::TargetAssignmentMember(id()),
            "000700086d792d67726f757000026d31",
        ),
        (
            ConsumerGroupKey::CurrentAssignment(id()),
            "000800086d792d67726f757000026d31",
        ),
        (
            ConsumerGroupKey::RegularExpression(Arc::from("a.*")),
            "001000086d792d67726f75700003612e2a",
        ),
    ] {
        let bytes = unhex(golden);
        assert_eq!(part.encode("my-group").unwrap(), bytes);
        let group_id = Arc::from("my-group");
        assert_eq!(
            RecordKey::decode(&bytes),
            Ok(RecordKey::ConsumerGroup { group_id, part })
        );
    }
    assert_eq!(
        RecordKey::decode(&unhex("000a00086d792d67726f7570")),
        Ok(RecordKey::Unknown(10)),
        "share groups"
    );
}

#[test]
fn values_of_groups_equal_kafkas_bytes() {
    for (metadata_hash, golden) in [(-5, METADATA), (0, METADATA_WITHOUT_HASH)] {
        let value = ConsumerGroupMetadataValue {
            epoch: 7,
            metadata_hash,
        };
        assert_eq!(value.encode().unwrap(), unhex(golden));
        assert_eq!(
            ConsumerGroupMetadataValue::decode(&unhex(golden)),
            Ok(value)
        );
    }
    let target = TargetAssignmentMetadataValue {
        assignment_epoch: 7,
        assignment_timestamp_ms: 1_700_000_000_123,
    };
    assert_eq!(target.encode().unwrap(), unhex(TARGET));
    assert_eq!(
        TargetAssignmentMetadataValue::decode(&unhex(TARGET)),
        Ok(target)
    );
    let of_member = TargetAssignmentMemberValue {
        partitions: [(topic_id(), [0, 1, 300].into())].into(),
    };
    assert_eq!(of_member.encode().unwrap(), unhex(TARGET_MEMBER));
    assert_eq!(
        TargetAssignmentMemberValue::decode(&unhex(TARGET_MEMBER)),
        Ok(of_member)
    );
    let regex = RegularExpressionValue {
        topics: names(&["a2", "a1"]),
        version: 77,
        timestamp_ms: 1_700_000_000_123,
    };
    assert_eq!(regex.encode().unwrap(), unhex(REGEX));
    assert_eq!(RegularExpressionValue::decode(&unhex(REGEX)), Ok(regex));
}

#[test]
fn values_of_members_equal_kafkas_bytes() {
    for (value, golden) in [(member(), MEMBER), (classic_member(), CLASSIC_MEMBER)] {
        assert_eq!(value.encode().unwrap(), unhex(golden));
        assert_eq!(
            ConsumerMemberMetadataValue::decode(&unhex(golden)),
            Ok(value)
        );
    }
    assert_eq!(current().encode().unwrap(), unhex(CURRENT));
    assert_eq!(
        CurrentAssignmentValue::decode(&unhex(CURRENT)),
        Ok(current())
    );
}

#[test]
fn partitions_without_epochs_have_the_members_or_0() {
    let away = CurrentAssignmentValue::decode(&unhex(CURRENT_WITHOUT_EPOCHS)).unwrap();
    assert_eq!(away.member_epoch, -2);
    let expected = [(topic_id(), [(0, 0), (1, 0)].into())].into();
    assert_eq!(away.assigned_partitions, expected);
    let mut present = unhex(CURRENT_WITHOUT_EPOCHS);
    present[2..6].copy_from_slice(&6_i32.to_be_bytes());
    let present = CurrentAssignmentValue::decode(&present).unwrap();
    let expected = [(topic_id(), [(0, 6), (1, 6)].into())].into();
    assert_eq!(present.assigned_partitions, expected);
}

#[test]
fn huge_counts_are_refused_before_they_are_looped_over() {
    let mut regex = vec![0, 0];
    regex.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(
        RegularExpressionValue::decode(&regex),
        Err(SchemaError::Truncated { .. })
    ));
    assert!(matches!(
        TargetAssignmentMemberValue::decode(&regex),
        Err(SchemaError::Truncated { .. })
    ));
    let mut newer = unhex(METADATA);
    newer[1] = 1;
    assert!(matches!(
        ConsumerGroupMetadataValue::decode(&newer),
        Err(SchemaError::UnsupportedVersion { version: 1, .. })
    ));
}

fn topics() -> impl Strategy<Value = BTreeSet<Arc<str>>> {
    proptest::collection::btree_set(name(), 0..5)
}

fn epochs() -> impl Strategy<Value = EpochAssignment> {
    let partitions = proptest::collection::btree_map(any::<i32>(), any::<i32>(), 0..4);
    let id = any::<u128>().prop_map(Uuid::from_u128);
    proptest::collection::btree_map(id, partitions, 0..3)
}

proptest! {
    #[test]
    fn decode_inverts_encode_for_members(
        instance_id in proptest::option::of(name()), client_id in name(),
        subscribed_topic_names in topics(), regex in proptest::option::of(name()),
        rebalance_timeout_ms in any::<i32>(), assignor in proptest::option::of(name()),
        protocols in proptest::option::of(proptest::collection::vec((name(), blob()), 0..3)),
        assigned in epochs(), revoked in epochs(), state in any::<i8>(), epoch in any::<i32>(),
    ) {
        let classic = protocols.map(|supported_protocols| ClassicMemberMetadata {
            session_timeout_ms: epoch,
            supported_protocols,
        });
        let value = ConsumerMemberMetadataValue {
            instance_id, client_id, subscribed_topic_names, subscribed_topic_regex: regex,
            rebalance_timeout_ms, server_assignor: assignor, classic, ..member()
        };
        prop_assert_eq!(ConsumerMemberMetadataValue::decode(&value.encode().unwrap()), Ok(value));
        let value = CurrentAssignmentValue {
            member_epoch: epoch, previous_member_epoch: epoch, state,
            assigned_partitions: assigned, partitions_pending_revocation: revoked,
        };
        prop_assert_eq!(CurrentAssignmentValue::decode(&value.encode().unwrap()), Ok(value));
    }

    #[test]
    fn decode_inverts_encode_for_consumer_groups(
        epoch in any::<i32>(), number in any::<i64>(), topics in topics(), target in epochs(),
    ) {
        let value = ConsumerGroupMetadataValue { epoch, metadata_hash: number };
        prop_assert_eq!(ConsumerGroupMetadataValue::decode(&value.encode().unwrap()), Ok(value));
        let value = RegularExpressionValue { topics, version: number, timestamp_ms: number };
        prop_assert_eq!(RegularExpressionValue::decode(&value.encode().unwrap()), Ok(value));
        let partitions: BTreeMap<Uuid, BTreeSet<i32>> = target
            .into_iter()
            .map(|(id, partitions)| (id, partitions.into_keys().collect()))
            .collect();
        let value = TargetAssignmentMemberValue { partitions };
        prop_assert_eq!(TargetAssignmentMemberValue::decode(&value.encode().unwrap()), Ok(value));
    }

    #[test]
    fn damaged_values_never_panic(
        index in 0..9_usize,
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cut in any::<usize>(),
    ) {
        let golden = [
            METADATA, METADATA_WITHOUT_HASH, TARGET, TARGET_MEMBER, MEMBER, CLASSIC_MEMBER,
            CURRENT, CURRENT_WITHOUT_EPOCHS, REGEX,
        ];
        let mut bytes = unhex(golden[index]);
        for (index, byte) in damage {
            let len = bytes.len();
            bytes[index % len] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut % bytes.len()]] {
            drop(ConsumerGroupMetadataValue::decode(bytes).map(Box::new));
            drop(TargetAssignmentMetadataValue::decode(bytes).map(Box::new));
            drop(TargetAssignmentMemberValue::decode(bytes));
            drop(ConsumerMemberMetadataValue::decode(bytes));
            drop(CurrentAssignmentValue::decode(bytes));
            drop(RegularExpressionValue::decode(bytes));
        }
    }
}
