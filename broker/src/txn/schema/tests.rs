//! Bytes as Kafka writes them, and that nothing is lost or believed unchecked.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::coordinator::SchemaError;
use crate::txn::metadata::TransactionMetadata;
use crate::txn::state::TransactionState;
use crate::txn::topic_partition::TopicPartition;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn metadata() -> TransactionMetadata {
    let partitions = [("a", 3), ("a", 1), ("topic", 0)];
    TransactionMetadata {
        producer_id: 0x0102,
        previous_producer_id: 0x0102,
        next_producer_id: -1,
        producer_epoch: 7,
        last_producer_epoch: -1,
        timeout_ms: 60_000,
        state: TransactionState::PrepareCommit,
        partitions: Arc::new(
            partitions
                .map(|(topic, index)| TopicPartition::new(topic, index))
                .into(),
        ),
        start_ms: 5,
        last_update_ms: 6,
        client_version: 2,
    }
}

#[test]
fn key_is_type_and_id() {
    let key = encode_key("my-id").unwrap();
    assert_eq!(hex(&key), "000000056d792d6964");
    let id = RecordKey::TransactionalId(Arc::from("my-id"));
    assert_eq!(RecordKey::decode(&key), Ok(id));
    assert_eq!(RecordKey::decode(&[0, 9, 1]), Ok(RecordKey::Unknown(9)));
    assert!(RecordKey::decode(&[0]).is_err());
    assert!(encode_key(&"x".repeat(32_768)).is_err());
}

/// Written down by hand from `TransactionLogValue.json`.
#[test]
fn version_1_is_flexible_with_tags() {
    let value = encode_value(&metadata(), 2).unwrap();
    let expected = [
        "0001",             // version
        "0000000000000102", // producer id
        "0007",             // epoch
        "0000ea60",         // timeout
        "02",               // PrepareCommit
        "03",               // two topics
        "0261",             // "a"
        "03",               // two partitions
        "0000000100000003",
        "00",
        "06746f706963", // "topic"
        "02",
        "00000000",
        "00",
        "0000000000000006", // last update
        "0000000000000005", // start
        "02",               // two tagged fields
        "00080000000000000102",
        "02020002",
    ];
    assert_eq!(hex(&value), expected.concat());
    assert_eq!(decode_value(&value), Ok(metadata()));
}

#[test]
fn version_0_has_neither_ids_nor_client_version() {
    let value = encode_value(&metadata(), 0).unwrap();
    let expected = [
        "0000",
        "0000000000000102",
        "0007",
        "0000ea60",
        "02",
        "00000002",
        "000161",
        "00000002",
        "0000000100000003",
        "0005746f706963",
        "00000001",
        "00000000",
        "0000000000000006",
        "0000000000000005",
    ];
    assert_eq!(hex(&value), expected.concat());
    let plain = TransactionMetadata {
        previous_producer_id: -1,
        client_version: 0,
        ..metadata()
    };
    assert_eq!(decode_value(&value), Ok(plain));
}

#[test]
fn partitions_are_null_only_when_empty() {
    let empty = TransactionMetadata {
        state: TransactionState::Empty,
        partitions: Arc::default(),
        ..metadata()
    };
    let complete = TransactionMetadata {
        state: TransactionState::CompleteAbort,
        ..empty.clone()
    };
    for (version, null, none) in [(0, "00ffffffff", "0500000000"), (2, "0000", "0501")] {
        let value = hex(&encode_value(&empty, version).unwrap());
        assert!(value[32..].starts_with(null), "{value}");
        let value = hex(&encode_value(&complete, version).unwrap());
        assert!(value[32..].starts_with(none), "{value}");
    }
}

#[test]
fn unknown_versions_states_and_tags() {
    let mut value = encode_value(&metadata(), 2).unwrap().to_vec();
    value[16] = 8;
    let error = decode_value(&value).unwrap_err();
    assert!(matches!(error, SchemaError::InvalidValue { value: 8, .. }));
    value[16] = 2;
    value[1] = 2;
    let error = decode_value(&value).unwrap_err();
    assert!(matches!(
        error,
        SchemaError::UnsupportedVersion { version: 2, .. }
    ));
    // The next epoch of KIP-939, and a tag of the future.
    value[1] = 1;
    let tags = value.len() - 15;
    assert_eq!(value[tags], 2);
    value[tags] = 4;
    value.extend([3, 2, 0, 9, 77, 1, 5]);
    assert_eq!(decode_value(&value), Ok(metadata()));
}

fn any_metadata() -> impl Strategy<Value = TransactionMetadata> {
    let partitions = prop::collection::btree_set(("[a-c]{1,3}", 0..5_i32), 0..12);
    let ids = (any::<i64>(), any::<i64>(), any::<i64>(), any::<i16>());
    let rest = (any::<i32>(), 0..8_i8, any::<i64>(), any::<i64>(), 0..3_i16);
    (ids, rest, partitions).prop_map(|(ids, rest, partitions)| {
        let state = TransactionState::from_id(rest.1).unwrap();
        let partitions = partitions
            .into_iter()
            .map(|(topic, index)| TopicPartition::new(topic, index))
            .filter(|_| state != TransactionState::Empty);
        TransactionMetadata {
            producer_id: ids.0,
            previous_producer_id: ids.1,
            next_producer_id: ids.2,
            producer_epoch: ids.3,
            last_producer_epoch: -1,
            timeout_ms: rest.0,
            state,
            partitions: Arc::new(partitions.collect()),
            start_ms: rest.2,
            last_update_ms: rest.3,
            client_version: rest.4,
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(metadata in any_metadata(), version in 1..3_i16) {
        let value = encode_value(&metadata, version).unwrap();
        prop_assert_eq!(decode_value(&value), Ok(metadata));
    }

    #[test]
    fn cut_and_arbitrary_bytes_never_panic(
        metadata in any_metadata(),
        version in 0..3_i16,
        cut in any::<prop::sample::Index>(),
        mut noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let value = encode_value(&metadata, version).unwrap();
        let cut = cut.index(value.len());
        prop_assert!(decode_value(&value[..cut]).is_err());
        drop(decode_value(&noise));
        drop(RecordKey::decode(&noise));
        noise.splice(0..noise.len().min(2), [0, 1]);
        drop(decode_value(&noise));
    }
}
