//! Which messages are response bodies, and how each is encoded.

use super::ResponseSink;
use crate::error::ProtocolError;
use crate::messages;
use crate::{Encodable, HeaderVersion};

/// A response body that can be written behind other bytes, as [`super::encode_response_into`]
/// does.
pub trait EncodeBody: HeaderVersion {
    /// Writes the body.
    ///
    /// # Errors
    /// [`ProtocolError::Unencodable`] when the body holds what this version cannot express.
    fn encode_body(&self, sink: &mut ResponseSink, version: i16) -> Result<(), ProtocolError>;
}

/// A response body that [`super::encode_response`] takes. Implemented for the responses of all
/// served APIs but Produce; the one of Fetch keeps its records out of the buffer.
pub trait ResponseBody: EncodeBody {
    /// How many bytes [`EncodeBody::encode_body`] will put into memory, or a few more.
    ///
    /// # Errors
    /// [`ProtocolError::Unencodable`] when a string is too long for its length field.
    fn in_memory_bytes(&self, version: i16) -> Result<usize, ProtocolError>;
}

/// kafka-protocol's error type is anyhow's, which this crate does not name.
pub(super) fn unencodable(error: &impl std::fmt::Display) -> ProtocolError {
    ProtocolError::Unencodable(error.to_string())
}

macro_rules! plain_bodies {
    ($($response:ident)*) => { $(
        impl ResponseBody for messages::$response {
            fn in_memory_bytes(&self, version: i16) -> Result<usize, ProtocolError> {
                self.compute_size(version)
                    .map_err(|error| unencodable(&error))
            }
        }

        impl EncodeBody for messages::$response {
            fn encode_body(
                &self,
                sink: &mut ResponseSink,
                version: i16,
            ) -> Result<(), ProtocolError> {
                self.encode(&mut sink.bytes, version)
                    .map_err(|error| unencodable(&error))
            }
        }
    )* };
}

plain_bodies! {
    ListOffsetsResponse MetadataResponse OffsetCommitResponse OffsetFetchResponse
    FindCoordinatorResponse JoinGroupResponse HeartbeatResponse LeaveGroupResponse SyncGroupResponse
    DescribeGroupsResponse ListGroupsResponse ApiVersionsResponse CreateTopicsResponse
    DeleteTopicsResponse DeleteRecordsResponse InitProducerIdResponse OffsetForLeaderEpochResponse
    DescribeConfigsResponse AlterConfigsResponse DescribeLogDirsResponse CreatePartitionsResponse
    DeleteGroupsResponse IncrementalAlterConfigsResponse OffsetDeleteResponse
    DescribeClusterResponse DescribeTopicPartitionsResponse AlterReplicaLogDirsResponse
    UpdateFeaturesResponse
    AddPartitionsToTxnResponse AddOffsetsToTxnResponse EndTxnResponse DescribeTransactionsResponse
    WriteTxnMarkersResponse DescribeProducersResponse
    TxnOffsetCommitResponse
    ListTransactionsResponse ListConfigResourcesResponse
    ConsumerGroupHeartbeatResponse ConsumerGroupDescribeResponse
}
