//! InitProducerId (22): an id for an idempotent producer.
//!
//! Versions 0-5. A producer that passes its id and epoch (KIP-360, from version 3) without a
//! transactional id gets a new id all the same: its old state is of no use to it. Transactional ids
//! are answered by the transaction coordinator, which this broker does not have. Kafka:
//! `TransactionCoordinator.handleInitProducerId`.

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::RequestContext;

const NO_PRODUCER_ID: i64 = -1;
const NO_PRODUCER_EPOCH: i16 = -1;

/// Hands out the next producer id.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match request.transactional_id {
        Some(id) if id.is_empty() => failed(ResponseError::InvalidRequest),
        Some(_) => failed(ResponseError::CoordinatorNotAvailable),
        None => match ctx.broker().producer_ids.next().await {
            Ok(id) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(0),
            Err(error) => {
                tracing::error!(%error, "no producer id to be had");
                failed(ResponseError::CoordinatorNotAvailable)
            }
        },
    }
}

fn failed(error: ResponseError) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(error.code())
        .with_producer_id(ProducerId(NO_PRODUCER_ID))
        .with_producer_epoch(NO_PRODUCER_EPOCH)
}
