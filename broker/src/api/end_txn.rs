//! EndTxn (26): a producer commits or aborts its transaction.
//!
//! Versions 0-5. From version 5 on the client speaks transactions v2 (KIP-890): the answer tells
//! the producer id and epoch to use next. Answered when the decision is on disk; the markers are
//! written afterwards. Kafka: `KafkaApis.handleEndTxnRequest`.

use ringbrook_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::RequestContext;
use super::txn_error::txn_code;
use crate::txn::ProducerIdAndEpoch;

/// First version that knows PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;
/// First version of transactions v2.
const EPOCH_BUMP_FROM: i16 = 5;

/// Ends the transaction.
pub(crate) async fn handle(ctx: RequestContext, request: EndTxnRequest) -> EndTxnResponse {
    let version = ctx.api_version;
    let protocol = if version < EPOCH_BUMP_FROM { 0 } else { 2 };
    let producer = ProducerIdAndEpoch::new(request.producer_id.0, request.producer_epoch);
    let id = &request.transactional_id;
    let transactions = &ctx.broker().transactions;
    let ended = transactions.end_txn(id, producer, request.committed, protocol);
    match ended.await {
        Ok(next) => EndTxnResponse::default()
            .with_producer_id(ProducerId(next.producer_id))
            .with_producer_epoch(next.producer_epoch),
        Err(error) => EndTxnResponse::default()
            .with_error_code(txn_code(error, version, FENCED_FROM))
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    }
}
