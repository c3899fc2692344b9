//! What the transaction coordinator needs from the broker: its topic, producer ids, the version of
//! the transaction protocol. The markers go through `marker_writer`.

use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use ringbrook_engine::Clock;
use ringbrook_record::Codec;

use super::coordinator_log::{CoordinatorLogOptions, PartitionCoordinatorLog};
use super::marker_writer::PartitionMarkerWriter;
use super::{Broker, InternalTopic};
use crate::config::TransactionsConfig;
use crate::controller::features::TRANSACTION_VERSION;
use crate::txn::{
    ProducerIds, TransactionCoordinator, TransactionVersion, TxnConfig, TxnError, TxnParts,
};

/// The coordinator of `broker`.
pub(super) fn coordinator(
    broker: &Weak<Broker>,
    config: &TransactionsConfig,
    clock: Arc<dyn Clock>,
) -> TransactionCoordinator {
    let options = CoordinatorLogOptions {
        partitions_default: config.state_log.partitions,
        codec: Codec::None,
        load_bytes: config.state_log.load_buffer_bytes,
    };
    let topic = InternalTopic::TransactionState;
    let log = PartitionCoordinatorLog::new(Weak::clone(broker), topic, options);
    let parts = TxnParts {
        log: Arc::new(log),
        markers: Arc::new(PartitionMarkerWriter::new(Weak::clone(broker))),
        producer_ids: Arc::new(BrokerProducerIds(Weak::clone(broker))),
        version: Arc::new(BrokerFeatures(Weak::clone(broker))),
        clock,
    };
    let config = TxnConfig {
        max_timeout: config.max_timeout,
        abort_timed_out_interval: config.abort_timed_out_interval,
        id_expiration: config.id_expiration,
        remove_expired_interval: config.remove_expired_interval,
        ..TxnConfig::default()
    };
    TransactionCoordinator::new(config, parts)
}

/// The producer ids of the controller.
struct BrokerProducerIds(Weak<Broker>);

impl ProducerIds for BrokerProducerIds {
    fn next(&self) -> LocalBoxFuture<'_, Result<i64, TxnError>> {
        async move {
            let broker = self.0.upgrade().ok_or(TxnError::NotCoordinator)?;
            broker.producer_ids.next().await.map_err(|error| {
                tracing::error!(%error, "no producer id to be had");
                TxnError::CoordinatorNotAvailable
            })
        }
        .boxed_local()
    }
}

/// The finalized features in the metadata.
struct BrokerFeatures(Weak<Broker>);

impl TransactionVersion for BrokerFeatures {
    fn finalized(&self) -> i16 {
        let broker = self.0.upgrade();
        broker.map_or(0, |broker| {
            broker.image().feature_level(TRANSACTION_VERSION)
        })
    }
}
