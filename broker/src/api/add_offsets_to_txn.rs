//! AddOffsetsToTxn (25): the offsets of a group join a transaction.
//!
//! Versions 0-4. What joins is the partition of `__consumer_offsets` that holds the group. Clients
//! of transactions v2 do not send it: their TxnOffsetCommit does it for them. Kafka:
//! `KafkaApis.handleAddOffsetsToTxnRequest`.

use ringbrook_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::RequestContext;
use super::error::NONE;
use super::txn_error::txn_code;
use crate::controller::topic_name::CONSUMER_OFFSETS;
use crate::txn::{ProducerIdAndEpoch, TopicPartition};

/// First version that knows PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;
/// The transaction protocol of clients that add their partitions themselves.
const CLIENT_ADDS: i16 = 0;

/// Adds the group's partition.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let broker = ctx.broker();
    let index = broker.groups.partition_for(&request.group_id);
    let partition = [TopicPartition::new(CONSUMER_OFFSETS, index)];
    let producer = ProducerIdAndEpoch::new(request.producer_id.0, request.producer_epoch);
    let id = &request.transactional_id;
    let added = broker
        .transactions
        .add_partitions(id, producer, &partition, CLIENT_ADDS);
    let code = match added.await {
        Ok(()) => NONE,
        Err(error) => txn_code(error, ctx.api_version, FENCED_FROM),
    };
    AddOffsetsToTxnResponse::default().with_error_code(code)
}
