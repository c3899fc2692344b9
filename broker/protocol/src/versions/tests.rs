//! Tests of the version table.

use super::*;
use crate::{Message, Request, messages};

/// What kafka-protocol can do of an API: its `ApiKey::valid_versions` claims more than the structs
/// have.
fn of_kafka_protocol<T: Request>() -> (i16, i16, i16) {
    let both = T::VERSIONS.intersect(&T::Response::VERSIONS);
    (T::KEY, both.min, both.max)
}

#[test]
fn ranges_are_the_whole_of_what_kafka_protocol_decodes_and_encodes() {
    let expected = [
        of_kafka_protocol::<messages::ProduceRequest>(),
        of_kafka_protocol::<messages::FetchRequest>(),
        of_kafka_protocol::<messages::ListOffsetsRequest>(),
        of_kafka_protocol::<messages::MetadataRequest>(),
        of_kafka_protocol::<messages::OffsetCommitRequest>(),
        of_kafka_protocol::<messages::OffsetFetchRequest>(),
        of_kafka_protocol::<messages::FindCoordinatorRequest>(),
        of_kafka_protocol::<messages::JoinGroupRequest>(),
        of_kafka_protocol::<messages::HeartbeatRequest>(),
        of_kafka_protocol::<messages::LeaveGroupRequest>(),
        of_kafka_protocol::<messages::SyncGroupRequest>(),
        of_kafka_protocol::<messages::DescribeGroupsRequest>(),
        of_kafka_protocol::<messages::ListGroupsRequest>(),
        of_kafka_protocol::<messages::ApiVersionsRequest>(),
        of_kafka_protocol::<messages::CreateTopicsRequest>(),
        of_kafka_protocol::<messages::DeleteTopicsRequest>(),
        of_kafka_protocol::<messages::DeleteRecordsRequest>(),
        of_kafka_protocol::<messages::InitProducerIdRequest>(),
        of_kafka_protocol::<messages::OffsetForLeaderEpochRequest>(),
        of_kafka_protocol::<messages::AddPartitionsToTxnRequest>(),
        of_kafka_protocol::<messages::AddOffsetsToTxnRequest>(),
        of_kafka_protocol::<messages::EndTxnRequest>(),
        of_kafka_protocol::<messages::WriteTxnMarkersRequest>(),
        of_kafka_protocol::<messages::TxnOffsetCommitRequest>(),
        of_kafka_protocol::<messages::DescribeConfigsRequest>(),
        of_kafka_protocol::<messages::AlterConfigsRequest>(),
        of_kafka_protocol::<messages::AlterReplicaLogDirsRequest>(),
        of_kafka_protocol::<messages::DescribeLogDirsRequest>(),
        of_kafka_protocol::<messages::CreatePartitionsRequest>(),
        of_kafka_protocol::<messages::DeleteGroupsRequest>(),
        of_kafka_protocol::<messages::IncrementalAlterConfigsRequest>(),
        of_kafka_protocol::<messages::OffsetDeleteRequest>(),
        of_kafka_protocol::<messages::UpdateFeaturesRequest>(),
        of_kafka_protocol::<messages::DescribeClusterRequest>(),
        of_kafka_protocol::<messages::DescribeProducersRequest>(),
        of_kafka_protocol::<messages::DescribeTransactionsRequest>(),
        of_kafka_protocol::<messages::ListTransactionsRequest>(),
        of_kafka_protocol::<messages::ConsumerGroupHeartbeatRequest>(),
        of_kafka_protocol::<messages::ConsumerGroupDescribeRequest>(),
        of_kafka_protocol::<messages::ListConfigResourcesRequest>(),
        of_kafka_protocol::<messages::DescribeTopicPartitionsRequest>(),
    ];
    let table = API_VERSIONS
        .iter()
        .map(|range| (range.key as i16, range.min, range.max));
    assert_eq!(table.collect::<Vec<_>>(), expected);
}

#[test]
fn keys_ascend_and_names_are_kafkas() {
    assert!(API_VERSIONS.is_sorted_by_key(|range| range.key as i16));
    for range in API_VERSIONS {
        assert_eq!(range.name, format!("{:?}", range.key));
        assert_eq!(served_versions(range.key as i16), Some(range));
    }
    assert_eq!(served_versions(-1), None);
    assert_eq!(served_versions(i16::MAX), None);
}

#[test]
fn produce_is_advertised_from_version_zero_and_served_from_three() {
    let produce = served_versions(0).unwrap();
    assert_eq!(produce.advertised_min(), 0);
    assert!(!produce.contains(2) && produce.contains(3) && produce.contains(13));
    let others = API_VERSIONS
        .iter()
        .filter(|range| range.key != ApiKey::Produce);
    for range in others {
        assert_eq!(range.advertised_min(), range.min);
    }
}
