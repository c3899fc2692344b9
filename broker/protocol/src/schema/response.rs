//! The shapes of the responses that a client may get, to know what one will cost before it is
//! decoded: kafka-protocol trusts the lengths in it as it does those of requests.

mod cluster;
mod config;
mod data;
mod group;
mod security;
mod share;
mod topic;
mod txn;

use super::Shape;
use crate::messages::ApiKey;

/// The shape of an API's responses, or `None` when no client of this project asks for them.
#[must_use]
pub const fn response_shape(api_key: ApiKey) -> Option<&'static Shape> {
    Some(match api_key {
        ApiKey::Produce => &data::PRODUCE,
        ApiKey::Fetch => &data::FETCH,
        ApiKey::ListOffsets => &data::LIST_OFFSETS,
        ApiKey::DeleteRecords => &data::DELETE_RECORDS,
        ApiKey::OffsetForLeaderEpoch => &data::OFFSET_FOR_LEADER_EPOCH,
        ApiKey::InitProducerId => &data::INIT_PRODUCER_ID,
        ApiKey::OffsetCommit => &group::OFFSET_COMMIT,
        ApiKey::OffsetFetch => &group::OFFSET_FETCH,
        ApiKey::FindCoordinator => &group::FIND_COORDINATOR,
        ApiKey::JoinGroup => &group::JOIN_GROUP,
        ApiKey::Heartbeat => &group::HEARTBEAT,
        ApiKey::LeaveGroup => &group::LEAVE_GROUP,
        ApiKey::SyncGroup => &group::SYNC_GROUP,
        ApiKey::DescribeGroups => &group::DESCRIBE_GROUPS,
        ApiKey::ListGroups => &group::LIST_GROUPS,
        ApiKey::DeleteGroups => &group::DELETE_GROUPS,
        ApiKey::OffsetDelete => &group::OFFSET_DELETE,
        ApiKey::ConsumerGroupHeartbeat => &group::CONSUMER_GROUP_HEARTBEAT,
        ApiKey::ConsumerGroupDescribe => &group::CONSUMER_GROUP_DESCRIBE,
        ApiKey::ShareGroupHeartbeat => &share::SHARE_GROUP_HEARTBEAT,
        ApiKey::ShareGroupDescribe => &share::SHARE_GROUP_DESCRIBE,
        ApiKey::DescribeShareGroupOffsets => &share::DESCRIBE_SHARE_GROUP_OFFSETS,
        ApiKey::AlterShareGroupOffsets => &share::ALTER_SHARE_GROUP_OFFSETS,
        ApiKey::DeleteShareGroupOffsets => &share::DELETE_SHARE_GROUP_OFFSETS,
        ApiKey::AddPartitionsToTxn => &txn::ADD_PARTITIONS_TO_TXN,
        ApiKey::AddOffsetsToTxn => &txn::ADD_OFFSETS_TO_TXN,
        ApiKey::EndTxn => &txn::END_TXN,
        ApiKey::WriteTxnMarkers => &txn::WRITE_TXN_MARKERS,
        ApiKey::TxnOffsetCommit => &txn::TXN_OFFSET_COMMIT,
        ApiKey::DescribeProducers => &txn::DESCRIBE_PRODUCERS,
        ApiKey::DescribeTransactions => &txn::DESCRIBE_TRANSACTIONS,
        ApiKey::ListTransactions => &txn::LIST_TRANSACTIONS,
        ApiKey::Metadata => &topic::METADATA,
        ApiKey::CreateTopics => &topic::CREATE_TOPICS,
        ApiKey::DeleteTopics => &topic::DELETE_TOPICS,
        ApiKey::CreatePartitions => &topic::CREATE_PARTITIONS,
        ApiKey::DescribeTopicPartitions => &topic::DESCRIBE_TOPIC_PARTITIONS,
        ApiKey::ElectLeaders => &topic::ELECT_LEADERS,
        ApiKey::AlterPartitionReassignments => &topic::ALTER_PARTITION_REASSIGNMENTS,
        ApiKey::ListPartitionReassignments => &topic::LIST_PARTITION_REASSIGNMENTS,
        ApiKey::AlterReplicaLogDirs => &topic::ALTER_REPLICA_LOG_DIRS,
        ApiKey::DescribeLogDirs => &topic::DESCRIBE_LOG_DIRS,
        ApiKey::DescribeConfigs => &config::DESCRIBE_CONFIGS,
        ApiKey::AlterConfigs => &config::ALTER_CONFIGS,
        ApiKey::IncrementalAlterConfigs => &config::INCREMENTAL_ALTER_CONFIGS,
        ApiKey::ListConfigResources => &config::LIST_CONFIG_RESOURCES,
        ApiKey::DescribeClientQuotas => &config::DESCRIBE_CLIENT_QUOTAS,
        ApiKey::AlterClientQuotas => &config::ALTER_CLIENT_QUOTAS,
        ApiKey::ApiVersions => &cluster::API_VERSIONS,
        ApiKey::DescribeCluster => &cluster::DESCRIBE_CLUSTER,
        ApiKey::DescribeQuorum => &cluster::DESCRIBE_QUORUM,
        ApiKey::UnregisterBroker => &cluster::UNREGISTER_BROKER,
        ApiKey::UpdateFeatures => &cluster::UPDATE_FEATURES,
        ApiKey::AddRaftVoter => &cluster::ADD_RAFT_VOTER,
        ApiKey::RemoveRaftVoter => &cluster::REMOVE_RAFT_VOTER,
        ApiKey::SaslHandshake => &security::SASL_HANDSHAKE,
        ApiKey::SaslAuthenticate => &security::SASL_AUTHENTICATE,
        ApiKey::DescribeAcls => &security::DESCRIBE_ACLS,
        ApiKey::CreateAcls => &security::CREATE_ACLS,
        ApiKey::DeleteAcls => &security::DELETE_ACLS,
        ApiKey::DescribeUserScramCredentials => &security::DESCRIBE_USER_SCRAM_CREDENTIALS,
        ApiKey::AlterUserScramCredentials => &security::ALTER_USER_SCRAM_CREDENTIALS,
        ApiKey::CreateDelegationToken => &security::CREATE_DELEGATION_TOKEN,
        ApiKey::RenewDelegationToken => &security::RENEW_DELEGATION_TOKEN,
        ApiKey::ExpireDelegationToken => &security::EXPIRE_DELEGATION_TOKEN,
        ApiKey::DescribeDelegationToken => &security::DESCRIBE_DELEGATION_TOKEN,
        _ => return None,
    })
}
