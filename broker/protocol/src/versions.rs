//! The versions of each API that the broker serves and advertises.
//!
//! Ranges are Kafka 4.3's, cut to what kafka-protocol 0.18 both decodes and encodes: ListOffsets
//! lacks 11, DescribeLogDirs lacks 5, OffsetCommit and OffsetFetch lack 10 (their request structs
//! end at 9, although `ApiKey::valid_versions` says 10). InitProducerId ends at 5; Kafka 4.3 marks
//! 6 as unstable. The broker's own table of handlers is held to this one by a test there.

#[cfg(test)]
mod tests;

use crate::messages::ApiKey;

/// One API and the range of its versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiVersionRange {
    /// The API.
    pub key: ApiKey,
    /// Kafka's name for it.
    pub name: &'static str,
    /// The lowest version served.
    pub min: i16,
    /// The highest version served.
    pub max: i16,
}

/// Every API that is served, by ascending key.
pub const API_VERSIONS: &[ApiVersionRange] = &[
    range(ApiKey::Produce, "Produce", 3, 13),
    range(ApiKey::Fetch, "Fetch", 4, 18),
    range(ApiKey::ListOffsets, "ListOffsets", 1, 10),
    range(ApiKey::Metadata, "Metadata", 0, 13),
    range(ApiKey::OffsetCommit, "OffsetCommit", 2, 9),
    range(ApiKey::OffsetFetch, "OffsetFetch", 1, 9),
    range(ApiKey::FindCoordinator, "FindCoordinator", 0, 6),
    range(ApiKey::JoinGroup, "JoinGroup", 0, 9),
    range(ApiKey::Heartbeat, "Heartbeat", 0, 4),
    range(ApiKey::LeaveGroup, "LeaveGroup", 0, 5),
    range(ApiKey::SyncGroup, "SyncGroup", 0, 5),
    range(ApiKey::DescribeGroups, "DescribeGroups", 0, 6),
    range(ApiKey::ListGroups, "ListGroups", 0, 5),
    range(ApiKey::ApiVersions, "ApiVersions", 0, 4),
    range(ApiKey::CreateTopics, "CreateTopics", 2, 7),
    range(ApiKey::DeleteTopics, "DeleteTopics", 1, 6),
    range(ApiKey::DeleteRecords, "DeleteRecords", 0, 2),
    range(ApiKey::InitProducerId, "InitProducerId", 0, 5),
    range(ApiKey::OffsetForLeaderEpoch, "OffsetForLeaderEpoch", 2, 4),
    range(ApiKey::AddPartitionsToTxn, "AddPartitionsToTxn", 0, 5),
    range(ApiKey::AddOffsetsToTxn, "AddOffsetsToTxn", 0, 4),
    range(ApiKey::EndTxn, "EndTxn", 0, 5),
    range(ApiKey::WriteTxnMarkers, "WriteTxnMarkers", 1, 1),
    range(ApiKey::TxnOffsetCommit, "TxnOffsetCommit", 0, 5),
    range(ApiKey::DescribeConfigs, "DescribeConfigs", 1, 4),
    range(ApiKey::AlterConfigs, "AlterConfigs", 0, 2),
    range(ApiKey::AlterReplicaLogDirs, "AlterReplicaLogDirs", 1, 2),
    range(ApiKey::DescribeLogDirs, "DescribeLogDirs", 1, 4),
    range(ApiKey::CreatePartitions, "CreatePartitions", 0, 3),
    range(ApiKey::DeleteGroups, "DeleteGroups", 0, 2),
    range(
        ApiKey::IncrementalAlterConfigs,
        "IncrementalAlterConfigs",
        0,
        1,
    ),
    range(ApiKey::OffsetDelete, "OffsetDelete", 0, 0),
    range(ApiKey::UpdateFeatures, "UpdateFeatures", 0, 2),
    range(ApiKey::DescribeCluster, "DescribeCluster", 0, 2),
    range(ApiKey::DescribeProducers, "DescribeProducers", 0, 0),
    range(ApiKey::DescribeTransactions, "DescribeTransactions", 0, 0),
    range(ApiKey::ListTransactions, "ListTransactions", 0, 2),
    range(
        ApiKey::ConsumerGroupHeartbeat,
        "ConsumerGroupHeartbeat",
        0,
        1,
    ),
    range(ApiKey::ConsumerGroupDescribe, "ConsumerGroupDescribe", 0, 1),
    range(ApiKey::ListConfigResources, "ListConfigResources", 0, 1),
    range(
        ApiKey::DescribeTopicPartitions,
        "DescribeTopicPartitions",
        0,
        0,
    ),
];

/// The served range of an API key, or `None` when the API is not served.
#[must_use]
pub fn served_versions(api_key: i16) -> Option<&'static ApiVersionRange> {
    API_VERSIONS
        .iter()
        .find(|range| range.key as i16 == api_key)
}

impl ApiVersionRange {
    /// Whether a request of this version is served.
    #[must_use]
    pub const fn contains(&self, api_version: i16) -> bool {
        self.min <= api_version && api_version <= self.max
    }

    /// The lowest version named in an ApiVersions response. Produce says 0 although 3 is the lowest
    /// served: librdkafka before 2.6 silently drops codecs otherwise (KAFKA-18659). Kafka 4 does
    /// the same.
    #[must_use]
    pub const fn advertised_min(&self) -> i16 {
        if matches!(self.key, ApiKey::Produce) {
            0
        } else {
            self.min
        }
    }
}

const fn range(key: ApiKey, name: &'static str, min: i16, max: i16) -> ApiVersionRange {
    ApiVersionRange {
        key,
        name,
        min,
        max,
    }
}
