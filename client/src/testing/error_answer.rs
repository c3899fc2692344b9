//! Answers that are an error, wherever the answer to a request has a place for one.

use ringbrook_protocol::Request;
use ringbrook_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use ringbrook_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use ringbrook_protocol::messages::find_coordinator_response::Coordinator;
use ringbrook_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use ringbrook_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ringbrook_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use ringbrook_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use ringbrook_protocol::messages::produce_response::{
    PartitionProduceResponse, TopicProduceResponse,
};
use ringbrook_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ringbrook_protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, DescribeClusterRequest,
    DescribeClusterResponse, FetchRequest, FetchResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest,
    ListOffsetsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
    OffsetFetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ProduceRequest,
    ProduceResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

/// A request whose answer can be an error.
pub(crate) trait ErrorAnswer: Request {
    /// The answer that refuses everything in this request for the same reason.
    fn error_answer(&self, version: i16, error_code: i16) -> Self::Response;
}

/// Answers with one error code for the whole request.
macro_rules! whole_requests {
    ($($request:ident -> $response:ident,)*) => {$(
        impl ErrorAnswer for ringbrook_protocol::messages::$request {
            fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
                ringbrook_protocol::messages::$response::default().with_error_code(error_code)
            }
        }
    )*};
}

whole_requests! {
    HeartbeatRequest -> HeartbeatResponse,
    JoinGroupRequest -> JoinGroupResponse,
    SyncGroupRequest -> SyncGroupResponse,
    LeaveGroupRequest -> LeaveGroupResponse,
    ConsumerGroupHeartbeatRequest -> ConsumerGroupHeartbeatResponse,
    EndTxnRequest -> EndTxnResponse,
    AddOffsetsToTxnRequest -> AddOffsetsToTxnResponse,
    ListGroupsRequest -> ListGroupsResponse,
    ListTransactionsRequest -> ListTransactionsResponse,
    ListConfigResourcesRequest -> ListConfigResourcesResponse,
}

impl ErrorAnswer for DescribeClusterRequest {
    fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
        DescribeClusterResponse::default().with_error_code(error_code)
    }
}

impl ErrorAnswer for InitProducerIdRequest {
    fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
        InitProducerIdResponse::default()
            .with_error_code(error_code)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1)
    }
}

impl ErrorAnswer for FindCoordinatorRequest {
    fn error_answer(&self, version: i16, error_code: i16) -> Self::Response {
        let response = FindCoordinatorResponse::default();
        if version < 4 {
            return response
                .with_error_code(error_code)
                .with_node_id((-1).into());
        }
        let coordinators = self.coordinator_keys.iter().map(|key| {
            Coordinator::default()
                .with_key(key.clone())
                .with_node_id((-1).into())
                .with_error_code(error_code)
        });
        response.with_coordinators(coordinators.collect())
    }
}

impl ErrorAnswer for ProduceRequest {
    fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
        let responses = self.topic_data.iter().map(|topic| {
            let partitions = topic.partition_data.iter().map(|partition| {
                PartitionProduceResponse::default()
                    .with_index(partition.index)
                    .with_error_code(error_code)
                    .with_base_offset(-1)
            });
            TopicProduceResponse::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partition_responses(partitions.collect())
        });
        ProduceResponse::default().with_responses(responses.collect())
    }
}

impl ErrorAnswer for FetchRequest {
    fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
        let responses = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                PartitionData::default()
                    .with_partition_index(partition.partition)
                    .with_error_code(error_code)
                    .with_high_watermark(-1)
                    .with_records(Some(bytes::Bytes::new()))
            });
            FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions.collect())
        });
        FetchResponse::default().with_responses(responses.collect())
    }
}

impl ErrorAnswer for OffsetForLeaderEpochRequest {
    fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                EpochEndOffset::default()
                    .with_partition(partition.partition)
                    .with_error_code(error_code)
            });
            OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic.clone())
                .with_partitions(partitions.collect())
        });
        OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
    }
}

impl ErrorAnswer for ListOffsetsRequest {
    fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(error_code)
            });
            ListOffsetsTopicResponse::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }
}

/// As clients ask, up to version 3.
impl ErrorAnswer for AddPartitionsToTxnRequest {
    fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
        let topics = self.v3_and_below_topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                AddPartitionsToTxnPartitionResult::default()
                    .with_partition_index(*partition)
                    .with_partition_error_code(error_code)
            });
            AddPartitionsToTxnTopicResult::default()
                .with_name(topic.name.clone())
                .with_results_by_partition(partitions.collect())
        });
        AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect())
    }
}

impl ErrorAnswer for TxnOffsetCommitRequest {
    fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(error_code)
            });
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        TxnOffsetCommitResponse::default().with_topics(topics.collect())
    }
}

impl ErrorAnswer for OffsetCommitRequest {
    fn error_answer(&self, _: i16, error_code: i16) -> Self::Response {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                OffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(error_code)
            });
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    }
}

impl ErrorAnswer for OffsetFetchRequest {
    fn error_answer(&self, version: i16, error_code: i16) -> Self::Response {
        let response = OffsetFetchResponse::default();
        if version < 8 {
            return response.with_error_code(error_code);
        }
        let groups = self.groups.iter().map(|group| {
            OffsetFetchResponseGroup::default()
                .with_group_id(group.group_id.clone())
                .with_error_code(error_code)
        });
        response.with_groups(groups.collect())
    }
}
