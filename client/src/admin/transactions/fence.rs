//! Fencing producers by their transactional ids (KIP-588, `fenceProducers`).

use std::collections::BTreeSet;

use futures_util::future::join_all;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::{InitProducerIdRequest, ProducerId};

use crate::admin::driver::{at_coordinator, checked};
use crate::admin::wire::transactional_id;
use crate::admin::{Admin, PerItem};
use crate::cluster::{CoordinatorKind, Target};

/// The timeout of the transaction that the fencing itself may need to end.
const TRANSACTION_TIMEOUT_MS: i32 = 60_000;

/// What a producer would have to be now: older epochs are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FencedProducer {
    /// The id.
    pub producer_id: i64,
    /// The epoch.
    pub producer_epoch: i16,
}

impl Admin {
    /// Fences all producers of these transactional ids and aborts their open transactions.
    pub async fn fence_producers(
        &self,
        transactional_ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> PerItem<String, FencedProducer> {
        let call = self.begin("fencing producers", |error| {
            at_coordinator(error) || error == ResponseError::ConcurrentTransactions
        });
        let ids = transactional_ids.into_iter().map(Into::into);
        let ids: BTreeSet<String> = ids.collect();
        let kind = CoordinatorKind::Transaction;
        self.at_coordinators(call, kind, ids, async |node, ids: Vec<String>| {
            let asking = ids.iter().map(async |id| {
                let build = |_| {
                    Ok(InitProducerIdRequest::default()
                        .with_transactional_id(Some(transactional_id(id)))
                        .with_transaction_timeout_ms(TRANSACTION_TIMEOUT_MS)
                        .with_producer_id(ProducerId(-1))
                        .with_producer_epoch(-1))
                };
                let one = std::slice::from_ref(id);
                self.ask(call, Target::Node(node), one, build, |answer| {
                    checked(answer.error_code, None, || format!("transactional id {id}"))?;
                    let fenced = FencedProducer {
                        producer_id: answer.producer_id.0,
                        producer_epoch: answer.producer_epoch,
                    };
                    Ok(vec![(id.clone(), Ok(fenced))])
                })
                .await
            });
            join_all(asking).await.into_iter().flatten().collect()
        })
        .await
    }
}
