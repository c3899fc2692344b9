//! InitProducerId (22): an id for an idempotent producer, or id and epoch for a transactional one.
//!
//! Versions 0-5. A transactional producer that goes on after an error passes its id and epoch
//! (KIP-360, from version 3); one that does so without a transactional id gets a new id all the
//! same: its old state is of no use to it. Kafka: `KafkaApis.handleInitProducerIdRequest`,
//! `TransactionCoordinator.handleInitProducerId`.

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::RequestContext;
use super::txn_error::txn_code;
use crate::txn::{InitProducerId, ProducerIdAndEpoch};

const NO_PRODUCER_ID: i64 = -1;
const NO_PRODUCER_EPOCH: i16 = -1;
/// First version that knows PRODUCER_FENCED.
const FENCED_FROM: i16 = 4;

/// Hands out the next producer id, or the next epoch of a transactional id.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let Ok(expected) = expected(&request) else {
        return failed(ResponseError::InvalidRequest.code());
    };
    let broker = ctx.broker();
    let Some(transactional_id) = request.transactional_id else {
        return match broker.producer_ids.next().await {
            Ok(id) => initialized(ProducerIdAndEpoch::new(id, 0)),
            Err(error) => {
                tracing::error!(%error, "no producer id to be had");
                failed(ResponseError::CoordinatorNotAvailable.code())
            }
        };
    };
    let init = InitProducerId {
        transactional_id: &transactional_id,
        timeout_ms: request.transaction_timeout_ms,
        expected,
    };
    match broker.transactions.init_producer_id(init).await {
        Ok(producer) => initialized(producer),
        Err(error) => failed(txn_code(error, ctx.api_version, FENCED_FROM)),
    }
}

/// The producer that goes on, if any; one of id and epoch without the other is no request.
fn expected(request: &InitProducerIdRequest) -> Result<Option<ProducerIdAndEpoch>, ()> {
    match (request.producer_id.0, request.producer_epoch) {
        (NO_PRODUCER_ID, NO_PRODUCER_EPOCH) => Ok(None),
        (NO_PRODUCER_ID, _) | (_, NO_PRODUCER_EPOCH) => Err(()),
        (id, epoch) => Ok(Some(ProducerIdAndEpoch::new(id, epoch))),
    }
}

fn initialized(producer: ProducerIdAndEpoch) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_producer_id(ProducerId(producer.producer_id))
        .with_producer_epoch(producer.producer_epoch)
}

fn failed(code: i16) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code)
        .with_producer_id(ProducerId(NO_PRODUCER_ID))
        .with_producer_epoch(NO_PRODUCER_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_that_goes_on_names_both_id_and_epoch() {
        let request = |id, epoch| {
            InitProducerIdRequest::default()
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(epoch)
        };
        assert_eq!(expected(&request(-1, -1)), Ok(None));
        assert_eq!(expected(&InitProducerIdRequest::default()), Ok(None));
        assert_eq!(expected(&request(5, -1)), Err(()));
        assert_eq!(expected(&request(-1, 0)), Err(()));
        let producer = ProducerIdAndEpoch::new(0, 0);
        assert_eq!(expected(&request(0, 0)), Ok(Some(producer)));
    }
}
